"""Measure how fast networks learn from crystals and predict them, beside networks of other codes.

    python -m benchmarks.models.throughput --out benchmarks/results/throughput [--quick]
        [--peer-python peers/bin/python]

Three parts: whether PotNet and the same network with plain networks of edges are one function;
crystals per second of these two and of ALIGNN and MEGNet, on the same real crystals, in turns that
alternate; the time of predicting one crystal. The other codes run in processes of their own, by the
interpreter of an environment that has them (``other_networks.py`` says how to make one);
without it they are left out.

A training step is: forward, mean absolute error, backward, AdamW. Ratios are medians of the ratios
turn by turn. Writes ``run.json`` (command, commit, seed, machine, versions, date, hours, all
results), ``table.csv`` (one number a line) and ``table.md``; ``--page docs/speed.md`` puts it
between the marks ``<!-- throughput -->`` of that page.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import madelung as md
from benchmarks.models.latency import measure_latency
from benchmarks.models.other_networks import PEERS
from benchmarks.models.other_networks_process import PeerProblem, peer_team
from benchmarks.models.plain_potnet import differences, plain_twin
from benchmarks.models.teams_of_networks import compare_teams
from benchmarks.models.throughput_tables import markdown
from benchmarks.models.timed_networks import Entrant, LocalTeam, Team, clock_of, cut
from benchmarks.sums.lattice_sums import ONE_THREAD, progress_bar
from benchmarks.support.crystal_data import DATA, JARVIS, has_data, read_crystals
from benchmarks.support.records import ROOT, header, replace_block, versions, write_csv, write_json
from benchmarks.support.tables import FIELDS, long_rows
from madelung.inputs.build import NetworkInput, build_input
from madelung.inputs.near_graph import CrystalGraph, build_graph
from madelung.inputs.pair_graph import PairGraph
from madelung.inputs.settings import GraphSettings, PairSettings
from madelung.models.networks import build_network
from madelung.models.potnet import PotNet
from madelung.models.settings import PotNetSettings, SumNetSettings

PARTS = ("agreement", "throughput", "latency")
DISTRIBUTIONS = ("madelung", "numpy", "torch", "vesin", "ase", "gemmi")
WIDTHS = (256, 64)
SUMNET_WIDTHS = (256, 128, 64)
LARGEST = 40
# Nothing is merged by symmetry.
EVERY_ATOM = GraphSettings(merge_tolerance=0.0)
Step = Callable[[str], None]


class PotNetCode:
    """Makes graphs and runs PotNets; see :class:`benchmarks.models.timed_networks.Code`.

    Parameters
    ----------
    settings
        How graphs are made.
    """

    def __init__(self, settings: GraphSettings) -> None:
        self._settings = settings

    def graph(self, crystals: Sequence[md.Crystal]) -> CrystalGraph:
        """Make graphs."""
        return build_graph(crystals, self._settings)

    def values(self, network: nn.Module, graph: CrystalGraph) -> Tensor:
        """Return a value for each crystal."""
        values: Tensor = network(graph)[0][:, 0]
        return values

    def sizes(self, graph: CrystalGraph) -> dict[str, int]:
        """Count near edges, and pairs of atoms."""
        return {"near edges": len(graph.centre), "pairs": len(graph.first)}


class SumNetCode:
    """Makes pair functions and runs SumNets; see :class:`benchmarks.models.timed_networks.Code`."""

    def graph(self, crystals: Sequence[md.Crystal]) -> NetworkInput:
        """Make pair functions."""
        return build_input(crystals, PairSettings())

    def values(self, network: nn.Module, graph: NetworkInput) -> Tensor:
        """Return a value for each crystal."""
        values: Tensor = network(graph)[0][:, 0]
        return values

    def sizes(self, graph: NetworkInput) -> dict[str, int]:
        """Count pairs of orbits."""
        assert isinstance(graph, PairGraph)
        return {"near pairs": len(graph.near.senders), "pairs": len(graph.complete.senders)}


def draw_crystals(folder: Path, count: int, seed: int) -> tuple[list[md.Crystal], str]:
    """Choose real crystals, in random order; without data, those of the package."""
    if has_data(folder):
        found = list(read_crystals(folder / JARVIS, LARGEST))
        chosen = np.random.default_rng(seed).choice(len(found), size=count, replace=False)
        origin = f"JARVIS-DFT, at most {LARGEST} atoms, drawn at random"
        return [found[int(index)] for index in chosen], origin
    from madelung.crystals.examples import EXAMPLE_NAMES

    return [md.example(name) for name in EXAMPLE_NAMES], "examples of the package"


def our_teams(
    batches: Sequence[Sequence[md.Crystal]], options: argparse.Namespace
) -> list[LocalTeam]:
    """PotNet and its plain twin, on graphs as models have by default and on those of every atom.

    Mixed precision is timed at training, which is what it is there for. SumNets come last.
    """
    torch.manual_seed(options.seed)
    teams = []
    clock = clock_of(options.threads)
    for ending, settings in ("", GraphSettings()), (", every atom", EVERY_ATOM):
        entrants = {}
        for width in WIDTHS:
            network, name = PotNet(PotNetSettings(features=width), 1), f"PotNet {width}{ending}"
            entrants[name] = Entrant(network)
            entrants[f"{name}, plain edge networks"] = Entrant(plain_twin(network))
            if settings != EVERY_ATOM:
                low = PotNet(PotNetSettings(features=width), 1)
                entrants[f"{name}, bfloat16"] = Entrant(low, "bfloat16", ("train",))
        code = PotNetCode(settings)
        teams.append(LocalTeam(f"PotNet{ending}", code, batches, entrants, options.seed, clock))
    entrants = {}
    for width in SUMNET_WIDTHS:
        for low in (False, True):
            network = build_network(SumNetSettings(features=width), PairSettings(), 1)
            name = f"SumNet {width}{', bfloat16' if low else ''}"
            entrants[name] = Entrant(network, "bfloat16", ("train",)) if low else Entrant(network)
    teams.append(LocalTeam("SumNet", SumNetCode(), batches, entrants, options.seed, clock))
    return teams


def run_agreement(
    crystals: list[md.Crystal], options: argparse.Namespace, step: Step
) -> dict[str, Any]:
    """Compare outputs and gradients of both forms of PotNet on some of the crystals."""
    graph = build_graph(crystals[:8], GraphSettings())
    found = {}
    for width in WIDTHS:
        step(f"{width} features")
        torch.manual_seed(options.seed)
        network = PotNet(PotNetSettings(features=width), 1)
        found[f"PotNet {width}"] = differences(network, plain_twin(network), graph)
    return found


def run_throughput(
    crystals: list[md.Crystal], options: argparse.Namespace, step: Step
) -> dict[str, Any]:
    """Time all networks on the same crystals."""
    step("making networks")
    teams: list[Team] = [*our_teams(cut(crystals, options.batch_size), options)]
    order = {name: getattr(options, name) for name in ("batch_size", "threads", "seed")}
    peers: dict[str, Any] = {name: {"status": "not asked for"} for name in PEERS}
    with ExitStack() as stack:
        for name in PEERS if options.peer_python is not None else ():
            step(f"starting {name}")
            try:
                peer = stack.enter_context(peer_team(options.peer_python, name, crystals, order))
            except PeerProblem as problem:
                peers[name] = {"status": str(problem)}
                continue
            peers[name] = {"status": "measured", **peer.about}
            teams.append(peer)
        rows = compare_teams(teams, len(crystals), options.turns, step)
    return {"peers": peers, "networks": rows}


def run_latency(
    crystals: list[md.Crystal], options: argparse.Namespace, step: Step
) -> dict[str, Any]:
    """Time predictions of single crystals."""
    chosen = crystals[: 5 if options.quick else 200]
    return {"crystals": len(chosen), "sizes": measure_latency(chosen, options.turns, step)}


def describe(crystals: list[md.Crystal], origin: str, batch_size: int) -> dict[str, Any]:
    """Say what the crystals are."""
    atoms = np.array([len(crystal) for crystal in crystals])
    return {
        "origin": origin,
        "crystals": len(crystals),
        "batch_size": batch_size,
        "mean_atoms": float(atoms.mean()),
        "mean_pairs": float((atoms**2).mean()),
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the chosen parts and write everything; return the record."""
    torch.set_num_threads(options.threads)
    runners = {"agreement": run_agreement, "throughput": run_throughput, "latency": run_latency}
    begun = time.perf_counter()
    crystals, origin = draw_crystals(options.data, options.crystals, options.seed)
    results: dict[str, Any] = {"sample": describe(crystals, origin, options.batch_size)}
    with progress_bar(options.parts) as start:
        for part in options.parts:
            results[part] = runners[part](crystals, options, start(part))
    record = {
        **header(options.seed),
        "versions": versions(DISTRIBUTIONS),
        "hours": round((time.perf_counter() - begun) / 3600, 4),
        "quick": options.quick,
        "turns": options.turns,
        "threads": options.threads,
        "results": results,
    }
    # Where the interpreter lies on this machine tells nobody else anything.
    record["command"] = record["command"].replace(str(options.peer_python), "PEER_PYTHON")
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(options.out / "run.json", record)
    write_csv(options.out / "table.csv", long_rows(results), FIELDS)
    text = markdown(record)
    (options.out / "table.md").write_text(text, encoding="utf-8")
    if options.page is not None:
        replace_block(options.page, "throughput", text)
    return record


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure how fast networks learn and predict.")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/throughput")
    parser.add_argument("--quick", action="store_true", help="a small version, to try it out")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--turns", type=int, help="turns of each network (default 5; quick 1)")
    parser.add_argument("--crystals", type=int, help="crystals (default 512; quick 32)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the crystal data sets")
    parser.add_argument("--peer-python", type=Path, help="interpreter that has the other codes")
    parser.add_argument("--page", type=Path, help="page whose throughput table is replaced")
    options = parser.parse_args(arguments)
    if options.turns is None:
        options.turns = 1 if options.quick else 5
    if options.crystals is None:
        options.crystals = 32 if options.quick else 512
    options.batch_size = 16 if options.quick else 64
    return options


def main() -> int:
    """Run on so many threads, which libraries learn from the environment when they start."""
    options = parse()
    wanted = dict.fromkeys(ONE_THREAD, str(options.threads))
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(sys.executable, sys.orig_argv, {**os.environ, **wanted})
    run(options)
    print((options.out / "table.md").read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
