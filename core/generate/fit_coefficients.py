"""Fit the polynomials of ``coefficients.hpp`` with mpmath (Chebyshev interpolation, 40 digits).

Run ``python core/generate/fit_coefficients.py > core/sums/coefficients.hpp``. Each comment states
the size of the first neglected Chebyshev coefficient, a measure of the relative error of the fit.
"""

from collections.abc import Callable

import mpmath as mp

mp.mp.dps = 40


def chebyshev(function: Callable, low: mp.mpf, high: mp.mpf, degree: int) -> list:
    """Chebyshev coefficients of ``function`` on [low, high]."""
    count = 2 * degree + 20
    nodes = [mp.cos(mp.pi * (j + mp.mpf(1) / 2) / count) for j in range(count)]
    values = [function((low + high) / 2 + (high - low) / 2 * node) for node in nodes]
    coefficients = []
    for k in range(degree + 1):
        terms = [values[j] * mp.cos(k * mp.pi * (j + mp.mpf(1) / 2) / count) for j in range(count)]
        coefficients.append(2 * mp.fsum(terms) / count)
    coefficients[0] /= 2
    return coefficients


def monomials(coefficients: list) -> list:
    """Monomial coefficients on [-1, 1] of a Chebyshev series."""
    polynomials = [[mp.mpf(1)], [mp.mpf(0), mp.mpf(1)]]
    for _ in range(2, len(coefficients)):
        following = [mp.mpf(0)] + [2 * value for value in polynomials[-1]]
        for power, value in enumerate(polynomials[-2]):
            following[power] -= value
        polynomials.append(following)
    result = [mp.mpf(0)] * len(coefficients)
    for order, coefficient in enumerate(coefficients):
        for power, value in enumerate(polynomials[order]):
            result[power] += coefficient * value
    return result


def shifted(coefficients: list, low: mp.mpf, high: mp.mpf) -> list:
    """Monomials in x of a polynomial given in t = (2x - low - high)/(high - low)."""
    scale, offset = 2 / (high - low), -(low + high) / (high - low)
    result = [mp.mpf(0)] * len(coefficients)
    power = [mp.mpf(1)]
    for coefficient in coefficients:
        for degree, value in enumerate(power):
            result[degree] += coefficient * value
        following = [mp.mpf(0)] * (len(power) + 1)
        for degree, value in enumerate(power):
            following[degree] += value * offset
            following[degree + 1] += value * scale
        power = following
    return result


def emit(name: str, coefficients: list, neglected: mp.mpf) -> None:
    """Print one array."""
    body = ", ".join(mp.nstr(value, 20) for value in coefficients)
    print(f"// first neglected coefficient {mp.nstr(neglected, 2)}")
    print(f"inline constexpr double {name}[{len(coefficients)}] = {{{body}}};\n")


def fit(name: str, function: Callable, low: mp.mpf, high: mp.mpf, degree: int) -> None:
    """Fit and print a polynomial in x."""
    series = chebyshev(function, low, high, degree + 1)
    emit(name, shifted(monomials(series[:-1]), low, high), series[-1])


def fit_scaled_complementary_error_function(pole: mp.mpf, largest: mp.mpf, degree: int) -> None:
    """(1 + 2s) erfcx(s) on [0, largest] as a polynomial in t = a + b/(s + pole)."""
    high = (largest - pole) / (largest + pole)

    def scaled(u: mp.mpf) -> mp.mpf:
        s = pole * (1 + u) / (1 - u)
        return (1 + 2 * s) * mp.exp(s * s) * mp.erfc(s)

    series = chebyshev(scaled, mp.mpf(-1), high, degree + 1)
    emit("erfcx_coefficients", monomials(series[:-1]), series[-1])
    print(f"inline constexpr double erfcx_pole = {mp.nstr(pole, 20)};")
    print(f"inline constexpr double erfcx_largest = {mp.nstr(largest, 20)};")
    print(f"inline constexpr double erfcx_offset = {mp.nstr((3 - high) / (1 + high), 20)};")
    print(f"inline constexpr double erfcx_slope = {mp.nstr(-4 * pole / (1 + high), 20)};")


def sine(w: mp.mpf) -> mp.mpf:
    """sin(2 pi sqrt(w)) / sqrt(w), an entire function of w."""
    root = mp.sqrt(mp.mpc(w))
    return 2 * mp.pi if w == 0 else mp.re(mp.sin(2 * mp.pi * root) / root)


def cosine(w: mp.mpf) -> mp.mpf:
    """cos(2 pi sqrt(w)), an entire function of w."""
    return mp.re(mp.cos(2 * mp.pi * mp.sqrt(mp.mpc(w))))


def main() -> None:
    """Print the whole header."""
    print("// Made by fit_coefficients.py; do not edit.\n// clang-format off\n#pragma once\n")
    half = mp.log(2) / 2 * mp.mpf("1.0001")
    fit("exp_coefficients", mp.exp, -half, half, 11)
    eighth = mp.mpf(1) / 64 * mp.mpf("1.0001")
    fit("sine_coefficients", sine, mp.mpf(0), eighth, 6)
    fit("cosine_coefficients", cosine, mp.mpf(0), eighth, 7)
    fit_scaled_complementary_error_function(mp.mpf(4), mp.mpf(12), 19)


if __name__ == "__main__":
    main()
