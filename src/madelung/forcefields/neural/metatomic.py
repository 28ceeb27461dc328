"""Neural force fields as metatomic models, which LAMMPS, i-PI, GROMACS and others can run.

metatomic (https://docs.metatensor.org/metatomic) is an interface between engines of molecular
dynamics and models that are TorchScript. The engine asks for energies, and differentiates them.
"""

# metatomic compares annotations with those of typing, and TorchScript reads them.
# ruff: noqa: UP006, UP035, UP045

import copy
import math
import os
import warnings
from pathlib import Path
from typing import Dict, List, Optional

import torch
from torch import Tensor, nn

from madelung.errors import ForceFieldError
from madelung.forcefields.neural.potential import NeuralForceField
from madelung.forcefields.neural.scripted import (
    LocalPart,
    crystal_fields,
    molecule_fields,
    neighbour_places,
)
from madelung.outputs import whole_file
from madelung.sums.electrostatics import COULOMB_CONSTANT

try:
    with warnings.catch_warnings():
        # It is TorchScript, which PyTorch would rather see exported.
        warnings.simplefilter("ignore", DeprecationWarning)
        from metatensor.torch import Labels, TensorBlock, TensorMap
        from metatomic.torch import (
            AtomisticModel,
            ModelCapabilities,
            ModelMetadata,
            ModelOutput,
            NeighborListOptions,
            System,
        )
except ImportError as problem:
    raise ForceFieldError(
        f"metatomic is not installed ({problem}): pip install 'madelung[metatomic]'"
    ) from None

__all__ = ["write_metatomic"]

# Where near parts of Ewald sums end, in Å, and how exact the sums are: exp(-4.6²) = 6e-10.
_EWALD_CUTOFF, _EWALD_ACCURACY = 9.0, 4.6


def write_metatomic(force_field: NeuralForceField, path: str | os.PathLike[str]) -> Path:
    """Write a force field as a metatomic model.

    Parameters
    ----------
    force_field
        The force field. Of an ensemble, the file gives the mean, and ``energy_uncertainty``.
    path
        The file, whose name usually ends in ``.pt``.

    Returns
    -------
    Path
        The file.

    Notes
    -----
    Energies are those of the force field up to 1e-8 eV/atom: complete sums are Ewald sums of fixed
    accuracy instead of certified ones. Crystals and molecules are neutral. The file is for CPUs:
    constants of the trace stay where they were made.
    """
    settings = force_field.settings
    outputs = {"energy": ModelOutput(unit="eV", sample_kind="atom")}
    if len(force_field.models) > 1:
        outputs["energy_uncertainty"] = ModelOutput(unit="eV", sample_kind="atom")
    capabilities = ModelCapabilities(
        outputs=outputs,
        atomic_types=list(settings.species),
        interaction_range=force_field.cutoff or math.inf,
        length_unit="angstrom",
        supported_devices=["cpu"],
        dtype="float64",
    )
    metadata = ModelMetadata(
        name=f"Madelung neural force field, {' '.join(settings.elements)}",
        description=f"{len(force_field.models)} networks, head {force_field.head}",
    )
    model = AtomisticModel(_MetatomicModel(force_field).eval(), metadata, capabilities)
    with whole_file(Path(path)) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model.save(str(temporary))
    return Path(path)


class _MetatomicModel(nn.Module):
    """What metatomic calls: energies of the atoms of systems.

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
