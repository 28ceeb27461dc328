// E(p, x) of docs/theory/lattice-sums.md, (2.11): the integral over u > 1 of u^(p-1) exp(-x u), the one special
// function behind all inverse powers, with its derivative in p from the same nodes; and the gamma and digamma functions
// of one number.
#pragma once

#include "sums/elementary.hpp"
#include "sums/gauss_legendre.hpp"

namespace madelung::MADELUNG_VARIANT {

// Gauss-Legendre in ln u on [0, ln(1 + reach/x)]; docs/theory/lattice-sums.md, (2.24).
inline void exponential_integral(double p, Vector x, Vector& value, Vector& by_p) {
  const double reach = 42 + 3 * (p > 0 ? p : 0);
  Vector length;
  for (int lane = 0; lane < width; ++lane) length[lane] = std::log1p(reach / x[lane]);
  value = broadcast(0), by_p = broadcast(0);
  for (int node = 0; node < gauss_legendre_count; ++node) {
    const Vector y = length * gauss_legendre_nodes[node];
    const Vector exponent = maximum(p * y - x * exponential(y), broadcast(-700.0));
    const Vector term = gauss_legendre_weights[node] * exponential(exponent);
    value += term;
    by_p += y * term;
  }
  value *= length;
  by_p *= length;
}

// gamma(p, x) / x^p = sum over j of (-x)^j / (j! (p + j)), for x < 1, with its derivative in p.
inline void lower_gamma_series(double p, Vector x, Vector& value, Vector& by_p) {
  Vector power = broadcast(1);
  value = broadcast(1 / p), by_p = broadcast(-1 / (p * p));
  for (int j = 1; j < 19; ++j) {
    power *= -x / static_cast<double>(j);
    value += power / (p + j);
    by_p -= power / ((p + j) * (p + j));
  }
}

// psi(p) for p > 0: recurrence, then the asymptotic series.
inline double digamma(double p) {
  double result = 0;
  for (; p < 12; p += 1) result -= 1 / p;
  const double y = 1 / (p * p);
  return result + std::log(p) - 0.5 / p -
         y * (1.0 / 12 - y * (1.0 / 120 - y * (1.0 / 252 - y * (1.0 / 240 - y * (1.0 / 132 - y * 691.0 / 32760)))));
}

}  // namespace madelung::MADELUNG_VARIANT
