"""Candidate crystals in files: read, taken apart into molecules, and compared with each other."""

from __future__ import annotations

import math
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from madelung.common.compression import without_compression
from madelung.common.errors import CrystalError, DatasetError, MadelungError, PolymorphError
from madelung.crystals.crystal import Crystal
from madelung.data.crystal_files import find_sources, iterate_sources
from madelung.data.formats.extxyz import read_extxyz
from madelung.data.matching import find_matches
from madelung.data.records import Record
from madelung.polymorphs.molecules import Molecule, find_molecules

__all__ = ["Candidate", "Candidates", "duplicates", "read_candidates"]

_FRAMES = (".extxyz", ".xyz")
# Candidates of one molecule are much alike: the tolerances of data sets would merge what differs.
_SITES, _LENGTHS, _ANGLES, _DENSITIES = 0.15, 0.05, 2.0, 0.01


@dataclass(frozen=True, eq=False)
class Candidate:
    """A crystal and its molecules.

    Parameters
    ----------
    name
        What to call it.
    crystal
        The crystal.
    molecules
        Those of its cell.
    units
        Formula units in the cell: molecules, if there is one kind of them.
    """

    name: str
    crystal: Crystal
    molecules: tuple[Molecule, ...]
    units: int

    @property
    def density(self) -> float:
        """Density in g/cm³."""
        from ase.data import atomic_masses

        mass = sum(float(atomic_masses[number]) for number in self.crystal.numbers)
        return mass / float(self.crystal.volume) * 1.66053906892

    @property
    def space_group(self) -> str:
        """Symbol of the space group, found with a tolerance of 0.01 Å."""
        import spglib

        crystal = self.crystal
        cell: Any = (crystal.cell, crystal.scaled_positions, crystal.numbers)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            found = spglib.get_spacegroup(cell, symprec=0.01)
        return "P 1" if found is None else str(found).rsplit(" (", 1)[0]


@dataclass(frozen=True, eq=False)
class Candidates:
    """Candidates of one molecule or formula unit, and what could not be taken.

    Parameters
    ----------
    kept
        Those that are ranked.
    unit
        Formulae of the molecules of a formula unit with their number, such as ``C3H4O`` or
        ``C5H8N2 + 2 H2O``.
    problems
        What was wrong with the others, a line each.
    """

    kept: tuple[Candidate, ...]
    unit: str
    problems: tuple[str, ...]


def read_candidates(paths: Iterable[str | os.PathLike[str]]) -> Candidates:
    """Read candidates from crystal files, folders of them, and extxyz files of many frames.

    The molecules of the first candidate say what the others have to consist of: the same bonds, in
    the same numbers for a formula unit.

    Raises
    ------
    PolymorphError
        If no candidate can be used, or their molecules have no even number of electrons.
    """
    kept: list[Candidate] = []
    problems: list[str] = []
    unit: Counter[str] = Counter()
    for name, crystal in _named_crystals(paths):
        try:
            if isinstance(crystal, MadelungError):
                raise crystal
            molecules = find_molecules(crystal)
            own = Counter(molecule.connectivity for molecule in molecules)
            units = math.gcd(*own.values())
            own = Counter({bonds: count // units for bonds, count in own.items()})
            _require_closed_shells(name, molecules)
            unit = unit or own
            if own != unit:
                raise PolymorphError(
                    f"{name}: consists of {_unit_text(own)}, bonded otherwise or in other numbers "
                    f"than the first candidate's {_unit_text(unit)}; it is another compound"
                )
        except (CrystalError, PolymorphError) as problem:
            problems.append(str(problem))
            continue
        kept.append(Candidate(name, crystal, tuple(molecules), units))
    if not kept:
        raise PolymorphError("; ".join(["no candidate can be ranked", *problems[:3]]))
    return Candidates(_with_own_names(kept), _unit_text(unit), tuple(problems))


def _named_crystals(
    paths: Iterable[str | os.PathLike[str]],
) -> Iterator[tuple[str, Crystal | MadelungError]]:
    for path in find_sources(map(Path, paths)):
        if without_compression(path.name).lower().endswith(_FRAMES):
            try:
                for record in read_extxyz(path, []):
                    if isinstance(record, DatasetError):
                        yield path.name, PolymorphError(str(record))
                    else:
                        yield record.id, record.crystal
            except DatasetError as problem:
                yield path.name, PolymorphError(str(problem))
            continue
        for place, found in iterate_sources([path]):
            yield Path(place).name, found


def _require_closed_shells(name: str, molecules: Sequence[Molecule]) -> None:
    for molecule in molecules:
        if int(molecule.numbers.sum()) % 2:
            raise PolymorphError(
                f"{name}: {molecule.formula} has an odd number of electrons, as ions of salts; "
                "salts and radicals are refused, as the method does not hold for them"
            )


def _unit_text(unit: Counter[str]) -> str:
    parts = [
        f"{'' if count == 1 else f'{count} '}{bonds.split(': ')[0]}"
        for bonds, count in sorted(unit.items())
    ]
    return " + ".join(parts)


def _with_own_names(kept: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Number the names that occur twice."""
    counts = Counter(one.name for one in kept)
    seen: Counter[str] = Counter()
    found = []
    for one in kept:
        seen[one.name] += 1
        name = one.name if counts[one.name] == 1 else f"{one.name}-{seen[one.name]}"
        found.append(Candidate(name, one.crystal, one.molecules, one.units))
    return tuple(found)


def duplicates(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Return the candidates that are the same crystal as an earlier one, with its name.

    Compared by pymatgen's structure matcher, through :func:`find_matches`. It is blind to the
    volume: densities of the same crystal must agree within 1 % as well.
    """
    records = [Record(one.name, one.crystal) for one in candidates]
    place = {one.name: at for at, one in enumerate(candidates)}
    found: dict[str, str] = {}
    matches = find_matches(
        records, records, site_tolerance=_SITES, length_tolerance=_LENGTHS,
        angle_tolerance=_ANGLES, largest=400,
    )  # fmt: skip
    for match in sorted(matches, key=lambda one: place[one.left]):
        left, right = (candidates[place[name]].density for name in (match.left, match.right))
        alike = abs(left / right - 1.0) < _DENSITIES
        if place[match.left] < place[match.right] and alike and not match.note:
            found.setdefault(match.right, found.get(match.left, match.left))
    return found
