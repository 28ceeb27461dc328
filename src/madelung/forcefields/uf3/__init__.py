"""UF3: ultra-fast force fields of splines of two and three distances; see docs/theory/uf3.md."""

from madelung.forcefields.uf3.fit import UF3Fit, assemble, fit_uf3
from madelung.forcefields.uf3.lammps import read_lammps, write_lammps
from madelung.forcefields.uf3.normal_equations import NormalEquations
from madelung.forcefields.uf3.potential import UF3Potential
from madelung.forcefields.uf3.settings import (
    Regularisation,
    ThreeBodyRange,
    TwoBodyRange,
    UF3Settings,
)

__all__ = [
    "NormalEquations",
    "Regularisation",
    "ThreeBodyRange",
    "TwoBodyRange",
    "UF3Fit",
    "UF3Potential",
    "UF3Settings",
    "assemble",
    "fit_uf3",
    "read_lammps",
    "write_lammps",
]
