"""Other codes that can sum a potential for every pair of atoms of a crystal.

Each peer is prepared for a crystal first, which is not timed: inputs in its own form, a
Minkowski-reduced cell, neighbour lists, and its own tuning. What is timed gives the (n, n) matrix
of sums in our convention.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import madelung as md

__all__ = ["PEERS", "Matrix", "Peer"]

Matrix = NDArray[np.float64]
EXPONENTS = {"Coulomb": 1, "London": 6}
TORCH_PME_ACCURACY = 1e-6
TORCH_PME_CUTOFFS = (4.0, 6.0, 8.0)


@dataclass(frozen=True)
class Peer:
    """Another code.

    Parameters
    ----------
    name
        Its distribution on the Python package index.
    module
        What is imported.
    setting
        The accuracy it is asked for, in words.
    potentials
        Which of our potentials it can sum.
    prepare
        Takes a crystal, a potential's name and the true sums; returns what is timed.
    """

    name: str
    module: str
    setting: str
    potentials: tuple[str, ...]
    prepare: Callable[[md.Crystal, str, Matrix], Callable[[], Matrix]]

    @property
    def is_installed(self) -> bool:
        """Whether it can be imported."""
        try:
            importlib.import_module(self.module)
        except ImportError:
            return False
        return True


def prepare_epsteinlib(crystal: md.Crystal, potential: str, _: Matrix) -> Callable[[], Matrix]:
    """Epstein zeta functions, one call for each pair; symmetry and equal diagonals are used."""
    zeta: Any = importlib.import_module("epsteinlib").epstein_zeta
    count, exponent = len(crystal), EXPONENTS[potential]
    columns = np.ascontiguousarray(crystal.cell.T)
    positions, zero = crystal.positions, np.zeros(3)

    def run() -> Matrix:
        sums = np.empty((count, count))
        np.fill_diagonal(sums, zeta(exponent, columns, zero, zero).real)
        for i in range(count):
            for j in range(i):
                value = zeta(exponent, columns, positions[i] - positions[j], zero).real
                sums[i, j] = sums[j, i] = value
        return sums

    return run


def prepare_pymatgen(digits: float) -> Callable[[md.Crystal, str, Matrix], Callable[[], Matrix]]:
    """Ewald's matrix of unit charges, in eV; the background is not part of that matrix."""

    def prepare(crystal: md.Crystal, _: str, __: Matrix) -> Callable[[], Matrix]:
        ewald: Any = importlib.import_module("pymatgen.core.ewald").EwaldSummation
        core: Any = importlib.import_module("pymatgen.core")
        charged = [core.Species("H", 1)] * len(crystal)
        structure = core.Structure(
            core.Lattice(crystal.cell), charged, crystal.positions, coords_are_cartesian=True
        )

        def run() -> Matrix:
            summation = ewald(structure, acc_factor=digits)
            background = math.pi / (structure.volume * summation._eta)
            halves = np.asarray(summation.total_energy_matrix) / ewald.CONV_FACT
            return 2.0 * halves - background

        return run

    return prepare


def prepare_torch_pme(crystal: md.Crystal, potential: str, truth: Matrix) -> Callable[[], Matrix]:
    """Ewald calculator for one-hot charges, each giving half a column of the matrix.

    Of several settings the fastest is kept that truly reaches the accuracy, else the most exact.
    """
    tried: list[tuple[float, float, Callable[[], Matrix]]] = []
    for cutoff in TORCH_PME_CUTOFFS:
        for run in _torch_pme_candidates(crystal, potential, cutoff):
            error = float(np.abs(run() - truth).max())
            begun = time.process_time()
            for _ in range(5):
                run()
            tried.append((error, time.process_time() - begun, run))
    good = [candidate for candidate in tried if candidate[0] <= TORCH_PME_ACCURACY]
    if good:
        return min(good, key=lambda candidate: candidate[1])[2]
    return min(tried, key=lambda candidate: candidate[0])[2]


def _torch_pme_candidates(
    crystal: md.Crystal, potential: str, cutoff: float
) -> Iterator[Callable[[], Matrix]]:
    """Two settings for a real-space cutoff: its tuner's, and one that treats both spaces alike."""
    import torch

    torchpme: Any = importlib.import_module("torchpme")
    cell, positions = torch.tensor(crystal.cell), torch.tensor(crystal.positions)
    pairs, distances = _neighbours(crystal, cutoff)
    charges = torch.ones(len(crystal), 1, dtype=torch.float64)
    one_hot = torch.eye(len(crystal), dtype=torch.float64)
    with warnings.catch_warnings():
        # It warns if no setting of its grid meets the accuracy, which is measured here anyway.
        warnings.simplefilter("ignore")
        tuned, parameters, _ = torchpme.tuning.tune_ewald(
            charges, cell, positions, cutoff, pairs, distances,
            full_neighbor_list=True, accuracy=TORCH_PME_ACCURACY,
        )  # fmt: skip
    # Its tuner misses the accuracy for many small cells, since the grid of wave vectors ends at
    # half of 2 pi/wavelength. The other setting is cut off in both spaces where the Gaussian
    # factors have fallen to a tenth of the accuracy.
    decay = math.sqrt(-2.0 * math.log(0.1 * TORCH_PME_ACCURACY))
    alike = cutoff / decay
    settings = [(tuned, parameters["lr_wavelength"]), (alike, math.pi * alike / decay)]
    for smearing, wavelength in settings:
        law = _torch_pme_law(torchpme, potential, smearing)
        calculator = torchpme.EwaldCalculator(law, wavelength, full_neighbor_list=True).double()
        yield _without_gradients(calculator, (one_hot, cell, positions, pairs, distances))


def _torch_pme_law(torchpme: Any, potential: str, smearing: float) -> Any:
    if potential == "Coulomb":
        return torchpme.CoulombPotential(smearing=smearing)
    return torchpme.InversePowerLawPotential(exponent=EXPONENTS[potential], smearing=smearing)


def _without_gradients(calculator: Any, inputs: tuple[Any, ...]) -> Callable[[], Matrix]:
    import torch

    def run() -> Matrix:
        with torch.no_grad():
            return np.asarray(2.0 * calculator(*inputs))

    return run


def _neighbours(crystal: md.Crystal, cutoff: float) -> tuple[Any, Any]:
    """Return (pairs, 2) indices and distances of all neighbours, images of the atom included."""
    import torch
    from ase.neighborlist import neighbor_list

    first, second, distances = neighbor_list("ijd", crystal.to_ase(), cutoff)
    return torch.tensor(np.stack([first, second], axis=1)), torch.tensor(distances)


PEERS = (
    Peer("epsteinlib", "epsteinlib", "full precision", ("Coulomb", "London"), prepare_epsteinlib),
    Peer(
        "torch-pme",
        "torchpme",
        f"best setting for {TORCH_PME_ACCURACY:.0e}",
        ("Coulomb", "London"),
        prepare_torch_pme,
    ),
    Peer("pymatgen-core", "pymatgen.core.ewald", "6 digits", ("Coulomb",), prepare_pymatgen(6.0)),
    Peer(
        "pymatgen-core",
        "pymatgen.core.ewald",
        "12 digits (default)",
        ("Coulomb",),
        prepare_pymatgen(12.0),
    ),
)
