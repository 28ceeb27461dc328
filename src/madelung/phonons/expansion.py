"""What is written of a thermal expansion: tables, numbers and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import PhononError
from madelung.common.figures import BLUE, GREY, in_style, new_figure, save_figure, subscripts
from madelung.common.outputs import write_json
from madelung.common.tables import write_rows
from madelung.phonons.grueneisen import mode_grueneisen
from madelung.phonons.mesh import mesh_points
from madelung.phonons.quasi_harmonic import QuasiHarmonic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "expansion_line",
    "expansion_row",
    "grueneisen_rows",
    "plot_expansion",
    "write_expansion",
]

# K: of the numbers that stand in one line.
_ROOM_TEMPERATURE = 300.0
_COLUMNS = {
    "volume": "volumes",
    "expansion": "expansion",
    "bulk_modulus": "bulk_modulus",
    "heat_capacity": "heat_capacity",
    "gibbs_energy": "gibbs_energy",
    "grueneisen": "grueneisen",
    "residual": "residuals",
}
# Å: modes of the table of Grüneisen parameters; the mesh of thermodynamics has many more.
_MESH = 20.0


def expansion_row(name: str, found: QuasiHarmonic) -> dict[str, Any]:
    """Return what is said of a crystal at 300 K, or at the calculated temperature next to it.

    Parameters
    ----------
    name
        Its file.
    found
        Its expansion.
    """
    at = int(np.abs(found.temperatures - _ROOM_TEMPERATURE).argmin())
    row: dict[str, Any] = {
        "file": name,
        "formula": found.formula,
        "temperature": float(found.temperatures[at]),
    }
    row |= _values(found, at)
    last = float(found.temperatures[-1])
    return row | {"last_temperature": last, "warnings": list(found.warnings)}


def expansion_line(row: dict[str, Any]) -> str:
    """Return a row as a line for reading, with its warnings below."""
    grueneisen = row["grueneisen"]
    words = [
        f"volume {row['volume']:.4f} Å³/atom",
        f"expansion {1e6 * row['expansion']:.2f}e-6 1/K",
        f"B {row['bulk_modulus']:.1f} GPa",
        f"Cp {row['heat_capacity']:.2f} J/(K mol)",
        f"Grüneisen {'-' if grueneisen is None else format(grueneisen, '.2f')}",
    ]
    line = f"{row['file']}  {row['formula']}  at {row['temperature']:g} K: " + ", ".join(words)
    return line + "".join(f"\n  warning: {note}" for note in row["warnings"])


def _values(found: QuasiHarmonic, at: int) -> dict[str, float | None]:
    """The numbers of one temperature; None where there is none."""
    # No negative zero: it would stand in tables.
    values = {name: float(getattr(found, of)[at]) + 0.0 for name, of in _COLUMNS.items()}
    return {name: value if np.isfinite(value) else None for name, value in values.items()}


def write_expansion(
    found: QuasiHarmonic, folder: Path, name: str, *, title: str = ""
) -> dict[str, Any]:
    """Write ``expansion.csv``, ``.json`` and ``.png``, ``volumes.csv`` and ``grueneisen.csv``.

    Parameters
    ----------
    found
        Expansion of a crystal.
    folder
        Where to.
    name
        File that the crystal comes from.
    title
        Of the picture.

    Returns
    -------
    dict
        What ``expansion.json`` says: :func:`expansion_row`.

    Raises
    ------
    PhononError
        As :func:`grueneisen_rows`; nothing is written then.
    """
    # First, as these may not be there: then nothing is written.
    parameters = grueneisen_rows(found) if found.phonons else []
    rows = [
        {"temperature_K": float(temperature), **_values(found, at)}
        for at, temperature in enumerate(found.temperatures)
    ]
    write_rows(folder / "expansion.csv", rows)
    sampled = zip(found.sampled_volumes, found.static_energies, found.free_energies.T, strict=True)
    write_rows(
        folder / "volumes.csv",
        [
            {"volume": volume, "static_energy": energy,
             **{f"free_energy_{temperature:g}_K": value
                for temperature, value in zip(found.temperatures, vibration, strict=True)}}
            for volume, energy, vibration in sampled
        ],
    )  # fmt: skip
    if parameters:
        write_rows(folder / "grueneisen.csv", parameters)
    row = expansion_row(name, found)
    write_json(folder / "expansion.json", row)
    save_figure(plot_expansion(found, title=title), folder / "expansion.png")
    return row


def grueneisen_rows(found: QuasiHarmonic) -> list[dict[str, Any]]:
    """Return the Grüneisen parameter of each mode of a mesh, at the volume of least static energy.

    Raises
    ------
    PhononError
        If this volume is the first or the last one that was calculated.
    """
    small, middle, large = (found.phonons[at] for at in _three_volumes(found))
    points, weights = mesh_points(middle.crystal, _MESH)
    parameters = mode_grueneisen(small, middle, large, points)
    frequencies = middle.harmonic.frequencies(points)
    return [
        {"q1": point[0], "q2": point[1], "q3": point[2], "weight": weight, "mode": mode + 1,
         "frequency_THz": own[mode],
         "grueneisen": values[mode] if np.isfinite(values[mode]) else None}
        for point, weight, own, values in zip(
            points, weights, frequencies, parameters, strict=True
        )
        for mode in range(len(own))
    ]  # fmt: skip


def _three_volumes(found: QuasiHarmonic) -> NDArray[np.int64]:
    """The place of least static energy, between its neighbours."""
    lowest = int(found.static_energies.argmin())
    if not 0 < lowest < len(found.static_energies) - 1:
        raise PhononError(
            f"{found.formula}: the volume of least energy is at an end of the calculated ones, so "
            "that Grüneisen parameters have no volumes on both sides; add strains, or relax first"
        )
    return np.array([lowest - 1, lowest, lowest + 1])


@in_style
def plot_expansion(found: QuasiHarmonic, *, title: str = "") -> Figure:
    """Draw volume, expansion, bulk modulus and heat capacity over the temperature."""
    figure = new_figure(8.4, 5.2)
    panels = (
        (found.volumes, "Volume (Å³/atom)"),
        (1e6 * found.expansion, "Volume expansion (10⁻⁶/K)"),
        (found.bulk_modulus, "Isothermal bulk modulus (GPa)"),
        (found.heat_capacity, "Heat capacity $C_p$ (J/(K mol atoms))"),
    )
    for axes, (values, label) in zip(figure.subplots(2, 2).flat, panels, strict=True):
        axes.plot(
            found.temperatures, values, color=BLUE, marker="o" if len(values) < 2 else "",
        )  # fmt: skip
        axes.set_xlabel("Temperature (K)")
        axes.set_ylabel(label)
        axes.ticklabel_format(useOffset=False)
        if len(values) > 1:
            axes.set_xlim(found.temperatures[0], found.temperatures[-1])
        if "expansion" in label:
            axes.axhline(0.0, color=GREY, linewidth=0.5, zorder=0)
    figure.suptitle(subscripts(title), fontsize="medium") if title else None
    return figure
