"""Several networks that predict as one."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from madelung.inputs import MemberInputs, NetworkInput
from madelung.models.card import Consensus
from madelung.models.laplace_mixture import expected_error, mixture_median

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

    Notes
    -----
    B. Lakshminarayanan, A. Pritzel, C. Blundell, "Simple and Scalable Predictive Uncertainty
    Estimation using Deep Ensembles", NeurIPS 2017, arXiv:1612.01474: the members' predictions are
    a mixture of distributions, here of Laplace's, whose median has the least expected absolute
    error; see docs/theory/ensembles.md. With the mean, the expected error is that of a Laplace
    distribution of the mixture's variance, the mean of the variances, 2 b² each, and the variance
    of the means.
    """

    def __init__(self, members: Iterable[nn.Module], consensus: Consensus = "median") -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.consensus = consensus

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
            Logarithms of the expected absolute errors: what the members expect, and their spread.
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
        embedding = embeddings.mean(0)
        if self.consensus == "mean":
            expected = torch.exp(2.0 * log_scales).mean(0)
            spread = values.var(0, correction=0)
            return values.mean(0), 0.5 * torch.log(expected + 0.5 * spread), embedding
        scales = torch.exp(log_scales)
        median = mixture_median(values, scales)
        return median, torch.log(expected_error(values, scales, median)), embedding
