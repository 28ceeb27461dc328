"""Molecules of crystals: found whole whatever the cell, told apart by bonds and by shape."""

from __future__ import annotations

import ase.build
import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st
from molecular_crystals import carbon_dioxide, rearranged, urea

from madelung.common.errors import PolymorphError
from madelung.crystals.crystal import Crystal
from madelung.polymorphs.molecules import Molecule, find_molecules, same_conformer


def alone(name: str) -> Molecule:
    """A molecule of ASE's collection in a large cell."""
    atoms = ase.build.molecule(name, vacuum=6.0)
    atoms.pbc = True
    (found,) = find_molecules(Crystal.from_ase(atoms))
    return found


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_molecules_do_not_hang_on_the_cell(seed: int) -> None:
    for atoms, count, size in ((carbon_dioxide(), 4, 3), (urea(), 2, 8)):
        reference = find_molecules(Crystal.from_ase(atoms))
        moved = Crystal.from_ase(rearranged(atoms, np.random.default_rng(seed)))
        found = find_molecules(moved)
        assert len(found) == count and {len(one) for one in found} == {size}
        assert sorted(np.concatenate([one.atoms for one in found]).tolist()) == list(
            range(len(moved))
        )
        for one in found:
            assert same_conformer(one, reference[0], 1e-6)
            assert one.connectivity == reference[0].connectivity
            # In one piece: each atom is near to another one.
            apart = one.distances() + 10.0 * np.eye(size)
            assert apart.min(axis=1).max() < 1.5


def test_bonds_without_an_end_are_refused() -> None:
    chain = Atoms("CH2CH2", cell=[10, 10, 2.55], pbc=True, positions=[
        (0, 0, 0), (0.63, 0.9, 0), (0.63, -0.9, 0), (-0.85, 0, 1.27), (-1.4, 0.9, 1.27),
        (-1.4, -0.9, 1.27),
    ])  # fmt: skip
    for atoms in (chain, ase.build.bulk("C"), ase.build.bulk("NaCl", "rocksalt", a=5.64)):
        with pytest.raises(PolymorphError, match="without an end"):
            find_molecules(Crystal.from_ase(atoms))


def test_isomers_have_other_bonds() -> None:
    ethanol, ether = alone("CH3CH2OH"), alone("CH3OCH3")
    assert ethanol.formula == ether.formula
    assert ethanol.connectivity != ether.connectivity
    assert alone("trans-butane").connectivity != alone("isobutane").connectivity
    assert alone("C6H6").connectivity == alone("C6H6").connectivity


def test_mirror_images_are_one_conformer_and_turned_groups_are_another() -> None:
    twisted = ase.build.molecule("H2O2", vacuum=6.0)
    twisted.pbc = True
    mirrored, bent = twisted.copy(), twisted.copy()
    mirrored.positions[:, 0] *= -1.0
    bent.set_dihedral(2, 0, 1, 3, bent.get_dihedral(2, 0, 1, 3) + 10.0)
    (one,), (other,), (third,) = (
        find_molecules(Crystal.from_ase(atoms)) for atoms in (twisted, mirrored, bent)
    )
    assert same_conformer(one, other, 1e-9)
    assert not same_conformer(one, third)
    assert one.connectivity == third.connectivity
    assert not same_conformer(one, alone("H2O"))
