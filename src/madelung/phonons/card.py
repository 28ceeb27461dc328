"""What is written down about a model of phonons beside its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from madelung.common.errors import ModelError
from madelung.models.harmonic import HarmonicSettings

__all__ = ["PHONON_CARD_FILE", "PhononCard", "read_phonon_card"]

PHONON_CARD_FILE = "phonons.json"
"""Name of the file in a model's folder."""
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
