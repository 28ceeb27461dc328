"""Which crystals a model has learnt from, kept so that copies are recognised in any data set."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from madelung.common.errors import ModelError
from madelung.crystals.crystal import Crystal
from madelung.crystals.invariants import INVARIANT_LENGTHS, invariant_lengths
from madelung.data.matching import reduced_formula

__all__ = ["TrainingCrystals"]

_FORMULAS, _LENGTHS = "training_crystals.formulas", "training_crystals.lengths"
_STEP = 0.002
_LONGEST = float(np.iinfo(np.int16).max) * _STEP
# Lengths (Å) that differ by more are not of the same crystal. Of the pairs of JARVIS-DFT of equal
# formula that agree to this, 86 % are the same by pymatgen within 3 % of lengths and 5 % of sites,
# and most others are the same structure relaxed twice.
_TOLERANCE = 0.01


@dataclass(frozen=True, eq=False)
class TrainingCrystals:
    """Formulas and lengths of n crystals, from which no crystal can be made again.

    Parameters
    ----------
    formulas
        (n,) digests of reduced formulas, in order.
    lengths
        (n, 12) invariant lengths in multiples of 0.002 Å, int16.
    """

    formulas: NDArray[np.int64]
    lengths: NDArray[np.int16]

    @classmethod
    def empty(cls) -> TrainingCrystals:
        """Return what is known of a model that keeps none."""
        return cls(np.zeros(0, np.int64), np.zeros((0, INVARIANT_LENGTHS), np.int16))

    @classmethod
    def of(cls, crystals: Iterable[Crystal]) -> TrainingCrystals:
        """Look at crystals that are periodic in three directions, one at a time."""
        marks = [(_digest(crystal), _rounded(crystal)) for crystal in crystals]
        if not marks:
            return cls.empty()
        formulas, lengths = zip(*marks, strict=True)
        return cls(np.array(formulas), np.stack(lengths))._in_order()

    def __len__(self) -> int:
        """Return how many crystals are known."""
        return len(self.formulas)

    def merged(self, other: TrainingCrystals) -> TrainingCrystals:
        """Return the crystals of both."""
        return TrainingCrystals(
            np.concatenate([self.formulas, other.formulas]),
            np.concatenate([self.lengths, other.lengths]),
        )._in_order()

    def holds(self, crystal: Crystal) -> bool:
        """Whether a crystal is one of these, however it is written.

        Rotations, another order of atoms, cell or origin, and noise of some thousandths of an Å
        are forgiven.

        Raises
        ------
        CrystalError
            If the crystal is not periodic in three directions or has no volume.
        """
        if not len(self):
            return False
        digest = _digest(crystal)
        start, stop = np.searchsorted(self.formulas, [digest, digest + 1])
        if start == stop:
            return False
        apart = np.abs(self.lengths[start:stop].astype(np.int64) - _rounded(crystal))
        return bool((apart * _STEP <= _TOLERANCE + 1e-9).all(axis=1).any())

    def tensors(self) -> dict[str, Tensor]:
        """Return what stands in a file of weights; nothing if no crystal is known."""
        if not len(self):
            return {}
        return {
            _FORMULAS: torch.from_numpy(self.formulas),
            _LENGTHS: torch.from_numpy(self.lengths),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], path: Path) -> TrainingCrystals:
        """Take what stands in a file of weights.

        Raises
        ------
        ModelError
            If shapes or types are others.
        """
        names = [name for name in (_FORMULAS, _LENGTHS) if name in tensors]
        if not names:
            return cls.empty()
        found = [(tensors[name].dtype, tuple(tensors[name].shape)) for name in names]
        count = found[0][1][0] if found[0][1] else 0
        if found != [(torch.int64, (count,)), (torch.int16, (count, INVARIANT_LENGTHS))]:
            raise ModelError(
                f"{path}: what it keeps of its training crystals has other shapes or types than "
                "Madelung writes; copy the model again"
            )
        formulas, lengths = (tensors[name].numpy() for name in names)
        return cls(formulas, lengths)._in_order()

    def _in_order(self) -> TrainingCrystals:
        rows = np.unique(np.column_stack([self.formulas, self.lengths]), axis=0)
        return TrainingCrystals(
            np.ascontiguousarray(rows[:, 0]), np.ascontiguousarray(rows[:, 1:].astype(np.int16))
        )


def _digest(crystal: Crystal) -> int:
    name = reduced_formula(crystal).encode()
    # A bit less than an int64 holds, so that one more is a number of the same kind.
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big") >> 2


def _rounded(crystal: Crystal) -> NDArray[np.int64]:
    lengths = np.minimum(invariant_lengths(crystal), _LONGEST)
    return np.rint(lengths / _STEP).astype(np.int64)
