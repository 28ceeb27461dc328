"""A prediction is made of finite numbers, or the crystal has a named problem."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import madelung as md
from madelung.cli import app
from madelung.common.errors import CrystalError, CrystalWarning, TrainingError
from madelung.crystals.crystal import Crystal
from madelung.data.dataset import open_dataset
from madelung.data.formats.json_lines import record_line
from madelung.data.records import Record
from madelung.data.store import CrystalStore, write_store
from madelung.training.report import evaluate_dataset


def crystal(distance: float, pbc: bool = True, source: str | None = None) -> Crystal:
    """Two atoms in a cube of 4 Å, one apart from the other along its diagonal."""
    place = [distance] * 3
    return Crystal(
        cell=np.eye(3) * 4.0, positions=[[0, 0, 0], place], numbers=[55, 17], pbc=pbc, source=source
    )


GOOD, CLOSE, ALONE = crystal(2.0), crystal(0.02), crystal(2.0, pbc=False)


@pytest.mark.parametrize("name", ["phonon-frequency", "formation-energy", "bulk-modulus"])
def test_a_close_contact_is_a_problem_with_a_name(name: str) -> None:
    model = md.load(name)
    try:
        found = model.predict(CLOSE)
    except CrystalError as problem:
        assert str(problem).startswith("CsCl: ")
    else:
        assert np.isfinite([found.value, found.uncertainty, found.uncertainty_90]).all()
    with pytest.raises(CrystalError, match=r"item 1: .*periodic"):
        model.predict([GOOD, ALONE])


def test_a_list_goes_on_where_that_is_asked_for() -> None:
    model = md.load("phonon-frequency")
    with pytest.warns(CrystalWarning) as said:
        found = model.predict([GOOD, CLOSE, "gone.cif", ALONE, 7, GOOD], on_error="skip")
    assert [entry is None for entry in found] == [False, True, True, True, True, False]
    assert [str(one.message)[:7] for one in said] == [f"item {place}:" for place in (1, 2, 3, 4)]
    assert found[0] == found[5]
    assert found[0].value == pytest.approx(model.predict(GOOD).value)
    with pytest.raises(CrystalError, match=r"item 2: gone\.cif: there is no such file"):
        model.predict([GOOD, GOOD, "gone.cif"])
    with pytest.raises(ValueError, match="on_error"):
        model.predict(GOOD, on_error="ignore")


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """Crystals with values under a name of one's own; the second of them has a close contact."""
    crystals = [crystal(2.0), crystal(0.02), crystal(1.9)]
    lines = [
        record_line(Record(f"c{place}", one, {"own": 100.0 + place}))
        for place, one in enumerate(crystals)
    ]
    path = tmp_path / "measured.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_an_evaluation_counts_what_can_be_predicted(measured: Path) -> None:
    result = CliRunner().invoke(
        app, ["evaluate", "phonon-frequency", str(measured), "--column", "own", "--json"]
    )
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout, parse_constant=pytest.fail)
    assert content["count"] == 2
    assert list(content["problems"]) == ["c1"]
    assert content["column"] == "own"
    assert "not used: c1: " in result.stderr


@pytest.mark.slow
def test_columns_go_by_their_own_names(measured: Path) -> None:
    model, store = md.load("phonon-frequency"), open_dataset(measured)
    named = evaluate_dataset(model, store, column="own")
    assert evaluate_dataset(model, store, target="own").errors == named.errors
    with pytest.raises(TrainingError, match="--column"):
        evaluate_dataset(model, store)
    with pytest.raises(TrainingError, match="does not predict 'other'"):
        evaluate_dataset(model, store, target="other")
    with pytest.raises(TrainingError, match=r"in eV, and the model gives .* in GPa"):
        evaluate_dataset(
            md.load("bulk-modulus"), open_dataset("example:jarvis"), column="optb88vdw_bandgap"
        )


def test_crystals_of_the_training_part_are_recognised(store: CrystalStore, tmp_path: Path) -> None:
    model = md.load("formation-energy")
    few = write_store((store[index] for index in range(60)), tmp_path / "few", store.info)
    assert evaluate_dataset(model, few).seen_crystals == 0
    whole = evaluate_dataset(model, few, part="all")
    assert 0 < whole.seen_crystals < whole.errors.count
    assert whole.seen_in_training
