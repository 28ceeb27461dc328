"""Force fields of pair potentials that are summed completely over infinite crystals.

The equations are those of docs/theory/pair-force-fields.md.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.arrays import to_numpy
from madelung.common.errors import CrystalError, ForceFieldError
from madelung.common.outputs import json_text, whole_file
from madelung.common.units import COULOMB_CONSTANT
from madelung.crystals.crystal import Crystal
from madelung.crystals.elements import ATOMIC_NUMBERS, ELEMENT_SYMBOLS
from madelung.crystals.neighbours import find_neighbours
from madelung.forcefields.interface import Evaluation, ForceField
from madelung.forcefields.pairs.pair_terms import (
    SpeciesPair,
    pair_text,
    parse_pair,
    parse_potential,
    potential_text,
)
from madelung.sums.base import Combination, Potential
from madelung.sums.electrostatics import resolve_charges
from madelung.sums.gradients import sums_with_gradient
from madelung.sums.potentials import Coulomb

__all__ = ["CertifiedEvaluation", "CompletePairs"]

Array = NDArray[np.float64]

FORMAT, VERSION = "madelung-complete-pairs", 1
OWN_CHARGES = "crystal"
"""Stands for the charges that each structure carries."""

_COINCIDENT = 0.01
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class CertifiedEvaluation(Evaluation):
    """An evaluation whose energy has a certified error.

    Parameters
    ----------
    certificate
        Bound on the absolute error of the energy in eV.
    """

    certificate: float = np.inf


class CompletePairs(ForceField):
    """Pair potentials and point charges, summed over all images without a cutoff.

    Parameters
    ----------
    pairs
        Potential of each pair of elements, by ``"Na-Cl"``: a name or several, with factors
        (``"buckingham:1000:0.3:20"``, ``"1280*pauli:3.1, -10.6*london"``), or a potential. Pairs
        that are left out interact by their charges alone.
    charges
        Charge in e of each element by its symbol; ``"crystal"`` for the charges that each
        structure carries (ASE's initial charges); None for no charges.
    tolerance
        Error allowed in the energy, in eV for each atom.
    executor
        As for :func:`madelung.complete_sums`.

    Raises
    ------
    ForceFieldError
        If a pair, a potential, a charge or the tolerance cannot be used.

    Notes
    -----
    Crystals: complete sums with the core's analytic gradient; a net charge is neutralised by a
    uniform background, and the boundary is tin foil. Molecules (periodic in no direction): direct
    sums. Slabs and wires are refused: put them into a cell with vacuum and pbc=True. The forces
    have the order of error that the energy has, without a certificate.

    Examples
    --------
    >>> argon = CompletePairs({"Ar-Ar": "lennard-jones:0.0104:3.4"})
    """

    def __init__(
        self,
        pairs: Mapping[str, str | Potential | Combination],
        *,
        charges: Mapping[str, float] | str | None = None,
        tolerance: float = 1e-10,
        executor: str = "auto",
    ) -> None:
        if not (np.isfinite(tolerance) and tolerance > 0.0):
            raise ForceFieldError(f"the tolerance must be positive, not {tolerance}")
        self.pairs: dict[SpeciesPair, Combination] = {}
        self._texts: dict[SpeciesPair, str] = {}
        for name, potential in pairs.items():
            pair = parse_pair(name)
            if pair in self.pairs:
                raise ForceFieldError(f"the pair {pair_text(pair)} is given twice")
            text = potential if isinstance(potential, str) else potential_text(potential)
            self._texts[pair], self.pairs[pair] = text, parse_potential(text)
        self.charges = _checked_charges(charges)
        self.tolerance, self._executor = tolerance, executor
        self._species = self._known_species()
        self._primitives, self._table = self._mixture()

    @property
    def species(self) -> tuple[int, ...]:
        """Atomic numbers that have a charge or a pair potential, ascending."""
        return self._species

    @property
    def cutoff(self) -> None:
        """None: all atoms interact."""
        return None

    def as_object(self) -> dict[str, Any]:
        """Return what the JSON file holds."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "pairs": {pair_text(pair): text for pair, text in self._texts.items()},
            "charges": self.charges,
            "tolerance": self.tolerance,
        }

    @classmethod
    def from_object(cls, data: Mapping[str, Any], source: str = "") -> CompletePairs:
        """Make a force field from what a JSON file holds.

        Raises
        ------
        ForceFieldError
            If something is missing or cannot be used; the message begins with the source.
        """
        try:
            if data.get("version", VERSION) > VERSION:
                raise ForceFieldError(
                    f"the format's version {data['version']} is newer than this program"
                )
            unknown = set(data) - {"format", "version", "pairs", "charges", "tolerance"}
            if unknown:
                raise ForceFieldError(f"unknown keys: {', '.join(sorted(unknown))}")
            return cls(
                data["pairs"],
                charges=data.get("charges"),
                tolerance=data.get("tolerance", 1e-10),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ForceFieldError(f"{source}: no complete pair potentials: {error!r}") from None
        except ForceFieldError as error:
            raise ForceFieldError(f"{source}: {error}") from None

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the force field as JSON, which ``load_force_field`` reads."""
        with whole_file(path) as temporary:
            text = json_text(self.as_object(), indent=2, ensure_ascii=False) + "\n"
            temporary.write_text(text, encoding="utf-8")
        return Path(path)

    def _known_species(self) -> tuple[int, ...]:
        known = {number for pair in self.pairs for number in pair}
        if isinstance(self.charges, Mapping):
            known |= {ATOMIC_NUMBERS[symbol] for symbol in self.charges}
        if not known:
            raise ForceFieldError("give at least one pair potential or the charge of an element")
        return tuple(sorted(known))

    def _mixture(self) -> tuple[list[Potential], Array]:
        """Distinct primitive potentials, and (P, S, S) factors of each for pairs of species."""
        count = len(self._species)
        primitives: list[Potential] = [Coulomb()] if self.charges is not None else []
        index = {(term.family, term.number): m for m, term in enumerate(primitives)}
        rows = [np.zeros((count, count)) for _ in primitives]
        for (a, b), combination in self.pairs.items():
            i, j = self._species.index(a), self._species.index(b)
            for factor, term in combination.terms:
                key = (term.family, term.number)
                if key not in index:
                    index[key] = len(primitives)
                    primitives.append(term)
                    rows.append(np.zeros((count, count)))
                rows[index[key]][i, j] += float(factor)
                if i != j:
                    rows[index[key]][j, i] += float(factor)
        return primitives, np.stack(rows)

    def _weights(self, crystal: Crystal) -> Array:
        """(P, n, n) factors of the sums of each pair of atoms."""
        kinds = np.searchsorted(self._species, crystal.numbers)
        weights = self._table[:, kinds[:, None], kinds[None, :]]
        if self.charges is not None:
            own = isinstance(self.charges, str)
            try:
                charges = resolve_charges(crystal, None if own else self._all_charges())
            except CrystalError as error:
                raise ForceFieldError(str(error)) from None
            weights[0] += COULOMB_CONSTANT * np.multiply.outer(charges, charges)
        return weights

    def _all_charges(self) -> dict[str, float]:
        assert isinstance(self.charges, Mapping)
        neutral = {ELEMENT_SYMBOLS[number]: 0.0 for number in self._species}
        return neutral | dict(self.charges)

    def _evaluate(self, crystal: Crystal) -> CertifiedEvaluation:
        weights = self._weights(crystal)
        if crystal.pbc.all():
            return self._crystal(crystal, weights)
        if not crystal.pbc.any():
            return self._molecule(crystal, weights)
        raise ForceFieldError(
            f"{crystal.source or crystal.formula}: complete sums are for crystals and molecules; "
            "put a slab or a wire into a cell with vacuum and pbc=True"
        )

    def _crystal(self, crystal: Crystal, weights: Array) -> CertifiedEvaluation:
        """Equations (1) to (4)."""
        if len(find_neighbours(crystal, _COINCIDENT).distances):
            raise ForceFieldError(f"{crystal.source or crystal.formula}: atoms coincide")
        sizes = 0.5 * np.abs(weights).sum(axis=(1, 2))
        allowed = self.tolerance * len(crystal) / len(sizes)
        tolerances = np.where(sizes > 0.0, allowed / np.maximum(sizes, 1e-300), 1.0)
        sums = sums_with_gradient(
            crystal, self._primitives, np.minimum(tolerances, 1.0), 0.5 * weights,
            executor=self._executor,
        )  # fmt: skip
        products = weights * sums.values
        positions, cell = to_numpy(crystal.positions), to_numpy(crystal.cell)
        virial = positions.T @ sums.by_position + cell.T @ sums.by_cell
        rounding = _EPSILON * (len(crystal) + 3.0) * 0.5 * np.abs(products).sum()
        return CertifiedEvaluation(
            energies=0.5 * products.sum(axis=(0, 2)),
            forces=-sums.by_position,
            virial=0.5 * (virial + virial.T),
            volume=crystal.volume,
            certificate=float(sizes @ sums.certificates + rounding),
        )

    def _molecule(self, crystal: Crystal, weights: Array) -> CertifiedEvaluation:
        positions = to_numpy(crystal.positions)
        count = len(positions)
        vectors = positions[None, :, :] - positions[:, None, :]
        distances = np.linalg.norm(vectors, axis=2)
        np.fill_diagonal(distances, 1.0)
        energies, pulls, magnitude = np.zeros((count, count)), np.zeros((count, count)), 0.0
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for potential, weight in zip(self._primitives, weights, strict=True):
                value, slope = potential.value_and_slope(distances)
                energies += weight * value
                pulls += weight * slope / distances
                magnitude += float(np.abs(weight * value).sum())
        np.fill_diagonal(energies, 0.0)
        np.fill_diagonal(pulls, 0.0)
        virial = 0.5 * np.einsum("ij,ija,ijb->ab", pulls, vectors, vectors)
        return CertifiedEvaluation(
            energies=0.5 * energies.sum(axis=1),
            forces=np.einsum("ij,ija->ia", pulls, vectors),
            virial=virial,
            volume=0.0,
            certificate=_EPSILON * (count + 70.0) * magnitude,
        )


def _checked_charges(
    charges: Mapping[str, float] | str | None,
) -> dict[str, float] | str | None:
    if charges is None or charges == OWN_CHARGES:
        return OWN_CHARGES if charges is not None else None
    if isinstance(charges, str):
        raise ForceFieldError(
            f"charges must be {OWN_CHARGES!r} or given by element, not {charges!r}"
        )
    for symbol, charge in charges.items():
        if symbol not in ATOMIC_NUMBERS or not np.isfinite(charge):
            raise ForceFieldError(f"charge {charge!r} of {symbol!r}: give elements finite charges")
    return {symbol: float(charge) for symbol, charge in charges.items()}
