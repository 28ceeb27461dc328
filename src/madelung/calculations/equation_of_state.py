"""Energy over volume, and the equation of state of Birch and Murnaghan that fits it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from madelung.calculations.preparation import prepare_atoms
from madelung.calculations.relax import relax
from madelung.common.errors import ForceFieldError
from madelung.common.figures import BLUE, ORANGE, in_style, new_figure, save_figure, subscripts
from madelung.common.outputs import write_json
from madelung.common.progress import watched
from madelung.common.tables import write_rows
from madelung.common.units import GIGAPASCAL

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EquationOfState", "equation_of_state", "fit_birch_murnaghan"]

Array = NDArray[np.float64]

_FEWEST = 5
_ERROR_KEYS = {
    "volume": "volume_error_A3",
    "energy": "energy_error_eV",
    "bulk_modulus": "bulk_modulus_error_GPa",
    "derivative": "bulk_modulus_derivative_error",
}


@dataclass(frozen=True, eq=False)
class EquationOfState:
    """Equation of state of third order of F. Birch, Phys. Rev. 71, 809 (1947).

    Parameters
    ----------
    volumes, energies
        (m,) points that were fitted, in Å³ and eV, of the whole cell.
    volume
        Volume V0 of the minimum in Å³.
    energy
        Energy there in eV.
    bulk_modulus
        B0 in GPa.
    derivative
        Derivative B0' of the bulk modulus with respect to pressure.
    coefficients
        (4,) of the powers 0 to 3 of V^(-2/3) that are the energy.
    atoms
        Number of atoms of the cell.
    formula
        Formula of the cell.
    converged
        Whether the atoms came to rest at every volume.
    errors
        Estimated errors of ``volume``, ``energy``, ``bulk_modulus`` and ``derivative`` in their
        units: the standard error by leaving out each point in turn (jackknife), and what changes
        with a polynomial of fourth degree, added in quadrature.
    """

    volumes: Array
    energies: Array
    volume: float
    energy: float
    bulk_modulus: float
    derivative: float
    coefficients: Array
    atoms: int = 1
    formula: str = ""
    converged: bool = True
    errors: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, volumes: Any) -> Any:
        """Return the fitted energy at volumes in Å³."""
        x = np.asarray(volumes, dtype=np.float64) ** (-2.0 / 3.0)
        return np.polynomial.polynomial.polyval(x, self.coefficients)

    @property
    def residual(self) -> float:
        """Root-mean-square deviation of the points from the fit, in eV for each atom."""
        return float(np.sqrt(np.mean((self(self.volumes) - self.energies) ** 2))) / self.atoms

    def as_object(self) -> dict[str, Any]:
        """Return what the JSON file holds."""
        return {
            "job": "eos",
            "formula": self.formula,
            "converged": self.converged,
            "volume_A3": self.volume,
            "volume_A3_per_atom": self.volume / self.atoms,
            "energy_eV": self.energy,
            "energy_eV_per_atom": self.energy / self.atoms,
            "bulk_modulus_GPa": self.bulk_modulus,
            "bulk_modulus_derivative": self.derivative,
            "residual_eV_per_atom": self.residual,
            **{_ERROR_KEYS[name]: error for name, error in self.errors.items()},
        }

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``eos.json``, ``eos.csv`` and ``eos.png``."""
        out = Path(folder)
        rows = [
            {"volume_A3": float(v), "energy_eV": float(e), "fit_eV": float(self(v))}
            for v, e in zip(self.volumes, self.energies, strict=True)
        ]
        write_rows(out / "eos.csv", rows)
        save_figure(self.plot(), out / "eos.png")
        write_json(out / "eos.json", self.as_object())

    @in_style
    def plot(self) -> Figure:
        """Draw the points and the fit."""
        figure = new_figure()
        axes = figure.subplots()
        fine = np.linspace(self.volumes.min(), self.volumes.max(), 200)
        axes.plot(
            fine / self.atoms,
            self(fine) / self.atoms,
            color=BLUE,
            label="Birch–Murnaghan fit",
        )
        axes.plot(
            self.volumes / self.atoms, self.energies / self.atoms, "o", color=ORANGE,
            label=f"calculated ({len(self.volumes)} volumes)",
        )  # fmt: skip
        axes.set(xlabel="volume (Å³/atom)", ylabel="energy (eV/atom)")
        axes.legend()
        axes.set_title(
            f"{subscripts(self.formula)}: V₀ = {self.volume / self.atoms:.2f} Å³/atom, "
            f"B₀ = {self.bulk_modulus:.2f} GPa, B₀′ = {self.derivative:.2f}"
        )
        return figure


def equation_of_state(
    structure: Any,
    force_field: Any,
    *,
    span: float = 0.06,
    points: int = 9,
    relax_atoms: bool = True,
    relax_shape: bool = False,
    force_tolerance: float = 1e-3,
    max_steps: int = 500,
    progress: bool = False,
) -> EquationOfState:
    """Scale a crystal, relax its atoms at each volume, and fit the energies.

    Parameters
    ----------
    structure
        Whatever :func:`madelung.as_crystals` takes, periodic in three directions, near
        its equilibrium volume.
    force_field
        A force field or an ASE calculator.
    span
        Volumes are from (1 - span) to (1 + span) times that of the structure.
    points
        Number of volumes, at least 5.
    relax_atoms
        Whether the atoms are relaxed at each volume.
    relax_shape
        Whether the shape of the cell is relaxed at each volume, with the atoms. Without it, a
        crystal that is not cubic seems stiffer than it is.
    force_tolerance, max_steps
        As for :func:`~madelung.relax`.
    progress
        Whether to show on stderr how far it is.

    Raises
    ------
    ForceFieldError
        If the energies have no minimum within the span, or the arguments make no sense.
    """
    start = prepare_atoms(structure, force_field)
    if not start.pbc.all():
        raise ForceFieldError("an equation of state needs a structure periodic in three directions")
    if relax_shape and not relax_atoms:
        raise ForceFieldError("a shape is relaxed with the atoms; relax both, or neither")
    if not 0.0 < span < 0.5 or points < _FEWEST:
        raise ForceFieldError(f"give a span between 0 and 0.5 and at least {_FEWEST} points")
    volumes, energies, converged = [], [], True
    with watched("scaling", show=progress) as advance:
        for number, factor in enumerate(np.linspace(1.0 - span, 1.0 + span, points), start=1):
            atoms = start.copy()
            atoms.calc = start.calc
            atoms.set_cell(start.cell.array * factor ** (1.0 / 3.0), scale_atoms=True)
            volumes.append(float(atoms.get_volume()))
            if relax_atoms:
                result = relax(
                    atoms,
                    start.calc,
                    cell=relax_shape,
                    fixed_volume=relax_shape,
                    force_tolerance=force_tolerance,
                    max_steps=max_steps,
                )
                energies.append(result.energy)
                converged = converged and result.converged
            else:
                energies.append(float(atoms.get_potential_energy()))
            advance(number, points)
    formula = start.get_chemical_formula()
    return fit_birch_murnaghan(volumes, energies, len(start), formula, converged)


def fit_birch_murnaghan(
    volumes: Any, energies: Any, atoms: int = 1, formula: str = "", converged: bool = True
) -> EquationOfState:
    """Fit volumes in Å³ and energies in eV; a linear problem, solved exactly.

    The energy of Birch and Murnaghan's third order is a polynomial of third degree in
    x = V^(-2/3). With its derivatives at the minimum, B0 = 4/9 E_xx V^(-7/3) and
    B0' = -1 - V E_VVV/E_VV.

    Raises
    ------
    ForceFieldError
        If there are fewer than 5 points, or the fit has no minimum between them.
    """
    v, e = np.asarray(volumes, dtype=np.float64), np.asarray(energies, dtype=np.float64)
    if v.shape != e.shape or v.ndim != 1 or len(v) < _FEWEST:
        raise ForceFieldError(f"a fit needs at least {_FEWEST} volumes with an energy each")
    found = _minimum(v, e, 3)
    if found is None:
        raise ForceFieldError(
            f"{formula or 'the energies'}: there is no minimum between {v.min():.6g} and "
            f"{v.max():.6g} Å³; relax the cell first, or take a wider span"
        )
    return EquationOfState(
        volumes=v,
        energies=e,
        **found,
        coefficients=np.asarray(_polynomial(v, e, 3).coef, dtype=np.float64),
        atoms=atoms,
        formula=formula,
        converged=converged,
        errors=_errors(v, e, found),
    )


def _polynomial(v: Array, e: Array, degree: int) -> Any:
    return np.polynomial.Polynomial.fit(v ** (-2.0 / 3.0), e, degree).convert()


def _minimum(v: Array, e: Array, degree: int) -> dict[str, float] | None:
    """Volume, energy, B0 in GPa and B0' of a polynomial in V^(-2/3); None without a minimum."""
    x, fit = v ** (-2.0 / 3.0), _polynomial(v, e, degree)
    bend = fit.deriv(2)
    roots = np.asarray(fit.deriv(1).roots(), dtype=np.complex128)
    real = roots.real[np.abs(roots.imag) < 1e-12 * np.abs(roots)]
    inside = [float(root) for root in real if x.min() <= root <= x.max()]
    minima = [root for root in inside if bend(root) > 0.0]
    if not minima:
        return None
    lowest = min(minima, key=lambda root: float(fit(root)))
    volume = lowest**-1.5
    first, second = -2.0 / 3.0 * volume ** (-5.0 / 3.0), 10.0 / 9.0 * volume ** (-8.0 / 3.0)
    curvature = float(bend(lowest)) * first**2
    steepening = float(np.real(fit.deriv(3)(lowest)))
    third = steepening * first**3 + 3.0 * float(np.real(bend(lowest))) * first * second
    return {
        "volume": volume,
        "energy": float(fit(lowest)),
        "bulk_modulus": float(volume * curvature) / GIGAPASCAL,
        "derivative": float(-1.0 - volume * third / curvature),
    }


def _errors(v: Array, e: Array, found: Mapping[str, float]) -> dict[str, float]:
    """Estimated errors of what a fit has found; NaN where a fit has no minimum."""
    nothing = dict.fromkeys(found, float("nan"))
    kept = [np.arange(len(v)) != left_out for left_out in range(len(v))]
    trials = [_minimum(v[rows], e[rows], 3) or nothing for rows in kept]
    quartic = _minimum(v, e, 4) or nothing
    errors = {}
    for name, value in found.items():
        spread = np.array([trial[name] for trial in trials])
        variance = (len(v) - 1) * float(np.mean((spread - spread.mean()) ** 2))
        errors[name] = float(np.hypot(np.sqrt(variance), quartic[name] - value))
    return errors
