"""Predicted phonons beside calculated ones of the same crystal."""

from __future__ import annotations

import numpy as np

from madelung.common.errors import PhononError
from madelung.phonons.prediction import Phonons

__all__ = ["compared"]


def compared(found: Phonons, true: Phonons) -> dict[str, float]:
    """Return how far phonons are from those of a reference.

    Parameters
    ----------
    found, true
        Phonons of the same primitive cell, atoms in the same order.

    Returns
    -------
    dict
        Mean absolute difference of all frequencies of a supercell of 12 Å, and differences of the
        highest one (THz) and of free energy, entropy and heat capacity at 300 K.

    Raises
    ------
    PhononError
        If the crystals are not the same.
    """
    if len(found.crystal) != len(true.crystal) or not np.allclose(
        found.crystal.cell, true.crystal.cell, atol=1e-3
    ):
        raise PhononError(
            f"{true.crystal.source or true.crystal.formula}: its cell is not primitive, so that "
            "bands cannot be laid over each other; calculate with a primitive cell"
        )
    points, weights = true.supercell_points()
    ours, theirs = (one.frequencies(points).frequencies for one in (found, true))
    said, expected = found.summary(), true.summary()
    errors = {"frequency_THz": float(np.abs(ours - theirs).mean(axis=1) @ weights)}
    units = {
        "maximum": "THz", "free_energy": "meV_per_atom",
        "entropy": "J_per_K_mol", "heat_capacity": "J_per_K_mol",
    }  # fmt: skip
    for name, unit in units.items():
        errors[f"{name}_{unit}"] = getattr(said, name).value - getattr(expected, name).value
    return errors
