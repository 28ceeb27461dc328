"""Read CIFs of known crystals, written in all kinds of ways, with Madelung and with others.

    python -m benchmarks.data.readers_bulk [DATA]

Crystals are drawn from each data set of a folder, given the symmetry that they nearly have in a
random setting of their space group, and written with random names, digits and type symbols
(``cif_styles``). Each reader reads each file; what it read is compared with the crystal, so that
of two readers that differ it is known which is right. Command, counts and each file on which
Madelung differs from the crystal stand in ``benchmarks/results/readers_bulk/run.json``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import madelung as md
from benchmarks.data.cif_readers import READERS, REFUSED, RIGHT, SILENT, WARNED, Answer, answer_of
from benchmarks.data.cif_styles import Style, random_style
from benchmarks.data.cif_texts import charges_of, cif_text
from benchmarks.data.known_crystals import KnownCrystal, in_random_setting, without_symmetry
from benchmarks.support.crystal_data import DATA, crystal_of_record
from benchmarks.support.records import ROOT, header, replace_block, versions, write_json

RESULTS = ROOT / "benchmarks" / "results" / "readers_bulk"
PAGE = ROOT / "docs" / "benchmarks.md"
MARK = "readers"
_PLAIN_SHARE = 0.1
_STATES_CHARGES = {"charge", "charge, sign first", "listed oxidation numbers"}
_OUTCOMES = (RIGHT, REFUSED, WARNED, SILENT)


@dataclass(frozen=True)
class Case:
    """One file: where its crystal is from, how it was written, and how each reader did."""

    name: str
    style: Style
    answers: dict[str, Answer]
    text: str


def cases(arguments: argparse.Namespace, skipped: Counter[str]) -> Iterator[Case]:
    """Write and read the files one after another."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "crystal.cif"
        for number, data in enumerate(sorted(arguments.data.glob("*.jsonl.gz"))):
            for row, record in _sample(data, number, arguments):
                rng = np.random.default_rng([arguments.seed, number, row])
                known = _known(crystal_of_record(record), rng, arguments.atoms)
                if isinstance(known, str):
                    skipped[known] += 1
                    continue
                style = random_style(known, rng)
                text = cif_text(known, style, rng)
                path.write_bytes(text.encode())
                charges = charges_of(known, style) if style.types in _STATES_CHARGES else None
                digits = (style.digits, style.length_digits, style.angle_digits)
                answers = {
                    reader: answer_of(reader, path, known, charges, digits) for reader in READERS
                }
                yield Case(f"{data.name}: {record['id']}", style, answers, text)


def _sample(
    data: Path, number: int, arguments: argparse.Namespace
) -> Iterator[tuple[int, dict[str, Any]]]:
    with gzip.open(data, "rt", encoding="utf-8") as stream:
        lines = stream.readlines()
    rng = np.random.default_rng([arguments.seed, number])
    count = min(arguments.crystals or len(lines), len(lines))
    for row in np.sort(rng.choice(len(lines), count, replace=False)).tolist():
        yield row, json.loads(lines[row])


def _known(crystal: md.Crystal, rng: np.random.Generator, largest: int) -> KnownCrystal | str:
    """Return the crystal to write, or why it is left out."""
    plain = rng.random() < _PLAIN_SHARE
    if len(crystal.numbers) > largest:
        return "more atoms than asked for"
    known = without_symmetry(crystal) if plain else in_random_setting(crystal, rng)
    if known is None:
        return "no clear symmetry"
    return known if len(known.numbers) <= 4 * largest else "more atoms than asked for"


def summary(found: list[Case]) -> dict[str, Any]:
    """Count outcomes, differences between the readers, and what the faults were."""
    outcomes = {
        reader: {name: _count(found, reader, name) for name in _OUTCOMES} for reader in READERS
    }
    differences: Counter[str] = Counter()
    for case in found:
        results = {reader: answer.outcome for reader, answer in case.answers.items()}
        if len(set(results.values())) > 1:
            differences[", ".join(f"{reader} {results[reader]}" for reader in results)] += 1
    return {
        "files": len(found),
        "outcomes": outcomes,
        "agree": len(found) - differences.total(),
        "differences": dict(differences.most_common()),
        "faults": {reader: _faults(found, reader) for reader in READERS},
        "by": {name: _table(found, name) for name in ("statement", "name", "types", "labels")},
        "warned_though_right": {reader: _warned(found, reader) for reader in READERS},
    }


def _count(found: list[Case], reader: str, outcome: str) -> int:
    return sum(case.answers[reader].outcome == outcome for case in found)


def _warned(found: list[Case], reader: str) -> int:
    answers = [case.answers[reader] for case in found]
    return sum(answer.outcome == RIGHT and answer.warned for answer in answers)


def _faults(found: list[Case], reader: str) -> dict[str, int]:
    """Count what is wrong where something is."""
    counts: Counter[str] = Counter()
    for case in found:
        answer = case.answers[reader]
        if answer.outcome in {WARNED, SILENT}:
            counts[f"{answer.outcome}: {answer.detail.partition(' (')[0]}"] += 1
    return dict(counts.most_common())


def _table(found: list[Case], feature: str) -> dict[str, dict[str, str]]:
    """Count the files of each style, and how each reader did: right, refused, wrong."""
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in found:
        if feature != "name" or "name" in case.style.statement:
            groups[getattr(case.style, feature)].append(case)
    return {
        value: {"files": str(len(own))}
        | {
            reader: "/".join(
                str(sum(case.answers[reader].outcome in kind for case in own))
                for kind in ({RIGHT}, {REFUSED}, {WARNED, SILENT})
            )
            for reader in READERS
        }
        for value, own in sorted(groups.items())
    }


def _ours(found: list[Case]) -> list[dict[str, str]]:
    """Return each file that Madelung did not read rightly."""
    return [
        {
            "crystal": case.name,
            "style": case.style.describe(),
            "outcome": case.answers["Madelung"].outcome,
            "detail": case.answers["Madelung"].detail,
        }
        for case in found
        if case.answers["Madelung"].outcome != RIGHT
    ]


def page(result: dict[str, Any]) -> str:
    """Return the table for the documentation."""
    lines = [
        f"| of {result['files']:,} files | " + " | ".join(_OUTCOMES) + " |",
        "| --- |" + " --- |" * len(_OUTCOMES),
    ]
    for reader, counts in result["outcomes"].items():
        shown = " | ".join(f"{counts[name]:,}" for name in _OUTCOMES)
        lines.append(f"| {reader} {result['versions'][READERS[reader][0]]} | {shown} |")
    lines += ["", "Command: `python -m benchmarks.data.readers_bulk`."]
    return "\n".join(lines)


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", nargs="?", type=Path, default=DATA, help="folder of *.jsonl.gz")
    parser.add_argument(
        "--crystals", type=int, default=500, help="drawn of each data set; 0 takes all"
    )
    parser.add_argument("--atoms", type=int, default=40, help="of the largest cell in the data")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, help=f"page that gets the table (by default {PAGE})")
    parser.add_argument("--keep", type=Path, help="folder for the files on which readers differ")
    return parser.parse_args(words)


def run(arguments: argparse.Namespace) -> None:
    """Compare, print, and write the record."""
    begun = time.perf_counter()
    skipped: Counter[str] = Counter()
    found = []
    for case in cases(arguments, skipped):
        found.append(case)
        differ = len({answer.outcome for answer in case.answers.values()}) > 1
        if differ and arguments.keep:
            _keep(case, arguments.keep / f"{len(found):05}.cif")
    distributions = ["madelung", "spglib", *(reader[0] for reader in READERS.values())]
    record = {
        **header(arguments.seed),
        "seconds": round(time.perf_counter() - begun, 1),
        "crystals_of_each_set": arguments.crystals,
        "largest_cell": arguments.atoms,
        "left_out": dict(skipped),
        "versions": versions(distributions),
        **summary(found),
        "not_right_by_madelung": _ours(found),
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_json(arguments.out / "run.json", record)
    print(page(record))
    if arguments.page or arguments.out == RESULTS:
        replace_block(arguments.page or PAGE, MARK, page(record))


def _keep(case: Case, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    said = [f"# {case.name}; {case.style}"]
    said += [f"# {reader}: {answer}" for reader, answer in case.answers.items()]
    path.write_bytes(("\n".join(said) + "\n" + case.text).encode())


if __name__ == "__main__":
    run(parse())
