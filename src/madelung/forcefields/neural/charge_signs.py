"""The sign of the charges of a network, which energies do not tell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from madelung.crystals.elements import ELEMENT_SYMBOLS, electropositive_rank
from madelung.forcefields.neural.energy import EnergyModel
from madelung.forcefields.neural.examples import Example, first_batch

__all__ = ["settle_charge_signs"]


def settle_charge_signs(model: EnergyModel, examples: Sequence[Example]) -> None:
    """Give a network's charges the sign that chemistry gives them; energies stay as they are.

    The energy of neutral structures is the same for charges of the opposite sign, so that members
    of an ensemble learn either. Here the more electropositive elements of each structure are
    positive on average: metals, then non-metals in IUPAC's order.

    Parameters
    ----------
    model
        A trained network; one without charges is left as it is.
    examples
        Structures it was trained on, of which the first are looked at.
    """
    if model.sources is None:
        return
    chosen, batch = first_batch(examples, model)
    charges = model.derivatives(batch).charges
    assert charges is not None
    symbols = [ELEMENT_SYMBOLS[number] for one in chosen for number in one.crystal.numbers]
    ranks = torch.tensor([float(electropositive_rank(symbol)) for symbol in symbols])
    means = batch.sums(ranks.double()) / batch.counts
    contrast = float((charges.detach() * (means[batch.owner] - ranks)).sum())
    if contrast < 0.0 and np.isfinite(contrast):
        with torch.no_grad():
            model.sources.weight[0] *= -1.0
            model.sources.bias[0] *= -1.0
