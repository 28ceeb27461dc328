"""Coulomb and dispersion energies as complete sums.

Equations 9 to 12 of docs/theory/neural-force-field.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from madelung.common.errors import ForceFieldError
from madelung.common.units import COULOMB_CONSTANT
from madelung.forcefields.neural.pair_tables import PairTables
from madelung.forcefields.neural.surroundings import AtomBatch
from madelung.sums.potentials import Coulomb, London
from madelung.sums.second_order import twice_differentiable_sums

__all__ = ["equilibrated_charges", "long_range_energies", "near_corrections"]

_TOLERANCE = 1e-10
"""Error allowed in every complete sum, in 1/Å and 1/Å^6."""


def equilibrated_charges(proposed: Tensor, softness: Tensor, batch: AtomBatch) -> Tensor:
    """Change charges so that they add up to the total charge of each structure.

    Parameters
    ----------
    proposed, softness
        (N,) charges in e, and how readily (positive) each atom takes up charge.
    batch
        The structures, with their total charges.

    Returns
    -------
    Tensor
        (N,) charges, float64; equation 9.

    Notes
    -----
    As in AIMNet2: D. M. Anstine, R. Zubatyuk, O. Isayev, Chem. Sci. 16, 10228 (2025).
    """
    missing = batch.total_charges - batch.sums(proposed)
    shares = softness.double() / batch.sums(softness)[batch.owner]
    return proposed.double() + shares * missing[batch.owner]


def long_range_energies(
    charges: Tensor,
    dispersion: Tensor,
    tables: PairTables,
    positions: Tensor,
    cells: Tensor,
    batch: AtomBatch,
) -> Tensor:
    """Energies of atoms in the fields of all others.

    Parameters
    ----------
    charges
        (N,) in e.
    dispersion
        (N,) square roots of the C6 coefficients of like pairs, in eV^(1/2) Å^3.
    tables
        Functions of the vectors between near atoms.
    positions, cells
        Those of the batch, of which the energies are functions.
    batch
        The structures; each is periodic in three directions or in none.

    Returns
    -------
    Tensor
        (N,) in eV, float64.

    Raises
    ------
    ForceFieldError
        If a structure is periodic in one or two directions.
    """
    if not (batch.periodic | batch.isolated).all():
        raise ForceFieldError(
            "complete sums are for crystals and molecules; put a slab or a wire into a cell with "
            "vacuum and pbc=True, or make the force field without long range"
        )
    fields = positions.new_zeros(2, len(charges))
    for select, field_of in ((batch.periodic, _complete), (batch.isolated, _direct)):
        if select.any():
            pairs = _Pairs.of(batch, select)
            values = field_of(pairs, positions, cells)
            fields = fields + pairs.fields(values, charges, dispersion)
    fields = fields + near_corrections(charges, dispersion, tables, batch)
    coulomb, london = fields
    return 0.5 * (COULOMB_CONSTANT * charges * coulomb - dispersion * london)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Ordered pairs of atoms of some structures, in the flat layout of complete sums.

    Parameters
    ----------
    structures, atoms
        The structures, and all their atoms.
    offsets
        Where each structure begins among these atoms.
    first, second
        (pairs,) the two atoms of each pair, counted in the batch.
    """

    structures: Tensor
    atoms: Tensor
    offsets: NDArray[np.int64]
    first: Tensor
    second: Tensor

    @classmethod
    def of(cls, batch: AtomBatch, select: NDArray[np.bool_]) -> _Pairs:
        counts = batch.counts.numpy()
        chosen = np.flatnonzero(select)
        starts = (np.cumsum(counts) - counts)[chosen]
        sizes = counts[chosen]
        spans = [start + np.arange(size) for start, size in zip(starts, sizes, strict=True)]
        return cls(
            structures=torch.from_numpy(chosen),
            atoms=torch.from_numpy(np.concatenate(spans)),
            offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            first=torch.from_numpy(np.concatenate([np.repeat(span, len(span)) for span in spans])),
            second=torch.from_numpy(np.concatenate([np.tile(span, len(span)) for span in spans])),
        )

    def fields(self, values: Tensor, charges: Tensor, dispersion: Tensor) -> Tensor:
        """(2, N) what (2, pairs) sums of 1/r and r^-6 make of the sources at each atom."""
        sources = torch.stack([charges[self.second], dispersion[self.second]])
        return values.new_zeros(2, len(charges)).index_add(1, self.first, values * sources)


def _complete(pairs: _Pairs, positions: Tensor, cells: Tensor) -> Tensor:
    """(2, pairs) complete sums of 1/r and r^-6."""
    return twice_differentiable_sums(
        cells[pairs.structures],
        positions[pairs.atoms],
        pairs.offsets,
        (Coulomb(), London()),
        _TOLERANCE,
    )


def _direct(pairs: _Pairs, positions: Tensor, cells: Tensor) -> Tensor:
    """(2, pairs) values of 1/r and r^-6, zero for an atom with itself."""
    same = pairs.first == pairs.second
    squares = (positions[pairs.second] - positions[pairs.first]).square().sum(-1)
    # The root of zero has no derivative.
    inverse = torch.where(same, torch.ones_like(squares), squares).rsqrt()
    values = torch.stack([inverse, inverse**6])
    return torch.where(same, torch.zeros_like(values), values)


def near_corrections(
    charges: Tensor, dispersion: Tensor, tables: PairTables, batch: AtomBatch
) -> Tensor:
    """Return the (2, N) change of fields by blurred charges and damped dispersion.

    Equations 11 and 12 of the theory; arguments as for :func:`long_range_energies`.
    """
    return -torch.stack(
        [
            (tables.blurring * charges[batch.senders]).sum(1),
            (tables.damping * dispersion[batch.senders]).sum(1),
        ]
    )
