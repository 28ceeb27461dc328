"""The folder of a fit of a spline MEAM: what makes the job that is in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from madelung.common.errors import ForceFieldError
from madelung.common.outputs import json_text, whole_file
from madelung.common.resuming import default_settings, require_same_job
from madelung.forcefields.reference.configurations import Configuration
from madelung.forcefields.reference.fingerprints import fingerprint_of
from madelung.forcefields.splines.meam import SplineMEAM
from madelung.forcefields.splines.settings import SplineMEAMSettings

__all__ = ["take_folder"]

_SETTINGS, _JOB = "settings.json", "job.json"
# Settings that change no result, and may change when a fit goes on.
_FREE_SETTINGS = ("threads",)


def take_folder(
    folder: Path,
    settings: SplineMEAMSettings,
    configurations: Sequence[Configuration],
    initial: SplineMEAM | None,
    *,
    resume: bool,
) -> None:
    """Write what makes a fit to its folder, or make sure that it is the one that is there.

    Parameters
    ----------
    folder
        Where the fit is, or will be.
    settings, configurations, initial
        What makes it.
    resume
        Whether it may be there already.

    Raises
    ------
    ForceFieldError
        If it is there and ``resume`` is not set, or another one is there.
    """
    own = "" if initial is None else json_text(initial.as_object())
    others = {
        "fingerprint": fingerprint_of(configurations),
        "initial_weights": hashlib.sha256(own.encode("utf-8")).hexdigest() if own else "",
    }
    asked = {"settings": settings.model_dump(mode="json"), **others}
    path, job = folder / _SETTINGS, folder / _JOB
    if path.exists():
        if not resume:
            raise ForceFieldError(
                f"{folder} holds a fit already; resume it or choose another folder"
            )
        # Fits of an earlier version wrote nothing but settings.
        before = json.loads(job.read_text()) if job.exists() else others
        begun = {"settings": json.loads(path.read_text()), **before}
        require_same_job(
            begun,
            asked,
            folder,
            ForceFieldError,
            defaults=default_settings(settings),
            free=_FREE_SETTINGS,
        )
    for file, content in ((job, others), (path, asked["settings"])):
        with whole_file(file) as temporary:
            temporary.write_text(json_text(content, indent=1) + "\n")
