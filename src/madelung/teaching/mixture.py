"""A soft mixture of teachers: pseudo-labels with a calibrated standard error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError
from madelung.teaching.calibration import Calibration, fit_calibration
from madelung.teaching.descriptors import principal_components
from madelung.teaching.labels import TeacherLabels
from madelung.teaching.shifts import fit_shifts, shifted_energies, usable_rows
from madelung.teaching.varying_weights import VaryingWeights, choose_covariances

__all__ = ["Mixture", "fit_mixture"]

Array = NDArray[np.float64]

FEWEST_LABELLED = 5
"""Labelled configurations that a mixture needs."""
_COMPONENTS = 16
_AVERAGED = 5
# Up to so many labelled configurations all carry the fit, of more so many.
_ALL, _LANDMARKS = 1500, 1000
# How far beyond the labelled ones a teacher's deviation may reach, in parts of their range.
_MARGIN = 0.5
# Teachers that agree to this, in eV/atom, do not deviate.
_SMALLEST = 1e-9


@dataclass(frozen=True, eq=False)
class Mixture:
    """A mixture's energies of n configurations.

    Parameters
    ----------
    teachers
        Names of the T teachers.
    energies
        (n,) in eV, with the zero of the reference; NaN where no teacher has a label.
    standard_errors
        (n,) of the energies, in eV; NaN there.
    weights
        (n, T) parts of the teachers in each energy; they add up to one, may be negative, and are
        zero where a teacher has no label.
    counts
        (n,) number of atoms.
    labelled_indices
        The m configurations whose reference was used.
    left_out_errors
        (m,) error in eV/atom of each labelled energy as predicted by all others; NaN for those
        that carry the fit where not all do.
    calibration
        How standard errors follow.
    """

    teachers: tuple[str, ...]
    energies: Array
    standard_errors: Array
    weights: Array
    counts: NDArray[np.int64]
    labelled_indices: NDArray[np.int64]
    left_out_errors: Array
    calibration: Calibration

    @property
    def energies_per_atom(self) -> Array:
        """(n,) in eV/atom."""
        energies: Array = self.energies / self.counts
        return energies

    @property
    def standard_errors_per_atom(self) -> Array:
        """(n,) in eV/atom."""
        errors: Array = self.standard_errors / self.counts
        return errors

    def forces(self, labels: TeacherLabels) -> tuple[Array, ...]:
        """Return the teachers' forces, weighted like their energies.

        Parameters
        ----------
        labels
            The labels that the mixture is of.

        Returns
        -------
        tuple of (atoms, 3)
            In eV/Å. NaN where a teacher with a part in the energy has no forces, or nobody has a
            label. They are derivatives of the energy if weights are constant (``gated=False``);
            else the small change of the weights with the positions is left out.

        Raises
        ------
        ForceFieldError
            If the labels have no forces, or are others.
        """
        if labels.forces is None or labels.teachers != self.teachers:
            raise ForceFieldError("the labels have no forces, or are of other teachers")
        if len(labels) != len(self.weights):
            raise ForceFieldError("the labels are of other configurations than the mixture")
        mixed = []
        for own, weights in zip(labels.forces, self.weights, strict=True):
            used = weights != 0.0
            forces = np.einsum("t,tnk->nk", weights[used], own[used])
            mixed.append(forces if used.any() else np.full(own.shape[1:], np.nan))
        return tuple(mixed)


def fit_mixture(
    labels: TeacherLabels,
    reference_energies: Array,
    labelled_indices: Any = None,
    *,
    descriptors: Array | None = None,
    gated: bool = True,
    seed: int = 0,
) -> Mixture:
    """Fit weights of teachers to the labelled configurations, and label all with them.

    The best teacher's shifted energy is corrected by the deviations of the others from it, times
    weights that may vary with the place of a configuration: its structure and the deviations
    themselves, which are known without a reference. How much they vary, and how strongly they are
    drawn to zero, is what makes the labelled energies most likely; the five best choices are
    averaged. Without evidence for more, the mixture is the best teacher.

    Parameters
    ----------
    labels
        Labels of n configurations by T teachers.
    reference_energies
        (n,) in eV; those that are not labelled are not looked at.
    labelled_indices
        Configurations whose reference may be used; by default all whose reference is known.
    descriptors
        (n, d) of the structures, as :func:`~madelung.describe` gives them;
        None for a gate by the deviations alone.
    gated
        Whether weights may vary.
    seed
        Of the choice of the 1000 that carry the fit where more than 1500 are labelled.

    Notes
    -----
    Where a teacher has no label, the best one that has a label stands for it. Deviations farther
    than half a range beyond those of labelled configurations count as at that limit, so that a
    potential that fails does not carry the mixture away.

    Raises
    ------
    ForceFieldError
        If fewer than five labelled configurations have a label by a teacher, or sizes do not fit.
    """
    usable = usable_rows(labels, reference_energies, labelled_indices) & labels.known.any(1)
    rows = np.flatnonzero(usable)
    if len(rows) < FEWEST_LABELLED:
        raise ForceFieldError(
            f"a mixture needs {FEWEST_LABELLED} labelled configurations, and {len(rows)} have a "
            "reference energy and a teacher's label; calculate more"
        )
    shifted = shifted_energies(labels, fit_shifts(labels, reference_energies, rows))
    reference = reference_energies[rows] / labels.counts[rows]
    deviations = _Deviations.of(shifted, reference, rows)
    places = _places(deviations.scaled, descriptors, rows)
    found = _fit(deviations.scaled, places, rows, reference - deviations.base[rows], gated, seed)
    spread = _spread(shifted)
    tested = np.isfinite(found.left_out_errors)
    calibration = fit_calibration(
        found.left_out_errors[tested], found.left_out_variance[tested], spread[rows][tested]
    )
    standard_errors = calibration.standard_errors(found.variance, spread)
    known = np.isfinite(deviations.base)
    return Mixture(
        teachers=labels.teachers,
        energies=np.where(known, (deviations.base + found.mean) * labels.counts, np.nan),
        standard_errors=np.where(known, standard_errors * labels.counts, np.nan),
        weights=deviations.teacher_weights(found.weights),
        counts=labels.counts,
        labelled_indices=rows,
        left_out_errors=found.left_out_errors,
        calibration=calibration,
    )


@dataclass(frozen=True, eq=False)
class _Fit:
    """Corrections of all n configurations, and of the m labelled ones by all others of them.

    Parameters
    ----------
    mean, variance
        (n,) corrections of the best teacher's energies, in eV/atom and its square.
    weights
        (n, T) of the scaled deviations.
    left_out_errors, left_out_variance
        (m,); errors are NaN where they say nothing of other configurations.
    """

    mean: Array
    variance: Array
    weights: Array
    left_out_errors: Array
    left_out_variance: Array


def _fit(
    x: Array, u: Array, rows: NDArray[np.int64], targets: Array, gated: bool, seed: int
) -> _Fit:
    """Average the regressions under which the targets of the labelled rows are the most likely."""
    random = np.random.default_rng(seed)
    landmarks = _landmarks(len(rows), random)
    models = [
        VaryingWeights(covariance, x[rows], u[rows], targets, landmarks)
        for covariance in choose_covariances(
            x[rows], u[rows], targets, count=_AVERAGED, varying=gated, random=random
        )
    ]
    predictions = [model.predict(x, u) for model in models]
    mean, variance = _averaged([(item.mean, item.variance) for item in predictions])
    left_out, left_out_variance = _averaged([model.left_out() for model in models])
    tested = np.ones(len(rows), dtype=bool)
    tested[landmarks] = len(landmarks) == len(rows)
    weights = np.mean([item.weights for item in predictions], axis=0)
    errors = np.where(tested, left_out - targets, np.nan)
    return _Fit(mean, variance, weights, errors, left_out_variance)


@dataclass(frozen=True, eq=False)
class _Deviations:
    """Deviations of teachers from the best one, and whose energies they are made of.

    Parameters
    ----------
    best
        Number of the teacher that errs least.
    base
        (n,) its energies in eV/atom, or those of the one that stands for it.
    scaled
        (n, T) deviations, of unit length on average.
    scales
        (T,) by which they were divided.
    sources
        (n, T) the teacher whose label stands for each one.
    free
        (n, T) whether the deviation is within the range of labelled ones, so that the energy
        changes with it.
    """

    best: int
    base: Array
    scaled: Array
    scales: Array
    sources: NDArray[np.int64]
    free: NDArray[np.bool_]

    @classmethod
    def of(cls, shifted: Array, reference: Array, rows: NDArray[np.int64]) -> _Deviations:
        """Make them of shifted energies (n, T) and the reference of the labelled rows."""
        squares = (shifted[rows] - reference[:, None]) ** 2
        counted = np.isfinite(squares).sum(0)
        sums = np.where(np.isfinite(squares), squares, 0.0).sum(0)
        errors = np.where(counted > 0, sums / np.maximum(counted, 1), np.inf)
        # A teacher that knows only few of the labelled ones must not look good by them.
        order = np.lexsort((errors, counted < 0.5 * len(rows)))
        ranked = np.isfinite(shifted[:, order])
        substitute = order[ranked.argmax(1)]
        sources = np.where(np.isfinite(shifted), np.arange(shifted.shape[1]), substitute[:, None])
        filled = np.take_along_axis(shifted, sources, axis=1)
        base = filled[:, order[0]]
        told = np.isfinite(shifted).any(axis=1, keepdims=True)
        raw = np.where(told, filled - base[:, None], 0.0)
        low, high = raw[rows].min(0), raw[rows].max(0)
        margin = _MARGIN * (high - low)
        limited = np.clip(raw, low - margin, high + margin)
        deviate = limited[rows].std(0)
        scales = np.where(deviate > _SMALLEST, deviate, np.inf) * np.sqrt(shifted.shape[1])
        return cls(int(order[0]), base, limited / scales, scales, sources, limited == raw)

    def teacher_weights(self, weights: Array) -> Array:
        """Return parts (n, T) of the teachers from weights (n, T) of scaled deviations."""
        each = weights / self.scales * self.free
        parts = np.zeros_like(each)
        row = np.arange(len(each))
        for number in range(each.shape[1]):
            np.add.at(parts, (row, self.sources[:, number]), each[:, number])
        best = self.sources[row, self.best]
        np.add.at(parts, (row, best), 1.0 - each.sum(1))
        parts[~np.isfinite(self.base)] = 0.0
        return parts


def _landmarks(count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Return the numbers of those labelled rows that carry the fit."""
    if count <= _ALL:
        return np.arange(count)
    return np.sort(random.permutation(count)[:_LANDMARKS])


def _places(scaled: Array, descriptors: Array | None, rows: NDArray[np.int64]) -> Array:
    """Return coordinates (n, g) in which configurations are near or far."""
    size = np.sqrt((scaled[rows] ** 2).sum(1).mean()) or 1.0
    if descriptors is None:
        return scaled / size
    if len(descriptors) != len(scaled):
        raise ForceFieldError(
            f"descriptors of {len(descriptors)} structures do not fit {len(scaled)} configurations"
        )
    components = principal_components(descriptors, _COMPONENTS)
    spread = components.std(0)
    components = components / np.where(spread > 0.0, spread, 1.0) / np.sqrt(components.shape[1])
    return np.hstack([components, scaled / size])


def _spread(shifted: Array) -> Array:
    """Return (n,) the robust standard deviation among teachers, in eV/atom; zero for none."""
    values = np.where(np.isfinite(shifted).any(axis=1, keepdims=True), shifted, 0.0)
    centre = np.nanmedian(values, axis=1)
    spread: Array = 1.4826 * np.nanmedian(np.abs(values - centre[:, None]), axis=1)
    return spread


def _averaged(pairs: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Return mean and variance of a mixture of normal distributions in equal parts."""
    means = np.array([mean for mean, _ in pairs])
    variances = np.array([variance for _, variance in pairs])
    return means.mean(0), variances.mean(0) + means.var(0)
