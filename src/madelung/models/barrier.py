"""Every prediction is made of finite numbers, or is a named problem of its crystal."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from madelung.common.errors import CrystalError, ModelError
from madelung.crystals.checks import below_reading, crystal_error
from madelung.crystals.crystal import Crystal
from madelung.models.prediction import Prediction

__all__ = ["predictions_or_problems"]


def predictions_or_problems(
    predict: Callable[[list[Crystal]], Sequence[Prediction]], crystals: list[Crystal]
) -> list[Prediction | CrystalError]:
    """Predict many crystals at once, or fewer and fewer where one of them fails.

    Parameters
    ----------
    predict
        Predicts crystals, in order.
    crystals
        The crystals.

    Returns
    -------
    list of Prediction or CrystalError
        For each crystal its prediction, all of whose numbers are finite, or why there is none.

    Raises
    ------
    ModelError
        If the model itself cannot be used.
    """
    if not crystals:
        return []
    try:
        return [_finite(*pair) for pair in zip(crystals, predict(crystals), strict=True)]
    except ModelError:
        raise
    except Exception as error:
        if len(crystals) == 1:
            return [below_reading(crystals[0], error)]
    half = len(crystals) // 2
    return [
        entry
        for part in (crystals[:half], crystals[half:])
        for entry in predictions_or_problems(predict, part)
    ]


def _finite(crystal: Crystal, prediction: Prediction) -> Prediction | CrystalError:
    numbers = (prediction.value, prediction.uncertainty, prediction.uncertainty_90)
    if all(math.isfinite(number) for number in (*numbers, prediction.novelty)):
        return prediction
    return crystal_error(
        crystal.source or crystal.formula,
        f"the prediction is not finite ({prediction.value} ± {prediction.uncertainty}): the "
        "crystal is far outside of what the model knows; check its distances and its cell",
    )
