"""The many ways in which a CIF can say the same: symmetry, symbols, digits, layout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.data.known_crystals import KnownCrystal, kind_of_setting, settings_of

__all__ = ["STATEMENTS", "Style", "random_style"]

STATEMENTS = (
    "operations",
    "operations and name",
    "Hall symbol",
    "name",
    "name, origin left open",
    "name and number",
    "number",
    "Schoenflies symbol",
    "all atoms",
)
"""What says the symmetry."""

# Of each, the first is the usual one: files should seldom be odd in all respects at once.
_USUAL = 0.6
_NAMES = ("spaced", "close", "underscores", "brackets", "screw underscores", "capitals", "full")
_ORIGINS = (":1", " :1", "S and Z", "in words", "setting code")
_TYPES = (
    "element",
    "capitals",
    "small letters",
    "charge",
    "charge, sign first",
    "listed oxidation numbers",
    "numbered",
    "unknown, by label",
    "none, by label",
)
_LABELS = ("Fe1", "Fe(1)", "Fe_1", "Fe1A", "FE1", "Fe1'", "Fe")
_OPERATIONS = ("plain", "capitals, translation first", "decimals", "spaces")


@dataclass(frozen=True)
class Style:
    """How one CIF is written.

    Parameters
    ----------
    statement
        What says the symmetry, of :data:`STATEMENTS`.
    name
        Spelling of the Hermann-Mauguin name.
    origin
        How the name's origin or axes are marked.
    operations
        Spelling of symmetry operations.
    types, labels
        Kind of type symbol, and of label.
    digits, length_digits, angle_digits
        Decimals of coordinates, of lengths in Å, and of angles in degrees.
    cut_off
        Whether further digits of coordinates are cut off, and not rounded.
    uncertain
        Whether numbers have standard uncertainties in brackets.
    formula, multiplicities
        Whether the formula with Z, and the multiplicities of the sites, are given.
    new_tags, wrapped, shuffled, windows
        Whether tags are those of the core dictionary 3, each value has a line of its own, columns
        and sections come in another order, and lines end as in Windows.
    """

    statement: str
    name: str
    origin: str
    operations: str
    types: str
    labels: str
    digits: int
    length_digits: int
    angle_digits: int
    cut_off: bool
    uncertain: bool
    formula: bool
    multiplicities: bool
    new_tags: bool
    wrapped: bool
    shuffled: bool
    windows: bool

    def describe(self) -> str:
        """Return the style in one line."""
        said = [f"{self.statement}", f"types {self.types}", f"labels {self.labels}"]
        if "name" in self.statement:
            said.append(f"{self.name} name")
        return ", ".join([*said, f"{self.digits} digits{' cut off' * self.cut_off}"])


def random_style(known: KnownCrystal, rng: np.random.Generator) -> Style:
    """Choose a way to write a crystal down in which nothing that a reader needs is left open.

    Only where the statement is ``name, origin left open`` (or a number of such a group) and the
    formula and the multiplicities are left away may a file have two meanings.
    """

    def often(share: float) -> bool:
        return bool(rng.random() < share)

    def one_of(values: tuple[str, ...]) -> str:
        return values[0] if often(_USUAL) else str(rng.choice(values[1:]))

    return Style(
        statement=str(rng.choice(_possible_statements(known))),
        name=one_of(_NAMES),
        origin=one_of(_ORIGINS),
        operations=one_of(_OPERATIONS),
        types=one_of(_TYPES),
        labels=one_of(_LABELS),
        digits=int(rng.choice([3, 4, 4, 5, 5, 6, 8])),
        length_digits=int(rng.integers(3, 7)),
        angle_digits=int(rng.integers(2, 6)),
        cut_off=often(0.3),
        uncertain=often(0.2),
        formula=often(0.7),
        multiplicities=often(0.3),
        new_tags=often(0.1),
        wrapped=often(0.1),
        shuffled=often(0.3),
        windows=often(0.1),
    )


def _possible_statements(known: KnownCrystal) -> list[str]:
    kind = kind_of_setting(known.hall_number)
    if len(known.listed) == len(known.numbers) and known.hall_number == 1:
        return ["all atoms"]
    possible = [statement for statement in STATEMENTS if statement != "all atoms"]
    has_origins = kind.choice[:1] in {"1", "2"}
    if not has_origins:
        possible.remove("name, origin left open")
    settings = settings_of()[kind.number]
    # A number, and Schoenflies's symbol, mean the standard setting.
    standard = settings[:2] if has_origins else settings[:1]
    if known.hall_number not in standard:
        possible = [name for name in possible if name not in {"number", "Schoenflies symbol"}]
    return possible
