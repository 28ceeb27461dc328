"""The format of LAMMPS's ``pair_style uf3``: reading and writing."""

from __future__ import annotations

import os
from datetime import date

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError
from madelung.common.outputs import whole_file
from madelung.common.text import read_text
from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.forcefields.uf3.basis import PairFunction
from madelung.forcefields.uf3.lammps_parser import parse_lammps
from madelung.forcefields.uf3.potential import UF3Potential

__all__ = ["read_lammps", "write_lammps"]


def read_lammps(
    path: str | os.PathLike[str], one_body: dict[int, float] | None = None
) -> UF3Potential:
    """Read LAMMPS's format.

    Parameters
    ----------
    path
        The file. Both uniform ("uk") and other knots ("nk") are read.
    one_body
        Energies of atoms in eV by atomic number, which such files do not hold; zero by default.
    """
    terms = parse_lammps(read_text(path, ForceFieldError), path, one_body)
    return UF3Potential(terms.one_body, terms.pairs, terms.triplets)


def write_lammps(potential: UF3Potential, path: str | os.PathLike[str]) -> None:
    """Write the format of LAMMPS's ``pair_style uf3`` (metal units).

    LAMMPS has no energies of single atoms, so its energy lacks them; the header says so. Below the
    first knot it is not defined there. LAMMPS drops neighbours beyond the end of V2 from V3 too:
    a V2 that ends before V3 goes on with zeros.

    Raises
    ------
    ForceFieldError
        If LAMMPS cannot hold the potential: r_ij and r_ik must end at one distance and r_jk at
        twice that, each pair, and each triplet if there is any, needs a term, and a V2 that ends
        before a V3 must end with three zeros.
    """
    _require_complete(potential)
    reach = max([0.0, *(float(triplet.knots[0][-1]) for triplet in potential.triplets)])
    pairs = tuple(_reaching(pair, reach) for pair in potential.pairs)
    potential = UF3Potential(potential.one_body, pairs, potential.triplets)
    lines: list[str] = _remarks(potential)
    for pair in potential.pairs:
        lines += _header(f"2B {pair.name.replace('-', ' ')} 0 3 {_spacing(potential)}")
        lines += [f"{_line(pair.knots[-1:])} {len(pair.knots)}"]
        lines += [_line(pair.knots), str(len(pair.coefficients)), _line(pair.coefficients), "#"]
    for triplet in potential.triplets:
        one, other, opposite = triplet.knots
        lines += _header(f"3B {triplet.name.replace('-', ' ')} 0 3 {_spacing(potential)}")
        ends = _line(np.array([opposite[-1], other[-1], one[-1]]))
        lines += [f"{ends} {len(opposite)} {len(other)} {len(one)}"]
        lines += [_line(opposite), _line(other), _line(one)]
        lines += [" ".join(str(size) for size in triplet.coefficients.shape)]
        lines += [_line(row) for layer in triplet.coefficients for row in layer] + ["#"]
    with whole_file(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _require_complete(potential: UF3Potential) -> None:
    species = potential.species
    missing = {(a, b) for a in species for b in species if a <= b}
    missing -= {pair.species for pair in potential.pairs}
    if missing:
        raise ForceFieldError("LAMMPS needs a two-body term of every pair of species")
    if not potential.triplets:
        return
    triples = {(c, a, b) for c in species for a in species for b in species if a <= b}
    if triples - {triplet.species for triplet in potential.triplets}:
        raise ForceFieldError("LAMMPS needs a three-body term of every triplet of species")
    for triplet in potential.triplets:
        one, other, opposite = (knots[-1] for knots in triplet.knots)
        if one != other or opposite != 2 * one:
            raise ForceFieldError(
                f"{triplet.name}: LAMMPS wants r_ij and r_ik to end at one distance and r_jk at "
                f"twice that, not at {one:g}, {other:g} and {opposite:g} Å"
            )


def _remarks(potential: UF3Potential) -> list[str]:
    """What LAMMPS leaves out: energies of single atoms."""
    energies = {ELEMENT_SYMBOLS[z]: energy for z, energy in potential.one_body.items() if energy}
    if not energies:
        return []
    listed = ", ".join(f"{symbol} {energy!r}" for symbol, energy in energies.items())
    return [f"# LAMMPS's energies lack those of single atoms (eV): {listed}"]


def _reaching(pair: PairFunction, reach: float) -> PairFunction:
    """Return a V2 that goes on with zeros to a distance, or as it is where it goes so far.

    The three last splines have no part in a V2 that ends with three zeros, so that the knots after
    the first of those at its end can be laid anew.
    """
    if pair.knots[-1] >= reach:
        return pair
    if pair.coefficients[-3:].any():
        raise ForceFieldError(
            f"{pair.name}: V2 ends at {pair.knots[-1]:g} Å, before V3 at {reach:g} Å, and not with "
            "three zeros; LAMMPS would drop neighbours of V3: let V2 reach as far"
        )
    inner = pair.knots[:-3]
    step = float(inner[-1] - inner[-2])
    count = int(np.ceil((reach - inner[-1]) / step - 1e-9))
    further = inner[-1] + step * np.arange(1, count + 1)
    further[-1] = max(further[-1], reach)
    knots = np.concatenate([inner, further, np.repeat(further[-1], 3)])
    return PairFunction(pair.species, knots, np.append(pair.coefficients, np.zeros(count)))


def _spacing(potential: UF3Potential) -> str:
    """LAMMPS wants one kind of spacing for all terms."""
    axes = [pair.knots for pair in potential.pairs]
    axes += [knots for triplet in potential.triplets for knots in triplet.knots]
    clamped = all((k[:4] == k[0]).all() and (k[-4:] == k[-1]).all() for k in axes)
    even = all(np.ptp(np.diff(k[3:-3])) < 1e-12 * k[-1] for k in axes)
    return "uk" if clamped and even else "nk"


def _header(second: str) -> list[str]:
    today = date.today().isoformat()
    return [f"#UF3 POT UNITS: metal DATE: {today} AUTHOR: Madelung CITATION:", second]


def _line(values: NDArray[np.float64]) -> str:
    return " ".join(repr(float(value)) for value in values)
