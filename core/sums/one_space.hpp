// Potentials summed in one space only: direct sums, section 2.6, and Gaussians, (2.23).
#pragma once

#include "sums/potential.hpp"

namespace madelung::MADELUNG_VARIANT {

// No constants but the excluded term.
struct OneSpace : Constants {
  static constexpr bool is_split = false;
  static constexpr double relative_error = 16;
  static constexpr double relative_weight_error = 16;
  double a;
  explicit OneSpace(double parameter) : a(parameter) { decay = parameter; }
  double steepness(double shortest, double) const { return 2 / shortest + a; }
  double exponent(double r) const { return a * r; }
  double reciprocal_exponent(double) const { return 0; }
  double reciprocal_prefactor(double) const { return 0; }
  Vector weight(Vector) const { return broadcast(0); }
  WeightSlope weight_slope(Vector) const { return {broadcast(0), broadcast(0), broadcast(0)}; }
};

struct PauliDirect : OneSpace {
  PauliDirect(double parameter, double, double) : OneSpace(parameter) {}
  double prefactor(double) const { return 1; }
  Vector real(const Image& image) const { return exponential(maximum(image.distance * -a, broadcast(-700.0))); }
  RealSlope real_slope(const Image& image, Vector value) const {
    return {-a * value * image.inverse, -image.distance * value};
  }
};

struct YukawaDirect : OneSpace {
  YukawaDirect(double parameter, double, double) : OneSpace(parameter) { magnitude = a; }
  double prefactor(double r) const { return 1 / r; }
  Vector real(const Image& image) const {
    return exponential(maximum(image.distance * -a, broadcast(-700.0))) * image.inverse;
  }
  RealSlope real_slope(const Image& image, Vector value) const {
    return {-(a + image.inverse) * value * image.inverse, -image.distance * value};
  }
};

struct GaussianDirect : OneSpace {  // exp(-a r^2)
  GaussianDirect(double parameter, double, double) : OneSpace(parameter) { rate = a; }
  double exponent(double r) const { return a * r * r; }
  double prefactor(double) const { return 1; }
  double steepness(double, double cutoff) const { return 2 * a * cutoff; }
  Vector real(const Image& image) const { return exponential(maximum(image.square * -a, broadcast(-700.0))); }
  RealSlope real_slope(const Image& image, Vector value) const { return {-2 * a * value, -image.square * value}; }
};

struct GaussianReciprocal : OneSpace {
  static constexpr bool is_split = true;
  double scale;
  GaussianReciprocal(double parameter, double splitting, double volume)
      : OneSpace(parameter), scale(pi * square_root_of_pi / (volume * parameter * std::sqrt(parameter))) {
    background = scale;
    background_by_parameter = -1.5 * scale / a;
    self = 1;
    magnitude = 1 + scale;
    rate = splitting;
    reciprocal_rate = pi * pi / a;
  }
  double exponent(double) const { return 0; }
  double prefactor(double) const { return 0; }
  double reciprocal_exponent(double square) const { return pi * pi * square / a; }
  double reciprocal_prefactor(double) const { return scale; }
  Vector real(const Image&) const { return broadcast(0); }
  RealSlope real_slope(const Image&, Vector) const { return {broadcast(0), broadcast(0)}; }
  Vector weight(Vector square) const {
    return exponential(maximum(square * (-pi * pi / a), broadcast(-700.0))) * scale;
  }
  WeightSlope weight_slope(Vector square) const {
    const Vector value = weight(square);
    return {value, value * (-pi * pi / a), value * (square * (pi * pi / (a * a)) - 1.5 / a)};
  }
};

}  // namespace madelung::MADELUNG_VARIANT
