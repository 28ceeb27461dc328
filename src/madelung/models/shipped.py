"""Models that come with the package ``madelung-models``, and models by name or path."""

from __future__ import annotations

import importlib.util
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from madelung.common.errors import ModelError
from madelung.common.registry import did_you_mean
from madelung.models.card import CARD_FILE

if TYPE_CHECKING:
    from madelung.models.model import CrystalModel

__all__ = [
    "DEFAULT_MODEL",
    "FORMER_NAMES",
    "SHIPPED_MODELS",
    "ShippedModel",
    "load",
    "model_folder",
]

_PACKAGE = "madelung_models"


@dataclass(frozen=True)
class ShippedModel:
    """A model that comes with the package ``madelung-models``.

    Parameters
    ----------
    name
        What it is asked for by.
    folder
        Its folder inside that package.
    target
        The target it gives.
    """

    name: str
    folder: str
    target: str


SHIPPED_MODELS: tuple[ShippedModel, ...] = (
    ShippedModel("formation-energy", "sumnet-energies", "formation_energy_peratom"),
    ShippedModel("total-energy", "sumnet-energies", "optb88vdw_total_energy"),
    ShippedModel("band-gap", "sumnet-energies", "optb88vdw_bandgap"),
    ShippedModel("mbj-band-gap", "sumnet-mbj", "mbj_bandgap"),
    ShippedModel("jarvis-ehull-column", "sumnet-hull", "ehull"),
    ShippedModel("bulk-modulus", "sumnet-elastic", "bulk_modulus_kv"),
    ShippedModel("shear-modulus", "sumnet-elastic", "shear_modulus_gv"),
    ShippedModel("phonon-frequency", "sumnet-phonons", "last_phdos_peak"),
    ShippedModel("mp-formation-energy", "sumnet-mp", "e_form"),
    ShippedModel("mp-band-gap", "sumnet-mp", "gap_pbe"),
    ShippedModel("mp-bulk-modulus", "sumnet-mp", "log10_K_VRH"),
    ShippedModel("mp-shear-modulus", "sumnet-mp", "log10_G_VRH"),
)
"""All of them; several names may share the weights of one network."""

DEFAULT_MODEL = "mp-formation-energy"
"""What predicts where no model is named: it has learnt from crystals of all elements, with and
without anions."""

FORMER_NAMES = {"energy-above-hull": "jarvis-ehull-column"}
"""Present names of models by names that they had, which still work."""


def model_folder(name: str | os.PathLike[str]) -> tuple[Path, str | None]:
    """Find the folder of a model, and the target that its name stands for.

    Parameters
    ----------
    name
        A shipped name, a model's folder, or the folder of a run that holds one.

    Raises
    ------
    ModelError
        If there is neither, or the package with the shipped models is not installed.
    """
    present = FORMER_NAMES.get(str(name))
    if present is not None:
        warnings.warn(
            f"the model {str(name)!r} is now called {present!r}, which is what it is; use that, "
            "the old name will go",
            FutureWarning,
            stacklevel=3,
        )
        name = present
    for model in SHIPPED_MODELS:
        if model.name == name:
            return _shipped_folder(model), model.target
    for place in (Path(name), Path(name) / "model"):
        if (place / CARD_FILE).is_file():
            return place, None
    known = [model.name for model in SHIPPED_MODELS]
    raise ModelError(
        f"there is no model {str(name)!r}; {did_you_mean(name, known)}give a folder, or one of "
        f"{', '.join(known)}"
    )


def _shipped_folder(model: ShippedModel) -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            f"the model {model.name!r} is in the package madelung-models, which is not installed: "
            "pip install madelung-models (from a checkout: pip install ./weights)"
        )
    folder = Path(spec.submodule_search_locations[0]) / model.folder
    if not folder.is_dir():
        raise ModelError(
            f"{folder}: not there, so the installed madelung-models is not the one for this "
            "version of Madelung: pip install --upgrade madelung-models"
        )
    return folder


def load(name: str | os.PathLike[str], *, target: str | None = None) -> CrystalModel:
    """Load a model.

    Parameters
    ----------
    name
        A name that ``madelung models`` lists, or the folder of a model or of a training run.
    target
        Which of its targets it gives; the name's, or the model's first, if None.

    Returns
    -------
    CrystalModel

    Raises
    ------
    ModelError
        If there is no such model or target, a file is missing or damaged, or a shipped name is
        given and the package ``madelung-models`` is not installed.
    """
    from madelung.models.model import CrystalModel

    folder, own = model_folder(name)
    return CrystalModel.load(folder, target or own)
