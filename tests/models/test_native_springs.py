"""Springs by the native core, against PyTorch's operations, and vibrations without eigenvectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from judging import needs_core

import madelung as md
from madelung.common.native import native_core
from madelung.crystals.examples import EXAMPLE_NAMES
from madelung.inputs.bonds import SYMMETRIC_POINTS
from madelung.inputs.build import build_input
from madelung.inputs.pair_graph import PairGraph
from madelung.inputs.settings import PairSettings
from madelung.models.native import passes_natively
from madelung.models.springs import (
    Springs,
    dynamical_matrices,
    native_dynamical_matrices,
    spring_matrices,
    vibrations,
)

REACH, FEATURES = 4.5, 20


def chosen_springs() -> Springs:
    """Springs whose network says something of every bond."""
    torch.manual_seed(1)
    springs = Springs(FEATURES, 1, REACH)
    with torch.no_grad():
        springs.strength.weight.mul_(20.0)
        springs.strength.bias.add_(0.3)
    return springs.eval()


def bonded(crystals: list[md.Crystal]) -> tuple[PairGraph, torch.Tensor]:
    """The graph of crystals, and features of its orbits."""
    graph = build_input(crystals, PairSettings(bonds=REACH))
    assert isinstance(graph, PairGraph) and graph.bonds is not None
    generator = torch.Generator().manual_seed(2)
    return graph, torch.randn(len(graph.numbers), FEATURES, generator=generator)


@needs_core
def test_dynamical_matrices_are_those_of_pytorch(instruction_set: str) -> None:
    """For crystals of several sizes at once, and one by one."""
    springs = chosen_springs()
    crystals = [md.example(name) for name in EXAMPLE_NAMES]
    for group in (crystals, *([crystal] for crystal in crystals)):
        graph, atoms = bonded(group)
        bonds = graph.bonds
        assert bonds is not None
        with torch.no_grad():
            along, across = springs.strengths(atoms, graph.numbers, bonds)
            springy = spring_matrices(along[bonds.kinds], across[bonds.kinds], bonds.directions)
            masses = springs.masses[graph.numbers[bonds.orbits]]
            expected = dynamical_matrices(springy.double(), masses.double(), bonds)
            found = native_dynamical_matrices(springs, atoms, graph.numbers, bonds)
        assert len(found) == len(expected) == len(bonds.groups)
        for own, known in zip(found, expected, strict=True):
            assert own.shape == known.shape and own.dtype is torch.float64
            scale = float(known.abs().max())
            assert float((own - known).abs().max()) < 2e-6 * scale, instruction_set


@needs_core
def test_frequencies_that_are_learnt_are_those_that_are_predicted() -> None:
    """With gradients all is PyTorch's, and parts of atoms come from eigenvectors."""
    springs = chosen_springs()
    graph, atoms = bonded([md.example(name) for name in EXAMPLE_NAMES[:4]])
    learnt, parts = springs(atoms, graph)
    with torch.inference_mode():
        assert passes_natively(springs, atoms)
        predicted, found = springs(atoms, graph)
    torch.testing.assert_close(predicted, learnt.detach(), rtol=1e-6, atol=0.0)
    torch.testing.assert_close(found, parts, rtol=1e-4, atol=1e-5)


@needs_core
def test_weights_that_change_are_seen() -> None:
    springs = chosen_springs()
    graph, atoms = bonded([md.example("SiO2")])
    with torch.no_grad():
        before = springs(atoms, graph)[0]
        springs.second.weight.mul_(0.5)
        after = springs(atoms, graph)[0]
    assert float((after - before).abs().max()) > 1e-3
    torch.testing.assert_close(springs(atoms, graph)[0].detach(), after, rtol=1e-6, atol=0.0)


@needs_core
def test_bonds_that_do_not_fit_are_refused() -> None:
    """Nothing outside of the arrays is read or written."""
    springs = chosen_springs()
    graph, atoms = bonded([md.example("TiO2"), md.example("NaCl")])
    bonds = graph.bonds
    assert bonds is not None
    sizes = bonds.sizes.numpy()
    room = int((SYMMETRIC_POINTS * 9 * sizes**2).sum())
    weights = [
        value.detach().numpy()
        for linear in (springs.end, springs.first, springs.second, springs.strength)
        for value in (linear.weight, linear.bias)
    ]
    weights += [springs.radii.numpy(), springs.masses.numpy()]
    made = native_core().Springs(weights, FEATURES, REACH, *springs.constants)
    good = [atoms.numpy(), graph.numbers.numpy(), *bonds.arrays, np.zeros(room)]
    made.run(*good)
    for place, array in enumerate(good):
        wrong = list(good)
        wrong[place] = np.ascontiguousarray(array[:-1])
        with pytest.raises(ValueError, match="do not fit together"):
            made.run(*wrong)
        if array.dtype == np.int64:
            for number in (-1, 10**6):
                wrong[place] = array.copy()
                wrong[place].flat[-1] = number
                with pytest.raises(ValueError, match="do not fit together"):
                    made.run(*wrong)
    for place, array in enumerate(weights):
        wrong = list(weights)
        wrong[place] = np.ascontiguousarray(array[:-1])
        with pytest.raises(ValueError, match="do not fit together"):
            native_core().Springs(wrong, FEATURES, REACH, *springs.constants)


@examples(40)
@given(
    atoms=st.integers(1, 12),
    seed=st.integers(0, 10**6),
    shift=st.sampled_from([-30.0, -1.0, 0.0, 3.0]),
    alike=st.booleans(),
)
def test_who_moves_is_found_without_eigenvectors(
    atoms: int, seed: int, shift: float, alike: bool
) -> None:
    """Also of spectra that reach far below zero, and of modes of equal frequency."""
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(2, 3, 3 * atoms, 3 * atoms, generator=generator, dtype=torch.float64)
    matrices = root @ root.mT / (3 * atoms) + shift * torch.eye(3 * atoms)
    if alike:
        matrices[:, 1] = matrices[:, 0]
        matrices[0, 2] = torch.eye(3 * atoms)
    matrices.requires_grad_()
    highest, parts = vibrations(matrices)
    with torch.no_grad():
        found, without = vibrations(matrices)
    torch.testing.assert_close(found, highest.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(without.double(), parts, rtol=0.0, atol=2e-5)
    torch.testing.assert_close(without.sum(1).double(), torch.ones(2).double(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("lowest", [-1.0, -30.0, -1000.0])
def test_who_moves_is_found_in_spectra_that_reach_far_below_the_highest_modes(
    lowest: float,
) -> None:
    """Many doublings of an exponential in single precision would lose how near modes compare."""
    generator = torch.Generator().manual_seed(4)
    modes = torch.linalg.qr(torch.randn(12, 12, generator=generator, dtype=torch.float64))[0]
    squares = torch.cat([torch.linspace(lowest, 0.0, 7), 1.0 - 0.02 * torch.arange(5)]).double()
    matrices = (modes * squares) @ modes.T
    weights = torch.softmax((squares - 1.0) / 0.05, dim=0)
    expected = (modes.square() * weights).sum(1).view(4, 3).sum(1)
    with torch.no_grad():
        _, parts = vibrations(matrices.expand(1, 8, 12, 12))
    torch.testing.assert_close(parts[0].double(), expected, rtol=0.0, atol=1e-5)
