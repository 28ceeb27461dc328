"""A list of the configurations to calculate next, as files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError
from madelung.common.locks import alone_in_folder
from madelung.common.outputs import whole_file
from madelung.common.progress import counted
from madelung.common.tables import write_rows
from madelung.common.units import MILLIELECTRONVOLTS
from madelung.forcefields.interface import ForceField
from madelung.forcefields.reference.configurations import Configuration
from madelung.teaching.active import NextChoice, choose_next, ensemble_uncertainties, places_of
from madelung.teaching.descriptors import describe
from madelung.teaching.labels import TeacherLabels, compositions_of
from madelung.teaching.mixture import fit_mixture
from madelung.teaching.sources import reference_energies_of

__all__ = ["Proposal", "propose_next"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Proposal:
    """What to calculate next.

    Parameters
    ----------
    choice
        Numbers of the configurations, the most useful first.
    rows
        What stands in ``next.csv``.
    folder
        Where the files are.
    """

    choice: NextChoice
    rows: list[dict[str, Any]]
    folder: Path


@alone_in_folder
def propose_next(
    configurations: Sequence[Configuration],
    labels: TeacherLabels | None,
    folder: str | os.PathLike[str],
    *,
    count: int,
    force_field: ForceField | None = None,
    seed: int = 0,
    quiet: bool = True,
) -> Proposal:
    """Choose configurations without a reference energy, and write them.

    The folder then holds ``next.csv`` (id, score, group, why; the score is the part in percent of
    all squared errors that a configuration takes away) and ``next.extxyz``, structures alone.

    Parameters
    ----------
    configurations
        All, of which those with a reference energy are labelled.
    labels
        Of teachers, for the standard errors of their mixture; None for a choice by structure
        alone, or by a force field.
    folder
        Where to write.
    count
        How many to choose.
    force_field
        An ensemble; how much its members' forces differ then stands for the error.
    seed
        Of the parts that are drawn at random.
    quiet
        Whether to show no progress.

    Raises
    ------
    ForceFieldError
        If the labels are of other configurations, too few are labelled for a mixture or not, or
        the force field is no ensemble.
    """
    if not configurations:
        raise ForceFieldError("there are no configurations to choose from")
    reference = reference_energies_of(configurations)
    labelled = np.flatnonzero(np.isfinite(reference))
    structures = [item.crystal for item in configurations]
    elements, _ = compositions_of(configurations)
    descriptors = describe(counted(structures, "structures", show=not quiet), elements)
    uncertainties, texts = None, [""] * len(structures)
    if force_field is not None:
        shown = counted(structures, "members", show=not quiet)
        uncertainties = ensemble_uncertainties(force_field, shown)
        texts = [f"forces uncertain by {value:.3g} eV/Å; " for value in uncertainties]
    elif labels is not None:
        labels.require_same(configurations)
        mixture = fit_mixture(labels, reference, labelled, descriptors=descriptors)
        uncertainties = mixture.standard_errors_per_atom
        texts = [_energy_text(value) for value in uncertainties]
    choice = choose_next(
        places_of(descriptors), labelled, count, uncertainties=uncertainties, seed=seed
    )
    rows = _rows(configurations, choice, texts)
    out = Path(folder)
    write_rows(out / "next.csv", rows)
    _write_structures(out / "next.extxyz", [configurations[index] for index in choice.indices])
    return Proposal(choice, rows, out)


def _energy_text(value: float) -> str:
    if np.isnan(value):
        return "no teacher knows it; "
    return f"energy uncertain by {MILLIELECTRONVOLTS * value:.3g} meV/atom; "


def _rows(
    configurations: Sequence[Configuration], choice: NextChoice, texts: Sequence[str]
) -> list[dict[str, Any]]:
    return [
        {
            "id": configurations[index].id,
            "score": f"{100.0 * share:.4g}",
            "group": configurations[index].group,
            "why": f"{texts[index]}stands for {like:.3g}",
        }
        for index, share, like in zip(
            choice.indices.tolist(), choice.shares, choice.likes, strict=True
        )
    ]


def _write_structures(path: Path, chosen: Sequence[Configuration]) -> None:
    import ase.io

    frames = []
    for item in chosen:
        atoms = item.crystal.to_ase()
        atoms.info = {"id": item.id, **({"config_type": item.group} if item.group else {})}
        frames.append(atoms)
    with whole_file(path) as temporary:
        ase.io.write(temporary, frames, format="extxyz")
