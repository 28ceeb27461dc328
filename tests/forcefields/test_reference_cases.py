"""Small inputs on which force fields failed, each with its right value.

``cases/expected.json`` says of each file what it holds, or a part of the problem that is told.
``benchmarks/data/cases.py`` counts them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lammps_machine import needs_lammps
from lammps_oracle import lammps_results
from typer.testing import CliRunner

from madelung.cli import app
from madelung.common.errors import ForceFieldError
from madelung.forcefields.files import load_force_field
from madelung.forcefields.reference.configurations import (
    Configuration,
    SkippedConfigurations,
    read_configurations,
)
from madelung.forcefields.reference.reference_data import DataFiles
from madelung.forcefields.uf3.basis import PairFunction
from madelung.forcefields.uf3.fit import fit_uf3
from madelung.forcefields.uf3.lammps import write_lammps
from madelung.forcefields.uf3.potential import UF3Potential
from madelung.forcefields.uf3.settings import UF3Settings

CASES = Path(__file__).parent / "cases"
EXPECTED: dict[str, dict[str, Any]] = json.loads((CASES / "expected.json").read_text("utf-8"))
SMALL_UF3 = ("--two-body", "1.5:5:6", "--three-body", "1.5:4:4,4,8")
SMALL_SPLINES = ("--cutoff", "5", "--starts", "1", "--iterations", "3")
FITS = {"uf3": SMALL_UF3, "eam": SMALL_SPLINES, "meam": SMALL_SPLINES}


@pytest.mark.parametrize("name", EXPECTED["reference data"])
def test_reference_data(name: str) -> None:
    right, skipped = EXPECTED["reference data"][name], SkippedConfigurations()
    read = read_configurations(CASES / name, **right.get("keys", {}), on_problem=skipped)
    found = list(read)
    assert len(found) == right["count"]
    assert skipped.count == ("problem" in right)
    assert right.get("problem", "") in skipped.summary()
    if "energy" in right:
        assert found[0].energy == right["energy"]
        np.testing.assert_allclose(found[0].forces, [[0.1, 0, 0], [-0.1, 0, 0]])
    if "stress" in right:
        assert found[0].stress is not None
        np.testing.assert_allclose(np.diag(found[0].stress), right["stress"], rtol=1e-9)
    if "ids" in right:
        assert [item.id for item in found] == right["ids"]
    if "weights" in right:
        assert [list(item.weights) for item in found] == right["weights"]


FRAME = """2
Lattice="4 0 0 0 5 0 0 0 6" Properties=species:S:1:pos:R:3:forces:R:3 energy=-3 {facts} pbc="T T T"
Si 0 0 0 0.1 0.2 0.3
Si 2 0 0 -0.1 -0.2 -0.3
"""
VIRIAL = 'REF_virial="12 2.4 3.6 2.4 24 4.8 3.6 4.8 36"'  # -120 Å³ times the stress below
CONTRADICTIONS = {
    'REF_stress="-0.1 -0.2 -0.3 -0.04 -0.03 -0.02"': None,
    'REF_stress="0.1 0.02 0.03 0.02 0.2 0.04 0.03 0.04 0.3"': "says -1 times.*opposite sign",
    'REF_stress="-16.0218 -3.20435 -4.80653 -3.20435 -32.0435 -6.4087 -4.80653 -6.4087 -48.0653"': (
        "a stress in GPa"
    ),
    'REF_stress="160.218 32.0435 48.0653 32.0435 320.435 64.087 48.0653 64.087 480.653"': (
        "a stress in kB with the opposite sign"
    ),
    'REF_stress="-0.1 -0.2 -0.3 -0.02 -0.04 -0.03"': "the order xx yy zz xy yz zx",
    'REF_stress="-0.1 -0.2 -0.5 -0.02 -0.04 -0.03"': "no single factor",
}


@pytest.mark.parametrize("facts", CONTRADICTIONS)
def test_stress_and_virial_are_compared(tmp_path: Path, facts: str) -> None:
    (tmp_path / "a.extxyz").write_text(FRAME.format(facts=f"{facts} {VIRIAL}"), "utf-8")
    wrong = CONTRADICTIONS[facts]
    problems: list[ForceFieldError] = []
    found = list(read_configurations(tmp_path / "a.extxyz", on_problem=problems.append))
    if wrong is None:
        np.testing.assert_allclose(np.diag(np.asarray(found[0].stress)), [-0.1, -0.2, -0.3])
        return
    assert not found
    with pytest.raises(ForceFieldError, match=wrong):
        raise problems[0]
    (item,) = read_configurations(tmp_path / "a.extxyz", virial_key="REF_virial")
    np.testing.assert_allclose(np.diag(np.asarray(item.stress)), [-0.1, -0.2, -0.3])


def test_a_virial_key_names_a_virial_whatever_it_is_called(tmp_path: Path) -> None:
    facts = VIRIAL.replace("REF_virial", "w")
    (tmp_path / "a.extxyz").write_text(FRAME.format(facts=facts), "utf-8")
    (item,) = read_configurations(tmp_path / "a.extxyz", virial_key="w")
    np.testing.assert_allclose(np.diag(np.asarray(item.stress)), [-0.1, -0.2, -0.3])


def without(name: str, *quantities: str) -> list[Configuration]:
    """Configurations of a case without some of their values."""
    from dataclasses import replace

    unknown: dict[str, Any] = dict.fromkeys(quantities)
    return [replace(item, **unknown) for item in read_configurations(CASES / name)]


def case(name: str, folder: Path) -> Path:
    """A file of the cases; one of forces alone is made from that of one frame."""
    if name != "forces_only.extxyz":
        return CASES / name
    text = (CASES / "one.extxyz").read_text("utf-8").splitlines(keepends=True)
    words = text[1].split(" energy=")
    text[1] = f'{words[0]} pbc="T T T"\n'
    (folder / name).write_text("".join(text), "utf-8")
    return folder / name


@pytest.mark.slow
@pytest.mark.parametrize("kind", FITS)
@pytest.mark.parametrize("name", EXPECTED["fits"])
def test_every_fit_ends_with_a_potential_or_a_line(tmp_path: Path, kind: str, name: str) -> None:
    out = tmp_path / "fit"
    arguments = ["fit", kind, str(case(name, tmp_path)), "--out", str(out), "--quiet"]
    result = CliRunner().invoke(app, [*arguments, *FITS[kind]])
    refused = EXPECTED["fits"][name].get("refused")
    if refused is not None:
        assert isinstance(result.exception, ForceFieldError), result.output
        assert refused in str(result.exception)
        return
    assert result.exit_code == 0, result.output
    results = json.loads((out / "results.json").read_text("utf-8"))
    assert results["errors"]["training"]["configurations"] > 0
    item = next(read_configurations(case(name, tmp_path)))
    found = load_force_field(out / "potential.json").evaluate(item.crystal)
    assert np.isfinite(found.energy) and np.isfinite(found.forces).all()
    assert (out / "parity.png").exists()


def test_keys_of_the_command_line_reach_the_data(tmp_path: Path) -> None:
    keys = ("--energy-key", "my_energy", "--forces-key", "my_forces")
    out, data = tmp_path / "fit", CASES / "custom.extxyz"
    arguments = ["fit", "uf3", str(data), "--out", str(out), "--quiet", *SMALL_UF3]
    result = CliRunner().invoke(app, [*arguments, *keys])
    assert result.exit_code == 0, result.output
    stored = json.loads((out / "results.json").read_text("utf-8"))["data"]
    assert stored["keys"] == {"energy_key": "my_energy", "forces_key": "my_forces"}
    assert "keys" not in DataFiles((str(data),)).as_object()


def test_a_weight_counts_a_frame_as_often(tmp_path: Path) -> None:
    from dataclasses import replace

    settings = UF3Settings.model_validate(
        {"elements": ("Cu",), "two_body": {"maximum": 5, "intervals": 6}, "three_body": None}
    )
    data = list(read_configurations(CASES / "huge.extxyz", on_problem=lambda problem: None))[:4]
    twice = fit_uf3([*data, data[0], data[0]], settings)
    weighed = fit_uf3([replace(data[0], weights=(3.0, 3.0, 3.0)), *data[1:]], settings)
    alone = fit_uf3([*data[1:], replace(data[0], weights=(0.0, 0.0, 0.0))], settings)
    least = fit_uf3(data[1:], settings)
    crystal = data[0].crystal
    for first, second in ((twice, weighed), (alone, least)):
        one, other = (fit.potential.evaluate(crystal) for fit in (first, second))
        np.testing.assert_allclose(one.forces, other.forces, atol=1e-6)
        assert first.errors["forces"] == pytest.approx(second.errors["forces"], rel=1e-6)


def test_weights_of_groups_count_and_are_of_groups_that_are_there(tmp_path: Path) -> None:
    text = (
        (CASES / "one.extxyz").read_text("utf-8").replace(" energy=", " config_type=bulk energy=")
    )
    (tmp_path / "a.extxyz").write_text(text, "utf-8")
    files = (str(tmp_path / "a.extxyz"), str(CASES / "weights.extxyz"))
    data = DataFiles(files, group_weights={"bulk": 3.0})
    found = [item.weights for item in data.read_training(SkippedConfigurations())]
    assert found[0] == (3.0, 3.0, 3.0)
    assert found[1] == (0.0, 30.0, 30.0)
    out = ("--out", str(tmp_path / "fit"), "--quiet", *SMALL_UF3, "--group-weight")
    for text, wrong in (("surface=2", "surface; there are bulk"), ("bulk", "GROUP=NUMBER")):
        result = CliRunner().invoke(app, ["fit", "uf3", files[0], *out, text])
        assert wrong in f"{result.output}{result.exception}"
    result = CliRunner().invoke(app, ["fit", "uf3", files[0], *out, "bulk=2"])
    assert result.exit_code == 0, result.output
    stored = json.loads((tmp_path / "fit" / "results.json").read_text("utf-8"))["data"]
    assert stored["group_weights"] == {"bulk": 2.0}


def test_a_file_of_the_released_uf3_package_has_its_numbers() -> None:
    reference = json.loads((CASES / "uf3_0.4.0_binary_reference.json").read_text("utf-8"))
    potential = load_force_field(CASES / "uf3_0.4.0_binary.json")
    frames = list(read_configurations(CASES / "alloy_two_frames.extxyz"))
    assert len(frames) == len(reference) == 2
    for item, right in zip(frames, reference, strict=True):
        found = potential.evaluate(item.crystal)
        assert found.energy == pytest.approx(right["e"], abs=1e-9)
        np.testing.assert_allclose(found.forces, right["f"], atol=1e-9)


def test_the_published_tungsten_is_read() -> None:
    potential = load_force_field(CASES / "examples_tungsten_extxyz_model_2and3.json")
    assert isinstance(potential, UF3Potential)
    assert potential.cutoff == 5.5 and len(potential.triplets) == 1


@needs_lammps
def test_lammps_keeps_triplets_beyond_the_pairs(tmp_path: Path) -> None:
    potential = load_force_field(CASES / "uf3_three_body_longer_than_two_body.uf3")
    assert isinstance(potential, UF3Potential)
    own = UF3Potential({29: -3.25}, potential.pairs, potential.triplets)
    write_lammps(own, tmp_path / "Cu.uf3")
    assert "Cu -3.25" in (tmp_path / "Cu.uf3").read_text("utf-8").split("\n")[0]
    crystal = next(read_configurations(CASES / "one.extxyz")).crystal
    style = ("uf3 3", f"{tmp_path / 'Cu.uf3'} Cu", ("Cu",))
    told, found = lammps_results(crystal.to_ase(), *style), own.evaluate(crystal)
    assert sum(told["energies"]) == pytest.approx(found.energy + 3.25 * 32, abs=1e-9)
    np.testing.assert_allclose(told["forces"], found.forces, atol=1e-9)


def test_a_pair_term_that_stops_short_is_refused_for_lammps(tmp_path: Path) -> None:
    potential = load_force_field(CASES / "uf3_three_body_longer_than_two_body.uf3")
    assert isinstance(potential, UF3Potential)
    (pair,) = potential.pairs
    broken = PairFunction(pair.species, pair.knots, pair.coefficients + 1.0)
    with pytest.raises(ForceFieldError, match=r"V2 ends at 3.4 Å, before V3 at 4.4 Å"):
        write_lammps(UF3Potential({29: 0.0}, [broken], potential.triplets), tmp_path / "Cu.uf3")


def test_a_neural_fit_to_energies_alone_ends_with_a_potential(tmp_path: Path) -> None:
    out, small = tmp_path / "fit", ("--layers", "1", "--features", "8", "--cutoff", "3.5")
    arguments = ["fit", "neural", str(CASES / "eonly.extxyz"), "--out", str(out), "--quiet"]
    result = CliRunner().invoke(app, [*arguments, "--epochs", "1", "--local", *small])
    assert result.exit_code == 0, result.output
    item = next(read_configurations(CASES / "eonly.extxyz"))
    assert np.isfinite(load_force_field(out / "potential").evaluate(item.crystal).forces).all()
