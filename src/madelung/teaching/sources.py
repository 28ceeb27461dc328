"""Labels of teachers from wherever they are kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from madelung.forcefields.reference.configurations import Configuration
from madelung.teaching.labelling import LABELS
from madelung.teaching.labels import TeacherLabels
from madelung.teaching.tables import read_energy_table

__all__ = ["read_labels", "reference_energies_of"]


def read_labels(
    source: str | os.PathLike[str], configurations: Sequence[Configuration]
) -> TeacherLabels:
    """Return the labels that a folder, a file of labels or a table has for configurations.

    Parameters
    ----------
    source
        Folder of :func:`~madelung.label_configurations`, a file of
        :meth:`TeacherLabels.save`, or a table for
        :func:`~madelung.read_energy_table`.
    configurations
        In the order in which they were labelled; for a table in any.

    Raises
    ------
    ForceFieldError
        If there are none, they cannot be read, or they are of other configurations.
    """
    path = Path(source)
    if path.is_dir():
        path = path / LABELS
    if path.suffix != ".safetensors":
        return read_energy_table(path, configurations)
    labels = TeacherLabels.load(path)
    labels.require_same(configurations)
    return labels


def reference_energies_of(configurations: Sequence[Configuration]) -> NDArray[np.float64]:
    """Return (n,) reference energies in eV; NaN where not known."""
    return np.array([np.nan if item.energy is None else item.energy for item in configurations])
