"""Models: files, prediction, warnings, and the commands that use them."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from places import FROZEN_MODELS
from typer.testing import CliRunner

import madelung as md
from madelung.cli import app
from madelung.crystals.examples import EXAMPLE_NAMES, example_path
from madelung.inputs.settings import GraphSettings
from madelung.models.card import CARD_FILE, CARD_FORMAT, ModelCard, TargetCard
from madelung.models.model import WEIGHTS_FILE, CrystalModel
from madelung.models.novelty import Novelty
from madelung.models.settings import PotNetSettings
from madelung.models.shipped import SHIPPED_MODELS
from madelung.models.targets import ScaleFit

SEEN = {"Na": 3, "Cl": 4, "Ti": 2, "O": 9, "Zn": 1, "S": 1, "Ca": 1, "F": 1, "Cs": 1}


def random_model(**changes: object) -> CrystalModel:
    """A small model with random weights that knows some elements."""
    torch.manual_seed(3)
    card = ModelCard(
        name="random",
        targets=[
            TargetCard(name="energy", unit="eV/atom", factor_68=1.5, factor_90=3.0),
            TargetCard(name="gap", unit="eV"),
        ],
        graph=GraphSettings(tolerance=1e-8),
        network=PotNetSettings(features=8, layers=2, gaussians=16, multiquadrics=8),
        elements=SEEN,
    )
    model = CrystalModel.from_card(card)
    generator = np.random.default_rng(0)
    model.scale.baseline.copy_(torch.from_numpy(generator.normal(size=(2, 119))))
    model.scale.mean.copy_(torch.tensor([-1.0, 2.0]))
    model.novelty = Novelty.fit(generator.normal(size=(50, 8)), generator.normal(size=(20, 8)))
    model.network.eval()
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return random_model().save(tmp_path / "model")


def test_a_saved_model_gives_the_same_predictions(folder: Path) -> None:
    crystals = [md.example(name) for name in EXAMPLE_NAMES]
    before, loaded = random_model(), CrystalModel.load(folder)
    assert loaded.card.model_copy(update={"weights_sha256": ""}) == before.card
    for target in ("energy", "gap"):
        found = loaded.predict(crystals, target=target)
        assert found == before.predict(crystals, target=target)
        assert [prediction.target for prediction in found] == [target] * len(crystals)


def test_a_model_that_was_being_trained_predicts_as_ever() -> None:
    """Batch normalisation would otherwise take the statistics of what is predicted."""
    model = random_model()
    crystals = [md.example(name) for name in EXAMPLE_NAMES]
    before = model.predict(crystals)
    model.network.train()
    assert model.predict(crystals) == before
    assert not model.network.training


def test_everything_that_is_a_crystal_can_be_predicted(folder: Path) -> None:
    model = md.load(folder)
    expected = model.predict(md.example("NaCl"))
    atoms = md.example("NaCl").to_ase()
    pytest.importorskip("pymatgen.core", reason="needs the extra pymatgen")
    structure = md.example("NaCl").to_pymatgen()
    for crystal in (example_path("NaCl"), str(example_path("NaCl")), atoms, structure):
        assert model.predict(crystal).value == pytest.approx(expected.value, abs=1e-5)
    batch = md.CrystalBatch.from_crystals([md.example("NaCl"), md.example("ZnS")])
    assert model.predict(batch)[0].value == pytest.approx(expected.value, abs=1e-5)
    assert model.predict([]) == []


def test_predictions_go_into_ase_files(folder: Path, tmp_path: Path) -> None:
    from ase.io import read, write

    model = md.load(folder)
    images = [md.example(name).to_ase() for name in ("NaCl", "SrTiO3")]
    predictions = model.annotate(images)
    write(tmp_path / "out.extxyz", images)
    for atoms, prediction in zip(read(tmp_path / "out.extxyz", ":"), predictions, strict=True):
        assert atoms.info["predicted_energy"] == pytest.approx(prediction.value)
        assert atoms.info["predicted_energy_uncertainty"] == pytest.approx(prediction.uncertainty)
    assert "Sr" in images[1].info["predicted_energy_warnings"]
    assert model.annotate(images[0], target="gap")[0].unit == "eV"


def test_values_are_restored_to_their_units() -> None:
    """The network's number times the spread, plus the mean, plus the mean over the atoms."""
    model = random_model()
    model.scale.spread.copy_(torch.tensor([0.5, 3.0]))
    crystal = md.example("CaF2")
    raw = model.network(md.build_graph(crystal, model.card.graph))[0][0].detach().double()
    baseline = model.scale.baseline[:, torch.from_numpy(crystal.numbers)].mean(1)
    for column, target in enumerate(("energy", "gap")):
        mean, spread = model.scale.mean[column], model.scale.spread[column]
        expected = float(raw[column] * spread + mean + baseline[column])
        assert model.predict(crystal, target=target).value == pytest.approx(expected, rel=1e-9)


def test_uncertainties_follow_the_calibration() -> None:
    model = random_model()
    prediction = model.predict(md.example("ZnS"))
    assert prediction.uncertainty_90 == pytest.approx(2.0 * prediction.uncertainty)
    model.card.targets[0].factor_68 = 4.5
    assert model.predict(md.example("ZnS")).uncertainty == pytest.approx(3 * prediction.uncertainty)


def test_warnings(folder: Path) -> None:
    model = CrystalModel.load(folder)
    (text,) = [t for t in model.predict(md.example("SrTiO3")).warnings if "never seen" in t]
    assert text.endswith("Sr")
    assert not [t for t in model.predict(md.example("TiO2")).warnings if "never seen" in t]
    heavy = md.Crystal(cell=4 * np.eye(3), positions=np.zeros((1, 3)), numbers=[104])
    assert any("without features: Rf" in text for text in model.predict(heavy).warnings)
    model.novelty.limit.fill_(1e-6)
    assert any("unlike" in text for text in model.predict(md.example("NaCl")).warnings)


def test_wrong_targets_and_names_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(md.ModelError, match="energy, gap"):
        md.load(folder).predict(md.example("NaCl"), target="colour")
    with pytest.raises(md.ModelError, match="energy, gap"):
        md.load(folder, target="colour")
    with pytest.raises(md.ModelError, match="formation-energy"):
        md.load("philosophers-stone")
    with pytest.raises(md.ModelError, match="there is no model"):
        md.load(tmp_path / "nothing")


def _with_error(data: bytes, number: str) -> bytes:
    """A card whose first target has an error that JSON has no word for."""
    card = json.loads(data)
    card["targets"][0]["errors"] = {"count": 3, "mae": "HERE"}
    return json.dumps(card).replace('"HERE"', number).encode()


@pytest.mark.parametrize(
    ("file", "change", "text"),
    [
        (CARD_FILE, lambda data: data[:50], "no JSON"),
        (CARD_FILE, lambda data: b"[]", "states no format"),
        (
            CARD_FILE,
            lambda data: data.replace(b'"format": %d' % CARD_FORMAT, b'"format": 99'),
            "newer",
        ),
        (CARD_FILE, lambda data: data.replace(b'"layers": 2', b'"layers": "x"'), "network.layers"),
        (CARD_FILE, lambda data: data.replace(b'"layers": 2', b'"layers": 3'), "not fit the card"),
        (
            CARD_FILE,
            lambda data: _with_error(data, "NaN"),
            r"targets\.0\.errors\.mae is nan,",
        ),
        (CARD_FILE, lambda data: _with_error(data, "-Infinity"), r"errors\.mae is -inf, no finite"),
        (CARD_FILE, lambda data: _with_error(data, "1e999"), r"errors\.mae is inf, no finite"),
        (WEIGHTS_FILE, lambda data: data[:-8], "damaged"),
        (WEIGHTS_FILE, lambda data: data[:-1] + bytes([data[-1] ^ 1]), "damaged"),
        (WEIGHTS_FILE, None, "cannot be read"),
    ],
)
def test_damaged_models_are_refused(folder: Path, file: str, change: object, text: str) -> None:
    path = folder / file
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(md.ModelError, match=text) as caught:
        CrystalModel.load(folder)
    assert str(folder) in str(caught.value)


def test_weights_that_are_no_safetensors_are_refused(folder: Path) -> None:
    """A pickle, for example, is never opened, whatever the card says of its checksum."""
    import hashlib
    import pickle

    data = pickle.dumps({"network": 1})
    (folder / WEIGHTS_FILE).write_bytes(data)
    card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    card["weights_sha256"] = hashlib.sha256(data).hexdigest()
    (folder / CARD_FILE).write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(md.ModelError, match="no safetensors"):
        CrystalModel.load(folder)


@pytest.mark.parametrize(
    "place", sorted(FROZEN_MODELS.glob("format-*")), ids=lambda path: path.name
)
def test_models_of_every_format_still_load(place: Path) -> None:
    """Models written by earlier versions give the predictions that they gave then."""
    expected = json.loads((place / "predictions.json").read_text(encoding="utf-8"))
    model = md.load(place)
    for name, values in expected.items():
        for target, value in values.items():
            found = model.predict(md.example(name), target=target).value
            assert found == pytest.approx(value, abs=1e-4)


def test_every_format_has_a_frozen_model() -> None:
    versions = {int(path.name.removeprefix("format-")) for path in FROZEN_MODELS.glob("format-*")}
    assert versions == set(range(1, CARD_FORMAT + 1))


def test_a_baseline_against_a_direct_fit() -> None:
    """The streamed fit is ridge regression around the mean, and standardises what is left."""
    generator = np.random.default_rng(0)
    shares = np.zeros((200, 119))
    shares[:, 1:6] = generator.dirichlet(np.ones(5), size=200)
    values = (shares[:, 1:6] @ generator.normal(size=5) * 4 + 10)[:, None]
    values = values + 0.1 * generator.normal(size=values.shape)
    values[generator.random(200) < 0.2] = np.nan
    fit = ScaleFit(1)
    for start in range(0, 200, 64):
        fit.add(values[start : start + 64], shares[start : start + 64])
    scale = fit.fit(by_element=True)
    known = np.isfinite(values[:, 0])
    mean = values[known, 0].mean()
    stacked = np.vstack([shares[known], np.eye(119)])
    goals = np.concatenate([values[known, 0] - mean, np.zeros(119)])
    direct = mean + np.linalg.lstsq(stacked, goals, rcond=None)[0]
    np.testing.assert_allclose(scale.baseline[0], direct, atol=1e-8)
    rest = values[known, 0] - shares[known] @ direct
    assert float(scale.mean[0]) == pytest.approx(rest.mean(), abs=1e-9)
    assert float(scale.spread[0]) == pytest.approx(rest.std(), rel=1e-6)
    assert fit.counts.tolist() == [known.sum()]


def invoke(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_predict_prints_lines_json_and_csv(folder: Path, tmp_path: Path) -> None:
    text = invoke("predict", "example:NaCl", "--model", folder)
    expected = random_model().predict(md.example("NaCl"))
    assert f"energy = {expected.value:.4g}" in text and "eV/atom" in text
    first, second = json.loads(
        invoke("predict", "example:NaCl", example_path("SrTiO3"), "--model", folder, "--json")
    )
    assert {"file", "value", "unit", "uncertainty", "warnings"} <= set(first)
    assert first["file"] == "example:NaCl" and second["file"] == str(example_path("SrTiO3"))
    assert first["value"] == pytest.approx(expected.value, abs=1e-5)
    assert any("Sr" in warning for warning in second["warnings"])
    target = tmp_path / "out.csv"
    invoke("predict", "example:NaCl", "-m", folder, "--target", "gap", "--output", target)
    (row,) = csv.DictReader(target.read_text(encoding="utf-8").splitlines())
    assert row["unit"] == "eV" and row["file"] == "example:NaCl"


def test_bad_files_do_not_stop_the_others(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "crystals"
    place.mkdir()
    for index in range(70):
        name = EXAMPLE_NAMES[index % len(EXAMPLE_NAMES)]
        (place / f"{index:03}.cif").write_bytes(example_path(name).read_bytes())
    (place / "007.cif").write_text("", encoding="utf-8")
    (place / "molecule.xyz").write_text("1\n\nHe 0 0 0\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["predict", str(place), "--model", str(folder), "--json"])
    assert result.exit_code == 0
    objects = json.loads(result.stdout)
    assert len(objects) == 71
    assert {Path(item["file"]).name for item in objects if "error" in item} == {
        "007.cif",
        "molecule.xyz",
    }
    assert "69 of 71 crystals predicted, 2 not used" in result.stderr
    strict = CliRunner().invoke(app, ["predict", str(place), "-m", str(folder), "--strict"])
    assert strict.exit_code == 1 and isinstance(strict.exception, md.CrystalError)


def test_large_cells_are_refused_with_a_way_out(folder: Path) -> None:
    arguments = ["predict", "example:NaCl", "--model", str(folder), "--max-atoms", "4"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1 and "--max-atoms" in result.stderr


def test_models_lists_and_shows_cards(folder: Path) -> None:
    shown = invoke("models", folder)
    assert "random" in shown and "eV/atom" in shown
    (content,) = json.loads(invoke("models", folder, "--json"))
    assert content["card"]["elements"] == SEEN and content["target"] == "energy"


@pytest.mark.slow
@pytest.mark.parametrize("name", [model.name for model in SHIPPED_MODELS])
def test_shipped_models(name: str) -> None:
    """Each loads by its name, has a whole card, and predicts a real crystal."""
    model = md.load(name)
    (target,) = [card for card in model.card.targets if card.name == model.target]
    # Test rows of the Materials Project are held back.
    errors = target.validation if name.startswith("mp-") else target.errors
    assert target.unit and errors["mae"] < 0.5 * errors["mad"]
    assert errors["mae"] < errors["mae_interval"][1]
    assert model.card.purpose
    for key in ("dataset", "licence", "splits", "crystals", "settings", "commit", "command"):
        assert model.card.training[key], key
    prediction = model.predict(md.example("TiO2"))
    assert prediction.unit == target.unit and prediction.uncertainty > 0.0
