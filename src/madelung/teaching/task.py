"""What a network is taught: configurations, teachers' labels, and who may see which reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError
from madelung.forcefields.reference.configurations import Configuration
from madelung.teaching.labels import TeacherLabels
from madelung.teaching.sources import reference_energies_of

__all__ = ["PUBLISHED_SHARES", "TeachingTask", "divide_task"]

PUBLISHED_SHARES = (0.12, 0.04, 0.04)
"""Parts with a reference to learn from, for validation and for test: Shui et al., NeurIPS 2022."""
FEWEST_LABELLED = 5


@dataclass(frozen=True, eq=False)
class TeachingTask:
    """Configurations of which only some have a reference that may be learnt from.

    Parameters
    ----------
    configurations
        All n of them.
    labels
        What teachers say of them.
    labelled
        Numbers of those whose reference may be learnt from.
    unlabelled
        Numbers of those of which structure and teachers' labels alone are known.
    validation
        Numbers of those by which weights are chosen.
    test
        Numbers of those that errors are told of.
    """

    configurations: Sequence[Configuration]
    labels: TeacherLabels
    labelled: NDArray[np.int64]
    unlabelled: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]

    @property
    def reference_energies(self) -> NDArray[np.float64]:
        """(n,) in eV, NaN for all but the labelled ones."""
        energies = np.full(len(self.configurations), np.nan)
        known = reference_energies_of([self.configurations[index] for index in self.labelled])
        energies[self.labelled] = known
        return energies

    def of(self, indices: NDArray[np.int64]) -> list[Configuration]:
        """Return some of the configurations."""
        return [self.configurations[index] for index in indices]


def divide_task(
    configurations: Sequence[Configuration],
    labels: TeacherLabels,
    *,
    labelled_share: float | None = None,
    validation_share: float = 0.1,
    test_share: float = 0.1,
    fraction: float = 1.0,
    seed: int = 0,
) -> TeachingTask:
    """Divide configurations at random.

    Parameters
    ----------
    configurations, labels
        Structures, of which some or all have a reference energy, and what teachers say of them.
    labelled_share
        Part of those with a reference that may be learnt from; by default all that is left by
        validation and test. What is left over joins those without a reference.
    validation_share, test_share
        Parts of those with a reference.
    fraction
        Part of the labelled share that is learnt from, as for a learning curve. A larger fraction
        holds the configurations of a smaller one.
    seed
        Of the division.

    Raises
    ------
    ForceFieldError
        If the labels are of other configurations, or there are too few.
    """
    labels.require_same(configurations)
    known = np.isfinite(reference_energies_of(configurations))
    order = np.random.default_rng([seed, 11]).permutation(np.flatnonzero(known))
    held = [round(share * len(order)) for share in (validation_share, test_share)]
    share = 1.0 - validation_share - test_share if labelled_share is None else labelled_share
    possible = min(round(share * len(order)), len(order) - sum(held))
    count = max(round(fraction * possible), FEWEST_LABELLED)
    if count > possible or min(held) < 1:
        raise ForceFieldError(
            f"{len(order)} configurations with a reference energy are too few to teach from and "
            "to test with"
        )
    validation, test, rest = np.split(order, np.cumsum(held))
    return TeachingTask(
        configurations=configurations,
        labels=labels,
        labelled=rest[:count],
        unlabelled=np.concatenate([rest[count:], np.flatnonzero(~known)]),
        validation=validation,
        test=test,
    )
