"""The pair potentials whose complete lattice sums are known, one line for each.

A class states all of a potential, its names included: those that are split into two spaces are
kinds of :class:`~madelung.sums.base.Potential`, the others kinds of
:class:`~madelung.sums.base.Combination`. To add one, write its class, and put it into
:data:`POTENTIALS`: the command line, configuration files, files of force fields and the tests
take it from there. PyTorch is not imported here.
"""

from __future__ import annotations

from madelung.common.errors import PotentialError
from madelung.common.registry import Registry
from madelung.sums.base import Combination, Potential
from madelung.sums.combinations import Buckingham, LennardJones, Morse
from madelung.sums.exponentials import BornMayer, Pauli, Yukawa
from madelung.sums.gaussians import Gaussian
from madelung.sums.inverse_powers import Coulomb, InversePower, London

__all__ = [
    "POTENTIALS",
    "POTENTIALS_BY_NAME",
    "BornMayer",
    "Buckingham",
    "Coulomb",
    "Gaussian",
    "InversePower",
    "LennardJones",
    "London",
    "Morse",
    "Pauli",
    "Potential",
    "Yukawa",
]

POTENTIALS: tuple[type[Potential] | type[Combination], ...] = (
    Coulomb,
    London,
    Pauli,
    Yukawa,
    Gaussian,
    InversePower,
    LennardJones,
    Morse,
    Buckingham,
)
"""All of them, in the order in which they are listed."""

POTENTIALS_BY_NAME: Registry[type[Potential] | type[Combination]] = Registry(
    "potential",
    {kind.naming.name: kind for kind in POTENTIALS},
    PotentialError,
    aliases={other: kind.naming.name for kind in POTENTIALS for other in kind.naming.aliases},
)
"""Them by the names that their classes state."""
