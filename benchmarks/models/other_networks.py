"""Networks of other codes, in a process of their own that is told by lines what to do.

Their packages want an environment of their own::

    python -m venv peers
    peers/bin/python -m pip install torch==2.13.0
    peers/bin/python -m pip install alignn==2026.8.11 matgl==4.1.2

PyTorch comes first, so that the build that is there stays. ``-m benchmarks.models.throughput
--peer-python peers/bin/python`` then starts this file for each of them. Every line it reads and
writes is a JSON object: the first one says which code, with which crystals; the others are
``{"task": "graph"}``, or ``{"member": NAME, "task": "train"}`` or ``"predict"``, each answered by
``{"seconds": ...}``.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import Tensor, nn

from benchmarks.models.timed_networks import Code, Entrant, LocalTeam, clock_of, cut

__all__ = ["PEERS", "Alignn", "Megnet"]


class Alignn:
    """ALIGNN without DGL, which the package trains property models with (arXiv:2106.01829)."""

    distributions = ("alignn", "jarvis-tools", "torch")
    setting = "without DGL; edges to 5 Å, at most 12 an atom, in pairs to 3.5 Å"
    # Length of the feature vectors: as published (4.0 million weights), and as large as ours.
    widths = (256, 168, 42)

    def __init__(self, records: Sequence[Any]) -> None:
        from jarvis.core.atoms import Atoms

        self.crystals = [
            Atoms(
                lattice_mat=record["lattice"],
                coords=record["frac_coords"],
                elements=record["species"],
                cartesian=False,
            )
            for record in records
        ]

    def networks(self) -> dict[str, nn.Module]:
        """Make the networks, of four line-graph layers and four others as published."""
        from alignn.models.alignn_atomwise_pure import ALIGNNAtomWisePure, ALIGNNAtomWisePureConfig

        return {
            f"ALIGNN {width}": ALIGNNAtomWisePure(
                ALIGNNAtomWisePureConfig(
                    name="alignn_atomwise_pure",
                    alignn_layers=4,
                    gcn_layers=4,
                    atom_input_features=92,
                    hidden_features=width,
                    calculate_gradient=False,
                )
            )
            for width in self.widths
        }

    def graph(self, crystals: Sequence[Any]) -> Any:
        """Make graphs with the cutoffs that the package's training has by default."""
        from alignn.torch_graph_builder import batch_torch_graph_pairs, build_pure_torch_graph

        return batch_torch_graph_pairs(
            [
                build_pure_torch_graph(
                    atoms=atoms, two_body_cutoff=5.0, three_body_cutoff=3.5, max_neighbors=12
                )
                for atoms in crystals
            ]
        )

    def values(self, network: nn.Module, graph: Any) -> Tensor:
        """Return a value for each crystal; the cell, the third input, is for stresses alone."""
        return network((*graph, None))["out"]

    def sizes(self, graph: Any) -> dict[str, int]:
        """Count edges, and pairs of edges."""
        return {"edges": graph[0].num_edges, "pairs of edges": graph[1].num_edges}


class Megnet:
    """MEGNet of the Materials Graph Library (doi:10.1021/acs.chemmater.9b01294)."""

    distributions = ("matgl", "torch-geometric", "pymatgen-core", "torch")
    setting = "edges to 4 Å"
    # Lengths of the hidden layers of input, blocks and output: as published, and as large as ours.
    layers = (
        ("MEGNet", (64, 32), (64, 64, 32), (32, 16)),
        ("MEGNet, wide", (200, 100), (200, 200, 100), (100, 50)),
    )

    def __init__(self, records: Sequence[Any]) -> None:
        from matgl.ext.pymatgen import Structure2Graph, get_element_list
        from pymatgen.core import Structure

        self.crystals = [
            Structure(record["lattice"], record["species"], record["frac_coords"])
            for record in records
        ]
        self.elements = get_element_list(self.crystals)
        self.converter = Structure2Graph(self.elements, cutoff=4.0)

    def networks(self) -> dict[str, nn.Module]:
        """Make the networks, of three blocks as published."""
        from matgl.models import MEGNet

        return {
            name: MEGNet(
                hidden_layer_sizes_input=first,
                hidden_layer_sizes_conv=blocks,
                hidden_layer_sizes_output=last,
                element_types=self.elements,
                cutoff=4.0,
            )
            for name, first, blocks, last in self.layers
        }

    def graph(self, crystals: Sequence[Any]) -> Any:
        """Make graphs with the cutoff that the package has by default."""
        from torch_geometric.data import Batch

        graphs = []
        for structure in crystals:
            graph, cell, _ = self.converter.get_graph(structure)
            graph.pos = graph.frac_coords @ cell[0]
            graph.pbc_offshift = graph.pbc_offset @ cell[0]
            graphs.append(graph)
        return Batch.from_data_list(graphs)

    def values(self, network: nn.Module, graph: Any) -> Tensor:
        """Return a value for each crystal, whose states are all alike."""
        return network(graph, state_attr=torch.zeros(graph.num_graphs, 2)).reshape(-1)

    def sizes(self, graph: Any) -> dict[str, int]:
        """Count edges."""
        return {"edges": graph.edge_index.shape[1]}


PEERS: dict[str, Callable[[Sequence[Any]], Any]] = {"ALIGNN": Alignn, "MEGNet": Megnet}


def start(order: dict[str, Any]) -> tuple[LocalTeam, dict[str, Any]]:
    """Make the networks of a code; return them, and what there is to know about the code."""
    torch.set_num_threads(order["threads"])
    torch.manual_seed(order["seed"])
    records = [json.loads(line) for line in Path(order["crystals"]).read_text().splitlines()]
    peer: Any = PEERS[order["peer"]](records)
    code: Code = peer
    entrants = {name: Entrant(network) for name, network in peer.networks().items()}
    batches = cut(peer.crystals, order["batch_size"])
    clock = clock_of(order["threads"])
    team = LocalTeam(order["peer"], code, batches, entrants, order["seed"], clock)
    versions = {name: importlib.metadata.version(name) for name in peer.distributions}
    return team, {"setting": peer.setting, "versions": versions}


def serve(orders: TextIO, answer: Callable[[dict[str, Any]], None]) -> None:
    """Do what each line says until there are no more."""
    try:
        team, about = start(json.loads(orders.readline()))
    except Exception as problem:
        missing = isinstance(problem, ImportError)
        status = "not installed" if missing else f"failed: {type(problem).__name__}"
        answer({"status": f"{status} ({problem})"})
        return
    members = {name: asdict(member) for name, member in team.members.items()}
    answer({"members": members, "sizes": team.sizes, "about": about})
    for line in orders:
        order = json.loads(line)
        graph = order["task"] == "graph"
        seconds = team.graph_seconds() if graph else team.seconds(order["member"], order["task"])
        answer({"seconds": seconds})


def main() -> int:
    """Serve standard input and output; what the packages print goes elsewhere."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def answer(content: dict[str, Any]) -> None:
        print(json.dumps(content), file=answers, flush=True)

    serve(sys.stdin, answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
