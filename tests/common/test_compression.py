"""One reader of compressed files: every compression, whatever the name, and in bounded memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import madelung as md
from madelung.common import compression
from madelung.common.compression import open_bytes, read_bytes, without_compression
from madelung.common.errors import DatasetError, ForceFieldError, MadelungError
from madelung.common.text import open_text, plain_stem, read_text
from madelung.data.formats import extxyz
from madelung.data.formats.detection import detect_dataset_format
from madelung.models.model import CrystalModel
from madelung.training.settings import read_settings


def zipped(data: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/._inside", b"attributes")
        archive.writestr("inside", data)
    return stream.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zip": zipped,
}
TEXT = "Grüße\r\nzweite Zeile\n"


@pytest.mark.parametrize("kind", PACKERS)
def test_every_compression_is_read_whatever_the_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file.dat"
    path.write_bytes(PACKERS[kind](TEXT.encode("utf-8")))
    with open_bytes(path, MadelungError) as stream:
        assert stream.read() == TEXT.encode("utf-8")
    assert read_bytes(path, MadelungError, most=100) == TEXT.encode("utf-8")
    with open_text(path) as text:
        assert text.read() == TEXT
    assert read_text(path, ForceFieldError) == TEXT


@pytest.mark.parametrize("kind", PACKERS)
def test_crystals_and_data_sets_are_read_in_the_same_compressions(
    kind: str, tmp_path: Path
) -> None:
    frame = '1\nLattice="3 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:3\nCu 0 0 0\n'
    path = tmp_path / f"copper.extxyz{'' if kind == 'plain' else '.' + kind}"
    path.write_bytes(PACKERS[kind](frame.encode("ascii")))
    assert md.read(path, format="extxyz").formula == "Cu"
    named = tmp_path / "copper.extxyz.zip"
    named.write_bytes(path.read_bytes())
    assert detect_dataset_format(named) == "extxyz"


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz", "zip"])
def test_damage_is_told_with_the_error_asked_for(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file.gz"
    whole = PACKERS[kind](bytes(range(256)) * 40)
    for data in (whole[: len(whole) // 2], whole[:20] + bytes(40) + whole[60:]):
        path.write_bytes(data)
        with pytest.raises(ForceFieldError, match=r"file\.gz: the archive is damaged"):
            read_text(path, ForceFieldError)
        with pytest.raises(md.CrystalError, match=r"file\.gz: the archive is damaged"):
            md.read(path)


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no such file"), open_text(tmp_path / "none"):
        pass
    with pytest.raises(DatasetError, match="cannot be read"), open_text(tmp_path):
        pass
    two = tmp_path / "two.zip"
    with zipfile.ZipFile(two, "w") as archive:
        archive.writestr("one", "1")
        archive.writestr("two", "2")
    with pytest.raises(DatasetError, match="holds 2 files"), open_text(two):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz", "zip"])
def test_a_bomb_takes_no_more_memory_than_what_is_read(kind: str, tmp_path: Path) -> None:
    path, size = tmp_path / "bomb", 64 << 20
    path.write_bytes(PACKERS[kind](bytes(size)))
    assert path.stat().st_size < size // 500
    tracemalloc.start()
    try:
        with open_bytes(path, MadelungError) as stream:
            assert stream.read(1000) == bytes(1000)
        with pytest.raises(MadelungError, match="more than 16 MiB"):
            read_bytes(path, MadelungError, most=16 << 20)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz", "zip"])
def test_a_stream_ends_where_an_archive_grows_too_much(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where lines are short, so that a reader of lines would go on for hours."""
    monkeypatch.setattr(compression, "_ALWAYS_STREAMED", 1 << 20)
    path = tmp_path / "bomb.jsonl"
    path.write_bytes(PACKERS[kind](b"{}\n" * (1 << 20)))
    with (
        pytest.raises(DatasetError, match="unpacks to more than 200 times"),
        open_text(path) as text,
    ):
        for _ in text:
            pass
    path.write_bytes(b"{}\n" * (1 << 20))
    with open_text(path) as text:
        assert sum(1 for _ in text) == 1 << 20


def endless(path: Path, start: str = "") -> None:
    """A sparse file of 600 MiB of NUL without an end of line."""
    with path.open("wb") as stream:
        stream.write(start.encode())
        stream.truncate(600 << 20)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("card.json", lambda path: CrystalModel.load(path.parent)),
        ("phonons.json", lambda path: md.load(path.parent)),
        ("store.json", lambda path: md.open_dataset(path.parent)),
        ("p.json", lambda path: md.load_force_field(path)),
        ("p.meam.spline", lambda path: md.load_force_field(path)),
        ("p.uf3", lambda path: md.load_force_field(path)),
        ("targets.csv", lambda path: md.open_dataset(path.parent)),
        ("frames.extxyz", lambda path: md.open_dataset(path)),
        ("records.jsonl", lambda path: md.open_dataset(path)),
        ("crystal.cif", lambda path: md.read(path)),
        ("settings.yaml", lambda path: read_settings(path)),
    ],
)
def test_whole_texts_have_a_limit(
    name: str, read: Callable[[Path], object], tmp_path: Path
) -> None:
    """A file that is too large is an error, and takes no more memory than the limit allows."""
    endless(tmp_path / name)
    tracemalloc.start()
    try:
        with pytest.raises(MadelungError):
            read(tmp_path / name)
        assert tracemalloc.get_traced_memory()[1] < 400 << 20
    finally:
        tracemalloc.stop()


def test_a_frame_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extxyz, "_LARGEST_FRAME", 1000)
    path = tmp_path / "frames.extxyz"
    path.write_text("1000000000000\n" + "Cu 0 0 0\n" * 500, encoding="utf-8")
    with pytest.raises(DatasetError, match=r"frame 0 .*: more than"):
        list(extxyz.read_extxyz(path))


def test_names_without_compression() -> None:
    assert without_compression("a.tar.GZ.zip") == "a.tar"
    assert plain_stem(Path("matbench_x.json.gz")) == "matbench_x"
    assert plain_stem(Path(".hidden")) == ".hidden"
