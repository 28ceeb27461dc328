"""Minimisation of the loss of a spline MEAM."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from madelung.forcefields.splines.objective import Objective

__all__ = ["levenberg_marquardt", "search", "solve_linear", "with_fitting_knots"]

# How far knots of embedding functions go beyond the densities, as a part of their range; and how
# large a part densities cover at least before knots are laid anew.
_MARGIN = 0.08
_COVERED = 0.75


def levenberg_marquardt(
    objective: Objective, free: NDArray[np.float64], iterations: int, tolerance: float = 1e-4
) -> tuple[NDArray[np.float64], float]:
    """Go down by Gauss-Newton steps, damped as the model of the loss proves good or bad.

    Damping after Nielsen, IMM-REP-1999-05, DTU.

    Parameters
    ----------
    objective
        The loss.
    free
        Where to start.
    iterations
        At most so many steps down.
    tolerance
        Stop when five steps together lower the loss by less than this part.

    Returns
    -------
    tuple
        Free numbers and loss.
    """
    normal, history = objective.normal(free), [np.inf]
    damping, growth = 1e-2, 2.0
    for _ in range(iterations):
        history.append(normal.loss)
        if len(history) > 6 and history[-6] - normal.loss < tolerance * normal.loss:
            break
        while True:
            matrix = normal.matrix + damping * np.diag(np.diag(normal.matrix) + 1e-12)
            step = _solve(matrix, -normal.gradient)
            trial = objective.loss(free + step) if step is not None else np.inf
            if trial < normal.loss:
                break
            damping, growth = damping * growth, 2 * growth
            if damping > 1e12:
                return free, normal.loss
        assert step is not None
        expected = -(2 * normal.gradient + normal.matrix @ step) @ step
        ratio = (normal.loss - trial) / expected
        damping *= max(1 / 3, 1 - (2 * float(ratio) - 1) ** 3)
        damping, growth = max(damping, 1e-12), 2.0
        free = free + step
        normal = objective.normal(free)
    return free, normal.loss


def _solve(matrix: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64] | None:
    try:
        solution: NDArray[np.float64] = cho_solve(cho_factor(matrix), right)
    except (LinAlgError, ValueError):
        return None
    return solution


def solve_linear(
    objective: Objective, free: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return the best φ and U to given ρ, f and g, with the loss: one Gauss-Newton step."""
    linear = objective.parameters.linear
    normal = objective.normal(free)
    gradient, matrix = normal.gradient[linear], normal.matrix[np.ix_(linear, linear)]
    matrix = matrix + 1e-10 * np.diag(np.diag(matrix) + 1e-12)
    step = _solve(matrix, -gradient)
    if step is None:
        return free, np.inf
    free = free.copy()
    free[linear] += step
    return free, float(normal.loss + (2 * gradient + matrix @ step) @ step)


def with_fitting_knots(
    objective: Objective, free: NDArray[np.float64]
) -> tuple[Objective, NDArray[np.float64]]:
    """Lay the knots of the embedding functions over the densities that occur.

    Knots that fit already stay. Where they move, the best φ and U are found anew.
    """
    ranges = objective.density_ranges(free)
    shapes = [objective.parameters.shapes[place] for place in objective.parameters.places(2)]
    knots = np.array([[shape.first, shape.last] for shape in shapes])
    covered = (ranges[:, 1] - ranges[:, 0]) / (knots[:, 1] - knots[:, 0])
    inside = (ranges[:, 0] > knots[:, 0]) & (ranges[:, 1] < knots[:, 1])
    if (inside & (covered > _COVERED)).all():
        return objective, free
    width = np.maximum(ranges[:, 1] - ranges[:, 0], 1e-3)
    ranges += np.stack([-_MARGIN * width, _MARGIN * width], axis=1)
    parameters = objective.parameters.with_densities(ranges)
    free = parameters.free(objective.parameters.potential(free))
    objective = replace(objective, parameters=parameters)
    return objective, solve_linear(objective, free)[0]


def search(
    objective: Objective, free: NDArray[np.float64], generations: int, seed: int
) -> NDArray[np.float64]:
    """Search ρ, f and g by CMA-ES, each time with the best φ and U.

    Hansen, arXiv:1604.00772.

    Parameters
    ----------
    objective
        The loss; knots of embedding functions are laid anew for each candidate.
    free
        Where to start.
    generations
        How many.
    seed
        Of the random numbers.
    """
    import cma

    shaped = ~objective.parameters.linear

    def value(candidate: NDArray[np.float64]) -> float:
        trial = free.copy()
        trial[shaped] = candidate
        fitting, trial = with_fitting_knots(objective, trial)
        return solve_linear(fitting, trial)[1]

    options = {"seed": seed + 1, "verbose": -9, "maxiter": generations}
    strategy = cma.CMAEvolutionStrategy(free[shaped], 0.1, options)
    while not strategy.stop():
        candidates = strategy.ask()
        strategy.tell(candidates, [value(np.asarray(one)) for one in candidates])
    best: NDArray[np.float64] = free.copy()
    best[shaped] = strategy.result.xbest
    return best
