"""What a neural force field learns from, and how its scales are set from that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError
from madelung.forcefields.neural.energy import EnergyModel
from madelung.forcefields.neural.settings import NeuralSettings
from madelung.forcefields.neural.surroundings import AtomBatch, Surroundings
from madelung.forcefields.reference.configurations import Configuration

__all__ = [
    "Example",
    "Spread",
    "examples_of",
    "first_batch",
    "set_scales",
    "spread_of",
    "with_lone_atoms_weighed",
]

Array = NDArray[np.float64]

_LEAST_SPREAD = 1e-6
_MOST_ATOMS = 2000


@dataclass(frozen=True, eq=False)
class Example:
    """A structure of n atoms with what is known of its energies.

    Parameters
    ----------
    id
        What to call it.
    surroundings
        The structure.
    energies
        (heads,) in eV, NaN where not known.
    forces
        (n, 3) in eV/Å, of the head; None if not known.
    virial
        (3, 3) volume times stress in eV, of the head; None if not known.
    head
        Which energy the forces belong to.
    energy_weight, force_weight
        What errors of its energies, and of its forces and virial, count: 1 for labels of the
        reference method.
    pseudo_labelled
        Whether its energies are pseudo-labels, some of which may be far off: their loss is
        Tukey's.
    """

    id: str
    surroundings: Surroundings
    energies: Array
    forces: Array | None = None
    virial: Array | None = None
    head: int = 0
    energy_weight: float = 1.0
    force_weight: float = 1.0
    pseudo_labelled: bool = False

    @property
    def atoms(self) -> int:
        """Number of atoms."""
        return len(self.surroundings)

    @property
    def interacts(self) -> bool:
        """Whether any of its atoms has a neighbour."""
        return len(self.surroundings.senders) > 0


def examples_of(
    configurations: Iterable[Configuration],
    settings: NeuralSettings,
    on_problem: Callable[[ForceFieldError], None],
) -> list[Example]:
    """Turn configurations into examples for the first head.

    Parameters
    ----------
    configurations
        Structures with reference energies, forces and stresses.
    settings
        Elements and reach.
    on_problem
        Called for each configuration that is left out: one with another element.
    """
    examples = []
    for item in configurations:
        unknown = sorted(set(item.crystal.symbols) - set(settings.elements))
        if unknown:
            names = ", ".join(unknown)
            on_problem(ForceFieldError(f"{item.id}: the force field is not made for {names}"))
            continue
        energies = np.full(len(settings.heads), np.nan)
        if item.energy is not None:
            energies[0] = item.energy
        by_energy, by_forces, by_stress = item.weights
        known = item.stress is not None and by_stress > 0.0
        virial = item.stress * item.crystal.volume if known and item.stress is not None else None
        surroundings = Surroundings.of(item.crystal, settings.species, settings.cutoff)
        examples.append(
            Example(
                item.id, surroundings, energies, item.forces, virial,
                energy_weight=by_energy, force_weight=by_forces,
            )
        )  # fmt: skip
    return examples


def first_batch(
    examples: Sequence[Example], model: EnergyModel
) -> tuple[list[Surroundings], AtomBatch]:
    """Return the first structures, of some 2,000 atoms, alone and as a batch."""
    chosen: list[Surroundings] = []
    atoms = 0
    for example in examples:
        chosen.append(example.surroundings)
        atoms += example.atoms
        if atoms > _MOST_ATOMS:
            break
    return chosen, AtomBatch.join(chosen, model.settings.cutoff, model.element_type)


@dataclass(frozen=True)
class Spread:
    """What errors are measured by.

    Parameters
    ----------
    energy
        Standard deviation in eV/atom of energies from the elements' own.
    force
        Root mean square of components of forces in eV/Å.
    virial
        Root mean square of components of virials in eV/atom.
    atoms
        Mean number of atoms of an example.
    """

    energy: float
    force: float
    virial: float
    atoms: float


def spread_of(examples: Sequence[Example], model: EnergyModel) -> Spread:
    """Return how much labels differ, once the references of the elements are taken off.

    Lone atoms say nothing of how energies of others differ.
    """
    references = model.reference.numpy()
    energies = [
        (example.energies - references[example.surroundings.kinds].sum(0)) / example.atoms
        for example in _interacting(examples)
    ]
    forces = [example.forces.ravel() for example in examples if example.forces is not None]
    virials = [
        example.virial.ravel() / example.atoms for example in examples if example.virial is not None
    ]
    return Spread(
        energy=_root_mean_square(energies),
        force=_root_mean_square(forces),
        virial=_root_mean_square(virials),
        atoms=float(np.mean([example.atoms for example in examples])),
    )


def _interacting(examples: Sequence[Example]) -> Sequence[Example]:
    return [example for example in examples if example.interacts] or examples


def _root_mean_square(values: Sequence[Array]) -> float:
    if not values:
        return 1.0
    together = np.concatenate([np.atleast_1d(value).ravel() for value in values])
    together = together[np.isfinite(together)]
    return max(float(np.sqrt(np.mean(together**2))), _LEAST_SPREAD) if len(together) else 1.0


def with_lone_atoms_weighed(
    examples: Sequence[Example], model: EnergyModel, spread: Spread
) -> list[Example]:
    """Return examples of which those of lone atoms count as errors of their own size.

    Their energies lie a cohesive energy above the others, hundreds of spreads, and would be all
    that a training looks at.

    Parameters
    ----------
    examples
        What is learnt from.
    model
        With its references set.
    spread
        Of the others.
    """
    references, weighed = model.reference.numpy(), []
    for example in examples:
        own = references[example.surroundings.kinds].sum(0)
        rest = np.abs(example.energies - own) / (example.atoms * spread.energy)
        size = 1.0 if example.interacts else max(1.0, float(np.nanmax(np.append(rest, 0.0))))
        weighed.append(replace(example, energy_weight=example.energy_weight / size**2))
    return weighed


def set_scales(model: EnergyModel, examples: Sequence[Example]) -> Spread:
    """Set a model's references, scales and number of neighbours from the data.

    Parameters
    ----------
    model
        A fresh model.
    examples
        What it will learn from.

    Returns
    -------
    Spread

    Raises
    ------
    ForceFieldError
        If there is no example.
    """
    if not examples:
        raise ForceFieldError("there is no configuration to learn from")
    kinds, heads = model.reference.shape
    looked_at = _interacting(examples)
    compositions = np.array(
        [np.bincount(example.surroundings.kinds, minlength=kinds) for example in looked_at],
        dtype=np.float64,
    )
    targets = np.array([example.energies for example in looked_at])
    weights = 1.0 / compositions.sum(1)
    for head in range(heads):
        known = np.isfinite(targets[:, head])
        if known.any():
            rows = compositions[known] * weights[known, None]
            solution = np.linalg.lstsq(rows, targets[known, head] * weights[known], rcond=1e-8)[0]
            model.reference[:, head] = torch.from_numpy(solution)
    spread = spread_of(examples, model)
    has_forces = any(example.forces is not None for example in examples)
    model.scale.fill_(spread.force if has_forces else spread.energy)
    pairs = sum(len(example.surroundings.senders) for example in examples)
    model.network.typical_neighbours.fill_(
        max(pairs / sum(example.atoms for example in examples), 1.0) ** 0.5
    )
    return spread
