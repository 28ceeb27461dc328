"""Hypothesis strategies for crystals and potentials."""

from __future__ import annotations

from hypothesis import strategies as st
from structures import CELLS, NAMES, SITES, Choice, Structure, make_choice, make_structure

seeds = st.integers(0, 2**31 - 1)
cell_kinds = st.sampled_from(list(CELLS))
site_kinds = st.sampled_from(list(SITES))


def structures(
    cells: st.SearchStrategy[str] = cell_kinds,
    sites: st.SearchStrategy[str] = site_kinds,
    most: int = 6,
) -> st.SearchStrategy[Structure]:
    """Draw structures of 1 to ``most`` atoms."""
    return st.builds(make_structure, cells, sites, st.integers(1, most), seeds)


def choices(size: float, names: list[str] | None = None) -> st.SearchStrategy[Choice]:
    """Draw a potential for a cell whose volume has the given cube root, Å."""
    return st.builds(make_choice, st.sampled_from(names or NAMES), st.just(size), seeds)


# Exponents of ten, as users write tolerances.
tolerances = st.floats(-12, -3).map(lambda power: float(10.0**power))
