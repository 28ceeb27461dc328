"""What is written down about a model of phonons beside its weights."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from madelung.common.errors import ModelError
from madelung.common.finite_numbers import require_finite_numbers
from madelung.models.harmonic_settings import HarmonicSettings

__all__ = [
    "PHONON_CARD_FILE",
    "PHONON_MODEL",
    "PhononCard",
    "phonon_folder",
    "read_phonon_card",
]

PHONON_CARD_FILE = "phonons.json"
"""Name of the file in a model's folder."""
PHONON_MODEL = "phonons"
"""Name of the model of phonons that comes with the package ``madelung-models``."""
_PACKAGE, _FOLDER = "madelung_models", "phonons"
_FORMAT = 1
_LARGEST_CARD = 10_000_000


class PhononCard(BaseModel):
    """Where a model of phonons comes from, and all that its predictions depend on."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    format: int = Field(_FORMAT, description="Version of this format.")
    kind: Literal["phonons"] = "phonons"
    name: str = Field(description="Name of the model.")
    purpose: str = Field("", description="What it may be used for, and what not.")
    network: HarmonicSettings = Field(description="Size and options of the networks.")
    members: int = Field(1, ge=1, le=100, description="Networks that predict together.")
    shares: tuple[float, ...] = Field(
        (), description="Part of each member in the mean force constants; equal ones if empty."
    )
    calibration: dict[str, Any] = Field(
        default_factory=dict, description="What turns the spread of members into intervals."
    )
    elements: dict[str, int] = Field(
        default_factory=dict, description="In how many training crystals each element occurs."
    )
    volumes: tuple[float, float] = Field(
        (0.0, 1e6),
        description="Volumes of atoms over those of spheres of their covalent radii, between which "
        "99 % of the training crystals lie.",
    )
    errors: dict[str, Any] = Field(
        default_factory=dict, description="Errors on the test crystals, looked at once."
    )
    validation: dict[str, Any] = Field(
        default_factory=dict, description="Errors on the crystals that epochs were chosen by."
    )
    training: dict[str, Any] = Field(
        default_factory=dict, description="Data, licence, split, seeds, settings, commit, time."
    )
    weights_sha256: str = Field("", description="Checksum of the weights.")

    @model_validator(mode="after")
    def _one_share_a_member(self) -> Self:
        if self.shares and (len(self.shares) != self.members or min(self.shares) <= 0.0):
            raise ValueError(f"{self.members} members need as many positive shares, or none")
        return self


def read_phonon_card(folder: Path) -> PhononCard:
    """Read the card of a model from its folder.

    Raises
    ------
    ModelError
        If it is missing, damaged, or was written by a later version.
    """
    path = folder / PHONON_CARD_FILE
    try:
        if path.stat().st_size > _LARGEST_CARD:
            raise ModelError(f"{path}: too large for a card")
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise ModelError(f"{path}: no card of phonons that this version of Madelung reads")
        require_finite_numbers(content, str(path), ModelError)
        return PhononCard.model_validate(content)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); give a model") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ModelError(f"{path}: {place}: {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{path}: no JSON ({error}); copy the model again") from None


def phonon_folder(name: str | os.PathLike[str]) -> Path | None:
    """Find the folder of a model of phonons; None if the name is of no such model.

    Raises
    ------
    ModelError
        If the shipped model is asked for, and the package with it is not installed.
    """
    for place in (Path(name), Path(name) / "model"):
        if (place / PHONON_CARD_FILE).is_file():
            return place
    if name != PHONON_MODEL:
        return None
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            "the model 'phonons' is in the package madelung-models, which is not installed: "
            "pip install madelung-models (from a checkout: pip install ./weights)"
        )
    return Path(spec.submodule_search_locations[0]) / _FOLDER
