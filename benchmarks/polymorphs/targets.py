"""Rankings of the candidates of public blind-test targets against B86bPBE-XDM.

    python -m benchmarks.polymorphs.targets csp_blindtests_b86bpbe_xdm.extxyz.gz
    python -m benchmarks.polymorphs.targets FILE --targets xii vii --work FOLDER

Writes ``run.json`` and ``predictions.csv``, and the table of docs/polymorphs.md. Molecules that are
calculated are kept in the folder of work, from which a stopped run goes on; CPU hours are those of
the calculations and of the sums, whatever else the machine does.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support.records import ROOT, header, replace_block, versions, write_csv, write_json

RESULTS = ROOT / "benchmarks" / "results" / "polymorphs"
ENERGY = "rel_lattice_energy_eV_per_mol"


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Rank each target, and write what is found."""
    import ase.io

    frames: dict[str, list[Any]] = {}
    for frame in ase.io.read(arguments.file, ":"):
        frames.setdefault(frame.info["target"], []).append(frame)
    targets: dict[str, dict[str, Any]] = {}
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        for name in arguments.targets or frames:
            targets[name], own = judged(name, frames[name], work)
            rows += own
            print(name, targets[name], flush=True)
    ranked = [one for one in targets.values() if "spearman" in one]
    record = {
        **header(0),
        "versions": versions(["madelung", "pyscf", "numpy"]),
        "method": "molecules (B86bPBE/def2-SVPD), complete sums of charges and of XDM dispersion; "
        "nothing learnt",
        "targets": targets,
        "mean_spearman": float(np.mean([one["spearman"] for one in ranked])),
        "mean_spearman_of_density": float(np.mean([one["spearman_of_density"] for one in ranked])),
        "rmse_kj_mol": float(np.sqrt(np.mean([one["rmse_kj_mol"] ** 2 for one in ranked]))),
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_csv(arguments.out / "predictions.csv", rows, list(rows[0]))
    write_json(arguments.out / "run.json", record)
    if arguments.page is not None:
        replace_block(arguments.page, "targets", page_text(record))
    return record


def judged(name: str, frames: list[Any], work: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Rank one target; its scores, and a row for each candidate."""
    import ase.io
    from scipy.stats import kendalltau, spearmanr

    from madelung.common.errors import PolymorphError
    from madelung.common.units import KILOJOULES_PER_MOLE
    from madelung.polymorphs.candidates import read_candidates
    from madelung.polymorphs.job import JOURNAL, rank_candidates

    work.mkdir(parents=True, exist_ok=True)
    file = work / f"{name}.extxyz"
    ase.io.write(file, frames)
    try:
        before = sum(seconds_of_labels(work / name / JOURNAL))
        begun = time.process_time()
        units = {one.name: one.units for one in read_candidates([file]).kept}
        found = rank_candidates([file], work / name, resume=True, quiet=False)
    except PolymorphError as problem:
        return {"candidates": len(frames), "refused": str(problem)}, []
    labels = seconds_of_labels(work / name / JOURNAL)
    summing = time.process_time() - begun - (sum(labels) - before)
    given = {one.info["name"]: one for one in frames}
    rows = []
    for row in found.rows:
        frame = given[row["name"]]
        molecules = frame.info["n_mol"] / units[row["name"]]
        rows.append(
            {
                "target": name,
                "candidate": row["name"],
                "reference": frame.info[ENERGY] * molecules * KILOJOULES_PER_MOLE,
                "prediction": row["energy_kJ_mol"],
                "uncertainty": row["standard_error"],
                "density": row["density"],
                "rank": row["rank"],
                "experimental": bool(frame.info["experimental"]),
            }
        )
    ours, theirs, density = (
        np.array([row[key] for row in rows]) for key in ("prediction", "reference", "density")
    )
    apart = ours - theirs
    scores = {
        "spearman": float(spearmanr(ours, theirs)[0]),
        "kendall": float(kendalltau(ours, theirs)[0]),
        "spearman_of_density": float(spearmanr(-density, theirs)[0]),
        "rmse_kj_mol": float(apart.std()),
        "experimental_rank": [row["rank"] for row in rows if row["experimental"]],
        "candidates": len(frames),
        "distinct": max(row["rank"] for row in rows),
        "left_out": len(found.problems),
        "labels": len(labels),
        "cpu_hours": (sum(labels) + summing) / 3600.0,
    }
    return scores, rows


def seconds_of_labels(journal: Path) -> list[float]:
    """CPU seconds of each calculation that a journal holds."""
    if not journal.exists():
        return []
    lines = journal.read_text(encoding="utf-8").splitlines()[1:]
    return [json.loads(line)["cpu_seconds"] for line in lines]


def page_text(record: dict[str, Any]) -> str:
    """The table of the page."""
    lines = [
        "Against B86bPBE-XDM on public blind-test targets (`python -m "
        "benchmarks.polymorphs.targets FILE`); ρ is Spearman's coefficient, RMSE that of "
        "relative energies in kJ/mol:",
        "",
        "| target | candidates (distinct) | ρ | ρ of the density alone | RMSE | experimental form "
        "| molecules calculated | CPU hours |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, one in record["targets"].items():
        if "refused" in one:
            lines.append(f"| {name.upper()} | {one['candidates']} | refused | | | | | |")
            continue
        ranks = ", ".join(map(str, one["experimental_rank"])) or "-"
        lines.append(
            f"| {name.upper()} | {one['candidates']} ({one['distinct']}) | {one['spearman']:.2f} | "
            f"{one['spearman_of_density']:.2f} | {one['rmse_kj_mol']:.2f} | {ranks} | "
            f"{one['labels']} | {one['cpu_hours']:.2f} |"
        )
    lines += [
        "",
        f"Mean ρ {record['mean_spearman']:.2f} (density alone "
        f"{record['mean_spearman_of_density']:.2f}); RMSE {record['rmse_kj_mol']:.1f} kJ/mol. "
        "The goal of this part of Madelung, ρ of .93 and 1 kJ/mol, needs labels of dimers.",
    ]
    return "\n".join(lines)


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--targets", nargs="*", help="all by default")
    parser.add_argument("--work", type=Path, help="folder that keeps what was calculated")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, help="page whose table is written")
    return parser.parse_args(words)


if __name__ == "__main__":
    run(parse())
