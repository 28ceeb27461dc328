"""Splines of UF3 against SciPy, and the layout of coefficients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import BSpline
from uf3_cases import binary_settings

from madelung.common.errors import ForceFieldError
from madelung.forcefields.uf3.basis import (
    PairFunction,
    TripletFunction,
    break_points,
    clamped_knots,
    reachable,
    spline_polynomials,
)


@given(seed=st.integers(0, 2**32 - 1), clamped=st.booleans())
def test_polynomials_are_scipys_splines(seed: int, clamped: bool) -> None:
    generator = np.random.default_rng(seed)
    knots = np.cumsum(generator.uniform(0.05, 1.0, int(generator.integers(8, 20))))
    if clamped:
        knots[:4], knots[-4:] = knots[3], knots[-4]
    polynomials, breaks = spline_polynomials(knots), break_points(knots)
    for interval in range(len(breaks) - 1):
        u = np.linspace(0.0, 1.0, 7)[:-1]
        points = breaks[interval] + u * (breaks[interval + 1] - breaks[interval])
        expected = BSpline(knots, np.eye(len(knots) - 4), 3)(points)
        found = np.vander(u, 4, increasing=True) @ polynomials[interval]
        np.testing.assert_allclose(found, expected[:, interval : interval + 4], atol=1e-12)


@pytest.mark.parametrize(
    ("knots", "words"),
    [
        (np.arange(7.0), "eight"),
        (np.array([1, 1, 1, 1, 3, 2, 4, 4, 4, 4.0]), "ascend"),
        (np.array([1, 1, 1, 1, 2, 2, 4, 4, 4, 4.0]), "ascend"),
        (np.array([1, 1, 1, 1, np.nan, 4, 4, 4, 4]), "ascend"),
        (np.arange(-5.0, 6.0), "negative"),
    ],
)
def test_bad_knots_are_refused(knots: np.ndarray, words: str) -> None:
    with pytest.raises(ForceFieldError, match=words):
        break_points(knots)


def test_coefficients_that_no_triangle_reaches() -> None:
    """Whatever triangle one draws, it falls on reachable coefficients only."""
    knots = (
        clamped_knots(1.5, 4.25, 10),
        clamped_knots(1.5, 4.25, 10),
        clamped_knots(1.5, 8.5, 20),
    )
    mask = reachable(knots)
    assert 0 < mask.sum() < mask.size
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(2, 4000, 3))
    lengths = generator.uniform(1.5, 4.25, size=(2, 4000, 1))
    one, other = vectors / np.linalg.norm(vectors, axis=2, keepdims=True) * lengths
    opposite = np.linalg.norm(one - other, axis=1)
    values = [np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1), opposite]
    inside = (opposite >= 1.5) & (opposite < 8.5)
    bases = [
        BSpline(knot, np.eye(len(knot) - 4), 3)(value[inside]) > 1e-14
        for knot, value in zip(knots, values, strict=True)
    ]
    touched = np.einsum("pl,pm,pn->lmn", *(basis.astype(float) for basis in bases)) > 0
    assert not (touched & ~mask).any()


def test_published_number_of_coefficients() -> None:
    from madelung.forcefields.uf3.settings import UF3Settings

    basis = UF3Settings(elements=("W",)).basis()
    assert basis.size == 1 + 25 + 889
    assert UF3Settings(elements=("W",), leading=0).basis().size == basis.size


@pytest.mark.parametrize("uneven", [False, True])
def test_layout_of_coefficients(uneven: bool) -> None:
    """Each free coefficient has a place; symmetry and the zeros at cutoffs hold."""
    basis = binary_settings(uneven=uneven).basis()
    vector = np.random.default_rng(1).normal(size=basis.size)
    pairs, triplets = basis.pairs(vector), basis.triplets(vector)
    assert len(pairs) == 3 and len(triplets) == 6
    np.testing.assert_array_equal(basis.compress(vector[:2], pairs, triplets), vector)
    for triplet in triplets:
        for axis in range(3):
            assert not np.moveaxis(triplet.coefficients, axis, 0)[-3:].any()
        if triplet.symmetric:
            turned = triplet.coefficients.transpose(1, 0, 2)
            np.testing.assert_array_equal(triplet.coefficients, turned)
        end = triplet.knots[0][-1]
        near = triplet(np.array(end - 1e-3), np.array(1.0), np.array(end - 0.5))
        assert abs(near) < 1e-5


def test_terms_refuse_what_does_not_fit() -> None:
    knots = clamped_knots(0.5, 4.0, 6)
    with pytest.raises(ForceFieldError, match=r"Na-Cl.*shape"):
        PairFunction((11, 17), knots, np.zeros(8))
    with pytest.raises(ForceFieldError, match="ascend"):
        PairFunction((17, 11), knots, np.zeros(9))
    with pytest.raises(ForceFieldError, match="finite"):
        PairFunction((11, 17), knots, np.full(9, np.nan))
    unsymmetric = np.random.default_rng(0).normal(size=(9, 9, 9))
    with pytest.raises(ForceFieldError, match="symmetric"):
        TripletFunction((17, 11, 11), (knots, knots, knots), unsymmetric)
    with pytest.raises(ForceFieldError, match="equal knots"):
        TripletFunction((17, 11, 11), (knots, knots + 0.1, knots), 0 * unsymmetric)


def test_terms_are_functions_of_distances() -> None:
    basis = binary_settings().basis()
    vector = np.random.default_rng(1).normal(size=basis.size)
    pair, triplet = basis.pairs(vector)[0], basis.triplets(vector)[0]
    distances = np.linspace(0.35, 3.9, 50)
    expected = BSpline(pair.knots, pair.coefficients, 3)(distances)
    np.testing.assert_allclose(pair(distances), expected, atol=1e-14)
    near, first, beyond = pair(np.array([0.1, 0.3, 9.0]))
    slope = BSpline(pair.knots, pair.coefficients, 3)(0.3, 1)
    assert beyond == 0.0 and near == pytest.approx(first - 0.2 * slope)
    grid = triplet(distances[:, None], distances[None], np.array(2.0))
    assert grid.shape == (50, 50)
    np.testing.assert_allclose(grid, grid.T, atol=1e-12)
