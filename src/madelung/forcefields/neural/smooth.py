"""A function that ends smoothly."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["envelope"]


def envelope(part: Tensor) -> tuple[Tensor, Tensor]:
    """Fall from one to zero at one, where two derivatives vanish, as at zero five do.

    Parameters
    ----------
    part
        Distances in parts of the cutoff.

    Returns
    -------
    value, slope
        The function 1 - 28 p⁶ + 48 p⁷ - 21 p⁸ and its derivative.

    Notes
    -----
    J. Gasteiger, J. Gross, S. Günnemann, ICLR 2020, equation 8, with p = 6.
    """
    inside = part < 1.0
    fifth = part**5
    value = 1.0 - fifth * part * (28.0 - part * (48.0 - 21.0 * part))
    slope = -168.0 * fifth * (1.0 - part).square()
    nothing = torch.zeros_like(part)
    return torch.where(inside, value, nothing), torch.where(inside, slope, nothing)
