"""Crystals and batches: checks, properties, conversions, and what their import costs."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import ase
import ase.build
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from madelung.common.errors import CrystalError, MadelungError
from madelung.crystals.batch import CrystalBatch
from madelung.crystals.crystal import Crystal
from madelung.crystals.reading.arguments import as_crystals

CELL = np.diag([3.0, 4.0, 5.0])
PLACES = np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]])


def make(**changes: Any) -> Crystal:
    """Return a small crystal with some fields changed."""
    fields = {"cell": CELL, "positions": PLACES, "numbers": [55, 17], "source": "a.cif"}
    return Crystal(**{**fields, **changes})


@st.composite
def crystals(draw: st.DrawFn) -> Crystal:
    """Draw crystals of 1 to 8 atoms, in cells of either hand that are not nearly flat."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(1, 8))
    turned, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    shear = np.eye(3) + np.triu(rng.uniform(-1.0, 1.0, (3, 3)), 1)
    cell = (rng.uniform(0.5, 20.0, 3)[:, None] * shear) @ turned
    charges = rng.integers(-4, 5, count).astype(float) if draw(st.booleans()) else None
    return Crystal(
        cell=cell,
        positions=rng.uniform(-3.0, 3.0, (count, 3)) @ cell,
        numbers=rng.integers(1, 119, count),
        pbc=draw(st.lists(st.booleans(), min_size=3, max_size=3)),
        charges=charges,
    )


def test_fields_have_their_types() -> None:
    crystal = make(cell=CELL.astype(np.float32), numbers=np.array([55, 17], dtype=np.uint8))
    assert crystal.cell.dtype == crystal.positions.dtype == np.float64
    assert crystal.numbers.dtype == np.int64
    assert crystal.pbc.tolist() == [True, True, True]
    assert make(pbc=[True, False, True]).pbc.tolist() == [True, False, True]
    assert make(pbc=0).pbc.tolist() == [False, False, False]
    assert crystal.charges is None
    assert np.array_equal(np.asarray(make(charges=[1, -1]).charges), [1.0, -1.0])


def test_fields_are_copies() -> None:
    cell, places, numbers = CELL.copy(), PLACES.copy(), np.array([55, 17])
    crystal = make(cell=cell, positions=places, numbers=numbers)
    cell[:] = places[:] = numbers[:] = 1
    assert np.array_equal(crystal.cell, CELL)
    assert np.array_equal(crystal.positions, PLACES)
    assert crystal.numbers.tolist() == [55, 17]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell": np.eye(2)}, r"cell must have shape \(3, 3\), and has \(2, 2\)"),
        ({"cell": [[1, 2, 3], [1, 2]]}, "cell is no array of shape"),
        ({"cell": CELL * 1j}, "cell is no array of shape"),
        ({"cell": torch.zeros(3, 3, dtype=torch.complex64)}, "are complex"),
        ({"cell": "five"}, "cell is no array of shape"),
        ({"cell": None}, "cell must have shape"),
        ({"cell": np.diag([1.0, np.inf, 1.0])}, "lattice vector 1 .* not finite"),
        ({"positions": PLACES[:1]}, r"positions must have shape \(2, 3\)"),
        ({"positions": [[0, 0, 0], [0, np.nan, 0]]}, "site 1 .* not finite"),
        ({"positions": torch.tensor([[0.0, 0, 0], [0, float("nan"), 0]])}, "site 1 .* not finite"),
        ({"numbers": [], "positions": np.zeros((0, 3))}, "no atoms"),
        ({"numbers": [55, 0]}, "site 1 .* 0 is no atomic number"),
        ({"numbers": [119, 1]}, "site 0 .* 119 is no atomic number"),
        ({"numbers": [1.5, 1]}, "site 0 .* 1.5 is no atomic number"),
        ({"numbers": [1, np.nan]}, "site 1 .* nan is no atomic number"),
        ({"numbers": ["Cs", "Cl"]}, "numbers is no list of atomic numbers"),
        ({"numbers": [True, True]}, "numbers is no list of atomic numbers"),
        ({"numbers": [[55], [17]]}, "numbers is no list of atomic numbers"),
        ({"pbc": [True, False]}, "pbc is .*; give one bool or three"),
        ({"pbc": "yes"}, "pbc is .*; give one bool or three"),
        ({"pbc": 3}, "pbc is .*; give one bool or three"),
        ({"charges": [1.0]}, r"charges must have shape \(2,\)"),
        ({"charges": [1.0, np.nan]}, "site 1 .* charges is not finite"),
    ],
)
def test_refusals_name_source_and_place(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CrystalError, match=message) as caught:
        make(**changes)
    assert str(caught.value).startswith("a.cif: ")
    assert isinstance(caught.value, MadelungError)
    assert isinstance(caught.value, ValueError)


def test_volume_and_scaled_positions() -> None:
    crystal = make()
    assert crystal.volume == pytest.approx(60.0)
    assert np.allclose(crystal.scaled_positions, PLACES / [3.0, 4.0, 5.0])
    left_handed = make(cell=CELL[[1, 0, 2]])
    assert left_handed.volume == pytest.approx(60.0)
    assert left_handed.require_periodic() is left_handed


@pytest.mark.parametrize(
    ("numbers", "formula"),
    [
        ([17, 11], "NaCl"),
        ([8, 14, 8], "SiO2"),
        ([8, 8, 8, 22, 38], "SrTiO3"),
        ([1, 1, 8], "H2O"),
        ([8, 6, 6, 1, 1, 1, 1, 1, 1], "C2H6O"),
        ([33, 31], "GaAs"),
        ([11] * 4 + [17] * 4, "Na4Cl4"),
    ],
)
def test_formula(numbers: list[int], formula: str) -> None:
    crystal = Crystal(np.eye(3), np.zeros((len(numbers), 3)), np.array(numbers))
    assert crystal.formula == formula
    assert formula in repr(crystal)
    assert len(crystal) == len(crystal.symbols) == len(numbers)


def test_species_pairs() -> None:
    crystal = Crystal(np.eye(3), np.zeros((3, 3)), np.array([17, 11, 17]))
    assert crystal.species == [11, 17]
    assert crystal.species_pairs == [(11, 11), (11, 17), (17, 17)]
    assert crystal.symbols == ["Cl", "Na", "Cl"]


@pytest.mark.parametrize("pbc", [False, [True, True, False]])
def test_require_periodic_refuses_open_directions(pbc: Any) -> None:
    with pytest.raises(CrystalError, match=r"a.cif: .*needs all three"):
        make(pbc=pbc).require_periodic()


@pytest.mark.parametrize(
    "cell",
    [
        np.zeros((3, 3)),
        np.diag([3.0, 4.0, 0.0]),
        np.array([[1.0, 0, 0], [0, 1, 0], [1, 1, 0]]),
        np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]]),
    ],
)
def test_flat_cells_are_refused_where_volume_is_needed(cell: NDArray[np.float64]) -> None:
    crystal = make(cell=cell)
    with pytest.raises(CrystalError, match="no volume"):
        crystal.require_periodic()
    with pytest.raises(CrystalError, match="no volume"):
        _ = crystal.scaled_positions
    assert crystal.to_ase().cell.array == pytest.approx(cell)


@pytest.mark.parametrize("scale", [1e-8, 1e-3, 1e6])
def test_extreme_cells_are_allowed(scale: float) -> None:
    make(cell=CELL * scale).require_periodic()
    make(cell=CELL * [scale, 1.0, 1.0]).require_periodic()
    make(cell=np.array([[1, 1000, 0], [0, 1, 1000], [0, 0, 1]]) @ CELL).require_periodic()


@pytest.mark.parametrize("counts", [0, -1, (1, 2), (1, 2, 0), 1.5, "two", (1.0, 2.0, 3.0)])
def test_repeat_refuses_counts(counts: Any) -> None:
    with pytest.raises(CrystalError, match="cannot repeat by"):
        make().repeat(counts)


@pytest.mark.slow
@given(crystals(), st.tuples(*[st.integers(1, 3)] * 3))
def test_repeat_keeps_density_and_agrees_with_ase(
    crystal: Crystal, counts: tuple[int, int, int]
) -> None:
    larger = crystal.repeat(counts)
    assert len(larger) / larger.volume == pytest.approx(len(crystal) / crystal.volume, rel=1e-12)
    expected = crystal.to_ase().repeat(counts)
    assert np.allclose(larger.cell, expected.cell.array, rtol=0, atol=1e-12)
    assert np.allclose(larger.positions, expected.positions, rtol=1e-12, atol=1e-12)
    assert np.array_equal(larger.numbers, expected.numbers)
    assert np.array_equal(larger.pbc, crystal.pbc)
    if crystal.charges is not None:
        assert np.array_equal(np.asarray(larger.charges), np.tile(crystal.charges, np.prod(counts)))


@pytest.mark.slow
@given(crystals())
def test_scaled_positions_invert(crystal: Crystal) -> None:
    scaled = crystal.scaled_positions
    assert np.allclose(scaled @ crystal.cell, crystal.positions, rtol=1e-10, atol=1e-10)
    assert np.allclose(
        scaled, crystal.to_ase().get_scaled_positions(wrap=False), rtol=1e-9, atol=1e-9
    )


@given(crystals())
def test_wrapped_moves_by_lattice_vectors_into_the_cell(crystal: Crystal) -> None:
    wrapped = crystal.wrapped()
    scaled = wrapped.scaled_positions
    steps = scaled - crystal.scaled_positions
    assert np.allclose(steps, np.round(steps), atol=1e-9)
    assert not np.round(steps)[:, ~crystal.pbc].any()
    inside = scaled[:, crystal.pbc]
    assert ((inside > -1e-9) & (inside < 1.0 + 1e-9)).all()
    assert np.allclose(wrapped.wrapped().positions, wrapped.positions, atol=1e-9) or (
        np.abs(inside - np.round(inside)).min() < 1e-9
    )


@given(crystals())
def test_round_trip_through_ase(crystal: Crystal) -> None:
    again = Crystal.from_ase(crystal.to_ase(), source="memory")
    assert np.array_equal(again.cell, crystal.cell)
    assert np.array_equal(again.positions, crystal.positions)
    assert np.array_equal(again.numbers, crystal.numbers)
    assert np.array_equal(again.pbc, crystal.pbc)
    assert (again.charges is None) == (crystal.charges is None)
    assert crystal.charges is None or np.array_equal(np.asarray(again.charges), crystal.charges)
    assert again.source == "memory"


@given(st.lists(crystals(), max_size=4))
def test_batch_round_trip(members: list[Crystal]) -> None:
    batch = CrystalBatch.from_crystals(members)
    assert len(batch) == len(members)
    assert batch.cells.shape == (len(members), 3, 3)
    assert batch.offsets.tolist() == np.cumsum([0, *map(len, members)]).tolist()
    assert batch.offsets.dtype == batch.numbers.dtype == np.int64
    for again, crystal in zip(batch, members, strict=True):
        assert np.array_equal(again.cell, crystal.cell)
        assert np.array_equal(again.positions, crystal.positions)
        assert np.array_equal(again.numbers, crystal.numbers)
        assert np.array_equal(again.pbc, crystal.pbc)
        assert (again.charges is None) == (crystal.charges is None)


def test_batch_indexing() -> None:
    batch = CrystalBatch.from_crystals([make(source="one"), make(source="two")])
    assert batch[-1].source == "two"
    assert batch.sources == ("one", "two")
    with pytest.raises(IndexError):
        batch[2]


def test_as_crystals_accepts_every_kind(tmp_path: Path) -> None:
    atoms = ase.build.bulk("NaCl", "rocksalt", a=5.64)
    path = tmp_path / "salt.extxyz"
    atoms.write(path)
    crystal = make()
    batch = CrystalBatch.from_crystals([crystal, crystal])
    for item in (path, str(path), atoms):
        found, was_single = as_crystals(item)
        assert was_single
        assert [one.formula for one in found] == ["NaCl"]
    assert as_crystals(crystal) == ([crystal], True)
    found, was_single = as_crystals([path, atoms, crystal])
    assert not was_single
    assert [one.formula for one in found] == ["NaCl", "NaCl", "CsCl"]
    assert [len(found) for found in as_crystals(batch)[:1]] == [2]
    assert as_crystals(batch)[1] is False
    assert as_crystals(one for one in [crystal]) == ([crystal], False)
    assert as_crystals([]) == ([], False)


@pytest.mark.parametrize("item", [3, None, object(), [3], [[make()]]])
def test_as_crystals_refuses_other_objects(item: Any) -> None:
    with pytest.raises(CrystalError, match="cannot make a crystal of an object of type"):
        as_crystals(item)


def test_crystals_can_be_pickled_for_worker_processes() -> None:
    again = pickle.loads(pickle.dumps(make(charges=[1, -1])))
    assert np.array_equal(again.positions, PLACES)
    assert again.source == "a.cif"


class TestTensors:
    """PyTorch tensors stay tensors of their graph."""

    def tensors(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a cell and positions that require gradients."""
        return (
            torch.tensor(CELL, requires_grad=True),
            torch.tensor(PLACES, requires_grad=True),
        )

    def test_kept_as_they_are(self) -> None:
        cell, places = self.tensors()
        crystal = make(cell=cell, positions=places)
        assert crystal.cell is cell
        assert crystal.positions is places
        single = make(positions=torch.tensor(PLACES, dtype=torch.float32, requires_grad=True))
        assert single.positions.dtype == torch.float64
        assert single.positions.requires_grad
        assert isinstance(single.cell, np.ndarray)
        assert make(numbers=torch.tensor([55, 17])).numbers.tolist() == [55, 17]

    @pytest.mark.parametrize("names", [["cell"], ["positions"], ["cell", "positions"]])
    def test_gradients_flow(self, names: list[str]) -> None:
        cell, places = self.tensors()
        tensors = {name: {"cell": cell, "positions": places}[name] for name in names}
        crystal = make(**tensors)
        for derived in (
            crystal.scaled_positions,
            crystal.repeat((2, 1, 3)).positions,
            crystal.wrapped().positions + crystal.volume,
        ):
            torch.autograd.grad(derived.square().sum(), list(tensors.values()))
        scaled = torch.as_tensor(crystal.scaled_positions).detach()
        assert np.allclose(scaled, make().scaled_positions)

    def test_one_tensor_makes_a_batch_of_tensors(self) -> None:
        cell, _ = self.tensors()
        batch = CrystalBatch.from_crystals([make(), make(cell=cell)])
        assert batch.cells.requires_grad
        assert isinstance(batch.positions, torch.Tensor)
        (gradient,) = torch.autograd.grad(batch[1].volume, cell)
        assert torch.allclose(gradient, torch.diag(torch.tensor([20.0, 15.0, 12.0]).double()))

    def test_volume_is_differentiable(self) -> None:
        cell, places = self.tensors()
        volume = make(cell=cell, positions=places).volume
        assert float(volume.detach()) == pytest.approx(60.0)
        (gradient,) = torch.autograd.grad(volume, cell)
        assert torch.allclose(gradient, torch.diag(torch.tensor([20.0, 15.0, 12.0]).double()))

    def test_checks_and_conversions_see_values(self) -> None:
        cell, places = self.tensors()
        crystal = make(cell=cell, positions=places)
        assert crystal.require_periodic() is crystal
        assert np.array_equal(crystal.to_ase().positions, PLACES)
        assert "CsCl" in repr(crystal)


def test_import_loads_nothing_heavy() -> None:
    modules = "madelung.crystals.crystal, madelung.crystals.reading.files, madelung.common.errors"
    heavy = ["ase", "gemmi", "torch", "matplotlib", "scipy", "pymatgen"]
    program = f"import {modules}, sys; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
