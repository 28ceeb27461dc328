"""What the network of force constants makes small: errors in the modes of the reference.

Equation 5 of docs/theory/harmonic-network.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from madelung.common.units import TERAHERTZ
from madelung.models.harmonic import (
    HarmonicNetwork,
    Strengths,
    electric_response,
    force_constants,
    screened_charges,
)
from madelung.phonons.examples import PhononExample, joined_graph
from madelung.phonons.harmonic_crystal import signed_roots
from madelung.phonons.thermodynamics import thermodynamics

__all__ = ["PhononErrors", "mode_loss", "network_matrices", "phonon_errors", "phonon_loss"]

# Modes of lower frequency (THz) count as if they had this one.
_SOFTEST = 0.5
_MIXING = 0.3
_ACOUSTIC = 3
_STABLE = -0.05
_TEMPERATURE = 300.0
# Softer modes (THz) count as if they had this frequency, so that no error is of a missing mode.
_SOFTEST_COUNTED = 0.0501


def commensurate_matrices(constants: Tensor, example: PhononExample) -> Tensor:
    """Return the (K, 3n, 3n) dynamical matrices of force constants folded into the supercell."""
    atoms = len(example.couplings.orbits)
    flat = constants.view(-1, atoms * atoms * 9)
    phases = example.phases
    matrices = torch.complex(phases.real @ flat, phases.imag @ flat)
    shaped = matrices.view(-1, atoms, atoms, 3, 3).transpose(2, 3)
    full = shaped.reshape(-1, 3 * atoms, 3 * atoms)
    return full / (example.roots[:, None] * example.roots)


def network_matrices(strengths: Strengths, example: PhononExample) -> Tensor:
    """Return the (K, 3n, 3n) dynamical matrices that a network's choice gives an example."""
    constants = force_constants(strengths, example.couplings, example.placement)
    matrices = commensurate_matrices(constants, example)
    if example.dipoles is None:
        return matrices
    response = electric_response(strengths, example.couplings)
    return matrices + dipole_matrices(screened_charges(response), example)


def dipole_matrices(charges: Tensor, example: PhononExample) -> Tensor:
    """Return what the dipoles of displacements add: equation 7 of the theory page."""
    assert example.dipoles is not None
    atoms = len(charges)
    turned = _on_diagonal(charges)
    # Products of large real matrices take a small part of the time of many complex small ones.
    parts = turned.T @ torch.stack([example.dipoles.real, example.dipoles.imag]) @ turned
    # Gamma is the first wave vector.
    own = parts[0, 0].view(atoms, 3, atoms, 3).sum(2)
    taken = _on_diagonal((own + own.transpose(1, 2)) / 2.0)
    full = torch.complex(parts[0] - taken, parts[1])
    return full / (example.roots[:, None] * example.roots)


def _on_diagonal(blocks: Tensor) -> Tensor:
    """(3n, 3n) matrix with (n, 3, 3) blocks on its diagonal."""
    atoms = len(blocks)
    at = torch.arange(atoms)
    empty = blocks.new_zeros(atoms, atoms, 3, 3)
    return empty.index_put((at, at), blocks).transpose(1, 2).reshape(3 * atoms, 3 * atoms)


def phonon_loss(
    network: HarmonicNetwork, examples: list[PhononExample], electric_weight: float
) -> Tensor:
    """Return the sum over crystals of the loss of equation 5, in THz, and that of Born charges."""
    graph = joined_graph(examples, network.settings)
    strengths = network(graph, [one.couplings for one in examples])
    total = torch.zeros(())
    for own, example in zip(strengths, examples, strict=True):
        total = total + mode_loss(network_matrices(own, example), example)
        if example.born is not None and electric_weight:
            total = total + electric_weight * _electric_loss(own, example)
    return total


def mode_loss(matrices: Tensor, example: PhononExample) -> Tensor:
    """Return what equation 5 says of (K, 3n, 3n) dynamical matrices of one crystal, in THz.

    Errors of frequencies to first order, and mixing of the reference's modes.
    """
    modes = example.modes
    delta = modes.conj().transpose(1, 2) @ (matrices @ modes)
    delta = delta - torch.diag_embed(example.squares)
    frequencies = example.squares.abs().sqrt()
    softest = _SOFTEST / TERAHERTZ
    scale = TERAHERTZ / (frequencies[:, :, None] + frequencies[:, None, :] + softest)
    squared = (delta.real.square() + delta.imag.square()) * scale.square()
    own = (torch.diagonal(squared, dim1=1, dim2=2) + 1e-12).sqrt()
    mixing = (squared.sum(2) + 1e-6).sqrt()
    return ((own + _MIXING * mixing).mean(1) * example.weights).sum()


def _electric_loss(strengths: Strengths, example: PhononExample) -> Tensor:
    """Mean absolute error of Born charges in e, and of the susceptibility relative to itself."""
    assert example.born is not None and example.dielectric is not None
    response = electric_response(strengths, example.couplings)
    charges = (response.born - example.born).abs().mean()
    size = (example.dielectric.diagonal().mean() - 1.0).clamp(min=0.1)
    return charges + (response.dielectric - example.dielectric).abs().mean() / size


@dataclass(frozen=True, eq=False)
class PhononErrors:
    """Errors of one crystal at the commensurate wave vectors, acoustic modes at Γ left out.

    Parameters
    ----------
    frequency, maximum
        Mean absolute error of the frequencies, and error of the highest one, in THz.
    free_energy, entropy, heat_capacity
        Errors at 300 K, in meV/atom and J/(K mol) for each mole of atoms.
    is_stable, was_stable
        Whether no frequency lies below -0.05 THz, in the prediction and in the reference.
    born
        Mean absolute error of a third of the traces of Born charges in e, NaN where not known.
    """

    frequency: float
    maximum: float
    free_energy: float
    entropy: float
    heat_capacity: float
    is_stable: bool
    was_stable: bool
    born: float


def phonon_errors(
    found: NDArray[np.float64], example: PhononExample, born: float = float("nan")
) -> PhononErrors:
    """Compare (K, 3n) eigenvalues in eV/(Å² u), ascending, with those of the reference."""
    own, reference = (signed_roots(one) for one in (found, example.squares.double().numpy()))
    weights = np.repeat(example.weights.numpy().astype(np.float64)[:, None], own.shape[1], 1)
    # Gamma is the first wave vector.
    weights[0, np.argsort(np.abs(reference[0]))[:_ACOUSTIC]] = 0.0
    kept = weights > 0.0
    own, reference, weights = own[kept], reference[kept], weights[kept] / weights[kept].sum()
    ours, theirs = (
        thermodynamics(np.maximum(one, _SOFTEST_COUNTED)[:, None], weights, _TEMPERATURE)
        for one in (own, reference)
    )
    return PhononErrors(
        frequency=float(weights @ np.abs(own - reference)),
        maximum=float(abs(own.max() - reference.max())),
        free_energy=float(abs(ours.free_energy - theirs.free_energy)[0]),
        entropy=float(abs(ours.entropy - theirs.entropy)[0]),
        heat_capacity=float(abs(ours.heat_capacity - theirs.heat_capacity)[0]),
        is_stable=bool(own.min() > _STABLE),
        was_stable=bool(reference.min() > _STABLE),
        born=born,
    )
