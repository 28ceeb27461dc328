// A UF3 potential as its kernels see it: plain arrays, owned elsewhere. Equations: docs/theory/uf3.md.
#pragma once

#include <cstdint>

namespace madelung::uf3 {

// Cubic B-splines of one distance r. On interval i, splines i to i + 3 are not zero; with
// u = (r - breaks[i]) * inverse_widths[i], spline i + s has the value sum over p of table[i][p][s] u^p.
struct Axis {
  const double* breaks;          // intervals + 1
  const double* inverse_widths;  // intervals
  const double* table;           // intervals x 4 powers x 4 splines
  const std::int32_t* starts;    // for each of `cells` equal parts of the range, the interval of its lower end
  std::int32_t intervals;
  std::int32_t cells;
  bool uniform;  // Cells are intervals.
  double lower, upper, cells_per_length;

  bool holds(double r) const { return r >= lower && r < upper; }
};

// V2 of a pair of species.
struct Pair {
  Axis axis;
  const double* polynomials;     // intervals x 4 powers of u
  const std::int32_t* features;  // intervals + 3: where each spline's feature stands in a row
};

// V3 of a central species and two others; `row` >= the number of r_jk splines, padded for whole vectors.
struct Triplet {
  Axis ij, ik, jk;
  std::int32_t row;
  const double* coefficients;    // (r_ij splines, r_ik splines, row)
  const std::int32_t* features;  // (r_ij splines, r_ik splines): where the r_jk splines' features begin
};

struct Model {
  std::int32_t species;
  const Pair* const* pairs;        // species x species; null where there is none
  const Triplet* const* triplets;  // centre x first <= second; null where there is none
  std::int32_t width;              // length of a row of features

  const Pair* pair(int a, int b) const { return pairs[a * species + b]; }
  const Triplet* triplet(int centre, int a, int b) const { return triplets[(centre * species + a) * species + b]; }
};

// A structure: atoms' species and their neighbours, ordered pairs sorted by the first atom.
struct Atoms {
  std::int64_t count;
  const std::int32_t* species;
  const std::int64_t* starts;
  const std::int64_t* indices;
  const double* vectors;
  const double* distances;
};

// What atoms begin to end contribute; energies are set, the rest is added to.
struct Sums {
  double* energies;  // (n,)
  double* forces;    // (n, 3)
  double* virial;    // (3, 3)
};

// Rows of features, added to; null where they are not wanted.
struct Rows {
  double* energy;  // (width,)
  double* forces;  // (3n, width)
  double* virial;  // (6, width): xx, yy, zz, yz, xz, xy
};

// A cell with its inverse (columns are dual vectors) and the distances of opposite faces. Along a vector that is not
// periodic, all atoms lie within the cell that begins at the origin.
struct Box {
  double cell[9], inverse[9], origin[3], heights[3];
  bool periodic[3];
};

struct Scratch;

struct Variant {
  const char* name;
  bool (*runs_here)();
  Scratch* (*create)();
  void (*destroy)(Scratch*);
  void (*evaluate)(Scratch*, const Model&, const Atoms&, std::int64_t begin, std::int64_t end, const Sums&);
  void (*features)(Scratch*, const Model&, const Atoms&, const Rows&);
  std::int64_t (*find_neighbours)(Scratch*, const Box&, const double* positions, std::int64_t count, double cutoff,
                                  std::int64_t* starts);
  void (*write_neighbours)(Scratch*, const std::int64_t* starts, std::int64_t* indices, double* vectors,
                           double* distances);
};

extern const Variant portable_variant;
#if defined(__x86_64__)
extern const Variant avx2_variant;
#endif

}  // namespace madelung::uf3
