"""Training of a model on a data set, exactly resumable at any step."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from madelung.common.errors import TrainingError
from madelung.common.interruption import Interruption
from madelung.common.machine import available_cores
from madelung.data.store import CrystalStore
from madelung.inputs.settings import PairSettings
from madelung.learning.checkpoints import (
    CHECKPOINT_FILE,
    MovingAverage,
    Progress,
    optimiser_tensors,
    read_checkpoint,
    restore_optimiser,
    write_checkpoint,
)
from madelung.learning.objective import one_cycle_rate, parameter_groups, scale_loss, value_loss
from madelung.learning.processes import Processes
from madelung.models.model import CrystalModel
from madelung.models.settings import readout_of
from madelung.training.auxiliary_objectives import AuxiliaryObjectives
from madelung.training.batches import Batch, BatchMaker, InputMemory
from madelung.training.denoising import Displacer
from madelung.training.evaluation import ModelEvaluation, evaluate_members
from madelung.training.initial import adopt_settings, load_initial, note_initial, start_from
from madelung.training.logs import TrainingLog
from madelung.training.preparation import prepare
from madelung.training.results import TrainingResult, conclude
from madelung.training.settings import TrainingSettings, require_same_training

__all__ = ["Trainer"]

# Keeps the random numbers of a step apart from those of other seeds.
_STRIDE = 1_000_003


class Trainer:
    """Trains a model and keeps the best one by validation.

    Parameters
    ----------
    settings
        What to do.
    folder
        Folder of the run: checkpoint, logs, plots, and at the end the model with its predictions.
    resume
        Whether to go on with the run in the folder. The weights that come out are, bit for bit,
        those of a run that was never stopped, on the same machine with as many threads.
    quiet
        Whether to show no progress.
    memory
        Shared with other runs on the same data set; one of ``memory_gigabytes`` if None.

    Raises
    ------
    TrainingError
        If the folder holds a run and ``resume`` is not set, or the settings of graph and network
        are not those of the initial model.
    ModelError
        If there is no such initial model.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        folder: str | os.PathLike[str],
        *,
        resume: bool = False,
        quiet: bool = True,
        memory: InputMemory | None = None,
    ) -> None:
        self._initial = load_initial(settings)
        self.settings = adopt_settings(settings, self._initial)
        self.folder = Path(folder)
        self._resume = resume
        self._quiet = quiet
        self._memory = InputMemory(settings.memory_gigabytes) if memory is None else memory
        if (self.folder / CHECKPOINT_FILE).exists() and not resume:
            raise TrainingError(
                f"{self.folder} holds a run; go on with it (--resume), or choose another folder"
            )

    @property
    def speaks(self) -> bool:
        """Whether this process reports to the user; of several, the first one does."""
        return os.environ.get("RANK", "0") == "0"

    def fit(self, dataset: CrystalStore) -> TrainingResult:
        """Train until all epochs are done or patience is lost, and test the best model.

        Parameters
        ----------
        dataset
            Crystals and targets.

        Returns
        -------
        TrainingResult
            The best model by validation, its errors, and where the files are.

        Raises
        ------
        TrainingError
            If the run cannot start or go on, or a file cannot be written.
        JobInterrupted
            If it was interrupted; a checkpoint has been written.
        """
        threads = torch.get_num_threads()
        torch.set_num_threads(self.settings.threads or available_cores())
        try:
            processes = Processes(self.settings.device)
            run = _Run(
                self.settings,
                self.folder,
                dataset,
                processes,
                self._quiet,
                self._initial,
                self._memory,
            )
            if self._resume:
                run.restore()
            result = run.go()
            # Not after an error: the other processes might never come to meet this one.
            processes.close()
        finally:
            torch.set_num_threads(threads)
        return result


class _Run:
    """A run while it goes on: what changes, and the steps that change it."""

    def __init__(
        self,
        settings: TrainingSettings,
        folder: Path,
        dataset: CrystalStore,
        processes: Processes,
        quiet: bool,
        initial: CrystalModel | None,
        memory: InputMemory,
    ) -> None:
        self.settings, self.folder, self.dataset = settings, folder, dataset
        self.processes, self.quiet = processes, quiet
        self.device = processes.device
        self.prepared = prepare(dataset, settings)
        torch.manual_seed(settings.seed)
        self.model = CrystalModel.from_card(self.prepared.card)
        self.initial_weights = ""
        if initial is not None:
            targets = self.prepared.membership.targets
            readout = readout_of(settings.network)
            start_from(initial, self.model.network, targets, settings.seed, readout)
            note_initial(self.prepared.card, initial, settings.initial)
            self.initial_weights = initial.card.weights_sha256
        self.model.scale = self.prepared.scale.to(self.device)
        self.network = self.model.network.to(self.device)
        self.model.novelty.to(self.device)
        self.auxiliary = AuxiliaryObjectives(settings).to(self.device)
        self.learnt = nn.ModuleList([self.network, self.auxiliary])
        self.optimiser = torch.optim.AdamW(
            parameter_groups(self.learnt, settings.weight_decay),
            lr=settings.learning_rate,
            fused=True,
        )
        self.average = MovingAverage(self.network, settings.average_decay)
        self.best: dict[str, Tensor] = {}
        self.progress = Progress()
        values = self.prepared.membership.values_of("train")
        self.memory = memory
        displacer = None
        if settings.denoising and isinstance(settings.graph, PairSettings):
            displacer = Displacer(dataset, settings.graph, settings.seed)
        self.learning = BatchMaker(dataset, values, settings.graph, self.memory, displacer)
        steps = -(-len(self.prepared.training) // settings.batch_size)
        self.steps_of_epoch = max(steps, 1)
        self._timing: dict[str, float] = {}
        self._sitting = self._saved = time.perf_counter()

    def go(self) -> TrainingResult:
        """Run the epochs that are left, and conclude."""
        log = TrainingLog(self.folder, self.prepared, self.settings, self.quiet)
        with Interruption() as interruption, log.open(self.progress, self.processes.is_first):
            while not self.progress.finished:
                self._epoch(log, interruption)
                self._close_epoch(log)
                self._save()
            if self.processes.any(interruption.requested):
                interruption.stop(self.folder)
        self.network.load_state_dict(self.best)
        return conclude(
            self.model,
            self.prepared,
            self.dataset,
            self.progress,
            self.settings,
            self.folder,
            self.processes,
            self.memory,
        )

    # One epoch.

    def _epoch(self, log: TrainingLog, interruption: Interruption) -> None:
        self.network.train()
        begun = time.perf_counter()
        self.learning.seconds = self.learning.waited = 0.0
        for batch in self.learning.ahead(self._groups()[self.progress.batch :]):
            self._step(batch)
            self.progress.batch += 1
            log.step(self.progress, self.steps_of_epoch)
            if self.processes.any(interruption.requested):
                self._save()
                interruption.stop(self.folder)
            elif self._checkpoint_is_due():
                self._save()
        self._timing = {
            "seconds": time.perf_counter() - begun,
            "graph_seconds": self.learning.seconds,
            "waited_seconds": self.learning.waited,
        }

    def _groups(self) -> list[NDArray[np.int64]]:
        """Crystals of each step of this epoch that this process takes."""
        generator = np.random.default_rng([self.settings.seed, 4, self.progress.epoch])
        order = generator.permutation(self.prepared.training)
        batches = np.array_split(order, self.steps_of_epoch)
        return [np.asarray(self.processes.share(batch)) for batch in batches]

    def _step(self, batch: Batch) -> None:
        progress = self.progress
        rate = one_cycle_rate(
            progress.step,
            self.settings.epochs * self.steps_of_epoch,
            self.settings.learning_rate,
            self.settings.warmup_share,
        )
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        # What dropout leaves out depends on the step alone, so that a run that goes on repeats it.
        torch.manual_seed(self.settings.seed + _STRIDE * (progress.step + 1))
        self.optimiser.zero_grad(set_to_none=True)
        batch = batch.to(self.device)
        value, scale, count = self._losses(batch)
        totals = self.processes.add(_totals(value, count))
        if not torch.isfinite(totals[0]):
            raise TrainingError(
                f"the loss is no longer finite (epoch {progress.epoch + 1}, step {progress.step}); "
                "lower --learning-rate, and start again"
            )
        ((value + scale) / max(float(totals[1]), 1.0)).backward()
        self._exercise(batch)
        self.processes.add_gradients(self.learnt)
        torch.nn.utils.clip_grad_norm_(self.learnt.parameters(), self.settings.gradient_clip)
        self.optimiser.step()
        self.processes.average_statistics(self.network)
        self.average.update(self.network, progress.step)
        progress.step += 1
        progress.loss_sum += float(totals[0])
        progress.loss_count += float(totals[1])

    def _losses(self, batch: Batch) -> tuple[Tensor, Tensor, int]:
        goals = self.model.scale.standardise(batch.values, batch.graph)
        with self._precision():
            outputs, log_scales, _ = self.network(batch.graph)
        outputs, log_scales = outputs.float(), log_scales.float()
        value, count = value_loss(outputs, goals, self.settings.loss)
        return value, scale_loss(outputs, log_scales, goals), count

    def _exercise(self, batch: Batch) -> None:
        """Add the gradients of the auxiliary objectives."""
        with self._precision():
            errors = list(self.auxiliary.errors(self.network, batch))
        for error, count in errors:
            total = float(self.processes.add(torch.tensor(float(count))))
            if count:
                (error / total).backward()

    def _precision(self) -> torch.autocast:
        low = self.settings.precision == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=low)

    # Between epochs.

    def _close_epoch(self, log: TrainingLog) -> None:
        """Validate the averaged weights, and keep them if they are the best so far."""
        progress, settings = self.progress, self.settings
        evaluation = self._validate()
        score = evaluation.score(self.model.scale.spread.cpu().numpy())
        progress.epoch += 1
        if not np.isfinite(score):
            raise TrainingError(
                f"predictions are no longer finite (epoch {progress.epoch}); lower "
                "--learning-rate, and start again"
            )
        if score < progress.best_score:
            progress.best_score, progress.best_epoch = score, progress.epoch
            self.best = {name: value.clone() for name, value in self.average.state.items()}
        row: dict[str, Any] = {
            "epoch": progress.epoch,
            "loss": progress.loss_sum / max(progress.loss_count, 1.0),
            "score": score,
            "learning_rate": self.optimiser.param_groups[0]["lr"],
            **{f"val {name}": mae for name, mae in evaluation.mean_absolute_errors.items()},
            **self._timing,
        }
        progress.history.append(row)
        progress.batch, progress.loss_sum, progress.loss_count = 0, 0.0, 0.0
        lost = settings.patience and progress.epoch - progress.best_epoch >= settings.patience
        progress.finished = bool(lost) or progress.epoch >= settings.epochs
        log.epoch(row)

    def _validate(self) -> ModelEvaluation:
        trained = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.average.state)
        evaluation = evaluate_members(
            self.model,
            self.dataset,
            self.prepared.membership,
            "val",
            self.processes,
            memory=self.memory,
        )
        self.network.load_state_dict(trained)
        return evaluation

    # Stopping and going on.

    def _checkpoint_is_due(self) -> bool:
        minutes = (time.perf_counter() - self._saved) / 60.0
        # Minutes differ from process to process, and only the first one writes.
        return minutes >= self.settings.checkpoint_minutes

    def _identity(self) -> dict[str, Any]:
        return {
            "settings": self.settings.model_dump(mode="json"),
            "fingerprint": self.dataset.fingerprint,
            "initial_weights": self.initial_weights,
        }

    def _save(self) -> None:
        now = time.perf_counter()
        self.progress.seconds += now - self._sitting
        self._sitting = self._saved = now
        if not self.processes.is_first:
            return
        tensors = {
            "network": self.network.state_dict(),
            # Checkpoints know them by this name.
            "exercises": self.auxiliary.state_dict(),
            "average": self.average.state,
            "optimiser": optimiser_tensors(self.optimiser),
            "best": self.best,
        }
        write_checkpoint(self.folder, tensors, self.progress, self._identity())

    def restore(self) -> None:
        """Take up the state that the checkpoint holds.

        Raises
        ------
        TrainingError
            If it belongs to another run.
        """
        tensors, progress, identity = read_checkpoint(self.folder)
        require_same_training(identity, self._identity(), self.folder)
        self.progress = progress
        self.network.load_state_dict(tensors["network"])
        self.auxiliary.load_state_dict(tensors.get("exercises", {}))
        self.average.state = {
            name: value.to(self.device) for name, value in tensors["average"].items()
        }
        self.best = tensors.get("best", {})
        restore_optimiser(self.optimiser, tensors.get("optimiser", {}))


def _totals(value: Tensor, count: int) -> Tensor:
    return torch.tensor([float(value.detach()), float(count)], dtype=torch.float64)
