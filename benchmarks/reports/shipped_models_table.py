"""The table of the shipped models, from their cards, beside published models.

    python -m benchmarks.reports.shipped_models_table --page docs/models.md

The errors are those that stand in the cards: of the best epoch by validation, on test crystals that
were looked at once. The published models were trained on the full official training sets, about
three times as many crystals; their errors are those on the same test crystals.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.support.records import replace_block
from madelung.models.card import ModelCard, TargetCard, read_card
from madelung.models.shipped import SHIPPED_MODELS, model_folder

OTHERS = ("PotNet", "Matformer", "ALIGNN", "coGN", "CGCNN")


def markdown() -> str:
    """One row for each model."""
    import madelung.training

    place = Path(madelung.training.__file__).with_name("published_errors.json")
    published = json.loads(place.read_text(encoding="utf-8"))["targets"]
    head = ["model", "predicts", "trained on", "tested on", "MAE", "95 % interval"]
    head += ["within its 90 %", *(f"{name}, published" for name in OTHERS)]
    lines = [" | ".join(head), " | ".join(["---"] * len(head))]
    for model in SHIPPED_MODELS:
        folder, target = model_folder(model.name)
        card = read_card(folder)
        chosen = next(item for item in card.targets if item.name == target)
        others = published.get(chosen.name, {}).get("models", {})
        cells = [
            f"`{model.name}`",
            f"{chosen.description}, {chosen.unit}",
            f"{card.training['values'][chosen.name]['train']:,}",
            *_errors(chosen),
            *(f"{others[name]:.4g}" if name in others else "" for name in OTHERS),
        ]
        lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |" for line in lines)


def _errors(target: TargetCard) -> list[str]:
    """Number of crystals, error with its interval, and coverage."""
    errors, part = target.errors, "test"
    if not errors:
        # Test rows of the data set are held back.
        errors, part = target.validation, "validation"
    low, high = errors["mae_interval"]
    return [
        f"{errors['count']:,} ({part})",
        f"**{errors['mae']:.4g}**",
        f"{low:.4g} to {high:.4g}",
        f"{100 * errors['coverage_90']:.0f} %",
    ]


def origins() -> str:
    """A sentence on each network: size, data, time."""
    folders: dict[Path, list[str]] = {}
    for model in SHIPPED_MODELS:
        folders.setdefault(model_folder(model.name)[0], []).append(f"`{model.name}`")
    return "\n".join(_origin(read_card(folder), names) for folder, names in folders.items())


def _origin(card: ModelCard, names: list[str]) -> str:
    training = card.training
    hours = training["seconds"] / 3600
    network = "SumNet" if card.network.architecture == "sumnet" else "PotNet"
    what = f"one {network}" if card.members == 1 else f"{card.members} {network}s"
    initial = training.get("initial")
    start = (
        f", starting from `{initial['card']}` ([how](property-prediction.md))" if initial else ""
    )
    return (
        f"- {', '.join(names)}: {what} of {card.network.features} features, {hours:.2f} hours of "
        f"one core on {training['dataset']}{start}."
    )


def main() -> int:
    """Print the table, or put it into a page."""
    parser = argparse.ArgumentParser(description="Table of the shipped models.")
    parser.add_argument("--page", type=Path, help="page whose table is replaced")
    options = parser.parse_args()
    text = (
        f"{origins()}\n\nOfficial parts of the data. The published models of JARVIS's properties "
        "were trained on about three times as many crystals; their errors are on the same test "
        f"crystals.\n\n{markdown()}\n\n"
        "Command: `python -m benchmarks.reports.shipped_models_table`."
    )
    if options.page is not None:
        replace_block(options.page, "models", text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
