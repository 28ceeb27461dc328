// Rigorous bounds on what a cutoff leaves out; docs/theory/lattice-sums.md, "A rigorous bound".
#pragma once

#include "potentials.hpp"

namespace madelung::MADELUNG_VARIANT {

// At most 1 + c1 r + c2 r^2 + c3 r^3 lattice points lie in a ball of radius r, wherever its centre.
struct PointBound {
  double c1, c2, c3;

  PointBound(double edge0, double edge1, double edge2)
      : c1(2 * (1 / edge0 + 1 / edge1 + 1 / edge2)),
        c2(pi * (1 / (edge0 * edge1) + 1 / (edge0 * edge2) + 1 / (edge1 * edge2))),
        c3(4 * pi / (3 * edge0 * edge1 * edge2)) {}

  double inside(double r) const { return 1 + r * (c1 + r * (c2 + r * c3)); }

  // Sum over the points outside R of exp(-rate (r^2 - R^2)), of which `known` are inside for sure.
  double gaussian_tail(double rate, double r, double known) const {
    const double zeroth = std::fmin(0.5 * square_root_of_pi / std::sqrt(rate), 0.5 / (rate * r));
    const double second = (r + zeroth) / (2 * rate);
    return inside(r) - known + c1 * zeroth + c2 / rate + 3 * c3 * second;
  }

  // The same for exp(-a (r - R)).
  double exponential_tail(double a, double r, double known) const {
    const double i = 1 / a;
    return inside(r) - known + c1 * i + 2 * c2 * i * (r + i) + 3 * c3 * i * (r * r + 2 * i * (r + i));
  }
};

template <class Potential>
double real_tail(const Potential& potential, const PointBound& bound, double cutoff, double known) {
  return potential.rate > 0 ? bound.gaussian_tail(potential.rate, cutoff, known)
                            : bound.exponential_tail(potential.decay, cutoff, known);
}

// Bound on the real-space terms outside a cutoff.
template <class Potential>
double real_truncation(const Potential& potential, const PointBound& bound, double cutoff, double known) {
  return potential.prefactor(cutoff) * std::exp(-potential.exponent(cutoff)) *
         real_tail(potential, bound, cutoff, known);
}

// Bound on the reciprocal terms outside a cutoff.
template <class Potential>
double reciprocal_truncation(const Potential& potential, const PointBound& bound, double cutoff, double known) {
  if (potential.reciprocal_rate == 0) return 0;
  const double square = cutoff * cutoff;
  return potential.reciprocal_prefactor(square) * std::exp(-potential.reciprocal_exponent(square)) *
         bound.gaussian_tail(potential.reciprocal_rate, cutoff, known);
}

// Cutoffs that bring a bound below a tolerance. The exponent dominates: exponent = log(prefactor * tail / tolerance) is
// a fixed point whose right side hardly moves, so few steps find it; a margin covers what is left.
inline constexpr int fixed_point_steps = 4;
inline constexpr double fixed_point_margin = 0.004;

template <class Potential>
double real_cutoff(const Potential& potential, const PointBound& bound, double tolerance) {
  const bool gaussian = potential.rate > 0;
  const double offset = potential.exponent(0);
  double exponent = 16, cutoff = 0;
  for (int step = 0; step < fixed_point_steps; ++step) {
    cutoff = gaussian ? std::sqrt(exponent / potential.rate) : exponent / potential.decay;
    const double ratio = potential.prefactor(cutoff) * real_tail(potential, bound, cutoff, 0) / tolerance;
    exponent = std::fmax(0.5, std::log(ratio) - offset);
  }
  exponent += fixed_point_margin;
  return gaussian ? std::sqrt(exponent / potential.rate) : exponent / potential.decay;
}

template <class Potential>
double reciprocal_cutoff(const Potential& potential, const PointBound& bound, double tolerance) {
  const double offset = potential.reciprocal_exponent(0);
  double exponent = 16, cutoff = 0;
  for (int step = 0; step < fixed_point_steps; ++step) {
    cutoff = std::sqrt(exponent / potential.reciprocal_rate);
    const double ratio = potential.reciprocal_prefactor(cutoff * cutoff) *
                         bound.gaussian_tail(potential.reciprocal_rate, cutoff, 0) / tolerance;
    exponent = std::fmax(0.05, std::log(ratio) - offset);
  }
  return std::sqrt((exponent + fixed_point_margin) / potential.reciprocal_rate);
}

}  // namespace madelung::MADELUNG_VARIANT
