"""Molecules by density-functional theory, through PySCF."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import PolymorphError
from madelung.common.units import BOHR, COULOMB_CONSTANT, HARTREE
from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.polymorphs.dispersion_coefficients import (
    FREE_POLARISABILITIES,
    DispersionCoefficients,
    hole_distances,
)
from madelung.polymorphs.molecules import Molecule
from madelung.polymorphs.monomers import Monomer, equalised

__all__ = ["PyscfMonomers"]

# B86b exchange with PBE correlation: that of the references by which rankings are judged.
_FUNCTIONALS = {"b86bpbe": "gga_x_b86_mgc,gga_c_pbe"}
_GRID_LEVEL, _CONVERGENCE = 1, 1e-8
_POINTS_TOGETHER = 20_000
_THINNEST = 1e-10
# Merz and Kollman's shells, in van der Waals radii, and points on each atom's sphere of each.
_SHELLS, _SPHERE = (1.6, 1.9, 2.2, 2.6), 80
_RADII = {
    1: 1.2, 5: 1.92, 6: 1.7, 7: 1.55, 8: 1.52, 9: 1.47, 14: 2.1, 15: 1.8, 16: 1.8, 17: 1.75,
    35: 1.85, 53: 1.98,
}  # fmt: skip
# Holds charges of atoms inside of a molecule, which the potential hardly knows, near to zero.
_RESTRAINT = 1e-6
_HEAVY = 36
_UNPAIRED = {
    1: 1, 5: 1, 6: 2, 7: 3, 8: 2, 9: 1, 14: 2, 15: 3, 16: 2, 17: 1, 35: 1, 53: 1,
}  # fmt: skip


class PyscfMonomers:
    """Energies, charges and dispersion coefficients of molecules with closed shells.

    Parameters
    ----------
    functional
        ``"b86bpbe"``, or a name that PySCF knows.
    basis
        Name of the basis; heavy atoms take its effective core potentials.
    threads
        Cores that PySCF uses.

    Raises
    ------
    PolymorphError
        If PySCF is not installed.
    """

    def __init__(
        self, functional: str = "b86bpbe", basis: str = "def2-svpd", threads: int = 1
    ) -> None:
        try:
            import pyscf
        except ImportError:
            raise PolymorphError(
                "molecules are calculated by PySCF, which is not installed: pip install "
                "'madelung[polymorphs]'"
            ) from None
        self.functional, self.basis, self.threads = functional, basis, threads
        self._version = pyscf.__version__

    @property
    def name(self) -> str:
        """Method, basis and settings in one line."""
        return f"{self.functional}/{self.basis}, grid {_GRID_LEVEL}, pyscf"

    def calculate(self, molecule: Molecule) -> Monomer:
        """Return what a molecule is worth.

        Raises
        ------
        PolymorphError
            If an element has no tabulated data, or the calculation does not converge.
        """
        unknown = {int(number) for number in molecule.numbers} - set(FREE_POLARISABILITIES)
        if unknown:
            symbols = ", ".join(ELEMENT_SYMBOLS[number] for number in sorted(unknown))
            raise PolymorphError(f"{molecule.formula}: no polarisability is known of {symbols}")
        from pyscf import lib

        upright = _upright(molecule)
        with lib.with_omp_threads(self.threads), self._field(upright) as field:
            energy = float(field.kernel())
            if not field.converged:
                raise PolymorphError(
                    f"{molecule.formula}: {self.name} did not converge in {field.max_cycle} steps"
                )
            density = field.make_rdm1()
            charges, missed = _fitted_charges(upright, field.mol, density)
            dispersion = _dispersion(upright, field, density, self)
        return Monomer(molecule, energy * HARTREE, charges, missed, dispersion)

    @contextmanager
    def _field(self, molecule: Molecule, unpaired: int = 0) -> Iterator[Any]:
        """A calculation of PySCF, whose temporary files are closed in the end."""
        from pyscf import dft, gto

        atoms = [
            (ELEMENT_SYMBOLS[number], place.tolist())
            for number, place in zip(molecule.numbers.tolist(), molecule.positions, strict=True)
        ]
        heavy = {ELEMENT_SYMBOLS[n]: self.basis for n in molecule.numbers.tolist() if n > _HEAVY}
        try:
            with warnings.catch_warnings():
                # Advice to install another package where a basis is not known.
                warnings.simplefilter("ignore", UserWarning)
                system = gto.M(
                    atom=atoms,
                    basis=self.basis,
                    ecp=heavy,
                    spin=unpaired,
                    unit="Angstrom",
                    verbose=0,
                )
            kind = dft.UKS if unpaired else dft.RKS
            field = kind(system, xc=_FUNCTIONALS.get(self.functional, self.functional))
            field = field.density_fit()
            field.grids.level, field.conv_tol = _GRID_LEVEL, _CONVERGENCE
        # PySCF has errors of many kinds for names that it does not know.
        except (KeyError, RuntimeError, ValueError) as error:
            raise PolymorphError(
                f"PySCF cannot do {self.functional}/{self.basis} for {molecule.formula} ({error})"
            ) from error
        if system.nao <= system.nelec[0]:
            raise PolymorphError(
                f"{self.basis} leaves no orbital of {molecule.formula} empty; name a larger basis"
            )
        try:
            yield field
        finally:
            files: list[Any] = [getattr(field, "_chkfile", None), field.with_df._cderi_to_save]
            for file in files:
                if hasattr(file, "close"):
                    file.close()


def _upright(molecule: Molecule) -> Molecule:
    """The molecule along the axes of its charges: the grid's error is then that of its shape."""
    weights = molecule.numbers / molecule.numbers.sum()
    centred = molecule.positions - weights @ molecule.positions
    axes = np.linalg.eigh((weights[:, None] * centred).T @ centred)[1]
    return replace(molecule, positions=centred @ axes)


def _fitted_charges(
    molecule: Molecule, system: Any, density: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Charges (e) that make the potential around a molecule, and what they miss of it.

    U. C. Singh and P. A. Kollman, J. Comput. Chem. 5, 129 (1984).
    """
    points = _points_around(molecule)
    potential = _potential(molecule, system, density, points)
    inverse = 1.0 / np.linalg.norm(points[:, None] - molecule.positions[None], axis=2)
    atoms = len(molecule)
    normal = np.zeros((atoms + 1, atoms + 1))
    normal[:atoms, :atoms] = inverse.T @ inverse
    normal[:atoms, :atoms] += _RESTRAINT * len(points) * np.eye(atoms)
    normal[:atoms, atoms] = normal[atoms, :atoms] = 1.0
    target = np.append(inverse.T @ (potential / COULOMB_CONSTANT), 0.0)
    charges = np.linalg.solve(normal, target)[:atoms]
    missed = COULOMB_CONSTANT * (inverse @ charges) - potential
    error = float(np.sqrt((missed**2).mean() / (potential**2).mean()))
    return equalised(molecule, charges), error


def _points_around(molecule: Molecule) -> NDArray[np.float64]:
    """(p, 3) points of spheres around the atoms, outside of all others, in Å."""
    steps = np.arange(_SPHERE) + 0.5
    polar, turn = np.arccos(1.0 - 2.0 * steps / _SPHERE), np.pi * (1.0 + 5.0**0.5) * steps
    sphere = np.column_stack(
        [np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)]
    )
    radii = np.array([_RADII[int(number)] for number in molecule.numbers])
    found = []
    for shell in _SHELLS:
        for place, radius in zip(molecule.positions, radii, strict=True):
            points = place + shell * radius * sphere
            apart = np.linalg.norm(points[:, None] - molecule.positions[None], axis=2)
            found.append(points[(apart >= 0.999 * shell * radii).all(axis=1)])
    return np.concatenate(found)


def _potential(
    molecule: Molecule,
    system: Any,
    density: NDArray[np.float64],
    points: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(p,) electrostatic potential of nuclei and electrons in V."""
    from pyscf import df, gto

    electrons = np.empty(len(points))
    for start in range(0, len(points), 400):
        part = slice(start, start + 400)
        integrals = df.incore.aux_e2(system, gto.fakemol_for_charges(points[part] / BOHR))
        electrons[part] = np.einsum("ijp,ij->p", integrals, density)
    apart = np.linalg.norm(points[:, None] - molecule.positions[None], axis=2) / BOHR
    nuclei = (system.atom_charges() / apart).sum(axis=1)
    found: NDArray[np.float64] = (nuclei - electrons) * HARTREE
    return found


def _dispersion(
    molecule: Molecule, field: Any, density: NDArray[np.float64], method: PyscfMonomers
) -> DispersionCoefficients:
    """Moments of the exchange hole, shared by Hirshfeld's weights of free atoms."""
    atoms = len(molecule)
    moments, volumes = np.zeros((atoms, 3)), np.zeros(atoms)
    free = [_free_atom(int(number), method.functional, method.basis) for number in molecule.numbers]
    points, weights = field.grids.coords, field.grids.weights
    for start in range(0, len(points), _POINTS_TOGETHER):
        part = slice(start, start + _POINTS_TOGETHER)
        orbitals = field._numint.eval_ao(field.mol, points[part], deriv=2)
        values = field._numint.eval_rho(field.mol, orbitals, density, xctype="MGGA", with_lapl=True)
        # Half of the electrons have each spin; PySCF's kinetic density has a factor of a half, and
        # that of both spins is the sum without it over one.
        spin, laplacian, kinetic = values[0] / 2.0, values[4] / 2.0, values[5]
        gradient = (values[1:4] ** 2).sum(axis=0) / 4.0
        dense = spin > _THINNEST
        spin = spin[dense]
        away = hole_distances(spin, gradient[dense], laplacian[dense], kinetic[dense])
        apart = np.linalg.norm(
            points[part][dense][:, None] - molecule.positions[None] / BOHR, axis=2
        )
        parts = np.stack(
            [np.interp(apart[:, at], *free[at][:2], right=0.0) for at in range(atoms)], axis=1
        )
        shares = parts / np.maximum(parts.sum(axis=1, keepdims=True), 1e-30)
        shares *= (2.0 * spin * weights[part][dense])[:, None]
        volumes += (shares * apart**3).sum(axis=0)
        inner = np.maximum(apart - away[:, None], 0.0)
        for power in (1, 2, 3):
            squares = (apart**power - inner**power) ** 2
            moments[:, power - 1] += (shares * squares).sum(axis=0)
    scale = np.array([FREE_POLARISABILITIES[int(number)] for number in molecule.numbers]) / BOHR**3
    return DispersionCoefficients(moments, scale * volumes / np.array([one[2] for one in free]))


@cache
def _free_atom(
    number: int, functional: str, basis: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Radii (bohr), the spherical density of a free atom there, and its volume Σρr³."""
    from pyscf import scf

    none = np.empty(0, dtype=np.int64)
    atom = Molecule(np.array([number]), np.zeros((1, 3)), none, none.reshape(0, 2))
    with PyscfMonomers(functional, basis)._field(atom, _UNPAIRED[number]) as field:
        spread = scf.addons.frac_occ(field)
        spread.kernel()
        density = spread.make_rdm1().sum(axis=0)
    radii = np.geomspace(1e-5, 25.0, 400)
    steps = np.arange(26) + 0.5
    polar, turn = np.arccos(1.0 - 2.0 * steps / 26), np.pi * (1.0 + 5.0**0.5) * steps
    sphere = np.column_stack(
        [np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)]
    )
    orbitals = field.mol.eval_gto("GTOval_sph", (radii[:, None, None] * sphere).reshape(-1, 3))
    values = np.einsum("pi,ij,pj->p", orbitals, density, orbitals).reshape(len(radii), -1).mean(1)
    volume = float(np.trapezoid(4.0 * np.pi * values * radii**5, radii))
    return radii, values, volume
