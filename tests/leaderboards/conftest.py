"""A benchmark of the small task, done once for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmark_cases import TASK, settings, write_task

from madelung.data.store import CrystalStore
from madelung.leaderboards.benchmark import run_benchmark


@pytest.fixture(scope="session")
def data(store: CrystalStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the task."""
    return write_task(store, tmp_path_factory.mktemp("matbench") / "matbench_jdft2d.jsonl")


@pytest.fixture(scope="session")
def done(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished benchmark of two members a fold."""
    out = tmp_path_factory.mktemp("done")
    run_benchmark(TASK, out, settings=settings(), members=2, data=data)
    return out
