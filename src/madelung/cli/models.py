"""``madelung models``: what models there are, and what is known about one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from madelung.cli import options
from madelung.common.outputs import json_text
from madelung.common.text import shown

if TYPE_CHECKING:
    from madelung.models.card import ModelCard, TargetCard
    from madelung.phonons.card import PhononCard

__all__ = ["app", "models"]

_HELP = """
List the models that come with Madelung, or show the card of one.

[bold]Examples[/bold]

  madelung models

  madelung models formation-energy

  madelung models run --json
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
Name = Annotated[
    str | None,
    typer.Argument(metavar="NAME|PATH", help="Model to show; all if none.", show_default=False),
]


def models(name: Name = None, as_json: options.AsJson = False) -> None:
    from madelung.models.card import read_card
    from madelung.models.shipped import SHIPPED_MODELS, model_folder

    if name is not None and _shown_as_phonons(name, as_json):
        return
    chosen = [model.name for model in SHIPPED_MODELS] if name is None else [name]
    places = {own: model_folder(own) for own in chosen}
    cards = {own: (read_card(folder), target) for own, (folder, target) in places.items()}
    if as_json:
        content = [
            {"model": own, "target": target or card.targets[0].name, "card": card.model_dump()}
            for own, (card, target) in cards.items()
        ]
        typer.echo(json_text(content, indent=2))
    elif name is None:
        _print_list(cards)
    else:
        _print_card(cards[name][0])


models.__doc__ = _HELP
app.command()(models)


def _print_list(cards: dict[str, tuple[ModelCard, str | None]]) -> None:
    from rich.table import Table

    from madelung.common.terminal import LiteralConsole

    table = Table()
    for column in ("model", "MAE", "on crystals"):
        table.add_column(column, no_wrap=True)
    table.add_column("predicts")
    for name, (card, wanted) in cards.items():
        target = next(item for item in card.targets if wanted in (None, item.name))
        errors, part = target.errors, "test"
        if not errors:
            errors, part = target.validation, "val."
        mae = f"{errors['mae']:.3g} {target.unit}".strip() if errors else "not tested"
        count = f"{errors['count']:,} {part}" if "count" in errors else ""
        table.add_row(name, mae, count, target.description or target.name)
    console = LiteralConsole()
    console.print(table)
    console.print(
        "MAE: mean absolute error on test crystals, or on validation crystals (val.) where none "
        "were tested. 'madelung models NAME' shows a model's card. One more, 'phonons', is for "
        "'madelung phonons'.",
        highlight=False,
    )


def _shown_as_phonons(name: str, as_json: bool) -> bool:
    """Show the card of a model of phonons, if it is one."""
    from madelung.phonons.card import phonon_folder, read_phonon_card

    folder = phonon_folder(name)
    if folder is None:
        return False
    _print_phonons(read_phonon_card(folder), as_json)
    return True


def _print_phonons(card: PhononCard, as_json: bool) -> None:
    if as_json:
        typer.echo(json_text(card.model_dump(), indent=2))
        return
    from rich.table import Table
    from rich.text import Text

    from madelung.common.terminal import LiteralConsole

    console = LiteralConsole()
    console.print(Text.assemble((shown(card.name), "bold"), f"  {shown(card.purpose)}"))
    table = Table("mean errors of", "validation", "test")
    validation = card.validation.get("ensemble", {})
    for key in {**validation, **card.errors}:
        values = (part.get(key) for part in (validation, card.errors))
        texts = ("" if value is None else f"{value:.4g}" for value in values)
        table.add_row(key.replace("_", " "), *texts)
    console.print(table)
    facts = Table(show_header=False)
    facts.add_row("networks", str(card.members))
    for key, value in card.training.items():
        facts.add_row(key.replace("_", " "), str(value))
    console.print(facts)


def _print_card(card: ModelCard) -> None:
    from rich.table import Table
    from rich.text import Text

    from madelung.common.terminal import LiteralConsole

    console = LiteralConsole()
    heading = Text.assemble((shown(card.name), "bold"), f"  {shown(card.purpose)}")
    console.print(heading)
    table = Table("predicts", "MAE on test crystals", "number", "within 90 %")
    for target in card.targets:
        coverage = target.errors.get("coverage_90")
        within = "" if coverage is None else f"{100 * coverage:.0f} %"
        number = str(target.errors.get("count", ""))
        name = f"{target.name} ({target.unit})" if target.unit else target.name
        table.add_row(name, _error(target), number, within)
    console.print(table)
    facts = Table(show_header=False)
    for key, value in card.training.items():
        if not isinstance(value, dict | list):
            facts.add_row(key, str(value))
    for place, member in enumerate(card.training.get("members", []), start=1):
        facts.add_row(f"member {place}", str(member.get("command", "")))
    facts.add_row("crystals", str(card.training.get("crystals", "")))
    facts.add_row("network", card.network.model_dump_json())
    for graph in dict.fromkeys(card.member_graphs or (card.graph,)):
        facts.add_row("graph", graph.model_dump_json())
    console.print(facts)


def _error(target: TargetCard) -> str:
    errors = target.errors or target.validation
    if "mae_interval" not in errors:
        return "not tested"
    low, high = errors["mae_interval"]
    mae = f"{errors['mae']:.4g} {target.unit}".strip()
    return f"{mae} ({low:.4g} to {high:.4g})" + ("" if target.errors else ", validation")
