"""How long a trained model takes for one crystal, from the object or the file to the prediction."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import madelung as md
from madelung.inputs.settings import GraphSettings, PairSettings
from madelung.models.card import ModelCard, TargetCard
from madelung.models.model import CrystalModel
from madelung.models.settings import PotNetSettings, SumNetSettings

__all__ = ["MEMBERS", "WIDTHS", "measure_latency"]

WIDTHS = (64, 128, 256)
MEMBERS = (1, 2, 4)
# Models that come with the package; the first has members of two kinds.
SHIPPED = ("formation-energy", "jarvis-ehull-column", "bulk-modulus", "phonon-frequency")


def measure_latency(
    crystals: Sequence[md.Crystal], turns: int, step: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """Predict crystals one by one.

    Parameters
    ----------
    crystals
        The crystals.
    turns
        How often each is predicted; a crystal's time is the median of its turns.
    step
        Reports progress.

    Returns
    -------
    dict
        For each size of the network the milliseconds of wall time within which half of the
        crystals, and 95 % of them, are predicted: from the crystal, and from a CIF.
    """
    with tempfile.TemporaryDirectory() as folder:
        models = {
            f"PotNet {width}": _loaded_model(_potnet(width), Path(folder)) for width in WIDTHS
        }
        for members in MEMBERS:
            name = f"SumNet 128, {members} members" if members > 1 else "SumNet 128"
            models[name] = _loaded_model(_sumnet(members), Path(folder))
        models |= {f"`{name}`": md.load(name) for name in SHIPPED}
        files = [_cif(crystal, Path(folder) / f"{i}.cif") for i, crystal in enumerate(crystals)]
        sources: dict[str, Sequence[Any]] = {"crystal": crystals, "cif": files}
        seconds = np.empty((len(models), len(sources), turns, len(crystals)))
        for turn in range(turns):
            for row, (name, model) in enumerate(models.items()):
                step(f"{name}, turn {turn + 1}")
                for column, items in enumerate(sources.values()):
                    seconds[row, column, turn] = _seconds_of_each(model, items)
    milliseconds = 1e3 * np.median(seconds, axis=2)
    return {
        name: {
            f"{source}_p{percentile}_milliseconds": float(np.percentile(of_each, percentile))
            for source, of_each in zip(sources, milliseconds[row], strict=True)
            for percentile in (50, 95)
        }
        for row, name in enumerate(models)
    }


def _seconds_of_each(model: CrystalModel, items: Sequence[Any]) -> list[float]:
    model.predict(items[0])
    seconds = []
    for item in items:
        begun = time.perf_counter()
        model.predict(item)
        seconds.append(time.perf_counter() - begun)
    return seconds


def _potnet(width: int) -> ModelCard:
    return ModelCard(
        name=f"potnet-{width}",
        targets=[TargetCard(name="energy", unit="eV")],
        graph=GraphSettings(),
        network=PotNetSettings(features=width),
    )


def _sumnet(members: int) -> ModelCard:
    return ModelCard(
        name=f"sumnet-{members}",
        targets=[TargetCard(name="energy", unit="eV")],
        graph=PairSettings(),
        network=SumNetSettings(),
        members=members,
    )


def _loaded_model(card: ModelCard, folder: Path) -> CrystalModel:
    """Read a model from files; its weights are random, which changes nothing about the time."""
    place = folder / card.name
    place.mkdir()
    CrystalModel.from_card(card).save(place)
    return CrystalModel.load(place)


def _cif(crystal: md.Crystal, path: Path) -> Path:
    crystal.to_ase().write(path, format="cif")
    return path
