"""All that a training run is at one moment, in one file that is replaced whole."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from madelung.common.errors import TrainingError
from madelung.common.outputs import json_text, whole_file

__all__ = [
    "CHECKPOINT_FILE",
    "MovingAverage",
    "Progress",
    "optimiser_tensors",
    "read_checkpoint",
    "restore_optimiser",
    "write_checkpoint",
]

CHECKPOINT_FILE = "checkpoint.safetensors"
_FORMAT = 1
# How fast the average follows the weights at the start: at step t it keeps (1 + t) / (10 + t).
_EARLY = 10.0


@dataclass
class Progress:
    """Where a run is.

    Parameters
    ----------
    epoch
        Epochs that are complete.
    batch
        Steps of the current epoch that are done.
    step
        Steps that are done in all.
    loss_sum, loss_count
        Sum of losses of the current epoch, weighted by the number of values, and that number.
    seconds
        Time spent in all sittings.
    best_epoch, best_score
        The epoch with the lowest validation score, and that score; none yet if the epoch is 0.
    history
        One row for each complete epoch.
    finished
        Whether no epoch is left to run.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    loss_count: float = 0.0
    seconds: float = 0.0
    best_epoch: int = 0
    best_score: float = float("inf")
    history: list[dict[str, Any]] = field(default_factory=list)
    finished: bool = False


class MovingAverage:
    """Exponential moving average of a network's weights and of its running statistics.

    Parameters
    ----------
    network
        The network; its present state is the first average.
    decay
        Part of the average that a step keeps.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self.state = {name: value.clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after a step."""
        keep = min(self._decay, (1.0 + step) / (_EARLY + step))
        floats, news = [], []
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                floats.append(self.state[name])
                news.append(value)
            else:
                self.state[name].copy_(value)
        torch._foreach_lerp_(floats, news, 1.0 - keep)


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return what an optimiser remembers of each parameter, by ``NUMBER.NAME``."""
    return {
        f"{index}.{name}": value
        for index, state in optimiser.state_dict()["state"].items()
        for name, value in state.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Let an optimiser remember what :func:`optimiser_tensors` returned."""
    content = optimiser.state_dict()
    content["state"] = {}
    for name, value in tensors.items():
        index, own = name.split(".", 1)
        content["state"].setdefault(int(index), {})[own] = value
    optimiser.load_state_dict(content)


def write_checkpoint(
    folder: Path,
    tensors: dict[str, dict[str, Tensor]],
    progress: Progress,
    run: dict[str, Any],
) -> None:
    """Write the state of a run; the file before it stays until the new one is whole.

    Parameters
    ----------
    folder
        Folder of the run.
    tensors
        Tensors of each part of the state ("network", "average", "optimiser", "best").
    progress
        Where the run is.
    run
        What has to be the same when it goes on: settings and the data set's fingerprint.
    """
    from safetensors.torch import save_file

    flat = {
        f"{part}/{name}": value.detach().cpu().contiguous()
        for part, group in tensors.items()
        for name, value in group.items()
    }
    header = {
        "format": str(_FORMAT),
        "progress": json_text(asdict(progress)),
        "run": json_text(run),
    }
    try:
        with whole_file(folder / CHECKPOINT_FILE) as temporary:
            save_file(flat, str(temporary), metadata=header)
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
    except Exception as problem:
        # safetensors reports a full disk as an error of its own.
        raise TrainingError(
            f"{folder / CHECKPOINT_FILE}: cannot be written ({problem}); make room and resume: the "
            "checkpoint before it is whole"
        ) from problem


def read_checkpoint(
    folder: Path,
) -> tuple[dict[str, dict[str, Tensor]], Progress, dict[str, Any]]:
    """Read what :func:`write_checkpoint` wrote.

    Raises
    ------
    TrainingError
        If there is no checkpoint, or it is damaged or of a later format.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / CHECKPOINT_FILE
    if not path.is_file():
        raise TrainingError(f"{path}: there is no checkpoint to go on from; start without --resume")
    try:
        with safe_open(str(path), framework="pt") as archive:
            header = archive.metadata() or {}
            flat = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118
        if int(header["format"]) > _FORMAT:
            raise TrainingError(f"{path}: written by a later version of Madelung; update it")
        progress = _progress(json.loads(header["progress"]))
        run = json.loads(header["run"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as problem:
        if isinstance(problem, TrainingError):
            raise
        raise TrainingError(
            f"{path}: damaged ({problem}); remove the file and start again, or put back a copy"
        ) from None
    tensors: dict[str, dict[str, Tensor]] = {}
    for name, value in flat.items():
        part, own = name.split("/", 1)
        tensors.setdefault(part, {})[own] = value
    return tensors, progress, run


def _progress(content: dict[str, Any]) -> Progress:
    """Return what stands in a checkpoint; strict JSON has null for what is no number."""
    if content["best_score"] is None:
        content["best_score"] = float("inf")
    content["history"] = [
        {name: float("nan") if value is None else value for name, value in row.items()}
        for row in content["history"]
    ]
    return Progress(**content)
