"""Real spherical harmonics."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["spherical_harmonics"]


def spherical_harmonics(directions: NDArray[np.float64], degree: int) -> NDArray[np.float64]:
    """Real spherical harmonics of degrees 1 to 3, the squares of each degree adding up to one.

    Parameters
    ----------
    directions
        (E, 3) unit vectors.
    degree
        Highest degree, at most 3.

    Returns
    -------
    (E, (degree + 1)^2 - 1) array
    """
    x, y, z = directions.T
    columns = [x, y, z]
    if degree >= 2:
        root3 = np.sqrt(3.0)
        columns += [
            root3 * x * y,
            root3 * y * z,
            0.5 * (3.0 * z * z - 1.0),
            root3 * x * z,
            0.5 * root3 * (x * x - y * y),
        ]
    if degree >= 3:
        columns += [
            np.sqrt(5.0 / 8.0) * y * (3.0 * x * x - y * y),
            np.sqrt(15.0) * x * y * z,
            np.sqrt(3.0 / 8.0) * y * (5.0 * z * z - 1.0),
            0.5 * z * (5.0 * z * z - 3.0),
            np.sqrt(3.0 / 8.0) * x * (5.0 * z * z - 1.0),
            0.5 * np.sqrt(15.0) * z * (x * x - y * y),
            np.sqrt(5.0 / 8.0) * x * (x * x - 3.0 * y * y),
        ]
    return np.stack(columns, axis=1)
