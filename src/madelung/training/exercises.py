"""What a network may learn beside its targets: from crystals alone, without any values."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from madelung.common.errors import TrainingError
from madelung.inputs.settings import PairSettings
from madelung.models.settings import SumNetSettings
from madelung.training.batches import Batch
from madelung.training.displacements import DisplacementGuess
from madelung.training.hidden_elements import HiddenElements
from madelung.training.settings import TrainingSettings

__all__ = ["Exercises"]


class Exercises(nn.Module):
    """The exercises that settings ask for; none without them.

    Parameters
    ----------
    settings
        Those of the run.

    Raises
    ------
    TrainingError
        If the network cannot do them.
    """

    def __init__(self, settings: TrainingSettings) -> None:
        super().__init__()
        self.settings = settings
        self.displacements: DisplacementGuess | None = None
        self.elements: HiddenElements | None = None
        if not (settings.denoising or settings.hiding):
            return
        graph, network = settings.graph, settings.network
        if not (isinstance(graph, PairSettings) and isinstance(network, SumNetSettings)):
            raise TrainingError("only a SumNet can be given exercises (denoising, hiding)")
        if settings.denoising:
            if not graph.degree:
                raise TrainingError("denoising needs directions: a degree of at least 1")
            self.displacements = DisplacementGuess(network, graph)
        if settings.hiding:
            self.elements = HiddenElements(network, graph)

    def errors(self, network: nn.Module, batch: Batch) -> Iterator[tuple[Tensor, int]]:
        """Yield the weighted error of each exercise, and of how many atoms it is the sum."""
        if self.displacements is not None and batch.displaced is not None:
            error, count = self.displacements(network, batch.displaced)
            yield self.settings.denoising * error, count
        elif self.displacements is not None:
            yield torch.zeros(()), 0
        if self.elements is not None:
            error, count = self.elements(network, batch.graph)
            yield self.settings.hiding * error, count
