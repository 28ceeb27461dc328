"""Models of any kind by their name or folder."""

from __future__ import annotations

import os
from typing import Any

from madelung.common.errors import ModelError
from madelung.models.shipped import load as load_property_model
from madelung.phonons.card import PHONON_MODEL, phonon_folder
from madelung.phonons.model import PhononModel

__all__ = ["load", "load_phonon_model"]


def load(name: str | os.PathLike[str], *, target: str | None = None) -> Any:
    """Load a model of any kind.

    Parameters
    ----------
    name
        ``"phonons"``, a name that ``madelung models`` lists, or the folder of a model or of a
        training run.
    target
        Of a model of properties: which of its targets it gives; the name's, or the model's first,
        if None.

    Returns
    -------
    CrystalModel or PhononModel

    Raises
    ------
    ModelError
        If there is no such model or target, a file is missing or damaged, or a shipped name is
        given and the package ``madelung-models`` is not installed.
    """
    if phonon_folder(name) is not None:
        if target is not None:
            raise ModelError("a model of phonons has no targets; leave the target away")
        return load_phonon_model(name)
    return load_property_model(name, target=target)


def load_phonon_model(name: str | os.PathLike[str] = PHONON_MODEL) -> PhononModel:
    """Load a model of phonons.

    Parameters
    ----------
    name
        ``"phonons"``, or the folder of a model or of a training run.

    Raises
    ------
    ModelError
        If there is none, or a file is damaged.
    """
    folder = phonon_folder(name)
    if folder is None:
        raise ModelError(f"{name}: no model of phonons; give its folder, or 'phonons'")
    return PhononModel.load(folder)
