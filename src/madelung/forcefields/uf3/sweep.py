"""Search for the ranges and knots of a UF3 fit: error against cost, by cross-validation."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from madelung.common.errors import ForceFieldError
from madelung.common.figures import save_figure
from madelung.common.interruption import Interruption
from madelung.common.locks import alone_in_folder
from madelung.common.outputs import json_text, whole_file
from madelung.common.progress import watched
from madelung.common.resuming import default_settings, require_same_job
from madelung.common.tables import TableWriter
from madelung.forcefields.reference.configurations import Configuration, SkippedConfigurations
from madelung.forcefields.reference.reference_data import TEST, DataFiles
from madelung.forcefields.uf3.fit import assemble, solved_fit
from madelung.forcefields.uf3.potential import UF3Potential
from madelung.forcefields.uf3.settings import UF3Settings
from madelung.forcefields.uf3.sweep_plots import plot_sweep
from madelung.forcefields.uf3.sweep_trial import SweepTrial
from madelung.forcefields.uf3.tuning import cross_validation, tune_weights

__all__ = ["SweepTrial", "sweep_uf3"]

_JOURNAL, _TABLE, _BEST, _PICTURE = "sweep.journal", "sweep.csv", "best.json", "sweep.png"
# A cost is the shortest of this many evaluations of the largest configurations.
_TIMED, _REPEATS = 4, 3
# A trial with more coefficients gets wider intervals: time goes with their cube.
_MOST_COEFFICIENTS, _WIDENED = 1500, 1.15


@alone_in_folder
def sweep_uf3(
    data: DataFiles,
    folder: str | os.PathLike[str],
    settings: UF3Settings,
    *,
    trials: int = 30,
    configurations: int = 200,
    threads: int = 1,
    quiet: bool = True,
) -> list[SweepTrial]:
    """Try ranges and numbers of intervals; needs optuna.

    The folder then holds ``sweep.csv`` with all trials, ``sweep.png`` with the front of those that
    none beats in both error and cost, and ``best.json`` with the settings of the lowest error. A
    sweep that was stopped goes on with the same command, and one with more trials adds the new
    ones.

    Parameters
    ----------
    data
        Files; configurations of the test part are left alone.
    folder
        Where to write.
    settings
        Elements and weights; ranges and intervals are what is searched for.
    trials
        Number of trials in all.
    configurations
        How many training configurations, drawn at random, a trial learns from.
    threads
        Structures worked on at a time.
    quiet
        Whether to show no progress.

    Raises
    ------
    ForceFieldError
        If optuna is not installed, or no configuration can be used.
    JobInterrupted
        If it was interrupted; finished trials have been written.
    """
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    study = _study(out / _JOURNAL, data, settings)
    chosen = _sample(data, configurations)
    with Interruption() as interruption, watched("trials", show=not quiet) as advance:
        done = _finished(study)
        while len(done) < trials:
            advance(len(done), trials)
            study.sampler = _sampler(data.seed, len(study.trials))
            asked = study.ask()
            found = _try(asked.number, chosen, _suggested(asked, settings), threads)
            asked.set_user_attr("found", _as_object(found))
            study.tell(asked, [found.score, found.microseconds])
            done = _finished(study)
            _write(out, done, len(chosen))
            if interruption.requested:
                interruption.stop(out)
    _write(out, done, len(chosen))
    return done


def _study(path: Path, data: DataFiles, settings: UF3Settings) -> Any:
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError as problem:
        raise ForceFieldError(
            f"a sweep needs optuna, which cannot be imported ({problem}): "
            "pip install 'madelung[fit]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    identity = {"data": data.as_object(), "settings": settings.model_dump(mode="json")}
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(path))),
        study_name="uf3",
        directions=["minimize", "minimize"],
        load_if_exists=True,
    )
    stored = study.user_attrs.get("identity")
    if stored is not None:
        defaults = default_settings(settings)
        require_same_job(stored, identity, path.parent, ForceFieldError, defaults=defaults)
    study.set_user_attr("identity", identity)
    return study


def _sampler(seed: int, trial: int) -> Any:
    """What suggests a trial; its random numbers depend on how many there were, not on who asks."""
    import optuna

    # A sampler that starts with the same numbers again would suggest the first trials again.
    (own,) = np.random.SeedSequence([seed, trial]).generate_state(1)
    return optuna.samplers.TPESampler(seed=int(own))


def _sample(data: DataFiles, count: int) -> list[Configuration]:
    """Draw training configurations, each with the name of its part as its group."""
    skipped = SkippedConfigurations()
    training = [replace(item, group=part) for part, item in data.read(skipped) if part != TEST]
    if not training:
        raise ForceFieldError(skipped.summary() or "there is no configuration to learn from")
    random = np.random.default_rng(data.seed)
    order = random.permutation(len(training))[:count]
    return [training[int(index)] for index in np.sort(order)]


def _suggested(trial: Any, settings: UF3Settings) -> UF3Settings:
    """Let the sampler choose ranges; intervals follow from widths, so that they stay comparable."""
    cutoff = trial.suggest_float("two_body_cutoff", 4.0, 8.0, step=0.25)
    width = trial.suggest_float("two_body_width", 0.12, 0.4, step=0.02)
    if settings.three_body is None:
        return _with_ranges(settings, (cutoff, width), None)
    reach = trial.suggest_float("three_body_cutoff", 3.25, 6.0, step=0.25)
    step = trial.suggest_float("three_body_width", 0.25, 0.6, step=0.05)
    while True:
        chosen = _with_ranges(settings, (cutoff, width), (reach, step))
        if chosen.basis().size <= _MOST_COEFFICIENTS:
            return chosen
        step *= _WIDENED


def _with_ranges(
    settings: UF3Settings, pairs: tuple[float, float], triplets: tuple[float, float] | None
) -> UF3Settings:
    """Return settings with cutoffs and widths of intervals."""
    shortest, (cutoff, width) = settings.two_body.minimum, pairs
    changes: dict[str, Any] = {
        "two_body": {
            "minimum": shortest,
            "maximum": cutoff,
            "intervals": max(round((cutoff - shortest) / width), 4),
        }
    }
    if settings.three_body is not None and triplets is not None:
        low, (reach, step) = settings.three_body.minimum, triplets
        near = max(round((reach - low) / step), 4)
        across = max(round((2.0 * reach - low) / step), 4)
        changes["three_body"] = {
            "minimum": low, "maximum": reach, "intervals": (near, near, across)
        }  # fmt: skip
    return UF3Settings(**{**settings.model_dump(), **changes})


def _try(
    number: int, configurations: Sequence[Configuration], settings: UF3Settings, threads: int
) -> SweepTrial:
    equations, problems = assemble(configurations, settings, threads=threads)
    tuned = tune_weights(equations, settings)
    found = cross_validation(equations, tuned)
    if found is None:
        raise ForceFieldError("a sweep needs configurations of at least two parts; give more data")
    potential = solved_fit(equations, tuned, problems).potential
    return SweepTrial(
        number=number,
        energy_rmse=found.energy_rmse,
        force_rmse=found.force_rmse,
        score=found.score,
        microseconds=_cost(potential, configurations),
        coefficients=equations.basis.size,
        settings=tuned,
    )


def _cost(potential: UF3Potential, configurations: Sequence[Configuration]) -> float:
    """Time for an atom, in microseconds."""
    largest = sorted(configurations, key=lambda item: len(item.crystal))[-_TIMED:]
    atoms = sum(len(item.crystal) for item in largest)
    times = []
    for _ in range(_REPEATS):
        begun = time.perf_counter()
        for item in largest:
            potential.evaluate(item.crystal)
        times.append(time.perf_counter() - begun)
    return 1e6 * min(times) / atoms


def _as_object(trial: SweepTrial) -> dict[str, Any]:
    content = asdict(replace(trial, settings=None))  # type: ignore[arg-type]
    return {**content, "settings": trial.settings.model_dump(mode="json")}


def _finished(study: Any) -> list[SweepTrial]:
    """Trials that are finished, with the mark of those that none beats."""
    found = [
        {**trial.user_attrs["found"], "number": trial.number}
        for trial in study.trials
        if trial.state.name == "COMPLETE"
    ]
    trials = [SweepTrial(**{**item, "settings": UF3Settings(**item["settings"])}) for item in found]
    return [
        replace(
            one,
            efficient=not any(
                (other.score <= one.score and other.microseconds < one.microseconds)
                or (other.score < one.score and other.microseconds <= one.microseconds)
                for other in trials
            ),
        )
        for one in trials
    ]


def _write(out: Path, trials: Sequence[SweepTrial], configurations: int) -> None:
    if not trials:
        return
    with whole_file(out / _TABLE) as temporary, temporary.open("w", newline="") as stream:
        writer = TableWriter(stream)
        writer.writerow(
            ["trial", "energy_rmse", "force_rmse", "score", "microseconds", "coefficients",
             "efficient", "settings"]
        )  # fmt: skip
        for trial in trials:
            writer.writerow(
                [trial.number, trial.energy_rmse, trial.force_rmse, trial.score, trial.microseconds,
                 trial.coefficients, int(trial.efficient), trial.settings.model_dump_json()]
            )  # fmt: skip
    best = min(trials, key=lambda trial: trial.score)
    with whole_file(out / _BEST) as temporary:
        content = best.settings.model_dump(mode="json")
        temporary.write_text(json_text(content, indent=1), encoding="utf-8")
    save_figure(plot_sweep(trials, configurations), out / _PICTURE)
