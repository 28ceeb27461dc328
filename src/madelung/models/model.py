"""A trained model: weights, card, and prediction."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from madelung.common.errors import CrystalError, CrystalWarning, ModelError
from madelung.common.outputs import whole_file
from madelung.common.weights import (
    checked_bytes,
    require_finite,
    require_room,
    require_shapes,
    shapes_of,
)
from madelung.crystals.crystal import Crystal
from madelung.crystals.reading.arguments import each_as_crystal
from madelung.inputs.build import NetworkInput, build_input
from madelung.models.barrier import predictions_or_problems
from madelung.models.card import CARD_FILE, CARD_FORMAT, ModelCard, TargetCard, read_card
from madelung.models.doubts import card_warnings
from madelung.models.ensemble import NetworkEnsemble
from madelung.models.networks import build_network
from madelung.models.novelty import Novelty
from madelung.models.prediction import Prediction
from madelung.models.settings import readout_of
from madelung.models.targets import TargetScale
from madelung.models.training_crystals import TrainingCrystals

__all__ = ["WEIGHTS_FILE", "CrystalModel", "Outputs", "Prediction"]

WEIGHTS_FILE = "weights.safetensors"
_CRYSTALS_IN_BATCH = 64
# Atoms squared of the crystals of a batch; a larger crystal goes alone.
_PAIRS_IN_BATCH = 200_000


class CrystalModel:
    """A network with all that turns its numbers into predictions.

    Parameters
    ----------
    card
        What is known about the model.
    network
        The network.
    scale
        Turns its outputs into values in their units.
    novelty
        Tells unusual crystals.
    target
        The target that :meth:`predict` gives unless told otherwise; the first one if None.

    Attributes
    ----------
    training_crystals : TrainingCrystals
        What is kept of the crystals it has learnt from or was chosen by; nothing of models up to
        format 6.

    Raises
    ------
    ModelError
        If the model has no such target.
    """

    def __init__(
        self,
        card: ModelCard,
        network: nn.Module,
        scale: TargetScale,
        novelty: Novelty,
        target: str | None = None,
    ) -> None:
        self.card = card
        self.network = network
        self.scale = scale
        self.novelty = novelty
        self.training_crystals = TrainingCrystals.empty()
        self.target = card.targets[0].name if target is None else target
        self._column(self.target)

    def __repr__(self) -> str:
        """Return a line that names the model."""
        names = ", ".join(target.name for target in self.card.targets)
        return f"CrystalModel({self.card.name!r}, targets: {names})"

    @classmethod
    def from_card(cls, card: ModelCard, target: str | None = None) -> CrystalModel:
        """Build a model with fresh weights."""
        networks: list[nn.Module] = [
            build_network(card.network, card.graph_of(member), len(card.targets))
            for member in range(card.members)
        ]
        per_area = readout_of(card.network) == "area"
        scale, *scales = (
            TargetScale.empty(len(card.targets), per_area)
            for _ in range(1 + card.member_scales * card.members)
        )
        network = networks[0]
        if len(networks) > 1:
            network = NetworkEnsemble(networks, card.consensus, scales)
        return cls(card, network, scale, Novelty.empty(card.network.features), target)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], target: str | None = None) -> CrystalModel:
        """Read a model from its folder.

        Raises
        ------
        ModelError
            If a file is missing or damaged, or was written by a later version.
        """
        place = Path(folder)
        card = read_card(place)
        path = place / WEIGHTS_FILE
        data = checked_bytes(path, card.weights_sha256, ModelError)
        _require_fit(card, data, path)
        model = cls.from_card(card, target)
        model._take_weights(data, path)
        model.network.eval()
        return model

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the model into a folder: ``card.json`` and ``weights.safetensors``.

        The card names the checksum of the weights and is written last.
        """
        from safetensors.torch import save_file

        place = Path(folder)
        with whole_file(place / WEIGHTS_FILE) as temporary:
            save_file(self._stored(), str(temporary))
            self.card.weights_sha256 = hashlib.sha256(temporary.read_bytes()).hexdigest()
        self.card.format = CARD_FORMAT
        with whole_file(place / CARD_FILE) as temporary:
            temporary.write_text(self.card.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return place

    def tensors(self) -> dict[str, Tensor]:
        """Return all weights by name."""
        parts = {"network": self.network, "scale": self.scale, "novelty": self.novelty}
        return {
            f"{part}.{name}": value.detach().contiguous()
            for part, module in parts.items()
            for name, value in module.state_dict().items()
        }

    def _stored(self) -> dict[str, Tensor]:
        """All weights as they stand in the file."""
        tensors = self.tensors()
        if self.card.stored_as == "float16":
            for name, _ in self.network.named_parameters():
                tensors[f"network.{name}"] = tensors[f"network.{name}"].half()
        return tensors | self.training_crystals.tensors()

    def predict(
        self,
        crystals: Any,
        *,
        target: str | None = None,
        threads: int = 1,
        on_error: Literal["raise", "skip"] = "raise",
    ) -> Any:
        """Predict a property of crystals.

        Parameters
        ----------
        crystals
            A path, ASE ``Atoms``, a pymatgen ``Structure``, a :class:`Crystal`, a batch, or a
            sequence of these.
        target
            Which of the model's targets; its default if None.
        threads
            Threads for the complete sums.
        on_error
            Of several crystals, whether the first that cannot be used is an error, or is None in
            the list, with a warning that names it.

        Returns
        -------
        Prediction or list of Prediction
            One for one crystal, else a list in order. All numbers are finite.

        Raises
        ------
        CrystalError
            If a crystal cannot be used: it is not periodic in three directions, has no volume, or
            its prediction is no finite number. Of several crystals it is called by its place.
        ModelError
            If the model has no such target.
        ValueError
            If ``on_error`` is neither.
        """
        if on_error not in ("raise", "skip"):
            raise ValueError(f"on_error is {on_error!r}; give 'raise' or 'skip'")
        # What is known before any work is an error at once, whatever happens to crystals.
        self._column(self.target if target is None else target)
        members, single = each_as_crystal(crystals)
        usable = [member for member in members if isinstance(member, Crystal)]
        found = iter(self.predict_each(usable, target=target, threads=threads))
        entries = [next(found) if isinstance(item, Crystal) else item for item in members]
        for place, entry in enumerate(entries):
            if isinstance(entry, CrystalError):
                text = str(entry) if single else f"item {place}: {entry}"
                if single or on_error == "raise":
                    raise CrystalError(text) from None
                warnings.warn(f"{text} (skipped)", CrystalWarning, stacklevel=2)
        results = [None if isinstance(entry, CrystalError) else entry for entry in entries]
        return results[0] if single else results

    def predict_each(
        self, crystals: Sequence[Crystal], *, target: str | None = None, threads: int = 1
    ) -> list[Prediction | CrystalError]:
        """Predict crystals, and say of each that cannot be predicted why.

        Parameters
        ----------
        crystals
            Crystals.
        target, threads
            As for :meth:`predict`.

        Returns
        -------
        list of Prediction or CrystalError
            In order; the numbers of a prediction are finite.

        Raises
        ------
        ModelError
            If the model has no such target.
        """
        column = self._column(self.target if target is None else target)

        def predicted(group: list[Crystal]) -> list[Prediction]:
            outputs = self.evaluate(build_input(group, self.card.inputs, threads=threads))
            return list(self._describe(group, outputs, column))

        return [
            entry
            for group in _groups(crystals)
            for entry in predictions_or_problems(predicted, group)
        ]

    def annotate(self, images: Any, *, target: str | None = None) -> list[Prediction]:
        """Write predictions into ASE ``Atoms``, so that files written by ASE keep them.

        Parameters
        ----------
        images
            ASE ``Atoms``, or a sequence of them. ``info`` gets ``predicted_NAME`` with the value,
            NAME being the target's, ``predicted_NAME_uncertainty`` and ``predicted_NAME_warnings``.
        target
            Which of the model's targets; its default if None.

        Returns
        -------
        list of Prediction
            In order.
        """
        members = [images] if hasattr(images, "get_atomic_numbers") else list(images)
        predictions: list[Prediction] = self.predict(members, target=target)
        for atoms, prediction in zip(members, predictions, strict=True):
            name = f"predicted_{prediction.target}"
            atoms.info[name] = prediction.value
            atoms.info[f"{name}_uncertainty"] = prediction.uncertainty
            atoms.info[f"{name}_warnings"] = "; ".join(prediction.warnings)
        return predictions

    @torch.inference_mode()
    def evaluate(self, graph: NetworkInput) -> Outputs:
        """Run the network on graphs and return values and expected errors in their units."""
        # The walk over all modules takes a millisecond for a few networks.
        if self.network.training:
            self.network.eval()
        standardised, log_scales, embedding = self.network(graph)
        values = self.scale.restore(standardised, graph)
        errors = self.scale.expected_errors(log_scales, graph)
        return Outputs(values, errors, embedding, self.novelty(embedding))

    def _column(self, target: str) -> int:
        names = [card.name for card in self.card.targets]
        if target not in names:
            raise ModelError(
                f"model {self.card.name!r} does not predict {target!r}; it predicts "
                f"{', '.join(names)}"
            )
        return names.index(target)

    def _describe(
        self, crystals: Sequence[Crystal], outputs: Outputs, column: int
    ) -> Iterable[Prediction]:
        card: TargetCard = self.card.targets[column]
        for index, crystal in enumerate(crystals):
            error = float(outputs.errors[index, column])
            novelty = float(outputs.novelty[index])
            yield Prediction(
                target=card.name,
                value=float(outputs.values[index, column]),
                unit=card.unit,
                uncertainty=card.factor_68 * error,
                uncertainty_90=card.factor_90 * error,
                novelty=novelty,
                warnings=(*crystal.warnings, *self._warnings(crystal, novelty)),
                description=card.description,
            )

    def _warnings(self, crystal: Crystal, novelty: float) -> Iterable[str]:
        yield from card_warnings(self.card, crystal)
        if novelty > 1.0:
            yield f"unlike the training crystals: distance {novelty:.2f} of the usual limit"

    def _take_weights(self, data: bytes, path: Path) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            tensors = load(data)
        except SafetensorError as problem:
            raise ModelError(f"{path}: no safetensors file ({problem})") from None
        require_finite(tensors.items(), lambda text: ModelError(f"{path}: {text}"))
        self.training_crystals = TrainingCrystals.from_tensors(tensors, path)
        parts = {"network": self.network, "scale": self.scale, "novelty": self.novelty}
        for part, module in parts.items():
            own = {
                name.removeprefix(f"{part}."): value
                for name, value in tensors.items()
                if name.startswith(f"{part}.")
            }
            try:
                module.load_state_dict(own)
            except RuntimeError as problem:
                raise ModelError(f"{path}: does not fit the card: {problem}") from None


def _require_fit(card: ModelCard, data: bytes, path: Path) -> None:
    """Refuse weights that are not of the card's network, before memory is taken for that."""

    def failure(text: str) -> ModelError:
        return ModelError(f"{path}: {text}")

    shapes = shapes_of(data, failure)
    inputs = [card.graph, *card.member_graphs]
    for settings in (card.network, *inputs):
        require_room(settings.model_dump(), {}, shapes, failure)
    # Not every architecture has layers.
    layers = card.network.model_dump().get("layers", 1)
    require_room({}, {"layers": layers, "members": card.members}, shapes, failure)
    with torch.device("meta"):
        model = CrystalModel.from_card(card)
    require_shapes(model.tensors(), shapes, failure)


@dataclass(frozen=True, eq=False)
class Outputs:
    """Results for B crystals and T targets.

    Parameters
    ----------
    values
        (B, T) predictions in their units, float64.
    errors
        (B, T) expected absolute errors before calibration, float64.
    embedding
        (B, F) embeddings.
    novelty
        (B,) distances from the training crystals.
    """

    values: Tensor
    errors: Tensor
    embedding: Tensor
    novelty: Tensor


def _groups(crystals: Sequence[Crystal]) -> Iterable[list[Crystal]]:
    """Cut a list into batches that fit into memory."""
    group: list[Crystal] = []
    pairs = 0
    for crystal in crystals:
        own = len(crystal) ** 2
        if group and (len(group) == _CRYSTALS_IN_BATCH or pairs + own > _PAIRS_IN_BATCH):
            yield group
            group, pairs = [], 0
        group.append(crystal)
        pairs += own
    if group:
        yield group
