"""Training: what it learns, and that stopping it at any moment changes nothing."""

import csv
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from commands import StartedCommand, run_command
from pictures import drawn

import madelung as md
from madelung.data.records import DatasetInfo, Record
from madelung.data.store import CrystalStore, write_store
from madelung.learning.checkpoints import CHECKPOINT_FILE, read_checkpoint
from madelung.models.model import WEIGHTS_FILE
from madelung.training.preparation import prepare
from madelung.training.settings import (
    TrainingSettings,
    read_settings,
    require_same_training,
)
from madelung.training.splits import PARTS, resolve_membership
from madelung.training.trainer import Trainer

NETWORK = {
    "architecture": "potnet",
    "features": 16,
    "layers": 2,
    "gaussians": 32,
    "multiquadrics": 16,
}
TARGET = "formation_energy_peratom"
SHORT = {
    "target": [TARGET],
    "epochs": 3,
    "training_limit": 96,
    "batch_size": 16,
    "threads": 1,
    "network": NETWORK,
    "max_atoms": 12,
}


def settings(**changes: object) -> TrainingSettings:
    return read_settings(changes={**SHORT, **changes})


def command(store: CrystalStore, out: Path, *options: str) -> list[str]:
    """The command line that trains what the settings above say."""
    words = ["train", str(store.folder), "--out", str(out), "--quiet", *options]
    for name, value in {**SHORT, **NETWORK}.items():
        if name != "network":
            value = ",".join(value) if isinstance(value, list) else value
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words


def weights(folder: Path) -> bytes:
    return (folder / "model" / WEIGHTS_FILE).read_bytes()


@pytest.fixture(scope="module")
def unstopped(store: CrystalStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("unstopped")
    with drawn():
        Trainer(settings(), folder / "run").fit(store)
    return folder / "run"


@pytest.mark.slow
def test_a_run_leaves_all_that_it_promises(store: CrystalStore, unstopped: Path) -> None:
    names = {path.name for path in unstopped.iterdir()}
    assert all(path.stat().st_size > 5000 for path in unstopped.glob("*.png"))
    assert {
        "model", "predictions.csv", "results.json", "history.csv", "history.png", "settings.json",
        f"test-{TARGET}.png", "tensorboard", CHECKPOINT_FILE,
    } <= names  # fmt: skip
    with (unstopped / "predictions.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    tested = [row for row in rows if row["fold"] == "test"]
    truths = {row["id"]: float(row["truth"]) for row in tested}
    labels, values = store.split(TARGET), store.values(TARGET)
    expected = {
        store.ids[index]: values[index]
        for index in np.flatnonzero((labels == "test") & (store.sizes <= SHORT["max_atoms"]))
    }
    assert truths == pytest.approx(expected, rel=1e-6)
    errors = [abs(float(row["truth"]) - float(row["prediction"])) for row in tested]
    results = json.loads((unstopped / "results.json").read_text(encoding="utf-8"))
    assert results["errors"]["test"][TARGET]["mae"] == pytest.approx(np.mean(errors), rel=1e-4)
    assert results["units"][TARGET] == "eV/atom"


@pytest.mark.slow
def test_the_shipped_way_of_prediction_gives_the_same_numbers(
    store: CrystalStore, unstopped: Path
) -> None:
    """A prediction needs nothing but the model's folder and the crystal."""
    with (unstopped / "predictions.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["fold"] == "test"][:8]
    model = md.load(unstopped)
    index = {name: position for position, name in enumerate(store.ids)}
    predictions = model.predict([store[index[row["id"]]].crystal for row in rows])
    for row, prediction in zip(rows, predictions, strict=True):
        assert prediction.value == pytest.approx(float(row["prediction"]), abs=2e-5)
        assert prediction.uncertainty == pytest.approx(float(row["uncertainty"]), rel=2e-3)
        assert prediction.unit == "eV/atom" and prediction.target == TARGET


@pytest.mark.slow
def test_the_best_epoch_is_what_is_kept(unstopped: Path) -> None:
    with (unstopped / "history.csv").open(encoding="utf-8") as stream:
        history = list(csv.DictReader(stream))
    results = json.loads((unstopped / "results.json").read_text(encoding="utf-8"))
    best = min(history, key=lambda row: float(row["score"]))
    assert results["best_epoch"] == int(best["epoch"])
    mae = results["errors"]["val"][TARGET]["mae"]
    assert mae == pytest.approx(float(best[f"val {TARGET}"]), rel=1e-6)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_and_another_gives_others(
    store: CrystalStore, unstopped: Path, tmp_path: Path
) -> None:
    Trainer(settings(), tmp_path / "again").fit(store)
    assert weights(tmp_path / "again") == weights(unstopped)
    Trainer(settings(seed=1), tmp_path / "other").fit(store)
    assert weights(tmp_path / "other") != weights(unstopped)


@pytest.mark.slow
def test_killing_a_run_at_ten_random_moments_loses_nothing(
    store: CrystalStore, tmp_path: Path
) -> None:
    """Killed without warning, again and again; the weights are those of a run left alone."""
    Trainer(settings(epochs=20), tmp_path / "alone").fit(store)
    out, generator = tmp_path / "run", random.Random(0)
    words = command(store, out, "--checkpoint-minutes", "0")
    words[words.index("--epochs") + 1] = "20"
    for kill in range(10):
        process = StartedCommand(*words, errors=tmp_path / "errors")
        _wait_for_progress(out, process)
        time.sleep(generator.uniform(0.0, 0.1))
        assert process.poll() is None, "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert read_checkpoint(out)[1].step > 0  # whole, whenever the kill came
        words += ["--resume"] if kill == 0 else []
    done = run_command(*words)
    assert done.returncode == 0, done.stderr
    assert weights(out) == weights(tmp_path / "alone")


def _wait_for_progress(out: Path, process: StartedCommand) -> None:
    """Wait until a started run has written a checkpoint of its own."""
    path = out / CHECKPOINT_FILE
    before = path.stat().st_mtime_ns if path.exists() else 0
    while process.poll() is None:
        if path.exists() and path.stat().st_mtime_ns != before:
            return
        time.sleep(0.01)


@pytest.mark.slow
def test_an_interruption_writes_a_checkpoint_and_says_how_to_go_on(
    store: CrystalStore, unstopped: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    process = StartedCommand(*command(store, out), errors=tmp_path / "errors")
    while not (out / "settings.json").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    code, text = process.wait(), process.stderr
    assert code == 1 and "--resume" in text and "Traceback" not in text
    assert (out / CHECKPOINT_FILE).exists() and not (out / "model").exists()
    Trainer(settings(), out, resume=True).fit(store)
    assert weights(out) == weights(unstopped)


@pytest.mark.slow
def test_two_processes_train_together(store: CrystalStore, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = command(store, out)
    launched = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        "-m", "madelung.cli", *words,
    ]  # fmt: skip
    done = subprocess.run(launched, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert results["training"]["processes"] == 2
    assert results["errors"]["test"][TARGET]["mae"] < results["errors"]["test"][TARGET]["mad"]


@pytest.mark.slow
def test_it_learns(store: CrystalStore, tmp_path: Path) -> None:
    """Far better than the mean, on crystals that were not learnt from."""
    longer = settings(
        epochs=12, training_limit=None, max_atoms=8, learning_rate=6e-3,
        network={"features": 24, "layers": 1},
    )  # fmt: skip
    errors = Trainer(longer, tmp_path / "run").fit(store).errors["test"][TARGET]
    assert errors.mae < 0.5 * errors.mad and errors.r2 > 0.6


def test_crystals_that_cannot_be_learnt_from_are_left_out_and_named(
    store: CrystalStore, tmp_path: Path
) -> None:
    """An element without features, a molecule, a cell that is too large."""
    good = [store[index] for index in range(40)]
    odd = [
        md.Crystal(cell=4 * np.eye(3), positions=np.zeros((1, 3)), numbers=[104]),
        md.Crystal(cell=4 * np.eye(3), positions=np.zeros((1, 3)), numbers=[6], pbc=False),
        md.example("NaCl").repeat(3),
    ]
    records = [Record(item.id, item.crystal, item.targets, {}) for item in good]
    records += [
        Record(f"odd-{index}", crystal, {TARGET: 1.0}, {}) for index, crystal in enumerate(odd)
    ]
    mixed = write_store(records, tmp_path / "store", DatasetInfo("mixed"))
    prepared = prepare(mixed, settings(max_atoms=60, training_limit=None, split=None))
    assert sorted(reason.split(":")[0] for reason in prepared.left_out) == [
        "odd-0", "odd-1", "odd-2",
    ]  # fmt: skip
    assert sum(len(prepared.membership.members(part)) for part in PARTS) == 40
    result = Trainer(settings(epochs=1, max_atoms=60), tmp_path / "run").fit(mixed)
    results = json.loads((result.folder / "results.json").read_text(encoding="utf-8"))
    assert len(results["left_out"]) == 3 and "without features" in str(results["left_out"])


def test_several_targets_follow_their_own_splits(store: CrystalStore) -> None:
    both = settings(target=[TARGET, "bulk_modulus_kv"], training_limit=None)
    membership = resolve_membership(store, both)
    for column, target in enumerate(membership.targets):
        labels = store.split(target)
        known = np.isfinite(store.values(target))
        for part in ("train", "val", "test"):
            found = np.isfinite(membership.values_of(part)[:, column])
            assert (found == (known & (labels == part))).all()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"target": ["gravity"]}, "no target 'gravity'"),
        ({"split": "gravity"}, "no split 'gravity'"),
        ({"target": [TARGET, TARGET]}, "twice"),
        ({"epochs": 0}, "epochs"),
        ({"speed": 1}, "speed"),
        ({"network": {"features": "many"}}, "network.features"),
    ],
)
def test_wrong_settings_are_refused(
    store: CrystalStore, tmp_path: Path, changes: dict[str, object], text: str
) -> None:
    with pytest.raises(md.TrainingError, match=text):
        Trainer(settings(**changes), tmp_path / "run").fit(store)


def test_a_folder_with_a_run_is_not_overwritten(store: CrystalStore, unstopped: Path) -> None:
    before = weights(unstopped)
    with pytest.raises(md.TrainingError, match="--resume"):
        Trainer(settings(), unstopped)
    with pytest.raises(md.TrainingError, match="epochs was 3 and is 4"):
        Trainer(settings(epochs=4), unstopped, resume=True).fit(store)
    assert weights(unstopped) == before


@pytest.mark.parametrize("damage", ["cut", "other", "missing"])
def test_a_damaged_checkpoint_is_refused(
    store: CrystalStore, unstopped: Path, tmp_path: Path, damage: str
) -> None:
    path = tmp_path / CHECKPOINT_FILE
    if damage == "cut":
        path.write_bytes((unstopped / CHECKPOINT_FILE).read_bytes()[:5000])
    elif damage == "other":
        path.write_text("this is no checkpoint", encoding="utf-8")
    with pytest.raises(md.TrainingError, match=CHECKPOINT_FILE):
        Trainer(settings(), tmp_path, resume=True).fit(store)


@pytest.mark.slow
def test_a_full_disk_leaves_the_last_checkpoint_whole(
    store: CrystalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing fails in the third checkpoint; the second one stays and the run goes on from it."""
    import safetensors.torch

    real, calls = safetensors.torch.save_file, []

    def fail(tensors: object, filename: str, **options: object) -> None:
        calls.append(filename)
        if len(calls) == 3:
            Path(filename).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        real(tensors, filename, **options)

    monkeypatch.setattr(safetensors.torch, "save_file", fail)
    with pytest.raises(md.TrainingError, match="No space left"):
        Trainer(settings(), tmp_path).fit(store)
    monkeypatch.undo()
    assert read_checkpoint(tmp_path)[1].epoch == 2
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []
    assert Trainer(settings(), tmp_path, resume=True).fit(store).best_epoch > 0


@pytest.mark.slow
@pytest.mark.pictures
def test_evaluate_shows_errors_worst_crystals_and_pictures(
    store: CrystalStore, unstopped: Path, tmp_path: Path
) -> None:
    done = run_command("evaluate", unstopped, store.folder, "--out", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    with (tmp_path / f"evaluation-{TARGET}.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    truths, predictions = (
        np.array([float(row[name]) for row in rows]) for name in ("truth", "prediction")
    )
    errors = np.abs(truths - predictions)
    assert report["count"] == len(rows) == int((store.split(TARGET) == "test").sum())
    assert report["mae"] == pytest.approx(errors.mean(), rel=1e-5)
    assert report["rmse"] == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-5)
    expected = 1 - (errors**2).sum() / ((truths - truths.mean()) ** 2).sum()
    assert report["r2"] == pytest.approx(expected, rel=1e-4)
    assert report["mae_interval"][0] < report["mae"] < report["mae_interval"][1]
    assert report["worst"][0]["id"] == rows[int(errors.argmax())]["id"]
    assert (tmp_path / f"evaluation-{TARGET}.png").stat().st_size > 10_000
    shown = run_command("evaluate", unstopped, store.folder, "--part", "train").stdout
    assert "used to train" in shown and "largest errors" in shown


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--part", "tomorrow"], "choose train, val, test or all"),
        (["--target", "colour"], "does not predict 'colour'"),
        (["--split", "mine"], "no split 'mine'"),
    ],
)
def test_evaluate_refuses_what_is_not_there(
    store: CrystalStore, unstopped: Path, words: list[str], text: str
) -> None:
    done = run_command("evaluate", unstopped, store.folder, *words)
    assert done.returncode in (1, 2) and text in done.stderr and "Traceback" not in done.stderr


def test_train_explains_itself_and_its_mistakes(store: CrystalStore, tmp_path: Path) -> None:
    shown = run_command("train", "--help").stdout
    for option in ("--epochs", "--features", "--potentials", "--pauli", "--config", "--resume"):
        assert option in shown
    out = tmp_path / "run"
    for words, text in (
        (["missing.jsonl", "--out", out], "missing.jsonl"),
        ([store.folder, "--out", out, "--target", "colour"], "no target 'colour'"),
        ([store.folder, "--out", out, "--target", TARGET, "--resume"], "no checkpoint"),
        ([store.folder, "--out", out, "--config", "missing.yaml"], "missing.yaml"),
    ):
        done = run_command("train", *words)
        assert done.returncode == 1 and text in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


def test_options_reach_their_settings(store: CrystalStore, unstopped: Path) -> None:
    content = json.loads((unstopped / "settings.json").read_text(encoding="utf-8"))
    assert content["network"]["features"] == 16 and content["training_limit"] == 96
    by_command = run_command(*command(store, unstopped, "--resume"))
    assert by_command.returncode == 0, by_command.stderr


def test_settings_under_their_former_names_are_read_with_a_warning(tmp_path: Path) -> None:
    with pytest.warns(DeprecationWarning, match="'hiding' is now 'masking'"):
        assert read_settings(changes={"hiding": 0.2}).masking == 0.2
    begun = {"settings": {"hiding": 0.2}, "fingerprint": "1"}
    asked = {"fingerprint": "1", "initial_weights": ""}
    same = TrainingSettings(masking=0.2).model_dump(mode="json")
    require_same_training(begun, {"settings": same, **asked}, tmp_path)
    other = TrainingSettings(masking=0.1).model_dump(mode="json")
    with pytest.raises(md.TrainingError, match=r"masking was 0\.2 and is 0\.1"):
        require_same_training(begun, {"settings": other, **asked}, tmp_path)
