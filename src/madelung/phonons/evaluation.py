"""Errors of a model of phonons on reference crystals, by the measures of the published tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import MadelungError, PhononError
from madelung.crystals.crystal import Crystal
from madelung.phonons.calibration import (
    QUANTITIES,
    Calibration,
    Widening,
    fitted_threshold,
    fitted_widening,
)
from madelung.phonons.compositions import reduced_composition
from madelung.phonons.force_constants import (
    harmonic_of_phonopy,
    phonopy_of_force_sets,
    symmetric_force_constants,
)
from madelung.phonons.force_sets import ForceSets
from madelung.phonons.harmonic_crystal import HarmonicCrystal
from madelung.phonons.prediction import STABLE, Phonons
from madelung.phonons.reference_modes import LARGEST_ASYMMETRY, LOWEST_FREQUENCY

__all__ = ["CrystalErrors", "Evaluation", "evaluate_phonons", "fitted_calibration"]

# Frequencies of a crystal that calibration looks at; large crystals shall not decide alone.
_FREQUENCIES_OF_CRYSTAL = 60
_RELIABLE_DIELECTRIC = 30.0
Predict = Callable[[Crystal], Phonons]


@dataclass(frozen=True)
class CrystalErrors:
    """A reference crystal and what was predicted of it.

    Frequencies in THz, free energies in meV/atom, entropies and heat capacities in J/(K mol) for
    each mole of atoms, all at 300 K. ``spread_*`` are standard deviations over the members, NaN
    without an ensemble.
    """

    id: str
    composition: str
    atoms: int
    frequency_error: float
    maximum_reference: float
    maximum: float
    minimum_reference: float
    minimum: float
    is_stable: bool
    free_energy_reference: float
    free_energy: float
    entropy_reference: float
    entropy: float
    heat_capacity_reference: float
    heat_capacity: float
    born_error: float
    spread_frequency: float
    spread_maximum: float
    spread_minimum: float
    spread_free_energy: float
    spread_entropy: float
    spread_heat_capacity: float

    @property
    def was_stable(self) -> bool:
        """Whether the reference has no commensurate frequency below -0.05 THz."""
        return self.minimum_reference > STABLE

    def error(self, quantity: str) -> float:
        """Absolute error of a quantity; of frequencies their mean."""
        if quantity == "frequency":
            return self.frequency_error
        return abs(float(getattr(self, quantity)) - float(getattr(self, f"{quantity}_reference")))


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Errors of a model on reference crystals.

    Parameters
    ----------
    crystals
        One entry for each crystal that could be used.
    problems
        What was wrong with the others, a line each.
    mode_errors, mode_spreads
        Absolute errors of single frequencies, and their spreads, of a few modes of each crystal.
    """

    crystals: tuple[CrystalErrors, ...]
    problems: tuple[str, ...]
    mode_errors: NDArray[np.float64]
    mode_spreads: NDArray[np.float64]

    def means(self) -> dict[str, float]:
        """Return mean errors, accuracy and Matthews coefficient of the stability."""
        rows = self.crystals
        found = {
            f"{name}": float(np.mean([row.error(name) for row in rows])) for name in QUANTITIES
        }
        found["frequency_median"] = float(np.median([row.frequency_error for row in rows]))
        born = [row.born_error for row in rows if np.isfinite(row.born_error)]
        found["born"] = float(np.mean(born)) if born else float("nan")
        truth, said = (
            np.array([getattr(row, name) for row in rows]) for name in ("was_stable", "is_stable")
        )
        found["stability_accuracy"] = float((truth == said).mean())
        found["stability_matthews"] = _matthews(truth, said)
        return found

    def by_class(self) -> dict[str, dict[str, float]]:
        """Return mean errors of kinds of crystals, with their number."""
        classes = {
            "up to 12 atoms": [row.atoms <= 12 for row in self.crystals],
            "13 to 40 atoms": [12 < row.atoms <= 40 for row in self.crystals],
            "more than 40 atoms": [row.atoms > 40 for row in self.crystals],
            "with hydrogen": [_has(row.composition, "H") for row in self.crystals],
            "oxides": [_has(row.composition, "O") for row in self.crystals],
            "unstable": [not row.was_stable for row in self.crystals],
        }
        found = {}
        for name, chosen in classes.items():
            rows = tuple(row for row, own in zip(self.crystals, chosen, strict=True) if own)
            if rows:
                part = Evaluation(rows, (), self.mode_errors, self.mode_spreads)
                found[name] = {"crystals": float(len(rows)), **part.means()}
        return found

    def coverage(self, calibration: Calibration) -> dict[str, float]:
        """Return the part of errors within 90 % intervals, for each quantity."""
        found = {
            "frequency": float(
                (self.mode_errors <= calibration.half_width("frequency", self.mode_spreads)).mean()
            )
        }
        for name in QUANTITIES[1:]:
            errors, spreads = self._columns(name)
            found[name] = float((errors <= calibration.half_width(name, spreads)).mean())
        return found

    def rank_correlations(self) -> dict[str, float]:
        """Return Spearman's coefficient between spread and error, for each quantity."""
        from scipy.stats import spearmanr

        return {name: float(spearmanr(*self._columns(name)).statistic) for name in QUANTITIES}

    def rows(self) -> list[dict[str, object]]:
        """Return the crystals as rows of a table."""
        return [asdict(row) for row in self.crystals]

    def _columns(self, quantity: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        errors = np.array([row.error(quantity) for row in self.crystals])
        return errors, np.array([getattr(row, f"spread_{quantity}") for row in self.crystals])


def evaluate_phonons(
    predict: Predict,
    references: Iterable[ForceSets | PhononError],
    advance: Callable[[float], None] = lambda done: None,
) -> Evaluation:
    """Compare predictions with force constants of displaced supercells.

    Parameters
    ----------
    predict
        Returns the phonons of a crystal.
    references
        Force sets, and in the place of those that cannot be used what was wrong with them. Those
        that contradict themselves are left out as well.
    advance
        Called with the number of references that are done.
    """
    crystals, problems, modes = [], [], []
    for done, reference in enumerate(references, 1):
        advance(done)
        if isinstance(reference, PhononError):
            problems.append(str(reference))
            continue
        try:
            row, own = _compared(predict, reference)
        except (MadelungError, np.linalg.LinAlgError) as error:
            problems.append(f"{reference.crystal.source or reference.crystal.formula}: {error}")
            continue
        crystals.append(row)
        modes.append(own)
    if not crystals:
        raise PhononError(f"no crystal can be compared; the first problem: {problems[:1]}")
    errors, spreads = (np.concatenate(parts) for parts in zip(*modes, strict=True))
    return Evaluation(tuple(crystals), tuple(problems), errors, spreads)


def fitted_calibration(evaluation: Evaluation) -> Calibration:
    """Choose widenings by the errors of validation crystals."""
    widenings: dict[str, Widening] = {
        name: fitted_widening(*evaluation._columns(name)) for name in QUANTITIES[1:]
    }
    frequency = fitted_widening(evaluation.mode_errors, evaluation.mode_spreads)
    minima, was_stable = (
        np.array([getattr(row, name) for row in evaluation.crystals])
        for name in ("minimum", "was_stable")
    )
    return Calibration(
        frequency=frequency, stable_above=fitted_threshold(minima, was_stable), **widenings
    )


def _compared(
    predict: Predict, reference: ForceSets
) -> tuple[CrystalErrors, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    name = reference.crystal.source or reference.crystal.formula
    phonon = phonopy_of_force_sets(reference)
    asymmetry = symmetric_force_constants(phonon, name)
    true = Phonons(harmonic_of_phonopy(phonon, name))
    inverse = np.linalg.inv(true.crystal.cell)
    multiples = np.rint(phonon.supercell.cell @ inverse).astype(np.int64)
    points, weights = true.supercell_points(multiples)
    theirs = true.frequencies(points).frequencies
    if asymmetry > LARGEST_ASYMMETRY or theirs.min() < LOWEST_FREQUENCY:
        raise PhononError("the reference contradicts itself (not sound), and is no judge")
    found = predict(true.crystal)
    if len(found.crystal) != len(true.crystal):
        raise PhononError("the primitive cell of the reference has a smaller one within")
    ours, spread = _frequencies(found, points)
    counted = np.repeat(weights[:, None], ours.shape[1], 1)
    counted[0, np.argsort(np.abs(theirs[0]))[:3]] = 0.0
    kept, errors = counted > 0.0, np.abs(ours - theirs)
    expected, said = true.summary(multiples), found.summary(multiples)
    spreads = found.spreads(multiples) if len(found.members) > 1 else {}
    values = {name: getattr(said, name).value for name in QUANTITIES[1:]} | {
        f"{name}_reference": getattr(expected, name).value for name in QUANTITIES[1:]
    }
    row = CrystalErrors(
        id=name.split(": ")[-1],
        composition=reduced_composition(true.crystal.numbers),
        atoms=len(true.crystal),
        frequency_error=float((errors * counted)[kept].sum() / counted[kept].sum()),
        is_stable=said.stable,
        born_error=_born_error(found.harmonic, reference),
        **values,
        **{f"spread_{name}": spreads.get(name, float("nan")) for name in QUANTITIES},
    )
    chosen = np.random.default_rng(len(true.crystal)).permutation(int(kept.sum()))
    chosen = chosen[:_FREQUENCIES_OF_CRYSTAL]
    return row, (errors[kept][chosen], spread[kept][chosen])


def _has(composition: str, symbol: str) -> bool:
    return re.search(rf"{symbol}(?![a-z])", composition) is not None


def _frequencies(
    found: Phonons, points: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean, own = found.with_members(points)
    if len(own) < 2:
        return mean, np.full_like(mean, np.nan)
    return mean, own.std(axis=0, ddof=1)


def _born_error(found: HarmonicCrystal, reference: ForceSets) -> float:
    """Mean absolute error of a third of the traces of Born charges, where these are known."""
    if found.born is None or reference.born is None or reference.dielectric is None:
        return float("nan")
    if np.trace(reference.dielectric) / 3.0 > _RELIABLE_DIELECTRIC:
        return float("nan")
    traces = np.trace(found.born - reference.born, axis1=1, axis2=2) / 3.0
    return float(np.abs(traces).mean())


def _matthews(truth: NDArray[np.bool_], said: NDArray[np.bool_]) -> float:
    """Matthews's coefficient of two series of yes and no, 0 where one has only one of them."""
    if truth.all() or said.all() or not truth.any() or not said.any():
        return 0.0
    return float(np.corrcoef(truth.astype(float), said.astype(float))[0, 1])
