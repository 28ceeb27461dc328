"""Look at what is shipped and required: known advisories, licences, and sources of data.

    make audit            # installs pip-audit beside the test tools, and runs this
    python tools/audit.py

Looked at are the versions of ``constraints/cpu.txt`` (by pip-audit, where its service can be
reached), what ``pyproject.toml`` requires for use and all that this requires in turn, what is
compiled into the wheel, the cards of the shipped models, the data and the table of elements that
come along. What could not be looked at is said, and is no fault.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "constraints" / "cpu.txt"
# Extras for those who work on Madelung; what they bring is neither shipped nor needed for use.
OWN_EXTRAS = frozenset({"benchmark", "docs", "test"})
# What the wheel holds compiled; the files of licences/ have the texts.
COMPILED = {"nanobind": "BSD", "robin-map": "MIT"}
_SECONDS = 300

# Words of licences under which something may be required: permissive ones, and those that bind
# changes of the thing itself alone.
_FIT = re.compile(
    r"0BSD|Apache|BSD|BSL-1|CC0|HPND|ISC|LGPL|Lesser General|MIT|MPL|Mozilla|PSF|Python Software"
    r"|Unlicense|Zlib|Public Domain",
    re.IGNORECASE,
)
_UNFIT = re.compile(r"AGPL|(?<!L)GPL|(?<!Lesser )General Public|SSPL|Commercial|Proprietary", re.I)
_TEXTS = {
    "BSD": "Redistribution and use in source and binary forms",
    "MIT": "Permission is hereby granted, free of charge",
    "Apache-2.0": "Apache License Version 2.0",
    "MPL-2.0": "Mozilla Public License Version 2.0",
}
# The MIT licence from its first word to its last; whoever copies a table under it copies all.
_MIT = (
    "Permission is hereby granted, free of charge, to any person obtaining a copy",
    "without restriction, including without limitation the rights to use, copy, modify, merge",
    "The above copyright notice and this permission notice shall be included in all copies",
    'THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND',
    "OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE",
)
# Terms under which data may be learnt from and what was learnt be given away.
_FREE_DATA = re.compile(r"CC0|CC BY \d|MIT|BSD|free to use|public domain", re.I)
_BOUND_DATA = re.compile(r"\bNC\b|\bND\b|non-?commercial", re.I)


def advisories(constraints: Path, command: list[str]) -> tuple[list[str], str]:
    """Ask pip-audit about pinned versions.

    Parameters
    ----------
    constraints
        A file of requirements, each with its version.
    command
        How pip-audit is called.

    Returns
    -------
    faults : list of str
        Each known advisory.
    remark : str
        How many versions were looked at, or why none was.
    """
    words = [*command, "--requirement", str(constraints), "--no-deps", "--disable-pip"]
    words += ["--format", "json", "--progress-spinner", "off", "--timeout", "15"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return [], f"not looked at: pip-audit took more than {_SECONDS} s"
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        said = done.stderr.strip() or done.stdout.strip() or "pip-audit said nothing"
        return [], f"not looked at: {said.splitlines()[-1]}"
    looked_at = [package for package in packages if "skip_reason" not in package]
    faults = [
        f"{package['name']} {package['version']}: {item['id']}, mended in "
        f"{', '.join(item['fix_versions']) or 'no version'}"
        for package in looked_at
        for item in package.get("vulns", [])
    ]
    if not looked_at:
        return [], f"not looked at: the service knows none of {len(packages)} packages"
    remark = f"{len(looked_at)} of {len(packages)} versions looked at"
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    return faults, remark + (f"; not {', '.join(skipped)}" if skipped else "")


def required(project: dict[str, Any]) -> tuple[dict[str, Distribution], set[str]]:
    """Return the installed distributions that use requires, and names that are not installed."""
    from packaging.requirements import Requirement

    extras = project["optional-dependencies"]
    lines = [*project["dependencies"]]
    lines += [line for name, own in extras.items() if name not in OWN_EXTRAS for line in own]
    waiting = [Requirement(line) for line in lines]
    found: dict[str, Distribution] = {}
    missing: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name in found or name in missing:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            missing.add(name)
            continue
        for line in found[name].requires or []:
            further = Requirement(line)
            if further.marker is None or further.marker.evaluate({"extra": ""}):
                waiting.append(further)
    return found, missing


def licence_of(package: Distribution) -> str:
    """Return the licence that a distribution states, in whichever place it does; else nothing."""
    stated = package.metadata
    if stated.get("License-Expression"):
        return str(stated["License-Expression"])
    classifiers = [
        line.rpartition("::")[2].strip()
        for line in stated.get_all("Classifier", [])
        if line.startswith("License ::") and line.count("::") > 1
    ]
    if classifiers:
        return " OR ".join(classifiers)
    text = str(stated.get("License") or "")
    return text if 0 < len(text) <= 100 else _licence_of_text(text or _licence_file(package))


def _licence_file(package: Distribution) -> str:
    for path in package.files or []:
        if re.search(r"(?i)licen[cs]e|copying", path.name) and path.suffix in {"", ".txt", ".md"}:
            return Path(str(path.locate())).read_text(encoding="utf-8", errors="replace")
    return ""


def _licence_of_text(text: str) -> str:
    plain = " ".join(text.split())
    return next((name for name, words in _TEXTS.items() if words in plain), "")


def is_fit(licence: str) -> bool:
    """Return whether a package under a licence may be required: one choice must be, in full."""
    choices = re.split(r"\s+OR\s+", licence.replace("(", "").replace(")", ""), flags=re.I)
    return any(
        all(_is_fit_part(part) for part in re.split(r"\s+AND\s+|[,;]", choice, flags=re.I))
        for choice in choices
    )


def _is_fit_part(part: str) -> bool:
    # Programs that GCC has compiled are not bound by its licence.
    excepted = "WITH GCC-exception" in part
    return excepted or (_FIT.search(part) is not None and _UNFIT.search(part) is None)


def unfit_packages(project: dict[str, Any]) -> tuple[list[str], str]:
    """Look at the licences of all that use requires."""
    found, missing = required(project)
    stated = {name: licence_of(package) for name, package in found.items()}
    faults = [
        f"{name}: {licence or 'no licence is stated'}"
        for name, licence in sorted(stated.items())
        if not is_fit(licence)
    ]
    remark = f"{len(found)} packages looked at"
    return faults, remark + (f"; not installed: {', '.join(sorted(missing))}" if missing else "")


def unfit_contents(root: Path) -> tuple[list[str], str]:
    """Look at what the wheels hold of others: compiled code, the elements' table, data, models."""
    faults = []
    for name, licence in COMPILED.items():
        path = root / "licences" / f"{name}.txt"
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if _licence_of_text(text) != licence or "Copyright" not in text:
            faults.append(f"{name}, compiled into the wheel: its licence is not in {path.name}")
    package = root / "src" / "madelung"
    table = json.loads((package / "models" / "element_features.json").read_text(encoding="utf-8"))
    faults += unfit_table(table)
    about = (package / "data" / "embedded" / "README.md").read_text(encoding="utf-8")
    if not re.search(r"^Licence: .*", about, re.M) or "https://" not in about:
        faults.append("data/embedded/README.md: licence or source is missing")
    models = root / "weights" / "src" / "madelung_models"
    cards = [path for name in ("card", "phonons") for path in models.glob(f"*/{name}.json")]
    for path in sorted(cards):
        faults += unfit_card(path.parent.name, json.loads(path.read_text(encoding="utf-8")))
    if len(cards) != len(list(models.glob("*/weights.safetensors"))):
        faults.append(f"{models.name}: not every model has a card")
    return faults, f"{len(COMPILED)} compiled in, {len(cards)} models, a table and a data set"


def unfit_table(table: dict[str, Any]) -> list[str]:
    """Return what the table of CGCNN's features lacks of what its licence asks for."""
    faults = []
    if "Copyright (c) 2018 Tian Xie" not in table.get("source", ""):
        faults.append("element_features.json: the copyright notice of CGCNN is missing")
    if any(part not in " ".join(table.get("licence", "").split()) for part in _MIT):
        faults.append("element_features.json: the permission notice of CGCNN is not whole")
    return faults


def unfit_card(name: str, card: dict[str, Any]) -> list[str]:
    """Return what a model's card lacks: where its data come from, and under which terms."""
    training = card.get("training", {})
    faults = []
    if not (training.get("source") or training.get("data")):
        faults.append(f"{name}: the card does not say where its data come from")
    licence = str(training.get("licence", ""))
    if not _FREE_DATA.search(licence) or _BOUND_DATA.search(licence):
        faults.append(f"{name}: the licence of its data is {licence or 'not stated'}")
    return faults


def report(parts: Iterable[tuple[str, Callable[[], tuple[list[str], str]]]]) -> bool:
    """Print each part; return whether it is without a fault."""
    clean = True
    for title, look in parts:
        faults, remark = look()
        clean = clean and not faults
        print(f"{title}: {remark}")
        for fault in faults:
            print(f"  FAULT  {fault}")
    return clean


def main() -> None:
    """Look at everything; end with status 1 if something is wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    command = [sys.executable, "-m", "pip_audit"]
    clean = report(
        [
            ("known advisories", lambda: advisories(CONSTRAINTS, command)),
            ("licences of what is required", lambda: unfit_packages(project)),
            ("licences of what is shipped", lambda: unfit_contents(ROOT)),
        ]
    )
    sys.exit(not clean)


if __name__ == "__main__":
    main()
