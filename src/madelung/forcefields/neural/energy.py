"""Energy of structures by a neural force field, and its derivatives."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from madelung.forcefields.neural.long_range import equilibrated_charges, long_range_energies
from madelung.forcefields.neural.network import LocalNetwork
from madelung.forcefields.neural.pair_tables import PairTables, pair_tables
from madelung.forcefields.neural.repulsion import NuclearRepulsion
from madelung.forcefields.neural.settings import NeuralSettings
from madelung.forcefields.neural.surroundings import AtomBatch

__all__ = ["CHARGE_SCALE", "AtomEnergies", "Derivatives", "EnergyModel"]

# Charge in e, and square root of C6 in eV^(1/2) Å^3, that an output of one stands for. The square
# of the latter is C6 of a light atom: 7 eV Å^6 or 12 atomic units.
CHARGE_SCALE, _DISPERSION_SCALE = 0.3, 2.6


@dataclass(frozen=True, eq=False)
class AtomEnergies:
    """What the atoms of B structures contribute.

    Parameters
    ----------
    energies
        (N, heads) in eV, float64.
    charges
        (N,) in e, float64; None without long range.
    """

    energies: Tensor
    charges: Tensor | None


@dataclass(frozen=True, eq=False)
class Derivatives:
    """Energies of B structures of N atoms with their derivatives.

    Parameters
    ----------
    atoms
        (N, heads) energies of atoms in eV.
    energies
        (B, heads) in eV.
    forces
        (N, 3) in eV/Å, of one head for each structure.
    virials
        (B, 3, 3) derivative with respect to a homogeneous strain in eV, symmetric; of that head.
    charges
        (N,) in e; None without long range.
    """

    atoms: Tensor
    energies: Tensor
    forces: Tensor
    virials: Tensor
    charges: Tensor | None


class EnergyModel(nn.Module):
    """The energy as a function of atoms: what is read from the features, and physics beside it.

    Parameters
    ----------
    settings
        Elements, reach and size.

    Notes
    -----
    ``reference`` (kinds, heads) holds each element's energy in eV, and ``scale`` (heads,) what an
    output of one stands for; both are set from data.
    """

    reference: Tensor
    scale: Tensor

    def __init__(self, settings: NeuralSettings) -> None:
        super().__init__()
        self.settings = settings
        self.network = LocalNetwork(settings)
        self.repulsion = NuclearRepulsion(settings)
        heads, kinds = len(settings.heads), len(settings.elements)
        self.outputs = nn.ModuleList(
            nn.Linear(settings.features, heads) for _ in range(settings.layers)
        )
        self.sources: nn.Linear | None = None
        if settings.long_range:
            # Charge, softness, and the root of C6; they begin alike for all atoms.
            self.sources = nn.Linear(settings.features, 3)
            nn.init.normal_(self.sources.weight, std=1e-2)
            nn.init.zeros_(self.sources.bias)
        self.register_buffer("reference", torch.zeros(kinds, heads, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(heads, dtype=torch.float64))

    @property
    def element_type(self) -> torch.dtype:
        """Type of the network's parameters."""
        return self.network.element.weight.dtype

    def forward(self, batch: AtomBatch, tables: PairTables | None = None) -> AtomEnergies:
        """Return energies and charges of atoms.

        Parameters
        ----------
        batch
            B structures.
        tables
            Functions of the batch's vectors, where the caller has them already.
        """
        if tables is None:
            tables, _ = pair_tables(batch, self.settings, self.repulsion)
        energies, sources = self.local(batch, tables)
        if sources is None:
            return AtomEnergies(energies, None)
        charges, dispersion = sources
        far = long_range_energies(
            charges,
            dispersion,
            tables,
            batch.positions,
            batch.cells,
            batch,
        )
        return AtomEnergies(energies + far[:, None], charges)

    def local(
        self, batch: AtomBatch, tables: PairTables
    ) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        """Return what near atoms decide.

        Parameters
        ----------
        batch
            B structures.
        tables
            Functions of the batch's vectors.

        Returns
        -------
        energies
            (N, heads) energies of atoms in eV without those of complete sums, float64.
        sources
            (N,) charges, and roots of dispersion coefficients; None without long range.
        """
        features = self.network(batch, tables)
        read = sum(output(atoms) for output, atoms in zip(self.outputs, features, strict=True))
        energies = read.double() * self.scale + self.reference[batch.kinds]
        energies = energies + 0.5 * tables.repulsion.sum(1).double()[:, None]
        return energies, None if self.sources is None else self._sources(features[-1], batch)

    def _sources(self, atoms: Tensor, batch: AtomBatch) -> tuple[Tensor, Tensor]:
        """Charges and roots of dispersion coefficients."""
        assert self.sources is not None
        proposed, softness, dispersion = self.sources(atoms).double().unbind(-1)
        charges = equilibrated_charges(
            CHARGE_SCALE * proposed, functional.softplus(softness), batch
        )
        return charges, _DISPERSION_SCALE * functional.softplus(dispersion)

    def derivatives(
        self,
        batch: AtomBatch,
        *,
        head: int | Tensor = 0,
        trainable: bool = False,
    ) -> Derivatives:
        """Return energies, and the forces and virials of one head for each structure.

        Parameters
        ----------
        batch
            B structures.
        head
            Which energy the forces are those of; (B,) if not the same for all structures.
        trainable
            Whether the result shall be differentiable with respect to the parameters.
        """
        with torch.no_grad():
            values, slopes = pair_tables(batch, self.settings, self.repulsion)
        tables = PairTables(*(part.requires_grad_(True) for part in values.parts()))
        positions = batch.positions.detach().requires_grad_(True)
        cells = batch.cells.detach().requires_grad_(True)
        result = self(replace(batch, positions=positions, cells=cells), tables)
        heads = torch.as_tensor(head).expand(len(batch))[batch.owner]
        by_table, by_position, by_cell = _gradients(
            result.energies.gather(1, heads[:, None]).sum(),
            tables,
            positions,
            cells,
            trainable=trainable,
        )
        pulls = slopes.pulls(by_table).double() * batch.present[..., None]
        forces = (pulls.sum(1) - by_position).index_add(
            0, batch.senders.flatten(), -pulls.flatten(0, 1)
        )
        virials = batch.sums(torch.einsum("nka,nkb->nab", batch.vectors.double(), pulls))
        virials = virials + batch.sums(positions[:, :, None] * by_position[:, None, :])
        virials = virials + torch.einsum("bca,bcd->bad", cells, by_cell)
        return Derivatives(
            atoms=result.energies,
            energies=batch.sums(result.energies),
            forces=forces,
            virials=0.5 * (virials + virials.transpose(1, 2)),
            charges=result.charges,
        )


def _gradients(
    energy: Tensor, tables: PairTables, positions: Tensor, cells: Tensor, *, trainable: bool
) -> tuple[PairTables, Tensor, Tensor]:
    """Derivatives by the tables, the positions and the cells."""
    *by_table, by_position, by_cell = torch.autograd.grad(
        energy,
        (*tables.parts(), positions, cells),
        create_graph=trainable,
        allow_unused=True,
        materialize_grads=True,
    )
    return PairTables(*by_table), by_position, by_cell
