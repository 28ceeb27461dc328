"""Frequencies of a crystal whose atoms hang in springs that a network chooses.

Each bond gets a spring along it and one across it. From them follow the dynamical matrices of the
crystal at the symmetric points of its Brillouin zone, and their highest frequencies are what is
predicted: masses, geometry and the coupling of bonds come in as they do in nature, and only the
springs are learnt. Derivation in docs/theory/springs.md.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from madelung.bonds import SYMMETRIC_POINTS, BondList
from madelung.errors import ModelError
from madelung.pair_functions import covalent_radii
from madelung.pair_graph import PairGraph

__all__ = ["FREQUENCY_UNITS", "Springs", "dynamical_matrices", "spring_matrices"]

FREQUENCY_UNITS = {"THz": 15.633304, "1/cm": 521.47090, "meV": 64.654151}
"""What a network's unit of frequency, the square root of eV/(Å² u) over 2π, is in others."""
_ENDS = 64
_HIDDEN = 96
_GAUSSIANS, _NEAREST, _FARTHEST = 16, 0.7, 2.4
# Strength (eV/Å²) of an average bond as long as its covalent radii say, and how it falls.
_STRENGTH, _DECAY = 3.0, 5.0
_SMALLEST_SQUARE = 1e-4
# Modes whose squared frequency is this part of the highest one's below it count a third.
_MODE_WIDTH = 0.05


class Springs(nn.Module):
    """Highest frequencies of crystals, from the features of their atoms.

    Parameters
    ----------
    features
        Length of the feature vectors of atoms.
    outputs
        Number of frequencies T; each is a mean of the highest ones at the symmetric points, with
        weights of its own for the highest of all, the next, and so on.
    reach
        Greatest length of a bond in Å.
    """

    radii: Tensor
    masses: Tensor

    def __init__(self, features: int, outputs: int, reach: float) -> None:
        super().__init__()
        self.reach = reach
        radii = torch.from_numpy(covalent_radii()).float()
        self.register_buffer("radii", radii, persistent=False)
        self.register_buffer("masses", _masses(), persistent=False)
        self.end = nn.Linear(features, _ENDS)
        self.first = nn.Linear(2 * _ENDS + _GAUSSIANS + 1, _HIDDEN)
        self.second = nn.Linear(_HIDDEN, _HIDDEN)
        self.strength = nn.Linear(_HIDDEN, 2)
        nn.init.normal_(self.strength.weight, std=0.01)
        nn.init.zeros_(self.strength.bias)
        self.weights = nn.Parameter(torch.zeros(outputs, SYMMETRIC_POINTS))

    def forward(self, atoms: Tensor, graph: PairGraph) -> tuple[Tensor, Tensor]:
        """Return frequencies, and how much the atoms move in them.

        Parameters
        ----------
        atoms
            (N, features) features of the orbits.
        graph
            B crystals with bonds.

        Returns
        -------
        frequencies : (B, T)
            In the network's unit, see :data:`FREQUENCY_UNITS`.
        parts : (N,)
            Parts of the orbits in the vibrations of highest frequency; those of a crystal add up
            to one. They pass no gradient.
        """
        bonds = graph.bonds
        if bonds is None:
            raise ModelError("frequencies need bonds, and these crystals were made without")
        along, across = self.strengths(atoms, graph.numbers, bonds)
        matrices = spring_matrices(along[bonds.kinds], across[bonds.kinds], bonds.directions)
        masses = self.masses[graph.numbers[bonds.orbits]]
        highest = matrices.new_zeros(len(bonds.sizes), SYMMETRIC_POINTS)
        parts = matrices.new_zeros(len(graph.numbers))
        for members, places, dynamical in dynamical_matrices(matrices, masses, bonds):
            squares, modes = torch.linalg.eigh(dynamical.double())
            top = squares[..., -1].clamp(min=_SMALLEST_SQUARE)
            highest = highest.index_copy(0, members, torch.sqrt(top).float())
            moving = _parts(squares.detach(), modes.detach()).float()
            parts.index_add_(0, bonds.orbits[places].flatten(), moving.flatten())
        ordered = torch.sort(highest, dim=1, descending=True).values
        return ordered @ torch.softmax(self.weights, 1).T, parts

    def strengths(self, atoms: Tensor, numbers: Tensor, bonds: BondList) -> tuple[Tensor, Tensor]:
        """Return (K,) strengths along and across the bonds of each kind, in eV/Å²."""
        ends = self.end(atoms)
        left, right = ends[bonds.ends[:, 0]], ends[bonds.ends[:, 1]]
        radii = self.radii[numbers]
        reduced = bonds.distances / (radii[bonds.ends[:, 0]] + radii[bonds.ends[:, 1]])
        width = (_FARTHEST - _NEAREST) / (_GAUSSIANS - 1)
        centres = torch.linspace(_NEAREST, _FARTHEST, _GAUSSIANS, device=reduced.device)
        near = torch.exp(-0.5 * ((reduced[:, None] - centres) / width) ** 2)
        seen = torch.cat([left + right, left * right, near, reduced[:, None]], 1)
        hidden = functional.silu(self.second(functional.silu(self.first(seen))))
        stronger, turned = self.strength(hidden).unbind(1)
        fall = 0.5 * (1.0 + torch.cos(torch.pi * (bonds.distances / self.reach).clamp(max=1.0)))
        along = fall * torch.exp(_STRENGTH - _DECAY * (reduced - 1.0) + stronger)
        return along, 0.5 * along * torch.tanh(turned)


def spring_matrices(along: Tensor, across: Tensor, directions: Tensor) -> Tensor:
    """Return (E, 3, 3) force constants of springs between the ends of bonds, in eV/Å²."""
    dyads = directions[:, :, None] * directions[:, None, :]
    rest = torch.eye(3, device=dyads.device) - dyads
    return along[:, None, None] * dyads + across[:, None, None] * rest


def dynamical_matrices(
    matrices: Tensor, masses: Tensor, bonds: BondList
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Assemble the dynamical matrices of crystals at the symmetric points, where they are real.

    Parameters
    ----------
    matrices
        (E, 3, 3) force constants of the bonds in eV/Å².
    masses
        (M,) masses of the atoms in u.
    bonds
        The bonds.

    Returns
    -------
    list of (members, places, dynamical)
        For each number n of atoms: the G crystals that have it, (G, n) their atoms, and
        (G, 8, 3n, 3n) matrices in eV/(Å² u).
    """
    starts = torch.cumsum(bonds.sizes, 0) - bonds.sizes
    blocks = bonds.sizes**2
    before = torch.cumsum(blocks, 0) - blocks
    owner = torch.repeat_interleave(torch.arange(len(blocks), device=blocks.device), bonds.sizes)
    crystal = owner[bonds.first]
    size, start = bonds.sizes[crystal], starts[crystal]
    left, right = bonds.first - start, bonds.second - start
    scaled = matrices / torch.sqrt(masses[bonds.first] * masses[bonds.second])[:, None, None]
    moved = (-scaled[:, None] * bonds.signs[:, :, None, None]).flatten(1)
    one_way, other_way = (before[crystal] + a * size + b for a, b in ((left, right), (right, left)))
    flat = matrices.new_zeros(int(blocks.sum()), moved.shape[1])
    flat = flat.index_add(0, one_way, moved).index_add(0, other_way, moved)
    for atoms, local in ((bonds.first, left), (bonds.second, right)):
        own = (matrices / masses[atoms][:, None, None])[:, None]
        own = own.expand(-1, SYMMETRIC_POINTS, -1, -1).flatten(1)
        flat = flat.index_add(0, before[crystal] + local * (size + 1), own)
    found = []
    for atoms_of_cell in torch.unique(bonds.sizes).tolist():
        members = torch.nonzero(bonds.sizes == atoms_of_cell).flatten()
        count = torch.arange(atoms_of_cell**2, device=members.device)
        pieces = flat[(before[members][:, None] + count)]
        shaped = pieces.view(len(members), atoms_of_cell, atoms_of_cell, SYMMETRIC_POINTS, 3, 3)
        dynamical = shaped.permute(0, 3, 1, 4, 2, 5).reshape(
            len(members), SYMMETRIC_POINTS, 3 * atoms_of_cell, 3 * atoms_of_cell
        )
        places = starts[members][:, None] + count[:atoms_of_cell]
        found.append((members, places, dynamical))
    return found


def _parts(squares: Tensor, modes: Tensor) -> Tensor:
    """(G, n) part of each atom in the highest modes, a smooth function of the matrices."""
    top = squares[..., -1:].clamp(min=_SMALLEST_SQUARE)
    weights = torch.softmax((squares - top) / (_MODE_WIDTH * top), dim=-1)
    by_component = (modes.square() * weights[..., None, :]).sum(-1).mean(1)
    return by_component.view(len(by_component), -1, 3).sum(2)


def _masses() -> Tensor:
    """(119,) masses in u: IUPAC 2016, through ASE."""
    from ase.data import atomic_masses

    return torch.tensor(atomic_masses, dtype=torch.float32).clamp(min=1.0)
