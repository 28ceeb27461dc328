"""What half precision does to the predictions of the shipped models: next to nothing.

    python -m benchmarks.models.half_precision

Weights are stored as float16. What rounding took away is not known any more, but it is known how
large it can have been: half a step of float16. So each weight is moved by a random part of that,
evenly distributed, which is what weights before rounding look like from the rounded ones; the
predictions of 200 crystals are compared with those of the weights as stored. The change is given
in parts of the model's mean absolute error on crystals it was not trained on.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch

import madelung as md
from madelung.models.shipped import SHIPPED_MODELS

CRYSTALS = 200


@torch.no_grad()
def undo_rounding(network: torch.nn.Module, generator: torch.Generator) -> None:
    """Move each parameter to a random place among those that round to it."""
    for parameter in network.parameters():
        stored = parameter.half()
        step = torch.nextafter(stored.abs(), torch.full_like(stored, torch.inf)) - stored.abs()
        part = torch.rand(parameter.shape, generator=generator) - 0.5
        parameter.add_(part * step.float())


def compare(name: str, crystals: list[md.Crystal], seed: int) -> dict[str, Any]:
    """Changes of one model's predictions, in parts of its mean absolute error."""
    model = md.load(name)
    (card,) = [one for one in model.card.targets if one.name == model.target]
    before = np.array([one.value for one in model.predict(crystals)])
    undo_rounding(model.network, torch.Generator().manual_seed(seed))
    changes = np.abs(np.array([one.value for one in model.predict(crystals)]) - before)
    error = (card.errors or card.validation)["mae"]
    return {
        "model": name,
        "error": error,
        "mean": float(changes.mean()) / error,
        "largest": float(changes.max()) / error,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Predictions before and after rounding weights.")
    parser.add_argument("--crystals", type=int, default=CRYSTALS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    store = md.open_dataset("example:jarvis")
    crystals = [store[index].crystal for index in range(options.crystals)]
    print(
        "| model | mean absolute error | mean change | largest change |\n| --- | --- | --- | --- |"
    )
    for model in SHIPPED_MODELS:
        row = compare(model.name, crystals, options.seed)
        print(
            f"| `{row['model']}` | {row['error']:.4g} | {row['mean']:.2%} | {row['largest']:.2%} |"
        )


if __name__ == "__main__":
    main()
