"""Judge certificates on many structures made to break them, by an independent oracle.

    python -m benchmarks.sums.certificates --examples 100000 --seed 0 \\
        --out benchmarks/results/certificate

Each example is a structure, a potential and a tolerance, drawn from the seed and the number of the
example. Two entries of its sums (the closest pair and one at random; the diagonal for one atom) are
compared with the exact value. Stopped runs resume where they were.

Writes ``run.json`` (command, commit, seed, machine, date, counts, quantiles), ``table.csv``
(certificate over true error by potential, cell and tolerance) and ``violations.csv``.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support.records import ROOT, header, versions, write_csv, write_json

sys.path.insert(0, str(ROOT / "tests/support"))

CHUNK = 200
# The oracle resolves true errors down to this part of the certificate.
RESOLUTION = 1e-5
FIELDS = [
    "number", "cell", "sites", "atoms", "seed", "potential", "parameters", "tolerance",
    "certificate", "error", "pair", "violated",
]  # fmt: skip
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def run_example(number: int, seed: int, executor: str) -> dict[str, Any]:
    """Draw one example, evaluate it and have its worst entry judged."""
    from judging import judge, package_sums
    from structures import CELLS, NAMES, SITES, make_choice, make_structure, size_of

    rng = np.random.default_rng([seed, number])
    own = int(rng.integers(2**31))
    cell, sites = str(rng.choice(list(CELLS))), str(rng.choice(list(SITES)))
    structure = make_structure(cell, sites, int(rng.integers(1, 7)), own)
    choice = make_choice(str(rng.choice(NAMES)), size_of(structure.cell), own)
    tolerance = float(10 ** rng.uniform(-12, -3))
    row = {
        "number": number, "cell": cell, "sites": sites, "atoms": len(structure.positions),
        "seed": own, "potential": choice.name, "parameters": " ".join(map(repr, choice.parameters)),
        "tolerance": tolerance, "certificate": math.nan, "error": "", "pair": "", "violated": 0,
    }  # fmt: skip
    try:
        result = package_sums(
            structure, [choice], tolerance=tolerance, executor=executor, threads=1
        )
    except Exception as problem:
        # A crystal that cannot be summed is a failure too, and must not end the run.
        return row | {"error": math.inf, "pair": f"{type(problem).__name__}: {problem}",
                      "violated": 1}  # fmt: skip
    certificate = float(result.certificate[0])
    row["certificate"] = certificate
    verdicts = list(judge(structure, choice, result.values[0], certificate, own, 2, RESOLUTION))
    if verdicts:
        worst = max(verdicts, key=lambda verdict: (verdict.violated, verdict.error))
        row |= {
            "error": worst.error,
            "pair": "{}-{}".format(*worst.pair),
            "violated": int(worst.violated),
        }
    return row


def run_chunk(task: tuple[int, int, int, str, str]) -> int:
    """Run a range of examples and store it whole; return how many there were."""
    start, stop, seed, executor, folder = task
    import torch

    torch.set_num_threads(1)
    path = Path(folder) / f"{start:09d}.csv"
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, FIELDS)
        writer.writeheader()
        for number in range(start, stop):
            try:
                writer.writerow(run_example(number, seed, executor))
            except Exception as problem:
                raise RuntimeError(
                    f"example {number} of seed {seed} failed: {problem}"
                ) from problem
    os.replace(unfinished, path)
    return stop - start


def run_all(options: argparse.Namespace, folder: Path) -> float:
    """Run what is not yet stored, with a progress bar; return the hours it took."""
    from rich.progress import Progress

    tasks = [
        (start, min(start + CHUNK, options.examples), options.seed, options.executor, str(folder))
        for start in range(0, options.examples, CHUNK)
        if not (folder / f"{start:09d}.csv").exists()
    ]
    begun = time.perf_counter()
    with Progress() as progress:
        bar = progress.add_task("examples", total=options.examples)
        progress.update(bar, completed=options.examples - sum(b - a for a, b, *_ in tasks))
        if options.workers == 1:
            for task in tasks:
                progress.advance(bar, run_chunk(task))
        else:
            context = multiprocessing.get_context("spawn")
            with context.Pool(options.workers) as pool:
                for count in pool.imap_unordered(run_chunk, tasks):
                    progress.advance(bar, count)
    return (time.perf_counter() - begun) / 3600


def read_rows(folder: Path) -> Iterator[dict[str, str]]:
    """Read all stored examples in their order."""
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="") as stream:
            yield from csv.DictReader(stream)


def summarise(rows: list[dict[str, str]]) -> dict[str, Any]:
    """Count, and describe certificate over true error."""
    failed = sum(row["error"] == "inf" for row in rows)
    judged = [row for row in rows if row["error"] not in ("", "inf")]
    certificate = np.array([float(row["certificate"]) for row in judged])
    error = np.array([float(row["error"]) for row in judged])
    tolerance = np.array([float(row["tolerance"]) for row in judged])
    summary: dict[str, Any] = {
        "examples": len(judged),
        "violations": sum(int(row["violated"]) for row in judged),
        "failures": failed,
        "reached": float(np.mean(certificate <= tolerance)) if judged else math.nan,
    }
    if judged:
        ratio = certificate / np.maximum(error, RESOLUTION * certificate)
        for level, value in zip(QUANTILES, np.quantile(ratio, QUANTILES), strict=True):
            summary[f"ratio_{round(100 * level):02d}"] = float(f"{value:.4g}")
        summary["ratio_smallest"] = float(f"{ratio.min():.4g}")
    return summary


def decade(row: dict[str, str]) -> str:
    """Name the decade of a tolerance."""
    return f"1e{math.floor(math.log10(float(row['tolerance'])))}"


def make_table(rows: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Summaries by potential, cell, sites and tolerance, and of potentials and cells by decade."""

    def groups(*names: str) -> Iterable[tuple[str, list[dict[str, str]]]]:
        found: dict[str, list[dict[str, str]]] = {}
        for row in rows:
            found.setdefault(" ".join(row[name] for name in names), []).append(row)
        return sorted(found.items())

    for row in rows:
        row["decade"] = decade(row)
    kinds = [
        ("potential",), ("cell",), ("sites",), ("decade",), ("potential", "cell"),
        ("potential", "decade"), ("cell", "decade"),
    ]  # fmt: skip
    return [
        {"by": " and ".join(kind), "name": name, **summarise(members)}
        for kind in kinds
        for name, members in groups(*kind)
    ]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Judge certificates by an independent oracle.")
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/certificate")
    parser.add_argument("--executor", choices=["auto", "native", "torch"], default="auto")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--keep-parts", action="store_true", help="keep the record of each example")
    return parser.parse_args(arguments)


def main() -> int:
    """Run, summarise and write; the exit status is 1 if a certificate was violated."""
    options = parse()
    folder = options.out / f"parts-{options.executor}-{options.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    hours = run_all(options, folder)
    rows = [row for row in read_rows(folder) if int(row["number"]) < options.examples]
    violations = [row for row in rows if row["violated"] == "1"]
    table = make_table(rows)
    write_csv(options.out / "table.csv", table, list(table[0]))
    write_csv(options.out / "violations.csv", violations, FIELDS)
    tight = [row for row in rows if 0.5e-10 <= float(row["tolerance"]) <= 2e-10]
    record = {
        **header(options.seed),
        "versions": versions(["madelung", "numpy", "torch"]),
        "executor": options.executor,
        "hours_of_last_run": round(hours, 4),
        "workers": options.workers,
        "resolution": RESOLUTION,
        "not_judged_because_nearly_coincident": sum(not row["error"] for row in rows),
        "all": summarise(rows),
        "tolerance_near_1e-10": summarise(tight),
    }
    write_json(options.out / "run.json", record)
    if not options.keep_parts:
        shutil.rmtree(folder)
    print(json.dumps(record["all"], indent=2))
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
