"""Elastic constants from the stress of strained crystals."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from madelung.calculations.preparation import crystal_of, prepare_atoms
from madelung.calculations.relax import relax
from madelung.common.axes import write_numbers
from madelung.common.errors import ForceFieldError
from madelung.common.figures import in_style, new_figure, save_figure, subscripts
from madelung.common.outputs import write_json
from madelung.common.progress import watched
from madelung.common.tables import write_rows
from madelung.common.units import GIGAPASCAL
from madelung.crystals.crystal import Crystal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ElasticResult", "elastic_constants"]

Array = NDArray[np.float64]

_NAMES = ("xx", "yy", "zz", "yz", "xz", "xy")
_ROWS, _COLUMNS = (0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)
# A matrix counts as cubic if no element departs from the mean of its kind by more than this part.
_CUBIC = 0.01


@dataclass(frozen=True, eq=False)
class ElasticResult:
    """Elastic constants of a crystal.

    Parameters
    ----------
    crystal
        The unstrained crystal.
    constants
        (6, 6) symmetric, in GPa, in Voigt's order xx, yy, zz, yz, xz, xy with engineering shears.
    errors
        (6, 6) estimated errors in GPa: what changed when the strain was halved, and what is not
        symmetric.
    stress
        (3, 3) stress of the unstrained crystal in GPa; the constants are those of stress over
        strain at this stress.
    strain
        The smaller of both strains.
    converged
        Whether the atoms came to rest in every strained crystal.
    """

    crystal: Crystal
    constants: Array
    errors: Array
    stress: Array
    strain: float
    converged: bool

    @property
    def compliances(self) -> Array:
        """(6, 6) inverse of the constants, in 1/GPa."""
        inverse: Array = np.asarray(np.linalg.inv(self.constants), dtype=np.float64)
        return inverse

    @property
    def stable(self) -> bool:
        """Whether every strain costs energy (M. Born's criterion)."""
        return bool(np.linalg.eigvalsh(self.constants).min() > 0.0)

    @property
    def bulk_modulus(self) -> float:
        """Mean of Voigt's and Reuss's bulk moduli in GPa (R. Hill, 1952)."""
        voigt = self.constants[:3, :3].sum() / 9.0
        reuss = 1.0 / self.compliances[:3, :3].sum()
        return float(0.5 * (voigt + reuss))

    @property
    def shear_modulus(self) -> float:
        """Mean of Voigt's and Reuss's shear moduli in GPa (R. Hill, 1952)."""
        c, s = self.constants, self.compliances
        off_c, off_s = (m[0, 1] + m[0, 2] + m[1, 2] for m in (c, s))
        voigt = (np.trace(c[:3, :3]) - off_c + 3.0 * np.trace(c[3:, 3:])) / 15.0
        reuss = 15.0 / (4.0 * (np.trace(s[:3, :3]) - off_s) + 3.0 * np.trace(s[3:, 3:]))
        return float(0.5 * (voigt + reuss))

    @property
    def cubic(self) -> tuple[float, float, float] | None:
        """C11, C12 and C44 in GPa if the matrix is that of a cubic crystal along x, y, z."""
        c = self.constants
        kinds = (np.diag(c)[:3], c[[0, 0, 1], [1, 2, 2]], np.diag(c)[3:])
        allowed = _CUBIC * float(np.abs(c).max())
        rest = c.copy()
        rest[:3, :3] = 0.0
        np.fill_diagonal(rest, 0.0)
        if np.abs(rest).max() > allowed or any(np.ptp(kind) > allowed for kind in kinds):
            return None
        c11, c12, c44 = (float(kind.mean()) for kind in kinds)
        return c11, c12, c44

    def as_object(self) -> dict[str, Any]:
        """Return what the JSON file holds."""
        cubic = self.cubic
        return {
            "job": "elastic",
            "formula": self.crystal.formula,
            "converged": self.converged,
            "stable": self.stable,
            "C_GPa": self.constants,
            "error_GPa": self.errors,
            "cubic_GPa": None
            if cubic is None
            else dict(zip(("C11", "C12", "C44"), cubic, strict=True)),
            "bulk_modulus_GPa": self.bulk_modulus,
            "shear_modulus_GPa": self.shear_modulus,
            "stress_GPa": self.stress,
            "strain": self.strain,
            "cell_A": self.crystal.cell,
        }

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``elastic.json``, ``elastic.csv`` and ``elastic.png``."""
        out = Path(folder)
        rows = [
            {"": name} | dict(zip(_NAMES, map(float, row), strict=True))
            for name, row in zip(_NAMES, self.constants, strict=True)
        ]
        write_rows(out / "elastic.csv", rows)
        save_figure(self.plot(), out / "elastic.png")
        write_json(out / "elastic.json", self.as_object())

    @in_style
    def plot(self) -> Figure:
        """Draw the matrix."""
        figure = new_figure(4.8, 3.9)
        axes = figure.subplots()
        limit = float(np.abs(self.constants).max())
        image = axes.imshow(self.constants, cmap="RdBu_r", vmin=-limit, vmax=limit)
        write_numbers(axes, self.constants, image, 3.2, decimals=1)
        figure.colorbar(image, ax=axes, label="elastic constant (GPa)")
        axes.set_xticks(range(6), _NAMES)
        axes.set_yticks(range(6), _NAMES)
        axes.set(xlabel="strain", ylabel="stress")
        axes.set_title(f"elastic constants of {subscripts(self.crystal.formula)}")
        return figure


def elastic_constants(
    structure: Any,
    force_field: Any,
    *,
    strain: float = 2e-3,
    relax_first: bool = True,
    relax_atoms: bool = True,
    force_tolerance: float = 1e-4,
    max_steps: int = 500,
    progress: bool = False,
) -> ElasticResult:
    """Strain a crystal in six ways, both signs and two sizes, and divide stress by strain.

    Parameters
    ----------
    structure
        Whatever :func:`madelung.as_crystals` takes, periodic in three directions.
    force_field
        A force field or an ASE calculator.
    strain
        The larger of two strains; the other is half of it, and gives the result.
    relax_first
        Whether to relax cell and atoms before. Without it, atoms alone are relaxed.
    relax_atoms
        Whether the atoms of strained crystals are relaxed; without it the result is that of
        clamped ions.
    force_tolerance
        Largest force of a relaxed crystal in eV/Å.
    max_steps
        Most steps of each relaxation.
    progress
        Whether to show on stderr how far it is.

    Returns
    -------
    ElasticResult

    Raises
    ------
    ForceFieldError
        If the structure is not periodic in three directions, or the strain makes no sense.
    """
    start = prepare_atoms(structure, force_field)
    if not start.pbc.all():
        raise ForceFieldError("elastic constants need a structure periodic in three directions")
    if not 0.0 < strain < 0.1:
        raise ForceFieldError(f"the strain must be between 0 and 0.1, not {strain}")
    options: dict[str, Any] = {"force_tolerance": force_tolerance, "max_steps": max_steps}
    converged = True
    if relax_first or relax_atoms:
        rest = relax(start, start.calc, cell=relax_first, **options)
        converged = rest.converged
        start.set_cell(rest.crystal.cell)
        start.set_positions(rest.crystal.positions)
    matrices = []
    with watched("straining", show=progress) as advance:
        for size, scale in enumerate((1.0, 0.5)):
            columns = np.empty((6, 6))
            for index in range(6):
                ends = []
                for sign in (1.0, -1.0):
                    stress, settled = _strained_stress(
                        start, index, sign * scale * strain, relax_atoms, options
                    )
                    ends.append(stress)
                    converged = converged and settled
                columns[:, index] = (ends[0] - ends[1]) / (2.0 * scale * strain)
                advance(6 * size + index + 1, 12)
            matrices.append(columns / GIGAPASCAL)
    coarse, fine = matrices
    return ElasticResult(
        crystal=crystal_of(start),
        constants=0.5 * (fine + fine.T),
        errors=np.maximum(np.abs(fine - coarse), 0.5 * np.abs(fine - fine.T)),
        stress=np.array(start.get_stress(voigt=False)) / GIGAPASCAL,
        strain=0.5 * strain,
        converged=converged,
    )


def _strained_stress(
    start: Any, index: int, size: float, relax_atoms: bool, options: dict[str, Any]
) -> tuple[Array, bool]:
    """Return the stress (6,) in eV/Å³, and whether the atoms came to rest."""
    change = np.zeros((3, 3))
    row, column = _ROWS[index], _COLUMNS[index]
    # An engineering shear is twice the tensor's element.
    change[row, column] = change[column, row] = size if row == column else 0.5 * size
    atoms = start.copy()
    atoms.calc = start.calc
    atoms.set_cell(start.cell.array @ (np.eye(3) + change), scale_atoms=True)
    settled = True
    if relax_atoms:
        result = relax(atoms, start.calc, **options)
        stress, settled = result.stress, result.converged
    else:
        stress = atoms.get_stress(voigt=False)
    assert stress is not None
    return np.array(stress)[_ROWS, _COLUMNS], settled
