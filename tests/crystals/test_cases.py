"""Small inputs on which readers failed, this one or others, each with its right value.

``cases/expected.json`` says of each file which crystals it holds, with a part of the warning that
must be given, or a part of the refusal. ``benchmarks/data/cases.py`` counts them.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from madelung.common.errors import CrystalError, CrystalWarning
from madelung.crystals.reading.files import iterate, read, read_all
from madelung.models.files import predict_files
from madelung.models.shipped import load
from madelung.sums.files import sum_files
from madelung.sums.potentials import Coulomb

CASES = Path(__file__).parent / "cases"
EXPECTED: dict[str, dict[str, Any]] = json.loads((CASES / "expected.json").read_text("utf-8"))
READ = [(kind, name) for kind in ("failing", "passing") for name in EXPECTED[kind]]
HOSTILE = sorted(EXPECTED["hostile"])


@pytest.mark.parametrize(("kind", "name"), READ, ids=[name for _, name in READ])
def test_crystal_case(kind: str, name: str) -> None:
    path, right = CASES / kind / name, EXPECTED[kind][name]
    if "refused" in right:
        with pytest.raises(CrystalError) as caught:
            read_all(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert right["refused"] in str(caught.value)
        return
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always", CrystalWarning)
        crystals = read_all(path)
    assert [crystal.formula for crystal in crystals] == right["formulas"]
    assert len(given) == sum(len(crystal.warnings) for crystal in crystals)
    if "warning" in right:
        assert right["warning"] in " ".join(crystals[0].warnings)


def test_every_case_has_a_right_value() -> None:
    for kind, cases in EXPECTED.items():
        assert sorted(cases) == sorted(path.name for path in (CASES / kind).iterdir())


def test_a_warning_is_issued_and_carried() -> None:
    path = CASES / "failing" / "02_border_atoms_P1.cif"
    with pytest.warns(CrystalWarning, match=r"02_border.*19 of 27 sites") as given:
        crystal = read(path)
    assert given[0].filename == __file__
    assert crystal.warnings and crystal.repeat(2).warnings == crystal.warnings
    ((_, carried),) = iterate([path])
    assert not isinstance(carried, CrystalError) and carried.warnings == crystal.warnings


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_one_crystals_problem(name: str) -> None:
    good, path = CASES / "hostile" / "good.cif", CASES / "hostile" / name
    right = EXPECTED["hostile"][name]
    alone = next(iter(sum_files([good], [Coulomb()])))
    results = list(sum_files([good, path, good], [Coulomb()]))
    assert [result.problem is None for result in results] == [True, "refused" not in right, True]
    for result in (results[0], results[2]):
        assert result.values is not None and alone.values is not None
        assert (result.values == alone.values).all()
    if "refused" in right:
        assert str(results[1].problem).startswith(f"{path}: ")
        assert right["refused"] in str(results[1].problem)


@pytest.mark.slow
def test_hostile_files_leave_the_predictions_of_others() -> None:
    good = CASES / "hostile" / "good.cif"
    paths = [good, *(CASES / "hostile" / name for name in HOSTILE if name != good.name), good]
    model = load("formation-energy")
    results = list(predict_files(model, paths))
    assert [result.problem is None for result in results] == [True, *[False] * 5, True]
    assert results[0].prediction == results[-1].prediction
    for path, result in zip(paths[1:-1], results[1:-1], strict=True):
        assert str(result.problem).startswith(f"{path}: ")
        assert EXPECTED["hostile"][path.name]["refused"] in str(result.problem)


def test_predictions_list_the_warnings_of_reading() -> None:
    path = CASES / "failing" / "04_formula_units_contradict.cif"
    (result,) = predict_files(load("formation-energy"), [path])
    assert result.prediction is not None
    assert any("contradicts" in text for text in result.prediction.warnings)
