"""
Potentials of splines of two and three distances. Use madelung.forcefields.uf3.
"""

from collections.abc import Sequence
from typing import Any

import numpy
from numpy.typing import NDArray

class Interactions:
    def __init__(self, species: int, columns: int) -> None: ...
    def add_pair(
        self,
        first: int,
        second: int,
        breaks: NDArray[numpy.float64],
        table: NDArray[numpy.float64],
        coefficients: NDArray[numpy.float64],
        columns: NDArray[numpy.int64],
    ) -> None: ...
    def add_triplet(
        self,
        centre: int,
        first: int,
        second: int,
        breaks_ij: NDArray[numpy.float64],
        table_ij: NDArray[numpy.float64],
        breaks_ik: NDArray[numpy.float64],
        table_ik: NDArray[numpy.float64],
        breaks_jk: NDArray[numpy.float64],
        table_jk: NDArray[numpy.float64],
        coefficients: NDArray[numpy.float64],
        columns: NDArray[numpy.int64],
    ) -> None: ...
    def evaluate(
        self,
        starts: NDArray[numpy.int64],
        indices: NDArray[numpy.int64],
        vectors: NDArray[numpy.float64],
        distances: NDArray[numpy.float64],
        species: NDArray[numpy.int32],
        threads: int = 1,
    ) -> tuple[NDArray[Any], ...]:
        """Energies (n,), forces (n, 3) and virial (3, 3)."""

    def features(
        self,
        starts: NDArray[numpy.int64],
        indices: NDArray[numpy.int64],
        vectors: NDArray[numpy.float64],
        distances: NDArray[numpy.float64],
        species: NDArray[numpy.int32],
        forces: bool = True,
        virial: bool = False,
    ) -> tuple[NDArray[Any], ...]:
        """
        Derivatives by the coefficients: of the energy (P,), of the forces (3n, P) and of the virial (6, P).
        """

def find_neighbours(
    cell: NDArray[numpy.float64],
    inverse: NDArray[numpy.float64],
    origin: NDArray[numpy.float64],
    periodic: Sequence[bool],
    positions: NDArray[numpy.float64],
    cutoff: float,
) -> tuple[NDArray[Any], ...]:
    """
    Where the neighbours of each atom start; their indices, vectors and distances.
    """

def instruction_sets() -> list[str]:
    """What this machine can run, fastest first."""

def instruction_set() -> str:
    """What is used."""

def set_instruction_set(name: str) -> None:
    """Use another one (for tests)."""
