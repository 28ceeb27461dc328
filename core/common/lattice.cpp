#include "common/lattice.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace madelung {
namespace {

// Inlined, unlike the library's, on processors whose rounding instruction may not be assumed.
double floor_of(double value) {
  const double truncated = static_cast<double>(static_cast<long long>(value));
  return truncated > value ? truncated - 1 : truncated;
}
double nearest_to(double value) { return floor_of(value + 0.5); }

double dot(const double* a, const double* b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

// A sum kept as an unevaluated pair high + low (Dekker, 1971; Knuth's two-sum).
struct DoubleDouble {
  double high = 0, low = 0;
  void add(double value) {
    const double total = high + value, part = total - high;
    low += (high - (total - part)) + (value - part);
    high = total;
  }
  // value * integer without any rounding: products of halves of 26 bits (Veltkamp's splitting) are exact. An integer
  // below 2^26 is a half by itself.
  void add_product(double integer, double value) {
    const double upper = upper_half(value), lower = value - upper;
    if (std::fabs(integer) < 67108864.0) {
      add(integer * upper);
      add(integer * lower);
      return;
    }
    const double many = upper_half(integer), few = integer - many;
    add(many * upper);
    add(many * lower);
    add(few * upper);
    add(few * lower);
  }
  double value() const { return high + low; }
  // What the value leaves over.
  double rest() const { return (high - (high + low)) + low; }

 private:
  static double upper_half(double value) {
    const double scaled = 134217729.0 * value;  // 2^27 + 1
    return scaled - (scaled - value);
  }
};

void multiply(const double transform[3][3], const double given[3][3], double result[3][3], double rest[3][3]) {
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) {
      DoubleDouble total;
      for (int k = 0; k < 3; ++k)
        if (transform[i][k] != 0) total.add_product(transform[i][k], given[k][j]);
      result[i][j] = total.value();
      rest[i][j] = total.rest();
    }
}

void subtract_row(double matrix[3][3], int target, double factor, int source) {
  for (int k = 0; k < 3; ++k) matrix[target][k] -= factor * matrix[source][k];
}

void swap_rows(double matrix[3][3], int a, int b) {
  for (int k = 0; k < 3; ++k) std::swap(matrix[a][k], matrix[b][k]);
}

constexpr double still_shorter = 1 - 1e-12;  // a step must shorten a vector by more than its rounding

// One pass in floating point; true where a row changed.
bool reduce_once(double basis[3][3], double transform[3][3]) {
  bool any = false;
  for (int step = 0; step < 1000; ++step) {
    double norm[3];
    for (int i = 0; i < 3; ++i) norm[i] = dot(basis[i], basis[i]);
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 2 - i; ++j)
        if (norm[j] > norm[j + 1]) {
          std::swap(norm[j], norm[j + 1]);
          swap_rows(basis, j, j + 1);
          swap_rows(transform, j, j + 1);
        }
    const double b01 = dot(basis[0], basis[1]);
    const double m = nearest_to(b01 / norm[0]);
    if (m != 0 && norm[1] - m * (2 * b01 - m * norm[0]) < norm[1] * still_shorter) {
      subtract_row(basis, 1, m, 0);
      subtract_row(transform, 1, m, 0);
      any = true;
      continue;
    }
    const double b02 = dot(basis[0], basis[2]), b12 = dot(basis[1], basis[2]);
    const double determinant = norm[0] * norm[1] - b01 * b01;
    const double y0 = floor_of((b02 * norm[1] - b12 * b01) / determinant);
    const double y1 = floor_of((b12 * norm[0] - b02 * b01) / determinant);
    double best = norm[2] * still_shorter, best0 = 0, best1 = 0;
    for (int corner = 0; corner < 4; ++corner) {
      const double p = y0 + (corner & 1), q = y1 + (corner >> 1);
      double trial[3];
      for (int k = 0; k < 3; ++k) trial[k] = basis[2][k] - p * basis[0][k] - q * basis[1][k];
      if (const double length = dot(trial, trial); length < best) best = length, best0 = p, best1 = q;
    }
    if (best0 == 0 && best1 == 0) return any;
    subtract_row(basis, 2, best0, 0);
    subtract_row(basis, 2, best1, 1);
    subtract_row(transform, 2, best0, 0);
    subtract_row(transform, 2, best1, 1);
    any = true;
  }
  return any;
}

double invert(const double m[3][3], double inverse[3][3]) {
  double cofactor[3][3];
  for (int i = 0; i < 3; ++i) {
    const int i1 = (i + 1) % 3, i2 = (i + 2) % 3;
    for (int j = 0; j < 3; ++j) {
      const int j1 = (j + 1) % 3, j2 = (j + 2) % 3;
      cofactor[i][j] = m[i1][j1] * m[i2][j2] - m[i1][j2] * m[i2][j1];
    }
  }
  const double determinant = dot(m[0], cofactor[0]);
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) inverse[j][i] = cofactor[i][j] / determinant;
  return determinant;
}

void triangular_frame(Lattice& lattice) {
  const auto& b = lattice.basis;
  lattice.edge[0] = std::sqrt(dot(b[0], b[0]));
  lattice.skew10 = dot(b[1], b[0]) / lattice.edge[0];
  lattice.skew20 = dot(b[2], b[0]) / lattice.edge[0];
  double normal[3] = {b[0][1] * b[1][2] - b[0][2] * b[1][1], b[0][2] * b[1][0] - b[0][0] * b[1][2],
                      b[0][0] * b[1][1] - b[0][1] * b[1][0]};
  lattice.edge[1] = std::sqrt(dot(normal, normal)) / lattice.edge[0];
  lattice.skew21 = (dot(b[1], b[2]) - lattice.skew10 * lattice.skew20) / lattice.edge[1];
  lattice.edge[2] = lattice.volume / (lattice.edge[0] * lattice.edge[1]);
}

}  // namespace

bool reduce(const double* cell, Lattice& lattice) {
  std::memcpy(lattice.given, cell, sizeof lattice.given);
  std::memcpy(lattice.basis, cell, sizeof lattice.basis);
  std::memset(lattice.basis_low, 0, sizeof lattice.basis_low);
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) lattice.transform[i][j] = i == j ? 1 : 0;
  if (!(std::fabs(invert(lattice.given, lattice.inverse)) > 0)) return false;
  for (int pass = 0; pass < 20 && reduce_once(lattice.basis, lattice.transform); ++pass)
    multiply(lattice.transform, lattice.given, lattice.basis, lattice.basis_low);
  lattice.volume = std::fabs(invert(lattice.basis, lattice.inverse));
  triangular_frame(lattice);
  return lattice.volume > 0 && std::isfinite(lattice.volume) && std::isfinite(lattice.edge[2]);
}

void wrap(const Lattice& lattice, const double* position, double* wrapped, double* fractional) {
  constexpr double outside = -1e-9;  // a rounding error below zero is inside
  double shift[3] = {0, 0, 0};
  std::memcpy(wrapped, position, 3 * sizeof(double));
  for (int pass = 0;; ++pass) {
    bool moved = false;
    for (int k = 0; k < 3; ++k) {
      fractional[k] =
          wrapped[0] * lattice.inverse[0][k] + wrapped[1] * lattice.inverse[1][k] + wrapped[2] * lattice.inverse[2][k];
      if (fractional[k] >= outside && fractional[k] < 1) continue;
      shift[k] += floor_of(fractional[k]);
      moved = true;
    }
    if (!moved || pass == 4) return;
    for (int j = 0; j < 3; ++j) {
      // Of the reduced basis and what its rounding left over: multiples of the given cell would be far larger numbers.
      DoubleDouble total;
      total.add(position[j]);
      for (int k = 0; k < 3; ++k) {
        if (shift[k] == 0) continue;
        total.add_product(-shift[k], lattice.basis[k][j]);
        if (lattice.basis_low[k][j] != 0) total.add_product(-shift[k], lattice.basis_low[k][j]);
      }
      wrapped[j] = total.value();
    }
  }
}

}  // namespace madelung
