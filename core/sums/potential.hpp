// What every pair potential is made of. Each is one struct that states, for a splitting t and a cell's volume, its
// real-space term f(r), its reciprocal weight w(k), its constants w0 and L0 with their derivatives, and an upper bound
// of each term as prefactor * exp(-exponent) from which cutoffs and certificates follow. Symbols and equation numbers
// are those of docs/theory/lattice-sums.md.
#pragma once

#include "sums/gamma.hpp"

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

}  // namespace madelung::MADELUNG_VARIANT
