"""What a combined store is made of: data sets with the targets and splits that they bring."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from madelung.common.errors import DatasetError
from madelung.data.records import DatasetInfo, Record, Target
from madelung.data.store import CrystalStore

__all__ = ["HeldOut", "Part", "Source", "combined_info", "combined_parts", "refuse_repeated"]

_LOGARITHM = "log10_"


@dataclass(frozen=True, eq=False)
class Source:
    """A data set that goes into a combined store.

    Parameters
    ----------
    label
        Name that no other source has; stands before ids that another source has as well.
    store
        The data set.
    targets
        Targets to take; by default all.
    """

    label: str
    store: CrystalStore
    targets: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Crystals that must not be learnt from.

    Parameters
    ----------
    label
        Name that no other set has, for the table of matches.
    store
        The data set.
    split
        Split whose "val" and "test" crystals are meant; by default all crystals of the store are.
    """

    label: str
    store: CrystalStore
    split: str | None = None

    def rows(self) -> list[int]:
        """Return the numbers of the crystals."""
        if self.split is None:
            return list(range(len(self.store)))
        return np.flatnonzero(np.isin(self.store.split(self.split), ("val", "test"))).tolist()


class Part:
    """A source as it appears in the combined store.

    Parameters
    ----------
    source
        The source.
    clashing
        Ids that another source has as well.
    log10
        Targets whose logarithms are taken.

    Raises
    ------
    DatasetError
        If the source lacks a target, or it is not clear which split belongs to one.
    """

    def __init__(self, source: Source, clashing: frozenset[str], log10: Sequence[str]) -> None:
        self.label, self.store, self._clashing = source.label, source.store, clashing
        names = source.store.target_names if source.targets is None else source.targets
        for name in names:
            # Says which targets there are if this one is missing.
            source.store.with_defaults(name, None)
        self._logarithms = frozenset(log10)
        self.names = {name: _LOGARITHM * (name in self._logarithms) + name for name in names}
        refuse_repeated(list(self.names.values()), f"targets of {source.label}")
        self._splits = {name: _source_split(source.store, name) for name in names}

    def records(self) -> Iterator[Record]:
        """Go through the records that have a target, as the combined store shall hold them."""
        for record in self.store:
            targets, splits = {}, {}
            for name, final in self.names.items():
                value = record.targets.get(name)
                if value is None or (name in self._logarithms and value <= 0.0):
                    continue
                targets[final] = math.log10(value) if name in self._logarithms else value
                split = self._splits[name]
                label = "train" if split is None else record.splits.get(split)
                if label:
                    splits[final] = label
            if targets:
                identity = record.id
                if identity in self._clashing:
                    identity = f"{self.label}/{identity}"
                yield Record(identity, record.crystal, targets, splits)

    def described(self) -> Iterator[Target]:
        """Go through the targets with their units."""
        known = {target.name: target for target in self.store.info.targets}
        for name, final in self.names.items():
            target = known.get(name, Target(name))
            if name not in self._logarithms:
                yield target
                continue
            unit = f"log10({target.unit})" if target.unit else ""
            yield Target(final, unit, f"base-10 logarithm: {target.description or name}")


def combined_parts(sources: Sequence[Source], log10: Sequence[str]) -> list[Part]:
    """Return the parts of a store that is combined of sources.

    Parameters
    ----------
    sources
        The sources.
    log10
        Targets whose logarithms are taken.

    Raises
    ------
    DatasetError
        If there are none, labels are not unique, or a target or split does not exist.
    """
    refuse_repeated([source.label for source in sources], "sources")
    if not sources:
        raise DatasetError("there is nothing to combine; name a data set")
    times: Counter[str] = Counter()
    for source in sources:
        times.update(source.store.ids)
    clashing = frozenset(name for name, count in times.items() if count > 1)
    parts = [Part(source, clashing, log10) for source in sources]
    for name in log10:
        if not any(name in part.names for part in parts):
            listed = ", ".join(sorted({name for part in parts for name in part.names}))
            raise DatasetError(f"no source has the target {name!r}; there are: {listed}")
    return parts


def combined_info(name: str, parts: Sequence[Part]) -> DatasetInfo:
    """Describe a combined store, with the licences and citations of all its sources.

    Raises
    ------
    DatasetError
        If two sources give a target in different units.
    """
    targets: dict[str, Target] = {}
    for part in parts:
        for target in part.described():
            earlier = targets.get(target.name)
            if earlier and earlier.unit and target.unit and earlier.unit != target.unit:
                raise DatasetError(
                    f"{part.label}: the target {target.name!r} is in {target.unit}, and in "
                    f"{earlier.unit} in another source; leave it out of one of them"
                )
            targets[target.name] = earlier if earlier and earlier.unit else target
    infos = [part.store.info for part in parts]
    return DatasetInfo(
        name=name,
        licence=_joined(info.licence for info in infos),
        source=_joined(info.source or info.name for info in infos),
        citation=_joined(info.citation for info in infos),
        targets=tuple(targets.values()),
    )


def refuse_repeated(labels: Sequence[str], what: str) -> None:
    """Raise DatasetError if a label occurs twice; ``what`` says in the message what they name."""
    repeated = [label for label, count in Counter(labels).items() if count > 1]
    if repeated:
        raise DatasetError(f"two {what} are called {repeated[0]!r}; give each a name of its own")


def _source_split(store: CrystalStore, target: str) -> str | None:
    """Return the split of a source that a target is learnt with, or None if it has no splits."""
    for name in (target, store.default_split, "split"):
        if name in store.split_names:
            return name
    if store.split_names:
        raise DatasetError(
            f"{store.folder}: none of the splits ({', '.join(store.split_names)}) is called like "
            f"the target {target!r} or is the default; choose one with with_defaults"
        )
    return None


def _joined(texts: Iterator[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))
