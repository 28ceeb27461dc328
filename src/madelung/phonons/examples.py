"""Reference crystals as the network of force constants learns from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from madelung.common.errors import PhononError
from madelung.inputs.couplings import (
    CrystalCouplings,
    Placement,
    crystal_couplings,
    folded_placement,
)
from madelung.inputs.pair_functions import PairFunctions, near_sections, pair_functions
from madelung.inputs.pair_graph import PairGraph, join_pairs
from madelung.models.harmonic_settings import HarmonicSettings
from madelung.phonons.reference_modes import ReferenceModes
from madelung.sums.dipoles import dipole_tensors

__all__ = ["PhononExample", "joined_graph", "phonon_example"]

# Dielectric constants above this are of metals, or of crystals that nearly are.
_LARGEST_DIELECTRIC = 30.0
# Error of sums of dipoles that is allowed, in eV/(e Å)².
_TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False)
class PhononExample:
    """A crystal with n atoms in its primitive cell, its couplings, and what they shall give.

    Parameters
    ----------
    name
        Where it comes from.
    functions
        What the layers of the network start from.
    couplings, placement
        Pairs of atoms, and where their force constants belong in the supercell of the reference.
    phases
        (K, T) phases of the T cells of the supercell at the K wave vectors, complex64.
    weights
        (K,) part of all commensurate wave vectors that each one stands for.
    roots
        (3n,) square roots of the masses.
    squares
        (K, 3n) eigenvalues of the reference in eV/(Å² u).
    modes
        (K, 3n, 3n) its eigenvectors as columns.
    born, dielectric
        (n, 3, 3) and (3, 3), or None.
    dipoles
        (K, 3n, 3n) interaction of unit dipoles, with phases of whole cells, in eV/(e Å)², if
        the network's charges interact; complex64.
    """

    name: str
    functions: PairFunctions
    couplings: CrystalCouplings
    placement: Placement
    phases: Tensor
    weights: Tensor
    roots: Tensor
    squares: Tensor
    modes: Tensor
    born: Tensor | None
    dielectric: Tensor | None
    dipoles: Tensor | None = None


def phonon_example(modes: ReferenceModes, settings: HarmonicSettings) -> PhononExample:
    """Prepare a reference crystal for a network with such settings.

    Raises
    ------
    PhononError
        If the reference's cell is not primitive.
    """
    crystal = modes.crystal
    functions = pair_functions(crystal, settings.inputs)
    if len(functions.orbits) != len(crystal):
        raise PhononError(f"{crystal.source}: its primitive cell has a smaller one within")
    couplings = crystal_couplings(
        crystal, functions.orbits, settings.spring_reach, settings.local_reach
    )
    placement = folded_placement(couplings, modes.multiples)
    phases = np.exp(2j * np.pi * (modes.wave_vectors @ placement.shifts.T))
    born, dielectric = modes.born, modes.dielectric
    if dielectric is not None and np.trace(dielectric) / 3.0 > _LARGEST_DIELECTRIC:
        born = dielectric = None
    dipoles = None
    if settings.dipoles:
        sums = dipole_tensors(crystal, np.eye(3), modes.wave_vectors, tolerance=_TOLERANCE).values
        places = np.exp(-2j * np.pi * (modes.wave_vectors @ crystal.scaled_positions.T))
        turned = sums * (places.conj()[:, :, None] * places[:, None, :])[..., None, None]
        size = 3 * len(crystal)
        full = turned.transpose(0, 1, 3, 2, 4).reshape(-1, size, size)
        dipoles = torch.from_numpy(full.astype(np.complex64))
    return PhononExample(
        name=crystal.source or crystal.formula,
        functions=functions,
        couplings=couplings,
        placement=placement,
        phases=torch.from_numpy(phases.astype(np.complex64)),
        weights=torch.from_numpy(modes.weights).float(),
        roots=torch.from_numpy(np.sqrt(np.repeat(modes.masses, 3))).float(),
        squares=torch.from_numpy(modes.squares).float(),
        modes=torch.from_numpy(modes.modes),
        born=None if born is None else torch.from_numpy(born).float(),
        dielectric=None if dielectric is None else torch.from_numpy(dielectric).float(),
        dipoles=dipoles,
    )


def joined_graph(examples: Sequence[PhononExample], settings: HarmonicSettings) -> PairGraph:
    """Lay the inputs of examples side by side, as the layers of the network take them."""
    return join_pairs([one.functions for one in examples], near_sections(settings.inputs))
