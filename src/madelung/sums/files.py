"""Complete sums of the crystals in many files, batch by batch."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import CrystalError, PotentialError, ToleranceWarning
from madelung.crystals.checks import below_reading, crystal_error
from madelung.crystals.crystal import Crystal
from madelung.crystals.distances import shortest_distances
from madelung.sums.complete import complete_sums
from madelung.sums.electrostatics import (
    Electrostatics,
    electrostatics_from_sums,
    resolve_charges,
)
from madelung.sums.potentials import Coulomb

if TYPE_CHECKING:
    from madelung.sums.base import Combination, Potential
    from madelung.sums.electrostatics import Charges

__all__ = ["FileSums", "sum_files", "sum_items"]


# One batch holds at most about this many sums (8 bytes each) and this many crystals.
_SUMS_IN_BATCH = 4_000_000
_CRYSTALS_IN_BATCH = 512


@dataclass(frozen=True, eq=False)
class FileSums:
    """The sums of one crystal of a file, or why there are none.

    Parameters
    ----------
    file
        The file's name as it was given.
    crystal
        The crystal, or None if it could not be read.
    values
        (P, n, n) sums, or None.
    certificate
        (P,) bounds on the absolute error of every entry, or None.
    reached
        (P,) whether the certificate is as small as asked for, or None.
    distances
        (n, n) distances in Å from each atom to the nearest image of each, or None; see
        :func:`madelung.crystals.distances.shortest_distances`.
    electrostatics
        Site potentials and what goes with them, or None if no charges are known.
    problem
        Why there are no sums, or None.
    """

    file: str
    crystal: Crystal | None = None
    values: NDArray[np.float64] | None = None
    certificate: NDArray[np.float64] | None = None
    reached: NDArray[np.bool_] | None = None
    distances: NDArray[np.float64] | None = None
    electrostatics: Electrostatics | None = None
    problem: CrystalError | None = None

    @property
    def source(self) -> str:
        """The file, with the record where it holds several."""
        if self.crystal is None or self.crystal.source is None:
            return self.file
        return self.crystal.source


def sum_files(
    paths: Iterable[str | Path],
    potentials: Sequence[Potential | Combination],
    *,
    charges: Charges = None,
    every: bool = False,
    format: str | None = None,
    max_atoms: int = 4000,
    **options: Any,
) -> Iterator[FileSums]:
    """Sum potentials for the crystals of many files, in order and with bounded memory.

    Parameters
    ----------
    paths
        Files to read.
    potentials
        The P potentials.
    charges
        As for :func:`madelung.sums.electrostatics.resolve_charges`. With None, crystals that carry
        charges get electrostatics, and others do not.
    every
        Whether to sum every structure of a file that holds several, and not the last alone.
    format
        As for :func:`madelung.read`.
    max_atoms
        Crystals with more atoms are refused, because their matrices are large.
    options
        ``tolerance``, ``relative_tolerance``, ``executor``, ``device`` and ``threads`` of
        :func:`madelung.complete_sums`. A tolerance that is not reached shows in ``reached``;
        no warning is given.

    Yields
    ------
    FileSums
        One for each crystal, and one for each file or crystal that cannot be used.
    """
    from madelung.crystals.reading.files import iterate

    items = iterate(paths, format=format, every=every)
    return sum_items(items, potentials, charges=charges, max_atoms=max_atoms, **options)


def sum_items(
    items: Iterable[tuple[str | os.PathLike[str], Crystal | CrystalError]],
    potentials: Sequence[Potential | Combination],
    *,
    charges: Charges = None,
    max_atoms: int = 4000,
    **options: Any,
) -> Iterator[FileSums]:
    """Sum potentials for crystals that were read already; the rest as for :func:`sum_files`.

    Parameters
    ----------
    items
        Each crystal, or why there is none, with the name of its file.
    potentials, charges, max_atoms, options
        As for :func:`sum_files`.
    """
    batch: list[FileSums] = []
    size = 0
    for path, item in items:
        entry = _checked(str(path), item, max_atoms)
        atoms = 0 if entry.crystal is None else len(entry.crystal)
        size += atoms * atoms * len(potentials)
        batch.append(entry)
        if size >= _SUMS_IN_BATCH or len(batch) >= _CRYSTALS_IN_BATCH:
            yield from _summed(batch, potentials, charges, options)
            batch, size = [], 0
    yield from _summed(batch, potentials, charges, options)


def _checked(file: str, item: Crystal | CrystalError, max_atoms: int) -> FileSums:
    if isinstance(item, CrystalError):
        return FileSums(file, problem=item)
    try:
        item.require_periodic()
    except CrystalError as problem:
        return FileSums(file, problem=problem)
    if len(item) > max_atoms:
        gigabytes = 8e-9 * len(item) ** 2
        return FileSums(
            file,
            problem=crystal_error(
                item.source or file,
                f"{len(item)} atoms need a matrix of {gigabytes:.1f} GB for each potential, and "
                f"the limit is {max_atoms} atoms; raise it (--max-atoms) if that is meant",
            ),
        )
    return FileSums(file, crystal=item)


def _summed(
    batch: list[FileSums],
    potentials: Sequence[Potential | Combination],
    charges: Charges,
    options: dict[str, Any],
) -> Iterator[FileSums]:
    """Sum the crystals of a batch; entries with a problem pass through in their place."""
    assigned = [_with_charges(entry, charges) for entry in batch]
    usable = [entry.crystal for entry, _ in assigned if entry.crystal is not None]
    wanted = list(potentials)
    column = next((i for i, item in enumerate(wanted) if isinstance(item, Coulomb)), len(wanted))
    if column == len(wanted) and any(own is not None for _, own in assigned):
        wanted.append(Coulomb())
    results = iter(_sums_or_problems(usable, wanted, options))
    for entry, own in assigned:
        if entry.crystal is None:
            yield entry
            continue
        result = next(results)
        if isinstance(result, CrystalError):
            yield FileSums(entry.file, problem=result)
            continue
        try:
            yield _finished(entry, own, result, column, len(potentials))
        except Exception as error:
            yield FileSums(entry.file, problem=below_reading(entry.crystal, error))


_Result = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]


def _sums_or_problems(
    crystals: list[Crystal], potentials: list[Potential | Combination], options: dict[str, Any]
) -> list[_Result | CrystalError]:
    """Sum many crystals at once, or one by one where one of them fails."""
    if not crystals:
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ToleranceWarning)
            sums = complete_sums(crystals, potentials, **options)
        return list(zip(sums.values, sums.certificate, sums.reached, strict=True))
    except PotentialError:
        raise
    except Exception as error:
        if len(crystals) == 1:
            return [below_reading(crystals[0], error)]
    return [_sums_or_problems([crystal], potentials, options)[0] for crystal in crystals]


def _finished(
    entry: FileSums, own: NDArray[np.float64] | None, result: _Result, column: int, shown: int
) -> FileSums:
    """Add distances and electrostatics to the sums of one crystal."""
    assert entry.crystal is not None
    values, certificate, reached = result
    distances = shortest_distances(entry.crystal)
    electrostatics = None
    if own is not None:
        electrostatics = electrostatics_from_sums(
            entry.crystal, own, values[column], float(certificate[column]), distances
        )
    return FileSums(
        entry.file,
        entry.crystal,
        values[:shown],
        certificate[:shown],
        reached[:shown],
        distances,
        electrostatics,
    )


def _with_charges(entry: FileSums, charges: Charges) -> tuple[FileSums, NDArray[np.float64] | None]:
    if entry.crystal is None or (charges is None and entry.crystal.charges is None):
        return entry, None
    try:
        return entry, resolve_charges(entry.crystal, charges)
    except CrystalError as problem:
        return FileSums(entry.file, problem=problem), None
