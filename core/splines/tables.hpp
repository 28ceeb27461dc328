// Values of tabulated cubics, for vectors and for single numbers, and B-spline weights of a point.
#pragma once

#include <algorithm>
#include <cmath>

#include "common/simd.hpp"
#include "splines/model.hpp"

namespace madelung::MADELUNG_VARIANT {

struct Curve {
  Vector value, slope;
};

struct Point {
  double value, slope, curvature;
};

inline Vector floor(Vector a) {
#if defined(__AVX512F__)
  return (Vector)_mm512_roundscale_pd((__m512d)a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
#elif defined(__AVX2__)
  return (Vector)_mm256_floor_pd((__m256d)a);
#else
  Vector result;
  for (int lane = 0; lane < width; ++lane) result[lane] = std::floor(a[lane]);
  return result;
#endif
}

inline Vector gather(const double* table, Mask index) {
#if defined(__AVX512F__)
  return (Vector)_mm512_i64gather_pd((__m512i)index, table, 8);
#elif defined(__AVX2__)
  return (Vector)_mm256_i64gather_pd(table, (__m256i)index, 8);
#else
  Vector result;
  for (int lane = 0; lane < width; ++lane) result[lane] = table[index[lane]];
  return result;
#endif
}

// A table held ready for many vectors. With AVX-512 a table of at most eight or sixteen intervals lives in registers.
class Lookup {
 public:
  explicit Lookup(const CubicTable& table)
      : table_(table), shift_(-table.origin / table.spacing), inverse_(1.0 / table.spacing) {
#if defined(__AVX512F__)
    entries_ = table.intervals + 2;
    for (int power = 0; power < 4; ++power) {
      low_[power] = load(table.coefficients[power].data());
      high_[power] = entries_ > 8 && entries_ <= 16 ? load(table.coefficients[power].data() + 8) : Vector{};
    }
#endif
  }

  Curve operator()(Vector x) const {
    const Vector scaled = x * inverse_ + shift_;
    const Vector interval = minimum(maximum(floor(scaled), broadcast(-1.0)), broadcast(table_.intervals));
    const Vector t = scaled - maximum(interval, Vector{});
    const Mask index = (Mask)(interval + (1.0 + rounding_shift)) - (Mask)broadcast(rounding_shift);
    const Vector c3 = coefficient(3, index), c2 = coefficient(2, index), c1 = coefficient(1, index);
    Curve result{((c3 * t + c2) * t + c1) * t + coefficient(0, index), ((3.0 * c3 * t + 2.0 * c2) * t + c1) * inverse_};
    if (table_.over_distance) {
      result.value = result.value / x;
      result.slope = (result.slope - result.value) / x;
    }
    return result;
  }

 private:
  Vector coefficient(int power, Mask index) const {
#if defined(__AVX512F__)
    if (entries_ <= 8) return (Vector)_mm512_permutexvar_pd((__m512i)index, (__m512d)low_[power]);
    if (entries_ <= 16)
      return (Vector)_mm512_permutex2var_pd((__m512d)low_[power], (__m512i)index, (__m512d)high_[power]);
#endif
    return gather(table_.coefficients[power].data(), index);
  }

  const CubicTable& table_;
  double shift_, inverse_;
#if defined(__AVX512F__)
  int entries_;
  Vector low_[4], high_[4];
#endif
};

inline Point point_of(const CubicTable& table, double x) {
  const double inverse = table.inverse, scaled = (x - table.origin) * inverse;
  const double interval = std::min(std::max(std::floor(scaled), -1.0), static_cast<double>(table.intervals));
  const double t = scaled - std::max(interval, 0.0);
  const int s = static_cast<int>(interval) + 1;
  const double c0 = table.coefficients[0][s], c1 = table.coefficients[1][s], c2 = table.coefficients[2][s],
               c3 = table.coefficients[3][s];
  return {((c3 * t + c2) * t + c1) * t + c0, ((3 * c3 * t + 2 * c2) * t + c1) * inverse,
          (6 * c3 * t + 2 * c2) * inverse * inverse};
}

// The four B-splines that do not vanish at a point, with the straight lines that go on outside the knots.
struct Weights {
  std::ptrdiff_t first;  // parameter of the first one
  double value[4], slope[4];
};

inline Weights weights_of(const CubicTable& table, double x) {
  const double inverse = table.inverse, scaled = (x - table.origin) * inverse;
  const double interval = std::min(std::max(std::floor(scaled), 0.0), table.intervals - 1.0);
  const double t = std::min(std::max(scaled - interval, 0.0), 1.0), outside = scaled - interval - t, u = 1 - t;
  Weights result{table.parameter + static_cast<std::ptrdiff_t>(interval),
                 {u * u * u / 6, (3 * t * t * t - 6 * t * t + 4) / 6, (3 * u * u * u - 6 * u * u + 4) / 6, t * t * t / 6},
                 {-u * u / 2, (1.5 * t - 2) * t, (2 - 1.5 * u) * u, t * t / 2}};
  for (int m = 0; m < 4; ++m) {
    result.value[m] += result.slope[m] * outside;
    result.slope[m] *= inverse;
  }
  return result;
}

}  // namespace madelung::MADELUNG_VARIANT
