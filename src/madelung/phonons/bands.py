"""Bands along the lines of the Brillouin zone, and densities of states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import PhononError
from madelung.crystals.crystal import Crystal
from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.phonons.harmonic_crystal import HarmonicCrystal, signed_roots
from madelung.phonons.mesh import mesh_points
from madelung.phonons.polar import PolarCrystal

__all__ = [
    "BandPath",
    "Bands",
    "DensityOfStates",
    "band_path",
    "bands",
    "density_of_states",
]

_POINTS_OF_LINE = 60
_SMEARING = 0.1
_REACH = 6.0


class _Spectrum(Protocol):
    @property
    def frequencies(self) -> NDArray[np.float64]: ...
    @property
    def half_widths(self) -> NDArray[np.float64] | None: ...


class Vibrating(Protocol):
    """What bands are asked of: the phonons of a crystal."""

    @property
    def harmonic(self) -> HarmonicCrystal:
        """Its force constants."""

    @property
    def crystal(self) -> Crystal:
        """The primitive cell."""

    def frequencies(self, wave_vectors: NDArray[np.float64]) -> _Spectrum:
        """Return frequencies with intervals."""

    def supercell(self, multiples: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Return a supercell as it is given, or the default one."""


@dataclass(frozen=True, eq=False)
class BandPath:
    """Lines between points of high symmetry.

    Parameters
    ----------
    wave_vectors
        (Q, 3) in reciprocal lattice vectors of the primitive cell, line after line.
    distances
        (Q,) along the path, in 1/Å without the factor 2π; lines that do not meet begin where the
        last one ended.
    lines
        First and last label and first and last place of each line.
    """

    wave_vectors: NDArray[np.float64]
    distances: NDArray[np.float64]
    lines: tuple[tuple[str, str, int, int], ...]

    @property
    def ticks(self) -> tuple[list[float], list[str]]:
        """Places and labels of the ends of the lines; two labels where lines do not meet."""
        places: list[float] = []
        labels: list[str] = []
        for first, last, start, stop in self.lines:
            begin, end = float(self.distances[start]), float(self.distances[stop - 1])
            if places and abs(places[-1] - begin) < 1e-9:
                if labels[-1] != first:
                    labels[-1] = f"{labels[-1]}|{first}"
            else:
                places.append(begin)
                labels.append(first)
            places.append(end)
            labels.append(last)
        return places, labels


@dataclass(frozen=True, eq=False)
class Bands:
    """Frequencies along a path.

    Parameters
    ----------
    path
        The lines.
    frequencies
        (Q, 3n) in THz, ascending at each wave vector; those of unstable modes are negative.
    half_widths
        (Q, 3n) of 90 % intervals in THz, or None.
    has_dipoles
        Whether the non-analytical term of Born charges is in them.
    """

    path: BandPath
    frequencies: NDArray[np.float64]
    half_widths: NDArray[np.float64] | None
    has_dipoles: bool


@dataclass(frozen=True, eq=False)
class DensityOfStates:
    """Modes at each frequency.

    Parameters
    ----------
    frequencies
        (F,) in THz.
    total
        (F,) modes for each THz and primitive cell: the integral is 3n.
    by_element
        The parts of the elements, by their symbols.
    """

    frequencies: NDArray[np.float64]
    total: NDArray[np.float64]
    by_element: dict[str, NDArray[np.float64]]


def band_path(crystal: Crystal) -> BandPath:
    """Find the lines of high symmetry of a crystal.

    Y. Hinuma et al., Comput. Mater. Sci. 128, 140 (2017), through seekpath. Points are those of the
    given cell, however it is set.

    Raises
    ------
    PhononError
        If seekpath is not installed or finds no path.
    """
    try:
        import seekpath
    except ImportError:
        raise PhononError(
            "bands need seekpath, which is not installed: pip install 'madelung[phonons]'"
        ) from None
    cell: Any = (crystal.cell, crystal.scaled_positions, crystal.numbers)
    try:
        found = seekpath.get_path_orig_cell(cell)
    except (ValueError, RuntimeError, seekpath.hpkot.SymmetryDetectionError) as error:
        raise PhononError(
            f"{crystal.source or crystal.formula}: seekpath finds no path ({error})"
        ) from error
    reciprocal = np.linalg.inv(crystal.cell).T
    points, distances, lines, travelled, place = [], [], [], 0.0, 0
    for first, last in found["path"]:
        begin, end = (np.asarray(found["point_coords"][name]) for name in (first, last))
        share = np.linspace(0.0, 1.0, _POINTS_OF_LINE)
        length = float(np.linalg.norm((end - begin) @ reciprocal))
        points.append(begin + share[:, None] * (end - begin))
        distances.append(travelled + share * length)
        lines.append((_label(first), _label(last), place, place + _POINTS_OF_LINE))
        travelled, place = travelled + length, place + _POINTS_OF_LINE
    return BandPath(np.concatenate(points), np.concatenate(distances), tuple(lines))


def _label(name: str) -> str:
    """Γ for GAMMA, and an index for X_1."""
    return {"GAMMA": "Γ", "SIGMA": "Σ", "DELTA": "Δ", "LAMBDA": "Λ"}.get(
        name.split("_")[0], name.split("_")[0]
    ) + ("" if "_" not in name else name.split("_")[1].translate(_SUBSCRIPTS))


_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def bands(
    phonons: Vibrating,
    path: BandPath | None = None,
    *,
    dipoles: bool = False,
    multiples: NDArray[np.int64] | None = None,
) -> Bands:
    """Return the frequencies along a path.

    Parameters
    ----------
    phonons
        Of a crystal.
    path
        Lines; those of seekpath by default.
    dipoles
        Whether to add the non-analytical term of the Born charges; each end of a line at Γ is then
        reached along that line.
    multiples
        (3, 3) supercell whose force constants hold the dipoles; see
        :meth:`Phonons.supercell`.

    Raises
    ------
    PhononError
        If there is no path, or there are no Born charges where dipoles are asked for.
    """
    path = path or band_path(phonons.crystal)
    spectrum = phonons.frequencies(path.wave_vectors)
    if not dipoles:
        return Bands(path, spectrum.frequencies, spectrum.half_widths, False)
    polar: PolarCrystal | HarmonicCrystal = phonons.harmonic
    if phonons.harmonic.screened_charges is None:
        polar = PolarCrystal(phonons.harmonic, phonons.supercell(multiples))
    found = polar.frequencies(path.wave_vectors)
    reciprocal = np.linalg.inv(phonons.crystal.cell).T
    for _, _, start, stop in path.lines:
        along = (path.wave_vectors[stop - 1] - path.wave_vectors[start]) @ reciprocal
        for place in (start, stop - 1):
            point = path.wave_vectors[place]
            if np.abs(point - np.rint(point)).max() < 1e-9:
                found[place] = polar.frequencies(point, along)[0]
    return Bands(path, found, spectrum.half_widths, True)


def density_of_states(
    phonons: Vibrating, length: float = 40.0, smearing: float = _SMEARING
) -> DensityOfStates:
    """Count the modes of a mesh of wave vectors at each frequency.

    Parameters
    ----------
    phonons
        Of a crystal.
    length
        What the mesh resolves, in Å.
    smearing
        Standard deviation of the Gaussians that modes are smeared with, in THz.
    """
    points, weights = mesh_points(phonons.crystal, length)
    squares, modes = np.linalg.eigh(phonons.harmonic.matrices_of_cells(points))
    found = signed_roots(squares)
    margin = _REACH * smearing
    grid = np.arange(found.min() - margin, found.max() + margin, smearing / 3.0)
    shares = (modes.real**2 + modes.imag**2).reshape(len(points), -1, 3, found.shape[1]).sum(2)
    numbers = np.asarray(phonons.crystal.numbers)
    gaussians = np.exp(-0.5 * ((grid[:, None, None] - found) / smearing) ** 2)
    gaussians *= weights[:, None] / (smearing * np.sqrt(2.0 * np.pi))
    parts = {
        ELEMENT_SYMBOLS[number]: np.einsum(
            "fqa,qa->f", gaussians, shares[:, numbers == number].sum(axis=1)
        )
        for number in phonons.crystal.species
    }
    return DensityOfStates(grid, gaussians.sum(axis=(1, 2)), parts)
