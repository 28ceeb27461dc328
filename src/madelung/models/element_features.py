"""The 92 features of an element that CGCNN introduced and PotNet uses."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import torch
from torch import Tensor

__all__ = ["FEATURES", "KNOWN_ELEMENTS", "element_features"]

FEATURES = 92
"""Number of features."""
KNOWN_ELEMENTS = 100
"""Elements 1 to this have features; heavier ones have none."""
_LAST_ELEMENT = 118


@cache
def element_features() -> Tensor:
    """Return the features of all elements.

    Returns
    -------
    Tensor
        (119, 92) zeros and ones in float32; row z belongs to atomic number z, and rows of elements
        without features are zero.

    Notes
    -----
    T. Xie and J. C. Grossman, Phys. Rev. Lett. 120, 145301 (2018); the file states its licence.
    """
    text = (files(__package__) / "element_features.json").read_text(encoding="utf-8")
    # Kept for all networks, and so on no other device that PyTorch may be told to use just now.
    table = torch.zeros(_LAST_ELEMENT + 1, FEATURES, device="cpu")
    for number, digits in json.loads(text)["elements"].items():
        bits = format(int(digits, 16), f"0{FEATURES}b")
        table[int(number)] = torch.tensor([float(bit) for bit in bits], device="cpu")
    return table
