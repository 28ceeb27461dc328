"""Fitting of UF3 potentials to energies, forces and stresses."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import CrystalError, ForceFieldError
from madelung.common.progress import Advance
from madelung.crystals.reading.arguments import as_crystals
from madelung.forcefields.reference.configurations import Configuration
from madelung.forcefields.uf3.features import Features, Featurizer
from madelung.forcefields.uf3.moments import Moments
from madelung.forcefields.uf3.normal_equations import NormalEquations, Solution
from madelung.forcefields.uf3.potential import UF3Potential
from madelung.forcefields.uf3.settings import UF3Settings
from madelung.forcefields.uf3.unseen import described, repulsive_pair, unseen_terms

__all__ = ["UF3Fit", "assemble", "fit_uf3", "solved_fit"]

# Configurations whose energies say what is taken off all energies before they are summed.
_FIRST = 200
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
    warning
        Which pairs and triplets of species the data tell nothing of; empty if there are none.
    """

    potential: UF3Potential
    solution: Solution
    equations: NormalEquations
    skipped: list[str] = field(default_factory=list)
    warning: str = ""

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
        spread = self.solution.mean_variance(self.equations.of("energy"))
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
    fit = solved_fit(equations, settings, skipped)
    if fit.warning:
        warnings.warn(fit.warning, stacklevel=2)
    return fit


def solved_fit(equations: NormalEquations, settings: UF3Settings, skipped: list[str]) -> UF3Fit:
    """Return the fit that solves normal equations with some settings.

    Pairs of species that no data tell anything of repel.
    """
    solution = equations.solve(settings)
    basis, coefficients = equations.basis, solution.coefficients
    unseen = unseen_terms(equations)
    potential = UF3Potential(
        dict(zip(basis.species, coefficients, strict=False)),
        [
            repulsive_pair(pair.species, pair.knots) if pair.species in unseen else pair
            for pair in basis.pairs(coefficients)
        ],
        basis.triplets(coefficients),
        metadata={"settings": settings.model_dump(mode="json"), "training_errors": solution.errors},
    )
    return UF3Fit(potential, solution, equations, skipped, described(unseen))


def assemble(
    configurations: Iterable[Configuration],
    settings: UF3Settings,
    *,
    into: NormalEquations | None = None,
    progress: Advance | None = None,
    threads: int = 1,
    by_group: bool = True,
) -> tuple[NormalEquations, list[str]]:
    """Make the normal equations of a fit; parameters are those of :func:`fit_uf3`.

    Parameters
    ----------
    into
        Equations that go on with these configurations, instead of new ones.

    Returns
    -------
    tuple of NormalEquations and list of str
        And messages about configurations that were left out: with elements that the fit does not
        have, or values that are not finite.

    Raises
    ------
    ForceFieldError
        If the sums would not find room in memory.
    """
    equations = NormalEquations(settings) if into is None else into
    equations.require_room()
    stream = iter(configurations)
    if not equations.groups:
        first = list(islice(stream, _FIRST))
        equations.origin = energies_of_species(first, equations.basis.species)
        stream = chain(first, stream)
    featurizer = Featurizer(equations.basis)
    skipped: list[str] = []
    made = _all_features(stream, featurizer, threads)
    for done, (data, features) in enumerate(made, start=1):
        if isinstance(features, Exception):
            skipped.append(f"{data.id}: {features}")
        else:
            _add(equations.group(data.group if by_group else ""), data, features)
        if progress is not None:
            progress(done)
    return equations, skipped


def energies_of_species(
    configurations: Iterable[Configuration], species: Sequence[int]
) -> NDArray[np.float64]:
    """Return energies of species, in eV, that explain energies of configurations best.

    Of those that explain them equally well, the least.

    Parameters
    ----------
    configurations
        Those with an energy that can be used count.
    species
        Atomic numbers.
    """
    rows, values = [np.zeros(len(species))], [0.0]
    for item in configurations:
        if item.energy is not None and _is_usable(item, species):
            counts = np.array([np.sum(item.crystal.numbers == number) for number in species])
            rows.append(counts / len(item.crystal))
            values.append(item.energy / len(item.crystal))
    solution: NDArray[np.float64] = np.linalg.lstsq(np.array(rows), np.array(values), rcond=1e-8)[0]
    return solution


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


def _is_usable(item: Configuration, species: Sequence[int]) -> bool:
    try:
        _require_finite(item)
    except ForceFieldError:
        return False
    return set(item.crystal.species) <= set(species)


def _require_finite(data: Configuration) -> None:
    for name, value in (("energy", data.energy), ("forces", data.forces), ("stress", data.stress)):
        if value is not None and not np.isfinite(value).all():
            raise ForceFieldError(f"its {name} is not finite")


def _add(sums: dict[str, Moments], data: Configuration, features: Features) -> None:
    atoms = len(data.crystal)
    by_energy, by_forces, by_stress = data.weights
    if data.energy is not None:
        row, energy = features.energy[None] / atoms, np.array([data.energy / atoms])
        sums["energy"].add(row, energy, by_energy)
        count = len(sums["composition"].moment)
        # Atoms that are alone say nothing of how energies of others differ.
        if row[0, count:].any():
            sums["composition"].add(row[:, :count], energy, by_energy)
    if data.forces is not None:
        sums["forces"].add(features.forces, np.ravel(data.forces), by_forces)
    if data.stress is not None:
        stress = np.array([data.stress[place] for place in _VOIGT])
        sums["stress"].add(features.virial / data.crystal.volume, stress, by_stress)
