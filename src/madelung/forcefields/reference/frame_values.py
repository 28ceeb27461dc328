"""Energies, forces, stresses and weights among the facts of a frame of an extxyz file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError
from madelung.common.units import GIGAPASCAL
from madelung.crystals.crystal import Crystal

__all__ = [
    "ENERGY_KEYS",
    "FORCES_KEYS",
    "GROUP_KEYS",
    "LARGEST_FORCE",
    "LARGEST_STRESS",
    "Keys",
    "find",
    "finite_array",
    "require_neutral",
    "stress_of",
    "weights_of",
]

_Array = NDArray[np.float64]
_Fact = tuple[str, Any]

# Whose value it is, in the order in which names are looked for: files that name the reference
# (REF_energy) often carry another program's plain "energy" beside it.
_OWNERS = ("ref_", "dft_", "qm_", "")
ENERGY_KEYS = (*(f"{owner}energy" for owner in _OWNERS), "total_energy", "free_energy", "y_energy")
FORCES_KEYS = (*(f"{owner}{name}" for owner in _OWNERS for name in ("forces", "force")), "y_force")
GROUP_KEYS = ("config_type", "group", "tag")
_CHARGE_KEYS = ("charge", "total_charge")
_VIRIALS = ("virial", "virials")

LARGEST_FORCE = 1000.0
"""Force in eV/Å above which a frame is taken for a failed calculation, or for another unit."""
LARGEST_STRESS = 5.0
"""Stress in eV/Å³ (800 GPa) above which it is taken for one in another unit."""

_KILOBAR = 0.1 * GIGAPASCAL
_UNITS = {"GPa": GIGAPASCAL, "kB": _KILOBAR, "bar": 1e-3 * _KILOBAR, "Pa": 1e-9 * GIGAPASCAL}
_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


@dataclass(frozen=True)
class Keys:
    """Names of facts in extxyz files; None: those that are usual.

    Parameters
    ----------
    energy, forces, stress, virial, group
        As in :func:`read_configurations`.
    """

    energy: str | None = None
    forces: str | None = None
    stress: str | None = None
    virial: str | None = None
    group: str | None = None

    def named(self) -> dict[str, Any]:
        """Return the names that were given, as arguments of :func:`read_configurations`."""
        return {f"{kind}_key": name for kind, name in asdict(self).items() if name is not None}


def find(
    facts: Mapping[str, Any], wanted: str | None, usual: Sequence[str], source: str
) -> _Fact | None:
    """Return the name and the value of a fact.

    Raises
    ------
    ForceFieldError
        If there is none of the wanted name.
    """
    if wanted is not None:
        if wanted not in facts:
            raise ForceFieldError(
                f"{source}: there is no {wanted!r}; the frame has {', '.join(sorted(facts))}"
            )
        return wanted, facts[wanted]
    lower = {key.lower(): key for key in facts}
    return next(((lower[key], facts[lower[key]]) for key in usual if key in lower), None)


def finite_array(value: Any, shape: tuple[int, ...], name: str, source: str) -> _Array:
    """Return finite numbers of a shape.

    Raises
    ------
    ForceFieldError
        If they are none.
    """
    array = _numbers(value, name, source)
    if array.shape != shape:
        raise ForceFieldError(f"{source}: {name!r} has shape {array.shape}, not {shape}")
    if not np.isfinite(array).all():
        raise ForceFieldError(f"{source}: {name!r} is not finite; calculate the frame again")
    return array


def _numbers(value: Any, name: str, source: str) -> _Array:
    try:
        return np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ForceFieldError(f"{source}: {name!r} is no number: {str(value)[:40]!r}") from None


def require_neutral(facts: Mapping[str, Any], source: str) -> None:
    """Refuse a frame with a total charge, which no force field here knows of.

    Raises
    ------
    ForceFieldError
        If it has one.
    """
    found = find(facts, None, _CHARGE_KEYS, source)
    if found is None:
        return
    charge = _numbers(found[1], found[0], source)
    if charge.ndim == 0 and charge != 0.0:
        raise ForceFieldError(
            f"{source}: has a total charge of {float(charge):g} e ({found[0]!r}); force fields "
            "here are of neutral structures: leave the frame out"
        )


def weights_of(facts: Mapping[str, Any], source: str) -> tuple[float, float, float]:
    """Return what errors of energy, forces and stress of a frame count, as MACE writes it.

    Raises
    ------
    ForceFieldError
        If a weight is negative or no number.
    """
    weights = []
    common = _weight(facts, ("config_weight",), source)
    for names in (
        ("config_energy_weight",),
        ("config_forces_weight",),
        ("config_stress_weight", "config_virials_weight"),
    ):
        weights.append(common * _weight(facts, names, source))
    energy, forces, stress = weights
    return energy, forces, stress


def _weight(facts: Mapping[str, Any], names: Sequence[str], source: str) -> float:
    found = find(facts, None, names, source)
    if found is None:
        return 1.0
    value = float(finite_array(found[1], (), found[0], source))
    if value < 0.0:
        raise ForceFieldError(f"{source}: {found[0]!r} is negative; a weight is zero or more")
    return value


def stress_of(facts: Mapping[str, Any], keys: Keys, crystal: Crystal, source: str) -> _Array | None:
    """Return the stress of a frame, from a stress or from a virial, checked against each other.

    Parameters
    ----------
    facts
        Values by name.
    keys
        Names that were given.
    crystal
        The structure; one that is not periodic in three directions has no stress.
    source
        The frame, for messages.

    Returns
    -------
    numpy.ndarray or None
        (3, 3) in eV/Å³, positive under tension; None if not known.

    Raises
    ------
    ForceFieldError
        If stress and virial contradict each other, or the size is that of another unit.
    """
    stress, virial = _stress_and_virial(facts, keys, source)
    first = None if stress is None else _tensor(crystal, stress, source)
    second = None if virial is None else _tensor(crystal, virial, source, virial=True)
    if first is not None and second is not None and stress is not None and virial is not None:
        _require_agreement(facts[stress[0]], first, second, (stress[0], virial[0]), source)
    name = stress if first is not None else virial
    found = first if first is not None else second
    if found is not None and name is not None:
        _require_possible(found, name[0], source)
    return found


def _stress_and_virial(
    facts: Mapping[str, Any], keys: Keys, source: str
) -> tuple[_Fact | None, _Fact | None]:
    if keys.stress is not None or keys.virial is not None:
        stress = None if keys.stress is None else find(facts, keys.stress, (), source)
        virial = None if keys.virial is None else find(facts, keys.virial, (), source)
        return stress, virial
    for owner in _OWNERS:
        stress = find(facts, None, (f"{owner}stress",), source)
        virial = find(facts, None, tuple(f"{owner}{name}" for name in _VIRIALS), source)
        if stress is not None or virial is not None:
            return stress, virial
    return None, None


def _tensor(crystal: Crystal, fact: _Fact, source: str, *, virial: bool = False) -> _Array | None:
    """Return a stress as a symmetric matrix in the unit of the file; a virial as a stress."""
    name, value = fact
    array = _numbers(value, name, source)
    if not crystal.pbc.all() or np.isnan(array).any():
        return None
    if array.shape == (6,):
        array = _of_voigt(array, _VOIGT)
    elif array.shape == (9,):
        array = array.reshape(3, 3)
    array = finite_array(array, (3, 3), name, source)
    if virial or name.lower().endswith(_VIRIALS):
        array = -array / crystal.volume
    return 0.5 * (array + array.T)


def _of_voigt(numbers: _Array, places: Sequence[tuple[int, int]]) -> _Array:
    full = np.empty((3, 3))
    for number, (row, column) in zip(numbers, places, strict=True):
        full[row, column] = full[column, row] = number
    return full


def _require_agreement(
    given: Any, stress: _Array, virial: _Array, names: tuple[str, str], source: str
) -> None:
    """Refuse a stress that is not -virial/V, and name the factor between them if there is one."""
    largest = max(np.abs(virial).max(), np.abs(stress).max())
    if np.abs(stress - virial).max() <= 1e-3 * largest + 1e-6:
        return
    numbers = np.array(given, dtype=np.float64).ravel()
    vasp_order = numbers[[0, 1, 2, 4, 5, 3]] if numbers.shape == (6,) else None
    norm = float((stress * stress).sum())
    factor = float((stress * virial).sum()) / norm if norm else 0.0
    if factor and np.abs(factor * stress - virial).max() <= 1e-3 * np.abs(virial).max():
        told = f"{names[1]!r} says {factor:.6g} times what {names[0]!r} says{_meaning(factor)}"
    elif vasp_order is not None and np.allclose(
        _of_voigt(vasp_order, _VOIGT), virial, rtol=1e-3, atol=1e-6
    ):
        told = f"{names[0]!r} is in the order xx yy zz xy yz zx, not xx yy zz yz xz xy"
    else:
        told = "no single factor lies between them"
    raise ForceFieldError(
        f"{source}: {names[0]!r} and {names[1]!r} contradict each other (stress = -virial / "
        f"volume, in eV/Å³): {told}; correct one, or name the right one: --stress-key or "
        "--virial-key"
    )


def _meaning(factor: float) -> str:
    """What a factor between a stress and one in eV/Å³ comes from."""
    for unit, size in {"eV/Å³": 1.0, **_UNITS}.items():
        if abs(abs(factor) / size - 1.0) < 1e-3:
            sign = " with the opposite sign" if factor < 0.0 else ""
            return f": a stress in {unit}{sign}"
    return ""


def _require_possible(stress: _Array, name: str, source: str) -> None:
    largest = float(np.abs(stress).max())
    if largest <= LARGEST_STRESS:
        return
    unit, size = next(
        ((unit, size) for unit, size in _UNITS.items() if largest * size < 1.0),
        ("Pa", _UNITS["Pa"]),
    )
    raise ForceFieldError(
        f"{source}: {name!r} reaches {largest:.4g} eV/Å³, {largest / GIGAPASCAL:,.0f} GPa, which "
        f"no calculation of a crystal gives; if it is in {unit}, multiply by {size:.6g} (by "
        f"-{size:.6g} where a pressure is positive, as in VASP's OUTCAR)"
    )
