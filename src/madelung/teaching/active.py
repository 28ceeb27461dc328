"""Which configurations to calculate next with the reference method.

The errors of a model at two configurations are taken for correlated if their structures are alike
(Matérn's correlation of order 5/2), and as large as the model states. To calculate a configuration
tells the error there, and with it a part of the errors at all that are like it. Configurations are
chosen one after another, each so that what is left of the squared errors of all is least: active
learning after Cohn (Cohn, Neural Networks 9, 1071 (1996); for Gaussian processes Seo et al., IJCNN
2000). What is uncertain and has many like it comes first; what is like a chosen one has lost its
uncertainty; what is like nothing else waits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.linalg.blas import dger

from madelung.common.errors import ForceFieldError
from madelung.forcefields.interface import ForceField
from madelung.forcefields.neural.potential import NeuralEvaluation
from madelung.teaching.descriptors import principal_components
from madelung.teaching.varying_weights import Covariance

__all__ = [
    "NextChoice",
    "choose_at_random",
    "choose_farthest",
    "choose_next",
    "ensemble_uncertainties",
    "places_of",
]

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

_COMPONENTS = 16
# Distance over which errors are correlated; places have the mean square one.
_LENGTH = 1.0
# Part of a configuration's squared error that likeness does not explain.
_NOISE = 0.1
# Squared errors are summed over so many configurations, which stand for all.
_REFERENCES = 600
# So many labelled ones are heeded where no uncertainties do.
_MOST_LABELLED = 1000


@dataclass(frozen=True, eq=False)
class NextChoice:
    """Configurations to calculate next, the most useful first.

    Parameters
    ----------
    indices
        (count,) their numbers.
    shares
        (count,) part that each takes away of the sum of all squared errors, as it was at the
        beginning.
    likes
        (count,) how many configurations each stands for: the sum of the parts that it takes away
        of the squared errors of each, itself included, when it is chosen.
    """

    indices: Indices
    shares: Array
    likes: Array


def places_of(descriptors: Array) -> Array:
    """Return places (n, g) of structures: their principal components, each of equal spread.

    Parameters
    ----------
    descriptors
        (n, d) as :func:`~madelung.describe` gives them.

    Returns
    -------
    (n, g)
        With mean zero and mean square one; without unit.
    """
    components = principal_components(descriptors, _COMPONENTS)
    spread = components.std(0)
    scaled: Array = components / np.where(spread > 0.0, spread, 1.0) / components.shape[1] ** 0.5
    return scaled


def ensemble_uncertainties(
    force_field: ForceField, structures: Iterable[Any], *, forces: bool = True
) -> Array:
    """Return how much the members of an ensemble differ on n structures.

    Parameters
    ----------
    force_field
        A neural force field of at least two members.
    structures
        What :func:`madelung.as_crystals` takes.
    forces
        Whether to compare forces, else energies.

    Returns
    -------
    (n,)
        Root mean square of the standard deviations of force components in eV/Å, or standard
        deviation of the energy in eV/atom.

    Raises
    ------
    ForceFieldError
        If the force field is no ensemble.
    """
    found = []
    for evaluation in force_field.evaluate_all(structures):
        energy = force = None
        if isinstance(evaluation, NeuralEvaluation):
            energy, force = evaluation.energy_uncertainty, evaluation.force_uncertainty
        if energy is None or force is None:
            raise ForceFieldError(
                "the force field does not state how uncertain it is; train an ensemble of at "
                "least two networks"
            )
        found.append(float(np.sqrt(np.mean(force**2))) if forces else energy / len(force))
    return np.array(found)


def choose_next(
    places: Array,
    labelled: Any,
    count: int,
    *,
    uncertainties: Array | None = None,
    seed: int = 0,
) -> NextChoice:
    """Choose configurations whose calculation takes most of the squared errors of all away.

    Parameters
    ----------
    places
        (n, g) of all configurations, labelled or not; see :func:`places_of`.
    labelled
        Numbers of the labelled ones, which are not chosen.
    count
        How many to choose.
    uncertainties
        (n,) standard errors for an atom of a model that has learnt from the labelled ones, in any
        unit; where they are NaN, configurations count as uncertain as any. None for a choice by
        structure alone: errors are then alike everywhere but near labelled configurations.
    seed
        Of the choice of the 600 configurations over which squared errors are summed where there
        are more, and of the 1000 labelled ones that are heeded without uncertainties.

    Raises
    ------
    ForceFieldError
        If there are not so many unlabelled configurations, or uncertainties do not fit.
    """
    free = _free(len(places), labelled, count)
    random = np.random.default_rng([seed, 29])
    told = np.zeros(0, dtype=np.int64)
    if uncertainties is None:
        scales = np.ones(len(places))
        told = np.sort(random.permutation(np.flatnonzero(~free))[:_MOST_LABELLED])
    else:
        scales = _relative(uncertainties, len(places))
    references = np.sort(random.permutation(len(places))[:_REFERENCES])
    errors = _Errors(_Correlations(places, told), scales, references)
    return errors.choose(free, count)


def choose_farthest(places: Array, labelled: Any, count: int) -> Indices:
    """Choose configurations (count,), each the farthest from all labelled and chosen ones.

    Parameters
    ----------
    places
        (n, g) of all configurations; see :func:`places_of`.
    labelled
        Numbers of the labelled ones; without any the mean of all places counts as one.
    count
        How many to choose.

    Raises
    ------
    ForceFieldError
        If there are not so many unlabelled configurations.
    """
    free = _free(len(places), labelled, count)
    taken = [places.mean(0)] if free.all() else list(places[~free])
    distances = np.min([((places - place) ** 2).sum(1) for place in taken], axis=0)
    chosen = np.zeros(count, dtype=np.int64)
    for number in range(count):
        index = int(np.where(free, distances, -1.0).argmax())
        chosen[number], free[index] = index, False
        distances = np.minimum(distances, ((places - places[index]) ** 2).sum(1))
    return chosen


def choose_at_random(total: int, labelled: Any, count: int, *, seed: int = 0) -> Indices:
    """Choose configurations (count,) of which none is labelled, all with the same probability.

    Parameters
    ----------
    total
        Number of all configurations.
    labelled
        Numbers of the labelled ones.
    count
        How many to choose.
    seed
        Of the choice.

    Raises
    ------
    ForceFieldError
        If there are not so many unlabelled configurations.
    """
    free = np.flatnonzero(_free(total, labelled, count))
    chosen: Indices = np.random.default_rng([seed, 31]).permutation(free)[:count]
    return chosen


class _Correlations:
    """Correlations of the errors of n configurations, some of which are known.

    Parameters
    ----------
    places
        (n, g).
    told
        Numbers of configurations whose errors are known.
    """

    def __init__(self, places: Array, told: Indices) -> None:
        self._places = places
        self._matern = Covariance(_LENGTH, 0.0, 1.0, 0.0, _NOISE).correlation
        inner = self._matern(places[told], places[told])
        inner[np.diag_indices_from(inner)] += _NOISE
        outer = self._matern(places[told], places)
        self._known = np.zeros((0, len(places)))
        if len(told):
            self._known = solve_triangular(np.linalg.cholesky(inner), outer, lower=True)

    def with_some(self, indices: Indices) -> Array:
        """Return correlations (n, k) of all errors with those of k configurations."""
        correlations: Array = self._matern(self._places, self._places[indices])
        if len(self._known):
            correlations -= self._known.T @ self._known[:, indices]
        return correlations

    def variances(self) -> Array:
        """Return what is left (n,) of the variance one of each error."""
        variances: Array = 1.0 - np.einsum("mn,mn->n", self._known, self._known)
        return np.maximum(variances, 0.0)


class _Errors:
    """What is known of the errors of n configurations, while they are chosen.

    Parameters
    ----------
    correlations
        Of the errors.
    scales
        (n,) their size.
    references
        (r,) numbers of those over which squared errors are summed.
    """

    def __init__(self, correlations: _Correlations, scales: Array, references: Indices) -> None:
        self._correlations, self._scales = correlations, scales
        self._references = references
        outer = correlations.with_some(references) * scales[:, None] * scales[references]
        # In Fortran's order each choice changes them in place.
        self._outer = np.asfortranarray(outer)
        self._squares = np.einsum("nr,nr->n", outer, outer)
        self._variances = scales**2 * correlations.variances()
        # Where there are no errors at all, nothing is divided by zero.
        self._noise = np.maximum(_NOISE * scales**2, 1e-12)
        self._removed: list[Array] = []

    def choose(self, free: NDArray[np.bool_], count: int) -> NextChoice:
        """Choose one after another of those that are free."""
        whole = float(self._variances.sum()) or 1.0
        indices, shares, likes = [], [], []
        for _ in range(count):
            gains = self._sums() / (self._variances + self._noise)
            index = int(np.where(free, gains, -1.0).argmax())
            free[index] = False
            before = np.maximum(self._variances, 1e-12)
            less = self._tell(index)
            indices.append(index)
            shares.append(float(less.sum()) / whole)
            likes.append(float((less / before).sum()))
        return NextChoice(np.array(indices), np.array(shares), np.array(likes))

    def _sums(self) -> Array:
        """Sums (n,) of squared covariances with all n: one's own, and an estimate for the others.

        Were one's own left to the estimate, those that are references would be preferred.
        """
        count, drawn = len(self._variances), len(self._references)
        own = self._variances**2
        others, weights = self._squares.copy(), np.full(count, (count - 1.0) / drawn)
        others[self._references] -= own[self._references]
        weights[self._references] = (count - 1.0) / max(drawn - 1.0, 1.0)
        sums: Array = own + weights * np.maximum(others, 0.0)
        return sums

    def _tell(self, index: int) -> Array:
        """Return what the error of a configuration takes from the variances (n,), and take it."""
        correlations = self._correlations.with_some(np.array([index]))[:, 0]
        covariances = self._scales * self._scales[index] * correlations
        for removed in self._removed:
            covariances -= removed[index] * removed
        removed = covariances / np.sqrt(self._variances[index] + self._noise[index])
        at = removed[self._references]
        self._squares += removed * (removed * (at @ at) - 2.0 * (self._outer @ at))
        dger(-1.0, removed, at, a=self._outer, overwrite_a=True)
        less: Array = np.minimum(removed**2, self._variances)
        self._variances -= less
        self._removed.append(removed)
        return less


def _free(total: int, labelled: Any, count: int) -> NDArray[np.bool_]:
    """Return (n,) whether a configuration may be chosen."""
    free = np.ones(total, dtype=bool)
    free[np.asarray(labelled, dtype=np.int64)] = False
    if not 1 <= count <= free.sum():
        raise ForceFieldError(
            f"{count} configurations cannot be chosen: {free.sum()} of {total} are not labelled"
        )
    return free


def _relative(uncertainties: Array, total: int) -> Array:
    """Return uncertainties (n,) of which the largest is one, without NaN."""
    if uncertainties.shape != (total,):
        raise ForceFieldError(
            f"uncertainties of shape {uncertainties.shape} do not fit {total} configurations"
        )
    known = uncertainties[np.isfinite(uncertainties)]
    largest = float(known.max(initial=0.0)) or 1.0
    relative: Array = np.where(np.isfinite(uncertainties), uncertainties, largest) / largest
    return relative
