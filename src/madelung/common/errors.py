"""Errors and warnings that Madelung raises on purpose."""

from __future__ import annotations

__all__ = [
    "CrystalError",
    "CrystalWarning",
    "DatasetError",
    "ForceFieldError",
    "MadelungError",
    "ModelError",
    "OutputError",
    "PhononError",
    "PolymorphError",
    "PotentialError",
    "ToleranceWarning",
    "TrainingError",
]


class MadelungError(Exception):
    """Base of every error that Madelung raises on purpose."""


class CrystalError(MadelungError, ValueError):
    """A crystal that cannot be used.

    The message names the source (file and record) where there is one, the site where it is known,
    what is wrong, and what to do about it.
    """


class OutputError(MadelungError):
    """A file or folder of results that cannot be written, or that another process writes to."""


class PotentialError(MadelungError, ValueError):
    """A potential, or a parameter of one, for which no complete sum is defined."""


class DatasetError(MadelungError, ValueError):
    """A data set that cannot be found, read, downloaded or written.

    The message names the file or address, the record where it is known, what is wrong, and what to
    do about it.
    """


class ForceFieldError(MadelungError, ValueError):
    """A force field that cannot be read, made, or asked about a structure."""


class PhononError(MadelungError, ValueError):
    """Phonons that cannot be read or calculated."""


class PolymorphError(MadelungError, ValueError):
    """Candidate crystals, or molecules of them, that cannot be ranked."""


class ModelError(MadelungError, ValueError):
    """A model that cannot be found or loaded, or whose files are damaged."""


class TrainingError(MadelungError, ValueError):
    """A training run that cannot start, resume or go on."""


class CrystalWarning(UserWarning):
    """A crystal was read, and its file holds something that its reader should know of."""


class ToleranceWarning(UserWarning):
    """A certified error is larger than the tolerance that was asked for."""
