"""The neural force field as a force field: evaluation, uncertainty, files."""

from __future__ import annotations

import copy
import hashlib
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from madelung.common.errors import ForceFieldError
from madelung.common.outputs import json_text, whole_file
from madelung.common.settings_files import problems_of
from madelung.common.weights import require_finite, require_room, require_shapes, shapes_of
from madelung.crystals.crystal import Crystal
from madelung.crystals.reading.arguments import as_crystals
from madelung.forcefields.interface import Evaluation, ForceField
from madelung.forcefields.neural.energy import Derivatives, EnergyModel
from madelung.forcefields.neural.settings import NeuralSettings
from madelung.forcefields.neural.surroundings import AtomBatch, Surroundings

__all__ = ["CARD_FILE", "WEIGHTS_FILE", "NeuralEvaluation", "NeuralForceField"]

FORMAT, VERSION = "madelung-neural", 1
CARD_FILE, WEIGHTS_FILE = "card.json", "weights.safetensors"

# Atoms that are evaluated together.
_ATOMS_IN_BATCH = 2000


@dataclass(frozen=True, eq=False)
class NeuralEvaluation(Evaluation):
    """An evaluation with charges, and with how much the members of an ensemble differ.

    Parameters
    ----------
    charges
        (n,) charges of the atoms in e; None without long range.
    energy_uncertainty
        Standard deviation of the members' energies in eV, times a factor that makes errors of 68 %
        of the validation configurations smaller; None for one member.
    force_uncertainty
        (n, 3) the same for components of forces, in eV/Å.
    """

    charges: NDArray[np.float64] | None = None
    energy_uncertainty: float | None = None
    force_uncertainty: NDArray[np.float64] | None = None


class NeuralForceField(ForceField):
    """One trained network, or several that are averaged.

    Parameters
    ----------
    models
        The members, all with the same settings.
    training
        Where they come from: what the card says beside the settings.
    factors
        What standard deviations of energies and of forces are multiplied by.
    head
        Name of the energy that is given; the first one if None.
    dtype
        Arithmetic of the networks. Energies are added up in double precision in any case.

    Raises
    ------
    ForceFieldError
        If there is no member, the members differ in their settings, or there is no such head.
    """

    def __init__(
        self,
        models: Sequence[EnergyModel],
        *,
        training: Mapping[str, Any] | None = None,
        factors: tuple[float, float] = (1.0, 1.0),
        head: str | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        if not models:
            raise ForceFieldError("a neural force field needs at least one network")
        self.settings = models[0].settings
        if any(model.settings != self.settings for model in models):
            raise ForceFieldError("the members of an ensemble must have the same settings")
        self.models = [copy.deepcopy(model).to(dtype).eval() for model in models]
        for model in self.models:
            model.requires_grad_(False)
        self.training, self.factors = dict(training or {}), factors
        self.head = self.settings.heads[0] if head is None else head
        if self.head not in self.settings.heads:
            raise ForceFieldError(
                f"there is no head {self.head!r}; there are {', '.join(self.settings.heads)}"
            )
        self._dtype = dtype

    @property
    def species(self) -> tuple[int, ...]:
        """Atomic numbers that it was made for, ascending."""
        return self.settings.species

    @property
    def cutoff(self) -> float | None:
        """Distance in Å beyond which atoms do not interact; None with long range."""
        return None if self.settings.long_range else self.settings.layers * self.settings.cutoff

    def _evaluate(self, crystal: Crystal) -> NeuralEvaluation:
        return next(self._evaluate_together([crystal]))

    def evaluate_all(self, structures: Iterable[Any]) -> Iterator[Evaluation]:
        """Evaluate structures, several at a time.

        Raises
        ------
        ForceFieldError
            If an element is not known, or what comes out is not finite.
        """
        group: list[Crystal] = []
        for structure in structures:
            (crystal,) = as_crystals(structure)[0]
            self._require_known(crystal)
            if group and sum(map(len, group)) + len(crystal) > _ATOMS_IN_BATCH:
                yield from self._evaluate_together(group)
                group = []
            group.append(crystal)
        if group:
            yield from self._evaluate_together(group)

    def _evaluate_together(self, crystals: Sequence[Crystal]) -> Iterator[NeuralEvaluation]:
        settings = self.settings
        batch = AtomBatch.join(
            [Surroundings.of(crystal, settings.species, settings.cutoff) for crystal in crystals],
            settings.cutoff,
            self._dtype,
        )
        head = settings.heads.index(self.head)
        results = [model.derivatives(batch, head=head) for model in self.models]
        stop = np.cumsum(batch.counts.numpy())
        for index, crystal in enumerate(crystals):
            atoms = slice(int(stop[index]) - len(crystal), int(stop[index]))
            yield _evaluation(crystal, results, index, atoms, head, self.factors)

    # Files.

    def as_object(self) -> dict[str, Any]:
        """Return what stands in ``card.json`` beside the checksum of the weights."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "settings": self.settings.model_dump(mode="json"),
            "members": len(self.models),
            "uncertainty_factors": list(self.factors),
            "training": self.training,
        }

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``weights.safetensors`` and, last, ``card.json`` into a folder."""
        from safetensors.torch import save_file

        place = Path(folder)
        learnt = {name for name, _ in self.models[0].named_parameters()}
        tensors = {
            # Energies of elements and scales, which are not learnt, keep all their digits.
            f"{index}.{name}": (value.float() if name in learnt else value).contiguous()
            for index, model in enumerate(self.models)
            for name, value in model.state_dict().items()
        }
        with whole_file(place / WEIGHTS_FILE) as temporary:
            save_file(tensors, str(temporary))
            checksum = hashlib.sha256(temporary.read_bytes()).hexdigest()
        with whole_file(place / CARD_FILE) as temporary:
            content = {**self.as_object(), "weights_sha256": checksum}
            temporary.write_text(json_text(content, indent=1) + "\n", encoding="utf-8")
        return place

    @classmethod
    def from_object(cls, data: Mapping[str, Any], source: str) -> NeuralForceField:
        """Load a force field from what its card holds and the weights beside the card.

        Parameters
        ----------
        data
            Content of ``card.json``.
        source
            Path of that file.

        Raises
        ------
        ForceFieldError
            If the card or the weights are missing or damaged, or of a later version.
        """
        if data.get("version", VERSION) > VERSION:
            raise ForceFieldError(
                f"{source}: version {data['version']} is newer than this program reads "
                f"({VERSION}); update Madelung"
            )
        try:
            settings = NeuralSettings.model_validate(data["settings"])
            members = int(data["members"])
            checksum, training = data["weights_sha256"], dict(data.get("training", {}))
            energy, force = map(float, data.get("uncertainty_factors", (1.0, 1.0)))
            if members < 1 or not (math.isfinite(energy) and math.isfinite(force)):
                raise ValueError(f"{members} members, factors {energy} and {force}")
        except ValidationError as problem:
            raise ForceFieldError(f"{source}: {problems_of(problem)}") from None
        except (KeyError, TypeError, ValueError, OverflowError) as problem:
            raise ForceFieldError(f"{source}: no card of a force field: {problem!r}") from None
        models = _loaded(settings, members, Path(source).parent / WEIGHTS_FILE, checksum)
        return cls(models, training=training, factors=(energy, force))


def _require_fit(settings: NeuralSettings, members: int, data: bytes, path: Path) -> None:
    """Refuse weights that are not of the card's network, before memory is taken for that."""

    def failure(text: str) -> ForceFieldError:
        return ForceFieldError(f"{path}: {text}")

    shapes = shapes_of(data, failure)
    require_room(settings.model_dump(), {"members": members}, shapes, failure)
    with torch.device("meta"):
        expected = EnergyModel(settings).state_dict()
    for index in range(members):
        own = {f"{index}.{name}": value for name, value in expected.items()}
        require_shapes(own, shapes, failure)


def _loaded(settings: NeuralSettings, members: int, path: Path, checksum: str) -> list[EnergyModel]:
    """The networks of a card with the weights in a file."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        data = path.read_bytes()
    except OSError as problem:
        raise ForceFieldError(f"{path}: cannot be read ({problem.strerror})") from None
    if hashlib.sha256(data).hexdigest() != checksum:
        raise ForceFieldError(f"{path}: damaged (its checksum is not the card's); copy it again")
    _require_fit(settings, members, data, path)
    models = [EnergyModel(settings) for _ in range(members)]
    try:
        tensors = load(data)
        require_finite(tensors.items(), lambda text: ForceFieldError(f"{path}: {text}"))
        for index, model in enumerate(models):
            own = {
                name.removeprefix(f"{index}."): value
                for name, value in tensors.items()
                if name.startswith(f"{index}.")
            }
            model.load_state_dict(own)
    except (SafetensorError, RuntimeError) as problem:
        raise ForceFieldError(f"{path}: does not fit the card: {problem}") from None
    return models


def _evaluation(
    crystal: Crystal,
    results: Sequence[Derivatives],
    index: int,
    atoms: slice,
    head: int,
    factors: tuple[float, float],
) -> NeuralEvaluation:
    """Mean and spread of what the members say of one structure of a batch."""
    energies = np.stack([result.atoms[atoms, head].detach().numpy() for result in results])
    forces = np.stack([result.forces[atoms].detach().numpy() for result in results])
    virials = np.stack([result.virials[index].detach().numpy() for result in results])
    charges = [result.charges for result in results if result.charges is not None]
    several = len(results) > 1
    return NeuralEvaluation(
        energies=energies.mean(0),
        forces=forces.mean(0),
        virial=virials.mean(0),
        volume=float(crystal.volume) if crystal.pbc.all() else 0.0,
        charges=np.mean([charge[atoms].detach().numpy() for charge in charges], axis=0)
        if charges
        else None,
        energy_uncertainty=factors[0] * float(energies.sum(1).std(ddof=1)) if several else None,
        force_uncertainty=factors[1] * forces.std(0, ddof=1) if several else None,
    )
