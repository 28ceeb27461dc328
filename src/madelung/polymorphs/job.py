"""The job that ranks candidates: molecules, their calculations, energies, and what is written."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from madelung.common.errors import PolymorphError
from madelung.common.figures import save_figure
from madelung.common.locks import alone_in_folder
from madelung.common.outputs import write_json
from madelung.common.tables import write_rows
from madelung.polymorphs.candidates import read_candidates
from madelung.polymorphs.labels import calculated_monomers, distinct_conformers
from madelung.polymorphs.monomers import MonomerEngine
from madelung.polymorphs.plots import plot_landscape
from madelung.polymorphs.ranking import Ranking, ranked

__all__ = ["JOURNAL", "rank_candidates", "ranking_lines"]

JOURNAL = "monomers.journal"
"""Name of the file in the job's folder that keeps each calculated molecule."""
_NOTE = (
    "energies hold molecules, complete sums of charges and of dispersion, and no repulsion: "
    "candidates have to be relaxed, and their order is uncertain by the standard error"
)


@alone_in_folder
def rank_candidates(
    candidates: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    engine: MonomerEngine | None = None,
    experimental: Collection[str] = (),
    resume: bool = False,
    quiet: bool = True,
) -> Ranking:
    """Order the candidate crystals of a molecule by their stability.

    Parameters
    ----------
    candidates
        Crystal files, folders, or extxyz files of many frames; relaxed crystals of one compound.
    out
        Folder for ``ranking.csv``, ``ranking.json``, ``landscape.png`` and the journal of the
        calculations.
    engine
        What calculates molecules; B86bPBE/def2-SVPD by PySCF if None.
    experimental
        Names of candidates that are known as crystals, for the picture.
    resume
        Whether to go on with what is in the folder.
    quiet
        Whether to show no progress.

    Raises
    ------
    PolymorphError
        If no candidate can be ranked, a name is not that of a candidate, or the folder holds
        another job's calculations.
    JobInterrupted
        If it was interrupted: finished calculations are kept.
    """
    folder = Path(out)
    if engine is None:
        from madelung.polymorphs.pyscf_monomers import PyscfMonomers

        engine = PyscfMonomers()
    if (folder / JOURNAL).exists() and not resume:
        raise PolymorphError(f"{folder}: holds a ranking; resume it, or name another folder")
    read = read_candidates(candidates)
    unknown = sorted(set(experimental) - {one.name for one in read.kept})
    if unknown:
        raise PolymorphError(f"{', '.join(unknown)}: no candidate has this name")
    conformers = distinct_conformers(read.kept)
    monomers = calculated_monomers(conformers.distinct, engine, folder / JOURNAL, quiet=quiet)
    found = ranked(read.kept, conformers, monomers, unit=read.unit, problems=read.problems)
    write_rows(folder / "ranking.csv", list(found.rows))
    write_json(folder / "ranking.json", _summary(found, engine, len(conformers.distinct)))
    save_figure(plot_landscape(found, experimental), folder / "landscape.png")
    return found


def _summary(found: Ranking, engine: MonomerEngine, molecules: int) -> dict[str, Any]:
    return {
        "unit": found.unit,
        "engine": engine.name,
        "molecules": molecules,
        "candidates": len(found.rows),
        "distinct": sum(not row["duplicate_of"] for row in found.rows),
        "ties": found.ties,
        "note": _NOTE,
        "ranking": list(found.rows),
        "problems": list(found.problems),
    }


def ranking_lines(found: Ranking, most: int = 10) -> list[str]:
    """Return the first distinct candidates as lines for reading."""
    distinct = [row for row in found.rows if not row["duplicate_of"]]
    lines = [f"{found.unit}: {len(distinct)} distinct candidates of {len(found.rows)}"]
    lines += [
        f"{row['rank']:4d}  {row['energy_kJ_mol']:7.2f} kJ/mol  most stable: "
        f"{100 * row['probability']:3.0f} %  {row['density']:.3f} g/cm³  {row['space_group']:10s} "
        f"{row['name']}"
        for row in distinct[:most]
    ]
    if len(distinct) > most:
        lines.append(f"      and {len(distinct) - most} more")
    error = distinct[0]["standard_error"]
    lines.append(
        f"the first {found.ties} are not told apart: the standard error of an energy is {error:g} "
        "kJ/mol"
    )
    return [*lines, f"note: {_NOTE}"]
