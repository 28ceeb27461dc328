"""What a model says about one crystal, and how it is shown to people."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from madelung.common.html import html_table

__all__ = ["Prediction", "ShownPrediction"]

_LOGARITHM = re.compile(r"^log10\((?P<unit>.*)\)$")
_LOGARITHM_DESCRIPTION = "base-10 logarithm: "


@dataclass(frozen=True)
class ShownPrediction:
    """A prediction as people want to read it.

    Parameters
    ----------
    label
        What it is.
    value, unit
        The value and its unit; for a logarithm the number that it is the logarithm of. A gap
        below zero is zero.
    low_90, high_90
        The interval that holds 90 % of the true values of crystals like the validation crystals.
    as_interval
        Whether the interval says more than a half-width does, because it is not symmetric.
    """

    label: str
    value: float
    unit: str
    low_90: float
    high_90: float
    as_interval: bool


@dataclass(frozen=True, repr=False)
class Prediction:
    """What a model says about one crystal.

    Parameters
    ----------
    target
        Name of the quantity.
    value
        Predicted value.
    unit
        Unit of the value and of its uncertainty.
    uncertainty
        Half-width of the interval that holds the true value of 68 % of crystals like the
        validation crystals.
    uncertainty_90
        The same for 90 %.
    novelty
        Distance from the training crystals; above one, the crystal is unusual.
    warnings
        Reasons to distrust the prediction.
    description
        What the quantity is, in a few words; may be empty.
    """

    target: str
    value: float
    unit: str
    uncertainty: float
    uncertainty_90: float
    novelty: float
    warnings: tuple[str, ...] = field(default=())
    description: str = ""

    @property
    def shown(self) -> ShownPrediction:
        """The prediction as people read it: moduli instead of logarithms, no gap below zero."""
        value = self.value
        low, high = value - self.uncertainty_90, value + self.uncertainty_90
        logarithm = _LOGARITHM.match(self.unit)
        if logarithm is not None:
            label = self.description.removeprefix(_LOGARITHM_DESCRIPTION) or self.target
            shown = (_power(number) for number in (value, low, high))
            value, low, high = shown
            return ShownPrediction(label, value, logarithm["unit"], low, high, as_interval=True)
        cut = self.unit == "eV" and "gap" in self.target.lower() and low < 0.0
        if cut:
            value, low, high = (max(number, 0.0) for number in (value, low, high))
        return ShownPrediction(self.target, value, self.unit, low, high, as_interval=cut)

    def __str__(self) -> str:
        """Return a line with the value and its uncertainty, or its interval."""
        shown = self.shown
        if not shown.as_interval:
            return f"{self.target} = {self.value:.4g} ± {self.uncertainty:.2g} {self.unit}".strip()
        number = f"{shown.value:.3g} {shown.unit}"
        return f"{shown.label} = {number} (90 %: {shown.low_90:.3g} to {shown.high_90:.3g})"

    def __repr__(self) -> str:
        """Return the same with the number of warnings."""
        count = len(self.warnings)
        said = f", {count} warning{'s' if count > 1 else ''}" if count else ""
        return f"Prediction({self}{said})"

    def _repr_html_(self) -> str:
        shown = self.shown
        rows = [
            (shown.label, f"{shown.value:.4g} {shown.unit}"),
            ("90 % interval", f"{shown.low_90:.4g} to {shown.high_90:.4g} {shown.unit}"),
            ("novelty", f"{self.novelty:.2f}"),
            *(("warning", text) for text in self.warnings),
        ]
        return html_table(rows, self.description)


def _power(exponent: float) -> float:
    """Ten to a power, infinite where it is beyond all numbers."""
    return 10.0**exponent if exponent < 308.0 else float("inf")
