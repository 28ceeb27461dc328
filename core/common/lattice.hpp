// Reduction of a cell and exact wrapping of positions: integer steps found in floating point, their results recomputed
// from the given numbers in twice the working precision, so that a badly chosen cell loses no accuracy.
#pragma once

#include <cstdint>

namespace madelung {

struct Lattice {
  double given[3][3];      // rows as given
  double transform[3][3];  // integers: basis = transform * given
  double basis[3][3];      // Minkowski-reduced rows, correct to a unit in the last place
  double basis_low[3][3];  // what their rounding left over
  double inverse[3][3];    // fractional = Cartesian * inverse; its columns are the reciprocal vectors
  double volume;           // |det|
  double edge[3];          // Gram-Schmidt lengths of the reduced rows
  double skew10, skew20,
      skew21;  // lower triangle of the reduced cell: (edge0), (skew10, edge1), (skew20, skew21, edge2)
};

// Minkowski reduction (Semaev, 2001). False where the cell has no volume.
bool reduce(const double* cell, Lattice& lattice);

// position - integers * basis, inside the reduced cell; correct to a unit in the last place. Also its fractional
// coordinates in the reduced cell.
void wrap(const Lattice& lattice, const double* position, double* wrapped, double* fractional);

}  // namespace madelung
