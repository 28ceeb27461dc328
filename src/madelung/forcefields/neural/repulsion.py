"""Repulsion of nuclei at any overlap: equation 8 of docs/theory/neural-force-field.md."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from madelung.common.units import COULOMB_CONSTANT
from madelung.forcefields.neural.settings import NeuralSettings
from madelung.forcefields.neural.smooth import envelope
from madelung.forcefields.neural.surroundings import AtomBatch

__all__ = ["NuclearRepulsion"]

# J. F. Ziegler, J. P. Biersack, U. Littmark, The Stopping and Range of Ions in Solids (1985).
_WEIGHTS = (0.18175, 0.50986, 0.28022, 0.02817)
_RATES = (3.19980, 0.94229, 0.40290, 0.20162)
_LENGTH, _POWER = 0.46850, 0.23


class NuclearRepulsion(nn.Module):
    """Universal screened repulsion, which ends smoothly where atoms begin to bond.

    Parameters
    ----------
    settings
        The elements. A pair is repelled within the sum of its covalent radii.
    """

    charges: Tensor
    radii: Tensor

    def __init__(self, settings: NeuralSettings) -> None:
        from ase.data import covalent_radii

        super().__init__()
        species = torch.tensor(settings.species)
        radii = torch.tensor(covalent_radii[list(settings.species)], dtype=torch.float64)
        self.register_buffer("charges", species.double(), persistent=False)
        self.register_buffer("radii", radii, persistent=False)

    def forward(self, distances: Tensor, batch: AtomBatch) -> tuple[Tensor, Tensor]:
        """Return the energies of pairs in eV, and their derivatives by the distances.

        Parameters
        ----------
        distances
            (N, K) in Å; places without a neighbour lie beyond any reach.
        batch
            The atoms, whose distances these are.
        """
        kind = distances.dtype
        charges, radii = self.charges.to(kind)[batch.kinds], self.radii.to(kind)[batch.kinds]
        reach = radii[:, None] + radii[batch.senders]
        powers = charges**_POWER
        contraction = (powers[:, None] + powers[batch.senders]) / _LENGTH
        waning = [torch.exp(-rate * contraction * distances) for rate in _RATES]
        screening = sum(weight * part for weight, part in zip(_WEIGHTS, waning, strict=True))
        falling = sum(
            weight * rate * part
            for weight, rate, part in zip(_WEIGHTS, _RATES, waning, strict=True)
        )
        end, end_slope = envelope(distances / reach)
        products = COULOMB_CONSTANT * charges[:, None] * charges[batch.senders] / distances
        energies = products * screening * end
        slopes = products * (screening * end_slope / reach - falling * contraction * end)
        return energies, slopes - energies / distances
