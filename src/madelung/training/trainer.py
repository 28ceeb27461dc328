"""Training of a model on a data set, exactly resumable at any step."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from madelung.common.errors import TrainingError
from madelung.common.interruption import Interruption
from madelung.common.locks import locked_folder
from madelung.common.machine import bounded_threads, torch_threads
from madelung.data.store import CrystalStore
from madelung.inputs.settings import PairSettings
from madelung.learning.checkpoints import CHECKPOINT_FILE
from madelung.learning.loop import TrainingLoop
from madelung.learning.objective import parameter_groups, scale_loss, value_loss
from madelung.learning.processes import Processes
from madelung.models.model import CrystalModel
from madelung.models.settings import readout_of
from madelung.models.training_crystals import TrainingCrystals
from madelung.training.auxiliary_objectives import AuxiliaryObjectives
from madelung.training.batches import Batch, BatchMaker, InputMemory
from madelung.training.denoising import Displacer
from madelung.training.evaluation import ModelEvaluation, evaluate_members
from madelung.training.initial import adopt_settings, load_initial, note_initial, start_from
from madelung.training.logs import SETTINGS_FILE, TrainingLog
from madelung.training.preparation import crystals_used, prepare, trained_geometry
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

    def _has_only_begun(self) -> bool:
        """Whether a run in the folder was stopped before its first checkpoint."""
        return (self.folder / SETTINGS_FILE).is_file() and not (
            self.folder / CHECKPOINT_FILE
        ).exists()

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
        with torch_threads(bounded_threads(self.settings.threads)):
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
            with locked_folder(self.folder):
                if self._resume and not self._has_only_begun():
                    run.loop.restore(require_same_training)
                result = run.go()
            # Not after an error: the other processes might never come to meet this one.
            processes.close()
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
        self.prepared = prepare(dataset, settings, memory, show=not quiet)
        self.prepared.card.geometry = trained_geometry(dataset, self.prepared)
        torch.manual_seed(settings.seed)
        self.model = CrystalModel.from_card(self.prepared.card)
        self.initial = initial
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
        learnt = nn.ModuleList([self.network, self.auxiliary])
        self.loop = TrainingLoop(
            self.network,
            torch.optim.AdamW(
                parameter_groups(learnt, settings.weight_decay),
                lr=settings.learning_rate,
                fused=True,
            ),
            settings,
            self.prepared.training,
            processes,
            folder,
            self._identity,
            # Checkpoints know them by this name.
            others={"exercises": self.auxiliary},
        )
        values = self.prepared.membership.values_of("train")
        self.memory = memory
        displacer = None
        if settings.denoising and isinstance(settings.graph, PairSettings):
            displacer = Displacer(dataset, settings.graph, settings.seed)
        self.learning = BatchMaker(dataset, values, settings.graph, self.memory, displacer)
        self._timing: dict[str, float] = {}

    def go(self) -> TrainingResult:
        """Run the epochs that are left, and conclude."""
        log = TrainingLog(self.folder, self.prepared, self.settings, self.quiet)
        with Interruption() as interruption, log.open(self.loop.progress, self.processes.is_first):
            while not self.loop.progress.finished:
                self._epoch(log, interruption)
                self._close_epoch(log)
                self.loop.save()
            if self.processes.any(interruption.requested):
                interruption.stop(self.folder)
        self.network.load_state_dict(self.loop.best)
        if self.processes.is_first:
            self.model.training_crystals = self._crystals_used()
        return conclude(
            self.model,
            self.prepared,
            self.dataset,
            self.loop.progress,
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
        groups = [np.asarray(self.processes.share(group)) for group in self.loop.groups_left()]
        for batch in self.learning.ahead(groups):
            self._step(batch)
            log.step(self.loop.progress, self.loop.steps_of_epoch)
            self.loop.keep_if_due(interruption)
        self._timing = {
            "seconds": time.perf_counter() - begun,
            "graph_seconds": self.learning.seconds,
            "waited_seconds": self.learning.waited,
        }

    def _step(self, batch: Batch) -> None:
        loop = self.loop
        # What dropout leaves out depends on the step alone, so that a run that goes on repeats it.
        torch.manual_seed(self.settings.seed + _STRIDE * (loop.progress.step + 1))
        loop.begin_step()
        batch = batch.to(self.device)
        value, scale, count = self._losses(batch)
        total, values = (float(item) for item in self.processes.add(_totals(value, count)))
        loop.require_finite(total)
        ((value + scale) / max(values, 1.0)).backward()
        self._exercise(batch)
        loop.descend()
        self.processes.average_statistics(self.network)
        loop.end_step(total, values)

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
        progress, settings = self.loop.progress, self.settings
        with self.loop.averaged():
            evaluation = self._validate()
        score = evaluation.score(self.model.scale.spread.cpu().numpy())
        progress.epoch += 1
        self.loop.consider(score)
        columns = {
            "learning_rate": self.loop.optimiser.param_groups[0]["lr"],
            **{f"val {name}": mae for name, mae in evaluation.mean_absolute_errors.items()},
            **self._timing,
        }
        row = self.loop.note(score, columns)
        lost = settings.patience and progress.epoch - progress.best_epoch >= settings.patience
        self.loop.begin_epoch(finished=bool(lost) or progress.epoch >= settings.epochs)
        log.epoch(row)

    def _validate(self) -> ModelEvaluation:
        return evaluate_members(
            self.model,
            self.dataset,
            self.prepared.membership,
            "val",
            self.processes,
            memory=self.memory,
        )

    def _crystals_used(self) -> TrainingCrystals:
        own = crystals_used(self.dataset, [self.prepared.membership])
        return own if self.initial is None else own.merged(self.initial.training_crystals)

    def _identity(self) -> dict[str, Any]:
        return {
            "settings": self.settings.model_dump(mode="json"),
            "fingerprint": self.dataset.fingerprint,
            "initial_weights": self.initial_weights,
        }


def _totals(value: Tensor, count: int) -> Tensor:
    return torch.tensor([float(value.detach()), float(count)], dtype=torch.float64)
