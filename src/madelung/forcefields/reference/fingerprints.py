"""Checksums of configurations: whether a job that goes on has the same ones."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from madelung.common.arrays import to_numpy
from madelung.forcefields.reference.configurations import Configuration

__all__ = ["fingerprint_of", "fingerprint_of_structures"]


def fingerprint_of_structures(configurations: Sequence[Configuration]) -> str:
    """Return the SHA-256 of names and structures, in order.

    Parameters
    ----------
    configurations
        All of them.
    """
    digest = hashlib.sha256()
    for item in configurations:
        digest.update(item.id.encode("utf-8") + b"\0")
        crystal = item.crystal
        for array in (crystal.numbers, crystal.positions, crystal.cell, crystal.pbc):
            digest.update(np.ascontiguousarray(to_numpy(array), dtype="<f8").tobytes())
    return digest.hexdigest()


def fingerprint_of(configurations: Sequence[Configuration]) -> str:
    """Return the SHA-256 of names, structures, energies, forces, stresses and groups, in order.

    Parameters
    ----------
    configurations
        All of them.
    """
    digest = hashlib.sha256(fingerprint_of_structures(configurations).encode("ascii"))
    for item in configurations:
        digest.update(item.group.encode("utf-8") + b"\0")
        for value in (item.energy, item.forces, item.stress):
            own = np.array([] if value is None else value, dtype="<f8")
            digest.update(b"%d " % own.size + own.tobytes())
        # Jobs begun before there were weights go on.
        if item.weights != (1.0, 1.0, 1.0):
            digest.update(np.array(item.weights, dtype="<f8").tobytes())
    return digest.hexdigest()
