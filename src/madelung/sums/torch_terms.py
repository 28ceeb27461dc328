"""The real-space and reciprocal-space terms of equally large crystals, as PyTorch operations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from madelung.common.arrays import as_floats
from madelung.crystals.lattice import Points, lattice_points
from madelung.sums.base import Potential
from madelung.sums.certificate import Measures
from madelung.sums.plan import Plan

__all__ = ["BLOCK", "Chunk", "add_spaces"]

Array = NDArray[np.float64]

BLOCK = 2_000_000
"""Candidate images, or terms of the reciprocal sum, that are held in memory together."""

# Sites nearer than this part of V^(1/3) are one site.
_COINCIDENT = 1e-9
# Error of a lattice vector in machine epsilons of its length, in a reduced basis.
_IMAGE_ERROR = 8.0
# Images this little outside the cutoff are taken along: the search rounds more coarsely.
_SEARCH_MARGIN = 1e-9


@dataclass(frozen=True, eq=False)
class Chunk:
    """C crystals of one size n, with Q distinct pairs of sites each.

    The first pair is an atom with itself and stands for all n of them; then come all i > j.

    Parameters
    ----------
    potentials
        The P potentials.
    plan
        The plan for these crystals; each potential is either direct or split in all of them.
    basis
        (C, 3, 3) reduced lattice vectors as rows, in Å.
    wrapped
        (C, n, 3) wrapped positions, in Å.
    pairs
        (C, Q, 3) vectors between the sites, nearest images, in Å.
    rows, columns
        (Q,) atoms of each pair.
    """

    potentials: list[Potential]
    plan: Plan
    basis: Tensor
    wrapped: Tensor
    pairs: Tensor
    rows: Tensor
    columns: Tensor

    @property
    def device(self) -> torch.device:
        """Where the crystals are."""
        return self.basis.device

    @property
    def direct(self) -> list[bool]:
        """(P,) whether a potential is summed directly."""
        return [bool(flag) for flag in self.plan.direct[0]]

    def on_device(self, values: NDArray[Any]) -> Tensor:
        """Copy an array to where the crystals are."""
        return torch.as_tensor(values, device=self.device)


@dataclass(frozen=True, eq=False)
class _RealSpace:
    """Real-space sums (P, C, Q), their terms' errors in epsilons, and (C,) counts of images."""

    sums: Tensor
    errors: Tensor
    fewest: Tensor
    most: Tensor


@dataclass(frozen=True, eq=False)
class _Waves:
    """Reciprocal sums (P, C, Q), (C,) numbers of vectors, and (C, P) sums over the weights."""

    sums: Tensor
    count: Array
    weight: Array
    weight_error: Array
    weight_length: Array


def add_spaces(chunk: Chunk) -> tuple[Tensor, Measures]:
    """Sum all terms of a chunk.

    Returns
    -------
    sums : (P, C, Q) tensor
    measures : Measures
        What the certificate needs to know.
    """
    normals = _normals(chunk.basis)
    signed = (chunk.basis[:, 0] * normals[:, 0]).sum(-1)
    volume = signed.abs()
    reciprocal = normals / signed[:, None, None]
    threshold = _COINCIDENT * torch.pow(volume.detach(), 1.0 / 3.0)
    coincident = torch.linalg.vector_norm(chunk.pairs.detach(), dim=-1) < threshold[:, None]
    real = _real_space(chunk, coincident)
    waves = _reciprocal_space(chunk, reciprocal, volume)
    rates = chunk.on_device(chunk.plan.splitting)
    lines = []
    for index, potential in enumerate(chunk.potentials):
        line = real.sums[index]
        if not chunk.direct[index]:
            own = potential.self_term(rates)[:, None] * coincident
            background = potential.background(rates, volume)[:, None]
            line = line + waves.sums[index] + background - own
        lines.append(line)
    reach = torch.linalg.vector_norm(chunk.wrapped.detach(), dim=-1).amax(dim=1)
    measures = Measures(
        inside=as_floats(real.fewest),
        images=as_floats(real.most),
        largest=as_floats(real.sums.detach().amax(dim=2).T),
        largest_error=as_floats(real.errors.T),
        waves=waves.count,
        weight=waves.weight,
        weight_error=waves.weight_error,
        weight_length=waves.weight_length,
        reach=as_floats(reach),
    )
    return torch.stack(lines), measures


def _normals(basis: Tensor) -> Tensor:
    a, b, c = basis.unbind(dim=1)
    cross = torch.linalg.cross
    return torch.stack([cross(b, c), cross(c, a), cross(a, b)], dim=1)


def _padded(points: Points, count: int) -> tuple[Array, NDArray[np.bool_]]:
    """Lay points out as (C, M, 3), padded with zeros, and tell the points from the padding."""
    counts = np.bincount(points.owners, minlength=count)
    places = np.arange(len(points.owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    width = int(counts.max(initial=0))
    integers = np.zeros((count, width, 3))
    integers[points.owners, places] = points.integers
    return integers, np.arange(width) < counts[:, None]


def _real_space(chunk: Chunk, coincident: Tensor) -> _RealSpace:
    count, width = chunk.pairs.shape[:2]
    longest = torch.linalg.vector_norm(chunk.pairs.detach(), dim=-1).amax(dim=1)
    radii = np.where(chunk.plan.radius > 0.0, chunk.plan.radius + as_floats(longest), -1.0)
    points = lattice_points(as_floats(chunk.basis), np.maximum(radii, 0.0))
    # The origin stands first in every list, so that zero distances can be struck out there.
    away = (points.integers != 0.0).any(axis=1)
    integers, valid = _padded(Points(points.owners[away], points.integers[away]), count)
    integers = np.pad(integers, ((0, 0), (1, 0), (0, 0)))
    valid = np.pad(valid, ((0, 0), (1, 0)), constant_values=True)
    images = chunk.on_device(integers) @ chunk.basis
    search = _Search(chunk, images, chunk.on_device(valid), coincident)
    step = max(1, BLOCK // (count * images.shape[1]))
    starts = range(0, width, step)
    # Where the terms are many, keeping them all for the gradient would fill the memory.
    recompute = len(starts) > 1 and torch.is_grad_enabled()
    parts = [search.block(start, min(start + step, width), recompute) for start in starts]
    return _RealSpace(
        torch.cat([part.sums for part in parts], dim=2),
        torch.stack([part.errors for part in parts]).amax(dim=0),
        torch.stack([part.fewest for part in parts]).amin(dim=0),
        torch.stack([part.most for part in parts]).amax(dim=0),
    )


@dataclass(frozen=True, eq=False)
class _Search:
    """The images (C, M, 3) of the lattice, and the pairs whose images are looked for."""

    chunk: Chunk
    images: Tensor
    valid: Tensor
    coincident: Tensor

    def block(self, start: int, stop: int, recompute: bool) -> _RealSpace:
        """Sum over the images of the pairs from start to stop."""
        pairs = self.chunk.pairs[:, start:stop]
        with torch.no_grad():
            found = self._find(pairs, self.coincident[:, start:stop])
            segments = found // self.images.shape[1]
            counts = torch.bincount(segments, minlength=pairs.shape[0] * pairs.shape[1])
            counts = counts.reshape(pairs.shape[:2]) + self.coincident[:, start:stop]
        if recompute:
            sums, errors = checkpoint(
                self._evaluate, pairs, self.images, found, segments, use_reentrant=False
            )
        else:
            sums, errors = self._evaluate(pairs, self.images, found, segments)
        fewest, most = counts.amin(dim=1).double(), counts.amax(dim=1).double()
        return _RealSpace(sums, errors, fewest, most)

    def _find(self, pairs: Tensor, coincident: Tensor) -> Tensor:
        """Return flat indices into (C, Q, M) of the images inside the cutoff."""
        images = self.images.detach()
        squares = (images * images).sum(-1).masked_fill(~self.valid, math.inf)
        pairs = pairs.detach()
        distances = torch.baddbmm(squares[:, None], pairs, images.transpose(1, 2), alpha=2.0)
        distances += (pairs * pairs).sum(-1)[..., None]
        distances[..., 0].masked_fill_(coincident, math.inf)
        limits = self.chunk.on_device(self.chunk.plan.radius * (1.0 + _SEARCH_MARGIN)) ** 2
        return (distances < limits[:, None, None]).reshape(-1).nonzero()[:, 0]

    def _evaluate(
        self, pairs: Tensor, images: Tensor, found: Tensor, segments: Tensor
    ) -> tuple[Tensor, Tensor]:
        count, width = pairs.shape[:2]
        owners = segments // width
        places = owners * images.shape[1] + found % images.shape[1]
        reaches = torch.linalg.vector_norm(images.detach(), dim=-1).reshape(-1)
        vectors = pairs.reshape(-1, 3)[segments] + images.reshape(-1, 3)[places]
        squares = (vectors * vectors).sum(-1)
        rates = self.chunk.on_device(self.chunk.plan.splitting)[owners]
        distances = squares.detach().sqrt()
        # The nearest vector of a pair is rounded once, an image adds the errors of its three terms.
        offsets = distances + _IMAGE_ERROR * reaches[places]
        lines, errors = [], []
        total = torch.zeros(count * width, dtype=torch.float64, device=pairs.device)
        for potential, direct in zip(self.chunk.potentials, self.chunk.direct, strict=True):
            terms = potential.energy(squares.sqrt()) if direct else potential.real(squares, rates)
            lines.append(total.index_add(0, segments, terms))
            with torch.no_grad():
                error = potential.relative_error(distances, rates, direct)
                error += offsets * potential.log_derivative(distances, rates, direct)
                errors.append(total.index_add(0, segments, error * terms))
        sums = torch.stack(lines).reshape(-1, count, width)
        return sums, torch.stack(errors).reshape(-1, count, width).amax(dim=2)


def _reciprocal_space(chunk: Chunk, reciprocal: Tensor, volume: Tensor) -> _Waves:
    count = len(chunk.basis)
    split = [index for index, flag in enumerate(chunk.direct) if not flag]
    sums = torch.zeros(
        (len(chunk.potentials), *chunk.pairs.shape[:2]), dtype=torch.float64, device=chunk.device
    )
    weights = np.zeros((3, count, len(chunk.potentials)))
    if not split:
        return _Waves(sums, np.zeros(count), *weights)
    integers, valid = _half_space(as_floats(reciprocal), chunk.plan.wave_radius)
    whole = chunk.on_device(integers)
    vectors = whole @ reciprocal
    # Padding must not stand at k = 0, where the weights are infinite and so are their gradients.
    present = chunk.on_device(valid)
    lengths = torch.where(present, (vectors * vectors).sum(-1), 1.0 / volume[:, None] ** (2 / 3))
    rates = chunk.on_device(chunk.plan.splitting)[:, None]
    fractions = chunk.wrapped @ reciprocal.transpose(1, 2)
    lines = [
        2.0 * present * chunk.potentials[index].reciprocal(lengths, rates, volume[:, None])
        for index in split
    ]
    matrices = _wave_matrices(fractions, whole, lines)
    picked = matrices[:, :, chunk.rows, chunk.columns]
    sums = sums.index_copy(0, torch.tensor(split, device=chunk.device), picked)
    with torch.no_grad():
        for index, line in zip(split, lines, strict=True):
            error = chunk.potentials[index].reciprocal_error(lengths, rates)
            for row, factor in enumerate((torch.ones_like(error), error, lengths.sqrt())):
                weights[row, :, index] = as_floats((line * factor).sum(dim=1))
    return _Waves(sums, valid.sum(axis=1).astype(np.float64), *weights)


def _half_space(reciprocal: Array, radii: Array) -> tuple[Array, NDArray[np.bool_]]:
    """List one of k and -k for all reciprocal vectors in the balls, without the origin."""
    # Backwards the reciprocal basis is nearly as reduced as the basis itself.
    points = lattice_points(reciprocal[:, ::-1], radii)
    c, b, a = points.integers.T
    positive = (a > 0.0) | ((a == 0.0) & ((b > 0.0) | ((b == 0.0) & (c > 0.0))))
    half = Points(points.owners[positive], points.integers[positive][:, ::-1])
    return _padded(half, len(reciprocal))


def _wave_matrices(fractions: Tensor, whole: Tensor, lines: Sequence[Tensor]) -> Tensor:
    """Return (P', C, n, n) sums of weights times cos(2 pi k.(r_i - r_j)), in blocks over k."""
    count, size = fractions.shape[:2]
    total = torch.zeros(
        (len(lines), count, size, size), dtype=torch.float64, device=fractions.device
    )
    step = max(1, BLOCK // (2 * count * size))
    for start in range(0, whole.shape[1], step):
        part = slice(start, start + step)
        phases = 2.0 * math.pi * (fractions @ whole[:, part].transpose(1, 2))
        waves = torch.cat([phases.cos(), phases.sin()], dim=2)
        across = waves.transpose(1, 2)
        blocks = [(waves * line[:, part].repeat(1, 2)[:, None]) @ across for line in lines]
        total = total + torch.stack(blocks)
    return total
