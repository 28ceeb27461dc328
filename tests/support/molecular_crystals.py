"""Molecular crystals with published structures, small enough for any test."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.spacegroup import crystal as spaced


def carbon_dioxide(a: float = 5.624) -> Atoms:
    """Dry ice, Pa-3, of molecules of one length: A. Simon and K. Peters, Acta B 36, 2750 (1980)."""
    x = 1.155 / (3.0**0.5 * a)
    return spaced(("C", "O"), [(0, 0, 0), (x, x, x)], spacegroup=205, cellpar=[a] * 3 + [90] * 3)


def urea() -> Atoms:
    """P-42_1m: S. Swaminathan et al., Acta Cryst. B 40, 300 (1984), at 12 K."""
    places = {
        "C": (0.0, 0.5, 0.3260), "O": (0.0, 0.5, 0.5953), "N": (0.1459, 0.6459, 0.1766),
        "H": (0.2575, 0.7575, 0.2827), "H2": (0.1441, 0.6441, -0.0380),
    }  # fmt: skip
    symbols = [name.removesuffix("2") for name in places]
    return spaced(
        symbols, list(places.values()), spacegroup=113, cellpar=[5.565, 5.565, 4.684, 90, 90, 90]
    )


def rearranged(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """The same crystal in another cell, turned, with its atoms in another order and image."""
    skew = np.array([[1, 0, 0], [1, 1, 0], [0, -1, 1]])
    moved = Atoms(atoms.numbers, positions=atoms.positions, cell=skew @ atoms.cell.array, pbc=True)
    moved.positions += rng.uniform(0.0, 3.0, 3)
    moved = moved[rng.permutation(len(moved))]
    moved.rotate(rng.uniform(0.0, 180.0), rng.normal(size=3), rotate_cell=True)
    moved.wrap()
    return moved
