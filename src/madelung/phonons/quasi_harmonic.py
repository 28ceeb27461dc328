"""Quasi-harmonic thermal expansion: harmonic phonons at several volumes of a crystal."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madelung.calculations.equation_of_state import EquationOfState, fit_birch_murnaghan
from madelung.calculations.relax import relax
from madelung.common.errors import CrystalWarning, ForceFieldError, PhononError
from madelung.common.progress import watched
from madelung.common.units import (
    BOLTZMANN_CONSTANT,
    GAS_CONSTANT,
    GIGAPASCAL,
    MILLIELECTRONVOLTS,
)
from madelung.crystals.crystal import Crystal
from madelung.crystals.primitive import primitive_crystal
from madelung.crystals.reading.arguments import as_crystals
from madelung.phonons.displacements import phonons_of_force_field, supercell_of_length
from madelung.phonons.mesh import mesh_points
from madelung.phonons.prediction import Phonons
from madelung.phonons.thermodynamics import Thermodynamics, thermodynamics

__all__ = ["STRAINS", "TEMPERATURES", "QuasiHarmonic", "expansion_of_volumes", "quasi_harmonic"]

Array = NDArray[np.float64]

STRAINS = tuple(round(-0.03 + 0.01 * step, 2) for step in range(8))
"""Changes of all lengths of a crystal, from −3 to +4 %."""
TEMPERATURES = tuple(20.0 * step for step in range(41))
"""From 0 to 800 K."""
_FEWEST = 5
_FORCE_TOLERANCE = 1e-4  # eV/Å
_ACOUSTIC = 3
_ELECTRONVOLTS_OF_JOULES = BOLTZMANN_CONSTANT / GAS_CONSTANT


@dataclass(frozen=True, eq=False)
class QuasiHarmonic:
    """Thermal expansion of a crystal without pressure.

    Parameters
    ----------
    temperatures
        (T,) in K; those up to which the free energy has its minimum between the volumes.
    volumes
        (T,) in Å³ for each atom.
    expansion
        (T,) of the volume, (1/V) dV/dT, in 1/K; that of lengths is a third.
    bulk_modulus
        (T,) at constant temperature, in GPa.
    heat_capacity
        (T,) at constant pressure, in J/(K mol) for each mole of atoms.
    gibbs_energy
        (T,) static energy and free energy of vibration at the minimum, in eV for each atom.
    grueneisen
        (T,) thermodynamic parameter α B V/C_V; not a number where the heat capacity is zero.
    residuals
        (T,) root-mean-square deviation of the free energies from their fit, in meV for each atom.
    sampled_volumes, static_energies
        (m,) volumes that were calculated, in Å³, and their energies without vibration, in eV, for
        each atom.
    free_energies
        (T, m) of vibration at these volumes, in meV for each atom.
    phonons
        Those of each volume; empty where only their thermodynamics is known.
    formula
        Of the primitive cell.
    warnings
        Reasons for distrust.
    """

    temperatures: Array
    volumes: Array
    expansion: Array
    bulk_modulus: Array
    heat_capacity: Array
    gibbs_energy: Array
    grueneisen: Array
    residuals: Array
    sampled_volumes: Array
    static_energies: Array
    free_energies: Array
    phonons: tuple[Phonons, ...] = ()
    formula: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Sample:
    """A crystal at one volume."""

    volume: float
    energy: float
    thermal: Thermodynamics
    phonons: Phonons
    warnings: tuple[str, ...]


def quasi_harmonic(
    crystal: Any,
    force_field: Any,
    *,
    strains: Sequence[float] = STRAINS,
    supercell: ArrayLike | None = None,
    temperatures: ArrayLike = TEMPERATURES,
    distance: float = 0.01,
    quiet: bool = True,
) -> QuasiHarmonic:
    """Find how a crystal expands with the temperature in a force field.

    The shape of the cell is kept, so that only cubic crystals expand as they would if each
    length were free.

    Parameters
    ----------
    crystal
        A path, ASE ``Atoms``, a pymatgen ``Structure`` or a :class:`Crystal`, near its volume of
        least energy.
    force_field
        A :class:`ForceField`, or any calculator of ASE that has a stress.
    strains
        Changes of all lengths at which phonons are calculated, at least five. Atoms are relaxed
        in each cell.
    supercell
        (3,) or (3, 3) integers, of the primitive cell; by default at least 15 Å high in each
        direction.
    temperatures
        (T,) in K, ascending.
    distance
        Length of the displacements in Å.
    quiet
        Whether to show no progress.

    Raises
    ------
    PhononError
        If the free energy has no minimum between the volumes at the first temperature, or the
        arguments make no sense. At higher temperatures the result ends there, with a warning.
    ForceFieldError
        If the force field refuses the crystal.
    """
    stretched = np.sort(np.asarray(strains, dtype=np.float64).ravel())
    degrees = _checked(stretched, np.atleast_1d(np.asarray(temperatures, dtype=np.float64)))
    (read,), _ = as_crystals(crystal)
    unit = primitive_crystal(read.require_periodic(), 1e-5)
    matrix = supercell_of_length(unit) if supercell is None else np.asarray(supercell)
    # The same wave vectors at all volumes: a mesh that changes would bend the free energy.
    mesh = mesh_points(unit)
    samples = []
    with watched("volumes", show=not quiet) as advance:
        for number, strain in enumerate(stretched, 1):
            samples.append(_sampled(unit, force_field, strain, matrix, mesh, degrees, distance))
            advance(number, len(stretched))
    notes = [*read.warnings, *(note for sample in samples for note in sample.warnings)]
    return expansion_of_volumes(
        [sample.volume for sample in samples],
        [sample.energy for sample in samples],
        [sample.thermal for sample in samples],
        phonons=[sample.phonons for sample in samples],
        formula=unit.formula,
        notes=notes,
    )


def _checked(strains: Array, temperatures: Array) -> Array:
    """Refuse strains and temperatures that lead nowhere, before anything is calculated."""
    if len(np.unique(strains)) < max(_FEWEST, len(strains)):
        raise PhononError(f"give at least {_FEWEST} strains, each once: {strains.tolist()}")
    if not (np.abs(strains) < 0.5).all():
        raise PhononError(f"strains must lie between -0.5 and 0.5: {strains.tolist()}")
    ascending = bool((np.diff(temperatures) > 0.0).all())
    if temperatures.ndim != 1 or len(temperatures) == 0 or not ascending:
        raise PhononError("temperatures must be one or more, ascending")
    if not (np.isfinite(temperatures).all() and temperatures[0] >= 0.0):
        raise PhononError("temperatures must be finite and not below 0 K")
    return temperatures


def _sampled(
    unit: Crystal,
    force_field: Any,
    strain: float,
    supercell: NDArray[np.int64],
    mesh: tuple[Array, Array],
    temperatures: Array,
    distance: float,
) -> _Sample:
    cell = (1.0 + strain) * np.asarray(unit.cell)
    places = (1.0 + strain) * np.asarray(unit.positions)
    scaled = Crystal(cell, places, unit.numbers, source=unit.source)
    rest = relax(scaled, force_field, force_tolerance=_FORCE_TOLERANCE)
    volume = rest.crystal.volume / len(unit)
    with warnings.catch_warnings():
        # At most of the volumes the cell is under stress; atoms that are not at rest are told here.
        warnings.simplefilter("ignore", CrystalWarning)
        found = phonons_of_force_field(rest.crystal, force_field, supercell, distance=distance)
    points, weights = mesh
    thermal = thermodynamics(found.harmonic.frequencies(points), weights, temperatures)
    notes = []
    if not rest.converged:
        notes.append(
            f"at {volume:.4g} Å³/atom the atoms did not come to rest: the largest force is "
            f"{rest.largest_force:.2g} eV/Å"
        )
    notes += _instability(found, np.asarray(supercell), thermal.left_out, weights, volume)
    return _Sample(volume, rest.energy / len(unit), thermal, found, tuple(notes))


def _instability(
    found: Phonons, supercell: NDArray[np.int64], left_out: float, weights: Array, volume: float
) -> list[str]:
    """Say what a volume's thermodynamics leaves out beside the acoustic modes at Γ."""
    share = left_out - weights[0] / weights.sum() * _ACOUSTIC / (3 * len(found.crystal))
    summary = found.summary(np.diag(supercell) if supercell.shape == (3,) else supercell)
    if not summary.stable:
        what = f"the crystal is unstable: its lowest frequency is {summary.minimum.value:.2f} THz"
    elif share > 1e-9:
        what = "modes are unstable or softer than 0.05 THz"
    else:
        return []
    return [
        f"at {volume:.4g} Å³/atom {what}; {100 * max(share, 0.0):.1f} % of the modes are left out, "
        "and the expansion is worth little where this volume matters"
    ]


def expansion_of_volumes(
    volumes: ArrayLike,
    energies: ArrayLike,
    thermal: Sequence[Thermodynamics],
    *,
    phonons: Sequence[Phonons] = (),
    formula: str = "",
    notes: Sequence[str] = (),
) -> QuasiHarmonic:
    """Find the expansion from energies and thermodynamics at some volumes.

    At each temperature an equation of state of Birch and Murnaghan is fitted. As it is linear in
    the free energies, a fit of the entropies is its derivative with respect to the temperature:
    expansion and heat capacity are no differences of neighbouring temperatures.

    Parameters
    ----------
    volumes, energies
        (m,) in Å³ and eV for each atom, at least five; energies without vibration.
    thermal
        Of vibration at each volume, all at the same temperatures.
    phonons, formula, notes
        What the result shall say beside.

    Raises
    ------
    PhononError
        If there is no minimum between the volumes at the first temperature.
    """
    sizes, static = np.asarray(volumes, dtype=np.float64), np.asarray(energies, dtype=np.float64)
    vibration = np.array([one.free_energy for one in thermal]).T
    entropies = np.array([one.entropy for one in thermal]).T
    capacities = np.array([one.heat_capacity for one in thermal]).T
    said = list(notes)
    rows: list[dict[str, float]] = []
    for at, temperature in enumerate(thermal[0].temperatures):
        try:
            fit = fit_birch_murnaghan(sizes, static + vibration[at] / MILLIELECTRONVOLTS)
        except ForceFieldError as error:
            message = _not_bracketed(float(temperature), sizes, static, vibration[at])
            if not rows:
                raise PhononError(f"{formula or 'the crystal'}: {message}") from error
            said.append(f"{message}; the result ends below it")
            break
        rows.append(_row(fit, float(temperature), sizes, entropies[at], capacities[at]))
    for note in said:
        warnings.warn(f"{formula}: {note}" if formula else note, CrystalWarning, stacklevel=3)
    return QuasiHarmonic(
        temperatures=thermal[0].temperatures[: len(rows)],
        **{name: np.array([row[name] for row in rows]) for name in rows[0]},
        sampled_volumes=sizes,
        static_energies=static,
        free_energies=vibration[: len(rows)],
        phonons=tuple(phonons),
        formula=formula,
        warnings=tuple(said),
    )


def _row(
    fit: EquationOfState, temperature: float, volumes: Array, entropies: Array, capacities: Array
) -> dict[str, float]:
    """The numbers of one temperature, named as in :class:`QuasiHarmonic`."""
    place = fit.volume ** (-2.0 / 3.0)
    powers = volumes ** (-2.0 / 3.0)
    entropy = np.polynomial.Polynomial.fit(powers, entropies, 3)
    capacity = float(np.polynomial.Polynomial.fit(powers, capacities, 3)(place))
    # dS/dV in eV/(K Å³), the derivative of the pressure with respect to the temperature.
    slope = float(entropy.deriv()(place)) * -2.0 / 3.0 * fit.volume ** (-5.0 / 3.0)
    slope *= _ELECTRONVOLTS_OF_JOULES
    expansion = slope / (fit.bulk_modulus * GIGAPASCAL)
    extra = temperature * fit.volume * expansion * slope / _ELECTRONVOLTS_OF_JOULES
    ratio = slope * fit.volume / (capacity * _ELECTRONVOLTS_OF_JOULES) if capacity > 0.0 else np.nan
    return {
        "volumes": fit.volume,
        "expansion": expansion,
        "bulk_modulus": fit.bulk_modulus,
        "heat_capacity": capacity + extra,
        "gibbs_energy": fit.energy,
        "grueneisen": ratio,
        "residuals": MILLIELECTRONVOLTS * fit.residual,
    }


def _not_bracketed(temperature: float, volumes: Array, static: Array, vibration: Array) -> str:
    totals = static + vibration / MILLIELECTRONVOLTS
    lowest = volumes[int(totals.argmin())]
    wanted = "smaller" if lowest - volumes.min() < volumes.max() - lowest else "larger"
    return (
        f"at {temperature:g} K the free energy has no minimum between the volumes of "
        f"{volumes.min():.4g} and {volumes.max():.4g} Å³/atom; add {wanted} strains, or relax the "
        "cell first"
    )
