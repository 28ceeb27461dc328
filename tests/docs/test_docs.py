"""The code in README.md and docs runs, and prints what the pages say it prints."""

import contextlib
import io
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import ase.build
import ase.io
import numpy as np
import pytest
from ase.calculators.emt import EMT
from commands import run_command
from places import ROOT

from madelung.crystals.examples import EXAMPLE_NAMES, example_path
from madelung.forcefields.pairs.complete_pairs import CompletePairs

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of code, and the text that follows it if the page shows what it prints."""

    language: str
    code: str
    output: str | None


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    matches = list(BLOCK.finditer(text))
    result = []
    for index, match in enumerate(matches):
        following = matches[index + 1] if index + 1 < len(matches) else None
        shown = None
        if (
            following is not None
            and following[1] == "text"
            and not text[match.end() : following.start()].strip()
        ):
            shown = following[2]
        result.append(Block(match[1], match[2], shown))
    return result


def pages_with(language: str) -> list[Path]:
    return [page for page in PAGES if any(block.language == language for block in blocks(page))]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the pages name."""
    (tmp_path / "folder").mkdir()
    for example in EXAMPLE_NAMES:
        text = example_path(example).read_text(encoding="utf-8")
        (tmp_path / f"{example}.cif").write_text(text, encoding="utf-8")
        (tmp_path / "folder" / f"{example}.cif").write_text(text, encoding="utf-8")
    write_reference_data(tmp_path)
    ase.io.write(tmp_path / "structure.cif", ase.build.bulk("Cu", cubic=True))
    pairs = {"Na-Cl": "buckingham:1256.3:0.32:7.0", "Cl-Cl": "buckingham:3485.5:0.32:70.0"}
    CompletePairs(pairs, charges={"Na": 1.0, "Cl": -1.0}).save(tmp_path / "salt.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_reference_data(folder: Path) -> None:
    """Copper by ASE's effective medium theory, to fit force fields to; candidates without it."""
    random = np.random.default_rng(0)
    for part, count in (("train", 24), ("test", 4), ("candidates", 8)):
        frames = []
        for _ in range(count):
            atoms = ase.build.bulk("Cu", cubic=True)
            atoms.positions += random.normal(scale=0.1, size=atoms.positions.shape)
            if part != "candidates":
                atoms.calc = EMT()
                atoms.get_forces()
            frames.append(atoms)
        ase.io.write(folder / f"{part}.extxyz", frames)


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with("python"), ids=name)
def test_python_blocks(page: Path, workplace: Path) -> None:
    """The blocks of a page run one after another in one namespace."""
    namespace: dict[str, object] = {"__name__": "__page__"}
    for number, block in enumerate(blocks(page)):
        if block.language != "python":
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block.code, f"{name(page)}, block {number}", "exec"), namespace)
        if block.output is not None:
            assert printed.getvalue() == block.output, f"{name(page)}, block {number}"


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with("bash"), ids=name)
def test_commands(page: Path, workplace: Path) -> None:
    """Lines that call the command succeed."""
    lines = [
        line
        for block in blocks(page)
        if block.language == "bash"
        for line in block.code.splitlines()
        if line.startswith("madelung ")
    ]
    for line in lines:
        result = run_command(*shlex.split(line, comments=True)[1:])
        assert result.returncode == 0, f"{line}\n{result.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_between_pages(page: Path) -> None:
    """Links to files of this repository lead somewhere."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{name(page)}: {target}"
