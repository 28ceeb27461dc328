// Sums over images of radial functions times spherical harmonics; the table in docs/theory/sumnet.md.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "common/lattice.hpp"

namespace madelung {

struct NearSettings {
  double cutoff;
  int radial, reduced, angular, degree;

  int count() const { return radial + reduced + angular * ((degree + 1) * (degree + 1) - 1); }
};

// Adds to sums[k] what scale is worth in a Gaussian about the k-th of `count` centres, whose distance is their width.
// The quotient of neighbours falls by e from one to the next, so that two exponentials are enough.
inline void add_gaussians(double x, double low, double high, int count, double scale, double* sums) {
  if (count == 0) return;
  const double step = (high - low) / count, z = (x - low) / step;
  double value = scale * std::exp(-0.5 * z * z), quotient = std::exp(z - 0.5);
  for (int k = 0; k < count; ++k) {
    sums[k] += value;
    value *= quotient;
    quotient *= 0.36787944117144233;  // 1 / e
  }
}

// Real spherical harmonics of degrees 1 to 3 of a unit vector, the squares of each degree adding up to one.
inline void spherical_harmonics(double x, double y, double z, double* out) {
  const double root3 = std::sqrt(3.0);
  const double values[15] = {x,
                             y,
                             z,
                             root3 * x * y,
                             root3 * y * z,
                             0.5 * (3 * z * z - 1),
                             root3 * x * z,
                             0.5 * root3 * (x * x - y * y),
                             std::sqrt(5.0 / 8) * y * (3 * x * x - y * y),
                             std::sqrt(15.0) * x * y * z,
                             std::sqrt(3.0 / 8) * y * (5 * z * z - 1),
                             0.5 * z * (5 * z * z - 3),
                             std::sqrt(3.0 / 8) * x * (5 * z * z - 1),
                             0.5 * std::sqrt(15.0) * z * (x * x - y * y),
                             std::sqrt(5.0 / 8) * x * (x * x - 3 * y * y)};
  for (int k = 0; k < 15; ++k) out[k] = values[k];
}

class NearFunctions {
 public:
  // Positions may be anywhere; orbit and radii (of orbits) are as long as they have to be.
  NearFunctions(const Lattice& lattice, const double* positions, std::int64_t atoms, const std::int64_t* orbit,
                const double* radii, std::int64_t orbits, const NearSettings& settings)
      : lattice_(lattice),
        settings_(settings),
        orbit_(orbit),
        radii_(radii),
        places_(static_cast<std::size_t>(3 * atoms)),
        fractions_(places_.size()),
        sums_(static_cast<std::size_t>(orbits * settings.count())),
        angular_(static_cast<std::size_t>(settings.angular)),
        met_(static_cast<std::size_t>(orbits)) {
    for (std::int64_t i = 0; i < atoms; ++i) wrap(lattice, positions + 3 * i, &places_[3 * i], &fractions_[3 * i]);
    for (int k = 0; k < 3; ++k) {
      double square = 0;
      for (int c = 0; c < 3; ++c) square += lattice.inverse[c][k] * lattice.inverse[c][k];
      reach_[k] = settings.cutoff * std::sqrt(square);
    }
  }

  // Images that may have to be looked at for each pair of atoms.
  double images() const { return (2 * reach_[0] + 1) * (2 * reach_[1] + 1) * (2 * reach_[2] + 1); }

  // Finds what an atom receives, until the next one is asked for.
  void receive(std::int64_t receiver) {
    for (const std::int64_t sender : senders_) {
      met_[sender] = false;
      for (int d = 0; d < settings_.count(); ++d) sums_[sender * settings_.count() + d] = 0;
    }
    senders_.clear();
    for (std::int64_t j = 0; j < static_cast<std::int64_t>(places_.size() / 3); ++j) from(receiver, j);
  }
  // Orbits of which it receives, in no order.
  std::vector<std::int64_t>& senders() { return senders_; }
  const double* of(std::int64_t sender) const { return &sums_[sender * settings_.count()]; }

 private:
  const Lattice& lattice_;
  NearSettings settings_;
  const std::int64_t* orbit_;
  const double* radii_;
  std::vector<double> places_, fractions_, sums_, angular_;
  std::vector<char> met_;
  std::vector<std::int64_t> senders_;
  double reach_[3];

  void from(std::int64_t i, std::int64_t j) {
    double first[3], last[3];
    for (int k = 0; k < 3; ++k) {
      const double apart = fractions_[3 * j + k] - fractions_[3 * i + k];
      first[k] = std::ceil(-reach_[k] - apart);
      last[k] = std::floor(reach_[k] - apart);
    }
    for (double a = first[0]; a <= last[0]; ++a)
      for (double b = first[1]; b <= last[1]; ++b)
        for (double c = first[2]; c <= last[2]; ++c) {
          double vector[3], square = 0;
          for (int axis = 0; axis < 3; ++axis) {
            vector[axis] = places_[3 * j + axis] - places_[3 * i + axis] + a * lattice_.basis[0][axis] +
                           b * lattice_.basis[1][axis] + c * lattice_.basis[2][axis];
            square += vector[axis] * vector[axis];
          }
          if (square > 0 && square < settings_.cutoff * settings_.cutoff) add(i, j, vector, std::sqrt(square));
        }
  }

  void add(std::int64_t i, std::int64_t j, const double* vector, double distance) {
    const std::int64_t sender = orbit_[j];
    if (!met_[sender]) senders_.push_back(sender);
    met_[sender] = true;
    double* sums = &sums_[sender * settings_.count()];
    const double x = distance / settings_.cutoff, x2 = x * x, x6 = x2 * x2 * x2;
    const double envelope = 1 - x6 * (28 - x * (48 - 21 * x));
    add_gaussians(distance, 0.8, settings_.cutoff, settings_.radial, envelope, sums);
    sums += settings_.radial;
    add_gaussians(distance / (radii_[orbit_[i]] + radii_[sender]), 0.6, 2.6, settings_.reduced, envelope, sums);
    sums += settings_.reduced;
    if (settings_.degree == 0) return;
    for (double& value : angular_) value = 0;
    add_gaussians(distance, 0.8, settings_.cutoff, settings_.angular, envelope, angular_.data());
    double harmonics[15];
    spherical_harmonics(vector[0] / distance, vector[1] / distance, vector[2] / distance, harmonics);
    for (int h = 0; h < (settings_.degree + 1) * (settings_.degree + 1) - 1; ++h)
      for (const double value : angular_) *sums++ += harmonics[h] * value;
  }
};

}  // namespace madelung
