"""Files of reference data, and how they are divided into training and test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, TypeAlias

import numpy as np

from madelung.common.errors import ForceFieldError
from madelung.forcefields.reference.configurations import (
    Configuration,
    SkippedConfigurations,
    read_configurations,
)
from madelung.forcefields.reference.frame_values import Keys

__all__ = ["GROUPS", "TEST", "TRAINING", "DataFiles", "ElementSource", "elements_of"]

GROUPS = tuple(f"part-{number}" for number in range(8))
"""Groups that training configurations are dealt into at random."""
TEST = "test"
"""Group of configurations that are not learnt from."""
TRAINING = "training"
"""Name of the other parts together."""
# What configurations that are kept in memory may take together.
_MOST_BYTES = 1 << 30
_BYTES_OF_OBJECT, _BYTES_OF_ATOM = 4096, 64


@dataclass(frozen=True)
class DataFiles:
    """Files of configurations, and how they are divided.

    Parameters
    ----------
    training
        Files to learn from.
    test
        Files that are only tested on.
    test_share
        Part of the training files' configurations that is tested on instead, drawn at random.
    seed
        Of the division.
    keys
        Names of energies, forces and the like in the files, where they are not the usual ones.
    group_weights
        By group of configurations (``config_type``), what multiplies all their weights; each has
        to be the group of some configuration to learn from.

    Notes
    -----
    A file is read and parsed once: its configurations are kept for the passes that follow, of all
    files together as far as they take no more than 1 GiB. Files that find no room are read again
    in each pass, so that data of any size can be learnt from.
    """

    training: tuple[str, ...]
    test: tuple[str, ...] = ()
    test_share: float = 0.0
    seed: int = 0
    keys: Keys = field(default_factory=Keys)
    group_weights: Mapping[str, float] = field(default_factory=dict)
    _memory: _Memory = field(
        default_factory=lambda: _Memory(_MOST_BYTES), init=False, repr=False, compare=False
    )

    def read(
        self, on_problem: Callable[[ForceFieldError], None]
    ) -> Iterator[tuple[str, Configuration]]:
        """Yield every configuration with the name of its part; always in the same order.

        Parameters
        ----------
        on_problem
            Called for each frame that is left out.
        """
        random = np.random.default_rng(self.seed)
        for configuration in self.read_training(on_problem):
            tested = random.random() < self.test_share
            part = GROUPS[int(random.integers(len(GROUPS)))]
            yield TEST if tested else part, configuration
        for path in self.test:
            for configuration in self._memory.read(path, on_problem, self.keys):
                yield TEST, configuration

    def read_training(
        self, on_problem: Callable[[ForceFieldError], None]
    ) -> Iterator[Configuration]:
        """Yield the configurations of the training files, those that are tested on too.

        Parameters
        ----------
        on_problem
            Called for each frame that is left out.

        Raises
        ------
        ForceFieldError
            When all have been read, if a weight is that of a group which none is of.
        """
        groups: set[str] = set()
        for path in self.training:
            for configuration in self._memory.read(path, on_problem, self.keys):
                groups.add(configuration.group)
                yield self._weighed(configuration)
        unknown = set(self.group_weights) - groups
        if unknown:
            known = ", ".join(sorted(groups - {""})) or "none"
            raise ForceFieldError(
                f"weights are given to groups that no configuration is of: "
                f"{', '.join(sorted(unknown))}; there are {known}"
            )

    def _weighed(self, configuration: Configuration) -> Configuration:
        factor = self.group_weights.get(configuration.group, 1.0)
        if factor == 1.0:
            return configuration
        energy, forces, stress = configuration.weights
        return replace(configuration, weights=(factor * energy, factor * forces, factor * stress))

    def as_object(self) -> dict[str, Any]:
        """Return what stands in JSON files."""
        named = self.keys.named()
        return {
            "training": list(self.training),
            "test": list(self.test),
            "test_share": self.test_share,
            "seed": self.seed,
            **({"keys": named} if named else {}),
            **({"group_weights": dict(self.group_weights)} if self.group_weights else {}),
        }

    def divided(self) -> Iterator[tuple[str, Configuration]]:
        """Yield the same with the names "training" and "test"; frames left out are not told."""
        for part, configuration in self.read(SkippedConfigurations()):
            yield TEST if part == TEST else TRAINING, configuration


ElementSource: TypeAlias = DataFiles | Sequence[str] | Sequence[Configuration]
"""What elements are taken from: files by their names, files, or configurations."""


def elements_of(data: ElementSource) -> tuple[str, ...]:
    """Return the symbols of all elements in data to learn from.

    Parameters
    ----------
    data
        Names of files, or :class:`DataFiles`, of which those to learn from count; or
        configurations.

    Raises
    ------
    ForceFieldError
        If there is no configuration that can be used.
    """
    skipped = SkippedConfigurations()
    if isinstance(data, DataFiles):
        configurations: Iterable[Configuration] = data.read_training(skipped)
        names = data.training
    else:
        names = tuple(item for item in data if isinstance(item, str))
        known = [item for item in data if isinstance(item, Configuration)]
        configurations = chain(known, DataFiles(names).read_training(skipped))
    found: set[str] = set()
    for configuration in configurations:
        found.update(configuration.crystal.symbols)
    if not found:
        place = f"{', '.join(names)}: " if names else ""
        raise ForceFieldError(skipped.summary() or f"{place}no configuration is there")
    return tuple(sorted(found))


class _Memory:
    """Configurations of files that have been read to the end.

    Parameters
    ----------
    most
        Bytes that they may take together.
    """

    def __init__(self, most: int) -> None:
        self._free = most
        self._files: dict[str, list[Configuration | ForceFieldError]] = {}

    def read(
        self, path: str, on_problem: Callable[[ForceFieldError], None], keys: Keys
    ) -> Iterator[Configuration]:
        """Yield the configurations of a file, from memory if they are there."""
        for item in self._files[path] if path in self._files else self._read_and_keep(path, keys):
            if isinstance(item, ForceFieldError):
                on_problem(item)
            else:
                yield item

    def _read_and_keep(self, path: str, keys: Keys) -> Iterator[Configuration | ForceFieldError]:
        kept: list[Configuration | ForceFieldError] | None = []
        problems: list[ForceFieldError] = []
        size = 0
        read = read_configurations(path, **keys.named(), on_problem=problems.append)
        for configuration in chain(read, [None]):
            # Problems come before the configuration that is read after them.
            items: list[Configuration | ForceFieldError] = [*problems]
            if configuration is not None:
                items.append(configuration)
            problems.clear()
            size += sum(_size(item) for item in items)
            if kept is not None and size <= self._free:
                kept += items
            else:
                kept = None
            yield from items
        if kept is not None:
            self._files[path] = kept
            self._free -= size


def _size(item: Configuration | ForceFieldError) -> int:
    """Bytes of memory, with what objects take beside their arrays."""
    atoms = 0 if isinstance(item, ForceFieldError) else len(item.crystal)
    return _BYTES_OF_OBJECT + _BYTES_OF_ATOM * atoms
