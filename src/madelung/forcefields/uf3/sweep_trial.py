"""What a trial of a sweep has found."""

from __future__ import annotations

from dataclasses import dataclass

from madelung.forcefields.uf3.settings import UF3Settings

__all__ = ["SweepTrial"]


@dataclass(frozen=True)
class SweepTrial:
    """A choice of ranges and knots, and what it leads to.

    Parameters
    ----------
    number
        Its number in the sweep.
    energy_rmse, force_rmse, score
        Errors in cross-validation in meV/atom and eV/Å, and the score of
        :class:`~madelung.forcefields.uf3.tuning.CrossValidation`.
    microseconds
        Time for energy and forces of an atom, on one core.
    coefficients
        Number of free coefficients.
    settings
        With penalties that cross-validation chose.
    efficient
        Whether no other trial is both better and faster.
    """

    number: int
    energy_rmse: float
    force_rmse: float
    score: float
    microseconds: float
    coefficients: int
    settings: UF3Settings
    efficient: bool = False
