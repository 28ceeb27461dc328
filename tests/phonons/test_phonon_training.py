"""A model of phonons is trained, stopped, resumed, kept, and judged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import ase.build
import numpy as np
import pytest
import torch
from phonon_cases import METALS, alloy, metal, write_shard
from safetensors.torch import load_file, save_file

from madelung.common.errors import MadelungError, ModelError, PhononError, TrainingError
from madelung.common.interruption import JobInterrupted
from madelung.learning.checkpoints import Progress
from madelung.models.harmonic import HarmonicNetwork
from madelung.models.harmonic_settings import HarmonicSettings
from madelung.models.normalisation import WeightedBatchNorm
from madelung.phonons.calibration import Calibration, fitted_widening
from madelung.phonons.card import PhononCard
from madelung.phonons.compositions import drawn_compositions, reduced_composition
from madelung.phonons.course import PhononCourse
from madelung.phonons.evaluation import Evaluation, evaluate_phonons, fitted_calibration
from madelung.phonons.examples import PhononExample, phonon_example
from madelung.phonons.loading import load
from madelung.phonons.mode_files import read_modes, write_modes
from madelung.phonons.model import PhononModel
from madelung.phonons.reference_modes import ReferenceModes, reference_modes
from madelung.phonons.shards import read_shard
from madelung.phonons.train import divided, train_phonons
from madelung.phonons.training import PhononTraining, errors_of_examples, mean_errors

NETWORK = HarmonicSettings(
    features=16, layers=2, senders=8, tensors=8, ends=16, hidden=16, channels=2,
    spring_reach=5.0, local_reach=3.5,
)  # fmt: skip
COURSE = PhononCourse(epochs=6, batch_size=2, learning_rate=1e-2, average_decay=0.9, validations=3)


@pytest.fixture(scope="module")
def modes() -> list[ReferenceModes]:
    return [reference_modes(metal(symbol)) for symbol in METALS]


@pytest.fixture(scope="module")
def learnable(modes: list[ReferenceModes]) -> list[PhononExample]:
    return [phonon_example(one, NETWORK) for one in modes]


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shard") / "metals.npz.xz"
    write_shard(path, [metal(symbol) for symbol in METALS] + [alloy("Cu", "Au")])
    return path


@pytest.fixture(scope="module")
def trained(shard: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    train_phonons(
        [shard], out / "phonons", network=NETWORK, course=COURSE, members=2,
        held_out=("AuCu3",), validation_share=0.3, quiet=True,
    )  # fmt: skip
    return out / "phonons"


def network(seed: int = 0) -> HarmonicNetwork:
    torch.manual_seed(seed)
    return HarmonicNetwork(NETWORK)


@pytest.mark.slow
def test_modes_are_those_of_phonopy_at_one_point_of_each_star(modes: list[ReferenceModes]) -> None:
    for one in modes:
        assert one.weights.sum() == pytest.approx(1.0)
        # Γ, X and L of a doubled fcc cell, and what lies between them.
        assert len(one.weights) < 32
        product = one.modes.conj().swapaxes(1, 2) @ one.modes
        assert np.abs(product - np.eye(3)).max() < 1e-5
        assert np.abs(one.squares[0]).max() < 1e-6


@pytest.mark.slow
def test_modes_come_back_from_their_file(modes: list[ReferenceModes], tmp_path: Path) -> None:
    charged = replace(modes[1], born=np.ones((1, 3, 3)), dielectric=np.eye(3) * 3.0)
    write_modes(tmp_path / "modes.npz", [modes[0], charged, modes[2]])
    found = read_modes(tmp_path / "modes.npz")
    assert [one.crystal.source for one in found] == [one.crystal.source for one in modes[:3]]
    for one, other in zip(found, [modes[0], charged, modes[2]], strict=True):
        for name in ("squares", "modes", "weights", "multiples", "masses"):
            assert (getattr(one, name) == getattr(other, name)).all()
        assert (one.born is None) == (other.born is None)
    (tmp_path / "modes.npz").write_bytes(b"no archive")
    with pytest.raises(PhononError, match="no modes"):
        read_modes(tmp_path / "modes.npz")


@pytest.mark.slow
def test_it_learns(learnable: list[PhononExample]) -> None:
    course = COURSE.model_copy(update={"epochs": 40})
    before = mean_errors(errors_of_examples(network(), learnable))
    run = PhononTraining(network(), learnable, learnable, course)
    after = mean_errors(errors_of_examples(run.run(), learnable))
    assert after["frequency"] < 0.1 * before["frequency"]
    assert after["frequency"] < 0.3


def test_statistics_follow_the_batches_in_the_first_part_only(
    learnable: list[PhononExample],
) -> None:
    course = COURSE.model_copy(update={"epochs": 4, "statistics_share": 0.5, "batch_size": 4})
    run = PhononTraining(network(), learnable[:4], learnable[4:], course)
    run.run()
    counts = {
        int(module.num_batches_tracked)
        for module in run.network.modules()
        if isinstance(module, WeightedBatchNorm)
    }
    assert counts == {2}


class Stop:
    """Interrupts a run after some steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def __call__(self, progress: Progress, total: int) -> None:
        if progress.step == self.steps:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 5])
def test_a_stopped_run_ends_as_one_that_was_not(
    learnable: list[PhononExample], tmp_path: Path, steps: int
) -> None:
    whole = PhononTraining(network(), learnable[:4], learnable[4:], COURSE).run()
    with pytest.raises(JobInterrupted):
        PhononTraining(network(), learnable[:4], learnable[4:], COURSE, tmp_path, Stop(steps)).run()
    again = PhononTraining(network(), learnable[:4], learnable[4:], COURSE, tmp_path)
    resumed = again.run(resume=True)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


@pytest.mark.slow
def test_another_course_is_not_gone_on_with(learnable: list[PhononExample], tmp_path: Path) -> None:
    PhononTraining(network(), learnable[:4], learnable[4:], COURSE, tmp_path).run()
    other = COURSE.model_copy(update={"learning_rate": 2e-2})
    with pytest.raises(TrainingError, match="learning_rate"):
        PhononTraining(network(), learnable[:4], learnable[4:], other, tmp_path).run(resume=True)
    with pytest.raises(TrainingError, match="another data set"):
        PhononTraining(network(), learnable[:3], learnable[4:], COURSE, tmp_path).run(resume=True)


@pytest.mark.slow
def test_parts_share_no_composition(modes: list[ReferenceModes]) -> None:
    parts = divided([*modes, *modes], {"Cu"}, 0.3)
    names = [
        {reduced_composition(one.crystal.numbers) for one in part}
        for part in (parts.training, parts.validation)
    ]
    assert not names[0] & names[1] and names[0] | names[1] == set(METALS) - {"Cu"}
    assert parts.held_out == 2
    with pytest.raises(TrainingError, match="two compositions"):
        divided(modes[:1], set(), 0.1)
    assert drawn_compositions("abc", 0.01, 1) <= set("abc")


def test_compositions_are_reduced_in_the_order_of_the_alphabet() -> None:
    assert reduced_composition(np.array([82, 9, 9, 9, 9])) == "F4Pb"
    assert reduced_composition(np.array([11, 17] * 4)) == "ClNa"


@pytest.mark.slow
def test_a_run_ends_with_a_model(trained: Path, shard: Path) -> None:
    model = PhononModel.load(trained / "model")
    assert model.card.members == 2 and "Cu" not in reduced(model)
    assert model.card.training["held_out_crystals"] == 1
    assert (trained / "member-1" / "history.csv").is_file()
    again = train_phonons(
        [shard], trained, network=NETWORK, course=COURSE, members=2, held_out=("AuCu3",),
        validation_share=0.3, resume=True, quiet=True,
    )  # fmt: skip
    for name, value in again.networks.state_dict().items():
        assert torch.allclose(value, model.networks.state_dict()[name], atol=1e-2)
    with pytest.raises(TrainingError, match="holds a run"):
        train_phonons([shard], trained, network=NETWORK, course=COURSE, quiet=True)


@pytest.mark.slow
def test_a_run_may_start_from_another_model(trained: Path, shard: Path, tmp_path: Path) -> None:
    course = COURSE.model_copy(update={"epochs": 1, "learning_rate": 1e-7})
    given: dict[str, Any] = {"course": course, "members": 1, "quiet": True, "validation_share": 0.3}
    found = train_phonons(
        [shard], tmp_path / "next", network=NETWORK, initial=trained / "model", **given
    )
    before = PhononModel.load(trained / "model").networks[0].state_dict()
    for name, value in found.networks[0].named_parameters():
        assert torch.allclose(value, before[name], atol=1e-2), name
    other = NETWORK.model_copy(update={"features": 8})
    with pytest.raises(TrainingError, match="another size"):
        train_phonons(
            [shard], tmp_path / "wrong", network=other, initial=trained / "model", **given
        )


def reduced(model: PhononModel) -> list[str]:
    return [name for name in model.card.elements if name not in METALS]


@pytest.mark.slow
def test_shares_are_those_of_members_that_are_there_several_times(trained: Path) -> None:
    model = PhononModel.load(trained / "model")
    first, second = list(model.networks)[:2]
    repeated = model.card.model_copy(update={"members": 4, "shares": (), "calibration": {}})
    four = PhononModel(repeated, torch.nn.ModuleList([first, first, first, second]))
    shared = model.card.model_copy(update={"members": 2, "shares": (3.0, 1.0)})
    two = PhononModel(shared, torch.nn.ModuleList([first, second]))
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (5, 3))
    crystal = ase.build.bulk("Cu")
    ours, theirs = (one.predict(crystal).frequencies(points).frequencies for one in (two, four))
    assert ours == pytest.approx(theirs, abs=1e-9)
    equal = model.card.model_copy(update={"shares": ()})
    plain = PhononModel(equal, torch.nn.ModuleList([first, second])).predict(crystal)
    assert np.abs(plain.frequencies(points).frequencies - ours).max() > 1e-6
    for wrong in ((1.0,), (1.0, 0.0), (1.0, -1.0)):
        with pytest.raises(ValueError, match="positive shares"):
            PhononCard.model_validate(shared.model_dump() | {"shares": wrong})


def test_a_model_says_the_same_of_any_cell(trained: Path) -> None:
    model = load(trained)
    assert isinstance(model, PhononModel)
    crystal = metal("Pd").crystal
    one, other = (model.predict(each).summary() for each in (crystal, cubic(crystal)))
    assert one.free_energy.value == pytest.approx(other.free_energy.value, rel=1e-4)
    assert one.maximum.value == pytest.approx(other.maximum.value, rel=1e-4)


def cubic(crystal: Any) -> Any:
    shifts = np.indices((2, 1, 1)).reshape(3, -1).T
    places = (crystal.positions[None] + (shifts @ crystal.cell)[:, None]).reshape(-1, 3)
    return replace(
        crystal, cell=crystal.cell * [[2], [1], [1]], positions=places,
        numbers=np.tile(crystal.numbers, 2), charges=None,
    )  # fmt: skip


@pytest.mark.slow
def test_strangers_are_warned_of(trained: Path) -> None:
    model = PhononModel.load(trained / "model")
    crystal = metal("Al").crystal
    wide = replace(crystal, cell=crystal.cell * 1.4, positions=crystal.positions * 1.4)
    assert any("volume for each atom" in note for note in model.warnings(wide))
    strange = replace(crystal, numbers=np.full(len(crystal), 92))
    assert any("never seen in training: U" in note for note in model.warnings(strange))


@pytest.fixture(scope="module")
def evaluation(trained: Path, shard: Path) -> Evaluation:
    return evaluate_phonons(PhononModel.load(trained / "model").predict, read_shard(shard))


@pytest.mark.slow
def test_errors_are_those_of_the_definitions(evaluation: Evaluation, trained: Path) -> None:
    assert len(evaluation.crystals) == len(METALS) + 1 and not evaluation.problems
    row = evaluation.crystals[0]
    phonons = PhononModel.load(trained / "model").predict(metal("Cu").crystal)
    # Another basis of the primitive cell has another mesh.
    assert row.maximum == pytest.approx(phonons.summary().maximum.value, rel=5e-3)
    means = evaluation.means()
    assert means["frequency"] == pytest.approx(
        np.mean([one.frequency_error for one in evaluation.crystals])
    )
    assert -1.0 <= means["stability_matthews"] <= 1.0


@pytest.mark.slow
def test_calibration_holds_where_it_was_fitted(evaluation: Evaluation) -> None:
    calibration = fitted_calibration(evaluation)
    assert evaluation.coverage(calibration)["frequency"] == pytest.approx(0.9, abs=0.02)
    assert Calibration.model_validate(calibration.model_dump()) == calibration


def test_ninety_in_a_hundred_errors_lie_within_a_fitted_widening() -> None:
    generator = np.random.default_rng(0)
    spreads = generator.uniform(0.1, 1.0, 4000)
    errors = np.abs(generator.normal(size=4000)) * spreads
    found = fitted_widening(errors[:2000], spreads[:2000])
    within = errors[2000:] <= found.factor * (spreads[2000:] + found.floor)
    assert within.mean() == pytest.approx(0.9, abs=0.02)


# Files of models.


@pytest.mark.slow
def test_damaged_models_are_refused(trained: Path, tmp_path: Path) -> None:
    for name in ("phonons.json", "weights.safetensors"):
        content = (trained / "model" / name).read_bytes()
        (tmp_path / name).write_bytes(content)
    card = json.loads((tmp_path / "phonons.json").read_text())

    def refused(match: str, **changes: Any) -> None:
        (tmp_path / "phonons.json").write_text(json.dumps({**card, **changes}))
        with pytest.raises(ModelError, match=match):
            PhononModel.load(tmp_path)

    refused("checksum", weights_sha256="0" * 64)
    refused("reads", format=99)
    refused("does not fit", members=50)
    refused("name", name=None)
    refused("Extra", surprise=1)
    refused(r"errors\.maximum\.mae is nan, no finite", errors={"maximum": {"mae": float("nan")}})
    (tmp_path / "phonons.json").write_text("no JSON")
    with pytest.raises(ModelError, match="no JSON"):
        PhononModel.load(tmp_path)


@pytest.mark.slow
def test_weights_that_are_no_numbers_are_refused(trained: Path, tmp_path: Path) -> None:
    model = PhononModel.load(trained / "model")
    model.save(tmp_path)
    tensors = load_file(tmp_path / "weights.safetensors")
    name = next(key for key, value in tensors.items() if value.is_floating_point())
    tensors[name] = torch.full_like(tensors[name], float("nan"))
    save_file(tensors, tmp_path / "weights.safetensors")
    card = json.loads((tmp_path / "phonons.json").read_text())
    import hashlib

    digest = hashlib.sha256((tmp_path / "weights.safetensors").read_bytes()).hexdigest()
    (tmp_path / "phonons.json").write_text(json.dumps({**card, "weights_sha256": digest}))
    with pytest.raises(MadelungError):
        PhononModel.load(tmp_path)
