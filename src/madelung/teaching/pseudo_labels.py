"""Pseudo-labels: of the teacher that a classifier chooses, or of all teachers mixed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.forcefields.neural.examples import Example
from madelung.forcefields.neural.settings import NeuralSettings
from madelung.forcefields.neural.surroundings import Surroundings
from madelung.forcefields.uf3.fit import fit_uf3
from madelung.forcefields.uf3.settings import UF3Settings
from madelung.teaching.choice import choose_teachers
from madelung.teaching.classifier import train_classifier
from madelung.teaching.descriptors import describe
from madelung.teaching.mixture import fit_mixture
from madelung.teaching.shifts import shifted_energies
from madelung.teaching.task import TeachingTask

__all__ = ["chosen_pseudo_labels", "mixed_pseudo_labels"]

Array = NDArray[np.float64]

_ENERGY_ACCURACY, _FORCE_ACCURACY = 0.005, 0.1
"""Errors in eV/atom and eV/Å at which a pseudo-label counts half of what a reference does."""
_MOST_PSEUDO_LABELS = 3000


def chosen_pseudo_labels(
    task: TeachingTask,
    surroundings: Sequence[Surroundings],
    network: NeuralSettings,
    threshold: float,
    seed: int,
) -> list[Example]:
    """Label the unlabelled with the teachers that a classifier chooses (strategy 1).

    Parameters
    ----------
    task
        Who may see what.
    surroundings
        Of all configurations.
    network
        Size of the classifier, and the heads of the network that is taught.
    threshold
        Error in eV/atom beyond which the best teacher of a labelled configuration is none.
    seed
        Of the classifier.
    """
    labels = task.labels
    choice = choose_teachers(labels, task.reference_energies, threshold=threshold)
    classifier = train_classifier(
        [surroundings[index] for index in task.labelled],
        choice.classes[task.labelled],
        len(labels.teachers) + 1,
        network,
        seed=seed,
    )
    found = classifier.classify([surroundings[index] for index in task.unlabelled])
    energies = shifted_energies(labels, choice.shifts) * labels.counts[:, None]
    examples = []
    for index, teacher in zip(task.unlabelled.tolist(), found.tolist(), strict=True):
        if teacher < len(labels.teachers) and np.isfinite(energies[index, teacher]):
            examples.append(_example(surroundings[index], energies[index, teacher], network))
    return examples


def _example(structure: Surroundings, energy: float, network: NeuralSettings) -> Example:
    energies = np.full(len(network.heads), np.nan)
    energies[0] = energy
    return Example("", structure, energies, pseudo_labelled=True)


def mixed_pseudo_labels(
    task: TeachingTask, surroundings: Sequence[Surroundings], network: NeuralSettings, seed: int
) -> list[Example]:
    """Label the unlabelled with a soft mixture's energies and a UF3's forces.

    Parameters
    ----------
    task
        Who may see what; the labelled configurations alone fix mixture and UF3.
    surroundings
        Of all configurations.
    network
        The heads of the network that is taught.
    seed
        Of the choice of configurations with forces.

    Notes
    -----
    Energies of mixture and UF3 are averaged by their standard errors. An energy with standard
    error s counts a²/(a² + s²) of what a reference does, with a = 5 meV/atom; forces likewise,
    with a = 0.1 eV/Å. The errors of the UF3 are those of halves of the labelled configurations
    that were predicted from the other half.
    """
    labels = task.labels
    crystals = [item.crystal for item in task.configurations]
    mixture = fit_mixture(
        labels,
        task.reference_energies,
        task.labelled,
        descriptors=describe(crystals, labels.elements),
    )
    settings = UF3Settings(elements=tuple(ELEMENT_SYMBOLS[item] for item in labels.elements))
    potential = fit_uf3(task.of(task.labelled), settings, by_group=False).potential
    energy_error, force_error = _left_out_errors(task, settings)
    force_weight = _reliance(force_error, _FORCE_ACCURACY)
    generator = np.random.default_rng([seed, 17])
    count = min(_MOST_PSEUDO_LABELS, len(task.unlabelled))
    examples = []
    for index in generator.choice(task.unlabelled, count, replace=False).tolist():
        atoms, found = int(labels.counts[index]), potential.evaluate(crystals[index])
        means = np.array([mixture.energies_per_atom[index], found.energy / atoms])
        errors = np.array([mixture.standard_errors_per_atom[index], energy_error])
        energy, error = _averaged(means, errors)
        energies = np.full(len(network.heads), np.nan)
        energies[0] = energy * atoms
        examples.append(
            Example(
                "",
                surroundings[index],
                energies,
                found.forces,
                energy_weight=_reliance(error, _ENERGY_ACCURACY),
                force_weight=force_weight,
            )
        )
    return examples


def _reliance(error: float, accuracy: float) -> float:
    """What a pseudo-label counts beside a reference."""
    return accuracy**2 / (accuracy**2 + error**2)


def _averaged(means: Array, errors: Array) -> tuple[float, float]:
    """Mean and standard error of independent values; those that are not known are left out."""
    known = np.isfinite(means) & np.isfinite(errors)
    precisions = errors[known] ** -2
    total = float(precisions.sum())
    return float(means[known] @ precisions) / total, total**-0.5


def _left_out_errors(task: TeachingTask, settings: UF3Settings) -> tuple[float, float]:
    """Root mean square errors in eV/atom and eV/Å on halves, each predicted from the other."""
    halves = (task.of(task.labelled[::2]), task.of(task.labelled[1::2]))
    energies, forces = [], []
    for learning, held in (halves, halves[::-1]):
        potential = fit_uf3(learning, settings, by_group=False).potential
        for item in held:
            found = potential.evaluate(item.crystal)
            assert item.energy is not None
            energies.append((found.energy - item.energy) / len(item.crystal))
            if item.forces is not None:
                forces.append((found.forces - item.forces).ravel())
    force = float(np.sqrt(np.mean(np.concatenate(forces) ** 2))) if forces else np.inf
    return float(np.sqrt(np.mean(np.square(energies)))), force
