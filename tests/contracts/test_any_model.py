"""What every architecture of networks, and every kind of input, must do."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import pytest
import torch
from pydantic import BaseModel
from safetensors.torch import save
from scipy.spatial.transform import Rotation

import madelung as md
from madelung.common.errors import ModelError
from madelung.inputs.build import build_input
from madelung.inputs.settings import InputSettings
from madelung.models.card import ModelCard, TargetCard
from madelung.models.model import CrystalModel, _require_fit
from madelung.models.networks import build_network
from madelung.models.settings import ARCHITECTURES, PotNetSettings
from madelung.training.settings import TrainingSettings

NAMES = ("NaCl", "ZnS", "CaF2", "TiO2", "SiO2")
FEATURES = 12
architectures = pytest.mark.parametrize("architecture", ARCHITECTURES)
ABOUT_EQUAL = {"rtol": 2e-4, "atol": 2e-4}


def network(architecture: str) -> Any:
    """A network with weights at random that has seen some crystals."""
    torch.manual_seed(0)
    kind = ARCHITECTURES.find(architecture)
    made = build_network(kind(features=FEATURES), kind.inputs(), 2)
    with torch.no_grad():
        for _ in range(5):
            made(inputs(architecture, *map(md.example, NAMES)))
    return made.eval()


def inputs(architecture: str, *crystals: md.Crystal) -> Any:
    return build_input(list(crystals), ARCHITECTURES.find(architecture).inputs())


def require_same(architecture: str, one: md.Crystal, other: md.Crystal) -> None:
    made = network(architecture)
    with torch.no_grad():
        found, expected = (made(inputs(architecture, crystal)) for crystal in (one, other))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, **ABOUT_EQUAL)


@architectures
def test_outputs(architecture: str) -> None:
    """Values and logarithms of errors of each target, and an embedding; all finite, and varied."""
    made = network(architecture)
    graph = inputs(architecture, *map(md.example, NAMES))
    assert len(graph) == len(NAMES)
    assert graph.counts.sum() == graph.weights.sum()
    values, errors, embedding = made(graph)
    assert values.shape == errors.shape == (len(NAMES), 2)
    assert embedding.shape == (len(NAMES), FEATURES)
    for tensor in (values, errors, embedding):
        assert torch.isfinite(tensor).all()
    assert (values.std(dim=0) > 1e-4).all()


@pytest.mark.slow
@architectures
def test_order_place_and_direction_change_nothing(architecture: str) -> None:
    crystal = md.example("SiO2")
    rng = np.random.default_rng(1)
    order, turn = rng.permutation(len(crystal)), Rotation.random(rng=rng).as_matrix()
    moved = crystal.positions + rng.normal(size=3)
    steps = rng.integers(-2, 3, size=(len(crystal), 3)) @ crystal.cell
    for cell, positions, numbers in (
        (crystal.cell, crystal.positions[order], crystal.numbers[order]),
        (crystal.cell @ turn, crystal.positions @ turn, crystal.numbers),
        (-crystal.cell, -crystal.positions, crystal.numbers),
        (crystal.cell, moved, crystal.numbers),
        (crystal.cell, crystal.positions + steps, crystal.numbers),
    ):
        require_same(architecture, crystal, md.Crystal(cell, positions, numbers))


@architectures
def test_a_supercell_is_the_same_crystal(architecture: str) -> None:
    crystal = md.example("ZnS")
    require_same(architecture, crystal, crystal.repeat((1, 2, 1)))


@architectures
def test_the_other_crystals_of_a_batch_change_nothing(architecture: str) -> None:
    made, crystals = network(architecture), [md.example(name) for name in NAMES]
    with torch.no_grad():
        together = made(inputs(architecture, *crystals))[0]
        alone = torch.cat([made(inputs(architecture, crystal))[0] for crystal in crystals])
    torch.testing.assert_close(together, alone, **ABOUT_EQUAL)


@architectures
def test_every_weight_can_learn(architecture: str) -> None:
    made = network(architecture).train()
    values, errors, _ = made(inputs(architecture, *map(md.example, NAMES)))
    (values.square().sum() + errors.square().sum()).backward()
    assert [name for name, value in made.named_parameters() if value.grad is None] == []


class Plain(BaseModel):
    """Settings of a network without layers, as one that is not of the package may be."""

    inputs: ClassVar[type] = md.GraphSettings
    builder: ClassVar[str] = f"{__name__}:plain_network"

    architecture: Literal["plain"] = "plain"
    features: int = FEATURES


def plain_network(settings: Plain, inputs: Any, outputs: int) -> torch.nn.Module:
    return torch.nn.Embedding(119, settings.features)


def test_weights_of_a_network_without_layers_are_compared_with_their_card() -> None:
    targets = [TargetCard(name="a")]
    card = ModelCard(
        name="any", targets=targets, graph=md.GraphSettings(), network=PotNetSettings()
    )
    plain = card.model_copy(update={"network": Plain()})
    data = save(CrystalModel.from_card(plain).tensors())
    _require_fit(plain, data, Path("weights"))
    wider = card.model_copy(update={"network": Plain(features=2 * FEATURES)})
    with pytest.raises(ModelError, match="weights"):
        _require_fit(wider, data, Path("weights"))


@architectures
def test_a_saved_model_is_the_same(architecture: str, tmp_path: Path) -> None:
    kind = ARCHITECTURES.find(architecture)
    card = ModelCard(
        name="any",
        targets=[TargetCard(name="a"), TargetCard(name="b")],
        graph=kind.inputs(),
        network=kind(features=FEATURES),
    )
    model = CrystalModel.from_card(card)
    model.network.load_state_dict(network(architecture).state_dict())
    model.network.eval()
    crystals = [md.example(name) for name in NAMES]
    loaded = CrystalModel.load(model.save(tmp_path / "model"))
    assert type(loaded.card.network) is kind and type(loaded.card.graph) is kind.inputs
    assert loaded.predict(crystals) == model.predict(crystals)


@architectures
def test_settings_of_a_run_name_it(architecture: str) -> None:
    kind = ARCHITECTURES.find(architecture)
    settings = TrainingSettings.model_validate(
        {"network": {"architecture": architecture}, "graph": {}}
    )
    assert settings.network == kind() and settings.graph == kind.inputs()
    again = TrainingSettings.model_validate(settings.model_dump(mode="json"))
    assert again == settings


@architectures
def test_other_inputs_are_refused(architecture: str) -> None:
    kind = ARCHITECTURES.find(architecture)
    for other in get_args(InputSettings):
        if other is not kind.inputs:
            with pytest.raises(ModelError, match=f"starts from {kind.inputs.__name__}"):
                build_network(kind(), other(), 1)


def test_an_unknown_architecture_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="unknown architecture 'sumnett'; is it sumnet"):
        TrainingSettings.model_validate({"network": {"architecture": "sumnett"}})
