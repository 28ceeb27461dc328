"""Errors and warnings that Madelung raises on purpose."""

from __future__ import annotations

__all__ = ["CrystalError", "MadelungError", "PotentialError", "ToleranceWarning"]


class MadelungError(Exception):
    """Base of every error that Madelung raises on purpose."""


class CrystalError(MadelungError, ValueError):
    """A crystal that cannot be used.

    The message names the source (file and record) where there is one, the site where it is known,
    what is wrong, and what to do about it.
    """


class PotentialError(MadelungError, ValueError):
    """A potential, or a parameter of one, for which no complete sum is defined."""


class ToleranceWarning(UserWarning):
    """A certified error is larger than the tolerance that was asked for."""
