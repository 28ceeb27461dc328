"""A model of phonons: networks, their card, and the harmonic crystals they make."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from madelung.common.errors import ModelError, PhononError
from madelung.common.outputs import whole_file
from madelung.common.weights import (
    checked_bytes,
    require_finite,
    require_room,
    require_shapes,
    shapes_of,
)
from madelung.crystals.contacts import relative_volume
from madelung.crystals.crystal import Crystal
from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.crystals.primitive import primitive_crystal
from madelung.crystals.reading.arguments import as_crystals
from madelung.inputs.couplings import crystal_couplings, open_placement
from madelung.inputs.pair_functions import near_sections, pair_functions
from madelung.inputs.pair_graph import join_pairs
from madelung.models.harmonic import (
    ElectricResponse,
    HarmonicNetwork,
    electric_response,
    force_constants,
    screened_charges,
)
from madelung.models.harmonic_settings import HarmonicSettings
from madelung.phonons.calibration import Calibration
from madelung.phonons.card import PHONON_CARD_FILE, PhononCard, read_phonon_card
from madelung.phonons.harmonic_crystal import HarmonicCrystal
from madelung.phonons.prediction import Phonons

__all__ = ["PhononModel"]

_WEIGHTS_FILE = "weights.safetensors"
_RARE = 20


@dataclass(eq=False)
class PhononModel:
    """Networks of force constants that predict together.

    Parameters
    ----------
    card
        What is known about the model.
    networks
        Its members.
    """

    card: PhononCard
    networks: nn.ModuleList

    @classmethod
    def from_card(cls, card: PhononCard) -> PhononModel:
        """Build a model with fresh weights."""
        return cls(card, nn.ModuleList(HarmonicNetwork(card.network) for _ in range(card.members)))

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> PhononModel:
        """Read a model from its folder.

        Raises
        ------
        ModelError
            If a file is missing or damaged, or was written by a later version.
        """
        place = Path(folder)
        card = read_phonon_card(place)
        path = place / _WEIGHTS_FILE
        data = checked_bytes(path, card.weights_sha256, ModelError)
        _require_fit(card, data, path)
        model = cls.from_card(card)
        model._take_weights(data, path)
        return model

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``phonons.json`` and ``weights.safetensors``, the weights in half precision."""
        from safetensors.torch import save_file

        place = Path(folder)
        tensors = {
            name: value.detach().contiguous().half() if value.is_floating_point() else value
            for name, value in self.networks.state_dict().items()
        }
        with whole_file(place / _WEIGHTS_FILE) as temporary:
            save_file(tensors, str(temporary))
            self.card.weights_sha256 = hashlib.sha256(temporary.read_bytes()).hexdigest()
        with whole_file(place / PHONON_CARD_FILE) as temporary:
            temporary.write_text(self.card.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return place

    @torch.inference_mode()
    def members(self, crystal: Crystal) -> list[HarmonicCrystal]:
        """Return the harmonic crystal that each network makes of the primitive cell of a crystal.

        Raises
        ------
        CrystalError
            If the crystal is not periodic in three directions or has no volume.
        PhononError
            If force constants are no finite numbers.
        """
        settings = self.card.network
        primitive = primitive_crystal(
            crystal.require_periodic(), max(settings.inputs.symmetry_tolerance, 1e-5)
        )
        functions = pair_functions(primitive, settings.inputs)
        graph = join_pairs([functions], near_sections(settings.inputs))
        couplings = crystal_couplings(
            primitive, functions.orbits, settings.spring_reach, settings.local_reach
        )
        placement = open_placement(couplings)
        masses = _masses(primitive)
        found = []
        for network in self.networks:
            assert isinstance(network, HarmonicNetwork)
            (strengths,) = network(graph, [couplings])
            response = electric_response(strengths, couplings)
            matrices = force_constants(strengths, couplings, placement).double().numpy()
            if not np.isfinite(matrices).all():
                raise PhononError(f"{crystal.source or crystal.formula}: no finite force constants")
            found.append(
                HarmonicCrystal(
                    primitive, placement.first, placement.second, placement.shifts,
                    _with_sum_rule(matrices, placement.first, placement.second, placement.shifts),
                    masses,
                    response.born.double().numpy(), response.dielectric.double().numpy(),
                    _screened(response) if settings.dipoles else None,
                )
            )  # fmt: skip
        return found

    def predict(self, crystal: Any) -> Phonons:
        """Return the phonons of a crystal, with intervals.

        Parameters
        ----------
        crystal
            A path, ASE ``Atoms``, a pymatgen ``Structure`` or a :class:`Crystal`.

        Raises
        ------
        CrystalError
            If the crystal is not periodic in three directions or has no volume.
        PhononError
            If force constants are no finite numbers.
        """
        (read,), _ = as_crystals(crystal)
        calibration = None
        if self.card.calibration:
            calibration = Calibration.model_validate(self.card.calibration)
        warnings = (*read.warnings, *self.warnings(read))
        return Phonons.of_members(self.members(read), calibration, warnings, self.card.shares)

    def warnings(self, crystal: Crystal) -> Iterator[str]:
        """Say what of a crystal was absent or rare among the training crystals."""
        counts = {
            ELEMENT_SYMBOLS[number]: self.card.elements.get(ELEMENT_SYMBOLS[number], 0)
            for number in crystal.species
        }
        unseen = [symbol for symbol, count in counts.items() if not count]
        if unseen:
            yield f"elements never seen in training: {', '.join(unseen)}"
        rare = [f"{symbol} ({n} crystals)" for symbol, n in counts.items() if 0 < n < _RARE]
        if rare:
            yield f"elements rare in training: {', '.join(rare)}"
        low, high = self.card.volumes
        volume = relative_volume(crystal)
        if not low <= volume <= high:
            yield (
                f"its volume for each atom is {volume:.2f} of the spheres of the covalent radii; "
                f"99 % of the training crystals lie between {low:.2f} and {high:.2f}"
            )

    def _take_weights(self, data: bytes, path: Path) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            tensors = load(data)
        except SafetensorError as problem:
            raise ModelError(f"{path}: no safetensors file ({problem})") from None
        require_finite(tensors.items(), lambda text: ModelError(f"{path}: {text}"))
        self.networks.load_state_dict(tensors)
        self.networks.float().eval()


def _screened(response: ElectricResponse) -> NDArray[np.float64]:
    charges: NDArray[np.float64] = screened_charges(response).double().numpy()
    return charges - charges.mean(axis=0)


def _masses(crystal: Crystal) -> NDArray[np.float64]:
    from ase.data import atomic_masses

    masses: NDArray[np.float64] = np.asarray(atomic_masses)[np.asarray(crystal.numbers)]
    return masses


def _with_sum_rule(
    matrices: NDArray[np.float64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    shifts: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Let the force constants of an atom with itself be what the sum rule says, to rounding.

    It holds by construction, in the single precision of the network.
    """
    own = np.flatnonzero((first == second) & (shifts == 0).all(axis=1))
    sums = np.zeros((len(own), 3, 3))
    np.add.at(sums, first, matrices)
    corrected = matrices.copy()
    corrected[own] -= sums[first[own]]
    return corrected


def _require_fit(card: PhononCard, data: bytes, path: Path) -> None:
    """Refuse weights that are not of the card's networks, before memory is taken for these."""

    def failure(text: str) -> ModelError:
        return ModelError(f"{path}: {text}")

    shapes = shapes_of(data, failure)
    settings: HarmonicSettings = card.network
    for part in (settings, settings.inputs):
        require_room(part.model_dump(), {}, shapes, failure)
    require_room({}, {"layers": settings.layers, "members": card.members}, shapes, failure)
    with torch.device("meta"):
        expected: dict[str, Tensor] = PhononModel.from_card(card).networks.state_dict()
    require_shapes(expected, shapes, failure)
