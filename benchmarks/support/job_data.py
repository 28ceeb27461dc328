"""A job of the size of JARVIS-DFT: 55,722 crystals of 9.8 atoms on average, 9.29 million pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import madelung as md
from benchmarks.support.crystal_data import (
    JARVIS,
    MATERIALS_PROJECT,
    has_data,
    read_crystals,
    size_histogram,
)

__all__ = [
    "BATCH",
    "CRYSTALS",
    "MEAN_ATOMS",
    "MEAN_PAIRS",
    "load_job",
    "make_job",
    "save_job",
    "tilted_sizes",
]

CRYSTALS = 55_722
MEAN_ATOMS = 9.8
MEAN_PAIRS = 9.29e6 / CRYSTALS
BATCH = 256
# Standard deviation of the strain that makes every crystal a little different.
STRAIN = 0.01


def tilted_sizes(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Share out crystals to sizes so that the means of n and n² are those of JARVIS-DFT.

    The sizes of real crystals are reweighted by exp(a n + b n²): of all distributions with these
    two means it is the one nearest to the real sizes in relative entropy.

    Returns
    -------
    sizes, crystals : (sizes,) arrays
        Numbers of atoms, and how many crystals have them.
    """
    from scipy.optimize import root

    sizes, available = size_histogram()
    moments = np.stack([sizes / MEAN_ATOMS, sizes**2 / MEAN_PAIRS])

    def weights(tilt: NDArray[np.float64]) -> NDArray[np.float64]:
        exponents = np.log(available) + tilt @ moments
        unnormalised = np.exp(exponents - exponents.max())
        return np.asarray(unnormalised / unnormalised.sum())

    solution = root(lambda tilt: moments @ weights(tilt) - 1.0, np.array([-1.0, 0.1]))
    if not solution.success:
        raise ArithmeticError(f"no tilt gives these sizes: {solution.message}")
    return sizes, _share_out(count, weights(solution.x))


def make_job(folder: Path, count: int, seed: int) -> tuple[list[md.CrystalBatch], str]:
    """Draw the crystals of the job and lay them into batches.

    Parameters
    ----------
    folder
        Where the data sets lie; without them the crystals are synthetic, of the same sizes.
    count
        Number of crystals.
    seed
        Fixes which crystals, their order and their strain.

    Returns
    -------
    batches : list of CrystalBatch
    origin : str
        Where the crystals come from.
    """
    generator = np.random.default_rng(seed)
    sizes, counts = tilted_sizes(count)
    drawn = generator.permutation(np.repeat(sizes, counts))
    if has_data(folder):
        crystals = _resampled(folder, drawn, generator)
        origin = "crystals of JARVIS-DFT and the Materials Project, resampled and strained"
    else:
        crystals = [_synthetic(int(size), generator) for size in drawn]
        origin = "synthetic crystals"
    starts = range(0, count, BATCH)
    return [
        md.CrystalBatch.from_crystals(crystals[start : start + BATCH]) for start in starts
    ], origin


def save_job(path: Path, batches: Sequence[md.CrystalBatch]) -> None:
    """Store batches in a NumPy archive."""
    arrays = {}
    for index, batch in enumerate(batches):
        for name in ("cells", "positions", "numbers", "offsets"):
            arrays[f"{name}_{index}"] = getattr(batch, name)
    np.savez(path, **arrays)


def load_job(path: Path) -> list[md.CrystalBatch]:
    """Read stored batches, with hardly more memory than they take."""
    batches = []
    with np.load(path) as arrays:
        for index in range(len(arrays.files) // 4):
            offsets = arrays[f"offsets_{index}"]
            batches.append(
                md.CrystalBatch(
                    cells=arrays[f"cells_{index}"],
                    positions=arrays[f"positions_{index}"],
                    numbers=arrays[f"numbers_{index}"],
                    offsets=offsets,
                    sources=(None,) * (len(offsets) - 1),
                    pbc=np.ones((len(offsets) - 1, 3), dtype=bool),
                    charges=np.full(int(offsets[-1]), np.nan),
                )
            )
    return batches


def _resampled(
    folder: Path, drawn: NDArray[np.int64], generator: np.random.Generator
) -> list[md.Crystal]:
    """Draw real crystals of given sizes, and strain each."""
    by_size: dict[int, list[md.Crystal]] = {}
    for name in (JARVIS, MATERIALS_PROJECT):
        for crystal in read_crystals(folder / name, int(drawn.max())):
            by_size.setdefault(len(crystal), []).append(crystal)
    return [_strained(_choice(by_size[int(size)], generator), generator) for size in drawn]


def _choice(crystals: Sequence[md.Crystal], generator: np.random.Generator) -> md.Crystal:
    return crystals[int(generator.integers(len(crystals)))]


def _strained(crystal: md.Crystal, generator: np.random.Generator) -> md.Crystal:
    deformation = np.eye(3) + generator.normal(scale=STRAIN, size=(3, 3))
    return md.Crystal(
        cell=crystal.cell @ deformation,
        positions=crystal.positions @ deformation,
        numbers=crystal.numbers,
    )


def _synthetic(size: int, generator: np.random.Generator) -> md.Crystal:
    """Scatter atoms over the points of a grid in an oblique cell, 12 to 24 Å³ each."""
    shape = np.eye(3) + generator.uniform(-0.25, 0.25, size=(3, 3))
    volume = size * generator.uniform(12.0, 24.0)
    cell = shape * np.cbrt(volume / abs(np.linalg.det(shape)))
    edge = int(np.ceil(size ** (1 / 3)))
    points = generator.permutation(edge**3)[:size]
    steps = np.stack(np.unravel_index(points, (edge, edge, edge)), axis=1)
    fractions = (steps + generator.uniform(-0.2, 0.2, size=(size, 3))) / edge
    return md.Crystal(cell=cell, positions=fractions @ cell, numbers=np.full(size, 14))


def _share_out(count: int, weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round count times weights to integers of that sum.

    The cumulated weights are rounded, so that rare sizes give and take among their neighbours and
    the means stay.
    """
    cumulated = np.rint(count * np.cumsum(weights)).astype(np.int64)
    return np.diff(cumulated, prepend=0)
