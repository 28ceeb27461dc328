"""Site potentials, energies and Madelung constants of charged atoms.

The equations are those of section 9 of docs/theory/lattice-sums.md.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.arrays import to_numpy
from madelung.common.html import html_table
from madelung.common.units import COULOMB_CONSTANT
from madelung.crystals.checks import crystal_error
from madelung.crystals.crystal import Crystal
from madelung.crystals.distances import shortest_distances
from madelung.crystals.reading.arguments import as_crystals
from madelung.sums.formatting import value_text

if TYPE_CHECKING:
    from os import PathLike

    Charges = Mapping[str, float] | Sequence[float] | NDArray[np.float64] | str | None

__all__ = [
    "Electrostatics",
    "electrostatics",
    "electrostatics_from_sums",
    "madelung_constant",
    "resolve_charges",
    "site_potentials",
]


# Charges that add up to less than this (in e) count as neutral: files print them with few digits.
_NEUTRAL = 1e-6
_WHOLE = 1e-9
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False, repr=False)
class Electrostatics:
    """Electrostatics of point charges on the sites of a crystal.

    Parameters
    ----------
    charges
        (n,) charges in e.
    site_potentials
        (n,) potential in V that all other charges of the infinite crystal make at each site,
        equation (9.1). Its average over space is zero.
    site_certificate
        Bound on the absolute error of every site potential, in V.
    energy
        Energy per cell in eV, equation (9.2).
    energy_certificate
        Bound on the absolute error of the energy, in eV.
    net_charge
        Sum of the charges in e. If it is not zero, a uniform neutralising background is included.
    nearest_distance
        Shortest distance in Å between charges of opposite sign, or None if there are none.
    madelung_constant
        Equation (9.4): minus the energy per formula unit, times the nearest distance, over
        :data:`COULOMB_CONSTANT` and the square of the unit charge. None for a charged cell and
        where there is no nearest distance.
    madelung_certificate
        Bound on the absolute error of the Madelung constant, or None.
    unit_charge
        Greatest common divisor of the charges if they are whole numbers, otherwise 1.
    formula_units
        Number of formula units in the cell.
    """

    charges: NDArray[np.float64]
    site_potentials: NDArray[np.float64]
    site_certificate: float
    energy: float
    energy_certificate: float
    net_charge: float
    nearest_distance: float | None
    madelung_constant: float | None
    madelung_certificate: float | None
    unit_charge: float
    formula_units: int

    def __repr__(self) -> str:
        """Return a line with the energy and the Madelung constant."""
        return f"Electrostatics({'; '.join(f'{name} {text}' for name, text in self._rows())})"

    def _repr_html_(self) -> str:
        return html_table(self._rows(), "electrostatics")

    def _rows(self) -> list[tuple[str, str]]:
        energy = value_text(self.energy, self.energy_certificate)
        rows = [("sites", str(len(self.charges))), ("energy", f"{energy} eV")]
        if not self.is_neutral:
            rows.append(("net charge", f"{self.net_charge:g} e"))
        if self.madelung_constant is not None and self.madelung_certificate is not None:
            constant = value_text(self.madelung_constant, self.madelung_certificate)
            rows.append(("Madelung constant", constant))
        return rows

    @property
    def is_neutral(self) -> bool:
        """Whether the charges add up to zero."""
        return abs(self.net_charge) < _NEUTRAL


def electrostatics(
    crystal: Crystal | str | PathLike[str] | Any,
    charges: Charges = None,
    *,
    tolerance: float = 1e-10,
    executor: str = "auto",
    threads: int | None = None,
) -> Electrostatics:
    """Compute site potentials, energy and Madelung constant of a crystal of point charges.

    Parameters
    ----------
    crystal
        A crystal, or what :func:`madelung.as_crystals` makes one of.
    charges
        See :func:`resolve_charges`; by default the charges that the crystal carries.
    tolerance
        Absolute tolerance of the Coulomb sums in 1/Å.
    executor, threads
        As for :func:`madelung.complete_sums`.

    Returns
    -------
    Electrostatics

    Raises
    ------
    CrystalError
        If the crystal is not periodic in three directions, or its charges are not known.

    Notes
    -----
    A net charge is neutralised by a uniform background, and no field comes from the crystal's
    surface (tin-foil boundary): P. P. Ewald, Ann. Phys. 369, 253 (1921).
    """
    from madelung.sums.complete import complete_sums
    from madelung.sums.potentials import Coulomb

    member = _one_crystal(crystal)
    resolved = resolve_charges(member, charges)
    sums = complete_sums(member, Coulomb(), tolerance=tolerance, executor=executor, threads=threads)
    values, certificate = to_numpy(sums.values)[0], float(to_numpy(sums.certificate)[0])
    return electrostatics_from_sums(member, resolved, values, certificate)


def site_potentials(
    crystal: Crystal | str | PathLike[str] | Any, charges: Charges = None, **options: Any
) -> NDArray[np.float64]:
    """Return the electrostatic potential at each site in V; see :func:`electrostatics`."""
    return electrostatics(crystal, charges, **options).site_potentials


def madelung_constant(
    crystal: Crystal | str | PathLike[str] | Any, charges: Charges = None, **options: Any
) -> float:
    """Return the Madelung constant of a neutral crystal; see :func:`electrostatics`.

    Raises
    ------
    CrystalError
        If the cell has a net charge, or no two charges are of opposite sign.
    """
    member = _one_crystal(crystal)
    result = electrostatics(member, charges, **options)
    if result.madelung_constant is None:
        reason = (
            "no two charges are of opposite sign"
            if result.nearest_distance is None
            else f"the cell has a net charge of {result.net_charge:g} e"
        )
        raise crystal_error(member.source, f"there is no Madelung constant: {reason}")
    return result.madelung_constant


def electrostatics_from_sums(
    crystal: Crystal,
    charges: NDArray[np.float64],
    coulomb: NDArray[np.float64],
    certificate: float,
    distances: NDArray[np.float64] | None = None,
) -> Electrostatics:
    """Evaluate equations (9.1), (9.2) and (9.4) with Coulomb sums that are already known.

    Parameters
    ----------
    crystal
        The crystal.
    charges
        (n,) charges in e.
    coulomb
        (n, n) complete sums of 1/r in 1/Å.
    certificate
        Bound on the absolute error of each entry of ``coulomb``.
    distances
        (n, n) shortest distances in Å, if they are already known.
    """
    # The products are rounded too: n of them per site, each to one part in 1/epsilon.
    rounding = _EPSILON * (len(charges) + 3.0)
    absolute = np.abs(charges)
    potentials = COULOMB_CONSTANT * (coulomb @ charges)
    spread = absolute.sum() * certificate + rounding * (np.abs(coulomb) @ absolute)
    errors = COULOMB_CONSTANT * spread
    energy = 0.5 * float(charges @ potentials)
    error = 0.5 * float(absolute @ (errors + rounding * np.abs(potentials)))
    net = float(charges.sum())
    nearest = _nearest_opposite(crystal, charges, distances)
    units, unit_charge = _formula_units(crystal.symbols), _unit_charge(charges)
    scale = None
    if nearest is not None and abs(net) < _NEUTRAL:
        scale = nearest / (units * COULOMB_CONSTANT * unit_charge**2)
    return Electrostatics(
        charges=charges,
        site_potentials=potentials,
        site_certificate=float(errors.max()),
        energy=energy,
        energy_certificate=error,
        net_charge=net,
        nearest_distance=nearest,
        madelung_constant=None if scale is None else -energy * scale,
        madelung_certificate=None if scale is None else (error + rounding * abs(energy)) * scale,
        unit_charge=unit_charge,
        formula_units=units,
    )


def resolve_charges(crystal: Crystal, charges: Charges = None) -> NDArray[np.float64]:
    """Return the charge of every site of a crystal.

    Parameters
    ----------
    crystal
        The crystal.
    charges
        A charge for each element symbol, a charge for each site, None for the charges that the
        crystal carries, or ``"oxidation"`` for these if there are any and otherwise oxidation
        states guessed from the composition (needs pymatgen-core).

    Returns
    -------
    NDArray
        (n,) charges in e.

    Raises
    ------
    CrystalError
        If an element has no charge, the number of charges is wrong, one is not finite, the
        crystal carries none, or none can be guessed.
    """
    if charges is None or isinstance(charges, str):
        return _own_charges(crystal, charges)
    if isinstance(charges, Mapping):
        missing = sorted(set(crystal.symbols) - set(charges))
        if missing:
            text = f"no charge is given for {', '.join(missing)}; give one for every element"
            raise crystal_error(crystal.source, text)
        charges = [charges[symbol] for symbol in crystal.symbols]
    values = np.array(to_numpy(charges), dtype=np.float64)
    if values.shape != (len(crystal),) or not np.isfinite(values).all():
        text = f"there must be one finite charge for each of the {len(crystal)} sites"
        raise crystal_error(crystal.source, text)
    return values


def _one_crystal(crystal: Any) -> Crystal:
    members, was_single = as_crystals(crystal)
    if not was_single:
        raise TypeError("electrostatics takes one crystal; call it for each of several")
    return members[0]


def _own_charges(crystal: Crystal, rule: str | None) -> NDArray[np.float64]:
    if rule not in (None, "oxidation"):
        text = f"unknown rule {rule!r} for charges; the one rule is 'oxidation'"
        raise crystal_error(crystal.source, text)
    if crystal.charges is not None:
        return np.array(crystal.charges, dtype=np.float64)
    if rule is None:
        text = "the crystal carries no charges; give a charge for each element or site"
        raise crystal_error(crystal.source, text)
    states = _guessed_oxidation_states(crystal)
    return np.array([states[symbol] for symbol in crystal.symbols], dtype=np.float64)


def _guessed_oxidation_states(crystal: Crystal) -> Mapping[str, float]:
    try:
        from pymatgen.core import Composition
    except ImportError:
        raise crystal_error(
            crystal.source,
            "no oxidation states are given, and guessing them needs pymatgen-core: give a charge "
            "for each element, or install it with: pip install 'madelung[pymatgen]'",
        ) from None
    guesses = Composition(Counter(crystal.symbols)).reduced_composition.oxi_state_guesses()
    if not guesses:
        text = f"no neutral set of oxidation states is known for {crystal.formula}; give charges"
        raise crystal_error(crystal.source, text)
    states: Mapping[str, float] = guesses[0]
    return states


def _nearest_opposite(
    crystal: Crystal, charges: NDArray[np.float64], distances: NDArray[np.float64] | None
) -> float | None:
    opposite = np.multiply.outer(charges, charges) < 0.0
    if not opposite.any():
        return None
    known = shortest_distances(crystal) if distances is None else distances
    nearest = float(known[opposite].min())
    return nearest if nearest > 0.0 else None


def _formula_units(symbols: Sequence[str]) -> int:
    return math.gcd(*Counter(symbols).values())


def _unit_charge(charges: NDArray[np.float64]) -> float:
    whole = np.rint(charges)
    if np.abs(charges - whole).max() > _WHOLE or not whole.any():
        return 1.0
    return float(math.gcd(*(int(abs(charge)) for charge in whole)))
