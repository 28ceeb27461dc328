"""Models of any kind by their name or folder."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

from madelung.common.errors import ModelError
from madelung.models.shipped import load as load_property_model
from madelung.phonons.card import PHONON_CARD_FILE
from madelung.phonons.model import PhononModel

__all__ = ["PHONON_MODEL", "load", "load_phonon_model"]

PHONON_MODEL = "phonons"
"""Name of the model of phonons that comes with the package ``madelung-models``."""
_PACKAGE, _FOLDER = "madelung_models", "phonons"


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
    if name == PHONON_MODEL or _phonon_folder(Path(name)) is not None:
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
    folder = _phonon_folder(Path(name))
    if folder is None and name == PHONON_MODEL:
        spec = importlib.util.find_spec(_PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise ModelError(
                "the model 'phonons' is in the package madelung-models, which is not installed: "
                "pip install madelung-models (from a checkout: pip install ./weights)"
            )
        folder = Path(spec.submodule_search_locations[0]) / _FOLDER
    if folder is None:
        raise ModelError(f"{name}: no model of phonons; give its folder, or 'phonons'")
    return PhononModel.load(folder)


def _phonon_folder(path: Path) -> Path | None:
    for place in (path, path / "model"):
        if (place / PHONON_CARD_FILE).is_file():
            return place
    return None
