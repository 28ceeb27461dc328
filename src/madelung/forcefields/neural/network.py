"""The local part of a neural force field: features of atoms from those of their neighbours.

Equations 3 to 7 of docs/theory/neural-force-field.md. As in SumNet, messages are linear in sums
over the neighbours of radial functions times spherical harmonics times what the neighbours send,
and all that is not linear happens at the atoms.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from madelung.forcefields.neural.harmonic_polynomials import degree_slice
from madelung.forcefields.neural.pair_tables import PairTables
from madelung.forcefields.neural.settings import NeuralSettings
from madelung.forcefields.neural.surroundings import AtomBatch

__all__ = ["LocalNetwork"]

# Degree of the harmonics in layers after the first, where each is multiplied by what is sent.
_LATER_DEGREE = 2
# Invariants of the third order: v·M·w, |M·v|² and tr(M M N) of vectors v, w and matrices M, N.
_CUBIC_INVARIANTS = 3


class LocalNetwork(nn.Module):
    """Features of atoms that do not depend on the choice of axes.

    Parameters
    ----------
    settings
        Elements, reach and size.
    """

    typical_neighbours: Tensor

    def __init__(self, settings: NeuralSettings) -> None:
        super().__init__()
        self.settings = settings
        kinds = len(settings.elements)
        self.element = nn.Embedding(kinds, settings.features)
        self.layers = nn.ModuleList(
            NeighbourLayer(settings, first=index == 0) for index in range(settings.layers)
        )
        # Sums over neighbours are divided by it, so that features are of the order of one.
        self.register_buffer("typical_neighbours", torch.ones(()))

    def forward(self, batch: AtomBatch, tables: PairTables) -> list[Tensor]:
        """Return the (N, features) features of atoms after each layer.

        Parameters
        ----------
        batch
            Who neighbours whom.
        tables
            Functions of the vectors between them.
        """
        rows = tables.radial.transpose(1, 2) / self.typical_neighbours
        atoms = self.element(batch.kinds)
        features = []
        for layer in self.layers:
            atoms = atoms + layer(atoms, batch, rows, tables.angular)
            features.append(atoms)
        return features


class NeighbourLayer(nn.Module):
    """One step of message passing.

    Parameters
    ----------
    settings
        Elements, reach and size.
    first
        Whether what an atom sends is known from its element alone.
    """

    matrices: Tensor

    def __init__(self, settings: NeuralSettings, *, first: bool) -> None:
        super().__init__()
        width, channels, cubic = settings.features, settings.channels, settings.cubic_channels
        kinds = len(settings.elements)
        # An element alone has nothing to tell apart: it sends one number.
        self.sent = min(kinds, settings.senders) if first else settings.senders
        self.degree = settings.degree if first else _LATER_DEGREE
        self.cubic = cubic
        self.sender = nn.Linear(width, self.sent)
        inputs = settings.radial * self.sent
        self.scalars = nn.Linear(inputs, channels)
        self.tensors = nn.ModuleList(
            nn.Linear(inputs, 2 * channels, bias=False) for _ in range(self.degree)
        )
        self.vectors = nn.Linear(inputs, 2 * cubic, bias=False)
        self.squares = nn.Linear(inputs, 2 * cubic, bias=False)
        invariants = (1 + self.degree) * channels + _CUBIC_INVARIANTS * cubic
        self.hidden = nn.Linear(invariants + width, width)
        self.update = nn.Linear(width, width)
        self.register_buffer("matrices", degree_two_matrices(), persistent=False)

    def forward(self, atoms: Tensor, batch: AtomBatch, rows: Tensor, angular: Tensor) -> Tensor:
        """Return the (N, features) change of the features.

        Parameters
        ----------
        atoms
            (N, features)
        batch
            Who neighbours whom.
        rows
            (N, radial, K) radial functions.
        angular
            (N, K, harmonics)
        """
        sums = self._sums(self.sender(atoms), batch, rows, angular)
        invariants = [self.scalars(sums[:, 0])]
        for degree, mix in enumerate(self.tensors, 1):
            left, right = mix(sums[:, degree_slice(degree)]).chunk(2, dim=-1)
            invariants.append((left * right).sum(1))
        invariants += self._cubic_invariants(sums)
        hidden = functional.silu(self.hidden(torch.cat([*invariants, atoms], dim=-1)))
        return hidden + functional.silu(self.update(hidden))

    def _sums(self, sent: Tensor, batch: AtomBatch, rows: Tensor, angular: Tensor) -> Tensor:
        """(N, harmonics, radial * sent) sums over neighbours, equation 3."""
        count, width = batch.senders.shape
        functions = angular[..., : (self.degree + 1) ** 2]
        if self.sent == 1:
            weighted = functions * sent[batch.senders]
        else:
            received = sent[batch.senders][:, :, None, :]
            weighted = (functions[..., None] * received).view(count, width, -1)
        sums = torch.bmm(rows, weighted)
        sums = sums.view(count, sums.shape[1], functions.shape[-1], self.sent)
        return sums.transpose(1, 2).reshape(count, functions.shape[-1], -1)

    def _cubic_invariants(self, sums: Tensor) -> list[Tensor]:
        """Three of (N, cubic), equation 6."""
        count = sums.shape[0]
        mixed = self.vectors(sums[:, degree_slice(1)]).view(count, 3, 2, self.cubic)
        first, second = mixed.permute(2, 0, 3, 1).unbind(0)
        squares = self.squares(sums[:, degree_slice(2)]).view(count, 5, -1).transpose(1, 2)
        matrices = squares @ self.matrices.to(squares.dtype).view(5, 9)
        left, right = matrices.view(count, 2, self.cubic, 3, 3).unbind(1)
        turned = (left @ first[..., None])[..., 0]
        return [
            (turned * second).sum(-1),
            turned.square().sum(-1),
            ((left @ left) * right).sum((-1, -2)),
        ]


def degree_two_matrices() -> Tensor:
    """(5, 3, 3) symmetric traceless matrices, one for each harmonic of degree two.

    A combination of them turns with the axes as the combination of harmonics does.
    """
    matrices = torch.zeros(5, 3, 3, dtype=torch.float64)
    for index, (row, column) in zip((0, 1, 3), ((0, 1), (1, 2), (0, 2)), strict=True):
        matrices[index, row, column] = matrices[index, column, row] = 1.0 / math.sqrt(2.0)
    matrices[2] = torch.diag(torch.tensor([-1.0, -1.0, 2.0], dtype=torch.float64)) / math.sqrt(6.0)
    matrices[4] = torch.diag(torch.tensor([1.0, -1.0, 0.0], dtype=torch.float64)) / math.sqrt(2.0)
    return matrices
