// exp(-a r) and exp(-a r)/r, split as in (2.19)-(2.21).
#pragma once

#include "sums/potential.hpp"

namespace madelung::MADELUNG_VARIANT {

// (2.19): P = exp(a r) erfc(s + h) and M = exp(-a r) erfc(s - h), with h = a / (2 sqrt t).
struct ExponentialBase : Constants {
  static constexpr bool is_split = true;
  double t, a, root, h, damping;  // damping = exp(-h^2)
  ExponentialBase(double parameter, double splitting)
      : t(splitting), a(parameter), root(std::sqrt(splitting)), h(parameter / (2 * root)), damping(std::exp(-h * h)) {
    rate = t;
    reciprocal_rate = pi * pi / t;
  }
  double exponent(double r) const { return t * r * r + h * h; }
  double reciprocal_exponent(double square) const { return (pi * pi * square + 0.25 * a * a) / t; }
  double steepness(double shortest, double cutoff) const { return 2 / shortest + a + 2 * t * cutoff; }
  double gap(double r) const {  // r^2 - h^2/t, where the mixture's bound holds; else 0
    return t * r * r - h * h > 1 ? r * r - h * h / t : 0;
  }
  void pair(const Image& image, Vector& plus, Vector& minus) const {
    const Vector s = image.distance * root, gaussian = image.gaussian * damping;
    const Vector limit = broadcast(erfcx_largest);
    plus = gaussian * scaled_complementary_error_function(minimum(s + h, limit));
    const Vector difference = s - h;
    minus = gaussian * scaled_complementary_error_function(minimum(absolute(difference), limit));
    const Vector bare = exponential(maximum(image.distance * -a, broadcast(-700.0)));
    minus = select(difference < broadcast(0.0), 2.0 * bare - minus, minus);
  }
};

// exp(-a r), (2.20) and (2.21); derivatives in a are (7.5)-(7.7).
struct PauliSplit : ExponentialBase {
  double scale;
  PauliSplit(double parameter, double splitting, double volume)
      : ExponentialBase(parameter, splitting), scale(pi / (2 * volume)) {
    const double b = 0.25 * a * a, inverse = 1 / b;
    background = scale * a * damping * inverse * (inverse + 1 / t);
    background_by_parameter = background / a + background_by_square(b) * 0.5 * a;
    self = std::erfc(h);
    self_by_parameter = -damping / (square_root_of_pi * root);
    magnitude = 1 + background;
  }
  static constexpr double relative_error = 40;
  static constexpr double relative_weight_error = 24;
  double background_by_square(double b) const {
    const double inverse = 1 / b;
    return -scale * a * std::exp(-b / t) *
           (inverse / t * (1 / t + inverse) + inverse * inverse * (1 / t + 2 * inverse));
  }
  double prefactor(double r) const {
    const double margin = gap(r);
    return margin > 0 ? a / (2 * square_root_of_pi * t * root * margin) : std::exp((root * r - h) * (root * r - h));
  }
  double reciprocal_prefactor(double square) const {
    const double inverse = 1 / (pi * pi * square + 0.25 * a * a);
    return scale * a * inverse * (inverse + 1 / t);
  }
  Vector real(const Image& image) const {
    Vector plus, minus;
    pair(image, plus, minus);
    return 0.5 * (minus - plus);
  }
  RealSlope real_slope(const Image& image, Vector) const {
    Vector plus, minus;
    pair(image, plus, minus);
    const Vector half = 0.5 * (plus + minus);
    return {-a * half * image.inverse, image.gaussian * (damping / (square_root_of_pi * root)) - image.distance * half};
  }
  Vector weight(Vector square) const {
    const Vector b = square * (pi * pi) + 0.25 * a * a, inverse = 1.0 / b;
    return exponential(b * (-1 / t)) * (scale * a) * inverse * (inverse + 1 / t);
  }
  WeightSlope weight_slope(Vector square) const {
    const Vector b = square * (pi * pi) + 0.25 * a * a, inverse = 1.0 / b;
    const Vector front = exponential(b * (-1 / t)) * (scale * a);
    const Vector value = front * inverse * (inverse + 1 / t);
    const Vector by_b = -front * (inverse * (1 / t) * (1 / t + inverse) + inverse * inverse * (1 / t + 2.0 * inverse));
    return {value, by_b * (pi * pi), value * (1 / a) + by_b * (0.5 * a)};
  }
};

// exp(-a r)/r, (2.20) and (2.21).
struct YukawaSplit : ExponentialBase {
  double scale;
  YukawaSplit(double parameter, double splitting, double volume)
      : ExponentialBase(parameter, splitting), scale(pi / volume) {
    const double b = 0.25 * a * a;
    background = scale * damping / b;
    background_by_parameter = -background * (1 / t + 1 / b) * 0.5 * a;
    self = 2 * root / square_root_of_pi * damping - a * std::erfc(h);
    self_by_parameter = -std::erfc(h);
    magnitude = self + background + root;
  }
  static constexpr double relative_error = 40;
  static constexpr double relative_weight_error = 24;
  double prefactor(double r) const {
    const double margin = gap(r);
    return margin > 0 ? 1 / (square_root_of_pi * root * margin) : std::exp((root * r - h) * (root * r - h)) / r;
  }
  double reciprocal_prefactor(double square) const { return scale / (pi * pi * square + 0.25 * a * a); }
  Vector real(const Image& image) const {
    Vector plus, minus;
    pair(image, plus, minus);
    return 0.5 * (plus + minus) * image.inverse;
  }
  RealSlope real_slope(const Image& image, Vector value) const {
    Vector plus, minus;
    pair(image, plus, minus);
    const Vector half = 0.5 * (plus - minus);
    const Vector gaussian = image.gaussian * (damping * 2 * root / square_root_of_pi);
    return {(a * half - gaussian - value) * image.inverse * image.inverse, half};
  }
  Vector weight(Vector square) const {
    const Vector b = square * (pi * pi) + 0.25 * a * a;
    return exponential(b * (-1 / t)) * scale / b;
  }
  WeightSlope weight_slope(Vector square) const {
    const Vector b = square * (pi * pi) + 0.25 * a * a;
    const Vector value = exponential(b * (-1 / t)) * scale / b;
    const Vector by_b = -value * (1 / t + 1.0 / b);
    return {value, by_b * (pi * pi), by_b * (0.5 * a)};
  }
};

}  // namespace madelung::MADELUNG_VARIANT
