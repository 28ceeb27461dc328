"""
Complete lattice sums on the CPU. Use madelung.complete_sums, which checks what it passes on.
"""

from collections.abc import Sequence
from typing import Any, overload

import numpy
from numpy.typing import NDArray

def forward(
    cells: NDArray[numpy.float64],
    positions: NDArray[numpy.float64],
    offsets: NDArray[numpy.int64],
    kernels: NDArray[numpy.int32],
    parameters: NDArray[numpy.float64],
    tolerances: NDArray[numpy.float64],
    splitting: NDArray[numpy.float64],
    threads: int = 1,
) -> tuple[NDArray[Any], ...]:
    """
    Sums (potentials, pairs) and certificate (crystals, potentials) of a batch.
    """

def gradient(
    cells: NDArray[numpy.float64],
    positions: NDArray[numpy.float64],
    offsets: NDArray[numpy.int64],
    kernels: NDArray[numpy.int32],
    parameters: NDArray[numpy.float64],
    tolerances: NDArray[numpy.float64],
    splitting: NDArray[numpy.float64],
    threads: int,
    cotangent: NDArray[numpy.float64],
) -> tuple[NDArray[Any], ...]:
    """
    Vector-Jacobian product: by position, by cell at fixed Cartesian positions, by parameter.
    """

@overload
def pair_sums(
    functions: NDArray[numpy.float32],
    begin: int,
    starts: NDArray[numpy.int64],
    senders: NDArray[numpy.int64],
    features: NDArray[numpy.float32],
    sums: NDArray[numpy.float32],
) -> None: ...
@overload
def pair_sums(
    functions: NDArray[numpy.float32],
    begin: int,
    starts: NDArray[numpy.int64],
    senders: NDArray[numpy.int64],
    features: NDArray[numpy.float32],
    sums: NDArray[numpy.uint16],
) -> None:
    """
    Write the sums over senders of functions times features; uint16 sums are bfloat16.
    """

@overload
def pair_gradients(
    functions: NDArray[numpy.float32],
    begin: int,
    starts: NDArray[numpy.int64],
    senders: NDArray[numpy.int64],
    cotangents: NDArray[numpy.float32],
    features: NDArray[numpy.float32],
) -> None: ...
@overload
def pair_gradients(
    functions: NDArray[numpy.float32],
    begin: int,
    starts: NDArray[numpy.int64],
    senders: NDArray[numpy.int64],
    cotangents: NDArray[numpy.uint16],
    features: NDArray[numpy.float32],
) -> None:
    """Add the vector-Jacobian product of pair_sums to the features."""

def near_functions(
    cell: NDArray[numpy.float64],
    positions: NDArray[numpy.float64],
    first: NDArray[numpy.int64],
    orbit: NDArray[numpy.int64],
    radii: NDArray[numpy.float64],
    cutoff: float,
    radial: int,
    reduced: int,
    angular: int,
    degree: int,
) -> tuple[NDArray[Any], ...]:
    """
    Receivers, senders and float32 functions of the near pairs of orbits; `first` is an atom of each.
    """

class SumLayer:
    """A layer of a SumNet whose weights are fixed."""

    def __init__(
        self,
        arrays: Sequence[NDArray[numpy.float32]],
        features: int,
        epsilon: float,
        invariant_epsilon: float,
    ) -> None: ...
    def run(
        self,
        atoms: NDArray[numpy.float32],
        near_functions: NDArray[numpy.float32],
        near_starts: NDArray[numpy.int64],
        near_senders: NDArray[numpy.int64],
        complete_functions: NDArray[numpy.float32],
        complete_starts: NDArray[numpy.int64],
        complete_senders: NDArray[numpy.int64],
    ) -> None:
        """Change the features of atoms, which are float32."""

class Springs:
    """A network that chooses springs, with fixed weights."""

    def __init__(
        self,
        arrays: Sequence[NDArray[numpy.float32]],
        features: int,
        reach: float,
        nearest: float,
        farthest: float,
        average: float,
        decay: float,
    ) -> None: ...
    def run(
        self,
        atoms: NDArray[numpy.float32],
        numbers: NDArray[numpy.int64],
        starts: NDArray[numpy.int64],
        orbits: NDArray[numpy.int64],
        sizes: NDArray[numpy.int64],
        first: NDArray[numpy.int64],
        second: NDArray[numpy.int64],
        directions: NDArray[numpy.float32],
        signs: NDArray[numpy.float32],
        kinds: NDArray[numpy.int64],
        ends: NDArray[numpy.int64],
        distances: NDArray[numpy.float32],
        matrices: NDArray[numpy.float64],
    ) -> None:
        """
        Add dynamical matrices at the eight symmetric points, (8, 3n, 3n) for each crystal from its start on.
        """

def instruction_sets() -> list[str]:
    """What this machine can run, fastest first."""

def instruction_set() -> str:
    """What is used."""

def set_instruction_set(name: str) -> None:
    """Use another one (for tests)."""
