"""Fits of spline MEAMs: random starts on some configurations, the best polished on all.

Section "The fit" of docs/theory/spline-potentials.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError
from madelung.common.outputs import json_text, whole_file
from madelung.common.units import MILLIELECTRONVOLTS
from madelung.forcefields.reference.configurations import Configuration
from madelung.forcefields.splines.eam import tabulated
from madelung.forcefields.splines.fit_folder import take_folder
from madelung.forcefields.splines.lammps_files import write_eam_alloy, write_meam_spline
from madelung.forcefields.splines.meam import SplineMEAM
from madelung.forcefields.splines.minimising import (
    levenberg_marquardt,
    search,
    solve_linear,
    with_fitting_knots,
)
from madelung.forcefields.splines.objective import Errors, Objective, Reference, reference_of
from madelung.forcefields.splines.parameters import FunctionShape, Parameters
from madelung.forcefields.splines.settings import SplineMEAMSettings

__all__ = ["SplineMEAMFit", "fit_spline_meam"]

_ROUND = 25  # steps between which knots of U are laid anew, and the state is written


@dataclass(frozen=True, eq=False)
class SplineMEAMFit:
    """A fitted potential, and how good it is.

    Parameters
    ----------
    potential
        The best one.
    training, validation
        Errors; those of the validation part are None where nothing was held back.
    shifts
        Energies in eV to add for each atom of an element, to come to the reference energies.
    starts, polished
        Loss, errors and range of densities of each start, and of each that was polished.
    parameters
        Free numbers of the potential.
    skipped
        Configurations that could not be used.
    """

    potential: SplineMEAM
    training: Errors
    validation: Errors | None
    shifts: dict[str, float]
    starts: list[dict[str, Any]]
    polished: list[dict[str, Any]]
    parameters: int
    skipped: int


@dataclass(frozen=True, eq=False)
class _State:
    """A point on the way, as its file holds it."""

    parameters: Parameters
    free: NDArray[np.float64]
    loss: float
    steps: int
    report: dict[str, Any]

    def write(self, path: Path) -> None:
        content = {
            "numbers": self.parameters.numbers,
            "shapes": [asdict(shape) for shape in self.parameters.shapes],
            "free": self.free.tolist(),
            "loss": self.loss,
            "steps": self.steps,
            "report": self.report,
        }
        with whole_file(path) as temporary:
            temporary.write_text(json_text(content, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> _State | None:
        """Return what was written; None where nothing was."""
        if not path.exists():
            return None
        content = json.loads(path.read_text())
        shapes = tuple(FunctionShape(**shape) for shape in content["shapes"])
        parameters = Parameters(tuple(content["numbers"]), shapes)
        free = np.array(content["free"])
        return cls(parameters, free, content["loss"], content["steps"], content["report"])


def fit_spline_meam(
    configurations: Iterable[Configuration],
    settings: SplineMEAMSettings,
    folder: str | PathLike[str],
    *,
    initial: SplineMEAM | None = None,
    resume: bool = False,
    progress: Callable[[str], None] | None = None,
) -> SplineMEAMFit:
    """Fit a spline MEAM to energies and forces, and stresses if the settings say so.

    Energies are fitted up to a shift per atom of each element. Writes ``potential.meam.spline``
    (``potential.eam.alloy`` for an EAM), ``potential.json`` and ``report.json`` to the folder,
    beside the state of all starts.

    Parameters
    ----------
    configurations
        Structures with energies and forces.
    settings
        What to do.
    folder
        Where to write.
    initial
        A potential to begin from; by default from random functions.
    resume
        Go on where an interrupted fit of the same settings was.
    progress
        Called with lines that say how far the fit is.

    Raises
    ------
    ForceFieldError
        If no configuration can be used, the folder holds a fit already (of other settings), or
        the initial potential has f and g and shall have none, or the reverse.
    """
    if initial is not None and initial.is_angular != settings.angular:
        kind = "an s-MEAM" if settings.angular else "an EAM without angular functions"
        raise ForceFieldError(f"a fit of {kind} cannot begin from a potential of the other kind")
    job = _Job(settings, Path(folder), initial, progress or (lambda line: None))
    job.prepare(configurations, resume)
    starts = job.share(job.start, range(settings.starts))
    best = sorted(range(len(starts)), key=lambda number: starts[number].loss)
    chosen = best[: settings.polished]
    polished = job.share(lambda number: job.polish(number, starts[number]), chosen)
    return job.finish(starts, polished)


class _Job:
    def __init__(
        self,
        settings: SplineMEAMSettings,
        folder: Path,
        initial: SplineMEAM | None,
        progress: Callable[[str], None],
    ) -> None:
        self.settings, self.folder, self.initial = settings, folder, initial
        self.progress = progress
        self.skipped = 0
        self.training: Reference
        self.searched: Reference
        self.validation: Reference | None = None

    def prepare(self, configurations: Iterable[Configuration], resume: bool) -> None:
        """Divide the configurations, and take the folder."""
        usable = self._usable(configurations)
        take_folder(self.folder, self.settings, usable, self.initial, resume=resume)
        settings = self.settings
        order = np.random.default_rng(settings.seed).permutation(len(usable))
        held = round(settings.validation * len(usable))
        fitted = [usable[place] for place in order[held:]]

        def collect(some: Sequence[Configuration]) -> Reference:
            return reference_of(some, settings.numbers, settings.reach)

        self.training = collect(fitted)
        self.searched = collect(_mixed(fitted)[: settings.searched])
        if held:
            self.validation = collect([usable[place] for place in order[:held]])

    def _usable(self, configurations: Iterable[Configuration]) -> list[Configuration]:
        known, usable = set(self.settings.numbers), []
        for one in configurations:
            told = (one.energy is not None, one.forces is not None)
            weighed = any(here and weight for here, weight in zip(told, one.weights, strict=False))
            if not weighed or set(one.crystal.species) - known:
                self.skipped += 1
            else:
                usable.append(one)
        if self.skipped:
            self.progress(
                f"{self.skipped} configurations are left out: they have neither an energy nor "
                "forces of a weight above zero, or other elements"
            )
        if not usable:
            raise ForceFieldError(
                "a fit needs a configuration with an energy or forces of "
                + ", ".join(self.settings.elements)
            )
        return usable

    def share(self, work: Callable[[int], _State], numbers: Iterable[int]) -> list[_State]:
        """Do work side by side; nearly all of it happens in compiled code."""
        with ThreadPoolExecutor(self.settings.threads) as pool:
            return list(pool.map(work, numbers))

    def _parameters(self) -> Parameters:
        s = self.settings
        distances = self.training.system.distances
        first = s.first_knot or float(distances.min()) - 0.02
        types = len(s.elements)
        pairs = types * (types + 1) // 2
        shapes = (
            [FunctionShape(first, s.cutoff, s.pair_knots, True)] * pairs
            + [FunctionShape(first, s.cutoff, s.density_knots, True)] * types
            + [FunctionShape(-1.0, 1.0, s.embedding_knots, False)] * types
        )
        if s.angular:
            shapes += [FunctionShape(first, s.bond_cutoff or s.cutoff, s.bond_knots, True)] * types
            shapes += [FunctionShape(-1.0, 1.0, s.angle_knots, False)] * pairs
        return Parameters(s.numbers, tuple(shapes))

    def _objective(self, reference: Reference, parameters: Parameters) -> Objective:
        s = self.settings
        return Objective(
            reference,
            parameters,
            s.energy_scale,
            s.force_scale,
            s.density_weight,
            s.smoothness,
            s.stress_scale,
        )

    def start(self, number: int) -> _State:
        """Search from random functions, or from a changed potential."""
        path = self.folder / f"starts/{number:03d}.json"
        state = _State.read(path)
        if state is not None:
            return state
        s = self.settings
        objective, free = self._candidate(number)
        if s.generations:
            free = search(objective, free, s.generations, s.seed + number)
            objective, free = with_fitting_knots(objective, free)
        loss, steps = np.inf, 0
        while steps < s.search_iterations:
            count = min(_ROUND, s.search_iterations - steps)
            free, loss = levenberg_marquardt(objective, free, count, 1e-3)
            objective, free = with_fitting_knots(objective, free)
            steps += count
        loss = objective.loss(free)
        state = _State(objective.parameters, free, loss, steps, self._report(objective, free))
        state.write(path)
        self.progress(f"start {number}: loss {loss:.4f}; {_in_words(state.report)}")
        return state

    def _candidate(self, number: int) -> tuple[Objective, NDArray[np.float64]]:
        generator = np.random.default_rng([self.settings.seed, number])
        parameters = self._parameters()
        objective = self._objective(self.searched, parameters)
        found = []
        for place in range(self.settings.candidates):
            if self.initial is None:
                free = parameters.random(generator)
            else:
                free = parameters.free(self.initial)
                size = 0.0 if number == place == 0 else 0.05 * np.sqrt((free**2).mean())
                free = free + size * generator.normal(size=parameters.size)
            fitting, free = with_fitting_knots(objective, free)
            free, loss = solve_linear(fitting, free)
            found.append((loss, place, fitting, free))
        _, _, objective, free = min(found, key=lambda one: one[:2])
        return objective, free

    def polish(self, number: int, start: _State) -> _State:
        """Go on with all configurations."""
        path = self.folder / f"polished/{number:03d}.json"
        state = _State.read(path)
        if state is None:
            objective = self._objective(self.training, start.parameters)
            objective, free = with_fitting_knots(objective, start.free)
            state = replace(start, parameters=objective.parameters, free=free, steps=0)
        while state.steps < self.settings.iterations:
            objective = self._objective(self.training, state.parameters)
            count = min(_ROUND, self.settings.iterations - state.steps)
            free, loss = levenberg_marquardt(objective, state.free, count)
            report = self._report(objective, free) | {"start": number}
            steps = state.steps + count
            if steps < self.settings.iterations:
                objective, free = with_fitting_knots(objective, free)
            state = _State(objective.parameters, free, loss, steps, report)
            state.write(path)
            self.progress(f"polished {number}, {steps} steps: {_in_words(report)}")
        return state

    def _report(self, objective: Objective, free: NDArray[np.float64]) -> dict[str, Any]:
        potential = objective.parameters.potential(free)
        report: dict[str, Any] = {
            "errors": asdict(objective.errors(potential)),
            "densities": objective.density_ranges(free).tolist(),
        }
        if self.validation is not None:
            held = replace(objective, reference=self.validation)
            report["validation"] = asdict(held.errors(potential))
        return report

    def finish(self, starts: list[_State], polished: list[_State]) -> SplineMEAMFit:
        """Choose by the validation part, and write the results."""
        best = min(polished, key=self._merit)
        potential = best.parameters.potential(best.free)
        objective = self._objective(self.training, best.parameters)
        energies = objective.evaluate(potential)[0]
        per_atom = np.add.reduceat(energies, self.training.starts) / self.training.sizes
        shifts = dict(
            zip(self.settings.elements, self.training.shifts(per_atom).tolist(), strict=True)
        )
        held = best.report.get("validation")
        fit = SplineMEAMFit(
            potential=potential,
            training=Errors(**best.report["errors"]),
            validation=None if held is None else Errors(**held),
            shifts=shifts,
            starts=[{"loss": one.loss, **one.report} for one in starts],
            polished=[{"loss": one.loss, **one.report} for one in polished],
            parameters=best.parameters.size,
            skipped=self.skipped,
        )
        if potential.is_angular:
            write_meam_spline(potential, self.folder / "potential.meam.spline")
        else:
            write_eam_alloy(tabulated(potential), self.folder / "potential.eam.alloy")
        potential.save(self.folder / "potential.json")
        report = {
            "training": asdict(fit.training),
            "validation": held,
            "shifts": shifts,
            "starts": fit.starts,
            "polished": fit.polished,
            "parameters": fit.parameters,
            "skipped": self.skipped,
        }
        with whole_file(self.folder / "report.json") as temporary:
            temporary.write_text(json_text(report, indent=1) + "\n")
        return fit

    def _merit(self, state: _State) -> float:
        errors = state.report.get("validation")
        if errors is None:
            return state.loss
        settings = self.settings
        parts = (errors["energy"] / settings.energy_scale, errors["force"] / settings.force_scale)
        merit = sum(part**2 for part in parts if not np.isnan(part))
        if settings.stress_scale is not None and errors["stress"] is not None:
            merit += (errors["stress"] / settings.stress_scale) ** 2
        return float(merit)


def _mixed(configurations: Sequence[Configuration]) -> list[Configuration]:
    """Take turns between groups, so that starts see the rare ones."""
    groups: dict[str, int] = {}
    turns = []
    for one in configurations:
        groups[one.group] = groups.get(one.group, 0) + 1
        turns.append(groups[one.group])
    order = sorted(range(len(turns)), key=lambda place: turns[place])
    return [configurations[place] for place in order]


def _in_words(report: dict[str, Any]) -> str:
    parts = []
    for name in ("errors", "validation"):
        if name in report:
            energy = MILLIELECTRONVOLTS * report[name]["energy"]
            force = report[name]["force"]
            word = "fitted" if name == "errors" else "held back"
            parts.append(f"{word} {energy:.2f} meV/atom, {force:.4f} eV/Å")
    return "; ".join(parts)
