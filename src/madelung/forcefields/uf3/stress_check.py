"""Whether stresses are those of the energies and forces beside them: sign, unit and order."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError
from madelung.common.units import GIGAPASCAL
from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.forcefields.reference.configurations import Configuration
from madelung.forcefields.uf3.fit import assemble, solved_fit
from madelung.forcefields.uf3.settings import TwoBodyRange, UF3Settings

__all__ = ["require_stresses_of_energies"]

_Array = NDArray[np.float64]

# Configurations that are looked at, how many of them are needed, and elements of which the pairs
# are few enough.
_MOST, _FEWEST, _MOST_ELEMENTS = 60, 6, 6
# What a pair potential may miss of the changes of stress, and how much better another reading of
# the numbers must be than the one that was taken.
_MISSED, _BETTER = 0.4, 0.25
_UNITS = {"eV/Å³": 1.0, "GPa": GIGAPASCAL, "kB": 0.1 * GIGAPASCAL, "bar": 1e-4 * GIGAPASCAL}
_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def require_stresses_of_energies(configurations: Iterable[Configuration]) -> None:
    """Refuse stresses that are other multiples, or in another order, than energies say.

    A pair potential is fitted to energies and forces alone, and its stresses are set beside those
    of the data. It tells a sign, a unit or an order if it explains most of how stresses change from
    one configuration to the next; if not, nothing is said.

    Parameters
    ----------
    configurations
        Those to learn from; the first with a stress are looked at.

    Raises
    ------
    ForceFieldError
        With the factor.
    """
    data = list(islice((item for item in configurations if item.stress is not None), _MOST))
    species = sorted({number for item in data for number in item.crystal.species})
    if len(data) < _FEWEST or len(species) > _MOST_ELEMENTS:
        return
    try:
        found = _pair_stresses(data, [ELEMENT_SYMBOLS[number] for number in species])
    except ForceFieldError:
        return
    given = np.array([[item.stress[place] for place in _VOIGT] for item in data])  # type: ignore[index]
    given, found = given - given.mean(axis=0), found - found.mean(axis=0)
    _require_factor(given, found)
    _require_order(given[:, 3:], found[:, 3:])


def _pair_stresses(data: list[Configuration], elements: list[str]) -> _Array:
    """(m, 6) stresses of a pair potential that knows energies and forces alone."""
    settings = UF3Settings(
        elements=tuple(elements),
        two_body=TwoBodyRange(minimum=0.5, maximum=6.0, intervals=16),
        three_body=None,
        kappa=0.5,
    )
    equations, _ = assemble(data, settings, by_group=False)
    potential = solved_fit(equations, settings, []).potential
    stresses = [np.asarray(potential.evaluate(item.crystal).stress) for item in data]
    return np.array([[stress[place] for place in _VOIGT] for stress in stresses])


def _missed(given: _Array, found: _Array) -> float:
    """Part of the squares of stresses found that others do not explain."""
    return float(((found - given) ** 2).sum() / max((found**2).sum(), 1e-300))


def _require_factor(given: _Array, found: _Array) -> None:
    missed = {
        (unit, sign): _missed(sign * size * given, found)
        for unit, size in _UNITS.items()
        for sign in (1.0, -1.0)
    }
    unit, sign = min(missed, key=lambda reading: missed[reading])
    own = missed["eV/Å³", 1.0]
    if missed[unit, sign] > min(_MISSED, _BETTER * own):
        return
    factor = sign * _UNITS[unit]
    meant = f"stresses in {unit}" if unit != "eV/Å³" else "stresses"
    turned = " with the opposite sign (a pressure, or a virial)" if sign < 0.0 else ""
    raise ForceFieldError(
        f"stresses contradict energies and forces, which say {factor:.6g} times as much: they "
        f"look like {meant}{turned}; multiply them by {factor:.6g} (eV/Å³, positive under "
        "tension), or take a file without them"
    )


def _require_order(given: _Array, found: _Array) -> None:
    """Compare shear stresses yz, xz, xy with the same numbers read as xy, yz, xz."""
    turned = given[:, [1, 2, 0]]
    if _missed(turned, found) < min(_MISSED, _BETTER * _missed(given, found)):
        raise ForceFieldError(
            "shear stresses contradict energies and forces: they look as if they stood in the "
            "order xx yy zz xy yz zx (VASP's), not xx yy zz yz xz xy; write (3, 3) matrices, or "
            "take a file without them"
        )
