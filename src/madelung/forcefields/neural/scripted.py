"""Parts of a neural force field in TorchScript, which engines run without Python.

Engines hand over positions, a cell and neighbours, and differentiate energies themselves. So the
local network is traced with its tables, through which derivatives pass; and complete sums, which
the native core computes for pairs of atoms, are here Ewald sums weighted by the sources.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import torch
from torch import Tensor, nn

from madelung.forcefields.neural.energy import EnergyModel
from madelung.forcefields.neural.long_range import near_corrections
from madelung.forcefields.neural.pair_tables import pair_tables
from madelung.forcefields.neural.surroundings import AtomBatch

__all__ = ["LocalPart", "crystal_fields", "molecule_fields", "neighbour_places"]


class LocalPart(nn.Module):
    """What near atoms decide in one structure, as functions of the vectors between them.

    Parameters
    ----------
    model
        A trained network.
    head
        Number of the energy that is given.
    """

    def __init__(self, model: EnergyModel, head: int) -> None:
        super().__init__()
        self.model = model
        self.head = head

    def forward(
        self, kinds: Tensor, vectors: Tensor, senders: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return energies, and what long range starts from.

        Parameters
        ----------
        kinds
            (N,) which element each atom is.
        vectors, senders
            (N, K, 3) and (N, K), as in :class:`AtomBatch`.

        Returns
        -------
        energies
            (N,) in eV.
        sources
            (2, N) charges, and roots of dispersion coefficients; zero without long range.
        corrections
            (2, N) change of their fields by near atoms.
        """
        model = self.model
        nothing = torch.zeros_like(kinds)
        batch = AtomBatch(
            kinds=kinds,
            owner=nothing,
            counts=nothing[:1],
            vectors=vectors,
            senders=senders,
            present=senders >= 0,
            positions=vectors[:, 0],
            cells=vectors[:1],
            total_charges=torch.zeros_like(vectors[:1, 0, 0]),
            periodic=np.array([True]),
            isolated=np.array([False]),
        )
        tables, _ = pair_tables(batch, model.settings, model.repulsion)
        energies, sources = model.local(batch, tables)
        if sources is None:
            zeros = torch.zeros_like(energies[:, :2].T)
            return energies[:, self.head], zeros, zeros
        corrections = near_corrections(*sources, tables, batch)
        return energies[:, self.head], torch.stack(sources), corrections

    def traced(self) -> torch.jit.ScriptModule:
        """Return the same as TorchScript, for any numbers of atoms and neighbours."""
        generator = torch.Generator().manual_seed(0)
        atoms, width = 5, 4
        vectors = 1.0 + torch.rand(atoms, width, 3, generator=generator, dtype=torch.float64)
        kinds = torch.arange(atoms) % len(self.model.settings.elements)
        senders = (torch.arange(atoms)[:, None] + torch.arange(width)) % atoms
        with warnings.catch_warnings():
            # What it warns of are constants (polynomials, numbers of functions), and that PyTorch
            # would rather have models exported.
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            traced: torch.jit.ScriptModule = torch.jit.trace(self, (kinds, vectors, senders))
        return traced


def neighbour_places(
    first: Tensor, second: Tensor, pairs: Tensor, atoms: int, beyond: float
) -> tuple[Tensor, Tensor]:
    """Give each pair a place beside its first atom.

    Parameters
    ----------
    first, second
        (P,) atoms of the pairs, in any order.
    pairs
        (P, 3) vectors from the first to the second.
    atoms
        Number of atoms N.
    beyond
        Each component of a vector where no neighbour is, in Å.

    Returns
    -------
    vectors
        (N, K, 3)
    senders
        (N, K)
    """
    order = torch.argsort(first, stable=True)
    owner = first[order]
    counts = torch.bincount(first, minlength=atoms)
    width = max(int(counts.max()), 1)
    places = torch.arange(owner.numel(), device=first.device) - (counts.cumsum(0) - counts)[owner]
    rows = owner * width + places
    vectors = torch.full((atoms * width, 3), beyond, dtype=pairs.dtype, device=pairs.device)
    vectors = vectors.index_copy(0, rows, pairs[order])
    senders = torch.zeros(atoms * width, dtype=first.dtype, device=first.device)
    senders = senders.index_copy(0, rows, second[order])
    return vectors.view(atoms, width, 3), senders.view(atoms, width)


def molecule_fields(positions: Tensor, sources: Tensor) -> Tensor:
    """Return the (2, N) fields of 1/r and r^-6 in a molecule or a cluster.

    Parameters
    ----------
    positions
        (N, 3) in Å.
    sources
        (2, N) what each field is weighted by.
    """
    between = positions[:, None] - positions
    same = torch.eye(positions.size(0), dtype=positions.dtype, device=positions.device)
    # The root of zero has no derivative.
    inverse = (between.square().sum(-1) + same).rsqrt() * (1.0 - same)
    return torch.stack([inverse @ sources[0], inverse.pow(6) @ sources[1]])


def crystal_fields(
    positions: Tensor,
    cell: Tensor,
    first: Tensor,
    second: Tensor,
    pairs: Tensor,
    sources: Tensor,
    cutoff: float,
    accuracy: float,
) -> Tensor:
    """Return the (2, N) fields of 1/r and r^-6 in a crystal by Ewald's method.

    Parameters
    ----------
    positions, cell
        (N, 3) and, with lattice vectors as rows, (3, 3) in Å.
    first, second, pairs
        Every pair nearer than the cutoff, and the (P, 3) vectors between its atoms.
    sources
        (2, N) what each field is weighted by.
    cutoff
        In Å.
    accuracy
        exp(-accuracy²) is about what is left out of either sum, relative to its largest terms.

    Notes
    -----
    Derivation in docs/theory/lattice-sums.md. For a function whose near part ends with a = cutoff,
    with α = accuracy / a, x = α r and b = k / 2α:
    1/r: erfc(x)/r and 4π exp(-b²)/k²; r^-6: exp(-x²) (1 + x² + x⁴/2)/r^6 and
    π^(3/2) k³ (2√π erfc b + (1/b³ - 2/b) exp(-b²))/24.
    """
    splitting = accuracy / cutoff
    near = _near_functions(pairs.square().sum(1).sqrt(), splitting)
    fields = torch.zeros_like(sources).index_add(1, first, near * sources[:, second])
    fields = fields + _far_fields(positions, cell, sources, splitting, accuracy)
    return fields + _constant_fields(cell, sources, splitting)


def _near_functions(distances: Tensor, splitting: float) -> Tensor:
    """(2, P) near parts of 1/r and r^-6."""
    squares = (splitting * distances).square()
    coulomb = torch.erfc(splitting * distances) / distances
    london = torch.exp(-squares) * (1.0 + squares + 0.5 * squares.square()) / distances.pow(6)
    return torch.stack([coulomb, london])


def _wave_vectors(cell: Tensor, longest: float) -> Tensor:
    """(M, 3) reciprocal vectors up to a length; of k and -k one."""
    highest = torch.floor(longest * cell.detach().square().sum(1).sqrt() / (2.0 * math.pi))
    steps: list[Tensor] = []
    for axis in range(3):
        count = int(highest[axis])
        steps.append(torch.arange(-count, count + 1, dtype=cell.dtype, device=cell.device))
    indices = torch.cartesian_prod(steps[0], steps[1], steps[2])
    # The one whose first index that is not zero is positive.
    signs = indices.sign()
    ranks = 9.0 * signs[:, 0] + 3.0 * signs[:, 1] + signs[:, 2]
    waves = indices @ (2.0 * math.pi * torch.linalg.inv(cell).T)
    return waves[(ranks > 0.0) & (waves.detach().square().sum(1) <= longest * longest)]


def _far_fields(
    positions: Tensor, cell: Tensor, sources: Tensor, splitting: float, accuracy: float
) -> Tensor:
    """(2, N) sums over reciprocal vectors."""
    waves = _wave_vectors(cell, 2.0 * splitting * accuracy)
    lengths = waves.square().sum(1).sqrt()
    reduced = lengths / (2.0 * splitting)
    bells = torch.exp(-reduced.square())
    root = math.sqrt(math.pi)
    bracket = 2.0 * root * torch.erfc(reduced) + (reduced.pow(-3) - 2.0 / reduced) * bells
    coulomb = 4.0 * math.pi * bells / lengths.square()
    london = math.pi * root / 24.0 * lengths.pow(3) * bracket
    # Each stands for k and -k.
    weights = 2.0 * torch.stack([coulomb, london]) / torch.linalg.det(cell).abs()
    phases = positions @ waves.T
    cosines, sines = phases.cos(), phases.sin()
    even = (weights * (sources @ cosines)) @ cosines.T
    return even + (weights * (sources @ sines)) @ sines.T


def _constant_fields(cell: Tensor, sources: Tensor, splitting: float) -> Tensor:
    """(2, N) terms of k = 0, and what an atom's own far part has at its place."""
    root = math.sqrt(math.pi)
    volume = torch.linalg.det(cell).abs()
    totals = sources.sum(1)
    # TorchScript would round a tensor made of numbers to single precision.
    coulomb = -math.pi / (splitting * splitting * volume) * totals[0]
    london = math.pi * root * splitting**3 / (3.0 * volume) * totals[1]
    return torch.stack(
        [
            coulomb - 2.0 * splitting / root * sources[0],
            london - splitting**6 / 6.0 * sources[1],
        ]
    )
