"""The public function: what goes in and comes out, tolerances, combinations, refusals."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
import pytest
import torch

import madelung as md
from madelung.sums import complete, executors, torch_executor
from madelung.sums.request import SumOutcome, SumRequest

FACE = 0.5 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
# A6 and A12 of the face-centred cubic lattice.
FACE_SIXTH, FACE_TWELFTH = 14.4539210437444719, 12.1318801965445797


def crystal(size: int, seed: int = 0, **fields: Any) -> md.Crystal:
    generator = np.random.default_rng(seed)
    cell = (4.0 * np.eye(3) + generator.normal(size=(3, 3))) * size ** (1 / 3)
    positions = generator.random((size, 3)) @ cell
    return md.Crystal(**{"cell": cell, "positions": positions, "numbers": [6] * size, **fields})


def sums(crystals: Any, potentials: Any, **options: Any) -> md.CompleteSums:
    return md.complete_sums(crystals, potentials, **{"executor": "torch", **options})


def test_one_crystal_and_one_potential() -> None:
    result = sums(crystal(3), md.Coulomb())
    assert isinstance(result.values, np.ndarray)
    assert result.values.shape == (1, 3, 3)
    assert result.certificate.shape == result.reached.shape == (1,)
    assert result.reached.all() and (result.certificate <= 1e-8).all()
    assert result.flat.shape == (1, 9)
    assert result.offsets.tolist() == [0, 9]
    assert len(result) == 1


def test_many_crystals_are_each_as_if_alone() -> None:
    sizes = [3, 1, 7, 3, 2, 1]
    members = [crystal(size, seed) for seed, size in enumerate(sizes)]
    potentials = [md.Coulomb(), md.London(), md.Pauli(0.4)]
    for many in (members, md.CrystalBatch.from_crystals(members)):
        result = sums(many, potentials)
        assert [value.shape for value in result.values] == [(3, n, n) for n in sizes]
        assert result.offsets.tolist() == np.cumsum([0, *(n * n for n in sizes)]).tolist()
        for member, value, certificate in zip(
            members, result.values, result.certificate, strict=True
        ):
            alone = sums(member, potentials)
            np.testing.assert_allclose(value, alone.values, atol=1e-8)
            assert certificate.shape == (3,)


def test_no_crystals() -> None:
    result = sums([], [md.Coulomb(), md.London()])
    assert result.values == [] and result.certificate == [] and result.reached == []
    assert result.flat.shape == (2, 0)


def test_tensors_come_back_as_tensors() -> None:
    plain = crystal(2)
    cases: list[tuple[Any, Any, Any, torch.Tensor]] = []
    cell = torch.tensor(plain.cell, requires_grad=True)
    positions = torch.tensor(plain.positions, requires_grad=True)
    alpha = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    weight = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    cases.append((cell, plain.positions, md.Coulomb(), cell))
    cases.append((plain.cell, positions, md.Coulomb(), positions))
    cases.append((plain.cell, plain.positions, md.Yukawa(alpha), alpha))
    cases.append((plain.cell, plain.positions, weight * md.Yukawa(1.5), weight))
    for one_cell, some_positions, potential, wanted in cases:
        result = sums(crystal(2, cell=one_cell, positions=some_positions), potential)
        assert isinstance(result.values, torch.Tensor)
        assert isinstance(result.certificate, np.ndarray)
        (gradient,) = torch.autograd.grad(result.values.square().sum(), wanted)
        assert bool((gradient != 0.0).any())


def test_combinations_are_the_sums_of_their_parts() -> None:
    members = [crystal(3), crystal(2, 1)]
    mixture = 2.0 * md.Coulomb() - 30.0 * md.London() + 5.0 * md.Pauli(1.5)
    parts = sums(members, [md.Coulomb(), md.London(), md.Pauli(1.5)], tolerance=1e-11)
    for potentials in ([mixture], [md.London(), mixture]):
        whole = sums(members, potentials, tolerance=1e-9)
        for index, values in enumerate(whole.values):
            expected = np.einsum("p,pij->ij", [2.0, -30.0, 5.0], parts.values[index])
            error = np.abs(values[-1] - expected).max()
            assert error <= whole.certificate[index][-1] + 1e-9 * 0.1
            assert whole.reached[index].all()


def test_lennard_jones_is_its_lattice_constants() -> None:
    """At nearest-neighbour distance d: 4 epsilon (A12 (sigma/d)^12 - A6 (sigma/d)^6)."""
    distance, epsilon, sigma = 3.8, 0.0104, 3.4
    argon = md.Crystal(cell=FACE * 2**0.5 * distance, positions=[[0.0, 0, 0]], numbers=[18])
    result = sums(argon, md.LennardJones(epsilon, sigma), tolerance=1e-11)
    ratio = (sigma / distance) ** 6
    expected = 4.0 * epsilon * ratio * (FACE_TWELFTH * ratio - FACE_SIXTH)
    assert result.values[0, 0, 0] == pytest.approx(expected, abs=1e-11)


def test_morse_and_buckingham_are_their_formulas() -> None:
    member = crystal(2)
    morse = sums(member, md.Morse(0.4, 1.3, 2.5), tolerance=1e-10)
    short, long = sums(member, [md.Pauli(2.6), md.Pauli(1.3)], tolerance=1e-13).values
    rise = np.exp(1.3 * 2.5)
    np.testing.assert_allclose(
        morse.values[0], 0.4 * (rise**2 * short - 2.0 * rise * long), atol=1e-10
    )
    buckingham = sums(member, md.Buckingham(1388.8, 0.36, 175.0), tolerance=1e-9)
    wall, london = sums(member, [md.Pauli(1.0 / 0.36), md.London()], tolerance=1e-12).values
    np.testing.assert_allclose(buckingham.values[0], 1388.8 * wall - 175.0 * london, atol=1e-9)


@pytest.mark.parametrize("scale", [0.05, 1.0, 100.0])
def test_relative_tolerance(scale: float) -> None:
    member = crystal(3)
    scaled = md.Crystal(member.cell * scale, member.positions * scale, member.numbers)
    potentials = [md.Coulomb(), md.London(), md.InversePower(12)]
    result = sums([scaled, scaled], potentials, tolerance=0.0, relative_tolerance=1e-9)
    exact = sums([scaled, scaled], potentials, tolerance=0.0, relative_tolerance=1e-11)
    for index in range(2):
        largest = np.abs(exact.values[index]).max(axis=(1, 2))
        assert result.reached[index].all()
        assert (result.certificate[index] <= 1e-9 * largest * (1.0 + 1e-6)).all()
        error = np.abs(result.values[index] - exact.values[index]).max(axis=(1, 2))
        assert (error <= 1.01e-9 * largest).all()


@pytest.mark.slow
def test_relative_tolerance_keeps_the_graph() -> None:
    positions = torch.tensor(crystal(3).positions, requires_grad=True)
    members = [crystal(2), crystal(3, positions=positions)]
    result = sums(members, md.London(), tolerance=0.0, relative_tolerance=1e-10)
    loose = sums(members, md.London(), tolerance=1e-11)
    for one in (result, loose):
        one.flat.sum().backward(retain_graph=True)
    (first,) = torch.autograd.grad(result.flat.sum(), positions)
    (second,) = torch.autograd.grad(loose.flat.sum(), positions)
    torch.testing.assert_close(first, second, rtol=1e-8, atol=1e-8)


def test_an_unreachable_tolerance_is_reported() -> None:
    tiny = md.Crystal(0.1 * np.eye(3), [[0.0, 0, 0]], [1], source="tiny.cif")
    with pytest.warns(md.ToleranceWarning, match=r"tiny\.cif.*InversePower.*asked for 1.0e-08"):
        result = sums(tiny, [md.Gaussian(500.0), md.InversePower(12)])
    assert result.reached.tolist() == [True, False]
    assert result.certificate[1] < 1e-9 * result.values[1, 0, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sums(tiny, md.InversePower(12), relative_tolerance=1e-9)


@pytest.mark.parametrize("carelessness", [1.0, 30.0, 3000.0])
def test_only_rounding_ends_the_passes(
    monkeypatch: pytest.MonkeyPatch, carelessness: float
) -> None:
    """An executor that leaves out too much is asked again, one that can do no more is not."""
    run = torch_executor.run_torch
    passes = []

    def careless(task: SumRequest, tolerances: Any) -> SumOutcome:
        passes.append(tolerances)
        return run(task, carelessness * tolerances)

    monkeypatch.setattr(complete, "choose_executor", lambda name, task: careless)
    potentials = [md.Coulomb(), 3.0 * md.Coulomb() - md.London()]
    assert sums(crystal(3), potentials, tolerance=1e-7).reached.all()
    passes.clear()
    with pytest.warns(md.ToleranceWarning):
        result = sums(crystal(3), md.Coulomb(), tolerance=1e-17)
    assert result.certificate[0] < 1e-12
    assert len(passes) <= 4


def test_refusals() -> None:
    member = crystal(2)
    with pytest.raises(md.CrystalError, match="periodic"):
        sums(crystal(2, pbc=[True, True, False]), md.Coulomb())
    with pytest.raises(md.CrystalError, match="volume"):
        sums([member, crystal(2, cell=np.ones((3, 3)))], md.Coulomb())
    for potentials in ([], "Coulomb", [1.0], 3.0):
        with pytest.raises(md.PotentialError):
            sums(member, potentials)
    for options in (
        {"tolerance": -1.0},
        {"tolerance": float("nan")},
        {"tolerance": 0.0},
        {"relative_tolerance": float("inf")},
        {"splitting": 0.0},
        {"splitting": [0.3, 0.3]},
        {"threads": 0},
        {"executor": "fortran"},
    ):
        with pytest.raises(ValueError):
            sums(member, md.Coulomb(), **options)


def test_threads_are_put_back() -> None:
    before = torch.get_num_threads()
    sums(crystal(2), md.Coulomb(), threads=before + 1)
    assert torch.get_num_threads() == before


def test_a_missing_core_is_noticed_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(executors, "_noticed", False)
    monkeypatch.setattr(executors, "_core_is_installed", lambda: False)
    with caplog.at_level(logging.WARNING, logger="madelung"):
        for _ in range(2):
            sums(crystal(1), md.Coulomb(), executor="auto")
    assert len(caplog.records) == 1
    with pytest.raises(md.MadelungError, match="not installed"):
        sums(crystal(1), md.Coulomb(), executor="native")


class Doubled(md.InversePower):
    """A potential of a user's own, 2/r, which the core does not know."""

    kernel = None

    def __init__(self) -> None:
        super().__init__(1.0)

    def _density(self, splitting: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        return 2.0 * super()._density(splitting, volume)

    def real(self, r2: torch.Tensor, splitting: torch.Tensor) -> torch.Tensor:
        return 2.0 * super().real(r2, splitting)

    def self_term(self, splitting: torch.Tensor) -> torch.Tensor:
        return 2.0 * super().self_term(splitting)


def test_a_potential_of_ones_own() -> None:
    member = crystal(2)
    result = md.complete_sums(member, [Doubled(), md.Coulomb()])
    np.testing.assert_allclose(result.values[0], 2.0 * result.values[1], atol=3e-8)
    with pytest.raises(ValueError, match="does not know"):
        md.complete_sums(member, Doubled(), executor="native")
