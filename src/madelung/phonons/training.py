"""Training of a network of force constants, exactly resumable."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from madelung.common.errors import TrainingError
from madelung.common.interruption import Interruption
from madelung.common.resuming import default_settings, require_same_job
from madelung.learning.checkpoints import Progress
from madelung.learning.loop import TrainingLoop
from madelung.learning.objective import parameter_groups
from madelung.learning.processes import Processes
from madelung.learning.soap import Soap
from madelung.models.harmonic import (
    HarmonicNetwork,
    electric_response,
)
from madelung.models.harmonic_settings import HarmonicSettings
from madelung.models.normalisation import fix_statistics
from madelung.phonons.course import PhononCourse
from madelung.phonons.examples import PhononExample, joined_graph
from madelung.phonons.objective import (
    PhononErrors,
    network_matrices,
    phonon_errors,
    phonon_loss,
)

__all__ = ["PhononTraining", "errors_of_examples", "mean_errors"]

_TOGETHER = 16


class PhononTraining:
    """A course of training of one network.

    Parameters
    ----------
    network
        It is changed in place.
    training, validation
        What it learns from, and what its weights are chosen by.
    course
        How it is trained.
    folder
        Where checkpoints are written; none if None.
    report
        Called after each step with where the course is, and its number of steps.
    """

    def __init__(
        self,
        network: HarmonicNetwork,
        training: Sequence[PhononExample],
        validation: Sequence[PhononExample],
        course: PhononCourse,
        folder: Path | None = None,
        report: Callable[[Progress, int], None] | None = None,
    ) -> None:
        if not training or not validation:
            raise TrainingError("phonons need crystals to learn from, and others to validate with")
        self.network, self.course, self.report = network, course, report
        self.training, self.validation = training, validation
        self._initial_weights = _checksum(network)
        self.interval = max(course.epochs // course.validations, 1)
        groups = parameter_groups(network, course.weight_decay)
        self.loop = TrainingLoop(
            network,
            Soap(groups, lr=course.learning_rate),
            course,
            np.arange(len(training)),
            Processes("cpu"),
            folder,
            self._identity,
        )

    def run(self, *, resume: bool = False) -> HarmonicNetwork:
        """Train to the end, and return the network with the best weights by validation.

        Raises
        ------
        TrainingError
            If the loss is no longer finite, or the checkpoint is missing or of another course.
        JobInterrupted
            If it was interrupted; a checkpoint has been written.
        """
        if resume:
            self.loop.restore(_require_same_course)
        with Interruption() as interruption:
            while not self.loop.progress.finished:
                self._epoch(interruption)
                self._close_epoch()
        self.network.load_state_dict(self.loop.best or self.loop.average.state)
        return self.network.eval()

    def _epoch(self, interruption: Interruption) -> None:
        self.network.train()
        if self.loop.progress.epoch >= self.course.statistics_share * self.course.epochs:
            fix_statistics(self.network)
        for group in self.loop.groups_left():
            self.loop.begin_step()
            members = [self.training[index] for index in group]
            loss = phonon_loss(self.network, members, self.course.electric_weight)
            value = float(loss.detach())
            self.loop.require_finite(value)
            (loss / len(members)).backward()
            self.loop.descend()
            self.loop.end_step(value, len(members))
            if self.report is not None:
                self.report(self.loop.progress, self.loop.steps)
            self.loop.keep_if_due(interruption)

    def _close_epoch(self) -> None:
        progress = self.loop.progress
        progress.epoch += 1
        last = progress.epoch == self.course.epochs
        if last or progress.epoch % self.interval == 0:
            with self.loop.averaged():
                means = mean_errors(errors_of_examples(self.network, self.validation))
            self.loop.consider(means["frequency"])
            self.loop.note(means["frequency"], {**means, "seconds": self.loop.seconds})
        self.loop.begin_epoch(finished=last)
        self.loop.save()

    def _identity(self) -> dict[str, Any]:
        digest = hashlib.sha256()
        for example in (*self.training, *self.validation):
            digest.update(example.name.encode() + example.squares.numpy().tobytes())
        return {
            "settings": {
                **self.course.model_dump(mode="json"),
                "network": self.network.settings.model_dump(mode="json"),
            },
            "fingerprint": digest.hexdigest(),
            "initial_weights": self._initial_weights,
        }


def _checksum(network: HarmonicNetwork) -> str:
    """Checksum of the weights that a course begins with."""
    digest = hashlib.sha256()
    for value in network.state_dict().values():
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _require_same_course(begun: Mapping[str, Any], wanted: Mapping[str, Any], folder: Path) -> None:
    """Refuse to go on with a course of other settings, of another network, or on other crystals."""
    course = {name: value for name, value in wanted["settings"].items() if name != "network"}
    defaults = {
        **default_settings(PhononCourse.model_validate(course)),
        "network": default_settings(HarmonicSettings.model_validate(wanted["settings"]["network"])),
    }
    require_same_job(
        begun, wanted, folder, TrainingError, defaults=defaults, free=("checkpoint_minutes",)
    )


@torch.no_grad()
def errors_of_examples(
    network: HarmonicNetwork, examples: Sequence[PhononExample]
) -> list[PhononErrors]:
    """Return the errors of a network for each of some crystals."""
    was_training = network.training
    network.eval()
    found = []
    for start in range(0, len(examples), _TOGETHER):
        members = examples[start : start + _TOGETHER]
        graph = joined_graph(members, network.settings)
        for strengths, example in zip(
            network(graph, [one.couplings for one in members]), members, strict=True
        ):
            squares = torch.linalg.eigvalsh(network_matrices(strengths, example))
            born = float("nan")
            if example.born is not None:
                own = electric_response(strengths, example.couplings).born
                traces = (own - example.born).diagonal(dim1=1, dim2=2).mean(1)
                born = float(traces.abs().mean())
            found.append(phonon_errors(squares.double().numpy(), example, born))
    network.train(was_training)
    return found


def mean_errors(errors: Sequence[PhononErrors]) -> dict[str, float]:
    """Average errors over crystals; stability as the share of right answers."""
    means = {}
    for field in fields(PhononErrors):
        if field.type == "float":
            values = np.array([getattr(one, field.name) for one in errors])
            known = values[np.isfinite(values)]
            means[field.name] = float(known.mean()) if len(known) else float("nan")
    means["frequency_median"] = float(np.median([one.frequency for one in errors]))
    means["stability"] = float(np.mean([one.is_stable == one.was_stable for one in errors]))
    return means
