"""Functions of the vectors between near atoms, from which all local energies are made.

Equations 1, 2, 8, 11 and 12 of docs/theory/neural-force-field.md. A network is a function of these
tables, and forces are its derivatives by the tables times the known derivatives of the tables. So
training differentiates twice what depends on parameters, and the geometry not even once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from madelung.forcefields.neural.harmonic_polynomials import harmonics_with_gradients
from madelung.forcefields.neural.repulsion import NuclearRepulsion
from madelung.forcefields.neural.settings import NeuralSettings
from madelung.forcefields.neural.smooth import envelope
from madelung.forcefields.neural.surroundings import AtomBatch

__all__ = ["PairTables", "TableSlopes", "pair_tables"]

_SPREAD = 0.4
"""Width in Å of the charges where they come near each other."""


@dataclass(frozen=True, eq=False)
class PairTables:
    """Values for N atoms with K places for neighbours each.

    Parameters
    ----------
    radial
        (N, K, radial) functions of the distance that vanish beyond the cutoff.
    angular
        (N, K, harmonics) real spherical harmonics of the direction.
    repulsion
        (N, K) energies in eV of nuclei that overlap.
    blurring
        (N, K) what is missing to 1/r between charges of finite width, in 1/Å.
    damping
        (N, K) what is missing to r^-6 in damped dispersion, in 1/Å^6.
    """

    radial: Tensor
    angular: Tensor
    repulsion: Tensor
    blurring: Tensor
    damping: Tensor

    def parts(self) -> tuple[Tensor, ...]:
        """Return the tables, in the order of the parameters."""
        return self.radial, self.angular, self.repulsion, self.blurring, self.damping


@dataclass(frozen=True, eq=False)
class TableSlopes:
    """Derivatives of tables.

    Parameters
    ----------
    by_distance
        Derivative of each table with respect to the distance; what stands for the angular table,
        which does not depend on the distance, is not used.
    by_vector
        Derivatives of the angular table with respect to the three components of the vectors.
    directions
        (N, K, 3) unit vectors.
    """

    by_distance: PairTables
    by_vector: tuple[Tensor, Tensor, Tensor]
    directions: Tensor

    def pulls(self, cotangents: PairTables) -> Tensor:
        """Return the (N, K, 3) derivatives of an energy with respect to the vectors.

        Parameters
        ----------
        cotangents
            Its derivatives with respect to the tables.
        """
        slopes = self.by_distance
        along = (cotangents.radial * slopes.radial).sum(-1)
        along = along + cotangents.repulsion * slopes.repulsion
        along = along + cotangents.blurring * slopes.blurring
        along = along + cotangents.damping * slopes.damping
        turning = [(cotangents.angular * slope).sum(-1) for slope in self.by_vector]
        return along[..., None] * self.directions + torch.stack(turning, dim=-1)


def pair_tables(
    batch: AtomBatch, settings: NeuralSettings, repulsion: NuclearRepulsion
) -> tuple[PairTables, TableSlopes]:
    """Return the tables of a batch, and their derivatives.

    Parameters
    ----------
    batch
        The structures.
    settings
        Reach, and numbers of functions.
    repulsion
        Energy of nuclei.
    """
    distances = batch.vectors.square().sum(-1).sqrt()
    directions = batch.vectors / distances[..., None]
    # Places without a neighbour lie beyond the cutoff, where all functions vanish.
    near = envelope(distances / settings.cutoff)
    radial = _radial(distances, near, settings)
    energies = repulsion(distances, batch)
    nothing = (torch.zeros_like(distances),) * 2
    blurring = _blurring(distances) if settings.long_range else nothing
    damping = _damping(distances, near, settings.cutoff) if settings.long_range else nothing
    angular, by_vector = harmonics_with_gradients(directions, distances, settings.degree)
    values, slopes = (
        PairTables(*parts)
        for parts in zip(radial, (angular, angular), energies, blurring, damping, strict=True)
    )
    return values, TableSlopes(slopes, by_vector, directions)


def _radial(
    distances: Tensor, near: tuple[Tensor, Tensor], settings: NeuralSettings
) -> tuple[Tensor, Tensor]:
    """Spherical Bessel functions of order zero that end smoothly.

    J. Gasteiger, J. Gross, S. Günnemann, ICLR 2020, equation 7, times the envelope.
    """
    cutoff = settings.cutoff
    value, slope = near
    scale = math.sqrt(2.0 / cutoff)
    amplitude = scale * value / distances
    amplitude_slope = scale * slope / (cutoff * distances) - amplitude / distances
    waves = torch.arange(1, settings.radial + 1, dtype=distances.dtype) * (math.pi / cutoff)
    phases = distances[..., None] * waves
    sines, cosines = phases.sin(), phases.cos()
    amplitude, amplitude_slope = amplitude[..., None], amplitude_slope[..., None]
    return sines * amplitude, waves * cosines * amplitude + sines * amplitude_slope


def _blurring(distances: Tensor) -> tuple[Tensor, Tensor]:
    part = distances / _SPREAD
    value = torch.erfc(part) / distances
    bell = 2.0 / (math.sqrt(math.pi) * _SPREAD) * torch.exp(-part.square())
    return value, -(bell + value) / distances


def _damping(
    distances: Tensor, near: tuple[Tensor, Tensor], cutoff: float
) -> tuple[Tensor, Tensor]:
    value, slope = near
    sixth = distances**-6
    return value * sixth, (slope / cutoff - 6.0 * value / distances) * sixth
