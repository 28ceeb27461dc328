"""Networks of another code, which run in a process of their own with its own interpreter."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import madelung as md
from benchmarks.models.timed_networks import Member
from benchmarks.support.records import ROOT

__all__ = ["PeerProblem", "PeerTeam", "peer_team"]

MODULE = "benchmarks.models.other_networks"


class PeerProblem(RuntimeError):
    """A peer is not there, or failed."""


class PeerTeam:
    """Networks of a peer; see :class:`benchmarks.models.timed_networks.Team`.

    Parameters
    ----------
    name
        Name of the peer.
    process
        Its process, which has not been told anything yet.
    errors
        File that it writes its messages into.
    order
        What it has to start with.

    Raises
    ------
    PeerProblem
        If it is not installed or cannot start.
    """

    def __init__(
        self, name: str, process: subprocess.Popen[str], errors: Path, order: dict[str, Any]
    ) -> None:
        self.name = name
        self._process, self._errors = process, errors
        answer = self._ask({"peer": name, **order})
        if "status" in answer:
            raise PeerProblem(answer["status"])
        self.members = {
            member: Member(about["parameters"], about["precision"], tuple(about["tasks"]))
            for member, about in answer["members"].items()
        }
        self.sizes: dict[str, int] = answer["sizes"]
        self.about: dict[str, Any] = answer["about"]

    def graph_seconds(self) -> float:
        """Make the graphs of all crystals; return how long it took."""
        return float(self._ask({"task": "graph"})["seconds"])

    def seconds(self, member: str, task: str) -> float:
        """Let a network learn from all crystals once, or predict them; return how long it took."""
        return float(self._ask({"member": member, "task": task})["seconds"])

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            print(json.dumps(order), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            messages = self._errors.read_text(encoding="utf-8", errors="replace").splitlines()
            last = messages[-1] if messages else "no message"
            raise PeerProblem(f"failed: its process ended when told {order} ({last})")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def peer_team(
    python: Path, name: str, crystals: Sequence[md.Crystal], order: dict[str, Any]
) -> Iterator[PeerTeam]:
    """Start a peer, and end its process when done.

    Parameters
    ----------
    python
        Interpreter of the environment that has it.
    name
        Name of the peer.
    crystals
        What it is timed on.
    order
        Further settings: ``batch_size``, ``threads``, ``seed``.

    Raises
    ------
    PeerProblem
        If it is not installed or fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        path, errors = Path(folder) / "crystals.jsonl", Path(folder) / "errors.txt"
        path.write_text("".join(f"{json.dumps(_record(crystal))}\n" for crystal in crystals))
        with errors.open("wb") as messages:
            process = subprocess.Popen(
                [str(python), "-m", MODULE],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=messages,
                text=True,
            )
        try:
            yield PeerTeam(name, process, errors, {**order, "crystals": str(path)})
        finally:
            process.kill()
            process.communicate()


def _record(crystal: md.Crystal) -> dict[str, Any]:
    return {
        "lattice": crystal.cell.tolist(),
        "species": crystal.symbols,
        "frac_coords": crystal.scaled_positions.tolist(),
    }
