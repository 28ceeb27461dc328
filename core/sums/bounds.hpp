// Rigorous bounds on what a cutoff leaves out; equation numbers are those of docs/theory/lattice-sums.md.
#pragma once

#include "sums/potential.hpp"

namespace madelung::MADELUNG_VARIANT {

inline double smaller(double a, double b) { return a < b ? a : b; }
inline double larger(double a, double b) { return a > b ? a : b; }

// At most 1 + c1 r + c2 r^2 + c3 r^3 lattice points lie in a ball of radius r, wherever its centre: (3.2).
struct PointBound {
  double c1, c2, c3;

  PointBound(double edge0, double edge1, double edge2)
      : c1(2 * (1 / edge0 + 1 / edge1 + 1 / edge2)),
        c2(pi * (1 / (edge0 * edge1) + 1 / (edge0 * edge2) + 1 / (edge1 * edge2))),
        c3(4 * pi / (3 * edge0 * edge1 * edge2)) {}

  double inside(double r) const { return 1 + r * (c1 + r * (c2 + r * c3)); }

  // Sum over the points outside R of exp(-rate (r^2 - R^2)), of which `known` are inside for sure.
  double gaussian_tail(double rate, double r, double known) const {
    const double zeroth = smaller(0.5 * square_root_of_pi / std::sqrt(rate), 0.5 / (rate * r));
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

// Bound on the real-space terms outside a cutoff, (4.3) or (4.6).
template <class Potential>
double real_truncation(const Potential& potential, const PointBound& bound, double cutoff, double known) {
  return potential.prefactor(cutoff) * std::exp(-potential.exponent(cutoff)) *
         real_tail(potential, bound, cutoff, known);
}

// Bound on the reciprocal terms outside a cutoff, (4.5).
template <class Potential>
double reciprocal_truncation(const Potential& potential, const PointBound& bound, double cutoff, double known) {
  if (potential.reciprocal_rate == 0) return 0;
  const double square = cutoff * cutoff;
  return potential.reciprocal_prefactor(square) * std::exp(-potential.reciprocal_exponent(square)) *
         bound.gaussian_tail(potential.reciprocal_rate, cutoff, known);
}

// The exponent at which prefactor * tail * exp(-exponent) falls below a tolerance, for needed(exponent) = log(prefactor
// * tail / tolerance). That hardly depends on the exponent, so a fixed point is found in a few steps; what is returned
// satisfies the bound, since it is not below what it needs.
template <class Needed>
double sufficient_exponent(double first, double least, Needed&& needed) {
  constexpr double margin = 0.004, waste = 0.03;
  constexpr int patience = 8;  // steps; then any sufficient exponent is taken, and raised in larger steps until it is
  double exponent = larger(first, least);
  for (int step = 0; step < 60; ++step) {
    const double need = needed(exponent);
    if (need <= exponent) {
      if (exponent - need < waste || exponent <= least || step >= patience) break;
      exponent = larger(need + margin, least);
    } else {
      exponent = need + (step < patience ? margin : 0.1 * step);
    }
  }
  return exponent;
}

// Cutoffs that bring the bounds above below a tolerance.
template <class Potential>
double real_cutoff(const Potential& potential, const PointBound& bound, double tolerance, double first_exponent) {
  const bool gaussian = potential.rate > 0;
  const double offset = potential.exponent(0);
  const auto radius = [&](double exponent) {
    return gaussian ? std::sqrt(exponent / potential.rate) : exponent / potential.decay;
  };
  return radius(sufficient_exponent(first_exponent, 0.5, [&](double exponent) {
    const double cutoff = radius(exponent);
    return std::log(potential.prefactor(cutoff) * real_tail(potential, bound, cutoff, 0) / tolerance) - offset;
  }));
}

template <class Potential>
double reciprocal_cutoff(const Potential& potential, const PointBound& bound, double tolerance, double first_exponent) {
  const double offset = potential.reciprocal_exponent(0);
  const auto radius = [&](double exponent) { return std::sqrt(exponent / potential.reciprocal_rate); };
  return radius(sufficient_exponent(first_exponent, 0.05, [&](double exponent) {
    const double cutoff = radius(exponent);
    return std::log(potential.reciprocal_prefactor(cutoff * cutoff) *
                    bound.gaussian_tail(potential.reciprocal_rate, cutoff, 0) / tolerance) -
           offset;
  }));
}

}  // namespace madelung::MADELUNG_VARIANT
