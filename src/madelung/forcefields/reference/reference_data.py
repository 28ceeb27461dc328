"""Files of reference data, and how they are divided into training and test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from madelung.common.errors import ForceFieldError
from madelung.forcefields.reference.configurations import (
    Configuration,
    SkippedConfigurations,
    read_configurations,
)

__all__ = ["GROUPS", "TEST", "TRAINING", "DataFiles", "elements_of"]

GROUPS = tuple(f"part-{number}" for number in range(8))
"""Groups that training configurations are dealt into at random."""
TEST = "test"
"""Group of configurations that are not learnt from."""
TRAINING = "training"
"""Name of the other parts together."""


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
    """

    training: tuple[str, ...]
    test: tuple[str, ...] = ()
    test_share: float = 0.0
    seed: int = 0

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
        for configuration in read_configurations(self.training, on_problem=on_problem):
            tested = random.random() < self.test_share
            part = GROUPS[int(random.integers(len(GROUPS)))]
            yield TEST if tested else part, configuration
        for configuration in read_configurations(self.test, on_problem=on_problem):
            yield TEST, configuration

    def as_object(self) -> dict[str, Any]:
        """Return what stands in JSON files."""
        return {
            "training": list(self.training),
            "test": list(self.test),
            "test_share": self.test_share,
            "seed": self.seed,
        }

    def divided(self) -> Iterator[tuple[str, Configuration]]:
        """Yield the same with the names "training" and "test"; frames left out are not told."""
        for part, configuration in self.read(SkippedConfigurations()):
            yield TEST if part == TEST else TRAINING, configuration


def elements_of(paths: tuple[str, ...]) -> tuple[str, ...]:
    """Return the symbols of all elements in files of configurations.

    Raises
    ------
    ForceFieldError
        If the files hold no configuration that can be used.
    """
    found: set[str] = set()
    skipped = SkippedConfigurations()
    for configuration in read_configurations(paths, on_problem=skipped):
        found.update(configuration.crystal.symbols)
    if not found:
        raise ForceFieldError(skipped.summary() or f"{', '.join(paths)}: no configuration is there")
    return tuple(sorted(found))
