"""What a network may learn beside its targets: from crystals alone, without any values."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from madelung.common.errors import TrainingError
from madelung.inputs.settings import PairSettings
from madelung.models.settings import SumNetSettings
from madelung.training.batches import Batch
from madelung.training.denoising import Denoising
from madelung.training.element_masking import ElementMasking
from madelung.training.settings import TrainingSettings

__all__ = ["AuxiliaryObjectives"]


class AuxiliaryObjectives(nn.Module):
    """The objectives that settings ask for; none without them.

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
        self.displacements: Denoising | None = None
        self.elements: ElementMasking | None = None
        if not (settings.denoising or settings.masking):
            return
        graph, network = settings.graph, settings.network
        if not (isinstance(graph, PairSettings) and isinstance(network, SumNetSettings)):
            raise TrainingError("only a SumNet can have auxiliary objectives (denoising, masking)")
        if settings.denoising:
            if not graph.degree:
                raise TrainingError("denoising needs directions: a degree of at least 1")
            self.displacements = Denoising(network, graph)
        if settings.masking:
            self.elements = ElementMasking(network, graph)

    def errors(self, network: nn.Module, batch: Batch) -> Iterator[tuple[Tensor, int]]:
        """Yield the weighted error of each objective, and of how many atoms it is the sum."""
        if self.displacements is not None and batch.displaced is not None:
            error, count = self.displacements(network, batch.displaced)
            yield self.settings.denoising * error, count
        elif self.displacements is not None:
            yield torch.zeros(()), 0
        if self.elements is not None:
            error, count = self.elements(network, batch.graph)
            yield self.settings.masking * error, count
