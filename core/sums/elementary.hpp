// Elementary functions on vectors, to a few units in the last place on the ranges stated.
#pragma once

#include <new>

#include "sums/coefficients.hpp"
#include "common/simd.hpp"

namespace madelung::MADELUNG_VARIANT {

inline constexpr double pi = 3.14159265358979323846;
inline constexpr double square_root_of_pi = 1.77245385090551602730;
inline constexpr double machine_epsilon = 1.1102230246251565e-16;  // unit roundoff

// Four short chains, combined at the end, instead of one long one: processors run them side by side.
template <int N>
inline Vector polynomial(const double (&c)[N], Vector x) {
  const Vector x2 = x * x, x4 = x2 * x2;
  Vector part[4];
  for (int r = 0; r < 4; ++r) {
    const int highest = (N - 1 - r) / 4 * 4 + r;
    part[r] = broadcast(c[highest]);
    for (int i = highest - 4; i >= 0; i -= 4) part[r] = part[r] * x4 + c[i];
  }
  return (part[3] * x + part[2]) * x2 + (part[1] * x + part[0]);
}

// exp(x) for -708 <= x <= 700.
inline Vector exponential(Vector x) {
  const Vector shifted = x * 1.4426950408889634 + rounding_shift, n = shifted - rounding_shift;
  Vector rest = x - n * 6.93147180369123816490e-01;
  rest = rest - n * 1.90821492927058770002e-10;
  return scale_by_power_of_two(shifted, polynomial(exp_coefficients, rest));
}

// exp(s^2) erfc(s) for 0 <= s <= 12.
inline Vector scaled_complementary_error_function(Vector s) {
  const Vector distance = s + erfcx_pole;
  const Vector scale = 2.0 * s + 1.0;
  const Vector inverse = 1.0 / (distance * scale);
  const Vector argument = erfcx_slope * (inverse * scale) + erfcx_offset;
  return polynomial(erfcx_coefficients, argument) * (inverse * distance);
}

// sin(2 pi a) and cos(2 pi a) for |a| <= 1/2.
inline void sine_and_cosine(Vector a, Vector& sine, Vector& cosine) {
  const Vector quarter = nearest(4.0 * a);  // -2 .. 2
  const Vector rest = a - 0.25 * quarter;
  const Vector square = rest * rest;
  const Vector s = polynomial(sine_coefficients, square) * rest;
  const Vector c = polynomial(cosine_coefficients, square);
  const Vector turns = absolute(quarter);
  const Mask odd = turns == broadcast(1.0);
  const Mask half = turns == broadcast(2.0);
  const Vector sine_base = select(odd, c, s), cosine_base = select(odd, s, c);
  const Mask sine_negative = half | (quarter == broadcast(-1.0));
  const Mask cosine_negative = half | (quarter == broadcast(1.0));
  sine = select(sine_negative, -sine_base, sine_base);
  cosine = select(cosine_negative, -cosine_base, cosine_base);
}

// The same functions for one number, where a plan or a constant needs them.
inline double scaled_complementary_error_function(double s) {
  if (s > erfcx_largest) {  // asymptotic series; the next term is below 1e-10 of the last
    const double y = 0.5 / (s * s);
    return (1 - y * (1 - 3 * y * (1 - 5 * y * (1 - 7 * y * (1 - 9 * y))))) / (s * square_root_of_pi);
  }
  return scaled_complementary_error_function(broadcast(s))[0];
}

}  // namespace madelung::MADELUNG_VARIANT
