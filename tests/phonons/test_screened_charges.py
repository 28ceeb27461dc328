"""Charges that interact: the network in training and prediction, supercells, and Γ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from madelung.common.units import COULOMB_CONSTANT, TERAHERTZ
from madelung.crystals.crystal import Crystal
from madelung.crystals.examples import example
from madelung.crystals.primitive import primitive_crystal
from madelung.models.harmonic import HarmonicNetwork
from madelung.models.harmonic_settings import HarmonicSettings
from madelung.phonons.card import PhononCard
from madelung.phonons.examples import joined_graph, phonon_example
from madelung.phonons.force_constants import phonopy_of
from madelung.phonons.harmonic_crystal import HarmonicCrystal
from madelung.phonons.model import PhononModel
from madelung.phonons.objective import network_matrices, phonon_loss
from madelung.phonons.prediction import Phonons
from madelung.phonons.reference_modes import ReferenceModes
from madelung.phonons.wave_vectors import commensurate_steps

NETWORK = HarmonicSettings(
    features=16, layers=1, senders=8, tensors=8, ends=16, hidden=16, channels=2,
    spring_reach=5.0, local_reach=3.5, dipoles=True,
)  # fmt: skip
MULTIPLES = np.array([[2, 1, 0], [0, 2, 0], [0, 0, 1]])


@pytest.fixture(scope="module")
def model() -> PhononModel:
    torch.manual_seed(2)
    networks = [HarmonicNetwork(NETWORK).eval() for _ in range(2)]
    for network in networks:
        torch.nn.init.normal_(network.charge[-1].weight, std=0.3)
        for layer in network.site[::2]:
            torch.nn.init.normal_(layer.weight, std=1.0)
        torch.nn.init.normal_(network.own.weight, std=3.0)
        # Little is screened, so that charges are seen.
        with torch.no_grad():
            network.site[-1].weight[1] = 0.0
            network.site[-1].bias[1] = -3.0
    card = PhononCard(name="untrained", network=NETWORK, members=2)
    return PhononModel(card, torch.nn.ModuleList(networks))


def references(crystal: Crystal) -> ReferenceModes:
    """Modes that are none: what is asked is only the matrices of the network."""
    steps, cells = commensurate_steps(MULTIPLES)
    size = 3 * len(crystal)
    return ReferenceModes(
        crystal=crystal,
        masses=np.linspace(10.0, 50.0, len(crystal)),
        multiples=MULTIPLES,
        wave_vectors=steps / cells,
        weights=np.full(cells, 1.0 / cells),
        squares=np.ones((cells, size)),
        modes=np.tile(np.eye(size, dtype=np.complex64), (cells, 1, 1)),
        asymmetry=0.0,
    )


@pytest.mark.parametrize("name", ["NaCl", "SiO2"])
def test_training_and_prediction_have_the_same_matrices(model: PhononModel, name: str) -> None:
    crystal = primitive_crystal(example(name))
    modes = references(crystal)
    learnt = phonon_example(modes, NETWORK)
    network = model.networks[0]
    assert isinstance(network, HarmonicNetwork)
    with torch.no_grad():
        (strengths,) = network(joined_graph([learnt], NETWORK), [learnt.couplings])
        theirs = network_matrices(strengths, learnt).numpy()
    member = replace(model.members(crystal)[0], masses=modes.masses)
    ours = member.matrices_of_cells(modes.wave_vectors)
    assert np.abs(ours - theirs).max() < 1e-4 * np.abs(ours).max()
    without = replace(member, screened_charges=None).matrices_of_cells(modes.wave_vectors)
    assert np.abs(ours - without).max() > 1e-2 * np.abs(ours).max()


def test_charges_learn_from_force_constants(model: PhononModel) -> None:
    """Without any Born charge among the references, gradients reach what charges are made of."""
    learnt = phonon_example(references(primitive_crystal(example("NaCl"))), NETWORK)
    network = model.networks[1]
    assert isinstance(network, HarmonicNetwork)
    network.zero_grad()
    phonon_loss(network, [learnt], 0.2).backward()
    gradient = network.site[-1].weight.grad
    assert gradient is not None and float(gradient.abs().max()) > 0.0
    network.zero_grad()


def test_sound_waves_cost_nothing(model: PhononModel) -> None:
    """Exactly where symmetry leaves no antisymmetric part of an atom's own term."""
    found = model.predict(example("NaCl"))
    at_gamma = np.sort(np.abs(found.harmonic.frequencies([[0, 0, 0]])[0]))
    assert at_gamma[:3].max() < 0.02


@pytest.mark.parametrize("matrix", [np.diag([2, 2, 2]), [[2, 1, 0], [0, 2, 1], [0, 0, 1]]])
def test_a_supercell_holds_the_dipoles(model: PhononModel, matrix: object) -> None:
    """phonopy's frequencies of the folded force constants, at commensurate wave vectors."""
    harmonic = model.predict(example("NaCl")).harmonic
    phonon = phonopy_of(harmonic, matrix)
    steps, cells = commensurate_steps(np.asarray(matrix).T)
    phonon.run_qpoints(steps / cells)
    theirs = np.sort(phonon.qpoints.frequencies, axis=1)
    ours = harmonic.frequencies(steps / cells)
    squares = [np.sign(one) * one**2 for one in (ours, theirs)]
    assert np.abs(squares[0] - squares[1]).max() < 1e-5 * np.abs(squares[0]).max()


def test_longitudinal_modes_of_two_ions() -> None:
    """ω²(LO) − ω²(TO) = Z² e²/(ε₀ Ω μ), and transverse modes do not see the field."""
    crystal = primitive_crystal(example("NaCl"))
    charge = 0.7
    charges = np.array([np.eye(3), -np.eye(3)]) * charge
    at, other = np.array([0, 1, 0, 1]), np.array([0, 1, 1, 0])
    spring = np.array([1.0, 1.0, -1.0, -1.0])[:, None, None] * np.eye(3) * 5.0
    harmonic = HarmonicCrystal(
        crystal, at, other, np.zeros((4, 3), dtype=np.int64), spring, np.array([23.0, 35.5]),
        screened_charges=charges,
    )  # fmt: skip
    along = harmonic.frequencies([[0, 0, 0]], [0.3, -0.4, 0.8])[0]
    across = harmonic.frequencies([[0, 0, 0]])[0]
    volume = abs(np.linalg.det(crystal.cell))
    reduced = 23.0 * 35.5 / 58.5
    squared = 4.0 * np.pi * COULOMB_CONSTANT * charge**2 / (volume * reduced)
    assert along[5] ** 2 - across[5] ** 2 == pytest.approx(TERAHERTZ**2 * squared, rel=1e-6)
    assert along[3:5] == pytest.approx(across[3:5], rel=1e-6)
    bands = Phonons(harmonic).bands(dipoles=True)
    start = bands.path.lines[0][2]
    assert bands.frequencies[start, 5] == pytest.approx(along[5], rel=1e-6)


def test_spreads_of_members_share_their_sums(model: PhononModel) -> None:
    found = model.predict(example("NaCl"))
    points = np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.0]])
    mean, own = found.with_members(points)
    assert mean.shape == (2, 6) and own.shape == (2, 2, 6)
    alone = Phonons(found.members[0]).frequencies(points).frequencies
    assert np.isfinite(own).all() and np.isfinite(alone).all()
