"""Reference data of force fields: structures with energy, forces and stress, from extxyz files."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import CrystalError, DatasetError, ForceFieldError
from madelung.common.text import open_text, plain_stem
from madelung.crystals.crystal import Crystal
from madelung.crystals.neighbours import find_neighbours
from madelung.crystals.reading.ase_formats import read_with_ase
from madelung.data.formats.extxyz import iterate_frames

__all__ = ["Configuration", "SkippedConfigurations", "read_configurations"]

# Names in lower case, in the order in which they are looked for. Files that name whose energy it
# is (REF_energy) often carry another program's plain "energy" beside it.
_ENERGY_KEYS = ("ref_energy", "dft_energy", "energy", "total_energy", "free_energy")
_FORCES_KEYS = ("ref_forces", "ref_force", "dft_forces", "dft_force", "forces", "force")
_STRESS_KEYS = ("ref_stress", "dft_stress", "stress", "ref_virial", "dft_virial", "virial")
_GROUP_KEYS = ("config_type", "group", "tag")
_ID_KEYS = ("id", "name")

NEAREST_DISTANCE = 0.3
"""Distance in Å below which two atoms are taken for a mistake of the file."""

_MOST_KEPT = 1000
_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


@dataclass(frozen=True, eq=False)
class Configuration:
    """A structure with what a reference method says of it.

    Parameters
    ----------
    id
        What to call it: the file's name with the number of the frame, unless the frame has an id.
    crystal
        The structure of n atoms.
    energy
        Energy in eV, None if not known.
    forces
        (n, 3) in eV/Å, None if not known.
    stress
        (3, 3) in eV/Å³, positive under tension, None if not known or not periodic.
    group
        Kind of configuration that the file states, empty if it states none.
    """

    id: str
    crystal: Crystal
    energy: float | None = None
    forces: NDArray[np.float64] | None = None
    stress: NDArray[np.float64] | None = None
    group: str = ""


@dataclass(eq=False)
class SkippedConfigurations:
    """Configurations that were left out; pass it as ``on_problem`` of :func:`read_configurations`.

    Parameters
    ----------
    count
        How many were left out.
    problems
        What was wrong with the first thousand.
    """

    count: int = 0
    problems: list[str] = field(default_factory=list)

    def __call__(self, problem: ForceFieldError) -> None:
        """Count one more."""
        self.count += 1
        if len(self.problems) < _MOST_KEPT:
            self.problems.append(str(problem))

    def summary(self, shown: int = 3) -> str:
        """Return how many were left out, and why the first ones were; empty if none was."""
        if self.count == 0:
            return ""
        lines = self.problems[:shown]
        more = f"; and {self.count - len(lines)} more" if self.count > len(lines) else ""
        return f"configurations left out: {self.count}. " + "; ".join(lines) + more


def read_configurations(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    energy_key: str | None = None,
    forces_key: str | None = None,
    stress_key: str | None = None,
    group_key: str | None = None,
    nearest_distance: float = NEAREST_DISTANCE,
    bare: bool = False,
    on_problem: Callable[[ForceFieldError], None] | None = None,
) -> Iterator[Configuration]:
    """Read extxyz files frame by frame; files may be compressed (gzip, bzip2, xz, zip).

    Parameters
    ----------
    paths
        One file or several.
    energy_key, forces_key, stress_key, group_key
        Names in the files. By default they are looked for without regard to case:
        ``ref_energy``, ``dft_energy``, ``energy``, ``total_energy``, ``free_energy``; ``forces``
        and ``force`` with the same prefixes; ``stress`` and ``virial`` likewise; ``config_type``,
        ``group``, ``tag``. What a frame does not have is None, unless its name was given here:
        then the frame is a problem.
    nearest_distance
        Frames with atoms nearer than this, in Å, are left out.
    bare
        Whether frames with none of energy, forces and stress are taken, as structures alone.
    on_problem
        Called for each frame that is left out: unreadable, with an energy or forces that are not
        finite, with none of energy, forces and stress, or with atoms that overlap. A
        :class:`SkippedConfigurations` counts them; a function may raise what it is given. By
        default they are counted, and a warning says so when the files have been read.

    Yields
    ------
    Configuration
        In the order of the files. A stress that is NaN counts as not known.

    Raises
    ------
    ForceFieldError
        If a file is missing, damaged or cut off.

    Notes
    -----
    A virial (a name that ends in ``virial``) is that of QUIP, -V times the stress.
    """
    keys = _Keys(energy_key, forces_key, stress_key, group_key, bare)
    skipped = SkippedConfigurations()
    report = skipped if on_problem is None else on_problem
    for path in [paths] if isinstance(paths, str | os.PathLike) else paths:
        for item in _read_file(Path(path), keys, nearest_distance):
            if isinstance(item, ForceFieldError):
                report(item)
            else:
                yield item
    if skipped.count:
        warnings.warn(skipped.summary(), stacklevel=2)


@dataclass(frozen=True)
class _Keys:
    """Names that the user gave, and whether frames may have nothing under any."""

    energy: str | None
    forces: str | None
    stress: str | None
    group: str | None
    bare: bool


def _read_file(
    path: Path, keys: _Keys, nearest_distance: float
) -> Iterator[Configuration | ForceFieldError]:
    try:
        with open_text(path) as lines:
            for number, frame in enumerate(iterate_frames(lines, path)):
                if isinstance(frame, DatasetError):
                    yield ForceFieldError(str(frame))
                    return
                name = f"{plain_stem(path)}-{number:06d}"
                source = f"{path}, frame {number} (counted from 0)"
                try:
                    configuration = _configuration(frame, name, source, keys)
                    _require_apart(configuration, nearest_distance)
                except (CrystalError, ForceFieldError) as error:
                    yield ForceFieldError(str(error))
                else:
                    yield configuration
    except DatasetError as error:
        raise ForceFieldError(str(error)) from None


def _configuration(frame: str, name: str, source: str, keys: _Keys) -> Configuration:
    atoms = read_with_ase(frame.encode("utf-8"), frame, "extxyz", 0, source)
    crystal = Crystal.from_ase(atoms, source)
    results = {} if atoms.calc is None else atoms.calc.results
    facts = {**atoms.info, **results}
    arrays = {**atoms.arrays, **results}
    energy = _find(facts, keys.energy, _ENERGY_KEYS, source)
    forces = _find(arrays, keys.forces, _FORCES_KEYS, source)
    stress = _find(facts, keys.stress, _STRESS_KEYS, source)
    group = _find(facts, keys.group, _GROUP_KEYS, source)
    own = next((str(facts[key]) for key in _ID_KEYS if key in facts), name)
    configuration = Configuration(
        id=own,
        crystal=crystal,
        energy=None if energy is None else float(_finite(energy[1], (), energy[0], source)),
        forces=None
        if forces is None
        else _finite(forces[1], (len(crystal), 3), *forces[:1], source),
        stress=None if stress is None else _stress(crystal, *stress, source),
        group="" if group is None else str(group[1]),
    )
    known = (configuration.energy, configuration.forces, configuration.stress)
    if not keys.bare and all(value is None for value in known):
        raise ForceFieldError(
            f"{source}: there is no energy, no forces and no stress; the frame has "
            f"{', '.join(sorted({*facts, *arrays}))}: name the right ones"
        )
    return configuration


def _find(
    facts: Mapping[str, Any], wanted: str | None, usual: Sequence[str], source: str
) -> tuple[str, Any] | None:
    """Return the name and the value of a fact."""
    if wanted is not None:
        if wanted not in facts:
            raise ForceFieldError(
                f"{source}: there is no {wanted!r}; the frame has {', '.join(sorted(facts))}"
            )
        return wanted, facts[wanted]
    lower = {key.lower(): key for key in facts}
    return next(((lower[key], facts[lower[key]]) for key in usual if key in lower), None)


def _finite(value: Any, shape: tuple[int, ...], name: str, source: str) -> NDArray[np.float64]:
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ForceFieldError(f"{source}: {name!r} is no number: {str(value)[:40]!r}") from None
    if array.shape != shape:
        raise ForceFieldError(f"{source}: {name!r} has shape {array.shape}, not {shape}")
    if not np.isfinite(array).all():
        raise ForceFieldError(f"{source}: {name!r} is not finite; calculate the frame again")
    return array


def _stress(crystal: Crystal, name: str, value: Any, source: str) -> NDArray[np.float64] | None:
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ForceFieldError(f"{source}: {name!r} is no number: {str(value)[:40]!r}") from None
    if not crystal.pbc.all() or np.isnan(array).any():
        return None
    if array.shape == (6,):
        full = np.empty((3, 3))
        for number, (row, column) in zip(array, _VOIGT, strict=True):
            full[row, column] = full[column, row] = number
        array = full
    elif array.shape == (9,):
        array = array.reshape(3, 3)
    array = _finite(array, (3, 3), name, source)
    if name.lower().endswith("virial"):
        array = -array / crystal.volume
    return 0.5 * (array + array.T)


def _require_apart(configuration: Configuration, nearest_distance: float) -> None:
    if nearest_distance <= 0.0:
        return
    distances = find_neighbours(configuration.crystal, nearest_distance).distances
    if len(distances):
        raise ForceFieldError(
            f"{configuration.crystal.source}: atoms are {distances.min():.3g} Å apart, less than "
            f"{nearest_distance:g} Å; correct the frame, or allow a smaller distance"
        )
