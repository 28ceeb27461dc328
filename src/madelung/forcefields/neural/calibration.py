"""How far the members of an ensemble differ, and how large errors are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from madelung.forcefields.neural.examples import Example
from madelung.forcefields.neural.potential import NeuralEvaluation, NeuralForceField

__all__ = ["uncertainty_factors"]

_COVERED = 0.683
_SMALLEST = 1e-12


def uncertainty_factors(
    force_field: NeuralForceField, examples: Sequence[Example]
) -> tuple[float, float]:
    """Find what the deviations of members must be multiplied by to be standard errors.

    Parameters
    ----------
    force_field
        An ensemble whose factors are one.
    examples
        Configurations that no member learnt from.

    Returns
    -------
    energy, force
        Factors with which 68 % of the errors of energies, and of the components of forces, are
        smaller than what is stated; one for a single member and where nothing is known.
    """
    if len(force_field.models) < 2:
        return 1.0, 1.0
    energies, forces = [], []
    for example in examples:
        found = force_field.evaluate(example.surroundings.crystal)
        assert isinstance(found, NeuralEvaluation)
        assert found.energy_uncertainty is not None
        assert found.force_uncertainty is not None
        error = abs(found.energy - example.energies[0])
        energies.append(error / max(found.energy_uncertainty, _SMALLEST))
        if example.forces is not None:
            errors = np.abs(found.forces - example.forces)
            # Components that symmetry makes zero have neither an error nor a deviation.
            moving = found.force_uncertainty > _SMALLEST
            forces.append((errors[moving] / found.force_uncertainty[moving]).ravel())
    return _quantile(np.array(energies)), _quantile(np.concatenate([np.zeros(0), *forces]))


def _quantile(ratios: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    known = ratios[np.isfinite(ratios)]
    return float(np.quantile(known, _COVERED)) if len(known) else 1.0
