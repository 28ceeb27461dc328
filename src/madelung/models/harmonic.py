"""A network that chooses the force constants of a crystal, and its Born charges.

The energy of displacements is a sum of springs between pairs of atoms and of squares of local
sums over the neighbours of an atom, which turn as scalars, vectors and traceless tensors: sum rule,
index symmetry, space group and hermiticity hold by construction. Equations 2 to 4 of
docs/theory/harmonic-network.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from madelung.crystals.elements import covalent_radii
from madelung.inputs.couplings import CouplingPairs, CrystalCouplings, Placement, coupling_batch
from madelung.inputs.pair_functions import function_sections
from madelung.inputs.pair_graph import PairGraph
from madelung.models.harmonic_settings import HarmonicSettings
from madelung.models.settings import SumNetSettings
from madelung.models.sumnet import SumLayers

__all__ = [
    "ElectricResponse",
    "HarmonicNetwork",
    "Strengths",
    "electric_response",
    "force_constants",
    "screened_charges",
]

_DISTANCES, _REDUCED = 24, 16
_REDUCED_RANGE = (0.7, 2.4)
# Of an ordinary covalent bond: 20 eV/Å² where a spring is as long as the covalent radii say.
_STRENGTH, _DECAY = 3.0, 5.0
# What weak and distant springs, and local couplings, are measured in: exp(a - b (rho - 1)) and,
# for springs, the decay of a dipole's field, in eV Å.
_FAR, _LOCAL, _DIPOLE = (0.5, 2.0), (1.0, 2.0), 4.0
_MOST_LOCAL = 6.0
_VECTORS = 4


@dataclass(frozen=True, eq=False)
class Strengths:
    """What the network chooses for one crystal, for each kind of pair.

    Parameters
    ----------
    along, across
        (K,) force constants of springs in eV/Å².
    local
        (L, 5 C) couplings of local channels, in the root of eV/Å².
    charges
        (L, 6) contributions of neighbours to Born charges and the dielectric tensor.
    sites
        (orbits, 2) isotropic Born charge of an atom, and its share of the logarithm of the
        susceptibility.
    """

    along: Tensor
    across: Tensor
    local: Tensor
    charges: Tensor
    sites: Tensor


class HarmonicNetwork(SumLayers):
    """Chooses the strengths of springs, local couplings and Born charges."""

    radii: Tensor

    def __init__(self, settings: HarmonicSettings) -> None:
        backbone = SumNetSettings(
            features=settings.features, layers=settings.layers, senders=settings.senders,
            tensors=settings.tensors,
        )  # fmt: skip
        super().__init__(backbone, function_sections(settings.inputs))
        self.settings = settings
        radii = torch.from_numpy(covalent_radii()).float()
        self.register_buffer("radii", radii, persistent=False)
        seen, width = _DISTANCES + _REDUCED, settings.hidden
        self.end = nn.Linear(settings.features, settings.ends)
        self.spring = _perceptron(2 * settings.ends + seen, width, 6, 0.01)
        self.channel: nn.Sequential | None = None
        if settings.channels:
            self.channel = _perceptron(2 * settings.ends + seen, width, 5 * settings.channels, 0.03)
        self.charge = _perceptron(2 * settings.ends + seen, width, 2 + _VECTORS, 0.03)
        self.site = _perceptron(settings.ends, width, 2, 0.03)

    def forward(self, graph: PairGraph, crystals: Sequence[CrystalCouplings]) -> list[Strengths]:
        """Choose the strengths of all couplings of B crystals.

        Parameters
        ----------
        graph
            Orbits of the crystals, as the layers take them.
        crystals
            Pairs of atoms, of the same orbits.
        """
        ends = self.end(self.atoms(graph)).float()
        orbits = torch.bincount(graph.owner, minlength=len(crystals)).tolist()
        springs, near = [one.springs for one in crystals], [one.neighbours for one in crystals]
        along, across = self._springs(ends, graph.numbers, *coupling_batch(springs, orbits))
        kinds, distances = coupling_batch(near, orbits)
        local, charges = self._local(ends, graph.numbers, kinds, distances)
        of_springs, of_near = ([len(one.distances) for one in part] for part in (springs, near))
        parts = zip(
            along.split(of_springs), across.split(of_springs), local.split(of_near),
            charges.split(of_near), self.site(ends).split(orbits), strict=True,
        )  # fmt: skip
        return [Strengths(*part) for part in parts]

    def _springs(
        self, atoms: Tensor, numbers: Tensor, ends: Tensor, distances: Tensor
    ) -> tuple[Tensor, Tensor]:
        left, right = atoms[ends[:, 0]], atoms[ends[:, 1]]
        seen, reduced = self._seen(numbers, ends, distances)
        chosen = self.spring(torch.cat([left + right, left * right, seen], 1))
        fall = _fall(distances, self.settings.spring_reach)
        near = torch.exp(_STRENGTH - _DECAY * (reduced - 1.0))
        far = torch.exp(_FAR[0] - _FAR[1] * (reduced - 1.0))
        dipole = _DIPOLE / distances**3
        stiff = near * torch.exp(chosen[:, 0].clamp(max=4.0))
        along = stiff + far * chosen[:, 2] + dipole * chosen[:, 4]
        across = near * 0.5 * torch.tanh(chosen[:, 1]) + far * chosen[:, 3] + dipole * chosen[:, 5]
        return fall * along, fall * across

    def _local(
        self, atoms: Tensor, numbers: Tensor, ends: Tensor, distances: Tensor
    ) -> tuple[Tensor, Tensor]:
        seen, reduced = self._seen(numbers, ends, distances)
        told = torch.cat([atoms[ends[:, 0]], atoms[ends[:, 1]], seen], 1)
        size = torch.exp(_LOCAL[0] - _LOCAL[1] * (reduced - 1.0)).clamp(max=_MOST_LOCAL)
        fall = (_fall(distances, self.settings.local_reach) * size)[:, None]
        charges = self.charge(told) * fall
        if self.channel is None:
            return charges.new_zeros(len(charges), 0), charges
        return self.channel(told) * fall, charges

    def _seen(self, numbers: Tensor, ends: Tensor, distances: Tensor) -> tuple[Tensor, Tensor]:
        """Gaussians of distances, and of distances over sums of covalent radii."""
        reduced = distances / self.radii[numbers[ends]].sum(1)
        parts = [
            _gaussians(distances, 0.8, self.settings.spring_reach, _DISTANCES),
            _gaussians(reduced, *_REDUCED_RANGE, _REDUCED),
        ]
        return torch.cat(parts, 1), reduced


def _perceptron(inputs: int, width: int, outputs: int, last: float) -> nn.Sequential:
    """Three layers, of which the last begins with small weights."""
    first, second, third = (
        nn.Linear(inputs, width), nn.Linear(width, width), nn.Linear(width, outputs)
    )  # fmt: skip
    nn.init.normal_(third.weight, std=last)
    nn.init.zeros_(third.bias)
    return nn.Sequential(first, nn.SiLU(), second, nn.SiLU(), third)


def _gaussians(values: Tensor, low: float, high: float, count: int) -> Tensor:
    width = (high - low) / (count - 1)
    centres = low + width * torch.arange(count, device=values.device)
    return torch.exp(-0.5 * ((values[:, None] - centres) / width) ** 2)


def _fall(distances: Tensor, reach: float) -> Tensor:
    return 0.5 * (1.0 + torch.cos(torch.pi * (distances / reach).clamp(max=1.0)))


def force_constants(strengths: Strengths, couplings: CrystalCouplings, to: Placement) -> Tensor:
    """Add up the force constants of springs and local channels.

    Parameters
    ----------
    strengths
        Of the couplings of a crystal.
    couplings
        Its pairs.
    to
        Where the blocks belong.

    Returns
    -------
    (rows, 3, 3) Tensor
        In eV/Å².
    """
    pairs = couplings.springs
    kinds = torch.from_numpy(pairs.kinds)
    directions = torch.from_numpy(pairs.directions)
    along, across = strengths.along[kinds], strengths.across[kinds]
    dyads = directions[:, :, None] * directions[:, None, :]
    unit = torch.eye(3, dtype=along.dtype)
    matrices = (along - across)[:, None, None] * dyads + across[:, None, None] * unit
    flat = matrices.flatten(1)
    total = flat.new_zeros(to.rows, 9)
    places = torch.from_numpy(to.springs)
    total = total.index_add(0, places.flatten(), torch.cat([-flat, -flat, flat, flat]))
    if strengths.local.shape[1]:
        blocks = _local_blocks(strengths.local, couplings)
        total = total.index_add(0, torch.from_numpy(to.locals), blocks)
    return total.view(-1, 3, 3)


def _local_blocks(local: Tensor, couplings: CrystalCouplings) -> Tensor:
    """(n (M + 1)², 9) second derivatives of the squares of local sums, for pairs of neighbours."""
    pairs = couplings.neighbours
    channels = local.shape[1] // 5
    rows = 9 * channels
    waves = _channel_waves(local[torch.from_numpy(pairs.kinds)], pairs)
    width, atoms = couplings.most_neighbours + 1, len(couplings.orbits)
    table = waves.new_zeros(atoms * width, 3 * rows)
    table = table.index_copy(0, torch.from_numpy(couplings.slots), waves.flatten(1))
    table = table.view(atoms, width, 3 * rows)
    # An atom's own displacement has the opposite of what those of all its neighbours have.
    table = torch.cat([-table[:, 1:].sum(1, keepdim=True), table[:, 1:]], 1)
    table = table.view(atoms, width, 3, rows)
    signs = _signs(channels, waves)
    left = table.reshape(atoms, width * 3, rows)
    blocks = torch.bmm(left * signs, left.transpose(1, 2))
    blocks = blocks.view(atoms, width, 3, width, 3).transpose(2, 3)
    return blocks.reshape(-1, 9)


def _signs(channels: int, like: Tensor) -> Tensor:
    one = like.new_ones(channels)
    one[channels // 2 :] = -1.0
    return torch.cat([one, one.repeat_interleave(3), one.repeat_interleave(5)])


def _channel_waves(local: Tensor, pairs: CouplingPairs) -> Tensor:
    """(E, 3, 9 C) what a displacement of a neighbour adds to the sums of each channel.

    Equation 3: scalars, the three components of vectors, and the five of traceless tensors.
    """
    directions = torch.from_numpy(pairs.directions)
    scalar, vector, turned, tensor, full = local.view(len(local), 5, -1).unbind(1)
    dyads = directions[:, :, None] * directions[:, None, :]
    unit = torch.eye(3, dtype=local.dtype)
    scalars = directions[:, :, None] * scalar[:, None, :]
    vectors = (
        vector[:, None, :, None] * unit[None, :, None, :]
        + turned[:, None, :, None] * dyads[:, :, None, :]
    )
    outer, along = _tensor_bases(directions)
    tensors = (
        tensor[:, None, :, None] * outer[:, :, None, :] + full[:, None, :, None] * along[:, :, None]
    )
    return torch.cat([scalars, vectors.flatten(2), tensors.flatten(2)], 2)


def _tensor_bases(directions: Tensor) -> tuple[Tensor, Tensor]:
    """(E, 3, 5) each: components of e u symmetric and traceless, and of e e (e u), by those of u.

    The five components are those in an orthonormal basis of traceless symmetric matrices.
    """
    basis = directions.new_tensor(_TRACELESS)
    outer = torch.einsum("ea,kab->ebk", directions, basis)
    squares = torch.einsum("ea,eb,kab->ek", directions, directions, basis)
    return outer, directions[:, :, None] * squares[:, None, :]


_HALF, _SIXTH = 0.5**0.5, 6.0**-0.5
_TRACELESS = (
    ((0.0, _HALF, 0.0), (_HALF, 0.0, 0.0), (0.0, 0.0, 0.0)),
    ((0.0, 0.0, _HALF), (0.0, 0.0, 0.0), (_HALF, 0.0, 0.0)),
    ((0.0, 0.0, 0.0), (0.0, 0.0, _HALF), (0.0, _HALF, 0.0)),
    ((_HALF, 0.0, 0.0), (0.0, -_HALF, 0.0), (0.0, 0.0, 0.0)),
    ((-_SIXTH, 0.0, 0.0), (0.0, -_SIXTH, 0.0), (0.0, 0.0, 2.0 * _SIXTH)),
)


@dataclass(frozen=True, eq=False)
class ElectricResponse:
    """How a crystal answers to a field, if it is an insulator.

    Parameters
    ----------
    born
        (n, 3, 3) Born charges in e, whose sum is zero.
    dielectric
        (3, 3) dielectric tensor of the electrons.
    excess
        (3, 3) the sum of Born charges that was taken off, divided among the atoms.
    """

    born: Tensor
    dielectric: Tensor
    excess: Tensor


def electric_response(strengths: Strengths, couplings: CrystalCouplings) -> ElectricResponse:
    """Add up the Born charges and the dielectric tensor of a crystal.

    A Born charge is an isotropic part, a sum of traceless tensors over the neighbours, and products
    of vectors, which may be antisymmetric.
    """
    pairs, atoms = couplings.neighbours, len(couplings.orbits)
    directions = torch.from_numpy(pairs.directions)
    first = torch.from_numpy(pairs.first)
    chosen = strengths.charges[torch.from_numpy(pairs.kinds)]
    unit = torch.eye(3, dtype=chosen.dtype)
    traceless = (directions[:, :, None] * directions[:, None, :] - unit / 3.0).flatten(1)
    values = torch.cat(
        [
            chosen[:, :1] * traceless,
            chosen[:, 1:2] * traceless,
            (chosen[:, 2:, None] * directions[:, None, :]).flatten(1),
        ],
        1,
    )
    sums = values.new_zeros(atoms, values.shape[1]).index_add(0, first, values)
    left, right = sums[:, 18:].view(atoms, 2, _VECTORS // 2, 3).unbind(1)
    sites = strengths.sites[torch.from_numpy(couplings.orbits)]
    born = sites[:, 0, None, None] * unit + sums[:, :9].view(-1, 3, 3)
    born = born + torch.einsum("nca,ncb->nab", left, right)
    excess = born.mean(0)
    anisotropy = functional.softsign(sums[:, 9:18].mean(0).view(3, 3))
    dielectric = unit + torch.exp(sites[:, 1].mean().clamp(-3.0, 6.0)) * (unit + anisotropy)
    return ElectricResponse(born - excess, dielectric, excess)


def screened_charges(response: ElectricResponse) -> Tensor:
    """Return (n, 3, 3) charges in e whose dipoles interact as if in a vacuum: Z over √ε.

    ε is the mean of the diagonal: what is not isotropic in it goes into the charges, which are
    learnt from force constants as well. Equation 7 of docs/theory/harmonic-network.md.
    """
    scalar = response.dielectric.diagonal().mean()
    return response.born / torch.sqrt(scalar)
