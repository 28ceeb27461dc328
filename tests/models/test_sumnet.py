"""SumNet: invariances, derivatives, and the training loop's demands on it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import make_supercell
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

import madelung as md
from madelung.common.errors import ModelError
from madelung.inputs.build import build_input
from madelung.inputs.pair_graph import PairGraph
from madelung.inputs.settings import PairSettings
from madelung.models.networks import build_network
from madelung.models.settings import SumNetSettings
from madelung.models.sumnet import SumNet

INPUTS = PairSettings()
SMALL = SumNetSettings(features=24, layers=3, senders=8, tensors=12)
NAMES = ("NaCl", "ZnS", "CaF2", "SrTiO3", "TiO2", "SiO2")
CELLS = {
    "doubled": [[2, 0, 0], [0, 2, 0], [0, 0, 2]],
    "long": [[1, 0, 0], [0, 3, 0], [0, 0, 1]],
    "sheared": [[1, 2, 0], [0, 1, 1], [0, 0, 1]],
    "conventional of a face-centred cell": [[-1, 1, 1], [1, -1, 1], [1, 1, -1]],
}


def network(inputs: PairSettings = INPUTS, settings: SumNetSettings = SMALL) -> torch.nn.Module:
    """A network whose batch statistics have seen the examples, ready to predict."""
    torch.manual_seed(0)
    made = build_network(settings, inputs, 3)
    with torch.no_grad():
        for _ in range(20):
            made(build_input([md.example(name) for name in NAMES], inputs))
    return made.eval()


NETWORK = network()


def values(crystals: object, inputs: PairSettings = INPUTS) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = NETWORK(build_input(crystals, inputs))[0]
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cell", list(CELLS))
def test_any_cell_of_a_crystal_gives_the_same(name: str, cell: str) -> None:
    """Without any search for primitive cells or symmetry the network itself is invariant."""
    crystal = md.example(name)
    other = md.Crystal.from_ase(make_supercell(crystal.to_ase(), np.array(CELLS[cell])))
    as_given = INPUTS.model_copy(update={"symmetry_tolerance": 0.0, "tolerance": 1e-9})
    expected = values(crystal)
    for inputs in (INPUTS, as_given):
        torch.testing.assert_close(values(other, inputs), expected, rtol=1e-5, atol=1e-5)


def test_attention_begins_as_the_mean_and_knows_no_cell() -> None:
    chooser = build_network(SMALL.model_copy(update={"pooling": "attention"}), INPUTS, 3).eval()
    assert isinstance(chooser, SumNet) and chooser.attention is not None
    chooser.load_state_dict(NETWORK.state_dict(), strict=False)
    crystal = md.example("SrTiO3")
    doubled = crystal.repeat((2, 1, 1))
    as_given = INPUTS.model_copy(update={"symmetry_tolerance": 0.0, "tolerance": 1e-9})
    with torch.no_grad():
        torch.testing.assert_close(chooser(build_input(crystal, INPUTS))[0], values(crystal))
        chooser.attention.weight.normal_(std=3.0)
        chosen = chooser(build_input(crystal, INPUTS))[0]
        assert not torch.allclose(chosen, values(crystal), rtol=1e-2)
        other = chooser(build_input(doubled, as_given))[0]
    torch.testing.assert_close(other, chosen, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1))
def test_turning_moving_and_reordering_change_nothing(seed: int) -> None:
    generator = np.random.default_rng(seed)
    crystal = md.example("SiO2")
    turn = Rotation.random(None, generator).as_matrix() * generator.choice([-1.0, 1.0])
    order = generator.permutation(len(crystal))
    other = md.Crystal(
        cell=crystal.cell @ turn.T,
        positions=(crystal.positions @ turn.T + generator.normal(size=3))[order],
        numbers=crystal.numbers[order],
    )
    torch.testing.assert_close(values(other), values(crystal), rtol=1e-5, atol=1e-5)


@cache
def alone(name: str) -> torch.Tensor:
    """Values of an example that is in no batch with others."""
    return values(md.example(name))


@pytest.mark.slow
@examples(30)
@given(st.integers(0, 2**32 - 1))
def test_batches_change_nothing(seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(NAMES))
    together = values([md.example(NAMES[place]) for place in order])
    expected = torch.cat([alone(NAMES[place]) for place in order])
    torch.testing.assert_close(together, expected, rtol=1e-5, atol=1e-5)


def test_directions_are_seen() -> None:
    """Sums of degree two alone change the value."""
    graph, other = (build_input(md.example("ZnS"), INPUTS) for _ in range(2))
    assert isinstance(other, PairGraph)
    other.near.functions[:, -other.near.sections[2] :] += 0.5
    with torch.no_grad():
        found, changed = (NETWORK(one)[0] for one in (graph, other))
    assert (found - changed).abs().max() > 1e-3


def test_expected_errors_do_not_move_the_embedding() -> None:
    made = build_network(SMALL, INPUTS, 1)
    made(build_input(md.example("NaCl"), INPUTS))[1].sum().backward()
    moved = [name for name, weight in made.named_parameters() if weight.grad is not None]
    assert moved == ["scale.weight", "scale.bias"]


def test_wrong_inputs_are_refused() -> None:
    with pytest.raises(ModelError, match="starts from PairSettings"):
        build_network(SMALL, md.GraphSettings(), 1)
    with pytest.raises(ModelError, match="starts from GraphSettings"):
        build_network(md.PotNetSettings(features=4), INPUTS, 1)


def test_a_network_moves_with_its_input() -> None:
    graph = build_input(md.example("NaCl"), INPUTS).to("cpu")
    assert isinstance(NETWORK, SumNet) and len(NETWORK(graph)[0]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_a_stopped_run_ends_as_one_that_was_not(tmp_path: Path, dropout: float) -> None:
    store = md.open_dataset("example:jarvis")
    settings = md.TrainingSettings(
        target=("formation_energy_peratom",), epochs=2, batch_size=16, training_limit=64,
        threads=1, network=SMALL.model_copy(update={"dropout": dropout}),
    )  # fmt: skip
    whole = md.Trainer(settings, tmp_path / "whole").fit(store)
    from madelung.training import trainer

    class Stopped(Exception):
        pass

    run = trainer._Run._close_epoch
    calls = []

    def stop_after_first(self: trainer._Run, log: object) -> None:
        run(self, log)  # type: ignore[arg-type]
        if not calls:
            calls.append(1)
            self.loop.save()
            raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer._Run, "_close_epoch", stop_after_first)
        with pytest.raises(Stopped):
            md.Trainer(settings, tmp_path / "stopped").fit(store)
    resumed = md.Trainer(settings, tmp_path / "stopped", resume=True).fit(store)
    for name, value in whole.model.tensors().items():
        assert torch.equal(value, resumed.model.tensors()[name]), name


@pytest.mark.slow
def test_a_run_without_memory_is_the_same_run(tmp_path: Path) -> None:
    store = md.open_dataset("example:jarvis")
    runs = [
        md.Trainer(
            md.TrainingSettings(
                target=("formation_energy_peratom",), epochs=1, training_limit=40, threads=1,
                memory_gigabytes=room, network=SMALL,
            ),
            tmp_path / str(room),
        ).fit(store)
        for room in (0.0, 1e-4, 1.0)
    ]  # fmt: skip
    first = runs[0].model.tensors()
    for other in runs[1:]:
        for name, value in other.model.tensors().items():
            assert torch.equal(value, first[name]), name
