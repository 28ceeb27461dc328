"""A network that tells which teacher to believe: strategy 1 of Shui et al., NeurIPS 2022."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from madelung.forcefields.neural.network import LocalNetwork
from madelung.forcefields.neural.pair_tables import pair_tables
from madelung.forcefields.neural.repulsion import NuclearRepulsion
from madelung.forcefields.neural.settings import NeuralSettings
from madelung.forcefields.neural.surroundings import AtomBatch, Surroundings

__all__ = ["TeacherClassifier", "train_classifier"]

_EPOCHS, _IN_STEP, _LEARNING_RATE, _WEIGHT_DECAY = 40, 16, 2e-3, 1e-2
_IN_BATCH = 64


class TeacherClassifier(nn.Module):
    """Scores of the classes of a structure: teachers, and none.

    Parameters
    ----------
    settings
        Elements, reach and size of the network.
    classes
        Number of classes.
    """

    def __init__(self, settings: NeuralSettings, classes: int) -> None:
        super().__init__()
        self.settings = settings
        self.network = LocalNetwork(settings)
        self.repulsion = NuclearRepulsion(settings)
        self.output = nn.Linear(settings.features, classes)

    def forward(self, batch: AtomBatch) -> Tensor:
        """Return (B, classes) scores."""
        tables, _ = pair_tables(batch, self.settings, self.repulsion)
        atoms = self.network(batch, tables)[-1]
        means = batch.sums(atoms) / batch.counts[:, None]
        scores: Tensor = self.output(means.to(atoms.dtype))
        return scores

    @torch.no_grad()
    def classify(self, structures: Sequence[Surroundings]) -> NDArray[np.int64]:
        """Return the most likely class of each structure."""
        found = [np.zeros(0, dtype=np.int64)]
        for start in range(0, len(structures), _IN_BATCH):
            batch = AtomBatch.join(structures[start : start + _IN_BATCH], self.settings.cutoff)
            found.append(self(batch).argmax(1).numpy())
        return np.concatenate(found)


def train_classifier(
    structures: Sequence[Surroundings],
    classes: NDArray[np.int64],
    count: int,
    settings: NeuralSettings,
    *,
    seed: int,
) -> TeacherClassifier:
    """Train a classifier by cross-entropy.

    Parameters
    ----------
    structures, classes
        Structures, and the class of each.
    count
        Number of classes.
    settings
        Elements, reach and size of the network.
    seed
        Of weights and order.
    """
    torch.manual_seed(seed)
    classifier = TeacherClassifier(settings, count)
    pairs = sum(len(item.senders) for item in structures)
    atoms = sum(len(item) for item in structures)
    classifier.network.typical_neighbours.fill_(max(pairs / atoms, 1.0) ** 0.5)
    optimiser = torch.optim.AdamW(
        classifier.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY, fused=True
    )
    generator = np.random.default_rng([seed, 13])
    for _ in range(_EPOCHS):
        order = generator.permutation(len(structures))
        for start in range(0, len(order), _IN_STEP):
            group = order[start : start + _IN_STEP]
            batch = AtomBatch.join([structures[index] for index in group], settings.cutoff)
            loss = functional.cross_entropy(classifier(batch), torch.from_numpy(classes[group]))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
    return classifier
