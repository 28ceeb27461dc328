"""Springs in prediction, by the native core."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from madelung.bonds import SYMMETRIC_POINTS, BondList
from madelung.models.native_layers import Slot, kept_by_core, linear_slots
from madelung.native_core import native_core

if TYPE_CHECKING:
    from madelung.models.springs import Springs

__all__ = ["native_dynamical_matrices"]


def native_dynamical_matrices(
    springs: Springs, atoms: Tensor, numbers: Tensor, bonds: BondList
) -> list[Tensor]:
    """Choose springs and assemble dynamical matrices from them, in double precision.

    Parameters
    ----------
    springs
        The network.
    atoms
        (N, features) features of the orbits.
    numbers
        (N,) their atomic numbers.
    bonds
        The bonds.

    Returns
    -------
    list of (G, 8, 3n, 3n) Tensor
        Those of each group of ``bonds``, in eV/(Å² u).
    """
    shapes = [
        (len(members), SYMMETRIC_POINTS, 3 * places.shape[1], 3 * places.shape[1])
        for members, places in bonds.groups
    ]
    counts = [math.prod(shape) for shape in shapes]
    matrices = torch.zeros(sum(counts), dtype=torch.float64)
    _native_springs(springs).run(
        atoms.detach().contiguous().numpy(), numbers.numpy(), *bonds.arrays, matrices.numpy()
    )
    return [part.view(shape) for part, shape in zip(matrices.split(counts), shapes, strict=True)]


def _native_springs(springs: Springs) -> Any:
    def slots() -> list[Slot]:
        """In the order of ``core/springs_module.hpp``."""
        maps = (springs.end, springs.first, springs.second, springs.strength)
        return [*linear_slots(*maps), *((springs._buffers, name) for name in ("radii", "masses"))]

    return kept_by_core(
        springs,
        slots,
        lambda arrays: native_core().Springs(
            arrays, springs.end.in_features, springs.reach, *springs.constants
        ),
    )
