"""Fitting of UF3 potentials to energies, forces and stresses."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import CrystalError, ForceFieldError
from madelung.common.progress import Advance
from madelung.crystals.reading.arguments import as_crystals
from madelung.forcefields.reference.configurations import Configuration
from madelung.forcefields.uf3.features import Features, Featurizer
from madelung.forcefields.uf3.normal_equations import Moments, NormalEquations, Solution
from madelung.forcefields.uf3.potential import UF3Potential
from madelung.forcefields.uf3.settings import UF3Settings

__all__ = ["UF3Fit", "assemble", "fit_uf3", "solved_fit"]

# Rows of features that are summed at a time.
_ROWS = 4096
_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


@dataclass(frozen=True, eq=False)
class UF3Fit:
    """A fitted potential with what it was fitted from.

    Parameters
    ----------
    potential
        The potential.
    solution
        Coefficients, errors on the training data, and what uncertainty needs.
    equations
        Normal equations; their ``solve`` gives other fits to the same data.
    skipped
        Messages about configurations that were left out.
    """

    potential: UF3Potential
    solution: Solution
    equations: NormalEquations
    skipped: list[str] = field(default_factory=list)

    @property
    def errors(self) -> dict[str, float]:
        """Root mean square errors of training: energy in eV/atom, forces in eV/Å."""
        return self.solution.errors

    def refit(self, settings: UF3Settings) -> UF3Fit:
        """Return the fit with other weights or regularisation; the data are not read again."""
        return solved_fit(self.equations, settings, self.skipped)

    @cached_property
    def calibration(self) -> float:
        """Factor of equation 21 by which deviations of energies are raised to match errors."""
        error = self.errors.get("energy")
        if error is None:
            return 1.0
        spread = self.solution.mean_variance(self.equations.sums()["energy"])
        return max(1.0, float(error / np.sqrt(spread)))

    def energy_deviations(self, structures: Any) -> NDArray[np.float64]:
        """Return the standard deviation of predicted energies in eV/atom (equations 20 and 21).

        Parameters
        ----------
        structures
            One or several of whatever :func:`madelung.as_crystals` takes.
        """
        crystals, _ = as_crystals(structures)
        featurizer = Featurizer(self.equations.basis)
        rows = [featurizer(crystal, forces=False).energy / len(crystal) for crystal in crystals]
        return self.calibration * self.solution.deviations(np.array(rows))


def fit_uf3(
    configurations: Iterable[Configuration],
    settings: UF3Settings,
    *,
    progress: Advance | None = None,
    threads: int = 1,
    by_group: bool = True,
) -> UF3Fit:
    """Fit a UF3 potential; the data are read once and need not fit into memory.

    Parameters
    ----------
    configurations
        Structures with energies, forces or stresses, as far as they have them.
    settings
        Elements, ranges, weights and regularisation.
    progress
        Called with the number of configurations that are done.
    threads
        How many structures are worked on at a time.
    by_group
        Whether sums are kept for each group of configurations apart, so that groups can be left
        out. Each takes up to three matrices of the square of the number of coefficients.

    Raises
    ------
    ForceFieldError
        If no configuration can be used.
    """
    equations, skipped = assemble(
        configurations, settings, progress=progress, threads=threads, by_group=by_group
    )
    if not equations.groups:
        first = f"; the first problem: {skipped[0]}" if skipped else ""
        raise ForceFieldError(f"no configuration can be used{first}")
    return solved_fit(equations, settings, skipped)


def solved_fit(equations: NormalEquations, settings: UF3Settings, skipped: list[str]) -> UF3Fit:
    """Return the fit that solves normal equations with some settings."""
    solution = equations.solve(settings)
    basis, coefficients = equations.basis, solution.coefficients
    potential = UF3Potential(
        dict(zip(basis.species, coefficients, strict=False)),
        basis.pairs(coefficients),
        basis.triplets(coefficients),
        metadata={"settings": settings.model_dump(mode="json"), "training_errors": solution.errors},
    )
    return UF3Fit(potential, solution, equations, skipped)


def assemble(
    configurations: Iterable[Configuration],
    settings: UF3Settings,
    *,
    progress: Advance | None = None,
    threads: int = 1,
    by_group: bool = True,
) -> tuple[NormalEquations, list[str]]:
    """Make the normal equations of a fit; parameters are those of :func:`fit_uf3`.

    Returns
    -------
    tuple of NormalEquations and list of str
        And messages about configurations that were left out: with elements that the fit does not
        have, or values that are not finite.
    """
    equations = NormalEquations(settings)
    featurizer = Featurizer(equations.basis)
    waiting: dict[str, _Waiting] = {}
    skipped: list[str] = []
    made = _all_features(configurations, featurizer, threads)
    for done, (data, features) in enumerate(made, start=1):
        if isinstance(features, Exception):
            skipped.append(f"{data.id}: {features}")
        else:
            group = data.group if by_group else ""
            if group not in waiting:
                waiting[group] = _Waiting(equations.group(group))
            waiting[group].put(data, features)
        if progress is not None:
            progress(done)
    for rest in waiting.values():
        rest.finish()
    return equations, skipped


def _all_features(
    configurations: Iterable[Configuration], featurizer: Featurizer, threads: int
) -> Iterator[tuple[Configuration, Features | Exception]]:
    """Features in the order of the configurations; a few are made ahead by the threads."""

    def work(data: Configuration) -> Features | Exception:
        try:
            _require_finite(data)
            return featurizer(
                data.crystal, forces=data.forces is not None, virial=data.stress is not None
            )
        except (CrystalError, ForceFieldError) as error:
            return error

    if threads <= 1:
        for data in configurations:
            yield data, work(data)
        return
    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[Any] = deque()
        for data in configurations:
            ahead.append((data, pool.submit(work, data)))
            if len(ahead) > 2 * threads:
                first, future = ahead.popleft()
                yield first, future.result()
        for first, future in ahead:
            yield first, future.result()


def _require_finite(data: Configuration) -> None:
    for name, value in (("energy", data.energy), ("forces", data.forces), ("stress", data.stress)):
        if value is not None and not np.isfinite(value).all():
            raise ForceFieldError(f"its {name} is not finite")


class _Waiting:
    """Rows of one group that are not summed yet; many at a time are summed faster."""

    def __init__(self, sums: dict[str, Moments]) -> None:
        self._sums = sums
        self._rows: dict[str, list[NDArray[np.float64]]] = {name: [] for name in sums}
        self._values: dict[str, list[NDArray[np.float64]]] = {name: [] for name in sums}
        self._weights: dict[str, list[NDArray[np.float64]]] = {name: [] for name in sums}

    def put(self, data: Configuration, features: Features) -> None:
        atoms = len(data.crystal)
        by_energy, by_forces, by_stress = data.weights
        if data.energy is not None:
            energy = np.array([data.energy / atoms])
            self._put("energy", features.energy[None] / atoms, energy, by_energy)
        if data.forces is not None:
            self._put("forces", features.forces, np.ravel(data.forces), by_forces)
        if data.stress is not None:
            stress = np.array([data.stress[place] for place in _VOIGT])
            self._put("stress", features.virial / data.crystal.volume, stress, by_stress)

    def _put(
        self, name: str, rows: NDArray[np.float64], values: NDArray[np.float64], weight: float
    ) -> None:
        if weight == 0.0:
            return
        self._rows[name].append(rows)
        self._values[name].append(values)
        self._weights[name].append(np.full(len(values), weight))
        if sum(map(len, self._rows[name])) >= _ROWS:
            self._sum(name)

    def _sum(self, name: str) -> None:
        if self._rows[name]:
            rows, values, weights = (
                np.concatenate(part[name]) for part in (self._rows, self._values, self._weights)
            )
            self._sums[name].add(rows, values, None if (weights == 1.0).all() else weights)
            self._rows[name], self._values[name], self._weights[name] = [], [], []

    def finish(self) -> None:
        for name in self._rows:
            self._sum(name)
