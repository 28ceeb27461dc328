"""Parts of a data set that share no composition."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import PhononError
from madelung.common.text import bounded_text
from madelung.crystals.elements import ELEMENT_SYMBOLS

__all__ = ["drawn_compositions", "read_held_out", "reduced_composition"]


def reduced_composition(numbers: NDArray[np.int64]) -> str:
    """Return the smallest whole numbers of atoms, elements in alphabetical order: F4Pb."""
    found, counts = np.unique(numbers, return_counts=True)
    divisor = math.gcd(*counts.tolist())
    parts = sorted(
        (ELEMENT_SYMBOLS[int(number)], int(count) // divisor)
        for number, count in zip(found, counts, strict=True)
    )
    return "".join(f"{symbol}{count if count > 1 else ''}" for symbol, count in parts)


def drawn_compositions(compositions: Iterable[str], share: float, seed: int) -> set[str]:
    """Draw a share of the different compositions."""
    different = sorted(set(compositions))
    count = max(int(share * len(different)), 1)
    return set(np.random.default_rng(seed).choice(different, size=count, replace=False).tolist())


def read_held_out(paths: Sequence[str | Path]) -> set[str]:
    """Read compositions that must not be learnt from: JSON with the list ``compositions``.

    Raises
    ------
    PhononError
        If a file is none of that kind.
    """
    found: set[str] = set()
    for path in paths:
        try:
            content = json.loads(bounded_text(Path(path)))
            listed = content["compositions"]
            if not all(isinstance(name, str) for name in listed):
                raise ValueError("not all of its compositions are text")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PhononError(f"{path}: no list of compositions ({error})") from error
        found.update(listed)
    return found
