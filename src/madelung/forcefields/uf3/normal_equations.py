"""Normal equations of UF3 fits: made once from the data, solved as often as wanted.

They are kept for each group of configurations apart, so that a group can be left out exactly by
leaving its sums out. Equation numbers are those of docs/theory/uf3.md.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError
from madelung.common.outputs import json_text, whole_file
from madelung.forcefields.uf3.basis import UF3Basis
from madelung.forcefields.uf3.constraints import constrained_solution, inequalities
from madelung.forcefields.uf3.moments import Moments
from madelung.forcefields.uf3.regularisation import penalty_matrix
from madelung.forcefields.uf3.settings import Regularisation, UF3Settings

__all__ = ["NormalEquations", "Solution"]

_Array = NDArray[np.float64]
_QUANTITIES = ("energy", "forces", "stress")
_COMPOSITION = "composition"
# Settings that the sums depend on.
_OF_BASIS = {"elements", "two_body", "three_body", "pairs", "triplets", "trailing", "leading"}
_VERSION = 2
# Memory that sums may take together.
_MOST_BYTES = 4 * 2**30


@dataclass(frozen=True, eq=False)
class Solution:
    """Coefficients that solve normal equations.

    Parameters
    ----------
    coefficients
        (P,) in eV.
    errors
        Root mean square errors on the data of the equations: "energy" in eV/atom, "forces" in
        eV/Å, "stress" in eV/Å³, as far as there are such data.
    factor
        (P, P) upper triangular U with Uᵀ U the matrix of the equations.
    noise
        Variance τ of equation 19, which scales the covariance of the coefficients.
    """

    coefficients: _Array
    errors: dict[str, float]
    factor: _Array
    noise: float

    def deviations(self, rows: _Array) -> _Array:
        """Return the standard deviation of the values of rows (K, P) of features.

        It is that of the coefficients, by equation 20, without the noise of the data.
        """
        from scipy.linalg import solve_triangular

        spread = solve_triangular(self.factor, np.atleast_2d(rows).T, trans="T")
        result: _Array = np.sqrt(self.noise * (spread**2).sum(axis=0))
        return result

    def mean_variance(self, groups: Iterable[Moments]) -> float:
        """Return the mean of the squares of :meth:`deviations` over the rows of some sums."""
        chosen = list(groups)
        total = sum(sums.variances(self.factor) for sums in chosen)
        return float(self.noise * total / sum(sums.count for sums in chosen))


@dataclass(eq=False)
class NormalEquations:
    """Normal equations of a basis, by group of configurations and by quantity.

    Parameters
    ----------
    settings
        Settings whose basis the equations have.
    groups
        For each group, sums over its energies per atom, force components and stresses; and, as
        "composition", over the energies of structures whose atoms interact, with the shares of
        the species as their only features: their scale is what compositions leave unexplained.
    """

    settings: UF3Settings
    groups: dict[str, dict[str, Moments]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the basis."""
        self.basis: UF3Basis = self.settings.basis()
        self.origin = np.zeros(len(self.basis.species))
        """Energies of the species in eV that new groups take off before they sum."""

    @property
    def most_groups(self) -> int:
        """How many groups find room in 4 GiB, if each has many of all kinds of data."""
        return int(_MOST_BYTES // (8 * len(_QUANTITIES) * self.basis.size**2))

    def require_room(self) -> None:
        """Refuse sums and a solution that would not find room in memory.

        Raises
        ------
        ForceFieldError
            If there are too many coefficients.
        """
        if self.most_groups == 0:
            size = self.basis.size
            raise ForceFieldError(
                f"{size:,} coefficients need {8e-9 * size**2:.0f} GB for each matrix of the fit; "
                "take fewer intervals of triplets (--three-body MIN:MAX:L,M,N), set ranges of "
                "single triplets (--config), or fit pairs alone (--three-body none)"
            )

    def group(self, name: str) -> dict[str, Moments]:
        """Return the sums of a group, empty ones if it is new."""
        if name not in self.groups:
            size = self.basis.size
            self.groups[name] = {
                "energy": Moments.zeros(size, self.origin),
                "forces": Moments.zeros(size),
                "stress": Moments.zeros(size),
                _COMPOSITION: Moments.zeros(len(self.origin), self.origin),
            }
        return self.groups[name]

    def without(self, *names: str) -> NormalEquations:
        """Return the equations without some groups: exactly those of the other data."""
        self._require_known(names)
        kept = {name: sums for name, sums in self.groups.items() if name not in names}
        return NormalEquations(self.settings, kept)

    def only(self, *names: str) -> NormalEquations:
        """Return the equations of some groups."""
        self._require_known(names)
        return NormalEquations(self.settings, {name: self.groups[name] for name in names})

    def _require_known(self, names: Iterable[str]) -> None:
        unknown = set(names) - set(self.groups)
        if unknown:
            raise ForceFieldError(
                f"there is no group {', '.join(sorted(unknown))}; there are "
                f"{', '.join(sorted(self.groups))}"
            )

    def of(self, quantity: str) -> list[Moments]:
        """Return the sums of a quantity, those of each group that has some."""
        every = [group[quantity] for group in self.groups.values()]
        return [sums for sums in every if sums.count]

    def count(self, quantity: str) -> float:
        """Return the number of values, or the sum of their weights."""
        return sum(sums.count for sums in self.of(quantity))

    def diagonal(self, quantity: str) -> _Array:
        """Return (P,) the sums of the squares of each feature over all rows of a quantity."""
        return np.asarray(sum((sums.diagonal for sums in self.of(quantity)), np.zeros(1)))

    def deviation(self, quantity: str) -> float:
        """Return the σ of equation 13: of energies, what compositions leave unexplained."""
        if quantity == "energy":
            return self._compositions().deviation or 1.0
        every = self.of(quantity)
        # Gram matrices take no part in this σ.
        total = Moments.zeros(0)
        total.squares = sum(sums.squares for sums in every)
        total.total = sum(sums.total for sums in every)
        total.count = sum(sums.count for sums in every)
        return total.deviation

    def _compositions(self) -> Moments:
        total = Moments.zeros(len(self._origin), self._origin)
        for sums in self.of(_COMPOSITION):
            total.include(sums)
        return total

    def errors(self, coefficients: _Array) -> dict[str, float]:
        """Return root mean square errors of coefficients on all the data of the equations."""
        return {
            quantity: float(
                np.sqrt(
                    sum(sums.squared_errors(coefficients) for sums in self.of(quantity))
                    / self.count(quantity)
                )
            )
            for quantity in _QUANTITIES
            if self.count(quantity)
        }

    def solve(self, settings: UF3Settings | None = None) -> Solution:
        """Solve for the coefficients that minimise equation 12, without touching the data again.

        Parameters
        ----------
        settings
            Other weights, regularisation and constraints; by default those of the equations.

        Raises
        ------
        ForceFieldError
            If the settings have another basis, or there are no data.
        """
        chosen = self.settings if settings is None else settings
        if _basis_settings(chosen) != _basis_settings(self.settings):
            raise ForceFieldError(
                "these normal equations belong to other elements, ranges or knots; make them anew"
            )
        shares = _shares(chosen)
        weights = {
            quantity: shares[quantity] / (count * self.deviation(quantity)) ** 2
            for quantity in _QUANTITIES
            if (count := self.count(quantity))
        }
        if not any(weights.values()):
            raise ForceFieldError("there are no data to fit to, or all have the weight zero")
        factor, moment = self._factored(weights, chosen.regularisation)
        coefficients = constrained_solution(
            factor, _solve(factor, moment), inequalities(self.basis, chosen)
        )
        coefficients[: len(self._origin)] += self._origin
        errors = self.errors(coefficients)
        noise = sum(weights[quantity] * error**2 for quantity, error in errors.items())
        noise /= sum(1 for quantity in errors if weights[quantity] > 0)
        return Solution(coefficients, errors, factor, noise)

    @property
    def _origin(self) -> _Array:
        """Energies of the species that the first group has taken off."""
        first = next(iter(self.groups.values()), None)
        return self.origin if first is None else first["energy"].origin

    def _factored(
        self, weights: dict[str, float], penalties: Regularisation
    ) -> tuple[_Array, _Array]:
        """Return U with Uᵀ U = A and b; where rounding made A indefinite, its diagonal is raised.

        A and U are one piece of memory.
        """
        from scipy.linalg import LinAlgError, cholesky

        penalty, species = penalty_matrix(self.basis, penalties), len(self._origin)
        lift = 0.0
        for _ in range(8):
            matrix, moment = penalty.toarray(order="F"), np.zeros(self.basis.size)
            # Energies of species are not pulled to zero but to what compositions explain.
            moment[:species] += matrix.diagonal()[:species] * self._compositions().explained
            for quantity, weight in weights.items():
                for sums in self.of(quantity):
                    origin = self._origin if quantity == "energy" else sums.origin
                    sums.add_to(matrix, moment, origin, weight)
            diagonal = np.einsum("ii->i", matrix)
            largest = float(diagonal.max())
            diagonal += lift
            try:
                return cholesky(matrix, overwrite_a=True, check_finite=False), moment
            except LinAlgError:
                lift = 100.0 * lift or 1e-15 * largest
        raise ForceFieldError("the normal equations cannot be solved; raise the ridge penalties")

    def leave_groups_out(self, settings: UF3Settings | None = None) -> dict[str, dict[str, float]]:
        """Return, for each group, the errors on it of a fit to all others."""
        chosen = self.settings if settings is None else settings
        errors = {}
        for name in self.groups:
            others = self.without(name)
            if others.groups and others.have_data(chosen):
                errors[name] = self.only(name).errors(others.solve(chosen).coefficients)
        return errors

    def have_data(self, settings: UF3Settings) -> bool:
        """Return whether there are data of a quantity whose weight is not zero."""
        return any(
            share > 0.0 and any(group[quantity].count for group in self.groups.values())
            for quantity, share in _shares(settings).items()
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the equations as ``.npz``, from which :meth:`load` returns them."""
        names = list(self.groups)
        header = {
            "version": _VERSION,
            "groups": names,
            "settings": self.settings.model_dump(mode="json"),
        }
        arrays: dict[str, Any] = {"header": np.array(json_text(header))}
        for number, name in enumerate(names):
            for quantity, sums in self.groups[name].items():
                label = f"{number}_{quantity}"
                arrays |= sums.as_arrays(label)
        with whole_file(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> NormalEquations:
        """Read equations that :meth:`save` wrote.

        Raises
        ------
        ForceFieldError
            If the file is missing, damaged, or of another version.
        """
        try:
            with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                header = json.loads(str(file["header"]))
                if header["version"] != _VERSION:
                    raise ForceFieldError(f"{path}: has version {header['version']}")
                result = cls(UF3Settings(**header["settings"]))
                for number, name in enumerate(header["groups"]):
                    group = result.group(name)
                    for quantity, sums in group.items():
                        label = f"{number}_{quantity}"
                        group[quantity] = Moments.from_arrays(len(sums.moment), label, file)
                result.origin = result._origin
                return result
        except ForceFieldError:
            raise
        except Exception as error:
            raise ForceFieldError(
                f"{path}: holds no normal equations of a UF3 fit: {error}"
            ) from None


def _shares(settings: UF3Settings) -> dict[str, float]:
    """Weights of the quantities."""
    kappa = settings.kappa
    return {"energy": kappa, "forces": 1.0 - kappa, "stress": settings.stress_weight}


def _basis_settings(settings: UF3Settings) -> dict[str, Any]:
    return settings.model_dump(include=_OF_BASIS)


def _solve(factor: _Array, right: _Array) -> _Array:
    from scipy.linalg import cho_solve

    solution: _Array = cho_solve((factor, False), right)
    return solution
