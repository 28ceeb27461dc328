"""Reduced cells, wrapped positions and lattice points, for many crystals at once.

A cell may be given in any of infinitely many ways, and its atoms in any of their images. Sums are
done in a Minkowski-reduced cell with every atom near the origin. The way there is integer
arithmetic on the numbers that were given, carried out in twice float64's precision, so that a
badly chosen cell loses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from madelung.crystals.double_double import add, combine_rows

__all__ = ["Lattices", "Points", "lattice_points", "reduce_cells", "wrap_positions"]

Array = NDArray[np.float64]

# A vector counts as shorter only if it is so by more than rounding, or reduction would not end.
_SHORTER = 1.0 - 1e-14
_LARGEST_ROUNDS = 2000
# Points this little outside a ball are listed too, lest rounding leave out one on its surface.
_BALL_MARGIN = 1e-9


@dataclass(frozen=True, eq=False)
class Lattices:
    """Reduced lattices of B crystals.

    Parameters
    ----------
    basis
        (B, 3, 3) reduced lattice vectors as rows, shortest first, in Å; rounded to float64.
    basis_low
        (B, 3, 3) what the rounding left over.
    transform
        (B, 3, 3) whole numbers U with reduced basis = U @ given cell.
    """

    basis: Array
    basis_low: Array
    transform: Array

    def __len__(self) -> int:
        """Return the number of crystals."""
        return len(self.basis)

    @cached_property
    def volume(self) -> Array:
        """(B,) volumes in Å³."""
        return np.abs(np.einsum("bi,bi->b", self.basis[:, 0], self._normals[:, 0]))

    @cached_property
    def reciprocal(self) -> Array:
        """(B, 3, 3) reciprocal vectors as rows, without the factor 2 pi, in Å^-1."""
        signed = np.einsum("bi,bi->b", self.basis[:, 0], self._normals[:, 0])
        return self._normals / signed[:, None, None]

    @cached_property
    def gram_schmidt(self) -> Array:
        """(B, 3) lengths of the Gram-Schmidt vectors of the basis, in Å."""
        first = np.linalg.norm(self.basis[:, 0], axis=1)
        area = np.linalg.norm(self._normals[:, 2], axis=1)
        return np.stack([first, area / first, self.volume / area], axis=1)

    @cached_property
    def reach(self) -> Array:
        """(B,) largest distance of a point of the cell from its centre, in Å."""
        signs = np.array([[1.0, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]])
        return 0.5 * np.linalg.norm(signs @ self.basis, axis=2).max(axis=1)

    @cached_property
    def _normals(self) -> Array:
        a, b, c = self.basis[:, 0], self.basis[:, 1], self.basis[:, 2]
        return np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)


def reduce_cells(cells: Array) -> Lattices:
    """Minkowski-reduce cells.

    Parameters
    ----------
    cells
        (B, 3, 3) lattice vectors as rows, in Å.

    Returns
    -------
    Lattices

    Notes
    -----
    I. Semaev, "A 3-dimensional lattice reduction algorithm" (2001): shorten the second vector by
    the first, then the third by both, until neither gets shorter. Each step takes whole numbers
    from float64 and applies them exactly, so that rounding may cost a round but no accuracy.
    """
    cells = np.ascontiguousarray(cells, dtype=np.float64)
    transform = np.broadcast_to(np.eye(3), cells.shape).copy()
    basis = cells.copy()
    active = np.arange(len(cells))
    for _ in range(_LARGEST_ROUNDS):
        if len(active) == 0:
            break
        step, changed = _reduction_step(basis[active])
        transform[active] = np.rint(step @ transform[active])
        basis[active], _ = _apply(transform[active], cells[active])
        active = active[changed]
    high, low = _apply(transform, cells)
    return Lattices(high, low, transform)


def _apply(transform: Array, cells: Array) -> tuple[Array, Array]:
    rows = cells[:, None]
    return combine_rows(transform, (rows, np.zeros_like(rows)))


def _reduction_step(basis: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return (B, 3, 3) unimodular whole numbers that shorten the bases, and where they do."""
    count = len(basis)
    order = np.argsort(np.einsum("bij,bij->bi", basis, basis), axis=1, kind="stable")
    step = np.eye(3)[order]
    basis = np.take_along_axis(basis, order[:, :, None], axis=1)
    gram = basis @ basis.transpose(0, 2, 1)
    times = np.rint(gram[:, 0, 1] / gram[:, 0, 0])
    shorter = basis[:, 1] - times[:, None] * basis[:, 0]
    second = np.einsum("bi,bi->b", shorter, shorter) < _SHORTER * gram[:, 1, 1]
    shear = np.broadcast_to(np.eye(3), (count, 3, 3)).copy()
    shear[:, 1, 0] = np.where(second, -times, 0.0)
    nearest, length = _nearest_in_plane(basis, gram)
    third = ~second & (length < _SHORTER * gram[:, 2, 2])
    shear[:, 2, :2] = np.where(third[:, None], -nearest, 0.0)
    return shear @ step, second | third


def _nearest_in_plane(basis: Array, gram: Array) -> tuple[Array, Array]:
    """Return which sum of the first two vectors is nearest to the third, and the distance²."""
    determinant = gram[:, 0, 0] * gram[:, 1, 1] - gram[:, 0, 1] ** 2
    determinant = np.where(determinant > 0.0, determinant, np.inf)
    first = gram[:, 0, 2] * gram[:, 1, 1] - gram[:, 1, 2] * gram[:, 0, 1]
    other = gram[:, 1, 2] * gram[:, 0, 0] - gram[:, 0, 2] * gram[:, 0, 1]
    corner = np.floor(np.stack([first, other], axis=1) / determinant[:, None])
    corners = corner[:, None] + np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    rest = basis[:, None, 2] - corners @ basis[:, :2]
    lengths = np.einsum("bci,bci->bc", rest, rest)
    best = np.argmin(lengths, axis=1)
    rows = np.arange(len(basis))
    return corners[rows, best], lengths[rows, best]


def wrap_positions(
    positions: Array, lattices: Lattices, owners: NDArray[np.int64]
) -> tuple[Array, Array, Array]:
    """Move atoms into the reduced cell around the origin.

    Parameters
    ----------
    positions
        (N, 3) Cartesian positions, in Å, as given.
    lattices
        Reduced lattices of B crystals.
    owners
        (N,) crystal of each atom.

    Returns
    -------
    high, low : (N, 3) arrays
        Wrapped positions in twice float64's precision, in Å.
    moves : (N, 3) array
        Whole numbers m with wrapped position = position - m @ reduced basis.
    """
    rows = (lattices.basis[owners], lattices.basis_low[owners])
    inverse = lattices.reciprocal[owners].transpose(0, 2, 1)
    high, low = positions, np.zeros_like(positions)
    moves = np.zeros_like(positions)
    # A position far outside is off by a whole cell or so after the first round.
    for _ in range(2):
        step = np.rint((high[:, None] @ inverse)[:, 0])
        moves += step
        high, low = add((high, low), combine_rows(-step, rows))
    return high, low, moves


@dataclass(frozen=True, eq=False)
class Points:
    """Lattice points of B lattices, laid end to end.

    Parameters
    ----------
    owners
        (M,) lattice of each point, ascending.
    integers
        (M, 3) coefficients of the point in the basis.
    """

    owners: NDArray[np.int64]
    integers: Array


def lattice_points(bases: Array, radii: Array) -> Points:
    """List all lattice points in balls around the origin.

    Parameters
    ----------
    bases
        (B, 3, 3) lattice vectors as rows; the nearer to orthogonal, the quicker.
    radii
        (B,) radii, in the units of the bases.

    Returns
    -------
    Points

    Notes
    -----
    U. Fincke and M. Pohst, Math. Comput. 44, 463 (1985): the last coefficient is bounded by the
    radius, the next by what is left of it, and so on; no point outside the ball is visited.
    """
    edges = np.asarray(np.linalg.qr(bases.transpose(0, 2, 1), mode="r")).transpose(0, 2, 1)
    squares = (radii * (1.0 + _BALL_MARGIN)) ** 2
    owners = np.arange(len(bases))
    integers = np.zeros((len(bases), 0))
    rest = squares
    for axis in (2, 1, 0):
        # Coordinate along this axis of the vectors chosen so far, and the spacing of the choices.
        offset = np.einsum("mi,mi->m", integers, edges[owners, axis + 1 :, axis])
        spacing = edges[owners, axis, axis]
        centre, spread = -offset / spacing, np.sqrt(np.maximum(rest, 0.0)) / np.abs(spacing)
        parents, choice = _expand(np.ceil(centre - spread), np.floor(centre + spread))
        rest = rest[parents] - ((choice - centre[parents]) * spacing[parents]) ** 2
        owners = owners[parents]
        integers = np.concatenate([choice[:, None], integers[parents]], axis=1)
    return Points(owners, integers)


def _expand(lowest: Array, highest: Array) -> tuple[NDArray[np.int64], Array]:
    """List the whole numbers of many ranges: the range each is from, and the number."""
    counts = np.maximum(highest - lowest + 1.0, 0.0).astype(np.int64)
    parents = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    steps = np.arange(len(parents)) - first[parents]
    return parents, lowest[parents] + steps
