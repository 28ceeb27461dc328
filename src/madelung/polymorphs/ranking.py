"""The order of candidates: lattice energies without repulsion, their errors, and probabilities.

Section "Without labels of dimers" of docs/theory/polymorphs.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import PolymorphError
from madelung.common.units import KILOJOULES_PER_MOLE
from madelung.polymorphs.candidates import Candidate, duplicates
from madelung.polymorphs.dispersion_coefficients import DispersionCoefficients
from madelung.polymorphs.labels import Conformers
from madelung.polymorphs.lattice_energies import dispersion_energy, electrostatic_energy
from madelung.polymorphs.monomers import Monomer, matched

__all__ = ["MODEL_ERROR", "LatticeEnergy", "Ranking", "lattice_energy", "ranked"]

MODEL_ERROR = 3.0
"""Standard error of one energy against others in kJ/mol; see docs/polymorphs.md for its source."""
_SAMPLES, _SEED = 20_000, 20261201


@dataclass(frozen=True)
class LatticeEnergy:
    """Parts of the energy of a formula unit in a crystal, in eV.

    Parameters
    ----------
    molecules
        Of the molecules alone, as they are in the crystal.
    electrostatic
        Of the charges of different molecules.
    dispersion
        Between different molecules.
    certificate
        Bound on the error of the sums.
    """

    molecules: float
    electrostatic: float
    dispersion: float
    certificate: float

    @property
    def total(self) -> float:
        """Their sum; repulsion is not in it."""
        return self.molecules + self.electrostatic + self.dispersion


def lattice_energy(
    candidate: Candidate, places: NDArray[np.int64], monomers: Sequence[Monomer | None]
) -> LatticeEnergy:
    """Return the energy of a candidate from calculations of its molecules.

    Parameters
    ----------
    candidate
        A crystal.
    places
        Which of the monomers its molecules are.
    monomers
        Results for each shape of a molecule.

    Raises
    ------
    PolymorphError
        If a molecule of it could not be calculated.
    """
    atoms = len(candidate.crystal)
    charges, moments, sizes = np.zeros(atoms), np.zeros((atoms, 3)), np.zeros(atoms)
    energy = 0.0
    for molecule, place in zip(candidate.molecules, places.tolist(), strict=True):
        monomer = monomers[place]
        if monomer is None:
            raise PolymorphError(
                f"{candidate.name}: a molecule {molecule.formula} of it could not be calculated"
            )
        like = matched(monomer.molecule, molecule)
        charges[molecule.atoms] = monomer.charges[like]
        moments[molecule.atoms] = monomer.dispersion.moments[like]
        sizes[molecule.atoms] = monomer.dispersion.polarisabilities[like]
        energy += monomer.energy
    coulomb = electrostatic_energy(candidate.crystal, candidate.molecules, charges)
    london = dispersion_energy(
        candidate.crystal, candidate.molecules, DispersionCoefficients(moments, sizes)
    )
    units = candidate.units
    return LatticeEnergy(
        energy / units, coulomb.value / units, london.value / units,
        (coulomb.certificate + london.certificate) / units,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Ranking:
    """Candidates in the order of their energies.

    Parameters
    ----------
    rows
        A row for each candidate, the most stable first: ``rank`` (of distinct ones; that of the
        other one for duplicates), ``name``, ``energy_kJ_mol`` above the lowest for each formula
        unit, ``standard_error``, ``probability`` of being the most stable, the parts of the energy,
        ``density``, ``space_group``, ``duplicate_of``.
    unit
        The formula unit.
    problems
        What was wrong with candidates that were left out.
    """

    rows: tuple[dict[str, Any], ...]
    unit: str
    problems: tuple[str, ...]

    @property
    def ties(self) -> int:
        """Number of distinct candidates that the error does not tell from the first one."""
        distinct = [row for row in self.rows if not row["duplicate_of"]]
        return sum(row["energy_kJ_mol"] < row["standard_error"] * 2.0**0.5 for row in distinct)


def ranked(
    candidates: Sequence[Candidate],
    conformers: Conformers,
    monomers: Sequence[Monomer | None],
    *,
    unit: str = "",
    problems: Sequence[str] = (),
    model_error: float = MODEL_ERROR,
) -> Ranking:
    """Order candidates by their energies.

    Parameters
    ----------
    candidates
        Crystals of one compound.
    conformers, monomers
        Which molecules they consist of, and results for these.
    unit, problems
        As :class:`Candidates` has them.
    model_error
        Standard error of an energy in kJ/mol for each formula unit, independent between distinct
        candidates.

    Raises
    ------
    PolymorphError
        If there is no candidate whose molecules were all calculated.
    """
    energies: dict[str, LatticeEnergy] = {}
    said, kept = list(problems), []
    for candidate, places in zip(candidates, conformers.places, strict=True):
        try:
            energies[candidate.name] = lattice_energy(candidate, places, monomers)
        except PolymorphError as problem:
            said.append(str(problem))
        else:
            kept.append(candidate)
    if not kept:
        raise PolymorphError("; ".join(["no candidate can be ranked", *said[:3]]))
    kept.sort(key=lambda one: energies[one.name].total)
    twins = duplicates(kept)
    distinct = [one for one in kept if one.name not in twins]
    lowest = energies[kept[0].name]
    relative = np.array([energies[one.name].total - lowest.total for one in distinct])
    chances = _chances(KILOJOULES_PER_MOLE * relative, model_error)
    places_of = {one.name: at for at, one in enumerate(distinct)}
    rows = []
    for one in kept:
        at = places_of[twins.get(one.name, one.name)]
        own = energies[one.name]
        rows.append(
            {
                "rank": at + 1,
                "name": one.name,
                "energy_kJ_mol": KILOJOULES_PER_MOLE * (own.total - lowest.total),
                "standard_error": model_error,
                "probability": float(chances[at]),
                **_parts(own, lowest),
                "certificate_kJ_mol": KILOJOULES_PER_MOLE * own.certificate,
                "density": one.density,
                "space_group": one.space_group,
                "duplicate_of": twins.get(one.name, ""),
            }
        )
    return Ranking(tuple(rows), unit, tuple(said))


def _parts(own: LatticeEnergy, lowest: LatticeEnergy) -> dict[str, float]:
    return {
        f"{name}_kJ_mol": KILOJOULES_PER_MOLE * (getattr(own, name) - getattr(lowest, name))
        for name in ("molecules", "electrostatic", "dispersion")
    }


def _chances(energies: NDArray[np.float64], error: float) -> NDArray[np.float64]:
    """How often each is the lowest if all have independent normal errors."""
    noise = np.random.default_rng(_SEED).normal(size=(_SAMPLES, len(energies)))
    lowest = (energies + error * noise).argmin(axis=1)
    found: NDArray[np.float64] = np.bincount(lowest, minlength=len(energies)) / _SAMPLES
    return found
