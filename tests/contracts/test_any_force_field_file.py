"""What every file format of force fields must do: hold a sound force field, and give it back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from spline_potentials import random_meam, random_structure, smooth_eam
from uf3_cases import binary_settings, random_potential, structures

import madelung as md
from madelung.common.native import native_core
from madelung.forcefields.files import JSON_FORMATS
from madelung.forcefields.interface import ForceField
from madelung.forcefields.neural.energy import EnergyModel
from madelung.forcefields.neural.potential import NeuralForceField
from madelung.forcefields.neural.settings import NeuralSettings
from madelung.forcefields.pairs.complete_pairs import CompletePairs

pytestmark = pytest.mark.skipif(native_core() is None, reason="the native core is not built")


def _neural() -> ForceField:
    torch.manual_seed(0)
    small = {"features": 24, "channels": 6, "cubic_channels": 4, "senders": 3}
    settings = NeuralSettings.model_validate({"elements": ("Na", "Cl"), **small})
    return NeuralForceField([EnergyModel(settings)])


MAKERS: dict[str, Callable[[], ForceField]] = {
    "madelung-complete-pairs": lambda: CompletePairs(
        {"Na-Cl": "buckingham:1256.3:0.32:7.0", "Cl-Cl": "buckingham:3485.5:0.32:70.0"},
        charges={"Na": 1.0, "Cl": -1.0},
    ),
    "madelung-neural": _neural,
    "madelung-spline-eam": lambda: smooth_eam(1, True),
    "madelung-spline-meam": lambda: random_meam(1),
    "madelung-uf3": lambda: random_potential(binary_settings(leading=2).basis()),
}
"""A force field of each format; a new format comes with its line."""
names = pytest.mark.parametrize("name", JSON_FORMATS)


def file_of(name: str, folder: Path) -> Path:
    """The JSON that a force field of the format is saved as."""
    path = folder / "field.json"
    MAKERS[name]().save(path)  # type: ignore[attr-defined]
    return path / "card.json" if path.is_dir() else path


@pytest.mark.slow
@names
def test_what_is_read_is_sound(name: str, tmp_path: Path) -> None:
    loaded = md.load_force_field(file_of(name, tmp_path))
    trials = {
        "madelung-uf3": lambda: list(structures().values()),
        "madelung-spline-eam": lambda: [random_structure(3, ("Cu", "Ni"))],
        "madelung-spline-meam": lambda: [random_structure(3, ("Ti", "O"))],
    }
    md.validate_force_field(loaded, trials[name]() if name in trials else None)


@names
def test_it_comes_back(name: str, tmp_path: Path) -> None:
    made, path = MAKERS[name](), file_of(name, tmp_path)
    loaded = md.load_force_field(path)
    assert type(loaded) is type(made) and json.loads(path.read_text())["format"] == name
    assert loaded.species == made.species and loaded.cutoff == made.cutoff
    numbers = [made.species[0], made.species[-1]] * 4
    cell, rng = 6.5 * np.eye(3), np.random.default_rng(0)
    sites = np.stack(np.meshgrid(*[[0.0, 3.2]] * 3), axis=-1).reshape(-1, 3)
    crystal = md.Crystal(cell, sites + 0.1 * rng.normal(size=(8, 3)), numbers)
    one, other = made.evaluate(crystal), loaded.evaluate(crystal)
    # The weights of networks are stored in single precision.
    assert other.energy == pytest.approx(one.energy, rel=1e-6)
    np.testing.assert_allclose(other.forces, one.forces, atol=1e-6)


@names
def test_a_damaged_file_is_one_clear_error(name: str, tmp_path: Path) -> None:
    path = file_of(name, tmp_path)
    text = path.read_text()
    path.write_text(text[: len(text) // 2])
    with pytest.raises(md.ForceFieldError, match="damaged JSON"):
        md.load_force_field(path)
    path.write_text(json.dumps({"format": name}))
    with pytest.raises(md.ForceFieldError) as caught:
        md.load_force_field(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@names
def test_an_unknown_format_is_answered_with_the_nearest(name: str) -> None:
    with pytest.raises(md.ForceFieldError, match=f"is it .*{name}"):
        md.load_force_field({"format": name + "s"})
