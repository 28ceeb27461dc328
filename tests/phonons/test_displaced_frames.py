"""Force constants from extxyz frames are those of phonopy, in any order of atoms, or refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from phonon_cases import phonopy_of

from madelung.common.errors import PhononError
from madelung.phonons.calculated import read_calculated
from madelung.phonons.displaced_frames import read_displaced_frames
from madelung.phonons.force_constants import force_constants_of
from madelung.phonons.harmonic_crystal import HarmonicCrystal

SIZE = (2, 2, 2)
POINTS = [[0.5, 0.0, 0.0], [0.5, 0.5, 0.5], [0.0, 0.0, 0.0], [0.25, 0.5, 0.0]]


def alloy() -> Atoms:
    """Cu3Au, near to rest in EMT."""
    return Atoms(
        "AuCu3", cell=[3.75] * 3, pbc=True,
        scaled_positions=[(0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)],
    )  # fmt: skip


def labelled(atoms: Atoms) -> Atoms:
    """A copy with the forces that EMT gives it, as a file holds them."""
    from ase.calculators.singlepoint import SinglePointCalculator

    forces = EMT().get_forces(atoms)
    done = atoms.copy()
    done.calc = SinglePointCalculator(done, forces=forces)
    return done


def disordered(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """The same structure with its atoms in another order and in any image."""
    moved = atoms[rng.permutation(len(atoms))]
    moved.positions += rng.integers(-1, 2, (len(moved), 3)) @ moved.cell.array
    return moved


@pytest.fixture(scope="module")
def reference() -> HarmonicCrystal:
    from phonon_cases import force_sets_of

    return force_constants_of(force_sets_of(phonopy_of(alloy(), SIZE), "Cu3Au"))


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    ase.io.write(tmp_path / "unit.cif", alloy())
    return tmp_path / "unit.cif"


def single(rng: np.random.Generator) -> list[Atoms]:
    """The displacements of phonopy, one atom each."""
    cells = phonopy_of(alloy(), SIZE).supercells_with_displacements
    frames = [Atoms(one.symbols, cell=one.cell, positions=one.positions, pbc=True) for one in cells]
    return [labelled(disordered(frame, rng)) for frame in frames]


def random(rng: np.random.Generator) -> list[Atoms]:
    """All atoms displaced at once, and a frame at rest."""
    frames = []
    for scale in (0.004, 0.004, 0.0, 0.004, 0.004, 0.004, 0.004):
        frame = alloy() * SIZE
        frame.positions += scale * rng.normal(size=(len(frame), 3))
        frames.append(labelled(disordered(frame, rng)))
    return frames


@pytest.mark.parametrize(("make", "within"), [(single, 1e-5), (random, 0.02)])
def test_frequencies_are_those_of_phonopy(
    reference: HarmonicCrystal,
    unit: Path,
    tmp_path: Path,
    make: Callable[[np.random.Generator], list[Atoms]],
    within: float,
) -> None:
    """Random displacements hold the anharmonicity of all atoms, so that less is asked of them."""
    ase.io.write(tmp_path / "frames.extxyz.gz", make(np.random.default_rng(5)))
    for supercell in (None, SIZE):
        found = read_calculated(tmp_path / "frames.extxyz.gz", unit_cell=unit, supercell=supercell)
        ours, theirs = (one.frequencies(np.array(POINTS)) for one in (found, reference))
        assert np.abs(ours - theirs).max() < within
        assert theirs.max() > 4.0


def test_forces_at_rest_are_taken_off(tmp_path: Path) -> None:
    """One atom of the cell is off its site: the crystal has forces before anything is displaced."""
    start = alloy()
    start.positions[0] += (0.02, 0.01, 0.0)
    ase.io.write(tmp_path / "unit.cif", start)
    frames = {}
    for sign in (1.0, -1.0):
        frames[sign] = []
        for atom in range(4):
            for shift in np.eye(3):
                frame = start * SIZE
                frame.positions[atom] += sign * 0.002 * shift
                frames[sign].append(labelled(frame))
    rest = labelled(start * SIZE)
    assert np.abs(rest.get_forces()).max() > 0.05
    both, one_way, alone = [*frames[1.0], *frames[-1.0]], [rest, *frames[1.0]], frames[1.0]
    found = []
    for name, chosen in (("both", both), ("one way", one_way), ("alone", alone)):
        ase.io.write(tmp_path / f"{name}.xyz", chosen, format="extxyz")
        read = read_calculated(tmp_path / f"{name}.xyz", unit_cell=tmp_path / "unit.cif")
        found.append(read.frequencies(np.zeros((1, 3))))
    assert np.abs(found[1] - found[0]).max() < 0.03
    assert np.abs(found[2] - found[0]).max() > 0.3


def broken(name: str, frames: list[Atoms]) -> list[Atoms]:
    first = frames[0]
    if name == "element":
        first.symbols[first.symbols.indices()["Au"][0]] = "Ag"
    elif name == "far":
        first.positions[0] += (0.0, 0.9, 0.9)
    elif name == "no forces":
        first.calc = None
        first.info["energy"] = 1.0
    elif name == "other cell":
        frames[1] = labelled(alloy() * (2, 2, 1))
    elif name == "at rest":
        return [labelled(alloy() * SIZE)]
    return frames


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("element", "another element"),
        ("far", "from every site"),
        ("no forces", "no forces"),
        ("other cell", "another cell"),
        ("at rest", "no frame displaces"),
    ],
)
def test_what_cannot_be_used_is_refused(
    name: str, message: str, unit: Path, tmp_path: Path
) -> None:
    frames = broken(name, random(np.random.default_rng(5)))
    ase.io.write(tmp_path / "frames.extxyz", frames)
    with pytest.raises(PhononError, match=message) as caught:
        read_displaced_frames(tmp_path / "frames.extxyz", unit_cell=unit)
    assert "frames.extxyz" in str(caught.value)


def test_another_supercell_or_no_unit_cell_is_refused(unit: Path, tmp_path: Path) -> None:
    ase.io.write(tmp_path / "frames.extxyz", random(np.random.default_rng(5)))
    with pytest.raises(PhononError, match="not the supercell"):
        read_calculated(tmp_path / "frames.extxyz", unit_cell=unit, supercell=(3, 2, 2))
    with pytest.raises(PhononError, match="name the unit cell"):
        read_calculated(tmp_path / "frames.extxyz")


def test_the_limit_of_recursion_stays(unit: Path, tmp_path: Path) -> None:
    """symfc raises it when it is imported, so far that deep JSON would end the process."""
    ase.io.write(tmp_path / "frames.extxyz", random(np.random.default_rng(5)))
    code = (
        "import sys; before = sys.getrecursionlimit(); "
        "from madelung.phonons.calculated import read_calculated; "
        f"read_calculated({str(tmp_path / 'frames.extxyz')!r}, unit_cell={str(unit)!r}); "
        "print('symfc' in sys.modules, sys.getrecursionlimit() == before)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "True"]


def test_too_few_frames_are_refused(tmp_path: Path) -> None:
    """Without symmetry 32 atoms have more force constants than two frames have forces."""
    start = alloy()
    start.rattle(0.02, seed=1)
    ase.io.write(tmp_path / "unit.cif", start)
    rng, frames = np.random.default_rng(2), []
    for _ in range(2):
        frame = start * SIZE
        frame.positions += 0.004 * rng.normal(size=(len(frame), 3))
        frames.append(labelled(frame))
    ase.io.write(tmp_path / "frames.extxyz", frames)
    with pytest.raises(PhononError, match=r"2 displaced supercells .* at least [3-9]"):
        read_calculated(tmp_path / "frames.extxyz", unit_cell=tmp_path / "unit.cif")


def test_a_cell_that_is_not_primitive(tmp_path: Path) -> None:
    """Copper's cube has four primitive cells; phonopy's own reading of them is the reference."""
    import ase.build
    from phonon_cases import force_sets_of

    cube = ase.build.bulk("Cu", a=3.59, cubic=True)
    phonon = phonopy_of(cube, SIZE, "F")
    frames = [
        labelled(Atoms(one.symbols, cell=one.cell, positions=one.positions, pbc=True))
        for one in phonon.supercells_with_displacements
    ]
    ase.io.write(tmp_path / "unit.cif", cube)
    ase.io.write(tmp_path / "frames.xyz", frames, format="extxyz")
    found = read_calculated(tmp_path / "frames.xyz", unit_cell=tmp_path / "unit.cif")
    theirs = force_constants_of(force_sets_of(phonon, "Cu"))
    assert len(found.crystal) == len(theirs.crystal) == 1
    # Γ, and a point that stands for the same wave in both settings of the primitive cell.
    half = np.array([[0.5, 0.5, 0.5]])
    assert np.abs(found.frequencies(half) - theirs.frequencies(half)).max() < 1e-6
