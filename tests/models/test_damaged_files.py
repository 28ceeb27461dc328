"""Cards, weights and checkpoints with random damage: right, or one error of the library's own.

Nothing else may come out: no other exception, no hang, and no memory that the file does not hold.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from places import FROZEN_MODELS

from madelung.common.errors import MadelungError
from madelung.learning.checkpoints import Progress, read_checkpoint, write_checkpoint
from madelung.models.harmonic import HarmonicNetwork
from madelung.models.harmonic_settings import HarmonicSettings
from madelung.models.model import CrystalModel
from madelung.phonons.card import PhononCard
from madelung.phonons.model import PhononModel

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=8),
    st.just([]), st.just({}), st.just([[[]]]), st.just({"": None}), st.just("../../card.json"),
    st.just(10**9), st.just(-1), st.just(1e400),
)  # fmt: skip
MOST_MEMORY = 200_000_000


def properties(folder: Path) -> None:
    shutil.copytree(FROZEN_MODELS / "format-6", folder, dirs_exist_ok=True)


def phonons(folder: Path) -> None:
    size = HarmonicSettings(
        features=4, layers=1, senders=2, tensors=2, ends=4, hidden=4, channels=1
    )
    torch.manual_seed(0)
    networks = torch.nn.ModuleList([HarmonicNetwork(size)])
    PhononModel(PhononCard(name="small", network=size), networks).save(folder)


def checkpoint(folder: Path) -> None:
    layer = torch.nn.Linear(3, 2)
    other = torch.nn.Linear(3, 2)
    state = {"network": layer.state_dict(), "average": other.state_dict()}
    write_checkpoint(folder, state, Progress(epoch=1, history=[{"epoch": 1.0}]), {"settings": {}})


KINDS: dict[str, tuple[Callable[[Path], None], Callable[[Path], Any], str | None]] = {
    "properties": (properties, CrystalModel.load, "card.json"),
    "phonons": (phonons, PhononModel.load, "phonons.json"),
    "checkpoint": (checkpoint, read_checkpoint, None),
}


@contextmanager
def made(kind: str) -> Iterator[Path]:
    """A folder with whole files of a kind."""
    with tempfile.TemporaryDirectory() as place:
        KINDS[kind][0](Path(place))
        yield Path(place)


def loaded_or_refused(kind: str, folder: Path) -> None:
    tracemalloc.start()
    try:
        KINDS[kind][1](folder)
    except MadelungError as error:
        assert str(folder) in str(error) or folder.name in str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < MOST_MEMORY


def places_of(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all values of a JSON document."""
    yield path
    if isinstance(content, dict):
        for name, value in content.items():
            yield from places_of(value, (*path, name))
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from places_of(value, (*path, number))


def replaced(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    inner = replaced(content[path[0]], path[1:], value)
    if isinstance(content, dict):
        return {**content, path[0]: inner}
    return [*content[: path[0]], inner, *content[path[0] + 1 :]]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["properties", "phonons"])
@given(seed=st.integers(0, 2**32 - 1), value=ODD)
@examples(30)
def test_cards_with_an_odd_value(kind: str, seed: int, value: Any) -> None:
    with made(kind) as folder:
        card = folder / str(KINDS[kind][2])
        content = json.loads(card.read_text())
        places = list(places_of(content))
        place = places[seed % len(places)]
        card.write_text(json.dumps(replaced(content, place, value)))
        loaded_or_refused(kind, folder)


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(KINDS))
@given(seed=st.integers(0, 2**32 - 1), cut=st.booleans())
@examples(60)
def test_files_with_changed_or_missing_bytes(kind: str, seed: int, cut: bool) -> None:
    generator = np.random.default_rng(seed)
    with made(kind) as folder:
        files = sorted(path for path in folder.iterdir() if path.is_file())
        path = files[int(generator.integers(len(files)))]
        content = bytearray(path.read_bytes())
        if cut:
            content = content[: int(generator.integers(len(content)))]
        else:
            for place in generator.integers(0, min(len(content), 2000), 3):
                content[place] = int(generator.integers(256))
        path.write_bytes(bytes(content))
        loaded_or_refused(kind, folder)


@pytest.mark.parametrize("kind", list(KINDS))
def test_whole_files_load(kind: str) -> None:
    with made(kind) as folder:
        assert KINDS[kind][1](folder) is not None
