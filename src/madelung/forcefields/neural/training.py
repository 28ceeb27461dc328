"""Training of a neural force field on energies, forces and stresses, exactly resumable."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from madelung.common.errors import TrainingError
from madelung.common.interruption import Interruption
from madelung.common.progress import watched
from madelung.forcefields.neural.charge_signs import settle_charge_signs
from madelung.forcefields.neural.energy import EnergyModel
from madelung.forcefields.neural.examples import Example, Spread
from madelung.forcefields.neural.fit_settings import TrainingCourse, require_same_course
from madelung.forcefields.neural.losses import ExampleErrors, errors_of_examples, training_loss
from madelung.learning.checkpoints import Progress
from madelung.learning.loop import TrainingLoop
from madelung.learning.objective import parameter_groups
from madelung.learning.processes import Processes
from madelung.learning.soap import Soap

__all__ = ["NeuralTraining", "OnEpoch", "reported"]

OnEpoch = Callable[[Progress, int], None]


@contextmanager
def reported(what: str, quiet: bool) -> Iterator[OnEpoch]:
    """Give a report that shows on a bar how far a course is, unless it shall be quiet."""
    with watched(what, show=not quiet) as advance:

        def report(progress: Progress, steps: int) -> None:
            advance(progress.step, steps)

        yield report


@dataclass(eq=False)
class NeuralTraining:
    """A course of training of one network.

    Parameters
    ----------
    model
        The network, its scales set; it is changed in place.
    training, validation
        What it learns from, and what its weights are chosen by; both with labels of the first
        head. Without validation examples the last weights are taken.
    spread
        What errors are measured by.
    course
        How it is trained.
    folder
        Where checkpoints are written; none if None.
    processes
        Those that train together.
    report
        Called after each step with where the course is, and its number of steps.
    pseudo_labelled
        Examples whose labels are not the reference method's; some of them join each step.
    """

    model: EnergyModel
    training: Sequence[Example]
    validation: Sequence[Example]
    spread: Spread
    course: TrainingCourse
    folder: Path | None = None
    processes: Processes | None = None
    report: OnEpoch | None = None
    pseudo_labelled: Sequence[Example] = ()

    def __post_init__(self) -> None:
        """Prepare the first step."""
        if not self.training:
            raise TrainingError("there is no configuration to learn from")
        self._together = Processes("cpu") if self.processes is None else self.processes
        self.interval = max(self.course.epochs // self.course.validations, 1)
        self.loop = TrainingLoop(
            self.model,
            Soap(
                parameter_groups(self.model, self.course.weight_decay),
                lr=self.course.learning_rate,
            ),
            self.course,
            np.arange(len(self.training)),
            self._together,
            self.folder,
            self._identity,
        )

    @property
    def progress(self) -> Progress:
        """Where the course is."""
        return self.loop.progress

    def run(self, *, resume: bool = False) -> EnergyModel:
        """Train to the end, and return the model with the best weights by validation.

        Parameters
        ----------
        resume
            Whether to go on from the checkpoint in the folder. The weights that come out are, bit
            for bit, those of a course that was never stopped.

        Raises
        ------
        TrainingError
            If the loss is no longer finite, or the checkpoint is missing or of another course.
        JobInterrupted
            If it was interrupted; a checkpoint has been written.
        """
        if resume:
            self.loop.restore(require_same_course)
        interruption = Interruption()
        # Without a folder nothing can be kept: a signal then ends the course as it ends a program.
        with nullcontext() if self.folder is None else interruption:
            while not self.progress.finished:
                self._epoch(interruption)
                self._close_epoch()
        self.model.load_state_dict(self.loop.best or self.loop.average.state)
        if self.course.charge_weight == 0.0:
            settle_charge_signs(self.model, self.training)
        return self.model

    # One epoch.

    def _epoch(self, interruption: Interruption) -> None:
        for group in self.loop.groups_left():
            self._step([self.training[index] for index in group])
            if self.report is not None:
                self.report(self.progress, self.loop.steps)
            self.loop.keep_if_due(interruption)

    def _step(self, examples: Sequence[Example]) -> None:
        course = self.course
        self.loop.begin_step()
        value = 0.0
        for members, weight in (
            (examples, 1.0),
            (self._drawn_pseudo_labels(), course.pseudo_label_weight),
        ):
            share = self._together.share(members)
            if share:
                loss = training_loss(self.model, share, self.spread, course)
                loss = loss * (weight / len(members))
                loss.backward()
                value += float(loss.detach())
        total = float(self._together.add(torch.tensor(value, dtype=torch.float64)))
        self.loop.require_finite(total)
        self.loop.descend()
        self.loop.end_step(total, 1.0)

    def _drawn_pseudo_labels(self) -> list[Example]:
        """Those of this step, which depend on nothing but its number."""
        if not self.pseudo_labelled or self.course.pseudo_label_weight == 0.0:
            return []
        generator = np.random.default_rng([self.course.seed, 5, self.progress.step])
        count = min(self.course.pseudo_labels_in_step, len(self.pseudo_labelled))
        chosen = generator.choice(len(self.pseudo_labelled), count, replace=False)
        return [self.pseudo_labelled[index] for index in chosen]

    def _close_epoch(self) -> None:
        progress = self.progress
        progress.epoch += 1
        last = progress.epoch == self.course.epochs
        if self.validation and (last or progress.epoch % self.interval == 0):
            self._validate()
        self.loop.begin_epoch(finished=last)
        if self.folder is not None and (last or progress.epoch % self.interval == 0):
            self.loop.save()

    def _validate(self) -> None:
        """Try the averaged weights, and keep them if they are the best so far."""
        errors = self.errors(self.validation)
        score = errors.score(self.spread, self.course)
        self.loop.consider(score)
        columns = {
            "val energy": errors.energy,
            "val force": errors.force,
            "seconds": self.loop.seconds,
        }
        self.loop.note(score, columns)

    def errors(self, examples: Sequence[Example]) -> ExampleErrors:
        """Return the errors of the averaged weights."""
        with self.loop.averaged():
            return errors_of_examples(self.model, examples)

    def _identity(self) -> dict[str, Any]:
        return {
            "settings": {
                **self.course.model_dump(mode="json"),
                "network": self.model.settings.model_dump(mode="json"),
            },
            "fingerprint": _fingerprint([*self.training, *self.validation, *self.pseudo_labelled]),
            "initial_weights": "",
        }


def _fingerprint(examples: Sequence[Example]) -> str:
    """Checksum of what is learnt from."""
    digest = hashlib.sha256()
    for example in examples:
        parts = [example.energies, example.surroundings.vectors, example.surroundings.kinds]
        parts += [part for part in (example.forces, example.virial) if part is not None]
        weights = [
            example.energy_weight,
            example.force_weight,
            example.head,
            example.pseudo_labelled,
        ]
        parts.append(np.array(weights, dtype=np.float64))
        for part in parts:
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
