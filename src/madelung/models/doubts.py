"""Reasons to distrust a prediction that follow from the model's card."""

from __future__ import annotations

from collections.abc import Iterator

from madelung.crystals.crystal import Crystal
from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.models.card import ModelCard
from madelung.models.element_features import KNOWN_ELEMENTS

__all__ = ["card_warnings", "lacks_needed_elements"]

# An element of fewer training crystals is rare: nothing about its bonds can have been learnt well.
_RARE = 20


def card_warnings(card: ModelCard, crystal: Crystal) -> Iterator[str]:
    """Say what of a crystal was absent, rare or otherwise among the training crystals.

    Parameters
    ----------
    card
        Of the model. Under ``training`` it may state ``holds_one_of``, elements of which every
        crystal with a value held at least one, and a ``caution`` that goes with all predictions.
    crystal
        The crystal.
    """
    symbols = {number: ELEMENT_SYMBOLS[number] for number in crystal.species}
    unseen = [symbol for symbol in symbols.values() if not card.elements.get(symbol)]
    if unseen:
        yield f"elements never seen in training: {', '.join(unseen)}"
    heavy = [symbol for number, symbol in symbols.items() if number > KNOWN_ELEMENTS]
    if heavy:
        yield f"elements without features: {', '.join(heavy)}"
    most = max(card.elements.values(), default=0)
    counts = {symbol: card.elements.get(symbol, 0) for symbol in symbols.values()}
    # A model of a few crystals has no common elements that others could be rare beside.
    rare = [f"{symbol} ({n} crystals)" for symbol, n in counts.items() if 0 < n < _RARE]
    if rare and most > 10 * _RARE:
        yield f"elements rare in training: {', '.join(rare)}"
    if lacks_needed_elements(card, crystal):
        needed = " or ".join(card.training["holds_one_of"])
        yield (
            f"every crystal that the target was learnt from held {needed}, and this one does not: "
            "distrust the value"
        )
    if card.geometry is not None:
        yield from card.geometry.warnings(crystal)
    if card.training.get("caution"):
        yield str(card.training["caution"])


def lacks_needed_elements(card: ModelCard, crystal: Crystal) -> bool:
    """Whether a crystal holds none of the elements that every training crystal held one of."""
    needed = card.training.get("holds_one_of")
    symbols = {ELEMENT_SYMBOLS[number] for number in crystal.species}
    return needed is not None and symbols.isdisjoint(needed)
