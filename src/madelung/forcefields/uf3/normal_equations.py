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
from madelung.forcefields.uf3.regularisation import penalty_matrix
from madelung.forcefields.uf3.settings import UF3Settings

__all__ = ["Moments", "NormalEquations", "Solution"]

_Array = NDArray[np.float64]
_QUANTITIES = ("energy", "forces", "stress")
# Settings that the sums depend on.
_OF_BASIS = {"elements", "two_body", "three_body", "pairs", "triplets", "trailing"}
_VERSION = 1


@dataclass(eq=False)
class Moments:
    """Sums over rows x of features and their values y.

    Parameters
    ----------
    gram
        (P, P) sum of x xᵀ.
    moment
        (P,) sum of x y.
    squares, total
        Sums of y² and of y.
    count
        Number of rows, or the sum of their weights.
    """

    gram: _Array
    moment: _Array
    squares: float = 0.0
    total: float = 0.0
    count: float = 0

    @classmethod
    def zeros(cls, size: int) -> Moments:
        """Return empty sums for P = size coefficients."""
        return cls(np.zeros((size, size), order="F"), np.zeros(size))

    def add(self, rows: _Array, values: _Array, weights: _Array | None = None) -> None:
        """Add rows (K, P) with values (K,), each as often as its weight (K,) says."""
        from scipy.linalg.blas import dsyrk

        if not len(rows):
            return
        roots = None if weights is None else np.sqrt(weights)
        if roots is not None:
            rows, values = roots[:, None] * rows, roots * values
        # Only one triangle is summed; see whole().
        self.gram = dsyrk(1.0, rows.T, beta=1.0, c=self.gram, overwrite_c=True)
        self.moment += rows.T @ values
        self.squares += float(values @ values)
        self.total += float(values.sum() if roots is None else roots @ values)
        self.count += len(values) if weights is None else float(weights.sum())

    def whole(self) -> Moments:
        """Return sums whose Gram matrix has both triangles."""
        upper = np.triu(self.gram)
        gram = upper + np.triu(upper, 1).T
        return Moments(gram, self.moment, self.squares, self.total, self.count)

    def include(self, other: Moments) -> None:
        """Add the sums over other rows."""
        if other.count == 0:
            return
        self.gram += other.gram
        self.moment += other.moment
        self.squares += other.squares
        self.total += other.total
        self.count += other.count

    def __sub__(self, other: Moments) -> Moments:
        """Return the sums without some of their rows."""
        return Moments(
            self.gram - other.gram,
            self.moment - other.moment,
            self.squares - other.squares,
            self.total - other.total,
            self.count - other.count,
        )

    @property
    def deviation(self) -> float:
        """Standard deviation σ of the values."""
        mean = self.total / self.count
        return float(np.sqrt(max(self.squares / self.count - mean**2, 0.0)))

    @property
    def weight(self) -> float:
        """The weight w² = 1 / (N σ)², zero without rows (equation 13)."""
        if self.count == 0:
            return 0.0
        # Values that are all alike, as for a single configuration, are weighed by their size.
        spread = self.deviation or abs(self.total) / self.count or 1.0
        return 1.0 / (self.count * spread) ** 2

    def error(self, coefficients: _Array) -> float | None:
        """Root mean square error of coefficients on these rows; None without rows."""
        if self.count == 0:
            return None
        gradient = self.gram @ coefficients - 2.0 * self.moment
        squares = float(coefficients @ gradient) + self.squares
        return float(np.sqrt(max(squares, 0.0) / self.count))


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
        (P, P) lower triangular L with L Lᵀ the matrix of the equations.
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

        spread = solve_triangular(self.factor, np.atleast_2d(rows).T, lower=True)
        result: _Array = np.sqrt(self.noise * (spread**2).sum(axis=0))
        return result

    def mean_variance(self, sums: Moments) -> float:
        """Return the mean of the squares of :meth:`deviations` over the rows of some sums."""
        return float(self.noise * np.trace(_solve(self.factor, sums.gram)) / sums.count)


@dataclass(eq=False)
class NormalEquations:
    """Normal equations of a basis, by group of configurations and by quantity.

    Parameters
    ----------
    settings
        Settings whose basis the equations have.
    groups
        For each group, sums over its energies per atom, force components and stresses.
    """

    settings: UF3Settings
    groups: dict[str, dict[str, Moments]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the basis."""
        self.basis: UF3Basis = self.settings.basis()

    def group(self, name: str) -> dict[str, Moments]:
        """Return the sums of a group, empty ones if it is new."""
        if name not in self.groups:
            self.groups[name] = {
                quantity: Moments.zeros(self.basis.size) for quantity in _QUANTITIES
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

    def sums(self) -> dict[str, Moments]:
        """Return the sums over all groups, by quantity."""
        result = {}
        for quantity in _QUANTITIES:
            total = Moments.zeros(self.basis.size)
            for group in self.groups.values():
                total.include(group[quantity])
            result[quantity] = total.whole()
        return result

    def errors(self, coefficients: _Array) -> dict[str, float]:
        """Return root mean square errors of coefficients on all the data of the equations."""
        return _errors(self.sums(), coefficients)

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
        return self._solved(self.sums(), chosen)

    def _solved(self, sums: dict[str, Moments], chosen: UF3Settings) -> Solution:
        shares = _shares(chosen)
        weights = {quantity: shares[quantity] * sums[quantity].weight for quantity in _QUANTITIES}
        if not any(weights.values()):
            raise ForceFieldError("there are no data to fit to, or all have the weight zero")
        matrix = penalty_matrix(self.basis, chosen.regularisation)
        moment = np.zeros(self.basis.size)
        for quantity, weight in weights.items():
            matrix += weight * sums[quantity].gram
            moment += weight * sums[quantity].moment
        factor = _cholesky(matrix)
        coefficients = constrained_solution(
            factor, _solve(factor, moment), inequalities(self.basis, chosen)
        )
        errors = _errors(sums, coefficients)
        noise = sum(weights[quantity] * error**2 for quantity, error in errors.items())
        noise /= sum(1 for quantity in errors if weights[quantity] > 0)
        return Solution(coefficients, errors, factor, noise)

    def leave_groups_out(self, settings: UF3Settings | None = None) -> dict[str, dict[str, float]]:
        """Return, for each group, the errors on it of a fit to all others."""
        chosen = self.settings if settings is None else settings
        if len(self.groups) < 2:
            return {}
        total, errors = self.sums(), {}
        for name, group in self.groups.items():
            if not self.without(name).have_data(chosen):
                continue
            own = {quantity: moments.whole() for quantity, moments in group.items()}
            others = {quantity: total[quantity] - own[quantity] for quantity in _QUANTITIES}
            errors[name] = _errors(own, self._solved(others, chosen).coefficients)
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
                if sums.count:
                    arrays[f"{label}_gram"] = sums.gram
                    arrays[f"{label}_moment"] = sums.moment
                arrays[f"{label}_scalars"] = np.array([sums.squares, sums.total, sums.count])
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
                    for quantity, sums in result.group(name).items():
                        label = f"{number}_{quantity}"
                        scalars = map(float, file[f"{label}_scalars"])
                        sums.squares, sums.total, sums.count = scalars
                        if sums.count:
                            sums.gram = np.asfortranarray(file[f"{label}_gram"])
                            sums.moment = file[f"{label}_moment"]
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


def _errors(sums: dict[str, Moments], coefficients: _Array) -> dict[str, float]:
    errors = {quantity: moments.error(coefficients) for quantity, moments in sums.items()}
    return {quantity: error for quantity, error in errors.items() if error is not None}


def _cholesky(matrix: _Array) -> _Array:
    """Lower factor; where rounding made the matrix indefinite, its diagonal is raised."""
    from scipy.linalg import LinAlgError, cholesky

    lift = 0.0
    largest = float(np.diag(matrix).max())
    for _ in range(8):
        try:
            factor: _Array = cholesky(matrix + lift * np.eye(len(matrix)), lower=True)
            return factor
        except LinAlgError:
            lift = 100.0 * lift or 1e-15 * largest
    raise ForceFieldError("the normal equations cannot be solved; raise the ridge penalties")


def _solve(factor: _Array, right: _Array) -> _Array:
    from scipy.linalg import cho_solve

    solution: _Array = cho_solve((factor, True), right)
    return solution
