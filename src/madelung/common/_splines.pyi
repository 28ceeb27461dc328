"""
Spline potentials on the CPU. Use madelung.forcefields.splines, which checks what it passes on.
"""

from collections.abc import Sequence
from typing import Any

import numpy
from numpy.typing import NDArray

class Model:
    def __init__(self, types: int, cutoff: float) -> None: ...
    def add(
        self,
        origin: float,
        spacing: float,
        coefficients: NDArray[numpy.float64],
        limit: float,
        over_distance: bool = False,
    ) -> int:
        """Add a table (intervals + 2, 4); returns its number."""

    def assign(
        self,
        pair: Sequence[int],
        density: Sequence[int],
        embedding: Sequence[int],
        bond: Sequence[int],
        angle: Sequence[int],
    ) -> None:
        """Say which table serves which types."""

    @property
    def parameters(self) -> int: ...

def evaluate(
    model: Model,
    types: NDArray[numpy.int32],
    starts: NDArray[numpy.int64],
    indices: NDArray[numpy.int64],
    vectors: NDArray[numpy.float64],
    distances: NDArray[numpy.float64],
    structures: NDArray[numpy.int64],
    threads: int = 1,
) -> tuple[NDArray[Any], ...]:
    """Energies and densities of atoms, forces, and virials of structures."""

def differentiate(
    model: Model,
    types: NDArray[numpy.int32],
    starts: NDArray[numpy.int64],
    indices: NDArray[numpy.int64],
    vectors: NDArray[numpy.float64],
    distances: NDArray[numpy.float64],
    structures: NDArray[numpy.int64],
    with_virials: bool = False,
) -> tuple[NDArray[Any], ...]:
    """
    What evaluate gives, and the derivatives of each by all B-spline coefficients.
    """

def instruction_sets() -> list[str]:
    """What this machine can run, fastest first."""

def instruction_set() -> str:
    """What is used."""

def set_instruction_set(name: str) -> None:
    """Use another one (for tests)."""
