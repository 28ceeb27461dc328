"""Errors of the shipped model of phonons on a shard of references, and the time it takes.

    python -m benchmarks.phonons.accuracy SHARD                 # the test: once for each model
    python -m benchmarks.phonons.accuracy SHARD --model FOLDER --out FOLDER

Writes ``run.json`` and ``predictions.csv``, and the table of docs/phonons.md. Time is that of one
core from a structure to force constants, mesh, thermodynamics and intervals.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.support.records import ROOT, header, replace_block, versions, write_csv, write_json

RESULTS = ROOT / "benchmarks" / "results" / "phonons"
PAGE = ROOT / "docs" / "phonons.md"
# Others, as they are stated or were measured on crystals of this test; see the page.
OTHERS = {
    "frequency_mean": ("frequency, mean absolute error, THz", ".239 (nequix-mp-1-pft)", "≤ .14"),
    "frequency_median": ("frequency, median over crystals, THz", ".163 (nequix)", "≤ .10"),
    "maximum": ("highest frequency, THz", ".23 (nequix)", "≤ .2"),
    "F300": ("free energy at 300 K, meV/atom", "2.67 (nequix)", "≤ 2.0"),
    "S300": ("entropy at 300 K, J/(K mol)", "1.06 (nequix)", "≤ .6"),
    "Cv300": ("heat capacity at 300 K, J/(K mol)", ".31 (nequix)", "≤ .06"),
    "stability_accuracy": ("stability, accuracy", ".88 (always stable)", "≥ .94"),
    "stability_matthews": ("stability, Matthews coefficient", "0 (always stable)", "≥ .7"),
    "born": ("Born charges, trace/3, e", ".55 (median of the element)", "≤ .15"),
}
COLUMNS = {
    "id": "id", "composition": "composition", "atoms": "atoms",
    "frequency_error": "frequency_error", "spread_frequency": "frequency_spread",
    "maximum_reference": "maximum_reference", "maximum": "maximum",
    "free_energy_reference": "F300_reference", "free_energy": "F300",
    "entropy_reference": "S300_reference", "entropy": "S300",
    "heat_capacity_reference": "Cv300_reference", "heat_capacity": "Cv300",
    "minimum_reference": "minimum_commensurate_reference", "minimum": "minimum_commensurate",
    "is_stable": "is_stable",
}  # fmt: skip


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Judge the model, and write what is found."""
    from madelung.common.outputs import plain
    from madelung.phonons.calibration import Calibration
    from madelung.phonons.evaluation import evaluate_phonons
    from madelung.phonons.loading import load_phonon_model
    from madelung.phonons.report import evaluation_report
    from madelung.phonons.shards import read_shard

    torch.set_num_threads(1)
    model = load_phonon_model(arguments.model)
    started, seconds = time.perf_counter(), []

    def predict(crystal: Any) -> Any:
        begin = time.perf_counter()
        found = model.predict(crystal)
        found.summary()
        seconds.append(time.perf_counter() - begin)
        return found

    evaluation = evaluate_phonons(predict, read_shard(arguments.shard))
    calibration = Calibration.model_validate(model.card.calibration)
    report = evaluation_report(evaluation, calibration)
    record = {
        **header(0),
        "hours": (time.perf_counter() - started) / 3600.0,
        "versions": versions(["madelung", "torch", "numpy", "phonopy"]),
        "model": {"name": model.card.name, "weights_sha256": model.card.weights_sha256},
        "shard": Path(arguments.shard).name,
        **report,
        "rank_correlation_of_others": _other_measures(evaluation, model.card.elements),
        "seconds_median": float(np.median(seconds)),
        "seconds_90": float(np.quantile(seconds, 0.9)),
        "problems": list(evaluation.problems),
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = [
        {name: row[own] for own, name in COLUMNS.items()} | _half_widths(row, calibration)
        for row in evaluation.rows()
    ]
    write_csv(arguments.out / "predictions.csv", rows, list(rows[0]))
    write_json(arguments.out / "run.json", plain(record))
    if arguments.page is not None:
        replace_block(arguments.page, "accuracy", page_text(record))
    return record


def _half_widths(row: dict[str, Any], calibration: Any) -> dict[str, float]:
    names = {
        "maximum": "maximum", "F300": "free_energy", "S300": "entropy", "Cv300": "heat_capacity",
    }  # fmt: skip
    return {
        f"{name}_90": float(calibration.half_width(own, np.array(row[f"spread_{own}"])))
        for name, own in names.items()
    }


def _other_measures(evaluation: Any, elements: dict[str, int]) -> dict[str, float]:
    """Spearman's coefficient of the frequency error with what else might rank it."""
    import re

    from scipy.stats import spearmanr

    rows = evaluation.crystals
    errors = [row.frequency_error for row in rows]
    rarest = [
        -min(elements.get(symbol, 0) for symbol in re.findall("[A-Z][a-z]?", row.composition))
        for row in rows
    ]
    measures = {
        "spread of the members": [row.spread_frequency for row in rows],
        "rarest element in training": rarest,
        "highest frequency": [row.maximum for row in rows],
        "lowest frequency, negative": [-row.minimum for row in rows],
    }
    return {name: float(spearmanr(values, errors).statistic) for name, values in measures.items()}


def page_text(record: dict[str, Any]) -> str:
    """The table of the page."""
    lines = [
        f"On {record['crystals']} crystals of compositions that no network has learnt from "
        f"(`{record['shard']}`, looked at once for this model; "
        "`python -m benchmarks.phonons.accuracy`):",
        "",
        "| | error | best of others | goal |",
        "| --- | --- | --- | --- |",
    ]
    for name, (label, others, goal) in OTHERS.items():
        lines.append(f"| {label} | {record['errors'][name]:.3f} | {others} | {goal} |")
    within = ", ".join(
        f"{name.replace('_', ' ')} {100 * value:.0f} %"
        for name, value in record["within_90"].items()
    )
    ranks = record["rank_correlation_of_others"]
    listed = ", ".join(f"{name} {value:.2f}" for name, value in ranks.items())
    return "\n".join(
        [
            *lines,
            "",
            f"Errors within their 90 % intervals: {within}. Rank correlation of the mean frequency "
            f"error of a crystal with: {listed}. From a structure to all of this: "
            f"{1000 * record['seconds_median']:.0f} ms for half of the crystals, "
            f"{1000 * record['seconds_90']:.0f} ms for nine tenths, on one core.",
        ]
    )


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shard", type=Path, help="compact force sets (.npz.xz)")
    parser.add_argument("--model", default="phonons", help="name or folder")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument(
        "--page", type=Path, default=None, help=f"page to write into, as {PAGE.name}"
    )
    return parser.parse_args(words)


if __name__ == "__main__":
    result = run(parse())
    print(page_text(result))
