"""What a run needs before its first step: parts, scales of the targets, and the model's card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import CrystalError, TrainingError
from madelung.common.units import FREQUENCY_UNITS
from madelung.crystals.batch import CrystalBatch
from madelung.crystals.crystal import Crystal
from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.crystals.layers import area_per_atom
from madelung.data.store import CrystalStore
from madelung.models.card import ModelCard, TargetCard
from madelung.models.element_features import KNOWN_ELEMENTS
from madelung.models.geometry import TrainedGeometry, learn_geometry
from madelung.models.settings import Readout, readout_of
from madelung.models.targets import ScaleFit, TargetScale
from madelung.models.training_crystals import TrainingCrystals
from madelung.training.batches import InputMemory
from madelung.training.probing import failing_crystals
from madelung.training.settings import TrainingSettings
from madelung.training.splits import PARTS, Membership, resolve_membership

__all__ = ["Preparation", "crystals_used", "prepare", "trained_geometry"]

_CHUNK = 1024
_FEWEST_CRYSTALS = 2


@dataclass(frozen=True, eq=False)
class Preparation:
    """What stands before the first step.

    Parameters
    ----------
    membership
        Values of the targets and their parts; crystals left out are in no part.
    training
        Crystals that are learnt from.
    scale
        Turns targets into standardised ones.
    card
        Card of the model, as far as it is known.
    left_out
        Why crystals were left out, one line each.
    """

    membership: Membership
    training: NDArray[np.int64]
    scale: TargetScale
    card: ModelCard
    left_out: tuple[str, ...]


def prepare(
    store: CrystalStore,
    settings: TrainingSettings,
    memory: InputMemory | None = None,
    *,
    show: bool = False,
) -> Preparation:
    """Look at all crystals of a run once, and leave out those that nothing can be learnt from.

    Parameters
    ----------
    store
        The data set.
    settings
        Of the run.
    memory
        Keeps what the network starts from; nothing is kept if None.
    show
        Whether to show on stderr how far it is.

    Raises
    ------
    TrainingError
        If a target, split or part is missing, or too few crystals are left.
    """
    membership = resolve_membership(store, settings)
    unusable = _unusable(store, membership, settings)
    membership = membership.without(np.array(sorted(unusable), dtype=np.int64))
    members = np.unique(np.concatenate([membership.members(part) for part in PARTS]))
    failing = failing_crystals(store, members, settings, memory, show=show)
    membership = membership.without(np.array(sorted(failing), dtype=np.int64))
    training = membership.members("train")
    if len(training) < _FEWEST_CRYSTALS:
        raise TrainingError(f"only {len(training)} training crystals are left; more are needed")
    fit = ScaleFit(len(membership.targets))
    readout = readout_of(settings.network)
    elements = np.zeros(len(ELEMENT_SYMBOLS), dtype=np.int64)
    values = membership.values_of("train")
    for start in range(0, len(training), _CHUNK):
        chosen = training[start : start + _CHUNK]
        batch = store.batch(chosen)
        shares = _element_shares(batch)
        fit.add(values[chosen] / _sizes(batch, readout)[:, None], shares)
        elements += (shares > 0.0).sum(axis=0)
    card = _card(store, settings, membership, elements)
    return Preparation(
        membership=membership,
        training=training,
        scale=_scale(fit, card, settings),
        card=card,
        left_out=(*unusable.values(), *failing.values()),
    )


def trained_geometry(store: CrystalStore, prepared: Preparation) -> TrainedGeometry:
    """Distances, neighbours and volumes of the crystals that are learnt from, for the card."""
    return learn_geometry(_crystals(store, prepared.training))


def crystals_used(store: CrystalStore, memberships: Sequence[Membership]) -> TrainingCrystals:
    """What a model keeps of the crystals that it has learnt from or was chosen by."""
    parts = [one.members(part) for one in memberships for part in ("train", "val")]
    return TrainingCrystals.of(_crystals(store, np.unique(np.concatenate(parts))))


def _crystals(store: CrystalStore, rows: NDArray[np.int64]) -> Iterator[Crystal]:
    """Go through crystals of a data set, a thousand at a time."""
    for start in range(0, len(rows), _CHUNK):
        yield from store.batch(rows[start : start + _CHUNK])


def _sizes(batch: CrystalBatch, readout: Readout) -> NDArray[np.float64]:
    """(B,) what values are learnt for one of: areas, or crystals."""
    if readout != "area":
        return np.ones(len(batch))
    return np.array([area_per_atom(crystal) for crystal in batch])


def _scale(fit: ScaleFit, card: ModelCard, settings: TrainingSettings) -> TargetScale:
    """The scale of values that are learnt as they are, or of frequencies."""
    readout = readout_of(settings.network)
    if readout != "frequency":
        return fit.fit(settings.element_reference, readout == "area")
    for target in card.targets:
        if target.unit not in FREQUENCY_UNITS:
            raise TrainingError(
                f"{target.name} has the unit {target.unit!r}; only targets in "
                f"{', '.join(FREQUENCY_UNITS)} can be read off as frequencies (--readout value)"
            )
    return TargetScale.in_units([FREQUENCY_UNITS[target.unit] for target in card.targets])


def _unusable(
    store: CrystalStore, membership: Membership, settings: TrainingSettings
) -> dict[int, str]:
    """Crystals that cannot be learnt from, with the reason."""
    reasons: dict[int, str] = {}
    members = np.flatnonzero((membership.labels != "").any(axis=1))
    for start in range(0, len(members), _CHUNK):
        chosen = members[start : start + _CHUNK]
        batch = store.batch(chosen)
        sizes = np.diff(batch.offsets)
        heavy = np.maximum.reduceat(batch.numbers, batch.offsets[:-1]) > KNOWN_ELEMENTS
        for row in map(int, np.flatnonzero(heavy)):
            reasons[int(chosen[row])] = f"{batch.name(row)}: an element without features"
        for row in map(int, np.flatnonzero(sizes > settings.max_atoms)):
            reasons[int(chosen[row])] = (
                f"{batch.name(row)}: {sizes[row]} atoms (--max-atoms {settings.max_atoms})"
            )
        for row, problem in _not_periodic(batch):
            reasons[int(chosen[row])] = problem
    return reasons


def _not_periodic(batch: CrystalBatch) -> list[tuple[int, str]]:
    try:
        batch.require_periodic()
    except CrystalError:
        pass
    else:
        return []
    problems = []
    for row, crystal in enumerate(batch):
        try:
            crystal.require_periodic()
        except CrystalError as problem:
            problems.append((row, str(problem)))
    return problems


def _element_shares(batch: CrystalBatch) -> NDArray[np.float64]:
    """(B, 119) parts of each element in each crystal."""
    sizes = np.diff(batch.offsets)
    counts = np.zeros((len(batch), len(ELEMENT_SYMBOLS)))
    np.add.at(counts, (np.repeat(np.arange(len(batch)), sizes), batch.numbers), 1.0)
    return counts / sizes[:, None]


def _card(
    store: CrystalStore,
    settings: TrainingSettings,
    membership: Membership,
    elements: NDArray[np.int64],
) -> ModelCard:
    known = {target.name: target for target in store.info.targets}
    targets = []
    for name in membership.targets:
        target = known.get(name)
        targets.append(
            TargetCard(
                name=name,
                unit=target.unit if target else "",
                description=target.description if target else "",
            )
        )
    counts = {part: len(membership.members(part)) for part in PARTS}
    values = {part: np.isfinite(membership.values_of(part)).sum(axis=0) for part in PARTS}
    return ModelCard(
        name=settings.name or ", ".join(membership.targets),
        purpose=settings.purpose,
        targets=targets,
        graph=settings.graph,
        network=settings.network,
        elements={
            ELEMENT_SYMBOLS[number]: int(elements[number]) for number in np.flatnonzero(elements)
        },
        training={
            "dataset": store.info.name,
            "licence": store.info.licence,
            "source": store.info.source,
            "fingerprint": store.fingerprint,
            "splits": dict(zip(membership.targets, membership.splits, strict=True)),
            "crystals": counts,
            "values": {
                name: {part: int(values[part][column]) for part in PARTS}
                for column, name in enumerate(membership.targets)
            },
            "settings": settings.model_dump(mode="json"),
        },
    )
