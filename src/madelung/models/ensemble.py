"""Several networks that predict as one."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from madelung.inputs.build import MemberInputs, NetworkInput
from madelung.models.card import Consensus
from madelung.models.laplace_mixture import expected_error, mixture_median
from madelung.models.targets import TargetScale

__all__ = ["NetworkEnsemble"]


class NetworkEnsemble(nn.Module):
    """Networks of the same size that predict together.

    Parameters
    ----------
    members
        The networks, at least one.
    consensus
        What is predicted: the median of the mixture of the members' distributions, or the mean of
        their values.
    scales
        What turns the outputs of each member into values, if members learnt from different
        crystals; the outputs of the ensemble are those of the first one's scale then.
    widening
        (members, outputs) factors by which the expected errors of such members are multiplied, so
        that those of members that expect too little do not count more; one if None.

    Notes
    -----
    B. Lakshminarayanan, A. Pritzel, C. Blundell, "Simple and Scalable Predictive Uncertainty
    Estimation using Deep Ensembles", NeurIPS 2017, arXiv:1612.01474: the members' predictions are
    a mixture of distributions, here of Laplace's, whose median has the least expected absolute
    error; see docs/theory/ensembles.md. With the mean, the expected error is that of a Laplace
    distribution of the mixture's variance, the mean of the variances, 2 b² each, and the variance
    of the means.
    """

    widening: Tensor

    def __init__(
        self,
        members: Iterable[nn.Module],
        consensus: Consensus = "median",
        scales: Iterable[TargetScale] = (),
        widening: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.consensus = consensus
        self.scales = nn.ModuleList(scales)
        if len(self.scales):
            if widening is None:
                widening = torch.ones(len(self.scales), len(self._target_scales[0].spread))
            self.register_buffer("widening", widening.double())

    def forward(self, graph: NetworkInput) -> tuple[Tensor, Tensor, Tensor]:
        """Predict the targets of crystals.

        Parameters
        ----------
        graph
            B crystals, for all members or for each.

        Returns
        -------
        values : (B, outputs)
            What the members agree on.
        log_scales : (B, outputs)
            Logarithms of the expected absolute errors: what the members expect, and their spread
            where that does not hold it already.
        embedding : (B, features)
            Mean over the members.
        """
        graphs: tuple[NetworkInput, ...] = (graph,) * len(self.members)
        if isinstance(graph, MemberInputs):
            graphs = graph.graphs
        outputs = [member(own) for member, own in zip(self.members, graphs, strict=True)]
        values, log_scales, embeddings = (
            torch.stack([output[part] for output in outputs]) for part in range(3)
        )
        if len(self.scales):
            values, log_scales = self._on_one_scale(values, log_scales, graphs)
        embedding = embeddings.mean(0)
        if self.consensus == "mean":
            expected = torch.exp(2.0 * log_scales).mean(0)
            spread = values.var(0, correction=0)
            return values.mean(0), 0.5 * torch.log(expected + 0.5 * spread), embedding
        scales = torch.exp(log_scales)
        median = mixture_median(values, scales)
        if len(self.scales):
            # What a member expects was measured on crystals that were new to it, and holds already
            # by how much members differ.
            return median, torch.log(scales.mean(0)), embedding
        return median, torch.log(expected_error(values, scales, median)), embedding

    def _on_one_scale(
        self, values: Tensor, log_scales: Tensor, graphs: tuple[NetworkInput, ...]
    ) -> tuple[Tensor, Tensor]:
        """(members, B, outputs) numbers of each member's scale as those of the first one's."""
        scales = self._target_scales
        moved = [
            scales[0].standardise(scale.restore(own, graph), graph)
            for scale, own, graph in zip(scales, values, graphs, strict=True)
        ]
        spreads = torch.stack([scale.spread for scale in scales])
        widths = torch.log(self.widening * spreads / spreads[0])
        return torch.stack(moved), log_scales + widths[:, None].to(log_scales.dtype)

    @property
    def _target_scales(self) -> list[TargetScale]:
        return [scale for scale in self.scales if isinstance(scale, TargetScale)]
