"""Print ``gauss_legendre.hpp``: nodes and weights of Gauss-Legendre quadrature on [0, 1].

Run ``python core/generate/fit_quadrature.py > core/sums/gauss_legendre.hpp``.
"""

import mpmath as mp

COUNT = 56
mp.mp.dps = 40


def legendre_rule(count: int) -> list[tuple]:
    """Nodes and weights on [0, 1], by Newton's method on the Legendre polynomial."""
    rule = []
    for index in range(count):
        x = mp.cos(mp.pi * (index + mp.mpf(3) / 4) / (count + mp.mpf(1) / 2))
        for _ in range(8):
            value, before = x, mp.mpf(1)
            for order in range(2, count + 1):
                value, before = ((2 * order - 1) * x * value - (order - 1) * before) / order, value
            slope = count * (x * value - before) / (x * x - 1)
            x -= value / slope
        rule.append(((1 + x) / 2, 1 / ((1 - x * x) * slope * slope)))
    return rule


def main() -> None:
    """Print the header."""
    rule = legendre_rule(COUNT)
    print("// Made by fit_quadrature.py; do not edit.\n// clang-format off\n#pragma once\n")
    print(f"inline constexpr int gauss_legendre_count = {COUNT};")
    for name, column in (("nodes", 0), ("weights", 1)):
        body = ", ".join(mp.nstr(row[column], 20) for row in rule)
        print(f"inline constexpr double gauss_legendre_{name}[{COUNT}] = {{{body}}};")


if __name__ == "__main__":
    main()
