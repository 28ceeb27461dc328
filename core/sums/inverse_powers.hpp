// Inverse powers r^(-2p), (2.12)-(2.14): Coulomb, London, r^-12 and general exponents.
#pragma once

#include "sums/potential.hpp"

namespace madelung::MADELUNG_VARIANT {

// Everything that needs no special function is common to all of them.
struct InversePowerBase : Constants {
  static constexpr bool is_split = true;
  double t, p;
  double scale;           // pi^(3/2) t^(p - 3/2) / (V Gamma(p))
  double gaussian_slope;  // 2 t^p / Gamma(p)

  // gamma = Gamma(p) and power = t^p come from the potential, which knows them in closed form.
  InversePowerBase(double half_exponent, double splitting, double volume, double gamma, double power)
      : t(splitting), p(half_exponent) {
    scale = pi * square_root_of_pi * power / (volume * gamma * t * std::sqrt(t));
    gaussian_slope = 2 * power / gamma;
    background = scale / (p - 1.5);
    self = power / (gamma * p);
    magnitude = self + std::fabs(background);
    rate = t;
    reciprocal_rate = pi * pi / t;
  }
  double exponent(double r) const { return t * r * r; }
  double reciprocal_exponent(double square) const { return pi * pi * square / t; }
  double reciprocal_prefactor(double square) const {  // bounds of Gamma(a, z) for a = 3/2 - p
    const double z = pi * pi * square / t, a = 1.5 - p;
    return a <= 1 ? scale * (z + 1) / (z * (z + 2 - a)) : scale / z * (1 + a / z);
  }
  // Bound of |f'|/f, (5.3).
  double steepness(double shortest, double cutoff) const { return (2 * p + 2) / shortest + 2 * t * cutoff; }
  Vector slope(const Image& image, Vector value) const {
    return -(2 * p * value + gaussian_slope * image.gaussian) * (image.inverse * image.inverse);
  }
  WeightSlope weight_slope(Vector square, Vector value, Vector gaussian) const {
    return {value, -(scale * gaussian - (p - 1.5) * value) / square, broadcast(0)};
  }
};

// p = 1/2, (2.17).
struct Coulomb : InversePowerBase {
  double root, front;
  Coulomb(double, double splitting, double volume)
      : InversePowerBase(0.5, splitting, volume, square_root_of_pi, std::sqrt(splitting)),
        root(std::sqrt(splitting)),
        front(1 / (pi * volume)) {}
  static constexpr double relative_error = 16;
  static constexpr double relative_weight_error = 16;
  double prefactor(double r) const { return 1 / (square_root_of_pi * root * r * r); }
  Vector real(const Image& image) const {
    return image.gaussian * image.inverse * scaled_complementary_error_function(image.distance * root);
  }
  RealSlope real_slope(const Image& image, Vector value) const { return {slope(image, value), broadcast(0)}; }
  Vector weight(Vector square) const { return exponential(square * (-pi * pi / t)) * front / square; }
  WeightSlope weight_slope(Vector square) const {
    const Vector gaussian = exponential(square * (-pi * pi / t));
    return InversePowerBase::weight_slope(square, gaussian * front / square, gaussian);
  }
};

// p = 3, (2.15) and (2.18).
struct London : InversePowerBase {
  London(double, double splitting, double volume)
      : InversePowerBase(3, splitting, volume, 2, splitting * splitting * splitting) {}
  static constexpr double relative_error = 24;
  static constexpr double relative_weight_error = 256;
  double prefactor(double r) const {
    const double x = t * r * r, inverse = 1 / (r * r);
    return (1 + x * (1 + 0.5 * x)) * inverse * inverse * inverse;
  }
  Vector real(const Image& image) const {
    const Vector x = image.square * t, inverse = image.inverse * image.inverse;
    return image.gaussian * (inverse * inverse * inverse) * (x * (0.5 * x + 1.0) + 1.0);
  }
  RealSlope real_slope(const Image& image, Vector value) const { return {slope(image, value), broadcast(0)}; }
  // The recurrence cancels for large z, but there exp(-z) makes its absolute error vanish in the sum of the weights.
  Vector weight_of(Vector z, Vector gaussian) const {
    const Vector root = minimum(square_root(z), broadcast(erfcx_largest));
    const Vector rest = z - square_root_of_pi * z * root * scaled_complementary_error_function(root);
    return scale * gaussian * ((2.0 / 3) - (4.0 / 3) * rest);
  }
  Vector weight(Vector square) const {
    const Vector z = square * (pi * pi / t);
    return weight_of(z, exponential(-z));
  }
  WeightSlope weight_slope(Vector square) const {
    const Vector z = square * (pi * pi / t), gaussian = exponential(-z);
    return InversePowerBase::weight_slope(square, weight_of(z, gaussian), gaussian);
  }
};

// Any exponent, by quadrature; derivatives in it are (7.8) and (7.9).
struct InversePower : InversePowerBase {
  double front, shift;  // t^p / Gamma(p), and its logarithmic derivative in p
  InversePower(double exponent, double splitting, double volume)
      : InversePowerBase(exponent / 2, splitting, volume, std::tgamma(exponent / 2), std::pow(splitting, exponent / 2)),
        front(0.5 * gaussian_slope),
        shift(std::log(splitting) - digamma(exponent / 2)) {
    background_by_parameter = 0.5 * background * (shift - 1 / (p - 1.5));
    self_by_parameter = 0.5 * self * (shift - 1 / p);
  }
  static constexpr double relative_error = 4000;
  static constexpr double relative_weight_error = 4000;
  double prefactor(double r) const {  // Gamma(p, x) <= x^p exp(-x) / (x - p + 1), or f <= r^(-2p)
    const double x = t * r * r;
    if (p <= 1) return front / x;
    return x > p ? front / (x - p + 1) : std::exp(x) * std::pow(r, -2 * p);
  }
  void evaluate(const Image& image, Vector& value, Vector& by_exponent) const {
    const Vector x = maximum(image.square * t, broadcast(1e-200));
    Vector integral, by_p;
    exponential_integral(p, maximum(x, broadcast(1.0)), integral, by_p);
    value = front * integral;
    by_exponent = 0.5 * front * (by_p + shift * integral);
    const Mask close = x < broadcast(1.0);
    if (Selection(close).count() == 0) return;
    Vector lower, lower_by_p, bare, bare_by_p;
    lower_gamma_series(p, minimum(x, broadcast(1.0)), lower, lower_by_p);
    for (int lane = 0; lane < width; ++lane) {
      bare[lane] = std::pow(image.square[lane], -p);
      bare_by_p[lane] = -bare[lane] * std::log(image.square[lane]);
    }
    value = select(close, bare - front * lower, value);
    by_exponent = select(close, 0.5 * (bare_by_p - front * (lower_by_p + shift * lower)), by_exponent);
  }
  Vector real(const Image& image) const {
    Vector value, by_exponent;
    evaluate(image, value, by_exponent);
    return value;
  }
  RealSlope real_slope(const Image& image, Vector value) const {
    Vector again, by_exponent;
    evaluate(image, again, by_exponent);
    return {slope(image, value), by_exponent};
  }
  Vector weight(Vector square) const { return weight_slope(square).value; }
  WeightSlope weight_slope(Vector square) const {
    const Vector z = square * (pi * pi / t);
    Vector integral, by_q;
    exponential_integral(1.5 - p, z, integral, by_q);
    WeightSlope result = InversePowerBase::weight_slope(square, scale * integral, exponential(-z));
    result.by_parameter = 0.5 * scale * (shift * integral - by_q);
    return result;
  }
};

// p = 6: closed forms on both sides, (2.15) and (2.17).
struct InversePower12 : InversePowerBase {
  InversePower12(double, double splitting, double volume)
      : InversePowerBase(6, splitting, volume, 120,
                         splitting * splitting * splitting * splitting * splitting * splitting) {}
  static constexpr double relative_error = 48;
  static constexpr double relative_weight_error = 4000;
  static Vector series(Vector x) {
    return x * (x * (x * (x * (x * (1.0 / 120) + 1.0 / 24) + 1.0 / 6) + 0.5) + 1.0) + 1.0;
  }
  double prefactor(double r) const {
    const double inverse = 1 / (r * r), cube = inverse * inverse * inverse;
    return series(broadcast(t * r * r))[0] * cube * cube;
  }
  Vector real(const Image& image) const {
    const Vector inverse = image.inverse * image.inverse, cube = inverse * inverse * inverse;
    return image.gaussian * cube * cube * series(image.square * t);
  }
  RealSlope real_slope(const Image& image, Vector value) const { return {slope(image, value), broadcast(0)}; }
  Vector weight_of(Vector z, Vector gaussian) const {  // G(c) = (z G(c + 1) - 1)/c, from c = 1/2 down to -9/2
    const Vector root = minimum(square_root(z), broadcast(erfcx_largest));
    Vector g = square_root_of_pi * scaled_complementary_error_function(root) / root;
    for (double c = -0.5; c > -5; c -= 1) g = (z * g - 1.0) * (1 / c);
    return scale * gaussian * g;
  }
  Vector weight(Vector square) const {
    const Vector z = square * (pi * pi / t);
    return weight_of(z, exponential(-z));
  }
  WeightSlope weight_slope(Vector square) const {
    const Vector z = square * (pi * pi / t), gaussian = exponential(-z);
    return InversePowerBase::weight_slope(square, weight_of(z, gaussian), gaussian);
  }
};

}  // namespace madelung::MADELUNG_VARIANT
