"""The median of a mixture of Laplace distributions, and the error to be expected of it.

Derived in docs/theory/ensembles.md, whose equations are cited.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["expected_error", "mixture_median"]

# Newton's steps double the digits; halving the bracket, where they leave it, gives one bit each.
_STEPS = 60
# Steps end where they are this part of the scales.
_TOLERANCE = 1e-9


def mixture_median(locations: Tensor, scales: Tensor) -> Tensor:
    """Find the median of a mixture of Laplace distributions with equal shares: equation 2.

    Parameters
    ----------
    locations
        (M, ...) medians of the M distributions.
    scales
        (M, ...) their expected absolute deviations, positive.

    Returns
    -------
    (...) tensor
        In the type of the locations.
    """
    centres, widths = locations.double(), scales.double()
    low, high = centres.amin(0), centres.amax(0)
    limit = _TOLERANCE * widths.mean(0)
    point = centres.mean(0)
    for _ in range(_STEPS):
        distances = (point - centres) / widths
        tails = 0.5 * torch.exp(-distances.abs())
        excess = torch.where(distances < 0.0, tails, 1.0 - tails).mean(0) - 0.5
        low = torch.where(excess < 0.0, point, low)
        high = torch.where(excess > 0.0, point, high)
        following = point - excess / (tails / widths).mean(0)
        within = (following >= low) & (following <= high)
        following = torch.where(within, following, 0.5 * (low + high))
        done = bool(((following - point).abs() <= limit).all())
        point = following
        if done:
            break
    return point.to(locations.dtype)


def expected_error(locations: Tensor, scales: Tensor, point: Tensor) -> Tensor:
    """Expect the absolute deviation of a mixture of Laplace distributions from a point: equation 3.

    Parameters
    ----------
    locations
        (M, ...) medians of the M distributions.
    scales
        (M, ...) their expected absolute deviations.
    point
        (...) the point.
    """
    distances = (point - locations).abs()
    return (distances + scales * torch.exp(-distances / scales)).mean(0)
