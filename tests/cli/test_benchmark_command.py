"""``madelung benchmark``: what it does, says and refuses."""

import json
import signal
import time
from pathlib import Path

import pytest
from benchmark_cases import SHORT, write_task
from commands import Done, StartedCommand, run_command

from madelung.data.store import CrystalStore
from madelung.leaderboards.tasks import benchmark_tasks
from madelung.learning.checkpoints import CHECKPOINT_FILE


@pytest.fixture(scope="module")
def data(store: CrystalStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a small task."""
    return write_task(store, tmp_path_factory.mktemp("matbench") / "matbench_jdft2d.jsonl")


def benchmark(*words: object) -> Done:
    return run_command("benchmark", *words)


@pytest.fixture
def words(data: Path, tmp_path: Path) -> list[object]:
    """A command line of three longer runs, of which each leaves checkpoints."""
    config = tmp_path / "settings.yaml"
    config.write_text(json.dumps({**SHORT, "epochs": 15, "checkpoint_minutes": 0}))
    return [
        "matbench_jdft2d", "--data", data, "--config", config, "--fold", 0, "--fold", 4,
        "--members", 2, "--quiet",
    ]  # fmt: skip


def wait_for_checkpoint(path: Path, process: StartedCommand) -> None:
    while not path.exists():
        assert process.poll() is None, process.stderr
        time.sleep(0.01)


@pytest.mark.slow
def test_a_killed_or_interrupted_benchmark_goes_on(words: list[object], tmp_path: Path) -> None:
    out, alone = tmp_path / "out", tmp_path / "alone"
    for fold, member, number in ((0, 1, signal.SIGKILL), (4, 0, signal.SIGINT)):
        process = StartedCommand("benchmark", *words, "--out", out, errors=tmp_path / "errors")
        wait_for_checkpoint(out / f"fold-{fold}" / f"member-{member}" / CHECKPOINT_FILE, process)
        process.send_signal(number)
        code, text = process.wait(), process.stderr
        assert not (out / f"fold-{fold}" / "fold.json").exists()
    assert code == 1 and "give the same command again" in text
    assert "Traceback" not in text
    finished = benchmark(*words, "--out", out)
    assert finished.returncode == 0, finished.stderr
    assert "3 folds are left" in finished.stdout
    undisturbed = benchmark(*words, "--out", alone)
    assert undisturbed.returncode == 0, undisturbed.stderr
    for fold in (0, 4):
        names = [place / f"fold-{fold}" / "predictions.csv" for place in (out, alone)]
        assert names[0].read_bytes() == names[1].read_bytes()


@pytest.mark.slow
def test_the_summary_of_a_part_of_a_task(data: Path, tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(json.dumps(SHORT))
    shown = benchmark(
        "matbench_jdft2d", "--data", data, "--config", config, "--out", tmp_path / "out",
        "--epochs", 1, "--seed", 3, "--quiet",
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    record = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert record["seed"] == 3 and record["settings"]["epochs"] == 1
    assert not record["complete"] and record["submission"] == [] and record["published"] == {}
    assert f"{record['mae']['mean']:.4g} ± " in shown.stdout
    assert "40 of the task's 636 crystals" in shown.stdout and "run.json" in shown.stdout


def test_the_list_of_tasks() -> None:
    shown = benchmark("--list")
    assert shown.returncode == 0, shown.stderr
    for task in benchmark_tasks().values():
        assert task.name in shown.stdout and f"{task.crystals:,}" in shown.stdout
    assert "33.19 ± 7.3 MODNet" in shown.stdout


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["matbench_jdft2d"], "name a folder"),
        (["--out", "out"], "name a task"),
        (["colour", "--out", "out"], "no such task"),
        (["matbench_jdft2d", "--out", "out", "--data", "missing.jsonl"], "missing.jsonl"),
        (["matbench_jdft2d", "--out", "out", "--initial", "nothing"], "no model 'nothing'"),
        (["matbench_jdft2d", "--out", "out", "--members", "0"], "--members"),
    ],
)
def test_the_command_explains_mistakes(
    words: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = benchmark(*words)
    assert shown.returncode in (1, 2) and text in shown.stderr, shown.stderr
    assert "Traceback" not in shown.stderr
