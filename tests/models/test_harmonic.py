"""Force constants of a network: what holds by construction, and the energy that they belong to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from madelung.crystals.crystal import Crystal
from madelung.crystals.examples import example
from madelung.crystals.primitive import primitive_crystal
from madelung.inputs.couplings import CrystalCouplings, crystal_couplings, open_placement
from madelung.inputs.pair_functions import near_sections, pair_functions
from madelung.inputs.pair_graph import join_pairs
from madelung.models.harmonic import (
    HarmonicNetwork,
    Strengths,
    electric_response,
    force_constants,
)
from madelung.models.harmonic_settings import HarmonicSettings

SMALL = HarmonicSettings(
    features=16, layers=2, senders=8, tensors=8, ends=16, hidden=16, channels=2,
    spring_reach=5.0, local_reach=3.5,
)  # fmt: skip
NAMES = ["NaCl", "SiO2", "TiO2"]


def chosen(crystal: Crystal) -> tuple[Strengths, CrystalCouplings]:
    """What a network with random weights chooses; all parts of it are of the same size."""
    torch.manual_seed(3)
    network = HarmonicNetwork(SMALL).eval()
    for part in (network.spring, network.channel, network.charge, network.site):
        torch.nn.init.normal_(part[-1].weight, std=0.3)
    functions = pair_functions(crystal, SMALL.inputs)
    couplings = crystal_couplings(crystal, functions.orbits, SMALL.spring_reach, SMALL.local_reach)
    graph = join_pairs([functions], near_sections(SMALL.inputs))
    with torch.no_grad():
        (strengths,) = network(graph, [couplings])
    return strengths, couplings


def dense(crystal: Crystal) -> dict[tuple[int, ...], NDArray[np.float64]]:
    """Force constants by first atom, second atom and cell of the second."""
    strengths, couplings = chosen(crystal)
    to = open_placement(couplings)
    blocks = force_constants(strengths, couplings, to).double().numpy()
    keys = np.column_stack([to.first, to.second, to.shifts]).tolist()
    return {tuple(key): block for key, block in zip(keys, blocks, strict=True)}


@pytest.mark.parametrize("name", NAMES)
def test_sum_rule_and_index_symmetry(name: str) -> None:
    crystal = primitive_crystal(example(name))
    blocks = dense(crystal)
    sums = np.zeros((len(crystal), 3, 3))
    largest = max(np.abs(block).max() for block in blocks.values())
    for (first, second, *shift), block in blocks.items():
        sums[first] += block
        mirror = blocks[second, first, *(-part for part in shift)]
        assert np.abs(block - mirror.T).max() < 1e-5 * largest
    assert np.abs(sums).max() < 1e-5 * largest


def local_energy(
    strengths: Strengths, couplings: CrystalCouplings, moved: NDArray[np.float64], atom: int
) -> float:
    """Equation 3 of one atom, term by term; displacements (atoms, cells, 3) by their place."""
    pairs, energy = couplings.neighbours, 0.0
    channels = SMALL.channels
    for channel in range(channels):
        sign = 1.0 if channel < channels // 2 else -1.0
        scalar, vector, tensor = 0.0, np.zeros(3), np.zeros((3, 3))
        for at in np.flatnonzero(pairs.first == atom):
            e = pairs.directions[at].astype(float)
            u = displacement(moved, pairs.second[at], pairs.shifts[at]) - displacement(
                moved, atom, np.zeros(3, int)
            )
            a, b, c, d, f = (
                float(value)
                for value in strengths.local[pairs.kinds[at]].view(5, channels)[:, channel]
            )
            scalar += a * e @ u
            vector += b * u + c * e * (e @ u)
            outer = d * np.outer(e, u) + f * np.outer(e, e) * (e @ u)
            outer = (outer + outer.T) / 2.0
            # The basis of traceless tensors has products e_a e_b with the weight of one component.
            tensor += outer - np.eye(3) * np.trace(outer) / 3.0
        energy += sign / 2.0 * (scalar**2 + vector @ vector + (tensor**2).sum())
    return energy


def displacement(
    moved: NDArray[np.float64], atom: int, shift: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Of an image; the displacements of one crystal repeat after three cells."""
    cell = np.ravel_multi_index(tuple(np.asarray(shift) % 3), (3, 3, 3))
    return moved[atom, cell]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["NaCl", "SiO2"])
def test_the_energy_is_that_of_the_formula(name: str) -> None:
    """Both energies of random displacements that repeat after three cells in each direction."""
    crystal = primitive_crystal(example(name))
    strengths, couplings = chosen(crystal)
    moved = np.random.default_rng(1).normal(size=(len(crystal), 27, 3))
    by_blocks = 0.0
    for (first, second, *shift), block in dense(crystal).items():
        for cell in range(27):
            origin = np.array(np.unravel_index(cell, (3, 3, 3)))
            u = moved[first, cell]
            v = displacement(moved, second, origin + np.array(shift))
            by_blocks += u @ block @ v / 2.0
    by_formula = 0.0
    springs = couplings.springs
    for cell in range(27):
        origin = np.array(np.unravel_index(cell, (3, 3, 3)))
        seen = np.stack(
            [
                displacement(moved, atom, origin + np.array(np.unravel_index(k, (3, 3, 3))))
                for atom in range(len(crystal))
                for k in range(27)
            ]
        ).reshape(len(crystal), 27, 3)
        for at, kind in enumerate(springs.kinds):
            e = springs.directions[at].astype(float)
            u = (
                displacement(seen, springs.second[at], springs.shifts[at])
                - seen[springs.first[at], 0]
            )
            k, t = float(strengths.along[kind]), float(strengths.across[kind])
            by_formula += (k * (e @ u) ** 2 + t * (u @ u - (e @ u) ** 2)) / 2.0
        by_formula += sum(
            local_energy(strengths, couplings, seen, atom) for atom in range(len(crystal))
        )
    assert by_blocks == pytest.approx(by_formula, rel=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_force_constants_turn_with_the_crystal(name: str) -> None:
    crystal = primitive_crystal(example(name))
    turn = Rotation.from_rotvec([0.3, -0.8, 0.5]).as_matrix()
    turned = replace(crystal, cell=crystal.cell @ turn.T, positions=crystal.positions @ turn.T)
    before, after = dense(crystal), dense(turned)
    largest = max(np.abs(block).max() for block in before.values())
    for key, block in before.items():
        assert np.abs(turn @ block @ turn.T - after[key]).max() < 1e-4 * largest


def test_mirror_images_and_translations() -> None:
    crystal = example("SiO2")
    mirror = np.diag([1.0, 1.0, -1.0])
    mirrored = replace(
        crystal,
        cell=crystal.cell @ mirror,
        positions=(crystal.positions + np.array([0.3, 1.1, -0.7])) @ mirror,
    )
    before, after = dense(crystal), dense(mirrored)
    largest = max(np.abs(block).max() for block in before.values())
    for key, block in before.items():
        assert np.abs(mirror @ block @ mirror - after[key]).max() < 1e-4 * largest


@pytest.mark.parametrize("name", NAMES)
def test_born_charges_are_neutral_and_turn(name: str) -> None:
    crystal = primitive_crystal(example(name))
    turn = Rotation.from_rotvec([0.1, 0.9, -0.4]).as_matrix()
    turned = replace(crystal, cell=crystal.cell @ turn.T, positions=crystal.positions @ turn.T)
    one, other = (electric_response(*chosen(each)) for each in (crystal, turned))
    assert float(one.born.sum(0).abs().max()) < 1e-4
    rotated = turn @ one.born.double().numpy() @ turn.T
    assert np.abs(rotated - other.born.double().numpy()).max() < 1e-4
    dielectric = one.dielectric.double().numpy()
    assert np.abs(dielectric - dielectric.T).max() < 1e-6
    assert np.linalg.eigvalsh(dielectric).min() > 1.0


def test_a_network_without_channels_has_springs_alone() -> None:
    crystal = primitive_crystal(example("NaCl"))
    plain = SMALL.model_copy(update={"channels": 0})
    functions = pair_functions(crystal, plain.inputs)
    couplings = crystal_couplings(crystal, functions.orbits, 5.0, 3.5)
    graph = join_pairs([functions], near_sections(plain.inputs))
    (strengths,) = HarmonicNetwork(plain).eval()(graph, [couplings])
    blocks = force_constants(strengths, couplings, open_placement(couplings))
    assert strengths.local.shape[1] == 0 and torch.isfinite(blocks).all()


def test_gradients_are_those_of_finite_differences() -> None:
    crystal = primitive_crystal(example("NaCl"))
    strengths, couplings = chosen(crystal)
    to = open_placement(couplings)
    local = strengths.local.double().requires_grad_(True)
    probe = torch.randn(to.rows, 3, 3, dtype=torch.float64, generator=torch.manual_seed(0))

    def value(given: torch.Tensor) -> torch.Tensor:
        own = replace(
            strengths, along=strengths.along.double(), across=strengths.across.double(), local=given
        )
        # Directions are kept in single precision; their products are made in that of the weights.
        return (force_constants(own, doubled(couplings), to) * probe).sum()

    assert torch.autograd.gradcheck(value, (local,))


def doubled(couplings: CrystalCouplings) -> CrystalCouplings:
    parts = {
        name: replace(
            getattr(couplings, name),
            directions=getattr(couplings, name).directions.astype(np.float64),
        )
        for name in ("springs", "neighbours")
    }
    return replace(couplings, **parts)
