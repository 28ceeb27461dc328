"""What the training of a neural force field makes small, and errors as they are reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from madelung.forcefields.neural.energy import EnergyModel
from madelung.forcefields.neural.examples import Example, Spread
from madelung.forcefields.neural.fit_settings import TrainingCourse
from madelung.forcefields.neural.surroundings import AtomBatch

__all__ = ["ExampleErrors", "errors_of_examples", "training_loss"]

# Tukey's biweight rejects errors beyond this many robust standard deviations: A. E. Beaton and
# J. W. Tukey, Technometrics 16, 147 (1974).
_TUKEY = 4.6851
_MAD_TO_DEVIATION = 1.4826
_ATOMS_IN_BATCH = 1000


def training_loss(
    model: EnergyModel, examples: Sequence[Example], spread: Spread, course: TrainingCourse
) -> Tensor:
    """Return the sum of the examples' losses, equation 13 of docs/theory/neural-force-field.md.

    Parameters
    ----------
    model
        The network.
    examples
        A step's share of the data.
    spread
        What errors are measured by.
    course
        Weights of energies, forces and stresses.
    """
    batch = _batch(model, examples)
    weights = torch.tensor([example.energy_weight for example in examples])
    force_weights = torch.tensor([example.force_weight for example in examples])
    wanted = [
        (course.force_weight > 0.0 and example.forces is not None)
        or (course.stress_weight > 0.0 and example.virial is not None)
        for example in examples
    ]
    if not any(wanted):
        atoms = model(batch)
        energies = batch.sums(atoms.energies)
        loss = _energy_loss(energies, examples, spread, weights, course)
        return loss + _charge_loss(atoms.charges, batch, examples, course)
    heads = torch.tensor([example.head for example in examples])
    found = model.derivatives(batch, head=heads, trainable=True)
    loss = _energy_loss(found.energies, examples, spread, weights, course)
    loss = loss + _force_loss(found.forces, batch, examples, spread, force_weights, course)
    loss = loss + _charge_loss(found.charges, batch, examples, course)
    return loss + _virial_loss(found.virials, batch, examples, spread, force_weights, course)


def _batch(model: EnergyModel, examples: Sequence[Example]) -> AtomBatch:
    dtype = model.element_type
    members = [example.surroundings for example in examples]
    return AtomBatch.join(members, model.settings.cutoff, dtype)


def _energy_loss(
    energies: Tensor,
    examples: Sequence[Example],
    spread: Spread,
    weights: Tensor,
    course: TrainingCourse,
) -> Tensor:
    """Squared errors of energies per atom; Tukey's loss for pseudo-labels."""
    targets = torch.from_numpy(np.stack([example.energies for example in examples]))
    atoms = torch.tensor([example.atoms for example in examples])
    known = torch.isfinite(targets)
    errors = torch.where(known, energies - torch.nan_to_num(targets), 0.0)
    errors = errors / (atoms[:, None] * spread.energy)
    losses = errors.square()
    pseudo_labelled = torch.tensor([example.pseudo_labelled for example in examples])
    if pseudo_labelled.any():
        losses = torch.where(
            pseudo_labelled[:, None], _tukey_loss(errors, known & pseudo_labelled[:, None]), losses
        )
    shares = known.sum(1).clamp(min=1)
    return course.energy_weight * (losses.sum(1) / shares * weights).sum()


def _tukey_loss(errors: Tensor, known: Tensor) -> Tensor:
    """Tukey's biweight, scaled to agree with the square of small errors."""
    absolute = errors.detach()[known].abs()
    deviation = _MAD_TO_DEVIATION * absolute.median() if len(absolute) else errors.new_ones(())
    limit = _TUKEY * deviation.clamp(min=1e-6)
    part = (errors / limit).square().clamp(max=1.0)
    return limit.square() / 3.0 * (1.0 - (1.0 - part) ** 3)


def _force_loss(
    forces: Tensor,
    batch: AtomBatch,
    examples: Sequence[Example],
    spread: Spread,
    weights: Tensor,
    course: TrainingCourse,
) -> Tensor:
    """Squared errors of the components of forces; all atoms count alike."""
    targets = torch.from_numpy(
        np.concatenate(
            [
                np.full((example.atoms, 3), np.nan) if example.forces is None else example.forces
                for example in examples
            ]
        )
    )
    known = torch.isfinite(targets)
    errors = torch.where(known, forces - torch.nan_to_num(targets), 0.0) / spread.force
    sums = batch.sums(errors.square().mean(1)) / spread.atoms
    return course.force_weight * (sums * weights).sum()


def _virial_loss(
    virials: Tensor,
    batch: AtomBatch,
    examples: Sequence[Example],
    spread: Spread,
    weights: Tensor,
    course: TrainingCourse,
) -> Tensor:
    """Mean squared errors of the components of each example's virial per atom."""
    unknown = np.full((3, 3), np.nan)
    targets = torch.from_numpy(
        np.stack([unknown if example.virial is None else example.virial for example in examples])
    )
    known = torch.isfinite(targets)
    errors = torch.where(known, virials - torch.nan_to_num(targets), 0.0)
    errors = errors / (batch.counts[:, None, None] * spread.virial)
    return course.stress_weight * (errors.square().mean((1, 2)) * weights).sum()


def _charge_loss(
    charges: Tensor | None, batch: AtomBatch, examples: Sequence[Example], course: TrainingCourse
) -> Tensor:
    """Mean squared errors of the charges of each example that carries some."""
    carried = [example.surroundings.crystal.charges for example in examples]
    if charges is None or course.charge_weight == 0.0 or all(own is None for own in carried):
        return torch.zeros((), dtype=torch.float64)
    targets = torch.from_numpy(
        np.concatenate(
            [
                np.full(example.atoms, np.nan) if own is None else np.asarray(own, dtype=np.float64)
                for example, own in zip(examples, carried, strict=True)
            ]
        )
    )
    known = torch.isfinite(targets)
    errors = torch.where(known, charges - torch.nan_to_num(targets), 0.0)
    return course.charge_weight * (batch.sums(errors.square()) / batch.counts).sum()


@dataclass(frozen=True)
class ExampleErrors:
    """Root mean square errors.

    Parameters
    ----------
    energy
        Of energies in eV/atom; NaN where none is known.
    force
        Of components of forces in eV/Å; NaN where none is known.
    """

    energy: float
    force: float

    def score(self, spread: Spread, course: TrainingCourse) -> float:
        """Return what weights are chosen by: the loss of energies and forces."""
        parts = (
            (course.energy_weight, self.energy / spread.energy),
            (course.force_weight, self.force / spread.force),
        )
        return sum(weight * error**2 for weight, error in parts if not np.isnan(error))


def errors_of_examples(model: EnergyModel, examples: Sequence[Example]) -> ExampleErrors:
    """Return the errors of a model for the first head."""
    energies: list[NDArray[np.float64]] = []
    forces: list[NDArray[np.float64]] = []
    for group in _groups(examples):
        found = model.derivatives(_batch(model, group))
        atoms = np.array([example.atoms for example in group])
        targets = np.array([example.energies[0] for example in group])
        energies.append((found.energies[:, 0].detach().numpy() - targets) / atoms)
        known = np.concatenate(
            [
                np.full((example.atoms, 3), np.nan) if example.forces is None else example.forces
                for example in group
            ]
        )
        forces.append((found.forces.detach().numpy() - known).ravel())
    return ExampleErrors(_root_mean_square(energies), _root_mean_square(forces))


def _groups(examples: Sequence[Example]) -> Iterator[list[Example]]:
    group: list[Example] = []
    for example in examples:
        if group and sum(member.atoms for member in group) + example.atoms > _ATOMS_IN_BATCH:
            yield group
            group = []
        group.append(example)
    if group:
        yield group


def _root_mean_square(parts: Sequence[NDArray[np.float64]]) -> float:
    values = np.concatenate(parts) if parts else np.zeros(0)
    values = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(values**2))) if len(values) else float("nan")
