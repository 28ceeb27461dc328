"""What a model says about one crystal."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Prediction"]


@dataclass(frozen=True)
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
    """

    target: str
    value: float
    unit: str
    uncertainty: float
    uncertainty_90: float
    novelty: float
    warnings: tuple[str, ...] = field(default=())
