"""What passes between a job and the processes of its teachers, as JSON with packed arrays."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.arrays import to_numpy
from madelung.common.errors import ForceFieldError
from madelung.common.outputs import json_text
from madelung.crystals.crystal import Crystal

__all__ = ["Answer", "crystal_from_message", "message_of", "pack", "read_message", "unpack"]

_NUMBER = np.dtype("<f8")


@dataclass(frozen=True, eq=False)
class Answer:
    """What a teacher said of a configuration.

    Parameters
    ----------
    energy
        In eV; NaN if it said nothing.
    forces
        (atoms, 3) in eV/Å; None if it has none.
    reason
        Why it said nothing.
    lost
        Whether its process was lost over it.
    """

    energy: float = float("nan")
    forces: NDArray[np.float64] | None = None
    reason: str = ""
    lost: bool = False

    def as_object(self) -> dict[str, Any]:
        """Return what stands in JSON; numbers lose nothing."""
        if self.reason:
            return {"reason": self.reason, "lost": self.lost}
        return {"energy": self.energy, "forces": pack(self.forces)}

    @classmethod
    def from_object(cls, content: dict[str, Any]) -> Answer:
        """Read what :meth:`as_object` returned."""
        if "reason" in content:
            return cls(reason=str(content["reason"]), lost=bool(content["lost"]))
        return cls(energy=float(content["energy"]), forces=unpack(content["forces"]))


def pack(array: Any) -> str | None:
    """Return the bytes of an array of triples as text."""
    if array is None:
        return None
    return base64.b64encode(np.asarray(array, dtype=_NUMBER).tobytes()).decode("ascii")


def unpack(text: str | None) -> NDArray[np.float64] | None:
    """Return (n, 3) from what :func:`pack` returned."""
    if text is None:
        return None
    values = np.frombuffer(base64.b64decode(text), dtype=_NUMBER)
    return values.astype(np.float64).reshape(-1, 3)


def message_of(crystal: Crystal) -> bytes:
    """Return a structure as a message."""
    content = {
        "numbers": np.asarray(to_numpy(crystal.numbers)).tolist(),
        "positions": pack(to_numpy(crystal.positions)),
        "cell": pack(to_numpy(crystal.cell)),
        "pbc": [bool(value) for value in crystal.pbc],
    }
    return json_text(content).encode("utf-8")


def crystal_from_message(message: bytes) -> Any:
    """Return the ASE ``Atoms`` of a message."""
    from ase import Atoms

    content = json.loads(message)
    return Atoms(
        numbers=content["numbers"],
        positions=unpack(content["positions"]),
        cell=unpack(content["cell"]),
        pbc=content["pbc"],
    )


def read_message(message: bytes) -> dict[str, Any]:
    """Return the object of a message.

    Raises
    ------
    ForceFieldError
        If it is none.
    """
    try:
        content = json.loads(message)
    except ValueError as problem:
        raise ForceFieldError(f"a message that cannot be read ({problem})") from None
    if not isinstance(content, dict):
        raise ForceFieldError("a message that is no object")
    return content
