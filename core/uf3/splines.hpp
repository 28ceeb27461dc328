// Four lanes for the four B-splines that are not zero at a distance, and the neighbours of an atom with them.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "common/simd.hpp"
#include "uf3/model.hpp"

namespace madelung::MADELUNG_VARIANT {

using Four = double __attribute__((vector_size(32)));

inline Four load_four(const double* from) {
  Four result;
  std::memcpy(&result, from, sizeof result);
  return result;
}
inline void store_four(double* to, Four value) { std::memcpy(to, &value, sizeof value); }

// The sums of the lanes of each of four vectors.
inline Four lane_sums(Four a, Four b, Four c, Four d) {
#if defined(__AVX2__)
  const __m256d ab = _mm256_hadd_pd((__m256d)a, (__m256d)b), cd = _mm256_hadd_pd((__m256d)c, (__m256d)d);
  return (Four)(_mm256_blend_pd(ab, cd, 0b1100) + _mm256_permute2f128_pd(ab, cd, 0x21));
#else
  return Four{a[0] + a[1] + a[2] + a[3], b[0] + b[1] + b[2] + b[3], c[0] + c[1] + c[2] + c[3],
              d[0] + d[1] + d[2] + d[3]};
#endif
}

// Interval of a distance that the axis holds, and the coordinate u in it.
struct Place {
  std::int32_t interval;
  double u;
};

inline Place place_of(const uf3::Axis& axis, double r) {
  std::int32_t cell = static_cast<std::int32_t>((r - axis.lower) * axis.cells_per_length);
  cell = cell < axis.cells ? cell : axis.cells - 1;
  std::int32_t interval = axis.starts[cell];
  while (interval + 1 < axis.intervals && r >= axis.breaks[interval + 1]) ++interval;
  return {interval, (r - axis.breaks[interval]) * axis.inverse_widths[interval]};
}

struct Basis {
  Four values, slopes;
};

inline Basis basis_at(const uf3::Axis& axis, std::int32_t interval, double u) {
  const double* table = axis.table + 16 * interval;
  const Four c0 = load_four(table), c1 = load_four(table + 4), c2 = load_four(table + 8), c3 = load_four(table + 12);
  const Four quadratic = c2 + u * c3;
  const Four linear = c1 + u * quadratic;
  return {c0 + u * linear, (linear + u * (quadratic + u * c3)) * axis.inverse_widths[interval]};
}

// The neighbours of one species that an axis holds.
struct Side {
  std::int64_t count = 0;
  Buffer<std::int64_t> pair;       // which of the structure's pairs
  Buffer<std::int32_t> interval;
  Buffer<double> distance;
  Buffer<double> x, y, z;          // vector from the centre
  Buffer<double> vector;           // the same, four lanes for each neighbour, the last one zero
  Buffer<double> values, slopes;   // four splines for each neighbour
  Buffer<double> gradient;         // four lanes for each neighbour: by vector, by distance

  void fill(const uf3::Atoms& atoms, std::int64_t begin, std::int64_t end, int species, const uf3::Axis& axis) {
    require(static_cast<std::size_t>(end - begin));
    count = 0;
    for (std::int64_t p = begin; p < end; ++p) {
      const double r = atoms.distances[p];
      if (atoms.species[atoms.indices[p]] != species || !axis.holds(r)) continue;
      const double* d = atoms.vectors + 3 * p;
      const Place place = place_of(axis, r);
      const Basis basis = basis_at(axis, place.interval, place.u);
      const std::int64_t q = count++;
      pair[q] = p;
      interval[q] = place.interval;
      distance[q] = r;
      x[q] = d[0];
      y[q] = d[1];
      z[q] = d[2];
      store_four(&vector[4 * q], Four{d[0], d[1], d[2], 0});
      store_four(&values[4 * q], basis.values);
      store_four(&slopes[4 * q], basis.slopes);
      store_four(&gradient[4 * q], Four{});
    }
  }

 private:
  void require(std::size_t most) {
    pair.require(most);
    interval.require(most);
    for (Buffer<double>* buffer : {&distance, &x, &y, &z}) buffer->require(most);
    for (Buffer<double>* buffer : {&vector, &values, &slopes, &gradient}) buffer->require(4 * most);
  }
};

}  // namespace madelung::MADELUNG_VARIANT
