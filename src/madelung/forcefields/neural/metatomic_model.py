"""A neural force field as the TorchScript module that metatomic calls; it needs metatomic."""

# metatomic compares annotations with those of typing, and TorchScript reads them.
# ruff: noqa: UP006, UP035, UP045

import copy
from typing import Dict, List, Optional

import torch
from metatensor.torch import Labels, TensorBlock, TensorMap
from metatomic.torch import ModelOutput, NeighborListOptions, System
from torch import Tensor, nn

from madelung.common.units import COULOMB_CONSTANT
from madelung.forcefields.neural.potential import NeuralForceField
from madelung.forcefields.neural.scripted import (
    LocalPart,
    crystal_fields,
    molecule_fields,
    neighbour_places,
)

__all__ = ["MetatomicModel"]

# Where near parts of Ewald sums end, in Å, and how exact the sums are: exp(-4.6²) = 6e-10.
_EWALD_CUTOFF, _EWALD_ACCURACY = 9.0, 4.6


class MetatomicModel(nn.Module):
    """Energies of the atoms of systems.

    Parameters
    ----------
    force_field
        The force field.
    """

    kind_of_number: Tensor

    def __init__(self, force_field: NeuralForceField) -> None:
        super().__init__()
        settings = force_field.settings
        head = settings.heads.index(force_field.head)
        self.members = nn.ModuleList(
            LocalPart(copy.deepcopy(model).double(), head).traced() for model in force_field.models
        )
        self.cutoff = settings.cutoff
        self.long_range = settings.long_range
        self.factor = force_field.factors[0]
        self.ewald_cutoff, self.ewald_accuracy = _EWALD_CUTOFF, _EWALD_ACCURACY
        self.coulomb = COULOMB_CONSTANT
        kinds = torch.zeros(max(settings.species) + 1, dtype=torch.long)
        kinds[list(settings.species)] = torch.arange(len(settings.species))
        self.register_buffer("kind_of_number", kinds)

    def requested_neighbor_lists(self) -> list[NeighborListOptions]:
        """Return which neighbours the engine has to find."""
        lists = [NeighborListOptions(self.cutoff, True, True)]
        if self.long_range:
            lists.append(NeighborListOptions(self.ewald_cutoff, True, True))
        return lists

    def forward(
        self,
        systems: List[System],
        outputs: Dict[str, ModelOutput],
        selected_atoms: Optional[Labels] = None,
    ) -> Dict[str, TensorMap]:
        """Return what is asked for: energies, and how much they differ among the members."""
        members: list[Tensor] = []
        samples: list[Tensor] = []
        for index, system in enumerate(systems):
            members.append(self._energies(system))
            atoms = torch.arange(len(system), dtype=torch.int32, device=system.positions.device)
            samples.append(torch.stack([torch.full_like(atoms, index), atoms], 1))
        energies, labels = torch.cat(members), torch.cat(samples)
        if selected_atoms is not None:
            chosen = Labels(["system", "atom"], labels).select(selected_atoms)
            energies, labels = energies[chosen], labels[chosen]
        results: dict[str, TensorMap] = {}
        for name, output in outputs.items():
            if name == "energy":
                values = energies.mean(1, keepdim=True)
            else:
                values = self.factor * energies.std(1, keepdim=True)
            if output.sample_kind == "atom":
                results[name] = _tensor_map(values, Labels(["system", "atom"], labels))
            else:
                owner = labels[:, 0].long()
                total = torch.zeros(len(systems), 1, dtype=values.dtype, device=values.device)
                total = total.index_add(0, owner, values)
                numbers = torch.arange(len(systems), dtype=torch.int32, device=values.device)
                results[name] = _tensor_map(total, Labels(["system"], numbers[:, None]))
        return results

    def _energies(self, system: System) -> Tensor:
        """(N, members) energies of atoms."""
        kinds = self.kind_of_number[system.types.long()]
        near = system.get_neighbor_list(NeighborListOptions(self.cutoff, True, True))
        ends = near.samples.values.long()
        vectors, senders = neighbour_places(
            ends[:, 0], ends[:, 1], near.values[:, :, 0], len(system), 2.0 * self.cutoff
        )
        members: list[Tensor] = []
        for member in self.members:
            energies, sources, corrections = member(kinds, vectors, senders)
            if self.long_range:
                fields = self._fields(system, sources) + corrections
                far = self.coulomb * sources[0] * fields[0] - sources[1] * fields[1]
                energies = energies + 0.5 * far
            members.append(energies)
        return torch.stack(members, 1)

    def _fields(self, system: System, sources: Tensor) -> Tensor:
        """(2, N) fields of the sources in a crystal or a molecule."""
        directions = int(system.pbc.sum())
        if directions == 0:
            return molecule_fields(system.positions, sources)
        if directions < 3:
            raise ValueError(
                "complete sums are for crystals and molecules; put a slab or a wire into a cell "
                "with vacuum that is periodic in three directions"
            )
        pairs = system.get_neighbor_list(NeighborListOptions(self.ewald_cutoff, True, True))
        ends = pairs.samples.values.long()
        return crystal_fields(
            system.positions,
            system.cell,
            ends[:, 0],
            ends[:, 1],
            pairs.values[:, :, 0],
            sources,
            self.ewald_cutoff,
            self.ewald_accuracy,
        )


def _tensor_map(values: Tensor, samples: Labels) -> TensorMap:
    """Return one column of energies as metatomic takes them."""
    device = values.device
    block = TensorBlock(
        values=values,
        samples=samples,
        components=torch.jit.annotate(List[Labels], []),
        properties=Labels(["energy"], torch.tensor([[0]], device=device)),
    )
    return TensorMap(keys=Labels(["_"], torch.tensor([[0]], device=device)), blocks=[block])
