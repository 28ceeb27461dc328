"""What every training loop does alike: steps, averages, the best weights, checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from madelung.common.errors import TrainingError
from madelung.common.interruption import Interruption
from madelung.learning.checkpoints import (
    MovingAverage,
    Progress,
    optimiser_tensors,
    read_checkpoint,
    restore_optimiser,
    write_checkpoint,
)
from madelung.learning.objective import one_cycle_rate
from madelung.learning.processes import Processes

__all__ = ["LoopSettings", "TrainingLoop"]

# What a checkpoint calls the network and its averages; other modules have names of their own.
_NETWORK, _AVERAGE, _OPTIMISER, _BEST = "network", "average", "optimiser", "best"


class LoopSettings(Protocol):
    """What a loop has to be told; both kinds of training settings have it."""

    @property
    def epochs(self) -> int:
        """Passes over the examples."""

    @property
    def batch_size(self) -> int:
        """Examples of a step, over all processes."""

    @property
    def learning_rate(self) -> float:
        """Highest rate of the one-cycle course."""

    @property
    def warmup_share(self) -> float:
        """Part of the course in which the rate rises."""

    @property
    def gradient_clip(self) -> float:
        """Largest norm of a gradient."""

    @property
    def average_decay(self) -> float:
        """Decay of the moving average of the weights."""

    @property
    def seed(self) -> int:
        """Seed of the order."""

    @property
    def checkpoint_minutes(self) -> float:
        """Minutes between checkpoints."""


class TrainingLoop:
    """The state of a training loop, and what changes it in the same way in all of them.

    Parameters
    ----------
    network
        What is trained, averaged and validated.
    optimiser
        Of its weights, and those of ``others``.
    settings
        Of the loop.
    examples
        Numbers of the examples to learn from.
    processes
        Those that train together.
    folder
        Where checkpoints are written; none if None.
    identity
        Returns what has to be the same when the loop goes on; asked once, when it is needed.
    others
        Modules that learn beside the network, by their names in checkpoints.
    """

    def __init__(
        self,
        network: nn.Module,
        optimiser: torch.optim.Optimizer,
        settings: LoopSettings,
        examples: NDArray[np.int64],
        processes: Processes,
        folder: Path | None,
        identity: Callable[[], dict[str, Any]],
        *,
        others: Mapping[str, nn.Module] | None = None,
    ) -> None:
        self.network, self.optimiser, self.settings = network, optimiser, settings
        self.processes, self.folder = processes, folder
        self.average = MovingAverage(network, settings.average_decay)
        self.best: dict[str, Tensor] = {}
        self.progress = Progress()
        self.steps_of_epoch = max(-(-len(examples) // settings.batch_size), 1)
        self.steps = settings.epochs * self.steps_of_epoch
        self._examples, self._ask_identity = examples, identity
        self._others = dict(others or {})
        self.learnt = nn.ModuleList([network, *self._others.values()])
        self._sitting = self._saved = time.perf_counter()

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What has to be the same when the loop goes on."""
        return self._ask_identity()

    @property
    def seconds(self) -> float:
        """Time spent in all sittings, until now."""
        return self.progress.seconds + time.perf_counter() - self._sitting

    # Steps.

    def groups_left(self) -> list[NDArray[np.int64]]:
        """Return examples of each step of this epoch that is left; they depend on the seed."""
        generator = np.random.default_rng([self.settings.seed, 4, self.progress.epoch])
        groups = np.array_split(generator.permutation(self._examples), self.steps_of_epoch)
        return groups[self.progress.batch :]

    def begin_step(self) -> None:
        """Set the learning rate, and forget gradients."""
        settings = self.settings
        rate = one_cycle_rate(
            self.progress.step, self.steps, settings.learning_rate, settings.warmup_share
        )
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)

    def require_finite(self, loss: float) -> None:
        """Refuse to go on when the loss of a step is no number.

        Raises
        ------
        TrainingError
            With the step, and what to do.
        """
        if not np.isfinite(loss):
            progress = self.progress
            raise TrainingError(
                f"the loss is no longer finite (epoch {progress.epoch + 1}, step {progress.step}); "
                "lower the learning rate (--learning-rate), and start again"
            )

    def descend(self) -> None:
        """Change the weights by the gradients of all processes."""
        self.processes.add_gradients(self.learnt)
        torch.nn.utils.clip_grad_norm_(self.learnt.parameters(), self.settings.gradient_clip)
        self.optimiser.step()

    def end_step(self, loss: float, count: float) -> None:
        """Take the weights into the average, and count the step.

        Parameters
        ----------
        loss, count
            Sum of the losses of the step over all processes, and the number of values in it.
        """
        progress = self.progress
        self.average.update(self.network, progress.step)
        progress.step += 1
        progress.batch += 1
        progress.loss_sum += loss
        progress.loss_count += count

    def keep_if_due(self, interruption: Interruption) -> None:
        """Write a checkpoint if it is time to, or if someone wants the job to end.

        Raises
        ------
        JobInterrupted
            If someone does.
        """
        if self.folder is None:
            return
        if self.processes.any(interruption.requested):
            self.save()
            interruption.stop(self.folder)
        # Minutes differ from process to process, and only the first one writes.
        elif time.perf_counter() - self._saved >= 60.0 * self.settings.checkpoint_minutes:
            self.save()

    # Epochs.

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Give the network its averaged weights for a while."""
        trained = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.average.state)
        yield
        self.network.load_state_dict(trained)

    def consider(self, score: float) -> None:
        """Keep the averaged weights if they are the best so far.

        Parameters
        ----------
        score
            Of the validation of the epoch that has just been completed; lower is better.

        Raises
        ------
        TrainingError
            If it is no number.
        """
        progress = self.progress
        if not np.isfinite(score):
            raise TrainingError(
                f"predictions are no longer finite (epoch {progress.epoch}); lower the learning "
                "rate (--learning-rate), and start again"
            )
        if score < progress.best_score:
            progress.best_score, progress.best_epoch = score, progress.epoch
            self.best = {name: value.clone() for name, value in self.average.state.items()}

    def note(self, score: float, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Add a row to the history: epoch, loss, score and further columns; return it."""
        progress = self.progress
        row = {
            "epoch": progress.epoch,
            "loss": progress.loss_sum / max(progress.loss_count, 1.0),
            "score": score,
            **columns,
        }
        progress.history.append(row)
        return row

    def begin_epoch(self, *, finished: bool) -> None:
        """Count the steps of an epoch anew; or end, if no epoch is left."""
        progress = self.progress
        progress.batch, progress.loss_sum, progress.loss_count = 0, 0.0, 0.0
        progress.finished = finished

    # Stopping and going on.

    def save(self) -> None:
        """Add up the time, and write a checkpoint if there is a folder."""
        self.progress.seconds = self.seconds
        self._sitting = self._saved = time.perf_counter()
        if self.folder is None or not self.processes.is_first:
            return
        tensors = {
            _NETWORK: self.network.state_dict(),
            **{name: module.state_dict() for name, module in self._others.items()},
            _AVERAGE: self.average.state,
            _OPTIMISER: optimiser_tensors(self.optimiser),
            _BEST: self.best,
        }
        write_checkpoint(self.folder, tensors, self.progress, self.identity)

    def restore(
        self, require_same: Callable[[Mapping[str, Any], Mapping[str, Any], Path], None]
    ) -> None:
        """Take up the state that the checkpoint in the folder holds.

        Parameters
        ----------
        require_same
            Called with what the checkpoint says of its loop, :attr:`identity` and the folder;
            raises if they differ.

        Raises
        ------
        TrainingError
            If there is no checkpoint, or it is damaged.
        """
        if self.folder is None:
            raise TrainingError("without a folder there is no checkpoint to go on from")
        tensors, progress, begun = read_checkpoint(self.folder)
        require_same(begun, self.identity, self.folder)
        self.progress = progress
        self.network.load_state_dict(tensors[_NETWORK])
        for name, module in self._others.items():
            module.load_state_dict(tensors.get(name, {}))
        self.average.state = {
            name: value.to(self.average.state[name].device)
            for name, value in tensors[_AVERAGE].items()
        }
        self.best = tensors.get(_BEST, {})
        restore_optimiser(self.optimiser, tensors.get(_OPTIMISER, {}))
