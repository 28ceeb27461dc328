"""Tables of energies, shifts of teachers, and who is the best where."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from places import SHARED

from madelung.common.errors import ForceFieldError
from madelung.crystals.crystal import Crystal
from madelung.forcefields.reference.configurations import Configuration, read_configurations
from madelung.teaching.choice import UNKNOWN, choose_teachers
from madelung.teaching.labels import TeacherLabels
from madelung.teaching.shifts import fit_shifts, shifted_energies
from madelung.teaching.tables import read_energy_table

DATA = SHARED / "data" / "forcefields"
PUBLISHED = {
    "W": (16.6, 11.0), "Si": (48.4, 27.3), "Cu": (6.9, 2.0), "Ni": (7.6, 3.2), "Mo": (12.3, 10.6),
}  # fmt: skip
"""Least RMS of one potential, and RMS of the best of each configuration, in meV/atom."""


def files_of(element: str) -> list[Path]:
    if element == "W":
        return [DATA / "W_szlachta_9691.extxyz.xz"]
    files = [DATA / f"mlearn_{element}_{part}.extxyz.gz" for part in ("train", "test")]
    return [*files, DATA / "Si_mogroup_defects.extxyz.gz"] if element == "Si" else files


def table_of(element: str) -> Path:
    path = DATA / f"{element}_eip_energies.csv.gz"
    if not path.is_file():
        pytest.skip(f"the shared table of {element} is not here")
    return path


def labels_of(energies: list[list[float]], compositions: list[list[int]]) -> TeacherLabels:
    values = np.array(energies, dtype=float)
    return TeacherLabels(
        teachers=tuple("abcdef"[: values.shape[1]]),
        ids=tuple(f"c{number}" for number in range(len(values))),
        elements=(28, 29)[: len(compositions[0])],
        compositions=np.array(compositions, dtype=np.int64),
        energies=values,
    )


@pytest.fixture
def two() -> list[Configuration]:
    """Two configurations of nickel, with the ids that files give."""
    return [
        Configuration(
            f"set-{number:06d}",
            Crystal(np.eye(3) * 4.0, np.arange(3.0 * (number + 1)).reshape(-1, 3),
                    [28] * (number + 1)),
            energy=-4.0 * (number + 1),
        )
        for number in range(2)
    ]  # fmt: skip


HEAD = "set,i,natoms,E_DFT,one,two\n"
ROWS = "set,0,1,-4.0,1.0,2.0\nother,0,7,-1.0,0,0\nset,1,2,-8.00001,nan,4.5\n"


@pytest.mark.slow
@pytest.mark.parametrize("element", list(PUBLISHED))
def test_published_errors_of_potentials(element: str) -> None:
    """Single potentials about their mean, the best of each configuration about medians."""
    table = table_of(element)
    configurations = list(read_configurations(files_of(element)))
    labels = read_energy_table(table, configurations)
    reference = np.array([item.energy for item in configurations])
    single, each = PUBLISHED[element]
    about_mean = choose_teachers(labels, reference, rule="mean").table()
    complete = [row for row in about_mean if row.configurations == len(labels)]
    assert min(row.rms for row in complete[:-1]) == pytest.approx(single, abs=0.06)
    choice = choose_teachers(labels, reference)
    assert choice.best_rms == pytest.approx(each, abs=0.06)
    none = sum(row.configurations < len(labels) for row in choice.table())
    assert none == {"Ni": 1, "Si": 1}.get(element, 0)
    reasons = sorted(text.split(":")[0] for text in labels.reasons.values())
    assert set(reasons) == {"Ni": {"too far off"}, "Si": {"not finite"}}.get(element, set())


def test_a_table_is_aligned_by_name(two: list[Configuration], tmp_path: Path) -> None:
    path = tmp_path / "energies.csv.gz"
    path.write_bytes(gzip.compress((HEAD + ROWS).encode()))
    labels = read_energy_table(path, two[::-1])
    assert labels.teachers == ("one", "two")
    np.testing.assert_array_equal(labels.energies, [[np.nan, 4.5], [1.0, 2.0]])
    np.testing.assert_array_equal(labels.counts, [2, 1])
    assert labels.reasons == {(0, 0): "not finite"}
    labels.save(tmp_path / "labels.safetensors")
    loaded = TeacherLabels.load(tmp_path / "labels.safetensors")
    assert loaded.forces is None
    assert loaded.reasons == labels.reasons


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "set,0,1,-4.0,1.0,2.0\n", "no row has set and i of"),
        (HEAD + ROWS.replace("set,1,2", "set,1,3"), "the row of set-000001 is of 3 atoms"),
        (HEAD + ROWS.replace("-8.00001", "-8.1"), "has the reference energy -8.1 eV"),
        (HEAD + ROWS + "set,0,1,-4.0,1.0,2.0\n", "line 5: a second row of set-000000"),
        (HEAD + "set,0,1\n", "line 2: more or fewer values than columns"),
        (HEAD + "set,a,1,-4,1,1\n", "'a' is no frame's number"),
        ("set,i,one\n", "the columns natoms, E_DFT are missing"),
        (None, "there is no such file"),
    ],
)
def test_tables_that_do_not_belong_are_refused(
    text: str | None, message: str, two: list[Configuration], tmp_path: Path
) -> None:
    path = tmp_path / "energies.csv"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(ForceFieldError, match=message):
        read_energy_table(path, two)


def test_configurations_without_energy_are_checked_by_atoms(
    two: list[Configuration], tmp_path: Path
) -> None:
    path = tmp_path / "energies.csv"
    path.write_text(HEAD + ROWS.replace("-8.00001", ""), encoding="utf-8")
    with pytest.raises(ForceFieldError, match="has the reference energy  eV"):
        read_energy_table(path, two)
    without = [replace(two[0]), replace(two[1], energy=None, forces=np.zeros((2, 3)))]
    assert read_energy_table(path, without).energies[1, 1] == 4.5


def test_shifts_of_several_elements_are_found_beside_outliers() -> None:
    random = np.random.default_rng(0)
    compositions = random.integers(1, 9, (40, 2))
    reference = random.normal(size=40)
    energies = (reference - compositions @ [1.5, -0.7])[:, None]
    energies[::5] += 30.0 * compositions.sum(1)[::5, None]
    labels = labels_of(energies.tolist(), compositions.tolist())
    shifts = fit_shifts(labels, reference)
    np.testing.assert_allclose(shifts, [[1.5, -0.7]], atol=1e-4)
    shifted = shifted_energies(labels, shifts)[1:5, 0]
    np.testing.assert_allclose(shifted, (reference / compositions.sum(1))[1:5], atol=1e-4)
    assert np.abs(fit_shifts(labels, reference, rule="mean") - [[1.5, -0.7]]).max() > 1.0


def test_elements_in_one_ratio_share_a_shift() -> None:
    labels = labels_of([[1.0], [2.0], [3.0]], [[1, 1], [2, 2], [3, 3]])
    reference = np.array([3.0, 6.0, 9.0])
    errors = choose_teachers(labels, reference).errors
    np.testing.assert_allclose(errors, 0.0, atol=1e-9)


def test_classes_and_shares() -> None:
    labels = labels_of(
        [[1.0, 0.0], [2.0, 0.3], [3.0, 0.0], [9.0, 5.0], [np.nan, np.nan], [1.0, 0.02]],
        [[1]] * 6,
    )
    reference = np.array([0.0, 1.0, 2.0, 0.0, 0.0, np.nan])
    choice = choose_teachers(labels, reference)
    # The shifts are -1 (of -1, -1, -1, -9) and 0.35 (of 0, 0.7, 2, -5).
    np.testing.assert_allclose(choice.shifts, [[-1.0], [0.35]])
    np.testing.assert_array_equal(choice.classes, [0, 0, 0, 2, 2, UNKNOWN])
    assert choice.class_names == ("a", "b", "none")
    table = choice.table(["x", "x", "y", "y", "y", "y"])
    by_name = {(row.teacher, row.group): row for row in table}
    assert by_name["a", "all"].share == pytest.approx(3 / 5)
    assert by_name["a", "x"].share == 1.0
    assert by_name["a", "all"].rms == pytest.approx(1000.0 * 4.0)
    assert by_name["a", "all"].median == pytest.approx(0.0)
    assert by_name["best of each", "all"].configurations == 4
    assert by_name["best of each", "y"].share == pytest.approx(1 / 3)
    assert choose_teachers(labels, reference, threshold=6.0).classes[3] == 1
    only = choose_teachers(labels, reference, labelled_indices=[0, 1])
    np.testing.assert_array_equal(only.classes, [0, 0, -1, -1, -1, -1])
    with pytest.raises(ForceFieldError, match="no reference energy is known"):
        choose_teachers(labels, np.full(6, np.nan))
    with pytest.raises(ForceFieldError, match="do not fit 6 configurations"):
        choose_teachers(labels, np.zeros(5))
