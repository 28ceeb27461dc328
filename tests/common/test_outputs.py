"""Results replace nothing but results, alone in their folder; text from files is shown as it is."""

from __future__ import annotations

import fcntl
import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from rich.table import Table

from madelung.common.errors import OutputError
from madelung.common.locks import LOCK_FILE, locked_folder
from madelung.common.machine import bounded_threads, most_threads
from madelung.common.outputs import held_temporary, remove_leftovers, whole_file
from madelung.common.terminal import LiteralConsole
from madelung.common.text import shown
from madelung.common.weights import require_finite, require_room, require_shapes


def test_a_symbolic_link_stays_and_so_does_what_it_names(tmp_path: Path) -> None:
    other, link = tmp_path / "other", tmp_path / "result.json"
    other.write_text("precious")
    link.symlink_to(other)
    with pytest.raises(OutputError, match=r"result\.json: is a symbolic link"), whole_file(link):
        pass
    assert link.is_symlink() and other.read_text() == "precious"


def test_pipes_and_folders_are_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name, kind in (("pipe", "a pipe"), ("folder", "a folder")):
        with pytest.raises(OutputError, match=kind), whole_file(tmp_path / name):
            pass


def test_leftovers_of_killed_runs_go_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    left = tmp_path / ".table-abcdefgh.partial.csv"
    left.write_text("half")
    other = tmp_path / ".another-abcdefgh.partial.csv"
    other.write_text("half")
    with whole_file(tmp_path / "table.csv") as first:
        assert not left.exists()
        with whole_file(tmp_path / "table.csv") as second:
            assert first.exists()
            second.write_text("inner")
        first.write_text("outer")
    assert (tmp_path / "table.csv").read_text() == "outer"
    assert sorted(path.name for path in tmp_path.iterdir()) == [other.name, "table.csv"]


@pytest.mark.parametrize("is_folder", [False, True])
def test_what_is_taken_for_a_leftover_before_it_is_locked_is_made_again(
    tmp_path: Path, is_folder: bool
) -> None:
    names = iter(["first", "second"])

    def make() -> str:
        path = tmp_path / next(names)
        path.mkdir() if is_folder else path.touch()
        if path.name == "first":
            remove_leftovers(tmp_path, path.name)
        return str(path)

    handle, path = held_temporary(make)
    remove_leftovers(tmp_path, "*")
    assert [path.name for path in tmp_path.iterdir()] == ["second"] == [path.name]
    os.close(handle)
    remove_leftovers(tmp_path, "*")
    assert not path.exists()


def test_what_is_removed_while_its_lock_is_waited_for_is_made_again(tmp_path: Path) -> None:
    """A remover holds the lock already, and takes the file away before it lets go."""
    names = iter(["first", "second"])
    removers: list[threading.Thread] = []

    def remove(path: Path, handle: int) -> None:
        time.sleep(0.2)
        path.unlink()
        os.close(handle)

    def make() -> str:
        path = tmp_path / next(names)
        path.touch()
        if path.name == "first":
            handle = os.open(path, os.O_RDONLY)
            fcntl.flock(handle, fcntl.LOCK_EX)
            removers.append(threading.Thread(target=remove, args=(path, handle)))
            removers[0].start()
        return str(path)

    handle, path = held_temporary(make)
    removers[0].join()
    os.close(handle)
    assert path.name == "second" and path.exists()


def test_threads_that_write_a_file_at_once_all_finish(tmp_path: Path) -> None:
    """They look for leftovers all the time, and find each other's files."""
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for _ in range(100):
                with whole_file(tmp_path / "result.txt") as temporary:
                    temporary.write_text(str(number))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert [path.name for path in tmp_path.iterdir()] == ["result.txt"]


def test_a_second_process_is_kept_from_a_folder(tmp_path: Path) -> None:
    code = (
        "import sys; from madelung.common.locks import locked_folder\n"
        "with locked_folder(sys.argv[1]): print('in')"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    with locked_folder(tmp_path / "run"), locked_folder(tmp_path / "run"):
        refused = subprocess.run(command, capture_output=True, text=True)
    assert "another process is writing there" in refused.stderr
    assert subprocess.run(command, capture_output=True, text=True).stdout == "in\n"


def test_a_lock_of_a_dead_process_is_none(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).touch()
    with locked_folder(tmp_path):
        pass
    assert not (tmp_path / LOCK_FILE).exists()


def test_names_from_files_are_no_orders_and_no_markup() -> None:
    stream = io.StringIO()
    console = LiteralConsole(file=stream, width=80)
    table = Table("gap [eV]", title="e [/atom]")
    table.add_row("[red]x[/] :warning: \x1b]0;title\x07")
    console.print(table)
    text = stream.getvalue()
    for part in ("gap [eV]", "e [/atom]", "[red]x[/] :warning: \\x1b]0;title\\x07"):
        assert part in text
    assert shown("a\x9b31m\u202eb\tc\n") == "a\\x9b31m\\u202eb\tc\n"


def test_threads_are_bounded() -> None:
    assert bounded_threads(40_000) == most_threads() >= bounded_threads(None)
    assert bounded_threads(1) == 1


def test_a_card_cannot_ask_for_more_room_than_its_weights_fill() -> None:
    shapes = {"a": (3, 4), "b": (4,)}
    with pytest.raises(ValueError, match="features 1000000000"):
        require_room({"features": 10**9}, {}, shapes, ValueError)
    with pytest.raises(ValueError, match="3 layers"):
        require_room({}, {"layers": 3}, shapes, ValueError)
    with pytest.raises(ValueError, match="b has shape"):
        require_shapes({"b": torch.zeros(5)}, shapes, ValueError)
    with pytest.raises(ValueError, match="a has values that are not finite"):
        require_finite([("a", torch.tensor([1.0, float("nan")]))], ValueError)
