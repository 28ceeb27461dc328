// The pair potentials. Each is one struct that states, for a splitting t and a cell's volume, its real-space term f(r),
// its reciprocal weight w(k), its constants w0 and L0 with their derivatives, and an upper bound of each term as
// prefactor * exp(-exponent) from which cutoffs and certificates follow. Symbols as in docs/theory/lattice-sums.md.
#pragma once

#include "gamma.hpp"

namespace madelung::MADELUNG_VARIANT {

// What the real-space terms of one image share.
struct Image {
  Vector square, distance, inverse, gaussian;  // r^2, r, 1/r, exp(-t r^2)
};

// A real-space term with its derivatives: (1/r) df/dr, and df/d(parameter).
struct RealSlope {
  Vector by_distance, by_parameter;
};

// A reciprocal weight with its derivatives in k^2 and in the parameter, at fixed volume.
struct WeightSlope {
  Vector value, by_square, by_parameter;
};

// What every potential has; those without a term leave it out.
struct Constants {
  double background = 0, background_by_parameter = 0;  // w0
  double self = 0, self_by_parameter = 0;              // L0
  double magnitude = 1;                                // scale of the sum, below which float64 cannot resolve
  double rate = 0;                                     // Gaussian rate of the real tail, or else
  double decay = 0;                                    // exponential rate of the real tail
  double reciprocal_rate = 0;                          // Gaussian rate of the reciprocal tail
};

// ---- inverse powers r^(-2p), by E(p, x) -----------------------------------------------------------------------------

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
  double steepness(double shortest, double cutoff) const { return (2 * p + 2) / shortest + 2 * t * cutoff; }
  Vector slope(const Image& image, Vector value) const {
    return -(2 * p * value + gaussian_slope * image.gaussian) * (image.inverse * image.inverse);
  }
  WeightSlope weight_slope(Vector square, Vector value, Vector gaussian) const {
    return {value, -(scale * gaussian - (p - 1.5) * value) / square, broadcast(0)};
  }
};

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
    const Vector s = minimum(image.distance * root, broadcast(erfcx_largest));
    return image.gaussian * image.inverse * scaled_complementary_error_function(s);
  }
  RealSlope real_slope(const Image& image, Vector value) const { return {slope(image, value), broadcast(0)}; }
  Vector weight(Vector square) const { return exponential(square * (-pi * pi / t)) * front / square; }
  WeightSlope weight_slope(Vector square) const {
    const Vector gaussian = exponential(square * (-pi * pi / t));
    return InversePowerBase::weight_slope(square, gaussian * front / square, gaussian);
  }
};

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

// r^-12: closed forms on both sides.
struct InversePower12 : InversePowerBase {
  InversePower12(double, double splitting, double volume)
      : InversePowerBase(6, splitting, volume, 120, splitting * splitting * splitting * splitting * splitting * splitting) {}
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

// ---- exponentials exp(-a r) and exp(-a r)/r -------------------------------------------------------------------------

// P = exp(a r) erfc(s + h) and M = exp(-a r) erfc(s - h), with h = a / (2 sqrt t).
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
    return -scale * a * std::exp(-b / t) * (inverse / t * (1 / t + inverse) + inverse * inverse * (1 / t + 2 * inverse));
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

// Potentials summed in one space only; no constants but the excluded term.
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
  Vector weight(Vector square) const { return exponential(maximum(square * (-pi * pi / a), broadcast(-700.0))) * scale; }
  WeightSlope weight_slope(Vector square) const {
    const Vector value = weight(square);
    return {value, value * (-pi * pi / a), value * (square * (pi * pi / (a * a)) - 1.5 / a)};
  }
};

}  // namespace madelung::MADELUNG_VARIANT
