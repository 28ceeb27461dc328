"""The formulas of docs/theory/lattice-sums.md as the page prints them, in mpmath.

They are independent of the package: what is tested with them is the mathematics that both
executors carry out.
"""

from collections.abc import Callable
from typing import Any

import mpmath as mp

Function = Callable[..., Any]

SPLITTING = mp.mpf("0.7")
VOLUME = mp.mpf("31.5")
ALPHA = mp.mpf("1.3")


def erfcx(y: mp.mpf) -> mp.mpf:
    return mp.exp(y * y) * mp.erfc(y)


def incomplete(p: mp.mpf, x: mp.mpf) -> mp.mpf:
    """E(p, x) of equation (2.11), by quadrature."""
    return mp.quad(lambda u: u ** (p - 1) * mp.exp(-x * u), [1, 2, 5, 20, mp.inf])


def power_density(exponent: mp.mpf) -> Function:
    return lambda u: u ** (exponent / 2 - 1) / mp.gamma(exponent / 2)


def yukawa_density(u: mp.mpf, alpha: mp.mpf = ALPHA) -> mp.mpf:
    return mp.exp(-(alpha**2) / (4 * u)) / mp.sqrt(mp.pi * u)


def pauli_density(u: mp.mpf, alpha: mp.mpf = ALPHA) -> mp.mpf:
    return alpha * mp.exp(-(alpha**2) / (4 * u)) / (2 * mp.sqrt(mp.pi) * u ** mp.mpf("1.5"))


def plus_and_minus(r: mp.mpf, alpha: mp.mpf = ALPHA) -> tuple[mp.mpf, mp.mpf]:
    """P and M of equation (2.19)."""
    s, h = r * mp.sqrt(SPLITTING), alpha / (2 * mp.sqrt(SPLITTING))
    front = mp.exp(-s * s - h * h)
    plus = front * erfcx(s + h)
    if s >= h:
        return plus, front * erfcx(s - h)
    return plus, 2 * mp.exp(-alpha * r) - front * erfcx(h - s)


def truncated_exponential(p: int, x: mp.mpf) -> mp.mpf:
    return mp.exp(-x) * sum(x**j / mp.factorial(j) for j in range(p))


def downward(steps: int, z: mp.mpf) -> mp.mpf:
    """G_{1/2 - steps}(z) by the recurrence (2.17)."""
    value = mp.sqrt(mp.pi) * erfcx(mp.sqrt(z)) / mp.sqrt(z)
    for step in range(steps):
        order = mp.mpf("-0.5") - step
        value = (z * value - 1) / order
    return value


def london_reciprocal(k: mp.mpf) -> mp.mpf:
    z = (mp.pi * k) ** 2 / SPLITTING
    bracket = mp.mpf(2) / 3 - 4 * z / 3
    bracket += mp.mpf(4) / 3 * mp.sqrt(mp.pi) * z ** mp.mpf("1.5") * erfcx(mp.sqrt(z))
    return (mp.pi * SPLITTING) ** mp.mpf("1.5") * mp.exp(-z) * bracket / (2 * VOLUME)


def twelfth_reciprocal(k: mp.mpf) -> mp.mpf:
    z = (mp.pi * k) ** 2 / SPLITTING
    front = mp.pi ** mp.mpf("1.5") * SPLITTING ** mp.mpf("4.5") / (120 * VOLUME)
    return front * mp.exp(-z) * downward(5, z)


def screened_b(k: mp.mpf) -> mp.mpf:
    return (mp.pi * k) ** 2 + ALPHA**2 / 4


def yukawa_reciprocal(k: mp.mpf) -> mp.mpf:
    b = screened_b(k)
    return mp.pi * mp.exp(-b / SPLITTING) / (VOLUME * b)


def pauli_reciprocal(k: mp.mpf) -> mp.mpf:
    b = screened_b(k)
    front = ALPHA * mp.pi * mp.exp(-b / SPLITTING) / (2 * VOLUME)
    return front * (1 / (SPLITTING * b) + 1 / b**2)


H = ALPHA / (2 * mp.sqrt(SPLITTING))
FORMULAS: dict[str, dict[str, Any]] = {
    "coulomb": {
        "density": power_density(mp.mpf(1)),
        "value": lambda r: 1 / r,
        "real": lambda r: mp.erfc(r * mp.sqrt(SPLITTING)) / r,
        "reciprocal": lambda k: mp.exp(-((mp.pi * k) ** 2) / SPLITTING) / (mp.pi * VOLUME * k**2),
        "origin": 2 * mp.sqrt(SPLITTING / mp.pi),
    },
    "london": {
        "density": power_density(mp.mpf(6)),
        "value": lambda r: r**-6,
        "real": lambda r: truncated_exponential(3, SPLITTING * r * r) / r**6,
        "reciprocal": london_reciprocal,
        "background": (mp.pi * SPLITTING) ** mp.mpf("1.5") / (3 * VOLUME),
        "origin": SPLITTING**3 / 6,
    },
    "twelfth power": {
        "density": power_density(mp.mpf(12)),
        "value": lambda r: r**-12,
        "real": lambda r: truncated_exponential(6, SPLITTING * r * r) / r**12,
        "reciprocal": twelfth_reciprocal,
        "background": (mp.pi ** mp.mpf("1.5") * SPLITTING ** mp.mpf("4.5") / (540 * VOLUME)),
        "origin": SPLITTING**6 / 720,
    },
    "yukawa": {
        "density": yukawa_density,
        "value": lambda r: mp.exp(-ALPHA * r) / r,
        "real": lambda r: sum(plus_and_minus(r)) / (2 * r),
        "reciprocal": yukawa_reciprocal,
        "background": yukawa_reciprocal(mp.mpf(0)),
        "origin": 2 * mp.sqrt(SPLITTING / mp.pi) * mp.exp(-H * H) - ALPHA * mp.erfc(H),
    },
    "pauli": {
        "density": pauli_density,
        "value": lambda r: mp.exp(-ALPHA * r),
        "real": lambda r: (plus_and_minus(r)[1] - plus_and_minus(r)[0]) / 2,
        "reciprocal": pauli_reciprocal,
        "background": pauli_reciprocal(mp.mpf(0)),
        "origin": mp.erfc(H),
    },
}


def close(actual: mp.mpf, expected: mp.mpf, digits: int = 15) -> None:
    assert abs(actual - expected) <= mp.mpf(10) ** -digits * abs(expected), (actual, expected)
