"""PotNet: a graph network over near neighbours and complete interatomic sums.

Y. Lin, K. Yan, Y. Luo, Y. Liu, X. Qian, S. Ji, "Efficient Approximations of Complete Interatomic
Potentials for Crystal Property Prediction", ICML 2023, arXiv:2306.10045. Written from the paper.

The first linear map of each edge network acts on the concatenation of both atoms and the edge. It
is applied to atoms and edges apart and the results are added, which is the same function: nothing
of the size of edges times three feature lengths is built. Atoms and edges that symmetry makes equal
are computed once, with weights.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from madelung.inputs.near_graph import CrystalGraph
from madelung.inputs.settings import GraphSettings
from madelung.models.edges import EdgeInput, EdgeSet
from madelung.models.element_features import FEATURES, element_features
from madelung.models.normalisation import WeightedBatchNorm
from madelung.models.settings import PotNetSettings

__all__ = ["PotNet"]

# How PotNet mixes Coulomb, London and Pauli sums into one number (paper, section 4).
_MIXTURE = (-0.801, -0.074, 0.145)
# The distance that local edges are described by is -0.75 / r, which resembles the potential.
_DISTANCE_FACTOR = -0.75
_RANGE = (-4.0, 4.0)
# A softplus shifted by this is zero at zero.
_SHIFT = math.log(2.0)


class PotNet(nn.Module):
    """PotNet with any number of outputs.

    Parameters
    ----------
    settings
        Size and options.
    outputs
        Number of targets.
    sums
        Number of complete sums for each pair: three are mixed as in the paper, and none leaves
        near neighbours alone.

    Notes
    -----
    Beside each target's value stands the logarithm of its expected absolute error, read from the
    same embedding without influencing it.
    """

    element_features: Tensor

    def __init__(self, settings: PotNetSettings, outputs: int, sums: int = 3) -> None:
        super().__init__()
        if sums not in (0, len(_MIXTURE)):
            raise ValueError(
                f"PotNet takes {len(_MIXTURE)} complete sums (Coulomb, London, Pauli) or none, "
                f"not {sums}"
            )
        self.settings = settings
        width = settings.features
        self.register_buffer("element_features", element_features(), persistent=False)
        self.element = nn.Linear(FEATURES, width)
        self.near = NearEdges(settings.gaussians, width)
        self.complete = CompleteEdges(settings.multiquadrics, width) if sums else None
        self.layers = nn.ModuleList(
            PotNetLayer(width, settings.attention and bool(sums)) for _ in range(settings.layers)
        )
        self.hidden = nn.Linear(width, width)
        self.value = nn.Linear(width, outputs)
        self.scale = nn.Linear(width, outputs)

    @classmethod
    def from_settings(cls, settings: PotNetSettings, inputs: GraphSettings, outputs: int) -> PotNet:
        """Make the network that starts from such inputs."""
        return cls(settings, outputs, len(inputs.potentials))

    def forward(self, graph: CrystalGraph) -> tuple[Tensor, Tensor, Tensor]:
        """Predict the targets of crystals.

        Parameters
        ----------
        graph
            B crystals.

        Returns
        -------
        values : (B, outputs)
            Standardised values of the targets.
        log_scales : (B, outputs)
            Logarithms of the expected absolute errors; they pass no gradient to the embedding.
        embedding : (B, features)
            What the values are read from.
        """
        atoms = self.element(self.element_features[graph.numbers])
        local, complete = self._edges(graph)
        for layer in self.layers:
            atoms = layer(atoms, graph.weights, local, complete)
        pooled = torch.zeros(len(graph), atoms.shape[1], device=atoms.device)
        pooled = pooled.index_add(0, graph.owner, atoms * graph.weights[:, None])
        pooled = pooled / graph.counts[:, None]
        embedding = functional.softplus(self.hidden(pooled)) - _SHIFT
        return self.value(embedding), self.scale(embedding.detach()), embedding

    def _edges(self, graph: CrystalGraph) -> tuple[EdgeSet, EdgeSet | None]:
        """Edges of the local layers, and those of the attention layers if there are any."""
        near = EdgeInput(
            receivers=graph.centre,
            senders=graph.neighbour,
            weights=graph.near_weights,
            statistical_weights=graph.near_weights * graph.weights[graph.centre],
            kinds=graph.near_kinds,
            inputs=graph.distance,
            embedding=self.near,
        )
        if self.complete is None:
            return EdgeSet([near], self.training), None
        pairs = EdgeInput(
            receivers=graph.first,
            senders=graph.second,
            weights=graph.pair_weights,
            statistical_weights=graph.pair_weights * graph.weights[graph.first],
            kinds=graph.pair_kinds,
            inputs=graph.sums,
            embedding=self.complete,
        )
        if self.settings.attention:
            return EdgeSet([near], self.training), EdgeSet([pairs], self.training)
        return EdgeSet([near, pairs], self.training), None


class NearEdges(nn.Module):
    """Embeds distances: -0.75/r, Gaussians, a linear map, SiLU."""

    centres: Tensor

    def __init__(self, gaussians: int, width: int) -> None:
        super().__init__()
        self.register_buffer("centres", torch.linspace(*_RANGE, gaussians), persistent=False)
        self.linear = nn.Linear(gaussians, width)
        self._rate = (gaussians - 1) / (_RANGE[1] - _RANGE[0])

    def forward(self, distance: Tensor, weights: Tensor) -> Tensor:
        """Turn (K,) distances in Å into (K, width) features; weights do not matter here."""
        offsets = (_DISTANCE_FACTOR / distance)[:, None] - self.centres
        return functional.silu(self.linear(torch.exp(-self._rate * offsets * offsets)))


class CompleteEdges(nn.Module):
    """Embeds complete sums: their mixture, multiquadrics, a linear map, softplus, normalisation."""

    centres: Tensor
    mixture: Tensor

    def __init__(self, multiquadrics: int, width: int) -> None:
        super().__init__()
        self.register_buffer("centres", torch.linspace(*_RANGE, multiquadrics), persistent=False)
        self.register_buffer("mixture", torch.tensor(_MIXTURE), persistent=False)
        self.linear = nn.Linear(multiquadrics, width)
        self.norm = WeightedBatchNorm(width)
        self._rate = (multiquadrics - 1) / (_RANGE[1] - _RANGE[0])

    def forward(self, sums: Tensor, weights: Tensor) -> Tensor:
        """Turn (K, 3) Coulomb, London and Pauli sums of (K,) weights into (K, width) features."""
        offsets = self._rate * ((sums @ self.mixture)[:, None] - self.centres)
        basis = torch.sqrt(1.0 + offsets * offsets)
        return self.norm(functional.softplus(self.linear(basis)), weights)


class PotNetLayer(nn.Module):
    """One step of message passing.

    x_i becomes ReLU(x_i + BN(sum over j of sigmoid(BN(g_ij)) m_ij)), where g and m are two networks
    of a hidden layer each over (x_i, x_j, e_ij).
    """

    def __init__(self, width: int, attention: bool) -> None:
        super().__init__()
        self.receiver = nn.Linear(width, 2 * width)
        self.sender = nn.Linear(width, 2 * width, bias=False)
        self.edge = nn.Linear(width, 2 * width, bias=False)
        self.gate = nn.Linear(width, width)
        self.message = nn.Linear(width, width)
        self.gate_norm = WeightedBatchNorm(width)
        self.norm = WeightedBatchNorm(width)
        self.attention = PairAttention(width) if attention else None

    def forward(
        self, atoms: Tensor, weights: Tensor, local: EdgeSet, complete: EdgeSet | None
    ) -> Tensor:
        """Return new (N, width) features of atoms of (N,) weights."""
        width = atoms.shape[1]
        receiving, sending = self.receiver(atoms), self.sender(atoms)
        total = torch.zeros_like(atoms, dtype=torch.float32)
        for block in local:
            joined = receiving.index_select(0, block.receivers)
            joined = joined + sending.index_select(0, block.senders)
            joined = joined + self.edge(block.features).index_select(0, block.kinds)
            hidden = functional.silu(joined)
            of_gate, of_message = hidden.split(width, dim=1)
            gate = self.gate_norm(self.gate(of_gate), block.statistical_weights)
            messages = torch.sigmoid(gate) * self.message(of_message)
            total = total.index_add(0, block.receivers, messages * block.weights[:, None])
        update = self.norm(total, weights)
        if self.attention is not None and complete is not None:
            update = update + self.attention(atoms, weights, complete)
        return functional.relu(atoms + update)


class PairAttention(nn.Module):
    """Attention over all pairs of a cell, gated element by element instead of by a softmax."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.sender = nn.Linear(width, 2 * width, bias=False)
        self.edge = nn.Linear(width, 2 * width)
        self.gate_norm = WeightedBatchNorm(width)
        self.out = nn.Linear(width, width)
        self.norm = WeightedBatchNorm(width)

    def forward(self, atoms: Tensor, weights: Tensor, complete: EdgeSet) -> Tensor:
        """Return (N, width) updates of atoms of (N,) weights."""
        width = atoms.shape[1]
        query, sending = self.query(atoms) / math.sqrt(width), self.sender(atoms)
        total = torch.zeros_like(atoms, dtype=torch.float32)
        for block in complete:
            joined = self.edge(block.features).index_select(0, block.kinds)
            joined = joined + sending.index_select(0, block.senders)
            keys, values = joined.split(width, dim=1)
            agreement = query.index_select(0, block.receivers) * keys
            gate = torch.sigmoid(self.gate_norm(agreement, block.statistical_weights))
            total = total.index_add(0, block.receivers, gate * values * block.weights[:, None])
        return self.norm(self.out(total), weights)
