"""Sums of dipoles in 30 digits, written for one wave vector and without any care for time."""

from __future__ import annotations

import itertools

import mpmath as mp
import numpy as np
from numpy.typing import NDArray

# Both parts are summed to exp(-36), about 1e-16 of their largest term.
_WIDTH = 6


def exact_tensors(
    cell: NDArray[np.float64],
    positions: NDArray[np.float64],
    dielectric: NDArray[np.float64],
    point: NDArray[np.float64],
) -> NDArray[np.complex128]:
    """(n, n, 3, 3) interaction of unit dipoles, without the macroscopic field at Gamma."""
    with mp.workdps(30):
        lattice, metric = mp.matrix(cell.tolist()), mp.matrix(dielectric.tolist())
        places = [mp.matrix(place.tolist()) for place in positions]
        volume = abs(mp.det(lattice))
        reciprocal = 2 * mp.pi * mp.inverse(lattice).T
        wave = (mp.matrix([point.tolist()]) * reciprocal).T
        eta = mp.mpf(2) / mp.cbrt(volume)
        found = np.empty((len(positions), len(positions), 3, 3), dtype=complex)
        pairs = itertools.combinations_with_replacement(enumerate(places), 2)
        for (i, place), (j, other) in pairs:
            if i == j > 0:
                # Every atom and its own images are the same lattice.
                found[i, j] = found[0, 0]
                continue
            block = _near(lattice, metric, other - place, wave, eta)
            block += _far(reciprocal, metric, other - place, wave, eta) * (4 * mp.pi / volume)
            if i == j:
                block -= 4 * eta**3 / (3 * mp.sqrt(mp.pi * mp.det(metric))) * mp.inverse(metric)
            found[i, j] = np.array(block.tolist(), dtype=complex)
            found[j, i] = found[i, j].conj()
        return found


def _near(lattice: mp.matrix, metric: mp.matrix, apart: mp.matrix, wave: mp.matrix, eta: mp.mpf):  # type: ignore[no-untyped-def]
    inverse, root = mp.inverse(metric), mp.sqrt(mp.det(metric))
    highest = max(mp.eigsy(metric, eigvals_only=True))
    block = mp.zeros(3)
    for vector in _around(lattice, apart, _WIDTH * mp.sqrt(highest) / eta):
        along = inverse * vector
        square = (vector.T * along)[0]
        if square == 0:
            continue
        length = mp.sqrt(square)
        gauss = 2 * eta / mp.sqrt(mp.pi) * mp.exp(-(eta**2) * square)
        first = -mp.erfc(eta * length) / square - gauss / length
        second = 2 * mp.erfc(eta * length) / length**3 + gauss * (2 / square + 2 * eta**2)
        dyad = along * along.T / square
        tensor = -(second * dyad + first / length * (inverse - dyad)) / root
        block += mp.expj((wave.T * vector)[0]) * tensor
    return block


def _far(reciprocal: mp.matrix, metric: mp.matrix, apart: mp.matrix, wave: mp.matrix, eta: mp.mpf):  # type: ignore[no-untyped-def]
    lowest = min(mp.eigsy(metric, eigvals_only=True))
    block = mp.zeros(3)
    for vector in _around(reciprocal, wave, 2 * _WIDTH * eta / mp.sqrt(lowest)):
        if mp.norm(vector) < mp.mpf(10) ** -15:
            continue
        screened = (vector.T * metric * vector)[0]
        weight = mp.exp(-screened / (4 * eta**2)) / screened
        # Of G = K - q, by which atom i is behind atom j.
        turn = mp.expj(-((vector - wave).T * apart)[0])
        block += weight * turn * (vector * vector.T)
    return block


def _around(lattice: mp.matrix, origin: mp.matrix, reach: mp.mpf):  # type: ignore[no-untyped-def]
    """All lattice vectors plus the origin that are no longer than this."""
    rows = np.array(lattice.tolist(), dtype=float)
    start = np.array(origin.tolist(), dtype=float).ravel()
    inverse = np.linalg.inv(rows)
    middle, spans = -start @ inverse, float(reach) * np.linalg.norm(inverse, axis=0) + 1.0
    ranges = [
        range(int(np.floor(m - s)), int(np.ceil(m + s)) + 1)
        for m, s in zip(middle, spans, strict=True)
    ]
    for step in itertools.product(*ranges):
        if np.linalg.norm(start + np.array(step) @ rows) <= float(reach):
            yield origin + (mp.matrix([list(step)]) * lattice).T
