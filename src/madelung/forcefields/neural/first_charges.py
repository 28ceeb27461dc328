"""Charges that a network begins with: energies say nothing of charges where all are zero."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from madelung.crystals.elements import ELEMENT_SYMBOLS, electropositive_rank
from madelung.forcefields.neural.energy import CHARGE_SCALE, EnergyModel
from madelung.forcefields.neural.examples import Example, first_batch
from madelung.forcefields.neural.pair_tables import pair_tables

__all__ = ["begin_with_charges"]

# Charge in e that an anion takes from metals, and from other non-metals; and how firmly weights are
# held to zero beside the errors of charges.
_FROM_METALS, _FROM_OTHERS, _RIDGE = 1.0, 0.3, 1e-4


def begin_with_charges(model: EnergyModel, examples: Sequence[Example]) -> None:
    """Let a fresh network propose charges of the sign that chemistry gives them.

    The Coulomb energy is quadratic in the charges, so that its slope vanishes where they do: a
    network that begins there is long in leaving, and may leave to either sign. It begins with
    an electron on each of the most electronegative non-metals, which the others lack (a third of
    one where there is no metal), by least squares for the weights of its output. Metals alone
    begin without charges.

    Parameters
    ----------
    model
        A fresh network with its scales set; one without charges is left as it is.
    examples
        What it will learn from, of which the first are looked at.
    """
    if model.sources is None:
        return
    surroundings, batch = first_batch(examples, model)
    with torch.no_grad():
        tables, _ = pair_tables(batch, model.settings, model.repulsion)
        features = model.network(batch, tables)[-1].double().numpy()
    charges = np.concatenate([_guess(one.crystal.numbers) for one in surroundings]) / CHARGE_SCALE
    if not charges.any():
        return
    rows = np.hstack([features, np.ones((len(features), 1))])
    matrix = rows.T @ rows + _RIDGE * len(rows) * np.eye(rows.shape[1])
    weights = torch.from_numpy(np.linalg.solve(matrix, rows.T @ charges))
    with torch.no_grad():
        model.sources.weight[0] = weights[:-1]
        model.sources.bias[0] = weights[-1]


def _guess(numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Charges of a neutral structure, whose most electronegative element has taken electrons."""
    ranks = np.array([electropositive_rank(ELEMENT_SYMBOLS[number]) for number in numbers])
    anions = ranks == ranks.max()
    if anions.all():
        return np.zeros(len(ranks))
    taken = _FROM_METALS if (ranks < 0).any() else _FROM_OTHERS
    # No atom begins with more than twice that, however few the others are.
    given = min(taken * anions.sum() / (~anions).sum(), 2.0 * taken)
    return np.where(anions, -given * (~anions).sum() / anions.sum(), given)
