"""Reference data of force fields: structures with energy, forces and stress, from extxyz files."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
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
from madelung.forcefields.reference.frame_values import (
    ENERGY_KEYS,
    FORCES_KEYS,
    GROUP_KEYS,
    LARGEST_FORCE,
    Keys,
    find,
    finite_array,
    require_neutral,
    stress_of,
    weights_of,
)

__all__ = ["Configuration", "SkippedConfigurations", "read_configurations"]

_ID_KEYS = ("id", "name")

NEAREST_DISTANCE = 0.3
"""Distance in Å below which two atoms are taken for a mistake of the file."""

_MOST_KEPT = 1000


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
    weights
        What errors of its energy, forces and stress count in a fit beside those of others.
    """

    id: str
    crystal: Crystal
    energy: float | None = None
    forces: NDArray[np.float64] | None = None
    stress: NDArray[np.float64] | None = None
    group: str = ""
    weights: tuple[float, float, float] = (1.0, 1.0, 1.0)


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
    virial_key: str | None = None,
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
    energy_key, forces_key, stress_key, virial_key, group_key
        Names in the files. By default they are looked for without regard to case: ``energy``,
        ``forces`` or ``force``, ``stress``, and ``virial`` or ``virials``, each with ``ref_``,
        ``dft_`` or ``qm_`` before it, or nothing, in this order (QUIP, MACE, NequIP, SevenNet);
        further ``total_energy``, ``free_energy``, ``y_energy`` and ``y_force``; and
        ``config_type``, ``group``, ``tag``. What a frame does not have is None, unless its name was
        given here: then the frame is a problem.
    nearest_distance
        Frames with atoms nearer than this, in Å, are left out.
    bare
        Whether frames with none of energy, forces and stress are taken, as structures alone.
    on_problem
        Called for each frame that is left out: unreadable, with an energy or forces that are not
        finite, with none of energy, forces and stress, with atoms that overlap, with a total
        charge, with forces above 1,000 eV/Å, with a stress above 5 eV/Å³ (which is one in another
        unit), or with a stress and a virial that contradict each other. A
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
    A virial (a name that ends in ``virial`` or ``virials``) is that of QUIP, -V times the stress.
    ``config_weight``, ``config_energy_weight``, ``config_forces_weight`` and
    ``config_stress_weight``, as MACE writes them, are the frame's weights. A frame whose id an
    earlier frame of the same call has gets its number behind the id.
    """
    keys = Keys(energy_key, forces_key, stress_key, virial_key, group_key)
    skipped = SkippedConfigurations()
    report = skipped if on_problem is None else on_problem
    seen: set[str] = set()
    for path in [paths] if isinstance(paths, str | os.PathLike) else paths:
        for number, item in enumerate(_read_file(Path(path), keys, bare, nearest_distance)):
            if isinstance(item, ForceFieldError):
                report(item)
            else:
                yield replace(item, id=f"{item.id}-{number:06d}") if item.id in seen else item
                seen.add(item.id)
    if skipped.count:
        warnings.warn(skipped.summary(), stacklevel=2)


def _read_file(
    path: Path, keys: Keys, bare: bool, nearest_distance: float
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
                    configuration = _configuration(frame, name, source, keys, bare)
                    _require_apart(configuration, nearest_distance)
                except (CrystalError, ForceFieldError) as error:
                    yield ForceFieldError(str(error))
                else:
                    yield configuration
    except DatasetError as error:
        raise ForceFieldError(str(error)) from None


def _configuration(frame: str, name: str, source: str, keys: Keys, bare: bool) -> Configuration:
    atoms = read_with_ase(frame.encode("utf-8"), frame, "extxyz", 0, source)
    crystal = Crystal.from_ase(atoms, source)
    results = {} if atoms.calc is None else atoms.calc.results
    facts = {**atoms.info, **results}
    arrays = {**atoms.arrays, **results}
    require_neutral(facts, source)
    energy = find(facts, keys.energy, ENERGY_KEYS, source)
    group = find(facts, keys.group, GROUP_KEYS, source)
    own = next((str(facts[key]) for key in _ID_KEYS if key in facts), name)
    configuration = Configuration(
        id=own,
        crystal=crystal,
        energy=None if energy is None else float(finite_array(energy[1], (), energy[0], source)),
        forces=_forces(arrays, len(crystal), keys, source),
        stress=stress_of(facts, keys, crystal, source),
        group="" if group is None else str(group[1]),
        weights=weights_of(facts, source),
    )
    known = (configuration.energy, configuration.forces, configuration.stress)
    if not bare and all(value is None for value in known):
        raise ForceFieldError(
            f"{source}: there is no energy, no forces and no stress; the frame has "
            f"{', '.join(sorted({*facts, *arrays}))}: name the right ones (--energy-key, "
            "--forces-key, --stress-key or --virial-key)"
        )
    return configuration


def _forces(
    arrays: Mapping[str, Any], count: int, keys: Keys, source: str
) -> NDArray[np.float64] | None:
    found = find(arrays, keys.forces, FORCES_KEYS, source)
    if found is None:
        return None
    forces = finite_array(found[1], (count, 3), found[0], source)
    largest = float(np.abs(forces).max(initial=0.0))
    if largest > LARGEST_FORCE:
        raise ForceFieldError(
            f"{source}: {found[0]!r} reaches {largest:.4g} eV/Å, more than {LARGEST_FORCE:,.0f}; "
            "the calculation failed, or the unit is another one: correct the frame"
        )
    return forces


def _require_apart(configuration: Configuration, nearest_distance: float) -> None:
    if nearest_distance <= 0.0:
        return
    distances = find_neighbours(configuration.crystal, nearest_distance).distances
    if len(distances):
        raise ForceFieldError(
            f"{configuration.crystal.source}: atoms are {distances.min():.3g} Å apart, less than "
            f"{nearest_distance:g} Å; correct the frame, or allow a smaller distance"
        )
