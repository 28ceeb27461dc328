"""Complete sums as JSON and CSV, written crystal by crystal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TextIO

import numpy as np
from numpy.typing import NDArray

from madelung.common.outputs import json_text
from madelung.common.tables import TableWriter
from madelung.crystals.crystal import Crystal
from madelung.sums.electrostatics import Electrostatics
from madelung.sums.files import FileSums
from madelung.sums.names import NamedPotential

__all__ = ["CsvWriter", "JsonWriter", "Writer"]

_SITE_COLUMNS = ("charge_i", "charge_j", "site_potential_i", "site_potential_j")
_CHARGED_COLUMNS = (
    "net_charge", "site_potentials_certificate", "electrostatic_energy",
    "electrostatic_energy_certificate", "nearest_distance", "madelung_constant",
    "madelung_constant_certificate",
)  # fmt: skip


class Writer(Protocol):
    """What takes the sums of crystals one by one."""

    def add(self, entry: FileSums) -> None:
        """Write one crystal, or what was wrong with it."""

    def close(self) -> None:
        """Write what comes after the last crystal."""


class JsonWriter:
    """A JSON list with one object for each crystal.

    Parameters
    ----------
    stream
        Where to write.
    potentials
        The potentials, in the order of the sums.
    """

    def __init__(self, stream: TextIO, potentials: Sequence[NamedPotential]) -> None:
        self._stream = stream
        self._potentials = potentials
        self._separator = "[\n"

    def add(self, entry: FileSums) -> None:
        """Write one object; a crystal with a problem has the key ``error`` and no sums."""
        self._stream.write(self._separator)
        self._separator = ",\n"
        text = json_text(_as_object(entry, self._potentials), ensure_ascii=False)
        self._stream.write(text)

    def close(self) -> None:
        """End the list."""
        self._stream.write("[]\n" if self._separator == "[\n" else "\n]\n")


class CsvWriter:
    """A table with one row for each pair i <= j of each crystal, and one for each bad crystal.

    What holds for a crystal as a whole stands in its first row, that of the pair 0, 0.

    Parameters
    ----------
    stream
        Where to write.
    potentials
        The potentials, in the order of the sums.
    """

    def __init__(self, stream: TextIO, potentials: Sequence[NamedPotential]) -> None:
        self._writer = TableWriter(stream)
        self._potentials = potentials
        names = [named.name for named in potentials]
        self._writer.writerow(
            ["file", "record", "i", "j", "species_i", "species_j", "distance"]
            + names
            + [f"{name} certificate" for name in names]
            + list(_SITE_COLUMNS)
            + ["formula", "volume"]
            + [f"{name} {what}" for what in ("unit", "reached") for name in names]
            + list(_CHARGED_COLUMNS)
            + ["warnings", "error"]
        )

    def add(self, entry: FileSums) -> None:
        """Write the pairs of one crystal, or why there are none."""
        if entry.problem is not None:
            count = 5 + 4 * len(self._potentials) + len(_SITE_COLUMNS) + len(_CHARGED_COLUMNS) + 3
            self._writer.writerow([entry.file, entry.source, *[""] * count, str(entry.problem)])
            return
        crystal, values, certificate = entry.crystal, entry.values, entry.certificate
        assert crystal is not None and values is not None and certificate is not None
        assert entry.distances is not None
        symbols, sites = crystal.symbols, _site_cells(entry.electrostatics, len(crystal))
        bounds = [float(bound) for bound in certificate]
        whole = _crystal_cells(entry, crystal, self._potentials)
        for i in range(len(crystal)):
            for j in range(i, len(crystal)):
                self._writer.writerow(
                    [entry.file, entry.source, i, j, symbols[i], symbols[j], entry.distances[i, j]]
                    + [float(value) for value in values[:, i, j]]
                    + bounds
                    + [numbers[atom] for numbers in sites for atom in (i, j)]
                    + (whole if j == 0 else [""] * len(whole))
                )

    def close(self) -> None:
        """Do nothing: a table has no end mark."""


def _site_cells(known: Electrostatics | None, count: int) -> list[Sequence[Any]]:
    """Charges and site potentials of all atoms, empty where no charges are known."""
    if known is None:
        return [[""] * count] * 2
    return [known.charges.tolist(), known.site_potentials.tolist()]


def _crystal_cells(
    entry: FileSums, crystal: Crystal, potentials: Sequence[NamedPotential]
) -> list[Any]:
    """What holds for a crystal as a whole, in the order of the head."""
    assert entry.reached is not None
    known = {} if entry.electrostatics is None else _electrostatics_object(entry.electrostatics)
    return [
        crystal.formula,
        float(crystal.volume),
        *(named.unit for named in potentials),
        *entry.reached.tolist(),
        *(known.get(name, "") for name in _CHARGED_COLUMNS),
        "; ".join(crystal.warnings),
        "",
    ]


def _as_object(entry: FileSums, potentials: Sequence[NamedPotential]) -> dict[str, Any]:
    if entry.problem is not None:
        return {"file": entry.file, "error": str(entry.problem)}
    crystal, values, certificate = entry.crystal, entry.values, entry.certificate
    assert crystal is not None and values is not None and certificate is not None
    assert entry.reached is not None and entry.distances is not None
    result: dict[str, Any] = {
        "file": entry.file,
        "record": entry.source,
        "formula": crystal.formula,
        "species": crystal.symbols,
        "volume": float(crystal.volume),
        "potentials": [named.name for named in potentials],
        "units": [named.unit for named in potentials],
        "values": _finite(values),
        "certificate": _finite(certificate),
        "reached": entry.reached.tolist(),
        "distances": entry.distances.tolist(),
        "warnings": list(crystal.warnings),
    }
    if entry.electrostatics is not None:
        result |= _electrostatics_object(entry.electrostatics)
    return result


def _finite(array: NDArray[np.float64]) -> Any:
    """Return nested lists with None in place of what JSON has no number for."""
    if np.isfinite(array).all():
        return array.tolist()
    replaced = array.astype(object)
    replaced[~np.isfinite(array)] = None
    return replaced.tolist()


def _electrostatics_object(result: Electrostatics) -> dict[str, Any]:
    return {
        "charges": result.charges.tolist(),
        "net_charge": result.net_charge,
        "site_potentials": result.site_potentials.tolist(),
        "site_potentials_certificate": result.site_certificate,
        "electrostatic_energy": result.energy,
        "electrostatic_energy_certificate": result.energy_certificate,
        "nearest_distance": result.nearest_distance,
        "madelung_constant": result.madelung_constant,
        "madelung_constant_certificate": result.madelung_certificate,
    }
