"""Count the cases that are right: small inputs on which this project failed, or others do.

    python -m benchmarks.data.cases                          # the cases of tests/crystals/cases
    python -m benchmarks.data.cases FOLDER                   # a folder with the same layout
    python -m benchmarks.data.cases --kind forcefields       # some minutes, which fits take
    PYTHONPATH=OLD/src python -m benchmarks.data.cases --name before

The layout is ``expected.json`` beside folders of files: for each file the formulas of its crystals,
perhaps with a part of the warning that must be given, or a part of the refusal. Hostile files go
through ``sum_files`` between two good ones, in a process of their own with a limit on time. Cases
of force fields are read, fitted and run (``force_field_cases.py``), from a folder of their own. The
counts stand in ``benchmarks/results/cases/run.json``; those of a run with a name under the name.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.data.force_field_cases import FITS, JUDGES, fit_case
from benchmarks.support.records import ROOT, versions

CASES = ROOT / "tests" / "crystals" / "cases"
FORCE_FIELDS = ROOT / "tests" / "forcefields" / "cases"
RESULTS = ROOT / "benchmarks" / "results" / "cases" / "run.json"
# Time that a case may take; fits have more.
SECONDS, SECONDS_OF_FITS = 30.0, 1200.0


def crystal_case(path: Path, right: dict[str, Any]) -> str | None:
    """Read a file; return what is wrong, or None."""
    from madelung import CrystalError, read_all

    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        try:
            formulas = [crystal.formula for crystal in read_all(path)]
        except CrystalError as problem:
            return _judged_refusal(str(problem), right)
    if formulas != right.get("formulas"):
        return f"read as {formulas}"
    texts = " ".join(str(item.message) for item in given)
    return None if right.get("warning", "") in texts else "no such warning"


def _judged_refusal(text: str, right: dict[str, Any]) -> str | None:
    if "refused" not in right:
        return f"refused: {text}"
    return None if right["refused"] in text else f"refused for another reason: {text}"


def hostile_case(path: Path, right: dict[str, Any]) -> str | None:
    """Sum a file between two good ones; return what is wrong, or None."""
    from madelung import Coulomb, sum_files

    good = path.parent / "good.cif"
    first, result, last = sum_files([good, path, good], [Coulomb()])
    if first.problem is not None or last.problem is not None:
        return "a neighbour has no result"
    if result.problem is None:
        return None if "refused" not in right else "summed"
    if not str(result.problem).startswith(str(path)):
        return f"the problem does not name the file: {result.problem}"
    return _judged_refusal(str(result.problem), right)


def reference_case(path: Path, right: dict[str, Any]) -> str | None:
    """Read reference data of a force field; return what is wrong, or None."""
    from madelung.forcefields.reference.configurations import (
        SkippedConfigurations,
        read_configurations,
    )

    skipped = SkippedConfigurations()
    found = list(read_configurations(path, **right.get("keys", {}), on_problem=skipped))
    if len(found) != right["count"]:
        return f"{len(found)} frames are read, not {right['count']}"
    if right.get("problem", "") not in skipped.summary():
        return f"another problem: {skipped.summary()}"
    if "energy" in right and found[0].energy != right["energy"]:
        return f"an energy of {found[0].energy}"
    if "ids" in right and [item.id for item in found] != right["ids"]:
        return f"the ids {[item.id for item in found]}"
    if "weights" in right and [list(item.weights) for item in found] != right["weights"]:
        return "other weights"
    return None


@dataclass(frozen=True)
class Case:
    """A case: its kind and name, and who judges it with what."""

    kind: str
    name: str
    judge: Callable[..., str | None]
    given: tuple[Any, ...]
    seconds: float = SECONDS


def all_cases(folder: Path, force_fields: Path) -> Iterator[Case]:
    """Yield the cases of crystals and hostile files in a folder, and those of force fields."""
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    for kind, places, judge in (
        ("crystals", ("failing", "passing"), crystal_case),
        ("hostile", ("hostile",), hostile_case),
    ):
        for place in places:
            for name, right in expected.get(place, {}).items():
                yield Case(kind, name, judge, (folder / place / name, right))
    own = json.loads((force_fields / "expected.json").read_text("utf-8"))
    for name, right in own["reference data"].items():
        yield Case("forcefields", name, reference_case, (force_fields / name, right))
    for name, right in own["fits"].items():
        for fit in FITS:
            given = (fit, force_fields / name, right)
            yield Case("forcefields", f"fit {fit} {name}", fit_case, given, SECONDS_OF_FITS)
    for name, special in JUDGES.items():
        yield Case("forcefields", name, special, (force_fields,), SECONDS_OF_FITS)


def judged(case: Case) -> str | None:
    """Judge a case in another process, which may hang, die, or fill its memory."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=_answer, args=(sender, case.judge, case.given))
    process.start()
    sender.close()
    try:
        answer: str | None = receiver.recv() if receiver.poll(case.seconds) else "it hangs"
    except EOFError:
        answer = "the process died"
    process.kill()
    process.join()
    return answer


def _answer(sender: Any, judge: Callable[..., str | None], given: tuple[Any, ...]) -> None:
    # 8 GB of addresses: what needs more is stopped here, and not by the machine.
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))
    try:
        sender.send(judge(*given))
    except BaseException as error:
        sender.send(f"{type(error).__name__}: {str(error)[:200]}")


def main() -> None:
    """Count, print what is wrong, and write the record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=CASES)
    parser.add_argument("--name", default="now", help="name of the run in the record")
    parser.add_argument(
        "--kind", choices=("crystals", "hostile", "forcefields"), help="count this kind alone"
    )
    arguments = parser.parse_args()
    counts: dict[str, Any] = {}
    for case in all_cases(arguments.folder, FORCE_FIELDS):
        if arguments.kind not in (None, case.kind):
            continue
        count = counts.setdefault(case.kind, {"right": 0, "of": 0, "wrong": {}})
        problem = judged(case)
        count["of"] += 1
        count["right"] += problem is None
        if problem is not None:
            count["wrong"][case.name] = problem.replace(f"{arguments.folder}/", "")
            print(f"{case.kind}/{case.name}: {count['wrong'][case.name]}")
    for kind, count in counts.items():
        print(f"{kind}: {count['right']} of {count['of']} right")
    record = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    found = {**counts, "versions": versions(("ase", "gemmi", "numpy"))}
    record |= found if arguments.name == "now" else {arguments.name: found}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
