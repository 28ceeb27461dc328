"""UF3 potentials with coefficients at random, and structures to try them on."""

from __future__ import annotations

import numpy as np

from madelung.crystals.crystal import Crystal
from madelung.forcefields.uf3.basis import UF3Basis
from madelung.forcefields.uf3.potential import UF3Potential
from madelung.forcefields.uf3.settings import ThreeBodyRange, TwoBodyRange, UF3Settings


def binary_settings(*, uneven: bool = False, leading: int = 0) -> UF3Settings:
    """Settings of sodium and chlorine with different ranges; knots at even distances or not.

    V3 jumps at its first knots unless coefficients there are zero (``leading=2``).
    """
    two, three = (
        TwoBodyRange(minimum=0.4, maximum=4.5, intervals=9),
        ThreeBodyRange(minimum=0.2, maximum=3.6, intervals=(5, 5, 8)),
    )
    short = ThreeBodyRange(minimum=0.2, maximum=3.0, intervals=(4, 4, 6))
    pairs = {"Na-Na": TwoBodyRange(minimum=0.3, maximum=4.0, intervals=7)}
    if uneven:
        pairs["Na-Cl"] = TwoBodyRange(knots=(0.5,) * 4 + (0.9, 1.7, 2.0, 2.6, 3.5) + (4.2,) * 4)
        legs = (0.3,) * 4 + (0.9, 1.5, 2.7) + (3.2,) * 4
        opposite = (0.3,) * 4 + (0.8, 1.9, 2.4, 3.3, 4.9) + (6.4,) * 4
        short = ThreeBodyRange(knots=(legs, legs, opposite))
    return UF3Settings(
        elements=("Na", "Cl"),
        two_body=two,
        three_body=three,
        pairs=pairs,
        triplets={"Na-Na-Cl": short, "Cl-Cl-Cl": short},
        leading=leading,
    )


def random_potential(basis: UF3Basis, seed: int = 0) -> UF3Potential:
    """A potential of a basis whose free coefficients are all at random."""
    coefficients = np.random.default_rng(seed).normal(size=basis.size)
    return potential_of(basis, coefficients)


def potential_of(basis: UF3Basis, coefficients: np.ndarray) -> UF3Potential:
    """The potential with given free coefficients."""
    return UF3Potential(
        dict(zip(basis.species, coefficients, strict=False)),
        basis.pairs(coefficients),
        basis.triplets(coefficients),
    )


def structures(numbers: tuple[int, ...] = (11, 17)) -> dict[str, Crystal]:
    """A crystal, a small skewed cell with many images, a slab and a molecule."""
    generator = np.random.default_rng(5)

    def one(count: int, cell: np.ndarray, pbc: tuple[bool, bool, bool]) -> Crystal:
        while True:
            positions = generator.random((count, 3)) @ cell
            crystal = Crystal(cell, positions, generator.choice(numbers, count), pbc)
            if _nearest(crystal) > 0.8:
                return crystal

    skewed = np.array([[2.3, 0.1, 0.0], [0.7, 2.5, -0.2], [-0.4, 0.3, 2.2]])
    return {
        "crystal": one(12, np.diag([5.1, 5.4, 5.0]), (True, True, True)),
        "skewed": one(2, skewed, (True, True, True)),
        "slab": one(8, np.diag([4.3, 4.6, 20.0]) * np.array([1, 1, 0.3]), (True, True, False)),
        "molecule": one(7, np.diag([4.0, 4.0, 4.0]), (False, False, False)),
    }


def _nearest(crystal: Crystal) -> float:
    from madelung.crystals.neighbours import find_neighbours

    return float(find_neighbours(crystal, 1.0).distances.min(initial=1.0))
