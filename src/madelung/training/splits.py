"""Which crystals a run learns from, chooses by, and is tested on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import TrainingError
from madelung.data.store import CrystalStore
from madelung.training.settings import TrainingSettings

__all__ = ["PARTS", "Membership", "resolve_membership"]

PARTS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Membership:
    """Targets of all crystals of a data set, and the part that each value belongs to.

    Parameters
    ----------
    targets
        Names of the T targets.
    values
        (n, T) values, NaN where missing.
    labels
        (n, T) "train", "val", "test" or "".
    splits
        (T,) where the labels of each target come from.
    """

    targets: tuple[str, ...]
    values: NDArray[np.float64]
    labels: NDArray[np.str_]
    splits: tuple[str, ...]

    def values_of(self, part: str) -> NDArray[np.float64]:
        """(n, T) values of one part, NaN elsewhere."""
        return np.where(self.labels == part, self.values, np.nan)

    def members(self, part: str) -> NDArray[np.int64]:
        """Crystals that have a value in a part."""
        return np.flatnonzero(np.isfinite(self.values_of(part)).any(axis=1))

    def without(self, crystals: NDArray[np.int64]) -> Membership:
        """Return the same with some crystals in no part."""
        labels = self.labels.copy()
        labels[crystals] = ""
        return Membership(self.targets, self.values, labels, self.splits)


def resolve_membership(store: CrystalStore, settings: TrainingSettings) -> Membership:
    """Decide what is learnt from which crystals.

    Each target follows its own named split if the data set has one, so that several can be
    learnt together without a test value of any of them being seen.

    Raises
    ------
    TrainingError
        If a target or split does not exist, or a part that is needed is empty.
    """
    targets = _targets(store, settings)
    values = np.stack([store.values(target) for target in targets], axis=1)
    names = [_split_name(store, settings, target) for target in targets]
    labels = np.stack(
        [
            _drawn_split(len(store), settings) if name is None else np.asarray(store.split(name))
            for name in names
        ],
        axis=1,
    )
    if settings.validation_parts is None:
        labels = _with_validation(labels, settings)
    else:
        labels = _with_part(labels, np.isfinite(values), settings.validation_parts, settings)
    sources = tuple("drawn with the seed" if name is None else name for name in names)
    membership = _limited(Membership(targets, values, labels, sources), settings)
    for part in ("train", "val"):
        known = np.isfinite(membership.values_of(part)).sum(axis=0)
        for target, count in zip(targets, known, strict=True):
            if count == 0:
                raise TrainingError(f"no crystal of the part {part!r} has a value of {target!r}")
    return membership


def _targets(store: CrystalStore, settings: TrainingSettings) -> tuple[str, ...]:
    known = store.target_names
    chosen = settings.target
    if not chosen:
        default = store.default_target or (known[0] if len(known) == 1 else None)
        if default is None:
            raise TrainingError(f"name a target (--target); the data set has {', '.join(known)}")
        chosen = (default,)
    for target in chosen:
        if target not in known:
            raise TrainingError(
                f"the data set has no target {target!r}; it has {', '.join(known) or 'none'}"
            )
    if len(set(chosen)) < len(chosen):
        raise TrainingError(f"a target is named twice: {', '.join(chosen)}")
    return chosen


def _split_name(store: CrystalStore, settings: TrainingSettings, target: str) -> str | None:
    if settings.split is None:
        candidates = (target, store.default_split, "split")
        return next((name for name in candidates if name in store.split_names), None)
    if settings.split not in store.split_names:
        known = ", ".join(store.split_names) or "none"
        raise TrainingError(f"the data set has no split {settings.split!r}; it has {known}")
    return settings.split


def _drawn_split(count: int, settings: TrainingSettings) -> NDArray[np.str_]:
    order = np.random.default_rng([settings.drawn_with, 1]).permutation(count)
    labels = np.full(count, "train", dtype="<U5")
    tested = round(settings.test_share * count)
    validated = max(round(settings.validation_share * count), 1)
    labels[order[:tested]] = "test"
    labels[order[tested : tested + validated]] = "val"
    return labels


def _with_validation(labels: NDArray[np.str_], settings: TrainingSettings) -> NDArray[np.str_]:
    """Draw validation crystals from the training crystals of splits that name none."""
    labels = labels.astype("<U5")
    draw = np.random.default_rng([settings.drawn_with, 2]).random(len(labels))
    for column in range(labels.shape[1]):
        if not (labels[:, column] == "val").any():
            chosen = (labels[:, column] == "train") & (draw < settings.validation_share)
            labels[chosen, column] = "val"
    return labels


def _with_part(
    labels: NDArray[np.str_],
    known: NDArray[np.bool_],
    parts: int,
    settings: TrainingSettings,
) -> NDArray[np.str_]:
    """Validate by one of the parts that training and validation crystals are cut into."""
    learnt = np.isin(labels, ("train", "val"))
    crystals = np.flatnonzero((learnt & known).any(axis=1))
    order = np.random.default_rng([settings.drawn_with, 2]).permutation(crystals)
    held_out = np.zeros(len(labels), dtype=bool)
    held_out[order[settings.seed % parts :: parts]] = True
    return np.where(learnt, np.where(held_out[:, None], "val", "train"), labels)


def _limited(membership: Membership, settings: TrainingSettings) -> Membership:
    if settings.training_limit is None:
        return membership
    members = membership.members("train")
    order = np.random.default_rng([settings.drawn_with, 3]).permutation(members)
    labels = membership.labels.copy()
    dropped = order[settings.training_limit :]
    labels[dropped] = np.where(labels[dropped] == "train", "", labels[dropped])
    return Membership(membership.targets, membership.values, labels, membership.splits)
