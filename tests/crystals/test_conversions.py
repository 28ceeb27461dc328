"""Crystals from and to the objects of ASE and pymatgen."""

from __future__ import annotations

from typing import Any

import ase
import numpy as np
import pytest

from madelung.common.errors import CrystalError
from madelung.crystals.crystal import Crystal
from madelung.crystals.reading.arguments import as_crystals


def test_from_ase_refuses_occupancy_that_ase_hides() -> None:
    atoms = ase.Atoms("NaCl", positions=[[0, 0, 0], [1, 2, 3]], cell=[3, 4, 5], pbc=True)
    atoms.info["occupancy"] = {"0": {"Na": 0.7, "K": 0.3}, "1": {"Cl": 1.0}}
    atoms.arrays["spacegroup_kinds"] = np.array([0, 1])
    with pytest.raises(CrystalError, match=r"salt: site 0 .* partial occupancy \(0.7 Na \+ 0.3 K"):
        Crystal.from_ase(atoms, source="salt")
    atoms.info["occupancy"] = {0: {"Na": 1.0}, 1: {"Cl": 1.0}}
    assert Crystal.from_ase(atoms).formula == "NaCl"
    atoms.info["occupancy"] = {0: {"Na": 1.0}, 1: 0.5}
    with pytest.raises(CrystalError, match=r"occupancy 0\.5 is not understood"):
        Crystal.from_ase(atoms)


EMPTY = "1 sites of occupancy 0 were left out"


def test_empty_sites_of_atoms_are_left_out() -> None:
    atoms = ase.Atoms(
        "NaKCl", positions=[[0, 0, 0], [0, 0, 0], [1, 2, 3]], cell=[3, 4, 5], pbc=True
    )
    atoms.set_initial_charges([1.0, 1.0, -1.0])
    atoms.set_array("occupancy", np.array([1.0, 0.0, 1.0]))
    crystal = Crystal.from_ase(atoms)
    assert crystal.formula == "NaCl" and crystal.positions[1].tolist() == [1, 2, 3]
    assert crystal.charges is not None and crystal.charges.tolist() == [1.0, -1.0]
    assert [text.startswith(EMPTY) for text in crystal.warnings] == [True]
    del atoms.arrays["occupancy"]
    atoms.info["occupancy"] = {"0": {"Na": 1.0}, "1": {"K": 0.0}, "2": {"Cl": 1.0}}
    atoms.arrays["spacegroup_kinds"] = np.array([0, 1, 2])
    assert Crystal.from_ase(atoms).formula == "NaCl"
    atoms.set_array("occupancy", np.zeros(3))
    with pytest.raises(CrystalError, match="all its sites have occupancy 0"):
        Crystal.from_ase(atoms)


class TestPymatgen:
    """Conversions from and to pymatgen, an optional library."""

    @pytest.fixture
    def core(self) -> Any:
        """Return ``pymatgen.core``."""
        return pytest.importorskip("pymatgen.core", reason="pymatgen is optional")

    def test_round_trip(self, core: Any) -> None:
        lattice = core.Lattice.from_parameters(3, 4, 5, 80, 95, 110)
        structure = core.Structure(lattice, ["Cs", "Cl"], [[0, 0, 0], [0.4, 0.5, 0.6]])
        crystal = Crystal.from_pymatgen(structure, source="memory")
        assert crystal.charges is None
        assert np.allclose(crystal.positions, structure.cart_coords, atol=1e-12)
        assert as_crystals(structure)[1]
        again = crystal.to_pymatgen()
        assert again.matches(structure)
        assert np.allclose(again.lattice.matrix, structure.lattice.matrix, atol=1e-12)

    def test_oxidation_states_and_isotopes(self, core: Any) -> None:
        lattice = core.Lattice.cubic(4.0)
        structure = core.Structure(lattice, ["Li+", "D-"], [[0, 0, 0], [0.5, 0.5, 0.5]])
        crystal = Crystal.from_pymatgen(structure)
        assert crystal.symbols == ["Li", "H"]
        assert crystal.charges is not None
        assert crystal.charges.tolist() == [1.0, -1.0]
        again = Crystal.from_pymatgen(crystal.to_pymatgen())
        assert np.array_equal(np.asarray(again.charges), [1.0, -1.0])

    def test_two_periodic_directions(self, core: Any) -> None:
        lattice = core.Lattice.cubic(4.0)
        slab = core.Structure(
            core.Lattice(lattice.matrix, pbc=(True, True, False)), ["C"], [[0] * 3]
        )
        crystal = Crystal.from_pymatgen(slab)
        assert crystal.pbc.tolist() == [True, True, False]
        assert crystal.to_pymatgen().lattice.pbc == (True, True, False)

    @pytest.mark.parametrize("species", [{"Na": 0.5, "K": 0.5}, {"Na": 0.9}])
    def test_partial_occupancy_is_refused(self, core: Any, species: dict[str, float]) -> None:
        structure = core.Structure(
            core.Lattice.cubic(4.0), ["Cl", species], [[0, 0, 0], [0.5, 0.5, 0.5]]
        )
        with pytest.raises(CrystalError, match=r"memory: site 1 .* partial occupancy"):
            Crystal.from_pymatgen(structure, source="memory")

    def test_empty_sites_are_left_out(self, core: Any) -> None:
        places = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0]]
        structure = core.Structure(core.Lattice.cubic(4.0), ["Cs", "Cl", {"Na": 0.0}], places)
        crystal = Crystal.from_pymatgen(structure)
        assert crystal.formula == "CsCl" and crystal.positions[1].tolist() == [2.0, 2.0, 2.0]
        assert [text.startswith(EMPTY) for text in crystal.warnings] == [True]

    def test_dummy_species_are_refused(self, core: Any) -> None:
        structure = core.Structure(core.Lattice.cubic(4.0), [core.DummySpecies("X")], [[0, 0, 0]])
        with pytest.raises(CrystalError, match=r"site 0 .* no chemical element"):
            Crystal.from_pymatgen(structure)
