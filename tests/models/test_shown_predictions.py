"""What is printed is what is meant: units, gaps, warnings, names."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import madelung as md
from madelung.cli import app
from madelung.models.prediction import Prediction
from madelung.models.shipped import DEFAULT_MODEL, FORMER_NAMES, SHIPPED_MODELS, model_folder

ALUMINIUM = md.Crystal(
    cell=4.05 * np.eye(3),
    positions=4.05 * np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]),
    numbers=[13] * 4,
)


def prediction(target: str, value: float, unit: str, description: str = "") -> Prediction:
    return Prediction(target, value, unit, 0.05, 0.1, 0.5, (), description)


def test_logarithms_are_shown_as_what_they_are_of() -> None:
    found = prediction("log10_K", 2.0, "log10(GPa)", "base-10 logarithm: bulk modulus")
    assert str(found) == "bulk modulus = 100 GPa (90 %: 79.4 to 126)"
    assert (found.shown.low_90, found.shown.high_90) == pytest.approx((10**1.9, 10**2.1))
    assert found.value == 2.0
    huge = prediction("log10_K", 400.0, "log10(GPa)").shown
    assert huge.value == float("inf")


@pytest.mark.parametrize(
    ("value", "shown"), [(-0.3, (0.0, 0.0, 0.0)), (0.05, (0.05, 0.0, 0.15)), (2.0, (2.0, 1.9, 2.1))]
)
def test_gaps_are_not_negative(value: float, shown: tuple[float, float, float]) -> None:
    found = prediction("gap_pbe", value, "eV").shown
    assert (found.value, found.low_90, found.high_90) == pytest.approx(shown)
    energy = prediction("e_form", value, "eV/atom").shown
    assert (energy.value, energy.low_90) == pytest.approx((value, value - 0.1))


def test_results_are_short_in_a_notebook() -> None:
    found = Prediction("e<form", -1.0, "eV/atom", 0.05, 0.1, 0.5, ("far & away",))
    assert repr(found) == "Prediction(e<form = -1 ± 0.05 eV/atom, 1 warning)"
    assert "<th>e&lt;form</th>" in found._repr_html_() and "far &amp; away" in found._repr_html_()
    salt = md.example("NaCl")
    sums = md.complete_sums(salt, [md.Coulomb()])
    assert repr(sums).startswith("CompleteSums(8 atoms; Coulomb(); errors up to ")
    assert repr(md.complete_sums([salt, salt], md.Coulomb())).startswith("CompleteSums(2 crystals;")
    assert "Coulomb()" in sums._repr_html_()
    ions = md.electrostatics(salt, {"Na": 1.0, "Cl": -1.0})
    assert "Madelung constant 1.747564" in repr(ions) and len(repr(ions)) < 100
    assert "<td>1.747564" in ions._repr_html_()


def test_the_default_model_knows_metals() -> None:
    result = CliRunner().invoke(app, ["predict", "example:NaCl", "--json"])
    (entry,) = json.loads(result.stdout)
    assert entry["target"] == "e_form"
    metal = md.load(DEFAULT_MODEL).predict(ALUMINIUM)
    assert abs(metal.value) < 0.1 and not metal.warnings


def test_a_model_of_oxides_and_nitrides_warns_of_metals() -> None:
    model = md.load("formation-energy")
    assert any("held O or N" in text for text in model.predict(ALUMINIUM).warnings)
    assert not any("held O or N" in text for text in model.predict(md.example("TiO2")).warnings)
    model.card.elements["Ti"] = 3
    assert any("Ti (3 crystals)" in text for text in model.predict(md.example("TiO2")).warnings)


def test_a_former_name_still_works() -> None:
    known = {model.name for model in SHIPPED_MODELS}
    for former, present in FORMER_NAMES.items():
        assert former not in known and present in known
        with pytest.warns(FutureWarning, match=present):
            assert model_folder(former) == model_folder(present)
    found = md.load("jarvis-ehull-column").predict(md.example("TiO2"))
    assert any("no distance from the convex hull" in text for text in found.warnings)


def test_csv_has_all_that_json_has(tmp_path: Path) -> None:
    run, names = CliRunner().invoke, ["predict", "example:NaCl", "--model", "mp-bulk-modulus"]
    (entry,) = json.loads(run(app, [*names, "--json"]).stdout)
    (row,) = csv.DictReader(run(app, [*names, "--csv"]).stdout.splitlines())
    assert set(row) == {*entry, "error"}
    assert entry["shown_unit"] == row["shown_unit"] == "GPa"
    assert float(row["low_90"]) == entry["low_90"] < entry["shown_value"] < entry["high_90"]
    shown = run(app, names).stdout
    assert "bulk modulus, Voigt-Reuss-Hill average = " in shown and " GPa (90 %: " in shown
    refused = run(app, [*names, "--out", str(tmp_path / "a.parquet")])
    assert refused.exit_code == 2 and not list(tmp_path.iterdir())


def test_the_list_of_models_fits_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = CliRunner().invoke(app, ["models"]).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    for model in SHIPPED_MODELS:
        (line,) = [line for line in lines if f" {model.name} " in line]
        assert " test" in line or " val." in line
