"""SumNet: a network whose messages are linear in sums over the whole crystal.

All that an atom learns of its surroundings are sums over every atom of the crystal, near ones
weighted by radial functions times spherical harmonics and all of them by complete sums of
potentials. Everything non-linear happens at the atoms, so that no choice of cell changes the
result, and a layer is a few products of dense matrices. Derivation in docs/theory/sumnet.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from madelung.common.errors import ModelError
from madelung.common.native import native_core
from madelung.inputs.pair_functions import function_sections
from madelung.inputs.pair_graph import PairGraph
from madelung.inputs.settings import PairSettings
from madelung.models.element_features import FEATURES, element_features
from madelung.models.native import Slot, kept_by_core, linear_slots, passes_natively
from madelung.models.normalisation import WeightedBatchNorm
from madelung.models.pair_sums import pair_sums
from madelung.models.settings import SumNetSettings
from madelung.models.springs import Springs

__all__ = ["SumLayers", "SumNet", "pass_natively"]

_ELEMENTS = 119
# Elements begin nearly as alike as their features are.
_OWN_FEATURES = 0.1
# Weights of atoms stay finite in single precision, and so does their quotient.
_LARGEST_EXPONENT, _SMALLEST_SUM = 20.0, 1e-20


class SumLayers(nn.Module):
    """Features of the atoms of crystals: what elements are, and layers of message passing.

    Parameters
    ----------
    settings
        Size and options; of these the readout is not looked at.
    sections
        Functions of each degree that a pair has; see
        :func:`madelung.inputs.pair_functions.function_sections`.
    """

    element_features: Tensor

    def __init__(self, settings: SumNetSettings, sections: Sequence[int]) -> None:
        super().__init__()
        width = settings.features
        self.register_buffer("element_features", element_features(), persistent=False)
        self.element = nn.Linear(FEATURES, width)
        self.own = nn.Embedding(_ELEMENTS, width)
        nn.init.normal_(self.own.weight, std=_OWN_FEATURES)
        self.layers = nn.ModuleList(SumLayer(settings, sections) for _ in range(settings.layers))

    def atoms(self, graph: PairGraph) -> Tensor:
        """Return (N, features) features of the atoms after all layers."""
        atoms: Tensor = self.element(self.element_features[graph.numbers])
        atoms = atoms + self.own(graph.numbers)
        layers = [layer for layer in self.layers if isinstance(layer, SumLayer)]
        if passes_natively(self, atoms):
            return pass_natively(layers, atoms, graph)
        for layer in layers:
            atoms = layer(atoms, graph)
        return atoms


class SumNet(SumLayers):
    """SumNet with any number of outputs.

    Parameters
    ----------
    settings
        Size and options.
    outputs
        Number of targets.
    sections
        Functions of each degree that a pair has; see
        :func:`madelung.inputs.pair_functions.function_sections`.
    reach
        Greatest length of a bond in Å; needed where frequencies are read off.

    Notes
    -----
    Beside each target's value stands the logarithm of its expected absolute error, read from the
    same embedding without influencing it. Frequencies are those of :class:`Springs` instead.
    """

    def __init__(
        self, settings: SumNetSettings, outputs: int, sections: Sequence[int], reach: float = 0.0
    ) -> None:
        super().__init__(settings, sections)
        self.settings = settings
        width = settings.features
        self.atom = nn.Linear(width, width)
        self.attention: nn.Linear | None = None
        if settings.pooling == "attention":
            # It begins as the mean over the atoms.
            self.attention = nn.Linear(width, width, bias=False)
            nn.init.zeros_(self.attention.weight)
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        self.dropout = nn.Dropout(settings.dropout)
        self.springs: Springs | None = None
        if settings.readout == "frequency":
            self.springs = Springs(width, outputs, reach)
        else:
            self.value = nn.Linear(width, outputs)
        self.scale = nn.Linear(width, outputs)

    @classmethod
    def from_settings(cls, settings: SumNetSettings, inputs: PairSettings, outputs: int) -> SumNet:
        """Make the network that starts from such inputs.

        Raises
        ------
        ModelError
            If they lack the bonds or areas that it needs, or its settings contradict each other.
        """
        if settings.readout == "frequency" and not inputs.bonds:
            raise ModelError("a network that reads off frequencies needs bonds (--bonds 5)")
        if settings.readout == "frequency" and settings.pooling != "mean":
            raise ModelError("frequencies choose their atoms themselves: leave --pooling away")
        if settings.readout == "area" and not inputs.areas:
            raise ModelError("a network that reads off values for an area needs --areas")
        return cls(settings, outputs, function_sections(inputs), inputs.bonds)

    def forward(self, graph: PairGraph) -> tuple[Tensor, Tensor, Tensor]:
        """Predict the targets of crystals.

        Parameters
        ----------
        graph
            B crystals.

        Returns
        -------
        values : (B, outputs)
            Standardised values of the targets, or frequencies in the network's unit.
        log_scales : (B, outputs)
            Logarithms of the expected absolute errors; they pass no gradient to what the values
            are made of.
        embedding : (B, features)
            What values, or the expected errors of frequencies, are read from.
        """
        if self.springs is not None:
            return self._frequencies(self.springs, graph)
        pooled = self._pooled(functional.silu(self.atom(self.atoms(graph))), graph)
        embedding = self._embedding(pooled)
        return self.value(embedding), self.scale(embedding.detach()), embedding

    def _frequencies(self, springs: Springs, graph: PairGraph) -> tuple[Tensor, Tensor, Tensor]:
        """Frequencies, and the embedding of the atoms that move in them.

        What frequencies are made of are the springs; the embedding is there for their expected
        errors alone.
        """
        atoms = self.atoms(graph)
        # Eigenvalues of matrices that were rounded to half precision are worth little.
        with torch.autocast(atoms.device.type, enabled=False):
            values, parts = springs(atoms.float(), graph)
        seen = functional.silu(self.atom(atoms.detach())).float()
        embedding = self._embedding(_crystal_sums(seen * parts[:, None], graph))
        return values, self.scale(embedding), embedding

    def _embedding(self, pooled: Tensor) -> Tensor:
        hidden = self.dropout(functional.silu(self.first(pooled)))
        return hidden + functional.silu(self.second(hidden))

    def _pooled(self, atoms: Tensor, graph: PairGraph) -> Tensor:
        """(B, features) mean over the atoms, or the one of equation 5."""
        shares = (graph.weights / graph.counts[graph.owner])[:, None]
        if self.attention is None:
            return _crystal_sums(atoms.float() * shares, graph)
        chosen = shares * torch.exp(self.attention(atoms).float().clamp(max=_LARGEST_EXPONENT))
        sums = _crystal_sums(torch.cat([atoms.float() * chosen, chosen], 1), graph)
        above, below = sums.chunk(2, dim=1)
        return above / below.clamp(min=_SMALLEST_SUM)


def _crystal_sums(atoms: Tensor, graph: PairGraph) -> Tensor:
    """Add up what the atoms of each crystal have."""
    return atoms.new_zeros(len(graph), atoms.shape[1]).index_add(0, graph.owner, atoms)


class SumLayer(nn.Module):
    """One step of message passing.

    Features of the senders are summed with every function of the pairs. The sums of scalar
    functions are mixed; those of each higher degree are mixed in two ways, whose scalar products
    do not depend on the directions of the axes. The receiver's own features gate the outcome.
    """

    def __init__(self, settings: SumNetSettings, sections: Sequence[int]) -> None:
        super().__init__()
        width, sent, tensors = settings.features, settings.senders, settings.tensors
        invariants = width + (len(sections) - 1) * tensors
        self.norm = nn.LayerNorm(width)
        self.sender = nn.Linear(width, sent)
        self.scalars = nn.Linear(sections[0] * sent, width, bias=False)
        self.tensors = nn.ModuleList(
            nn.Linear(count // (2 * degree + 1) * sent, 2 * tensors, bias=False)
            for degree, count in enumerate(sections[1:], 1)
        )
        self.invariant_norm = WeightedBatchNorm(invariants)
        self.gate = nn.Linear(width, invariants)
        self.hidden = nn.Linear(invariants + width, 2 * width)
        self.update = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, atoms: Tensor, graph: PairGraph) -> Tensor:
        """Return new (N, features) features of atoms."""
        own = self.norm(atoms)
        sent = self.sender(own).float()
        near, *tensors = pair_sums(sent, graph.near)
        scalars = torch.cat([*pair_sums(sent, graph.complete), near], 1)
        count = len(atoms)
        invariants = [self.scalars(scalars.view(count, -1)).float()]
        for degree, (mix, tensor) in enumerate(zip(self.tensors, tensors, strict=True), 1):
            mixed = mix(tensor.view(count, 2 * degree + 1, -1)).float()
            left, right = mixed.chunk(2, dim=2)
            invariants.append((left * right).sum(1))
        seen = self.invariant_norm(torch.cat(invariants, 1), graph.weights)
        seen = seen * torch.sigmoid(self.gate(own))
        hidden = functional.silu(self.hidden(torch.cat([seen, own], 1)))
        updated: Tensor = atoms + self.dropout(self.update(hidden))
        return updated


def pass_natively(layers: Iterable[SumLayer], atoms: Tensor, graph: PairGraph) -> Tensor:
    """Pass features through layers, as ``layer(atoms, graph)`` does for each in turn.

    Parameters
    ----------
    layers
        The layers, in evaluation mode.
    atoms
        (N, features) features of atoms.
    graph
        Pairs of the atoms.

    Returns
    -------
    (N, features) Tensor
    """
    passed = atoms.contiguous().clone()
    array = passed.numpy()
    for layer in layers:
        _native_layer(layer).run(array, *graph.near.arrays, *graph.complete.arrays)
    return passed


def _native_layer(layer: SumLayer) -> Any:
    def make(arrays: list[Any]) -> Any:
        width, epsilons = layer.norm.weight.shape[0], (layer.norm.eps, layer.invariant_norm.eps)
        return native_core().SumLayer(arrays, width, *epsilons)

    return kept_by_core(layer, lambda: _slots(layer), make)


def _slots(layer: SumLayer) -> list[Slot]:
    """Where the weights are found, in the order of ``core/networks/pairs_module.hpp``."""
    norm = layer.invariant_norm
    return [
        *((layer.norm._parameters, name) for name in ("weight", "bias")),
        *linear_slots(layer.sender),
        (layer.scalars._parameters, "weight"),
        *((mix._parameters, "weight") for mix in layer.tensors),
        *((norm._parameters, name) for name in ("weight", "bias")),
        *((norm._buffers, name) for name in ("running_mean", "running_var")),
        *linear_slots(layer.gate, layer.hidden, layer.update),
    ]
