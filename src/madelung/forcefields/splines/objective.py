"""How far a spline MEAM is from reference data, with derivatives.

Section "The loss" of docs/theory/spline-potentials.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError
from madelung.common.native import spline_core
from madelung.forcefields.reference.configurations import Configuration
from madelung.forcefields.splines.core import NeighbourArrays, neighbour_arrays
from madelung.forcefields.splines.meam import SplineMEAM
from madelung.forcefields.splines.parameters import Parameters

__all__ = ["Errors", "Normal", "Objective", "Reference", "reference_of"]


@dataclass(frozen=True)
class Errors:
    """Root-mean-square errors; energies after the free shifts per atom.

    Parameters
    ----------
    energy
        In eV/atom; NaN where none is known.
    force
        Of components, in eV/Å; NaN where none is known.
    stress
        Of components, in eV/Å³; None where no stress is known or fitted.
    """

    energy: float
    force: float
    stress: float | None = None


@dataclass(frozen=True, eq=False)
class Reference:
    """Structures with energies and forces, one behind the other.

    Parameters
    ----------
    system
        Atoms and their neighbours.
    sizes
        (m,) atoms of each structure.
    energies
        (m,) in eV/atom; zero where not known.
    forces
        (n, 3) in eV/Å; zero where not known.
    compositions
        (m, T) how large a part of the atoms each element is.
    stressed
        (k,) structures whose stress is known.
    stresses
        (k, 3, 3) in eV/Å³.
    volumes
        (k,) in Å³.
    energy_weights, force_weights, stress_weights
        (m,), (n,) and (k,): what errors count; zero where nothing is known.
    """

    system: NeighbourArrays
    sizes: NDArray[np.int64]
    energies: NDArray[np.float64]
    forces: NDArray[np.float64]
    compositions: NDArray[np.float64]
    stressed: NDArray[np.int64]
    stresses: NDArray[np.float64]
    volumes: NDArray[np.float64]
    energy_weights: NDArray[np.float64]
    force_weights: NDArray[np.float64]
    stress_weights: NDArray[np.float64]

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """(m,) first atom of each structure."""
        return np.concatenate([[0], np.cumsum(self.sizes)[:-1]])

    @cached_property
    def shifted(self) -> NDArray[np.float64]:
        """(m, k) orthonormal directions of energies that shifts per atom of an element reach."""
        weighed = self.energy_roots[:, None] * self.compositions
        left, values, _ = np.linalg.svd(weighed, full_matrices=False)
        return np.asarray(left[:, values > 1e-10 * values[0]])

    @cached_property
    def energy_roots(self) -> NDArray[np.float64]:
        """(m,) roots of the weights of energies."""
        return np.sqrt(self.energy_weights)

    @cached_property
    def force_roots(self) -> NDArray[np.float64]:
        """(n, 1) roots of the weights of forces."""
        return np.sqrt(self.force_weights)[:, None]

    @cached_property
    def stress_roots(self) -> NDArray[np.float64]:
        """(9 k,) roots of the weights of the components of stresses."""
        return np.repeat(np.sqrt(self.stress_weights), 9)

    def without_shift(self, energies: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return energies, (m,) or (m, …), weighed, less what shifts can account for."""
        weighed = self.energy_roots.reshape(-1, *[1] * (energies.ndim - 1)) * energies
        return weighed - self.shifted @ (self.shifted.T @ weighed)

    def shifts(self, energies: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the shifts per atom of each element, (T,), that bring energies nearest."""
        difference = self.energy_roots * (self.energies - energies)
        weighed = self.energy_roots[:, None] * self.compositions
        return np.asarray(np.linalg.lstsq(weighed, difference, rcond=None)[0])


def reference_of(
    configurations: Sequence[Configuration], numbers: Sequence[int], cutoff: float
) -> Reference:
    """Collect the data of configurations.

    Raises
    ------
    ForceFieldError
        If one has an element that the potential shall not know.
    """
    for one in configurations:
        if not set(one.crystal.species) <= set(numbers):
            raise ForceFieldError(f"{one.id}: has elements that the potential does not")
    crystals = [one.crystal for one in configurations]
    sizes = np.array([len(crystal) for crystal in crystals])
    energies = np.array([one.energy or 0.0 for one in configurations], dtype=np.float64)
    forces = [
        np.zeros((size, 3)) if one.forces is None else np.asarray(one.forces)
        for one, size in zip(configurations, sizes, strict=True)
    ]
    by_energy = [0.0 if one.energy is None else one.weights[0] for one in configurations]
    by_forces = [0.0 if one.forces is None else one.weights[1] for one in configurations]
    counts = np.array([[(c.numbers == number).sum() for number in numbers] for c in crystals])
    stressed = [place for place, one in enumerate(configurations) if one.stress is not None]
    stresses = [configurations[place].stress for place in stressed]
    return Reference(
        system=neighbour_arrays(crystals, numbers, cutoff),
        sizes=sizes,
        energies=energies / sizes,
        forces=np.concatenate(forces),
        compositions=counts / sizes[:, None],
        stressed=np.array(stressed, dtype=np.int64),
        stresses=np.array(stresses, dtype=np.float64).reshape(-1, 3, 3),
        volumes=np.array([crystals[place].volume for place in stressed], dtype=np.float64),
        energy_weights=np.array(by_energy, dtype=np.float64),
        force_weights=np.repeat(np.array(by_forces, dtype=np.float64), sizes),
        stress_weights=np.array(
            [configurations[place].weights[2] for place in stressed], dtype=np.float64
        ),
    )


@dataclass(frozen=True, eq=False)
class Normal:
    """The loss at a point: its value, half its gradient, and the Gauss-Newton matrix."""

    loss: float
    gradient: NDArray[np.float64]
    matrix: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Objective:
    """The loss as a function of the free numbers: equation 8.

    Parameters
    ----------
    reference
        What to be near to.
    parameters
        Meaning of the free numbers.
    energy_scale, force_scale
        Errors in eV/atom and eV/Å that weigh alike.
    density_weight
        Weight of densities outside the knots of the embedding function.
    smoothness
        Weight of second differences of coefficients.
    stress_scale
        Error in eV/Å³ that weighs as those; None: stresses are not fitted.
    """

    reference: Reference
    parameters: Parameters
    energy_scale: float
    force_scale: float
    density_weight: float = 1.0
    smoothness: float = 1e-3
    stress_scale: float | None = None

    @cached_property
    def _roughness(self) -> NDArray[np.float64]:
        """Matrix of the quadratic form that keeps functions smooth."""
        size = self.parameters.size
        matrix, start = np.zeros((size, size)), 0
        for shape in self.parameters.shapes:
            bent = np.diff(shape.coefficients, n=2, axis=0)
            part = slice(start, start + shape.size)
            matrix[part, part] = bent.T @ bent + 1e-4 * np.eye(shape.size)
            start += shape.size
        return self.smoothness**2 * matrix

    def evaluate(self, potential: SplineMEAM) -> tuple[Any, ...]:
        """Return energies of atoms, densities, forces and virials of all structures."""
        arguments = self.reference.system.arguments
        return tuple(spline_core().evaluate(potential.model, *arguments))

    def loss(self, free: NDArray[np.float64]) -> float:
        """Return the loss."""
        return self._loss(free, self._residuals(*self.evaluate(self.parameters.potential(free))))

    def _loss(self, free: NDArray[np.float64], residuals: Sequence[NDArray[np.float64]]) -> float:
        data = sum(float((part**2).sum()) for part in residuals)
        return data + float(free @ self._roughness @ free)

    @cached_property
    def _weights(self) -> tuple[float, float, float, float]:
        """Factors of errors of energies, forces, densities and stresses."""
        reference = self.reference
        energies, atoms = reference.energy_weights.sum(), reference.force_weights.sum()
        stressed = 0.0 if self.stress_scale is None else reference.stress_weights.sum()
        return (
            1 / (self.energy_scale * np.sqrt(energies)) if energies else 0.0,
            1 / (self.force_scale * np.sqrt(3 * atoms)) if atoms else 0.0,
            self.density_weight * np.sqrt(1 / len(reference.forces)),
            1 / ((self.stress_scale or 1.0) * np.sqrt(9 * stressed)) if stressed else 0.0,
        )

    def _stresses(self, virials: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weighed stresses, or derivatives of them, where they are known: (9 k, …)."""
        chosen = virials[self.reference.stressed]
        volumes = self.reference.volumes.reshape(-1, *[1] * (chosen.ndim - 1))
        stresses = (chosen / volumes).reshape(-1, *chosen.shape[3:])
        roots = self.reference.stress_roots.reshape(-1, *[1] * (stresses.ndim - 1))
        return np.asarray(roots * stresses)

    def _stress_errors(self, virials: NDArray[np.float64]) -> NDArray[np.float64]:
        reference = self.reference
        return self._stresses(virials) - reference.stress_roots * reference.stresses.ravel()

    def _residuals(
        self,
        energies: NDArray[np.float64],
        densities: NDArray[np.float64],
        forces: NDArray[np.float64],
        virials: NDArray[np.float64],
    ) -> list[NDArray[np.float64]]:
        reference = self.reference
        by_energy, by_force, by_density, by_stress = self._weights
        per_atom = np.add.reduceat(energies, reference.starts) / reference.sizes
        residuals = [
            by_energy * reference.without_shift(per_atom - reference.energies),
            by_force * (reference.force_roots * (forces - reference.forces)).ravel(),
            by_density * self._outside(densities)[0],
        ]
        if by_stress:
            residuals.append(by_stress * self._stress_errors(virials))
        return residuals

    def _outside(
        self, densities: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """How far densities are outside the knots, in units of their range; and derivatives."""
        shapes = [self.parameters.shapes[place] for place in self.parameters.places(2)]
        first, last = (np.array([getattr(one, end) for one in shapes]) for end in ("first", "last"))
        first, last = first[self.reference.system.types], last[self.reference.system.types]
        above, below = np.maximum(densities - last, 0), np.maximum(first - densities, 0)
        scale = 20 / (last - first)
        return (above + below) * scale, (np.sign(above) - np.sign(below)) * scale

    def normal(self, free: NDArray[np.float64]) -> Normal:
        """Return the loss with its gradient and Gauss-Newton matrix."""
        reference, potential = self.reference, self.parameters.potential(free)
        by_energy, by_force, by_density, by_stress = self._weights
        found = spline_core().differentiate(
            potential.model, *reference.system.arguments, bool(by_stress)
        )
        residuals = self._residuals(*found[:4])
        by_energies, by_densities, by_forces, by_virials = found[4:]
        energy_rows = np.add.reduceat(by_energies, reference.starts) / reference.sizes[:, None]
        force_rows = reference.force_roots[:, :, None] * by_forces.reshape(
            len(reference.forces), 3, -1
        )
        slopes = self._outside(found[1])[1]
        outside = np.flatnonzero(slopes)
        rows = [
            (by_energy, reference.without_shift(energy_rows), residuals[0]),
            (by_force, force_rows.reshape(-1, by_forces.shape[-1]), residuals[1]),
            (by_density, slopes[outside, None] * by_densities[outside], residuals[2][outside]),
        ]
        if by_stress:
            rows.append((by_stress, self._stresses(by_virials), residuals[3]))
        matrix = sum(weight**2 * (part.T @ part) for weight, part, _ in rows)
        gradient = sum(weight * (part.T @ residual) for weight, part, residual in rows)
        to_coefficients, rough = self.parameters.coefficients, self._roughness
        return Normal(
            self._loss(free, residuals),
            to_coefficients.T @ gradient + rough @ free,
            to_coefficients.T @ matrix @ to_coefficients + rough,
        )

    def errors(self, potential: SplineMEAM) -> Errors:
        """Return the errors of a potential."""
        energies, _, forces, virials = self.evaluate(potential)
        reference = self.reference
        per_atom = np.add.reduceat(energies, reference.starts) / reference.sizes
        rest = reference.without_shift(per_atom - reference.energies)
        errors = reference.force_roots * (forces - reference.forces)
        return Errors(
            _root_mean_square(rest, reference.energy_weights),
            _root_mean_square(errors, np.repeat(reference.force_weights, 3)),
            self._stress_error(virials),
        )

    def _stress_error(self, virials: NDArray[np.float64]) -> float | None:
        weights = self.reference.stress_weights
        if self.stress_scale is None or not weights.any():
            return None
        return _root_mean_square(self._stress_errors(virials), np.repeat(weights, 9))

    def density_ranges(self, free: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the least and the largest density of each type, (T, 2)."""
        densities = self.evaluate(self.parameters.potential(free))[1]
        types = self.reference.system.types
        every = [densities[types == one] for one in range(len(self.parameters.numbers))]
        return np.array([[one.min(), one.max()] if len(one) else [0.0, 1.0] for one in every])


def _root_mean_square(weighed: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Root of the weighed mean square of errors, which carry the roots of their weights."""
    total = float(weights.sum())
    return float(np.sqrt((weighed**2).sum() / total)) if total else float("nan")
