"""Weights of networks in safetensors files, looked at before room is made for them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["checked_bytes", "require_finite", "require_room", "require_shapes", "shapes_of"]

# Sizes of a card that no tensor has, such as numbers of neighbours, may be a little larger.
_SLACK = 1000

Failure = Callable[[str], Exception]
"""Makes the error to raise of what is wrong."""


def checked_bytes(path: Path, checksum: str, failure: Failure) -> bytes:
    """Return what a file of weights holds.

    Parameters
    ----------
    path
        The file.
    checksum
        Its SHA-256; not looked at if it is empty.
    failure
        Makes the error, with the file's name in its text.
    """
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise failure(f"{path}: cannot be read ({problem.strerror}); is it a model?") from None
    if checksum and hashlib.sha256(data).hexdigest() != checksum:
        raise failure(f"{path}: damaged (its checksum is not the card's); copy it again")
    return data


def shapes_of(data: bytes, failure: Failure) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor of a safetensors file, from its header alone."""
    start = 8 + int.from_bytes(data[:8], "little")
    try:
        if start > len(data):
            raise ValueError("the header does not fit into the file")
        header = json.loads(data[8:start])
        return {
            str(name): tuple(int(size) for size in entry["shape"])
            for name, entry in header.items()
            if name != "__metadata__"
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
        raise failure(f"no safetensors file ({problem})") from None


def require_room(
    sizes: Mapping[str, Any],
    counts: Mapping[str, int],
    shapes: Mapping[str, tuple[int, ...]],
    failure: Failure,
) -> None:
    """Refuse a card that speaks of a larger network than the weights can be of.

    Parameters
    ----------
    sizes
        Settings of the network and of what it starts from; the whole numbers among them count.
    counts
        How many layers and members there are; each has tensors of its own.
    shapes
        Of the tensors in the file.
    failure
        Makes the error.
    """
    total = sum(_product(shape) for shape in shapes.values())
    for name, value in sizes.items():
        if type(value) is int and value > total + _SLACK:
            raise failure(f"does not fit the card: {name} {value}, and there are {total} weights")
    for name, value in counts.items():
        if value > len(shapes):
            raise failure(f"does not fit the card: {value} {name}, and {len(shapes)} tensors")


def require_shapes(
    expected: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], failure: Failure
) -> None:
    """Refuse weights whose names or shapes are not those of a network.

    Parameters
    ----------
    expected
        State of the network; its tensors need no memory (PyTorch's device ``meta``).
    shapes, failure
        As for :func:`require_room`.
    """
    for name, tensor in expected.items():
        wanted, found = tuple(tensor.shape), shapes.get(name)
        if found != wanted:
            there = "is missing" if found is None else f"has shape {found}"
            raise failure(f"does not fit the card: {name} {there}, and shall have {wanted}")


def require_finite(tensors: Iterable[tuple[str, Any]], failure: Failure) -> None:
    """Refuse weights that are infinite or no numbers."""
    for name, tensor in tensors:
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise failure(f"{name} has values that are not finite; copy the model again")


def _product(shape: tuple[int, ...]) -> int:
    result = 1
    for size in shape:
        result *= size
    return result
