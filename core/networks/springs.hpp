// Dynamical matrices of crystals that hang in springs, at the points where they are real; docs/theory/springs.md.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace madelung {

constexpr int symmetric_points = 8;

// Bonds of crystals whose atoms follow each other; `starts` tells where the matrices of each crystal begin.
struct SpringJob {
  const std::int64_t* sizes;
  const std::int64_t* starts;
  std::int64_t crystals;
  const float* masses;
  const std::int64_t *first, *second, *kinds;
  std::int64_t bonds;
  const float* directions;  // bonds x 3
  const float* signs;       // bonds x symmetric_points
  const float *along, *across;
};

// Whether all numbers of a job lie within the arrays that they point into.
inline bool fits(const SpringJob& job, std::size_t atoms, std::size_t kinds, std::size_t room) {
  const auto within = [](std::int64_t number, std::size_t count) {
    return number >= 0 && number < static_cast<std::int64_t>(count);
  };
  std::vector<std::int64_t> crystal;
  for (std::int64_t b = 0; b < job.crystals; ++b) {
    const std::int64_t size = job.sizes[b], numbers = symmetric_points * 9 * size * size;
    if (!within(size, atoms + 1) || !within(job.starts[b], room + 1) || !within(job.starts[b] + numbers, room + 1))
      return false;
    crystal.insert(crystal.end(), static_cast<std::size_t>(size), b);
  }
  if (crystal.size() != atoms) return false;
  for (std::int64_t e = 0; e < job.bonds; ++e) {
    if (!within(job.first[e], atoms) || !within(job.second[e], atoms) || !within(job.kinds[e], kinds)) return false;
    if (crystal[job.first[e]] != crystal[job.second[e]]) return false;
  }
  return true;
}

// Adds to a block of 3 x 3 in a matrix of so many columns.
inline void add_block(const double* block, double factor, std::int64_t columns, double* corner) {
  for (int row = 0; row < 3; ++row)
    for (int column = 0; column < 3; ++column) corner[row * columns + column] += factor * block[3 * row + column];
}

// Adds equation 2 to matrices that are zero, symmetric_points x 3n x 3n for each crystal.
inline void dynamical_matrices(const SpringJob& job, double* matrices) {
  std::vector<std::int64_t> crystal, place;
  for (std::int64_t b = 0; b < job.crystals; ++b)
    for (std::int64_t a = 0; a < job.sizes[b]; ++a) {
      crystal.push_back(b);
      place.push_back(3 * a);
    }
  std::vector<double> own(9 * crystal.size());
  for (std::int64_t e = 0; e < job.bonds; ++e) {
    const float* direction = job.directions + 3 * e;
    const double along = job.along[job.kinds[e]], across = job.across[job.kinds[e]];
    double spring[9];
    for (int row = 0; row < 3; ++row)
      for (int column = 0; column < 3; ++column)
        spring[3 * row + column] =
            (along - across) * direction[row] * direction[column] + (row == column ? across : 0.0);
    const std::int64_t i = job.first[e], j = job.second[e], columns = 3 * job.sizes[crystal[i]];
    const double coupling = -1.0 / std::sqrt(static_cast<double>(job.masses[i]) * job.masses[j]);
    double* matrix = matrices + job.starts[crystal[i]];
    for (int point = 0; point < symmetric_points; ++point, matrix += columns * columns) {
      const double moved = coupling * job.signs[symmetric_points * e + point];
      add_block(spring, moved, columns, matrix + place[i] * columns + place[j]);
      add_block(spring, moved, columns, matrix + place[j] * columns + place[i]);
    }
    for (const std::int64_t end : {i, j}) add_block(spring, 1.0 / job.masses[end], 3, &own[9 * end]);
  }
  for (std::size_t a = 0; a < crystal.size(); ++a) {
    const std::int64_t columns = 3 * job.sizes[crystal[a]];
    double* matrix = matrices + job.starts[crystal[a]];
    for (int point = 0; point < symmetric_points; ++point, matrix += columns * columns)
      add_block(&own[9 * a], 1.0, columns, matrix + place[a] * columns + place[a]);
  }
}

}  // namespace madelung
