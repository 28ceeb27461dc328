"""Named data sets: official splits, downloads that are cut, and the files of others."""

import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from data_files import (
    CRYSTAL_DATA,
    GAP,
    TARGET,
    jarvis_item,
    line_of,
    sample,
    serving,
    write_json_lines,
)

import madelung as md
from madelung.common.errors import DatasetError
from madelung.data import downloads, named
from madelung.data.catalogue import CATALOGUE
from madelung.data.downloads import fetch, file_checksum
from madelung.data.named import (
    data_folder,
    dataset_names,
    download_dataset,
    import_dataset,
    named_dataset,
)
from madelung.data.official_splits import matbench_folds, read_leaderboard_split
from madelung.data.records import Record

CONTENT = bytes(np.random.default_rng(0).integers(0, 256, 700_000, dtype=np.uint8))
SHA256 = "0" * 64


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test looks into the user's data, or leaves this machine."""
    monkeypatch.setenv("MADELUNG_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("MADELUNG_MIRROR", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "data"


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    return sample(tmp_path, 10)


# Official splits


@pytest.mark.slow
@pytest.mark.parametrize("task", ["jdft2d", "phonons"])
def test_folds_are_those_of_matbench(task: str, tmp_path: Path) -> None:
    path = CRYSTAL_DATA / f"matbench_{task}.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"{path.name} is not there")
    with gzip.open(path, "rt") as lines:
        expected = [json.loads(line)["split"]["test_fold"] for line in lines]
    assert matbench_folds(len(expected)).tolist() == expected
    store = import_dataset(f"matbench/{task}", path)
    target = CATALOGUE[f"matbench/{task}"].targets[0].name
    assert (store.default_target, store.default_split) == (target, "fold-0")
    for fold in range(5):
        tested = np.flatnonzero(store.split(f"fold-{fold}") == "test")
        assert tested.tolist() == np.flatnonzero(np.array(expected) == fold).tolist()
    assert len(md.open_dataset(f"matbench/{task}")) == len(expected)


@pytest.mark.parametrize("count", [5, 11, 636, 10_987])
def test_folds_have_the_sizes_of_a_five_fold_split(count: int) -> None:
    sizes = np.bincount(matbench_folds(count))
    assert sizes.tolist() == [count // 5 + (k < count % 5) for k in range(5)]


def leaderboard_zip(parts: dict[str, dict[str, float]]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("split.json", json.dumps(parts))
    return stream.getvalue()


def test_leaderboard_splits(tmp_path: Path) -> None:
    path = tmp_path / "dft_3d_x.json.zip"
    path.write_bytes(leaderboard_zip({"train": {"a": 1.0}, "val": {"b": 1.0}, "test": {"c": 2.0}}))
    assert read_leaderboard_split(path) == {"a": "train", "b": "val", "c": "test"}
    path.write_bytes(leaderboard_zip({"train": {"a": 1.0}, "test": {"a": 1.0}}))
    with pytest.raises(DatasetError, match="a is in two parts"):
        read_leaderboard_split(path)
    for content, text in ((b"[]", "no split"), (b"{", "no readable JSON")):
        path.write_bytes(content)
        with pytest.raises(DatasetError, match=text):
            read_leaderboard_split(path)


# Names


def test_every_name_says_what_it_stands_for() -> None:
    for dataset in dataset_names():
        assert named_dataset(dataset.name) == (dataset, None)
        assert dataset.licence and dataset.source and dataset.citation and dataset.split
        assert dataset.addresses or dataset.name.startswith("example:")
        for target in dataset.targets:
            assert target.description
            assert named_dataset(f"{dataset.name}/{target.name}") == (dataset, target.name)
    names = {dataset.name for dataset in dataset_names()}
    tasks = "jdft2d phonons dielectric log_gvrh log_kvrh perovskites mp_gap mp_e_form"
    assert {f"matbench/{task}" for task in tasks.split()} <= names


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("jarvis/dft_3d", "55,723 .* 75,993 .* jarvis/dft_3d_2021 or jarvis/dft_3d_2022"),
        ("jarvis/dft_3d/ehull", "three files have been called dft_3d"),
        ("jarvis/dft_3d_2023", "is it jarvis/dft_3d_2022"),
        ("jarvis/dft_3d_2021/colour", "no target 'colour'; there are: formation_energy"),
        ("example:quartz", "madelung data list"),
        ("matbench/phonon", "matbench/phonons"),
    ],
)
def test_names_that_do_not_exist(name: str, text: str) -> None:
    with pytest.raises(DatasetError, match=text):
        md.open_dataset(name)


def test_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert data_folder() == tmp_path / "data"
    monkeypatch.delenv("MADELUNG_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert data_folder() == tmp_path / "xdg" / "madelung" / "data"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder() == tmp_path / ".local" / "share" / "madelung" / "data"


def test_an_example_with_a_target(tmp_path: Path) -> None:
    store = md.open_dataset("example:jarvis/bulk_modulus_kv", folder=tmp_path / "store")
    assert (store.default_target, store.default_split) == ("bulk_modulus_kv",) * 2
    store = md.open_dataset("example:jarvis")
    assert (store.default_target, store.default_split) == (TARGET,) * 2
    with pytest.raises(DatasetError, match="needs no download"):
        download_dataset("example:jarvis")


# Files that are there already


def jarvis_file(folder: Path, records: list[Record]) -> Path:
    """A file of JARVIS's form, with the official split of the formation energy beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    items = [jarvis_item(record, **{"n-Seebeck": -3.0}) for record in records]
    path = folder / "jdft_3d-8-18-2021.json"
    path.write_text(json.dumps(items))
    parts: dict[str, dict[str, float]] = {"train": {}, "val": {}, "test": {}}
    for record in records:
        parts[record.splits[TARGET]][record.id] = record.targets[TARGET]
    (folder / f"dft_3d_{TARGET}.json.zip").write_bytes(leaderboard_zip(parts))
    return path


@pytest.fixture
def small_jarvis(records: list[Record], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The JARVIS data set, as if it had as many crystals as the tests have."""
    name = "jarvis/dft_3d_2021"
    monkeypatch.setitem(CATALOGUE, name, replace(CATALOGUE[name], crystals=len(records)))
    yield name


def test_a_jarvis_file_with_official_splits(
    tmp_path: Path, records: list[Record], small_jarvis: str
) -> None:
    path = jarvis_file(tmp_path / "files", records)
    store = import_dataset(f"{small_jarvis}/{TARGET}", path)
    assert (store.default_target, store.default_split) == (TARGET, TARGET)
    assert store.split(TARGET).tolist() == [record.splits[TARGET] for record in records]
    assert store.values("n_Seebeck").tolist() == [-3.0] * len(records)
    assert store.origin["sha256"] == file_checksum(path)
    assert len(store.problems) == 1 and "no file of the official split of" in store.problems[0]
    again = md.open_dataset(f"{small_jarvis}/{TARGET}")
    assert again.fingerprint == store.fingerprint and again.default_split == TARGET
    with pytest.raises(DatasetError, match=f"official split of '{GAP}' is missing"):
        md.open_dataset(f"{small_jarvis}/{GAP}")


def test_official_crystals_that_a_file_lacks_are_reported(
    tmp_path: Path, records: list[Record], small_jarvis: str
) -> None:
    path = jarvis_file(tmp_path / "files", records)
    items = json.loads(path.read_text())
    items[0]["atoms"]["elements"][0] = "?"
    path.write_text(json.dumps(items))
    store = import_dataset(small_jarvis, path)
    assert len(store) == len(records) - 1
    assert "'?' is no chemical element" in store.problems[0]
    assert f"1 of its 10 crystals are not in {path}, of which" in store.problems[1]


def test_another_number_of_records_is_refused(tmp_path: Path, records: list[Record]) -> None:
    path = jarvis_file(tmp_path / "files", records)
    for name, text in (("jarvis/dft_3d_2021", "55,723"), ("jarvis/dft_3d_2022", "75,993")):
        with pytest.raises(DatasetError, match=f"10 records, and {name} has {text}"):
            import_dataset(name, path)
    part = import_dataset("jarvis/dft_3d_2021", path, partial=True)
    assert part.info.name == "jarvis/dft_3d_2021 (a part)"
    assert len(part) == 10 and not part.problems and part.origin["partial"] is True
    with pytest.raises(DatasetError, match="no such file"):
        import_dataset("jarvis/dft_3d_2021", tmp_path / "gone.json")


def test_another_checksum_is_refused(tmp_path: Path, records: list[Record]) -> None:
    path = tmp_path / "matbench_jdft2d.json.gz"
    path.write_bytes(gzip.compress(b'{"columns": ["structure", "x"], "index": [], "data": []}'))
    with pytest.raises(
        DatasetError, match=r"SHA-256 is .* and that of matbench/jdft2d is 26057dc4"
    ):
        import_dataset("matbench/jdft2d", path)


def test_lines_with_their_own_splits_can_be_imported_as_a_part(
    tmp_path: Path, records: list[Record]
) -> None:
    path = write_json_lines(tmp_path / "part.jsonl.gz", [line_of(record) for record in records])
    store = import_dataset(f"jarvis/dft_3d_2021/{TARGET}", path, partial=True)
    assert store.split(store.default_split or "").tolist() == [
        record.splits[TARGET] for record in records
    ]
    assert store.info.licence.startswith("NIST")


# Downloads


@pytest.mark.parametrize("sha", ["known", "unknown"])
def test_a_cut_connection_goes_on_where_it_ended(tmp_path: Path, sha: str) -> None:
    (tmp_path / "whole").write_bytes(CONTENT)
    checksum = file_checksum(tmp_path / "whole")
    with serving({"f": CONTENT}, cuts=[100_000, 300_000]) as served:
        found = fetch([served.of("f")], tmp_path / "f", sha256=checksum if sha == "known" else None)
    assert found == checksum and (tmp_path / "f").read_bytes() == CONTENT
    assert served.requests == [None, "bytes=100000-", "bytes=400000-"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f", "whole"]


def test_a_later_call_goes_on_with_what_an_earlier_one_received(tmp_path: Path) -> None:
    with serving({"f": CONTENT}, cuts=[100_000, 0, 50_000, 0]) as served:
        for received in (100_000, 150_000):
            with pytest.raises(DatasetError, match=f"cut after {received} bytes"):
                fetch([served.of("f")], tmp_path / "f")
            assert not (tmp_path / "f").exists()
        fetch([served.of("f")], tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert served.requests[-1] == "bytes=150000-"


def test_parts_of_different_files_are_never_joined(tmp_path: Path) -> None:
    """Neither when the file changes at its address, nor between two addresses."""
    new = CONTENT[::-1]
    with serving({"f": CONTENT}, cuts=[100_000, 0]) as served:
        with pytest.raises(DatasetError, match="was cut"):
            fetch([served.of("f")], tmp_path / "f")
        served.files["f"] = new
        fetch([served.of("f")], tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == new
    with serving({"f": CONTENT, "g": new}, cuts=[100_000, 0]) as served:
        fetch([served.of("f"), served.of("g")], tmp_path / "g")
    assert (tmp_path / "g").read_bytes() == new
    with serving({"f": CONTENT}, cuts=[100_000, 0], tags=False) as served:
        with pytest.raises(DatasetError, match="was cut"):
            fetch([served.of("f")], tmp_path / "h")
        fetch([served.of("f")], tmp_path / "h")
    assert served.requests[-1] is None


def test_a_part_of_another_file_does_not_spoil_a_download_with_a_checksum(tmp_path: Path) -> None:
    (tmp_path / "whole").write_bytes(CONTENT)
    (tmp_path / "f.partial").write_bytes(b"x" * 1000)
    with serving({"f": CONTENT}) as served:
        fetch([served.of("f")], tmp_path / "f", sha256=file_checksum(tmp_path / "whole"))
        assert served.requests == ["bytes=1000-", None]
        (tmp_path / "g.partial").write_bytes(b"x" * (len(CONTENT) + 5))
        fetch([served.of("f")], tmp_path / "g", sha256=file_checksum(tmp_path / "whole"))
    assert (tmp_path / "f").read_bytes() == (tmp_path / "g").read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_again(tmp_path: Path) -> None:
    with serving({"f": CONTENT}, cuts=[100_000], ranges=False) as served:
        fetch([served.of("f")], tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_the_next_address_is_tried(tmp_path: Path) -> None:
    (tmp_path / "whole").write_bytes(CONTENT)
    checksum = file_checksum(tmp_path / "whole")
    with serving({"bad": b"other", "good": CONTENT}) as served:
        addresses = [served.of("gone"), served.of("bad"), served.of("good")]
        assert fetch(addresses, tmp_path / "f", sha256=checksum) == checksum
        asked = len(served.requests)
        assert fetch(addresses, tmp_path / "f", sha256=checksum) == checksum
        assert len(served.requests) == asked
        with pytest.raises(DatasetError) as caught:
            fetch(addresses[:2], tmp_path / "g", sha256=checksum, advice="Import it.")
    text = str(caught.value)
    assert "gone: the server answered 404" in text and text.endswith("Import it.")
    assert f"bad: the SHA-256 is {downloads.hashlib.sha256(b'other').hexdigest()} instead" in text
    assert not list(tmp_path.glob("g*"))


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("http://127.0.0.1:9/f", "refused"),
        ("ftp://127.0.0.1/f", "no address of the web"),
        ("file:///etc/hostname", "no address of the web"),
        ("http://", "no host"),
    ],
)
def test_no_network(tmp_path: Path, address: str, text: str) -> None:
    with pytest.raises(DatasetError, match=text):
        fetch([address], tmp_path / "f")
    with pytest.raises(DatasetError, match="no address is known"):
        fetch([], tmp_path / "f")


def test_a_folder_that_cannot_be_written_is_not_taken_for_a_bad_address(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with serving({"f": CONTENT}) as served, pytest.raises(DatasetError, match="cannot be written"):
        fetch([served.of("f")], tmp_path / "file" / "f")


def test_a_named_data_set_is_downloaded_once(
    tmp_path: Path, records: list[Record], small_jarvis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = jarvis_file(tmp_path / "files", records)
    split = f"dft_3d_{TARGET}.json.zip"
    files = {
        "jdft_3d-8-18-2021.json.zip": leaderboard_zip(json.loads(path.read_text())),
        split: (path.parent / split).read_bytes(),
    }
    dataset = CATALOGUE[small_jarvis]
    with serving(files, cuts=[500]) as served:
        monkeypatch.setitem(
            CATALOGUE,
            small_jarvis,
            replace(
                dataset,
                addresses=(served.of("gone"),),
                split_files=((TARGET, served.of(split)), (GAP, served.of("dft_3d_gap.json.zip"))),
            ),
        )
        with pytest.raises(DatasetError, match="madelung data import jarvis/dft_3d_2021 jdft_3d"):
            md.open_dataset(small_jarvis)
        monkeypatch.setenv("MADELUNG_MIRROR", served.address + "/")
        served.cuts[:] = [500]
        store = md.open_dataset(f"{small_jarvis}/{TARGET}")
        asked = len(served.requests)
        assert len(md.open_dataset(small_jarvis)) == len(store) == len(records)
        assert len(served.requests) == asked
    assert store.folder == data_folder() / small_jarvis
    assert store.split(TARGET).tolist() == [record.splits[TARGET] for record in records]
    assert f"no file of the official split of {GAP}" in store.problems[-1]
    assert store.origin["sha256"] == file_checksum(
        data_folder() / "downloads" / "jdft_3d-8-18-2021.json.zip"
    )
    assert named.is_name(small_jarvis)
