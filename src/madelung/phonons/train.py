"""The job that trains a model of phonons from shards of force sets, and can go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from madelung.common.errors import PhononError, TrainingError
from madelung.common.interruption import Interruption
from madelung.common.locks import alone_in_folder
from madelung.common.outputs import write_json
from madelung.common.progress import Advance, watched
from madelung.common.tables import write_rows
from madelung.crystals.contacts import relative_volume
from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.learning.checkpoints import CHECKPOINT_FILE, Progress
from madelung.models.geometry import central_range
from madelung.models.harmonic import HarmonicNetwork
from madelung.models.harmonic_settings import HarmonicSettings
from madelung.phonons.card import PhononCard
from madelung.phonons.compositions import drawn_compositions, reduced_composition
from madelung.phonons.course import PhononCourse
from madelung.phonons.evaluation import Evaluation, evaluate_phonons, fitted_calibration
from madelung.phonons.examples import PhononExample, phonon_example
from madelung.phonons.force_sets import ForceSets
from madelung.phonons.mode_files import read_modes, write_modes
from madelung.phonons.model import PhononModel
from madelung.phonons.reference_modes import ReferenceModes, is_sound, reference_modes
from madelung.phonons.shards import SHARD_SUFFIX, read_shard
from madelung.phonons.training import PhononTraining, errors_of_examples, mean_errors

__all__ = ["Parts", "calibrate", "divided", "prepared_modes", "train_phonons"]

# Elements of the eigenvectors that are kept of a crystal, and the seed of the validation part.
_MOST_ELEMENTS = 80_000
_SPLIT_SEED = 20261201


@dataclass(frozen=True, eq=False)
class Parts:
    """Crystals of a training, divided by composition.

    Parameters
    ----------
    training, validation
        What is learnt from, and what epochs are chosen by.
    held_out
        Number of crystals that were left out because of their composition.
    """

    training: list[ReferenceModes]
    validation: list[ReferenceModes]
    held_out: int


@alone_in_folder
def train_phonons(
    shards: Sequence[str | Path],
    out: str | Path,
    *,
    network: HarmonicSettings | None = None,
    course: PhononCourse | None = None,
    members: int = 5,
    held_out: Sequence[str] = (),
    validation_share: float = 0.05,
    most_atoms: int = 80,
    initial: str | Path | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> PhononModel:
    """Train a model of phonons.

    Parameters
    ----------
    shards
        Files that :func:`read_shard` reads.
    out
        Folder of the run: modes of the references, a folder for each member, and the model.
    network, course
        Size of the networks, and how they are trained; member k has the seed of the course plus k.
    members
        Networks of the ensemble.
    held_out
        Compositions, such as ``F4Pb``, that are not learnt from.
    validation_share
        Share of the other compositions that epochs and intervals are chosen by.
    most_atoms
        Crystals with more atoms in the primitive cell are left out.
    initial
        Folder of a model with networks of the same size, whose weights members start from, one
        after another.
    resume
        Whether to go on with what is in the folder.
    quiet
        Whether to show no progress.

    Raises
    ------
    TrainingError
        If there is too little to learn from, or the folder holds another run.
    PhononError
        If a file is no shard.
    JobInterrupted
        If it was interrupted; a checkpoint has been written.
    """
    folder, settings = Path(out), network or HarmonicSettings()
    course = course or PhononCourse()
    if not resume and any((folder / f"member-{k}" / CHECKPOINT_FILE).exists() for k in range(99)):
        raise TrainingError(f"{folder}: holds a run; resume it, or name another folder")
    crystals = prepared_modes([Path(path) for path in shards], folder / "modes", most_atoms, quiet)
    parts = divided(crystals, set(held_out), validation_share)
    training, validation = (
        _examples(part, settings, quiet) for part in (parts.training, parts.validation)
    )
    start = None if initial is None else PhononModel.load(initial)
    networks = []
    for member in range(members):
        own = course.model_copy(update={"seed": course.seed + member})
        networks.append(
            _member(
                _fresh_network(settings, own.seed, member, start),
                own,
                training,
                validation,
                folder / f"member-{member}",
                quiet,
            )
        )
    card = _card(folder.name, settings, course, parts)
    model = PhononModel(card.model_copy(update={"members": members}), torch.nn.ModuleList(networks))
    model.card.validation["members"] = [
        mean_errors(errors_of_examples(one, validation)) for one in networks
    ]
    names = {reduced_composition(one.crystal.numbers) for one in parts.validation}
    calibrate(model, [Path(path) for path in shards], names, quiet=quiet)
    model.save(folder / "model")
    return model


def calibrate(
    model: PhononModel, shards: Sequence[Path], compositions: set[str], *, quiet: bool = True
) -> Evaluation:
    """Fit intervals to the errors on crystals of some compositions, and note both in the card.

    Parameters
    ----------
    model
        Its card is changed in place.
    shards
        Files that hold the crystals.
    compositions
        Those that the networks have not learnt from.
    """

    def is_chosen(one: ForceSets | PhononError) -> bool:
        return (
            isinstance(one, ForceSets) and reduced_composition(one.crystal.numbers) in compositions
        )

    def chosen() -> Iterator[ForceSets | PhononError]:
        for path in shards:
            yield from filter(is_chosen, read_shard(path))

    with watched("calibration", show=not quiet) as advance:
        evaluation = evaluate_phonons(model.predict, chosen(), advance)
    if model.card.members > 1:
        calibration = fitted_calibration(evaluation)
        model.card.calibration = calibration.model_dump()
    model.card.validation["ensemble"] = {"crystals": len(evaluation.crystals), **evaluation.means()}
    return evaluation


def prepared_modes(
    shards: Sequence[Path], folder: Path, most_atoms: int, quiet: bool
) -> list[ReferenceModes]:
    """Make the modes of all sound crystals of shards, or read those that were made before."""
    folder.mkdir(parents=True, exist_ok=True)
    found: list[ReferenceModes] = []
    with Interruption() as interruption:
        for number, path in enumerate(shards):
            place = folder / f"{number:03d}-{path.name.removesuffix(SHARD_SUFFIX)}.npz"
            if not place.exists():
                with watched(f"modes of {path.name}", show=not quiet) as advance:
                    made, problems = _modes_of_shard(path, most_atoms, advance)
                write_modes(place, made)
                write_json(place.with_suffix(".json"), {"crystals": len(made), **problems})
            found += read_modes(place)
            if interruption.requested:
                interruption.stop(folder.parent)
    return found


def _modes_of_shard(
    path: Path, most_atoms: int, advance: Advance
) -> tuple[list[ReferenceModes], dict[str, list[str]]]:
    """Modes of the crystals of a shard, and the names of those left out by the reason."""
    made: list[ReferenceModes] = []
    problems: dict[str, list[str]] = {"unusable": [], "too large": [], "not sound": []}
    for done, one in enumerate(read_shard(path), 1):
        advance(done)
        if isinstance(one, PhononError):
            problems["unusable"].append(str(one))
            continue
        name = one.crystal.source or one.crystal.formula
        if one.primitive_size > most_atoms:
            problems["too large"].append(name)
            continue
        try:
            modes = reference_modes(one, _MOST_ELEMENTS)
        except PhononError as error:
            problems["unusable"].append(str(error))
            continue
        if is_sound(modes):
            made.append(modes)
        else:
            problems["not sound"].append(name)
    return made, problems


def divided(
    crystals: Sequence[ReferenceModes], held_out: set[str], validation_share: float
) -> Parts:
    """Divide crystals by composition; what is held out is in no part.

    Raises
    ------
    TrainingError
        If a part is empty.
    """
    names = [reduced_composition(one.crystal.numbers) for one in crystals]
    usable = [name for name in names if name not in held_out]
    if len(set(usable)) < 2:
        raise TrainingError("phonons are learnt from crystals of at least two compositions")
    drawn = drawn_compositions(usable, validation_share, _SPLIT_SEED)
    pairs = list(zip(crystals, names, strict=True))
    return Parts(
        training=[one for one, name in pairs if name not in drawn and name not in held_out],
        validation=[one for one, name in pairs if name in drawn],
        held_out=len(names) - len(usable),
    )


def _examples(
    crystals: Sequence[ReferenceModes], settings: HarmonicSettings, quiet: bool
) -> list[PhononExample]:
    found = []
    with watched("crystals", show=not quiet) as advance:
        for done, one in enumerate(crystals, 1):
            found.append(phonon_example(one, settings))
            advance(done, len(crystals))
    return found


def _fresh_network(
    settings: HarmonicSettings, seed: int, member: int, start: PhononModel | None
) -> HarmonicNetwork:
    """A network to begin with: of random weights, or with those of a member of another model."""
    torch.manual_seed(seed)
    network = HarmonicNetwork(settings)
    if start is None:
        return network
    try:
        network.load_state_dict(start.networks[member % len(start.networks)].state_dict())
    except RuntimeError:
        raise TrainingError(
            f"the networks of {start.card.name!r} are of another size; give the same --features, "
            "--layers and --channels"
        ) from None
    return network.train()


def _member(
    network: HarmonicNetwork,
    course: PhononCourse,
    training: Sequence[PhononExample],
    validation: Sequence[PhononExample],
    folder: Path,
    quiet: bool,
) -> HarmonicNetwork:
    """Train one network, or go on with it."""
    folder.mkdir(parents=True, exist_ok=True)
    with watched(folder.name, show=not quiet) as advance:
        run = PhononTraining(
            network, training, validation, course, folder, partial(_shown_progress, advance)
        )
        run.run(resume=(folder / CHECKPOINT_FILE).exists())
    write_rows(folder / "history.csv", run.loop.progress.history)
    return network


def _shown_progress(advance: Advance, progress: Progress, steps: int) -> None:
    advance(progress.step, steps)


def _card(name: str, settings: HarmonicSettings, course: PhononCourse, parts: Parts) -> PhononCard:
    elements: Counter[str] = Counter()
    for one in parts.training:
        elements.update({ELEMENT_SYMBOLS[number] for number in one.crystal.species})
    return PhononCard(
        name=name,
        network=settings,
        elements=dict(sorted(elements.items())),
        volumes=central_range([relative_volume(one.crystal) for one in parts.training]),
        training={
            "course": course.model_dump(mode="json"),
            "crystals": len(parts.training),
            "validation_crystals": len(parts.validation),
            "held_out_crystals": parts.held_out,
        },
    )
