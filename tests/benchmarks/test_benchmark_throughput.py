"""The plain form of PotNet is the same function, and the benchmark runs; no test asserts a time."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import madelung as md
from madelung.inputs.near_graph import build_graph
from madelung.inputs.settings import GraphSettings
from madelung.models.potnet import PotNet
from madelung.models.settings import PotNetSettings

pytest.importorskip("madelung.common._core", reason="the native core is not built")

peer_process: Any = importlib.import_module("benchmarks.models.other_networks_process")
plain_potnet: Any = importlib.import_module("benchmarks.models.plain_potnet")
throughput: Any = importlib.import_module("benchmarks.models.throughput")

SMALL = PotNetSettings(features=16, layers=2, gaussians=32, multiquadrics=16)
CRYSTALS = [md.example(name) for name in ("TiO2", "NaCl", "SiO2", "SrTiO3")]


def small_potnet() -> PotNet:
    """A network with random weights."""
    torch.manual_seed(2)
    return PotNet(SMALL, 2)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [GraphSettings(), throughput.EVERY_ATOM])
def test_plain_edge_networks_are_the_same_function(settings: GraphSettings) -> None:
    potnet = small_potnet()
    twin = plain_potnet.plain_twin(potnet)
    graph = build_graph(CRYSTALS, settings)
    found = plain_potnet.differences(potnet, twin, graph)
    assert found["outputs"] < 1e-5
    assert found["gradients"] < 1e-3
    # Both have seen the batch once, so that their running statistics agree as well.
    for one, other in zip(potnet.eval()(graph), twin.eval()(graph), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("part", ["gate", "message"])
def test_other_weights_are_seen(part: str) -> None:
    """That both forms agree says something: a change of one weight shows in either network."""
    potnet = small_potnet()
    twin = plain_potnet.plain_twin(potnet)
    with torch.no_grad():
        getattr(twin.layers[0], part)[0].weight[0, -1] += 1.0
    found = plain_potnet.differences(potnet, twin, build_graph(CRYSTALS, GraphSettings()))
    assert found["outputs"] > 1e-4
    assert found["gradients"] > 1e-2


def test_attention_has_no_plain_form() -> None:
    potnet = PotNet(SMALL.model_copy(update={"attention": True}), 1)
    with pytest.raises(ValueError, match="attention"):
        plain_potnet.plain_twin(potnet)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("alignn") is not None, reason="the peer is installed")
def test_missing_peer_says_so() -> None:
    order = {"batch_size": 2, "threads": 1, "seed": 0}
    with (
        pytest.raises(peer_process.PeerProblem, match="not installed"),
        peer_process.peer_team(Path(sys.executable), "ALIGNN", CRYSTALS, order),
    ):
        pass


@pytest.mark.slow
def test_quick_run_without_peers_and_data(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- throughput -->\nold\n<!-- throughput -->\nafter\n")
    arguments = ["--quick", "--out", str(tmp_path / "out"), "--data", str(tmp_path)]
    throughput.run(throughput.parse([*arguments, "--page", str(page)]))

    record = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    results = record["results"]
    assert {"command", "commit", "seed", "date", "hours", "machine", "versions"} <= set(record)
    assert results["sample"]["origin"] == "examples of the package"
    assert {peer["status"] for peer in results["throughput"]["peers"].values()} == {"not asked for"}
    networks = results["throughput"]["networks"]
    assert networks["PotNet 256"]["train_ratio_with_graphs"] == 1.0
    assert networks["PotNet 64, every atom, plain edge networks"]["reference"] == "PotNet 64"
    assert networks["PotNet 64, bfloat16"]["train_crystals_per_second"] > 0.0
    assert networks["SumNet 128"]["predict_crystals_per_second"] > 0.0
    assert {"PotNet 256", "SumNet 128", "SumNet 128, 4 members"} <= set(results["latency"]["sizes"])
    assert max(found["outputs"] for found in results["agreement"].values()) < 1e-4
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- throughput -->\n")
    assert text.endswith("<!-- throughput -->\nafter\n")
    assert "old" not in text
    assert "| PotNet 256 | 1,752,066 |" in text
    assert (tmp_path / "out" / "table.csv").read_text().startswith("part,case,quantity,value\n")
