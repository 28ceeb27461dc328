"""Grüneisen parameters of modes: how frequencies follow the volume."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madelung.common.errors import PhononError
from madelung.phonons.harmonic_crystal import signed_roots
from madelung.phonons.prediction import Phonons
from madelung.phonons.thermodynamics import SOFTEST_MODE

__all__ = ["mode_grueneisen"]

# Modes nearer to each other than this, in THz, are taken for degenerate.
_DEGENERATE = 1e-3


def mode_grueneisen(
    small: Phonons, middle: Phonons, large: Phonons, wave_vectors: ArrayLike
) -> NDArray[np.float64]:
    """Find γ = −∂ln ω/∂ln V = −(V/2ω²) v†(∂D/∂V)v of each mode v, by first-order perturbation.

    Parameters
    ----------
    small, middle, large
        Phonons of one crystal at three volumes, the middle one half-way between the others. Their
        cells have the same shape, and their atoms the same order.
    wave_vectors
        (Q, 3) in reciprocal lattice vectors of the primitive cell.

    Returns
    -------
    (Q, 3n) array
        In the order of ascending frequencies of the middle volume, among degenerate modes
        ascending; not a number for modes within 0.05 THz of zero, such as the acoustic ones at Γ.

    Raises
    ------
    PhononError
        If the three are not one crystal, or their volumes do not ascend.
    """
    volumes = _volumes(small, middle, large)
    points = np.atleast_2d(np.asarray(wave_vectors, dtype=np.float64))
    squares, modes = np.linalg.eigh(middle.harmonic.dynamical_matrices(points))
    change = large.harmonic.dynamical_matrices(points) - small.harmonic.dynamical_matrices(points)
    change = modes.conj().swapaxes(1, 2) @ change @ modes
    frequencies = signed_roots(squares)
    slopes = np.array(
        [_slopes(own, moved) for own, moved in zip(frequencies, change, strict=True)]
    ) / (volumes[2] - volumes[0])
    is_soft = np.abs(frequencies) < SOFTEST_MODE
    found: NDArray[np.float64] = -volumes[1] / 2.0 * slopes / np.where(is_soft, np.nan, squares)
    return found


def _volumes(*phonons: Phonons) -> NDArray[np.float64]:
    crystals = [one.crystal for one in phonons]
    first = crystals[0]
    for other in crystals[1:]:
        if len(other) != len(first) or (other.numbers != first.numbers).any():
            raise PhononError(
                f"{first.formula} and {other.formula} have not the same atoms in the same order; "
                "Grüneisen parameters need one crystal at three volumes"
            )
    volumes = np.array([one.volume for one in crystals], dtype=np.float64)
    if not (np.diff(volumes) > 0.0).all():
        raise PhononError(
            f"volumes of {', '.join(f'{volume:.6g}' for volume in volumes)} Å³ do not ascend; give "
            "the phonons of the smallest volume first"
        )
    return volumes


def _slopes(
    frequencies: NDArray[np.float64], change: NDArray[np.complex128]
) -> NDArray[np.float64]:
    """What a change of the dynamical matrix, between modes, does to each squared frequency."""
    slopes = np.empty(len(frequencies))
    borders = np.flatnonzero(np.diff(frequencies) > _DEGENERATE) + 1
    for group in np.split(np.arange(len(frequencies)), borders):
        block = change[np.ix_(group, group)]
        # Of degenerate modes only some combinations follow the volume each by themselves. With γ
        # ascending the squared frequencies' slopes descend, where these are positive.
        own = np.linalg.eigvalsh(block)
        slopes[group] = own[::-1] if frequencies[group[0]] > 0.0 else own
    return slopes
