"""Checks of what a crystal is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.arrays import is_tensor, to_numpy
from madelung.common.errors import CrystalError, MadelungError

__all__ = [
    "FLAT_CELL",
    "LARGEST_LENGTH",
    "SHORTEST_VECTOR",
    "as_atomic_numbers",
    "as_periodicity",
    "as_reals",
    "below_reading",
    "crystal_error",
    "relative_volumes",
    "require_size",
]

# A cell is flat when its volume is this small a part of the product of its edge lengths: the
# rounding of its entries alone could then have made the volume.
FLAT_CELL = 1e-13


LARGEST_LENGTH = 1e9
"""Largest coordinate and lattice vector in Å: beyond, float64 tells no atoms apart any more."""

SHORTEST_VECTOR = 1e-9
"""Shortest lattice vector in Å that calculations take."""


def crystal_error(source: str | None, text: str) -> CrystalError:
    """Return a :class:`CrystalError` whose message starts with the source, if there is one."""
    return CrystalError(text if source is None else f"{source}: {text}")


def below_reading(crystal: Any, error: Exception) -> CrystalError:
    """Return what went wrong in a calculation as the problem of the crystal that it was done for.

    Parameters
    ----------
    crystal
        The crystal.
    error
        What the calculation raised. An error that Madelung raises on purpose says itself what to
        do; any other is named with its type.
    """
    source, text = crystal.source or crystal.formula, " ".join(str(error).split())[:500]
    if isinstance(error, MadelungError):
        # A batch of one calls its crystal by number where it does not know the name.
        text = text.removeprefix(f"{source}: ").removeprefix("crystal 0: ")
        advice = "" if ";" in text else "; check its cell, its distances and the tolerance"
        return crystal_error(source, text + advice)
    return crystal_error(
        source,
        f"the calculation failed ({type(error).__name__}: {text}); check the cell and the "
        "distances of its atoms",
    )


def as_reals(value: Any, name: str, shape: tuple[int, ...], source: str | None) -> Any:
    """Return a float64 copy of an array (a tensor stays in its graph) of the shape given.

    Raises
    ------
    CrystalError
        If the values are not real, not finite, or not of this shape.
    """
    if is_tensor(value):
        if value.is_complex():
            raise crystal_error(
                source, f"{name} must be real numbers, and are complex; give the real part"
            )
        result: Any = value.double()
    else:
        try:
            if np.iscomplexobj(value):
                raise TypeError("they are complex")
            result = np.array(value, dtype=np.float64, order="C")
        except (TypeError, ValueError) as error:
            text = f"{name} is no array of shape {shape} ({error}); give real numbers"
            raise crystal_error(source, text) from None
    if tuple(result.shape) != shape:
        text = f"{name} must have shape {shape}, and has {tuple(result.shape)}; give one row each"
        raise crystal_error(source, text)
    plain = to_numpy(result)
    finite = np.isfinite(plain)
    if not finite.all():
        row = int(np.argwhere(~finite)[0][0])
        place = f"lattice vector {row}" if name == "cell" else f"site {row}"
        text = f"{place} (counted from 0): {name} is not finite ({plain[row]}); give every number"
        raise crystal_error(source, text)
    return result


def as_atomic_numbers(value: Any, source: str | None) -> NDArray[np.int64]:
    """Return atomic numbers as an int64 copy.

    Raises
    ------
    CrystalError
        If there are none, or one of them is not an integer from 1 to 118.
    """
    text = "numbers is no list of atomic numbers; give one integer for each atom"
    try:
        raw = np.atleast_1d(np.asarray(to_numpy(value)))
    except (TypeError, ValueError):
        raise crystal_error(source, text) from None
    if raw.size == 0:
        raise crystal_error(source, "there are no atoms; give at least one")
    if raw.ndim != 1 or raw.dtype.kind not in "iuf":
        raise crystal_error(source, text)
    numbers = raw
    if raw.dtype.kind == "f":
        # What is no whole number becomes 0, which is no element.
        numbers = np.where(np.isfinite(raw) & (raw == np.floor(raw)), raw, 0.0)
    if numbers.min() < 1 or numbers.max() > 118:
        site = int(np.flatnonzero((numbers < 1) | (numbers > 118))[0])
        text = (
            f"site {site} (counted from 0): {raw[site]} is no atomic number (1 to 118); "
            "give every site a chemical element"
        )
        raise crystal_error(source, text)
    return np.array(numbers, dtype=np.int64)


def as_periodicity(value: Any, source: str | None) -> NDArray[np.bool_]:
    """Return three bools from one or three; CrystalError for anything else."""
    if isinstance(value, bool):
        return np.array((value, value, value))
    try:
        raw = np.asarray(to_numpy(value))
        known = raw.shape in {(), (3,)} and raw.dtype.kind in "biu"
    except ValueError:
        known = False
    if not known or ((raw != 0) & (raw != 1)).any():
        raise crystal_error(source, f"pbc is {value!r}; give one bool or three")
    return np.array(np.broadcast_to(raw.astype(bool), (3,)))


def relative_volumes(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """(...) volumes of (..., 3, 3) cells, relative to the products of their edge lengths."""
    lengths = np.linalg.norm(cells, axis=-1, keepdims=True)
    volumes = np.abs(np.linalg.det(cells / np.where(lengths > 0.0, lengths, 1.0)))
    return np.where(lengths.all(axis=(-2, -1)), volumes, 0.0)


def require_size(
    cell: NDArray[np.float64],
    positions: NDArray[np.float64],
    source: str | None,
    shortest: float = SHORTEST_VECTOR,
    largest: float = LARGEST_LENGTH,
) -> None:
    """Refuse cells and coordinates that no calculation should be given.

    Parameters
    ----------
    cell
        (3, 3) lattice vectors as rows, in Å; vectors of length zero stand for none.
    positions
        (n, 3) Cartesian positions, in Å.
    source
        Where the crystal came from, for messages.
    shortest, largest
        Limits in Å.

    Raises
    ------
    CrystalError
        If a lattice vector is shorter or longer, or a coordinate larger.
    """
    lengths = np.abs(cell).max(axis=1)
    for vector, length in zip(cell, lengths, strict=True):
        # The largest component bounds a length without a square that may overflow.
        if length > largest or (length > 0.0 and np.linalg.norm(vector) < shortest):
            raise crystal_error(
                source,
                f"the lattice vector {vector.tolist()} Å is no crystal's: lengths must lie between "
                f"{shortest:g} and {largest:g} Å; check the unit (is it metres, nm or bohr?)",
            )
    if positions.size and np.abs(positions).max() > largest:
        site = int(np.abs(positions).max(axis=1).argmax())
        raise crystal_error(
            source,
            f"site {site} (counted from 0): the position {positions[site].tolist()} Å is beyond "
            f"{largest:g} Å, where its digits end; give it within the cell, in Å",
        )
