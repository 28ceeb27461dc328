"""Candidates from files to an order: PySCF, duplicates, resuming, and what is refused."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import ase.build
import ase.io
import numpy as np
import pytest
from ase import Atoms
from commands import run_command
from molecular_crystals import carbon_dioxide, rearranged, urea

from madelung.common.errors import PolymorphError
from madelung.common.interruption import JobInterrupted
from madelung.common.units import BOHR, HARTREE
from madelung.crystals.crystal import Crystal
from madelung.polymorphs.candidates import read_candidates
from madelung.polymorphs.job import JOURNAL, rank_candidates
from madelung.polymorphs.labels import distinct_conformers
from madelung.polymorphs.molecules import Molecule, find_molecules
from madelung.polymorphs.monomers import Monomer, equalised, matched
from madelung.polymorphs.pyscf_monomers import PyscfMonomers

SMALL = PyscfMonomers(basis="def2-svp")


def molecule(name: str, turn: float = 0.0) -> Molecule:
    atoms = ase.build.molecule(name)
    atoms.rotate(turn, (1, 2, 3))
    atoms.center(vacuum=6.0)
    atoms.pbc = True
    (found,) = find_molecules(Crystal.from_ase(atoms))
    return found


@pytest.fixture(scope="module")
def water() -> Monomer:
    return PyscfMonomers().calculate(molecule("H2O"))


def test_charges_of_water_have_its_measured_dipole(water: Monomer) -> None:
    """1.855 D: S. A. Clough et al., J. Chem. Phys. 59, 2254 (1973)."""
    dipole = np.linalg.norm(water.charges @ water.molecule.positions) * 4.80320
    assert dipole == pytest.approx(1.855, rel=0.06)
    assert water.charges.sum() == pytest.approx(0.0, abs=1e-9)
    hydrogens = water.charges[water.molecule.numbers == 1]
    assert hydrogens[0] == hydrogens[1] and water.potential_error < 0.2


def test_dispersion_coefficients_are_those_of_experiments(water: Monomer) -> None:
    """C6 of pairs of molecules from oscillator strengths: 45.3 (water) and 129.6 (methane).

    B. L. Jhanwar and W. J. Meath, Chem. Phys. 67, 185 (1982), in atomic units.
    """
    methane = PyscfMonomers().calculate(molecule("CH4"))
    for found, expected in ((water, 45.3), (methane, 129.6)):
        powers, _ = found.dispersion.pairs(found.dispersion)
        assert powers[6].sum() / HARTREE / BOHR**6 == pytest.approx(expected, rel=0.1)


def test_results_turn_with_the_molecule(water: Monomer) -> None:
    turned = PyscfMonomers().calculate(molecule("H2O", turn=77.0))
    assert turned.energy == pytest.approx(water.energy, abs=2e-4)
    assert turned.charges == pytest.approx(water.charges, abs=2e-3)
    assert turned.dispersion.moments == pytest.approx(water.dispersion.moments, rel=1e-2)


def test_atoms_are_matched_whatever_their_order() -> None:
    ethanol = molecule("CH3CH2OH", turn=20.0)
    values = np.arange(9.0)
    order = np.random.default_rng(4).permutation(9)
    other = Molecule(ethanol.numbers[order], ethanol.positions[order], ethanol.atoms, ethanol.bonds)
    averaged = equalised(ethanol, values)
    assert averaged[matched(ethanol, other)] == pytest.approx(averaged[order])
    # Two pairs of hydrogens that a mirror makes equal have one value each.
    assert len(np.unique(averaged.round(9))) == 7


@pytest.mark.parametrize("seed", range(5))
def test_averages_keep_the_charge_of_a_molecule(seed: int) -> None:
    """Of a bent benzene ring some atoms are like a third one, and not like each other."""
    ring, rng = molecule("C6H6"), np.random.default_rng(seed)
    moved = replace(ring, positions=ring.positions + rng.normal(scale=0.012, size=(12, 3)))
    values = rng.normal(size=12)
    for one in (ring, moved):
        averaged = equalised(one, values)
        assert averaged.sum() == pytest.approx(values.sum(), abs=1e-12)
        assert np.abs(averaged - values).max() > 0.01


def candidates(folder: Path) -> list[Path]:
    """Dry ice at two volumes, and the second one in another cell."""
    rng = np.random.default_rng(3)
    ase.io.write(folder / "dense.cif", carbon_dioxide(5.50))
    frames = [carbon_dioxide(5.62), rearranged(carbon_dioxide(5.62), rng)]
    for name, frame in zip(("wide", "again"), frames, strict=True):
        frame.info["name"] = name
    ase.io.write(folder / "others.extxyz", frames)
    return [folder / "dense.cif", folder / "others.extxyz"]


@pytest.fixture(scope="module")
def ranked_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranked")
    done = run_command(
        "rank", *candidates(folder), "--out", folder / "out", "--basis", "def2-svp",
        "--experimental", "wide", "--threads", 1,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (folder / "said.txt").write_text(done.stdout)
    return folder


@pytest.mark.pictures
def test_a_ranking_says_duplicates_parts_and_probabilities(ranked_folder: Path) -> None:
    with (ranked_folder / "out" / "ranking.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    by_name = {row["name"]: row for row in rows}
    assert set(by_name) == {"dense.cif", "wide", "again"}
    # Without repulsion the denser crystal is lower.
    assert rows[0]["name"] == "dense.cif" and float(rows[0]["energy_kJ_mol"]) == 0.0
    twins = {by_name["wide"]["duplicate_of"], by_name["again"]["duplicate_of"]}
    assert twins in ({"", "wide"}, {"", "again"})
    assert by_name["wide"]["rank"] == by_name["again"]["rank"] == "2"
    assert float(by_name["wide"]["energy_kJ_mol"]) == pytest.approx(
        float(by_name["again"]["energy_kJ_mol"]), abs=1e-3
    )
    chances = [float(row["probability"]) for row in rows if not row["duplicate_of"]]
    assert sum(chances) == pytest.approx(1.0)
    parts = ("molecules_kJ_mol", "electrostatic_kJ_mol", "dispersion_kJ_mol")
    total = sum(float(by_name["wide"][name]) for name in parts)
    assert total == pytest.approx(float(by_name["wide"]["energy_kJ_mol"]), abs=1e-6)
    assert by_name["wide"]["space_group"] == "Pa-3"
    assert float(by_name["wide"]["density"]) == pytest.approx(
        4 * 44.01 / 5.62**3 * 1.66054, rel=1e-3
    )
    said = json.loads((ranked_folder / "out" / "ranking.json").read_text())
    assert said["unit"] == "CO2" and said["distinct"] == 2 and said["candidates"] == 3
    text = (ranked_folder / "said.txt").read_text()
    assert "2 distinct candidates of 3" in text and "no repulsion" in text
    # Equal molecules are calculated once.
    assert said["molecules"] == 1


def test_a_ranking_goes_on_with_what_was_calculated(ranked_folder: Path, tmp_path: Path) -> None:
    words = ("rank", *candidates(tmp_path), "--basis", "def2-svp", "--threads", 1)
    refused = run_command(*words, "--out", ranked_folder / "out")
    assert refused.returncode == 1 and "resume" in refused.stderr
    other = run_command(*words, "--out", ranked_folder / "out", "--resume", "--basis", "3-21g")
    assert other.returncode == 1 and "was begun with" in other.stderr
    before = (ranked_folder / "out" / JOURNAL).read_bytes()
    again = run_command(*words, "--out", ranked_folder / "out", "--resume", "--json")
    assert again.returncode == 0, again.stderr
    assert (ranked_folder / "out" / JOURNAL).read_bytes() == before
    assert len(json.loads(again.stdout)) == 3


class Stopping(PyscfMonomers):
    """PySCF that is interrupted after each molecule."""

    def calculate(self, molecule: Molecule) -> Monomer:
        import os
        import signal

        found = super().calculate(molecule)
        os.kill(os.getpid(), signal.SIGTERM)
        return found


def test_an_interruption_keeps_what_was_done(tmp_path: Path) -> None:
    pair = ase.build.molecule("H2O") + ase.build.molecule("NH3")
    pair.positions[3:] += (3.0, 0.2, 0.1)
    pair.set_cell([6.0, 4.0, 4.0])
    pair.pbc = True
    files = [write(tmp_path, "pair.cif", pair)]
    out = tmp_path / "out"
    with pytest.raises(JobInterrupted):
        rank_candidates(files, out, engine=Stopping(basis="3-21g"))
    kept = (out / JOURNAL).read_bytes()
    assert kept.count(b"\n") == 2
    # A stop in the middle of a line loses only this line.
    (out / JOURNAL).write_bytes(kept + b'{"key": "12')
    found = rank_candidates(files, out, engine=PyscfMonomers(basis="3-21g"), resume=True)
    whole = rank_candidates(files, tmp_path / "whole", engine=PyscfMonomers(basis="3-21g"))
    assert (out / JOURNAL).read_bytes().startswith(kept)
    assert [row["energy_kJ_mol"] for row in found.rows] == pytest.approx(
        [row["energy_kJ_mol"] for row in whole.rows], abs=1e-6
    )


def test_methods_that_cannot_be_are_reasons() -> None:
    for engine in (
        PyscfMonomers(basis="def3"), PyscfMonomers(functional="no-such"),
        PyscfMonomers(basis="sto-3g"),
    ):  # fmt: skip
        with pytest.raises(PolymorphError, match=r"cannot do|larger basis"):
            engine.calculate(molecule("H2O"))


def write(folder: Path, name: str, atoms: Atoms) -> Path:
    ase.io.write(folder / name, atoms)
    return folder / name


def test_other_compounds_and_salts_are_left_out_with_a_reason(tmp_path: Path) -> None:
    salt = Atoms("NH4F", positions=[
        (0, 0, 0), (0.6, 0.6, 0.6), (-0.6, -0.6, 0.6), (-0.6, 0.6, -0.6), (0.6, -0.6, -0.6),
        (3, 3, 3),
    ], cell=[6] * 3, pbc=True)  # fmt: skip
    files = [
        write(tmp_path, "a.cif", carbon_dioxide()), write(tmp_path, "b.cif", urea()),
        write(tmp_path, "c.cif", salt), write(tmp_path, "d.cif", ase.build.bulk("Si")),
    ]  # fmt: skip
    (tmp_path / "e.cif").write_text("no crystal")
    read = read_candidates([*files, tmp_path / "e.cif"])
    assert [one.name for one in read.kept] == ["a.cif"] and read.unit == "CO2"
    reasons = ("another compound", "odd number of electrons", "without an end", "e.cif")
    assert len(read.problems) == len(reasons)
    assert all(word in text for word, text in zip(reasons, read.problems, strict=True))
    with pytest.raises(PolymorphError, match="no candidate can be ranked"):
        read_candidates(files[2:])


def test_a_formula_unit_may_hold_several_molecules(tmp_path: Path) -> None:
    """One water and one ammonia, and the same twice in a larger cell."""
    pair = ase.build.molecule("H2O") + ase.build.molecule("NH3")
    pair.positions[3:] += (3.0, 0.2, 0.1)
    pair.set_cell([6.0, 4.0, 4.0])
    pair.pbc = True
    files = [write(tmp_path, "one.cif", pair), write(tmp_path, "two.cif", pair * (1, 2, 1))]
    read = read_candidates(files)
    assert read.unit == "H2O + NH3" and [one.units for one in read.kept] == [1, 2]
    conformers = distinct_conformers(read.kept)
    assert len(conformers.distinct) == 2
    found = rank_candidates(files, tmp_path / "out", engine=SMALL)
    energies = [row["energy_kJ_mol"] for row in found.rows]
    assert energies == pytest.approx([0.0, 0.0], abs=1e-3)
    assert sum(bool(row["duplicate_of"]) for row in found.rows) == 1


def test_elements_without_data_are_a_reason(tmp_path: Path) -> None:
    xenon = ase.build.bulk("Xe", a=6.13, cubic=True)
    with pytest.raises(PolymorphError, match="no polarisability is known of Xe"):
        rank_candidates([write(tmp_path, "xe.cif", xenon)], tmp_path / "out", engine=SMALL)
    with pytest.raises(PolymorphError, match="no candidate has this name"):
        rank_candidates(
            candidates(tmp_path), tmp_path / "other", engine=SMALL, experimental=["form IV"]
        )


@pytest.mark.parametrize(
    "line", ["{}", "[1, 2]", "no json", '{"format": "madelung-monomers", "version": 9}']
)
def test_damaged_journals_are_refused(line: str, tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_text(line + "\n")
    with pytest.raises(PolymorphError, match="journal"):
        rank_candidates(candidates(tmp_path), tmp_path, engine=SMALL, resume=True)
