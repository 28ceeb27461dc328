"""The table of the shipped models, from their cards, beside published models.

    python benchmarks/shipped_models.py --readme README.md

The errors are those that stand in the cards: of the best epoch by validation, on test crystals that
were looked at once. The published models were trained on the full official training sets, about
three times as many crystals; their errors are those on the same test crystals.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from records import replace_block

from madelung.models.card import read_card
from madelung.models.shipped import SHIPPED_MODELS, model_folder

OTHERS = ("PotNet", "Matformer", "ALIGNN", "coGN", "CGCNN")


def markdown() -> str:
    """One row for each model."""
    import madelung.training

    place = Path(madelung.training.__file__).with_name("published_errors.json")
    published = json.loads(place.read_text(encoding="utf-8"))["targets"]
    head = ["model", "predicts", "trained on", "test crystals", "MAE", "95 % interval"]
    head += ["within its 90 %", *(f"{name}, published" for name in OTHERS)]
    lines = [" | ".join(head), " | ".join(["---"] * len(head))]
    for model in SHIPPED_MODELS:
        folder, target = model_folder(model.name)
        card = read_card(folder)
        chosen = next(item for item in card.targets if item.name == target)
        errors, others = chosen.errors, published.get(chosen.name, {}).get("models", {})
        low, high = errors["mae_interval"]
        cells = [
            f"`{model.name}`",
            f"{chosen.description}, {chosen.unit}",
            f"{card.training['values'][chosen.name]['train']:,}",
            f"{errors['count']:,}",
            f"**{errors['mae']:.4g}**",
            f"{low:.4g} to {high:.4g}",
            f"{100 * errors['coverage_90']:.0f} %",
            *(f"{others[name]:.4g}" if name in others else "" for name in OTHERS),
        ]
        lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |" for line in lines)


def main() -> int:
    """Print the table, or put it into a page."""
    parser = argparse.ArgumentParser(description="Table of the shipped models.")
    parser.add_argument("--readme", type=Path, help="page whose table is replaced")
    options = parser.parse_args()
    card = read_card(model_folder(SHIPPED_MODELS[0].name)[0])
    training = card.training
    text = (
        f"One PotNet of {card.network.features} features, trained in "
        f"{training['seconds'] / 3600:.1f} hours of two shared cores (best of "
        f"{training['epochs']} epochs: {training['best_epoch']}). Data: {training['dataset']}, "
        "nearly all with O or N, official parts. The published models were trained on about "
        "three times as many crystals; their errors are on the same test crystals.\n\n"
    )
    text += markdown() + "\n\nCommand: `python benchmarks/shipped_models.py`."
    if options.readme is not None:
        replace_block(options.readme, "models", text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
