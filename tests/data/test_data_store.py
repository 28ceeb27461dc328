"""Stores: what is written is read, whole or not at all, and little of it at a time."""

import errno
import gc
import json
import os
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from data_files import assert_same, sample
from hypothesis import given
from hypothesis import strategies as st

import madelung as md
from madelung.common.errors import DatasetError
from madelung.data.records import DatasetInfo, Record, Target
from madelung.data.store import CrystalStore, write_store

INFO = DatasetInfo("test", "CC0", "here", "nobody", (Target("a", "eV", "some energy"),))
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(str.strip)
REALS = st.floats(-1e9, 1e9, allow_subnormal=False)


def crystal(atoms: int = 2, seed: int = 0, charged: bool = False) -> md.Crystal:
    generator = np.random.default_rng(seed)
    return md.Crystal(
        cell=generator.normal(size=(3, 3)),
        positions=generator.normal(size=(atoms, 3)),
        numbers=generator.integers(1, 119, atoms),
        pbc=generator.integers(0, 2, 3).astype(bool),
        charges=generator.normal(size=atoms) if charged else None,
    )


def many(count: int, atoms: int = 4) -> Iterator[Record]:
    return (Record(f"r{n}", crystal(atoms, n), {"a": n / 3}, {}) for n in range(count))


@st.composite
def records(draw: st.DrawFn) -> list[Record]:
    names = draw(st.lists(NAMES, min_size=1, max_size=12, unique=True))
    parts = st.sampled_from(["train", "val", "test"])
    return [
        Record(
            name,
            crystal(draw(st.integers(1, 9)), draw(st.integers(0, 2**32)), draw(st.booleans())),
            draw(st.dictionaries(NAMES, REALS, max_size=3)),
            draw(st.dictionaries(NAMES, parts, max_size=3)),
        )
        for name in names
    ]


@pytest.mark.slow
@given(records(), st.integers(1, 5), st.data())
def test_a_store_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    given_records: list[Record],
    size: int,
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("round") / "store"
    store = write_store(given_records, folder, INFO, shard_size=size)
    assert len(list(folder.glob("*.safetensors"))) == -(-len(given_records) // size)
    for found, wanted in zip(store, given_records, strict=True):
        assert (found.id, found.targets, found.splits) == (wanted.id, wanted.targets, wanted.splits)
        for name in ("cell", "positions", "numbers", "pbc"):
            value = getattr(found.crystal, name)
            assert (value == getattr(wanted.crystal, name)).all()
        assert (found.crystal.charges is None) == (wanted.crystal.charges is None)
    assert list(store.ids) == [record.id for record in given_records]
    for name in store.target_names:
        expected = [record.targets.get(name, np.nan) for record in given_records]
        np.testing.assert_array_equal(store.values(name), expected)
    for name in store.split_names:
        assert store.split(name).tolist() == [item.splits.get(name, "") for item in given_records]
    rows = data.draw(st.lists(st.integers(-len(store), len(store) - 1), max_size=9))
    expected_batch = md.CrystalBatch.from_crystals(store[row].crystal for row in rows)
    batch = store.batch(np.array(rows, dtype=int))
    for name in ("cells", "positions", "numbers", "offsets", "pbc", "charges"):
        np.testing.assert_array_equal(getattr(batch, name), getattr(expected_batch, name))
    assert batch.sources == expected_batch.sources
    store.verify()


def test_the_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    items = list(many(5))
    first = write_store(items, tmp_path / "a", INFO, shard_size=2)
    second = write_store(iter(items), tmp_path / "b", INFO)
    other = write_store(items[:-1], tmp_path / "c", INFO)
    assert first.fingerprint == second.fingerprint != other.fingerprint


def test_what_a_store_says_about_itself(tmp_path: Path) -> None:
    items = [
        Record("x", crystal(3), {"a": 1.0, "e_form": -1.0}, {"a": "training", "fold-0": "valid"}),
        DatasetError("file, line 2: broken"),
        Record("y", crystal(1, 1), {"a": 2.0}, {"a": "TEST"}),
        Record("x", crystal(1, 2), {"a": 3.0}, {}),
    ]
    store = write_store(items, tmp_path / "store", INFO)
    assert store.info.targets == (
        Target("a", "eV", "some energy"),
        Target("e_form", "eV/atom", "formation energy, PBE"),
    )
    assert store.info.name == "test" and store.info.licence == "CC0"
    assert store.default_target is None and store.default_split == "fold-0"
    assert store.split("a").tolist() == ["train", "test"]
    assert store.split("fold-0").tolist() == ["val", ""]
    assert store.sizes.tolist() == [3, 1]
    assert store.problems[0] == "file, line 2: broken"
    assert "'x' of record 3 is that of record 0" in store.problems[1]
    assert store[-1].id == "y" and store.ids[0:2] == ["x", "y"]
    assert json.loads((tmp_path / "store" / "store.json").read_text())["problem_count"] == 2
    other = store.with_defaults("a", "a")
    assert (other.default_target, other.default_split) == ("a", "a")
    with pytest.raises(DatasetError, match="no target 'b'; there are: a, e_form"):
        store.with_defaults("b", None)
    with pytest.raises(DatasetError, match="no split 'b'"):
        store.split("b")
    with pytest.raises(IndexError):
        store.batch([0, 2])
    with pytest.raises(IndexError):
        store.batch([0.5])
    with pytest.raises(IndexError):
        store[2]


def test_strict_writing_raises_the_first_problem(tmp_path: Path) -> None:
    items = [*many(2), DatasetError("file, line 3: broken")]
    with pytest.raises(DatasetError, match="line 3: broken"):
        write_store(items, tmp_path / "store", INFO, strict=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("items", "text"),
    [([], "no records"), ([DatasetError("f: bad")] * 9, "none of the 9 records .* f: bad")],
)
def test_an_empty_store_is_not_written(
    tmp_path: Path, items: list[Record | DatasetError], text: str
) -> None:
    with pytest.raises(DatasetError, match=text):
        write_store(items, tmp_path / "store", INFO)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("", {}, {}), "id ''"),
        (("\ud800", {}, {}), "valid text"),
        (("x", {"a": np.nan}, {}), "target 'a' is nan"),
        (("x", {"a": np.inf}, {}), "target 'a' is inf"),
        (("x", {"a": "much"}, {}), "no number"),
        (("x", {}, {"s": "sometimes"}), "'sometimes' is no part"),
    ],
)
def test_records_that_no_store_can_hold_are_refused(arguments: tuple, text: str) -> None:
    name, targets, splits = arguments
    with pytest.raises(DatasetError, match=text):
        Record(name, crystal(), targets, splits)


def test_defaults_must_exist(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no record has the target 'b'; there are: a"):
        write_store(many(2), tmp_path / "store", INFO, default_target="b")
    with pytest.raises(DatasetError, match="no record has the split 'b'"):
        write_store(many(2), tmp_path / "store", INFO, default_split="b")
    with pytest.raises(DatasetError, match="at least one record"):
        write_store(many(2), tmp_path / "store", INFO, shard_size=0)


def failing(problem: BaseException) -> Iterator[Record]:
    yield from many(5)
    raise problem


@pytest.mark.parametrize(
    "problem", [KeyboardInterrupt(), RuntimeError("in a reader"), DatasetError("cut off")]
)
def test_an_interrupted_job_leaves_the_earlier_store(
    tmp_path: Path, problem: BaseException
) -> None:
    before = write_store(many(3), tmp_path / "store", INFO)
    with pytest.raises(type(problem)):
        write_store(failing(problem), tmp_path / "store", INFO, shard_size=2)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    after = CrystalStore.open(tmp_path / "store")
    after.verify()
    assert after.fingerprint == before.fingerprint


def test_a_full_disk_leaves_the_earlier_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_store(many(3), tmp_path / "store", INFO)
    left = [2]

    def fsync(descriptor: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(DatasetError, match=r"No space left on device.*make room"):
        write_store(many(9), tmp_path / "store", INFO, shard_size=2)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    assert len(CrystalStore.open(tmp_path / "store")) == 3


def test_a_store_replaces_a_store_and_nothing_else(tmp_path: Path) -> None:
    write_store(many(3), tmp_path / "store", INFO)
    assert len(write_store(many(5), tmp_path / "store", INFO)) == 5
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.tex").write_text("years")
    (tmp_path / "file").write_text("")
    for name in ("work", "file"):
        with pytest.raises(DatasetError, match="not overwritten"):
            write_store(many(2), tmp_path / name, INFO)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "store", "work"]
    (tmp_path / "empty").mkdir()
    assert len(write_store(many(2), tmp_path / "empty", INFO)) == 2


@pytest.mark.slow
def test_processes_that_write_the_same_store_at_once_all_get_it(tmp_path: Path) -> None:
    code = (
        "import sys, madelung as md; from pathlib import Path;"
        "s = md.open_dataset('example:jarvis', folder=Path(sys.argv[1])); s.verify();"
        "print(len(s), s[599].id)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "store")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    printed = {process.communicate(timeout=120)[0] for process in running}
    assert len(printed) == 1 and printed.pop().startswith(b"600 ")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_threads_may_share_a_store(tmp_path: Path) -> None:
    store = write_store(many(60), tmp_path / "store", INFO, shard_size=7)
    wrong: list[int] = []

    def work(seed: int) -> None:
        rows = np.random.default_rng(seed).integers(0, 60, 40)
        batch = store.batch(rows)
        same = [f"r{row}" for row in rows] == list(batch.sources)
        same &= all(store[int(row)].targets["a"] == row / 3 for row in rows)
        wrong.extend([] if same else [seed])

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def peak(work: object) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        work()  # type: ignore[operator]
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_data_set(tmp_path: Path) -> None:
    """Writing holds a shard, and reading a record or batch: not the data set."""
    sizes = (400, 1600)
    written = [
        peak(lambda n=n: write_store(many(n, 60), tmp_path / str(n), INFO, shard_size=100))
        for n in sizes
    ]
    whole = sum(path.stat().st_size for path in (tmp_path / "1600").iterdir())
    assert written[1] < 1.5 * written[0] < whole
    store = CrystalStore.open(tmp_path / "1600")
    store[0]
    assert peak(lambda: store[1234]) < whole / 50
    assert peak(lambda: store.batch(range(0, 1600, 100))) < whole / 10


@pytest.mark.slow
def test_many_shards_do_not_use_up_the_files_that_a_process_may_open(tmp_path: Path) -> None:
    store = write_store(many(600, 1), tmp_path / "store", INFO, shard_size=1)
    assert store.sizes.sum() == 600 and store[599].id == "r599"
    assert len(os.listdir("/dev/fd")) < 400


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write_store(many(6), tmp_path / "store", INFO, shard_size=4)
    return tmp_path / "store"


def test_missing_and_cut_shards_are_found_when_a_store_is_opened(written: Path) -> None:
    shard = written / "00001.safetensors"
    content = shard.read_bytes()
    for damaged in (content[:-1], content[:4], b"", content + b"\0"):
        shard.write_bytes(damaged)
        with pytest.raises(DatasetError, match=r"00001\.safetensors: the store is damaged"):
            CrystalStore.open(written)
    shard.unlink()
    with pytest.raises(DatasetError, match="missing"):
        CrystalStore.open(written)


def test_a_changed_shard_is_an_error_and_never_a_crash(written: Path) -> None:
    shard = written / "00000.safetensors"
    content = bytearray(shard.read_bytes())
    generator = np.random.default_rng(5)
    for _ in range(150):
        changed = bytearray(content)
        for place in generator.integers(0, len(content), 3):
            changed[place] = generator.integers(0, 256)
        shard.write_bytes(changed)
        if changed == content:
            continue
        try:
            store = CrystalStore.open(written)
            store.batch(range(6))
            list(store)
        except (DatasetError, md.CrystalError):
            pass
        with pytest.raises(DatasetError, match=r"SHA-256|damaged"):
            CrystalStore.open(written).verify()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("{", "damaged"),
        ("[]", "does not describe a store"),
        ({"version": 99}, "version 99.*update Madelung"),
        ({"records": 7}, "6 records in the shards, 7"),
        ({"shards": [{"file": "../x"}]}, "damaged"),
        ({"info": {}}, "damaged"),
        ({"targets": 3}, "damaged"),
    ],
)
def test_a_damaged_index_is_refused(written: Path, change: object, text: str) -> None:
    path = written / "store.json"
    if isinstance(change, dict):
        change = json.dumps(json.loads(path.read_text()) | change)
    path.write_text(str(change))
    with pytest.raises(DatasetError, match=text):
        CrystalStore.open(written)


def test_a_folder_without_a_store_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DatasetError, match="no store of crystals"):
            CrystalStore.open(folder)


@pytest.mark.slow
def test_tensors_are_written_as_their_values(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    plain = crystal(3)
    tensors = md.Crystal(
        torch.tensor(plain.cell, requires_grad=True), torch.tensor(plain.positions), plain.numbers
    )
    store = write_store([Record("t", tensors, {"a": 1.0}, {})], tmp_path / "store", INFO)
    assert (store[0].crystal.cell == plain.cell).all()


def test_the_sample_comes_with_the_package(tmp_path: Path) -> None:
    store = md.open_dataset("example:jarvis", folder=tmp_path / "store")
    assert len(store) == 600 and store.sizes.max() <= 30 and not store.problems
    assert np.isfinite(store.values("bulk_modulus_kv")).sum() >= 250
    parts, counts = np.unique(store.split("formation_energy_peratom"), return_counts=True)
    assert dict(zip(parts.tolist(), counts.tolist(), strict=True)) == {
        "train": 480,
        "val": 60,
        "test": 60,
    }
    assert [target.unit for target in store.info.targets] == ["eV/atom", "eV", "GPa"]
    assert_same(sample(tmp_path), store[:12], tolerance=0.0)


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, madelung.data.dataset, madelung.data.named, madelung.cli.data;"
        "print(sorted({'torch', 'ase', 'pandas', 'pymatgen', 'gemmi', 'scipy'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
