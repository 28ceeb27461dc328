"""Phonons of a crystal with intervals, from one harmonic crystal or from an ensemble of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madelung.common.errors import PhononError
from madelung.crystals.crystal import Crystal
from madelung.phonons.bands import BandPath, Bands, DensityOfStates, bands, density_of_states
from madelung.phonons.calculator import HarmonicCalculator
from madelung.phonons.calibration import Calibration
from madelung.phonons.force_constants import phonopy_of
from madelung.phonons.harmonic_crystal import HarmonicCrystal, signed_roots
from madelung.phonons.mesh import DEFAULT_LENGTH, mesh_points
from madelung.phonons.spread import edge_spread, mode_spreads, thermal_spreads
from madelung.phonons.thermodynamics import Thermodynamics, thermodynamics
from madelung.phonons.wave_vectors import (
    commensurate_steps,
    irreducible_points,
    space_group_operations,
)

__all__ = ["STABLE", "Estimate", "PhononSummary", "Phonons", "Spectrum", "ThermalEstimates"]

STABLE = -0.05
"""A crystal counts as stable if no commensurate frequency lies below this, in THz."""
# Waves of this length (Å) are looked at where no supercell is named, and by the spread.
_SUPERCELL_LENGTH = 12.0
_ROOM_TEMPERATURE = 300.0
_ACOUSTIC = 3
# A 90 % interval of a normal distribution reaches this many standard deviations.
_REACH_90 = 1.6449


@dataclass(frozen=True)
class Estimate:
    """A number and the half-width of its 90 % interval, None where nothing is known of it."""

    value: float
    half_width: float | None = None


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Frequencies at some wave vectors.

    Parameters
    ----------
    wave_vectors
        (Q, 3) in reciprocal lattice vectors of the primitive cell.
    frequencies
        (Q, 3n) in THz, ascending; those of unstable modes are negative.
    half_widths
        (Q, 3n) of 90 % intervals in THz, or None.
    """

    wave_vectors: NDArray[np.float64]
    frequencies: NDArray[np.float64]
    half_widths: NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class ThermalEstimates:
    """Thermodynamics at some temperatures, with half-widths of 90 % intervals or None.

    Parameters
    ----------
    values
        Of the mean force constants.
    half_widths
        Of ``free_energy``, ``entropy`` and ``heat_capacity``, (T,) each.
    """

    values: Thermodynamics
    half_widths: dict[str, NDArray[np.float64]] | None


@dataclass(frozen=True)
class PhononSummary:
    """What is said about a crystal in one line.

    Parameters
    ----------
    stable
        Whether no frequency at the wave vectors of the supercell lies below -0.05 THz, or what the
        calibration says instead.
    unstable_probability
        That one does, or None.
    minimum, maximum
        Lowest frequency at the wave vectors of the supercell, acoustic modes at Γ left out, and
        highest one on the mesh, in THz.
    free_energy, entropy, heat_capacity
        At 300 K, in meV/atom and J/(K mol) for each mole of atoms.
    zero_point
        Energy at 0 K in meV/atom.
    left_out
        Part of the modes of the mesh that thermodynamics leaves out.
    """

    stable: bool
    unstable_probability: float | None
    minimum: Estimate
    maximum: Estimate
    free_energy: Estimate
    entropy: Estimate
    heat_capacity: Estimate
    zero_point: float
    left_out: float


@dataclass(frozen=True, eq=False)
class Phonons:
    """Harmonic phonons of a crystal.

    Parameters
    ----------
    harmonic
        The primitive cell with its force constants; of an ensemble, their mean.
    members
        Those of each network of an ensemble; empty where there is none.
    calibration
        Turns their spread into intervals; without it there are none.
    warnings
        Reasons for distrust.
    """

    harmonic: HarmonicCrystal
    members: tuple[HarmonicCrystal, ...] = ()
    calibration: Calibration | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def of_members(
        cls,
        members: Sequence[HarmonicCrystal],
        calibration: Calibration | None,
        warnings: Sequence[str] = (),
        shares: Sequence[float] = (),
    ) -> Phonons:
        """Average the force constants of networks that stand on the same pairs.

        Parameters
        ----------
        members
            What each network makes of the crystal.
        calibration
            What turns their spread into intervals.
        warnings
            Reasons for distrust.
        shares
            Part of each member in the average; equal ones if empty. Spreads count all alike.
        """
        first, parts = members[0], np.asarray(shares or np.ones(len(members)))
        charges = [(one.born, one.dielectric) for one in members]
        mean = replace(
            first,
            matrices=np.average([one.matrices for one in members], axis=0, weights=parts),
            born=_mean([born for born, _ in charges], parts),
            dielectric=_mean([dielectric for _, dielectric in charges], parts),
            screened_charges=_mean([one.screened_charges for one in members], parts),
        )
        return cls(mean, tuple(members), calibration, tuple(warnings))

    @property
    def crystal(self) -> Crystal:
        """The primitive cell."""
        return self.harmonic.crystal

    @property
    def _stable_above(self) -> float:
        return STABLE if self.calibration is None else self.calibration.stable_above

    # Frequencies.

    def frequencies(self, wave_vectors: ArrayLike) -> Spectrum:
        """Return the frequencies at (Q, 3) wave vectors, with intervals."""
        points = np.atleast_2d(np.asarray(wave_vectors, dtype=np.float64))
        if self.calibration is None or len(self.members) < 2:
            return Spectrum(points, self.harmonic.frequencies(points), None)
        mean, own = self._spread_frequencies(points)
        spreads = mode_spreads(own)
        return Spectrum(points, mean, self.calibration.half_width("frequency", spreads))

    def _spread_frequencies(
        self, points: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(Q, 3n) frequencies of the mean, and (M, Q, 3n) of the members to first order."""
        # Dipoles of all members stand on the same sums.
        waves = self.harmonic.dipole_waves(points)
        squares, modes = np.linalg.eigh(self.harmonic.matrices_of_cells(points, waves))
        shifts = []
        for member in self.members:
            moved = member.matrices_of_cells(points, waves) @ modes
            shifts.append(np.einsum("qia,qia->qa", modes.conj(), moved).real)
        return signed_roots(squares), signed_roots(np.array(shifts))

    def supercell(self, multiples: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Return a supercell as it is given, or one of at least 12 Å in each direction."""
        if multiples is not None:
            return multiples
        lengths = 1.0 / np.linalg.norm(np.linalg.inv(self.crystal.cell), axis=0)
        return np.diag(np.ceil(_SUPERCELL_LENGTH / lengths - 1e-6).astype(np.int64))

    def supercell_points(
        self, multiples: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the wave vectors that fit into a supercell, one of each star, and weights.

        Parameters
        ----------
        multiples
            (3, 3) its lattice vectors, as rows, in those of the primitive cell; by default of a
            supercell that is at least 12 Å long in each direction.
        """
        multiples = self.supercell(multiples)
        steps, cells = commensurate_steps(multiples)
        rotations = [rotation for rotation, _ in space_group_operations(self.crystal)]
        kept, counts = irreducible_points(steps, cells, rotations)
        return steps[kept] / cells, counts / cells

    # The forms that others want.

    def bands(
        self,
        path: BandPath | None = None,
        *,
        dipoles: bool = False,
        multiples: NDArray[np.int64] | None = None,
    ) -> Bands:
        """Return the frequencies along a path; see :func:`madelung.phonons.bands.bands`."""
        return bands(self, path, dipoles=dipoles, multiples=multiples)

    def density_of_states(self, length: float = DEFAULT_LENGTH) -> DensityOfStates:
        """Count modes by frequency; see :func:`madelung.phonons.bands.density_of_states`."""
        return density_of_states(self, length)

    def to_phonopy(self, supercell: ArrayLike | None = None) -> Any:
        """Return a Phonopy object with the force constants of a supercell.

        Parameters
        ----------
        supercell
            (3,) or (3, 3) integers, of the primitive cell; at least 12 Å by default.
        """
        return phonopy_of(self.harmonic, self.supercell() if supercell is None else supercell)

    def calculator(self, supercell: ArrayLike | None = None) -> HarmonicCalculator:
        """Return a calculator of ASE for displaced supercells, whose atoms it holds.

        Parameters
        ----------
        supercell
            As for :meth:`to_phonopy`.
        """
        return HarmonicCalculator(self.to_phonopy(supercell))

    # What is said about a crystal.

    def summary(self, multiples: NDArray[np.int64] | None = None) -> PhononSummary:
        """Say whether the crystal is stable, and what its phonons are worth at 300 K.

        Parameters
        ----------
        multiples
            As for :meth:`supercell_points`.
        """
        points, _ = self.supercell_points(multiples)
        mean, own = self.with_members(points)
        lowest, highest = _lowest_optical(mean), float(self._mesh[2].max())
        minimum, maximum = Estimate(lowest), Estimate(highest)
        if self.calibration is not None and len(own) > 1:
            minimum, maximum = (
                self._estimate(name, value, edge_spread(mean, mode_spreads(own), edge))
                for name, value, edge in (
                    ("minimum", lowest, lowest), ("maximum", highest, float(mean.max())),
                )
            )  # fmt: skip
        thermal = self.thermodynamics([_ROOM_TEMPERATURE])
        values = thermal.values
        parts = {
            name: Estimate(
                float(getattr(values, name)[0]),
                None if thermal.half_widths is None else float(thermal.half_widths[name][0]),
            )
            for name in ("free_energy", "entropy", "heat_capacity")
        }
        return PhononSummary(
            stable=lowest > self._stable_above,
            unstable_probability=_probability_below(minimum, self._stable_above),
            minimum=minimum,
            maximum=maximum,
            zero_point=values.zero_point,
            left_out=values.left_out,
            **parts,
        )

    def thermodynamics(
        self, temperatures: ArrayLike, length: float = DEFAULT_LENGTH
    ) -> ThermalEstimates:
        """Return free energy, entropy and heat capacity at some temperatures.

        Parameters
        ----------
        temperatures
            In K.
        length
            What the mesh of wave vectors resolves, in Å.
        """
        if length == DEFAULT_LENGTH:
            _, weights, frequencies = self._mesh
        else:
            points, weights = mesh_points(self.crystal, length)
            frequencies = self.harmonic.frequencies(points)
        values = thermodynamics(frequencies, weights, temperatures)
        if self.calibration is None or len(self.members) < 2:
            return ThermalEstimates(values, None)
        points, weights = self.supercell_points()
        mean, own = self.with_members(points)
        spreads = thermal_spreads(mean, mode_spreads(own), weights, temperatures)
        half_widths = {
            name: self.calibration.half_width(name, own) for name, own in spreads.items()
        }
        return ThermalEstimates(values, half_widths)

    def spreads(self, multiples: NDArray[np.int64] | None = None) -> dict[str, float]:
        """Return the standard deviations that intervals are made of.

        Raises
        ------
        PhononError
            If there is one network alone.
        """
        if len(self.members) < 2:
            raise PhononError("one network alone says nothing about its errors")
        points, weights = self.supercell_points(multiples)
        mean, own = self.with_members(points)
        spreads = mode_spreads(own)
        found = {
            "frequency": float(spreads.mean(axis=1) @ weights),
            "maximum": edge_spread(mean, spreads, float(mean.max())),
            "minimum": edge_spread(mean, spreads, _lowest_optical(mean)),
        }
        thermal = thermal_spreads(mean, spreads, weights, [_ROOM_TEMPERATURE])
        return found | {name: float(values[0]) for name, values in thermal.items()}

    @cached_property
    def _mesh(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Points, weights and frequencies of the default mesh."""
        points, weights = mesh_points(self.crystal)
        return points, weights, self.harmonic.frequencies(points)

    def with_members(
        self, points: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (Q, 3n) frequencies of the mean, and (M, Q, 3n) of the members to first order."""
        if len(self.members) < 2:
            return self.harmonic.frequencies(points), np.zeros((0, *points.shape))
        return self._spread_frequencies(points)

    def _estimate(self, quantity: str, value: float, spread: float) -> Estimate:
        assert self.calibration is not None
        return Estimate(value, float(self.calibration.half_width(quantity, np.array(spread))))


def _mean(
    values: Sequence[NDArray[np.float64] | None], parts: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    known = [value for value in values if value is not None]
    return np.average(known, axis=0, weights=parts) if len(known) == len(values) else None


def _lowest_optical(frequencies: NDArray[np.float64]) -> float:
    """The lowest of (Q, 3n) frequencies but the acoustic ones at Γ, the first wave vector."""
    at_gamma = np.sort(np.abs(frequencies[0]))[:_ACOUSTIC]
    first = frequencies[0][np.abs(frequencies[0]) > at_gamma[-1]]
    others = frequencies[1:].ravel()
    return float(min(np.concatenate([first, others, [np.inf]])))


def _probability_below(minimum: Estimate, threshold: float) -> float | None:
    if minimum.half_width is None or not math.isfinite(minimum.value):
        return None
    deviation = max(minimum.half_width / _REACH_90, 1e-9)
    return 0.5 * math.erfc((minimum.value - threshold) / (deviation * math.sqrt(2.0)))
