"""The median of mixtures of Laplace distributions, and its expected error, against scipy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.stats import laplace

from madelung.models.laplace_mixture import expected_error, mixture_median

locations = st.floats(-1e3, 1e3)
scales = st.floats(1e-3, 1e3)
mixtures = st.lists(st.tuples(locations, scales), min_size=1, max_size=6)


def median_of(centres: NDArray[np.float64], widths: NDArray[np.float64]) -> float:
    return float(mixture_median(torch.from_numpy(centres), torch.from_numpy(widths)))


def error_at(centres: NDArray[np.float64], widths: NDArray[np.float64], point: float) -> float:
    parts = (torch.from_numpy(centres), torch.from_numpy(widths), torch.tensor(point))
    return float(expected_error(*parts))


@given(mixtures)
def test_half_of_the_mixture_lies_below(parts: list[tuple[float, float]]) -> None:
    centres, widths = np.array(parts).T
    found = median_of(centres, widths)
    assert centres.min() <= found <= centres.max()
    assert laplace.cdf(found, centres, widths).mean() == pytest.approx(0.5, abs=1e-8)


@given(mixtures, st.floats(-10, 10), st.floats(1e-2, 1e2))
def test_it_moves_and_grows_with_the_mixture(
    parts: list[tuple[float, float]], shift: float, factor: float
) -> None:
    """As values in other units do; and the order of the members does not matter."""
    centres, widths = np.array(parts).T
    found = median_of(centres, widths)
    size = 1e-7 * factor * (np.abs(centres).max() + widths.max() + 1.0)
    moved = median_of(factor * centres[::-1] + shift, factor * widths[::-1])
    assert moved == pytest.approx(factor * found + shift, abs=size)


@given(mixtures, st.floats(-1e3, 1e3))
def test_no_other_value_has_a_smaller_expected_error(
    parts: list[tuple[float, float]], other: float
) -> None:
    centres, widths = np.array(parts).T
    least = error_at(centres, widths, median_of(centres, widths))
    assert least <= error_at(centres, widths, other) * (1.0 + 1e-12)


def test_the_expected_error_is_the_integral() -> None:
    centres, widths = np.array([0.0, 0.7, -2.0]), np.array([0.3, 1.0, 0.05])
    for point in (-3.0, -2.0, 0.1, 0.7, 4.0):
        integral, _ = quad(
            lambda y, point=point: abs(y - point) * laplace.pdf(y, centres, widths).mean(),
            -40.0, 40.0, points=[*centres, point], limit=500,
        )  # fmt: skip
        assert error_at(centres, widths, point) == pytest.approx(integral, rel=1e-7)


def test_many_mixtures_at_once_are_each_alone() -> None:
    generator = np.random.default_rng(0)
    centres = torch.from_numpy(generator.normal(size=(4, 50, 3)).astype(np.float32))
    widths = torch.from_numpy(generator.lognormal(size=(4, 50, 3)).astype(np.float32))
    found = mixture_median(centres, widths)
    assert found.dtype == torch.float32 and found.shape == (50, 3)
    for row in (0, 17, 49):
        alone = mixture_median(centres[:, row], widths[:, row])
        assert torch.equal(alone, found[row])
