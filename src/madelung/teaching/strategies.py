"""Ways of teaching a network with empirical potentials.

``baseline`` learns from the reference alone. ``weak`` and ``transfer`` are the two strategies of
Z. Shui et al., "Injecting knowledge of empirical potentials", NeurIPS 2022, and ``both`` is both.
``ours`` starts as ``transfer`` does; its pseudo-labels are the energies of a soft mixture of all
teachers and the forces of a UF3 fitted to the same labelled configurations, each with the weight
that its calibrated error gives it. See docs/teaching.md.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from madelung.common.errors import ForceFieldError
from madelung.common.settings_files import read_settings_file, validated_settings
from madelung.forcefields.neural.energy import EnergyModel
from madelung.forcefields.neural.examples import Example, set_scales, spread_of
from madelung.forcefields.neural.fit_settings import TrainingCourse
from madelung.forcefields.neural.potential import NeuralForceField
from madelung.forcefields.neural.settings import REFERENCE, NeuralSettings
from madelung.forcefields.neural.surroundings import Surroundings
from madelung.forcefields.neural.training import NeuralTraining, OnEpoch
from madelung.forcefields.reference.reference_data import ElementSource, elements_of
from madelung.teaching.choice import choose_teachers
from madelung.teaching.pseudo_labels import chosen_pseudo_labels, mixed_pseudo_labels
from madelung.teaching.task import TeachingTask

__all__ = ["METHODS", "Lesson", "Method", "TeachingSettings", "read_teaching_settings"]

Method = Literal["baseline", "weak", "transfer", "both", "ours"]
METHODS: tuple[Method, ...] = ("baseline", "weak", "transfer", "both", "ours")


class TeachingSettings(BaseModel):
    """How a network is taught."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: NeuralSettings = Field(description="Elements, reach and size.")
    course: TrainingCourse = Field(
        default_factory=lambda: TrainingCourse(validations=5, pseudo_labels_in_step=6),
        description="Training on the reference; its epochs follow from the steps.",
    )
    steps: int = Field(1500, ge=1, description="Steps of the training on the reference.")
    least_epochs: int = Field(
        12, ge=1, description="Passes over the labelled configurations, if that are more steps."
    )
    pretraining: TrainingCourse = Field(
        default_factory=lambda: TrainingCourse(epochs=8, batch_size=8, force_weight=0.0),
        description="Training on the teachers' energies.",
    )
    fine_rate: float = Field(
        3e-3, gt=0.0, description="Highest learning rate of a network that was pretrained."
    )
    weak_weight: float = Field(
        0.3, ge=0.0, description="Weight of the chosen teachers' energies (strategy 1)."
    )
    mixture_weight: float = Field(
        3.0, ge=0.0, description="Weight of the pseudo-labels of mixture and UF3."
    )
    threshold: float = Field(
        0.1, gt=0.0, description="Error (eV/atom) beyond which no teacher is believed."
    )
    seed: int = Field(0, ge=0, description="Seed of weights and order.")


def read_teaching_settings(
    path: str | os.PathLike[str] | None, changes: dict[str, Any], data: ElementSource
) -> TeachingSettings:
    """Return settings: defaults, what a file says, and changes to that.

    Parameters
    ----------
    path
        YAML or JSON file; None for the defaults.
    changes
        Settings by name; those of ``network``, ``course`` and ``pretraining`` are dictionaries,
        each merged with what the file says of it.
    data
        What elements are taken from if none are named.

    Raises
    ------
    ForceFieldError
        If the file cannot be read, a setting is wrong, or a way of teaching is not known.
    """
    content = {} if path is None else read_settings_file(Path(path), ForceFieldError)
    groups: dict[str, dict[str, Any]] = {}
    for name in ("network", "course", "pretraining"):
        own = content.get(name) or {}
        if not isinstance(own, dict):
            raise ForceFieldError(f"{path}: '{name}' has to hold names and values, not '{own}'")
        if name == "network" or name in content or name in changes:
            groups[name] = {**own, **changes.get(name, {})}
    if "elements" not in groups["network"]:
        groups["network"]["elements"] = elements_of(data)
    content = {**content, **changes, **groups}
    return validated_settings(TeachingSettings, path, content, ForceFieldError)


@dataclass(eq=False)
class Lesson:
    """A task, prepared to be learnt in several ways.

    Parameters
    ----------
    task
        Who may see what.
    settings
        How a network is taught.
    pretrained
        What :meth:`pretrain` returned for the same division and seed, where it is at hand: it
        knows nothing of the reference, so that it serves all label fractions.
    report
        Called after each step.
    """

    task: TeachingTask
    settings: TeachingSettings
    pretrained: EnergyModel | None = None
    report: OnEpoch | None = None

    def __post_init__(self) -> None:
        """Make the examples of all configurations."""
        heads = (REFERENCE, *self.task.labels.teachers)
        self.network = self.settings.network.model_copy(update={"heads": heads})
        self.surroundings = [
            Surroundings.of(item.crystal, self.network.species, self.network.cutoff)
            for item in self.task.configurations
        ]

    def teach(self, method: Method) -> EnergyModel:
        """Return a network that was taught in one of the ways.

        Raises
        ------
        ForceFieldError
            If there is no such way, or there are too few labelled configurations for it.
        """
        if method not in METHODS:
            raise ForceFieldError(f"no way of teaching: {method}; there are {', '.join(METHODS)}")
        fine = self.needs_pretraining(method)
        if fine:
            if self.pretrained is None:
                self.pretrained = self.pretrain()
            model = self._started_from(self.pretrained)
        else:
            model = self._fresh()
        pseudo_labelled: Sequence[Example] = ()
        weight = 0.0
        if method in ("weak", "both"):
            pseudo_labelled = chosen_pseudo_labels(
                self.task, self.surroundings, self.network, self.settings.threshold,
                self.settings.seed,
            )  # fmt: skip
            weight = self.settings.weak_weight
        elif method == "ours":
            pseudo_labelled = mixed_pseudo_labels(
                self.task, self.surroundings, self.network, self.settings.seed
            )
            weight = self.settings.mixture_weight
        return self._trained(model, pseudo_labelled, weight, fine=fine)

    @staticmethod
    def needs_pretraining(method: Method) -> bool:
        """Whether a way begins with a network that knows all teachers."""
        return method in ("transfer", "both", "ours")

    def pretrain(self) -> EnergyModel:
        """Return a network with a head for each teacher, which has seen no reference."""
        task, settings = self.task, self.settings
        indices = np.concatenate([task.unlabelled, task.labelled])
        examples = [
            self._example(index, [np.nan, *task.labels.energies[index]]) for index in indices
        ]
        examples = [item for item in examples if np.isfinite(item.energies).any()]
        torch.manual_seed(settings.seed)
        model = EnergyModel(self.network)
        spread = set_scales(model, examples)
        course = settings.pretraining.model_copy(update={"seed": settings.seed})
        return NeuralTraining(model, examples, (), spread, course, report=self.report).run()

    def force_field(self, model: EnergyModel) -> NeuralForceField:
        """Return a network as a force field in single precision, which is enough for errors."""
        return NeuralForceField([model], dtype=torch.float32)

    def _example(self, index: int, energies: Sequence[float]) -> Example:
        name = self.task.configurations[index].id
        return Example(name, self.surroundings[index], np.array(energies, dtype=np.float64))

    def _references(self, indices: Sequence[int]) -> list[Example]:
        """Examples with what the reference method says."""
        examples = []
        teachers = len(self.task.labels.teachers)
        for index in indices:
            item = self.task.configurations[index]
            energy = np.nan if item.energy is None else item.energy
            example = self._example(index, [energy, *[np.nan] * teachers])
            virial = None if item.stress is None else item.stress * item.crystal.volume
            examples.append(replace(example, forces=item.forces, virial=virial))
        return examples

    def _fresh(self) -> EnergyModel:
        torch.manual_seed(self.settings.seed)
        model = EnergyModel(self.network)
        set_scales(model, self._references(self.task.labelled.tolist()))
        return model

    def _started_from(self, pretrained: EnergyModel) -> EnergyModel:
        """A copy whose reference head begins as that of the teacher nearest to the reference."""
        task = self.task
        model = EnergyModel(self.network)
        model.load_state_dict(pretrained.state_dict())
        choice = choose_teachers(task.labels, task.reference_energies)
        errors = [choice.teacher_errors(number).rms for number in range(len(choice.teachers))]
        best = int(np.nanargmin(errors))
        order = [task.labels.elements.index(kind) for kind in self.network.species]
        with torch.no_grad():
            for output in model.outputs:
                assert isinstance(output, nn.Linear)
                output.weight[0] = output.weight[best + 1]
                output.bias[0] = output.bias[best + 1]
            shifts = torch.from_numpy(choice.shifts[best][order])
            model.reference[:, 0] = model.reference[:, best + 1] + shifts
            model.scale[0] = model.scale[best + 1]
        return model

    def _trained(
        self, model: EnergyModel, pseudo_labelled: Sequence[Example], weight: float, *, fine: bool
    ) -> EnergyModel:
        settings, task = self.settings, self.task
        training = self._references(task.labelled.tolist())
        validation = self._references(task.validation.tolist())
        steps = -(-len(training) // settings.course.batch_size)
        changes = {
            "epochs": max(settings.steps // steps, settings.least_epochs),
            "pseudo_label_weight": weight,
            "seed": settings.seed,
        }
        if fine:
            changes["learning_rate"] = settings.fine_rate
        course = settings.course.model_copy(update=changes)
        spread = spread_of(training, model)
        run = NeuralTraining(
            model,
            training,
            validation,
            spread,
            course,
            report=self.report,
            pseudo_labelled=pseudo_labelled,
        )
        return run.run()
