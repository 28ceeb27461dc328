"""Whether a pair potential states what it must: terms, bounds, completeness, derivatives."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from madelung.common.errors import PotentialError, ToleranceWarning
from madelung.common.native import native_core
from madelung.crystals.crystal import Crystal
from madelung.sums.base import Combination, Potential, as_combination
from madelung.sums.complete import complete_sums

__all__ = ["PotentialCheck", "validate_potential"]

Array = NDArray[np.float64]

_CELL = np.array([[3.6, 0.25, 0.0], [0.5, 3.9, 0.3], [-0.4, 0.2, 4.3]])
_PLACES = np.array([[0.0, 0.0, 0.0], [1.7, 0.4, 0.9], [0.6, 2.1, 2.4]])
_TOLERANCE = 1e-9
# Brute force goes so far, where what lies beyond is below this part of a certificate.
_REACH = 30.0
_BEYOND = 0.01
# A splitting (Å^-2) so small that the real-space term is the potential itself.
_NO_SPLITTING = 1e-13
_STEP = 1e-4


@dataclass(frozen=True)
class PotentialCheck:
    """One check of a potential.

    Parameters
    ----------
    name
        What was checked.
    error
        The error that was found.
    allowed
        The largest one that is allowed.
    """

    name: str
    error: float
    allowed: float

    @property
    def passed(self) -> bool:
        """Whether the error is allowed; one that is no number is not."""
        return bool(self.error <= self.allowed)

    def __str__(self) -> str:
        """Return the check with its numbers."""
        return f"{self.name} (error {self.error:.2g}, allowed {self.allowed:.2g})"


def validate_potential(
    potential: Potential | Combination, *, strict: bool = True
) -> tuple[PotentialCheck, ...]:
    """Check that a potential is what it says it is.

    Of each of its terms: that f tends to v without splitting, that f exp(t r²) and w exp(a k²) fall
    and are nowhere negative, that the slopes are within their bounds, that v' is the derivative
    of v. Of its sums, by PyTorch: brute force, where the potential falls fast enough; other
    splittings; symmetry; atoms moved by lattice vectors; a supercell; finite differences;
    and the native core, if it knows the potential. Values must agree within their certificates.

    Parameters
    ----------
    potential
        What to check; lengths in it should be those of crystals, some Å.
    strict
        Whether to raise an error if a check fails.

    Returns
    -------
    tuple of PotentialCheck

    Raises
    ------
    PotentialError
        If checks fail, with the numbers of each.

    Examples
    --------
    >>> all(check.passed for check in validate_potential(madelung.Yukawa(1.2)))
    True
    """
    checks: list[PotentialCheck] = []
    for _, term in as_combination(potential).terms:
        checks += [
            PotentialCheck(f"{term!r}: {name}", error, allowed)
            for name, error, allowed in _term_checks(term)
        ]
    checks += [PotentialCheck(name, error, 1.0) for name, error in _sum_checks(potential)]
    checks.append(_gradient_check(potential))
    failed = [check for check in checks if not check.passed]
    if strict and failed:
        raise PotentialError(
            f"{potential!r}: {len(failed)} of {len(checks)} checks fail: "
            + "; ".join(map(str, failed))
        )
    return tuple(checks)


def _term_checks(term: Potential) -> Iterator[tuple[str, float, float]]:
    """Name, error and allowed error of each check of the terms of a potential."""
    r = torch.linspace(0.4, 6.0, 57, dtype=torch.float64)
    t, volume = torch.tensor(0.7, dtype=torch.float64), torch.tensor(60.0, dtype=torch.float64)
    energy = term.energy(r)
    values, slopes = term.value_and_slope(r.numpy())
    exact = _slope(term.energy, r)
    yield "v of arrays", _worst(torch.from_numpy(values) - energy, energy), 1e-14
    yield "v' of arrays", _worst(torch.from_numpy(slopes) - exact, exact), 1e-13
    rate = term.reciprocal_rate(t)
    wave = term.reciprocal(r**2, t, volume) * torch.exp(rate * r**2)
    yield "w exp(a k²) falls", _rise(wave), 1e-10
    if term.has_real_part:
        whole = term.real(r**2, torch.tensor(_NO_SPLITTING, dtype=torch.float64))
        yield "f is v without splitting", _worst(whole - energy, energy), 1e-4
        yield "f exp(t r²) falls", _rise(term.real(r**2, t) * torch.exp(t * r**2)), 1e-10
        excess = _excess(term, r, t, direct=False)
        yield "abs(f'/f) is within its bound", excess, 1e-9
    if term.direct_shape is not None:
        yield "abs(v'/v) is within its bound", _excess(term, r, t, direct=True), 1e-9


def _slope(function: Any, r: torch.Tensor) -> torch.Tensor:
    place = r.clone().requires_grad_()
    (slope,) = torch.autograd.grad(function(place).sum(), place)
    return slope


def _worst(error: torch.Tensor, scale: torch.Tensor) -> float:
    """The largest relative error."""
    return float((error.abs() / scale.abs()).max())


def _rise(values: torch.Tensor) -> float:
    """By what part values rise, or are negative, at worst; where they are finite."""
    values = values[torch.isfinite(values)]
    if not len(values) or bool((values < 0.0).any()):
        return float("inf")
    scale = values[:-1].clamp(min=1e-280)
    return max(0.0, float(((values[1:] - values[:-1]) / scale).max()))


def _excess(term: Potential, r: torch.Tensor, t: torch.Tensor, *, direct: bool) -> float:
    """By what part of its bound the logarithmic slope exceeds it, at worst."""

    def function(place: torch.Tensor) -> torch.Tensor:
        return term.energy(place) if direct else term.real(place**2, t)

    values, bound = function(r), term.log_derivative(r, t, direct)
    kept = values.abs() > 1e-250
    ratio = _slope(function, r).abs()[kept] / (values.abs() * bound)[kept]
    return max(0.0, float(ratio.max()) - 1.0)


def _sum_checks(potential: Potential | Combination) -> Iterator[tuple[str, float]]:
    """Differences of sums in units of their certificates."""
    whole, bound = _sums(potential, _CELL, _PLACES)
    for factor in (0.5, 3.0):
        splitting = factor * np.pi / abs(np.linalg.det(_CELL)) ** (2 / 3)
        other, own = _sums(potential, _CELL, _PLACES, splitting=splitting)
        yield f"{factor:g} of the usual splitting", _difference(whole, other, bound + own)
    yield "symmetry", _difference(whole, whole.T, 2.0 * bound)
    steps = np.array([[0, 0, 0], [2, -1, 3], [-4, 0, 1]])
    other, own = _sums(potential, _CELL, _PLACES + steps @ _CELL)
    yield "atoms moved by lattice vectors", _difference(whole, other, bound + own)
    images = np.concatenate([_PLACES, _PLACES + _CELL[0]])
    parts, own = _sums(potential, _CELL * np.array([[2.0], [1.0], [1.0]]), images)
    count = len(_PLACES)
    added = parts[:count, :count] + parts[:count, count:]
    yield "a supercell", _difference(whole, added, bound + 2.0 * own)
    direct = _brute_force(potential, bound)
    if direct is not None:
        yield "brute force", _difference(whole, direct, (1.0 + _BEYOND) * bound)
    if native_core() and all(t.kernel is not None for _, t in as_combination(potential).terms):
        other, own = _sums(potential, _CELL, _PLACES, executor="native")
        yield "the native core", _difference(whole, other, bound + own)


def _sums(
    potential: Potential | Combination, cell: Array, places: Array, **options: Any
) -> tuple[Array, float]:
    """The (n, n) sums and their certificate."""
    crystal = Crystal(cell, places, np.full(len(places), 6))
    options = {"executor": "torch", "tolerance": _TOLERANCE, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ToleranceWarning)
        result = complete_sums(crystal, potential, **options)
    return np.asarray(result.values[0]), float(result.certificate[0])


def _difference(one: Array, other: Array, allowed: float) -> float:
    return float(np.abs(one - other).max() / allowed)


def _brute_force(potential: Potential | Combination, bound: float) -> Array | None:
    """Sums over all images in a ball; None if what lies beyond is not small."""
    volume = abs(float(np.linalg.det(_CELL)))
    # A shell as thick as the ball is wide holds more than a potential that falls can add.
    beyond = 4.0 * np.pi * _REACH**3 / volume * abs(float(potential(_REACH)))
    if beyond > _BEYOND * bound:
        return None
    heights = volume / np.linalg.norm(np.cross(_CELL[[1, 2, 0]], _CELL[[2, 0, 1]]), axis=1)
    ranges = [np.arange(-n, n + 1) for n in np.ceil(_REACH / heights).astype(int) + 2]
    images = np.stack(np.meshgrid(*ranges), axis=-1).reshape(-1, 3) @ _CELL
    vectors = _PLACES[None, :, None] - _PLACES[:, None, None] + images
    distances = np.linalg.norm(vectors, axis=-1)
    within = (distances > 1e-9) & (distances < _REACH)
    values: Array = np.where(within, potential(np.where(within, distances, 1.0)), 0.0)
    return values.sum(axis=-1)


def _gradient_check(potential: Potential | Combination) -> PotentialCheck:
    """Derivatives along a direction of cell and positions against a central difference."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(len(_PLACES), len(_PLACES)))
    cell, places = rng.normal(size=_CELL.shape), rng.normal(size=_PLACES.shape)

    def loss(amount: torch.Tensor) -> Any:
        crystal = Crystal(
            torch.from_numpy(_CELL) + amount * torch.from_numpy(cell),
            torch.from_numpy(_PLACES) + amount * torch.from_numpy(places),
            np.full(len(_PLACES), 6),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ToleranceWarning)
            sums = complete_sums(crystal, potential, tolerance=1e-12, executor="torch")
        return (sums.values[0] * torch.from_numpy(weights)).sum()

    amount = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(loss(amount), amount)
    step = torch.tensor(_STEP, dtype=torch.float64)
    ends = [loss(sign * factor * step).item() for factor in (1, 2) for sign in (1, -1)]
    # Of fourth order in the step.
    numeric = (8.0 * (ends[0] - ends[1]) - (ends[2] - ends[3])) / (12.0 * _STEP)
    scale = max(abs(numeric), abs(loss(amount).item()), 1e-6)
    return PotentialCheck(
        "finite differences of the sums", abs(float(slope) - numeric) / scale, 1e-6
    )
