"""Lets networks of several codes take turns, and compares each with the PotNet of its size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.models.timed_networks import TASKS, Member, Team
from benchmarks.support.timing import Timing, ratio

__all__ = ["compare_teams"]

Row = dict[str, Any]


def compare_teams(
    teams: Sequence[Team], crystals: int, turns: int, step: Callable[[str], None]
) -> dict[str, Row]:
    """Time all networks.

    Parameters
    ----------
    teams
        Networks of each code; those of the first one are what the others are compared with.
    crystals
        Number of crystals.
    turns
        How often each network has its turn at everything.
    step
        Reports progress.

    Returns
    -------
    dict
        A row for each network.
    """
    graphs, networks = _take_turns(teams, turns, step)
    ours = teams[0]
    rows: dict[str, Row] = {}
    for team in teams:
        graph = graphs[team.name]
        for name, member in team.members.items():
            reference = _nearest(ours, member.parameters)
            rows[name] = {
                **_described(team, member, crystals),
                "graph_milliseconds": 1e3 * graph.median / crystals,
                "graph_share": ratio(graph, networks[name, "train"]),
                "reference": reference,
            }
            for task in member.tasks:
                own = (graph, networks[name, task])
                theirs = (graphs[ours.name], networks[reference, task])
                rows[name] |= _compared(task, own, theirs, crystals)
    return rows


def _described(team: Team, member: Member, crystals: int) -> Row:
    return {
        "code": team.name,
        "parameters": member.parameters,
        "precision": member.precision,
        **{f"{kind} a crystal": count / crystals for kind, count in team.sizes.items()},
    }


def _compared(
    task: str, found: tuple[Timing, Timing], reference: tuple[Timing, Timing], crystals: int
) -> Row:
    """Speeds at a task and ratios to the reference, from the times of graphs and of networks."""
    both, reference_both = (
        Timing(graph.seconds + alone.seconds) for graph, alone in (found, reference)
    )
    return {
        f"{task}_crystals_per_second": crystals / found[1].median,
        f"{task}_crystals_per_second_with_graphs": crystals / both.median,
        f"{task}_ratio": ratio(found[1], reference[1]),
        f"{task}_ratio_with_graphs": ratio(both, reference_both),
    }


def _take_turns(
    teams: Sequence[Team], turns: int, step: Callable[[str], None]
) -> tuple[dict[str, Timing], dict[tuple[str, str], Timing]]:
    """Seconds of each code's graphs, and of each network's tasks."""
    graphs: dict[str, list[float]] = {team.name: [] for team in teams}
    networks: dict[tuple[str, str], list[float]] = {}
    for turn in range(turns):
        for team in teams:
            step(f"turn {turn + 1} of {turns}: graphs of {team.name}")
            graphs[team.name].append(team.graph_seconds())
        for task in TASKS:
            for team in teams:
                for name, member in team.members.items():
                    if task in member.tasks:
                        step(f"turn {turn + 1} of {turns}: {task}, {name}")
                        networks.setdefault((name, task), []).append(team.seconds(name, task))
    return (
        {name: Timing(np.array(seconds)) for name, seconds in graphs.items()},
        {key: Timing(np.array(seconds)) for key, seconds in networks.items()},
    )


def _nearest(team: Team, parameters: int) -> str:
    """The team's network of the most similar number of weights; the first one of several."""
    sizes = {name: member.parameters for name, member in team.members.items()}
    return min(sizes, key=lambda name: abs(math.log(sizes[name] / parameters)))
