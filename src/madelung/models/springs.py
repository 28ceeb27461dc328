"""Frequencies of a crystal whose atoms hang in springs that a network chooses.

Each bond gets a spring along it and one across it. From them follow the dynamical matrices of the
crystal at the symmetric points of its Brillouin zone, and their highest frequencies are what is
predicted: masses, geometry and the coupling of bonds come in as they do in nature, and only the
springs are learnt. Derivation in docs/theory/springs.md.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from madelung.common.errors import ModelError
from madelung.common.native import native_core
from madelung.crystals.elements import covalent_radii
from madelung.inputs.bonds import SYMMETRIC_POINTS, BondList
from madelung.inputs.pair_graph import PairGraph
from madelung.models.native import Slot, kept_by_core, linear_slots, passes_natively

__all__ = ["Springs", "dynamical_matrices", "native_dynamical_matrices", "spring_matrices"]

_ENDS = 64
_HIDDEN = 96
_GAUSSIANS, _NEAREST, _FARTHEST = 16, 0.7, 2.4
# Strength (eV/Å²) of an average bond as long as its covalent radii say, and how it falls.
_STRENGTH, _DECAY = 3.0, 5.0
_SMALLEST_SQUARE = 1e-4
# Modes whose squared frequency is this part of the highest one's below it count a third.
_MODE_WIDTH = 0.05
_DOUBLINGS_OF_SINGLES = 6


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

    constants = (_NEAREST, _FARTHEST, _STRENGTH, _DECAY)
    """Centres of the first and last Gaussian, strength of an average bond, and how it falls."""
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
            In the network's unit, see :data:`FREQUENCY_UNITS`, in double precision.
        parts : (N,)
            Parts of the orbits in the vibrations of highest frequency; those of a crystal add up
            to one. They pass no gradient.
        """
        bonds = graph.bonds
        if bonds is None:
            raise ModelError("frequencies need bonds, and these crystals were made without")
        highest = atoms.new_zeros(len(bonds.sizes), SYMMETRIC_POINTS, dtype=torch.float64)
        parts = atoms.new_zeros(len(graph.numbers))
        assembled = self._assembled(atoms, graph.numbers, bonds)
        for (members, places), dynamical in zip(bonds.groups, assembled, strict=True):
            top, moving = vibrations(dynamical)
            highest = highest.index_copy(0, members, torch.sqrt(top))
            parts.index_add_(0, bonds.orbits[places].flatten(), moving.float().flatten())
        ordered = torch.sort(highest, dim=1, descending=True).values
        return ordered @ torch.softmax(self.weights.double(), 1).T, parts

    def _assembled(self, atoms: Tensor, numbers: Tensor, bonds: BondList) -> list[Tensor]:
        """(G, 8, 3n, 3n) dynamical matrices of each group of crystals, in double precision."""
        if passes_natively(self, atoms):
            return native_dynamical_matrices(self, atoms, numbers, bonds)
        along, across = self.strengths(atoms, numbers, bonds)
        matrices = spring_matrices(along[bonds.kinds], across[bonds.kinds], bonds.directions)
        masses = self.masses[numbers[bonds.orbits]]
        return [part.double() for part in dynamical_matrices(matrices, masses, bonds)]

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


def dynamical_matrices(matrices: Tensor, masses: Tensor, bonds: BondList) -> list[Tensor]:
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
    list of (G, 8, 3n, 3n) Tensor
        Those of each group of ``bonds``, in eV/(Å² u).
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
    for members, places in bonds.groups:
        count = places.shape[1]
        pieces = flat[before[members][:, None] + torch.arange(count**2, device=members.device)]
        shaped = pieces.view(len(members), count, count, SYMMETRIC_POINTS, 3, 3)
        dynamical = shaped.permute(0, 3, 1, 4, 2, 5)
        found.append(dynamical.reshape(len(members), SYMMETRIC_POINTS, 3 * count, 3 * count))
    return found


def vibrations(dynamical: Tensor) -> tuple[Tensor, Tensor]:
    """Find the highest vibrations of crystals with n atoms, and who takes part in them.

    Parameters
    ----------
    dynamical
        (G, P, 3n, 3n) dynamical matrices at P points.

    Returns
    -------
    highest : (G, P)
        The largest eigenvalues, at least 1e-4, which pass gradients.
    parts : (G, n)
        Parts of the atoms, averages over the points, which pass none.
    """
    if not torch.is_grad_enabled():
        squares = torch.linalg.eigvalsh(dynamical)
        highest = squares[..., -1].clamp(min=_SMALLEST_SQUARE)
        return highest, _parts_by_exponential(dynamical, squares, highest)
    squares, modes = torch.linalg.eigh(dynamical)
    highest = squares[..., -1].clamp(min=_SMALLEST_SQUARE)
    return highest, _parts_by_modes(squares.detach(), modes.detach(), highest.detach())


def _parts_by_modes(squares: Tensor, modes: Tensor, highest: Tensor) -> Tensor:
    """(G, n) part of each atom in the highest modes, a smooth function of the matrices."""
    top = highest[..., None]
    weights = torch.softmax((squares - top) / (_MODE_WIDTH * top), dim=-1)
    return _by_atom((modes.square() * weights[..., None, :]).sum(-1))


def _parts_by_exponential(dynamical: Tensor, squares: Tensor, highest: Tensor) -> Tensor:
    """The same without eigenvectors: products of matrices take less time than these do.

    Of exp((D - top) / width) the root is made, from the power of two of it that is so close to one
    that five terms of its series give it; the sums of squares of its rows are the diagonal.
    """
    width = 2.0 * _MODE_WIDTH * highest
    top = squares[..., -1]
    farthest = float(((top - squares[..., 0]) / width).max())
    doublings = max(0, math.ceil(math.log2(max(farthest, 1.0))))
    # Each one doubles the error that the first has by rounding.
    precision = torch.float32 if doublings <= _DOUBLINGS_OF_SINGLES else torch.float64
    scale = 2.0**-doublings / width
    power = (dynamical * scale[..., None, None]).to(precision).flatten(0, 1)
    _add_to_diagonal(power, -(top * scale).to(precision).flatten()[:, None])
    square = torch.bmm(power, power)
    tail = torch.add(power / 6.0, square, alpha=1.0 / 24.0)
    root = torch.baddbmm(power, square, _add_to_diagonal(tail, 0.5))
    _add_to_diagonal(root, 1.0)
    for _ in range(doublings):
        root = torch.bmm(root, root)
    shares = root.square().sum(-1).view(*highest.shape, -1)
    return _by_atom(shares / shares.sum(-1, keepdim=True))


def _add_to_diagonal(matrices: Tensor, values: Tensor | float) -> Tensor:
    matrices.diagonal(dim1=-2, dim2=-1).add_(values)
    return matrices


def _by_atom(shares: Tensor) -> Tensor:
    """(G, n) sums of (G, P, 3n) shares of the components of atoms, averaged over the points."""
    by_component = shares.mean(1)
    return by_component.view(len(by_component), -1, 3).sum(2)


def _masses() -> Tensor:
    """(119,) masses in u: IUPAC 2016, through ASE."""
    from ase.data import atomic_masses

    return torch.tensor(atomic_masses, dtype=torch.float32).clamp(min=1.0)


def native_dynamical_matrices(
    springs: Springs, atoms: Tensor, numbers: Tensor, bonds: BondList
) -> list[Tensor]:
    """Choose springs and assemble dynamical matrices from them, in double precision.

    Parameters
    ----------
    springs
        The network.
    atoms
        (N, features) features of the orbits.
    numbers
        (N,) their atomic numbers.
    bonds
        The bonds.

    Returns
    -------
    list of (G, 8, 3n, 3n) Tensor
        Those of each group of ``bonds``, in eV/(Å² u).
    """
    shapes = [
        (len(members), SYMMETRIC_POINTS, 3 * places.shape[1], 3 * places.shape[1])
        for members, places in bonds.groups
    ]
    counts = [math.prod(shape) for shape in shapes]
    matrices = torch.zeros(sum(counts), dtype=torch.float64)
    _native_springs(springs).run(
        atoms.detach().contiguous().numpy(), numbers.numpy(), *bonds.arrays, matrices.numpy()
    )
    return [part.view(shape) for part, shape in zip(matrices.split(counts), shapes, strict=True)]


def _native_springs(springs: Springs) -> Any:
    def slots() -> list[Slot]:
        """In the order of ``core/networks/springs_module.hpp``."""
        maps = (springs.end, springs.first, springs.second, springs.strength)
        return [*linear_slots(*maps), *((springs._buffers, name) for name in ("radii", "masses"))]

    return kept_by_core(
        springs,
        slots,
        lambda arrays: native_core().Springs(
            arrays, springs.end.in_features, springs.reach, *springs.constants
        ),
    )
