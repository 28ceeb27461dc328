// Spline potentials of the modified embedded-atom form, as tables that every instruction set reads: equations 1 and 2
// of docs/theory/spline-potentials.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace madelung {

// A piecewise cubic on equal intervals. Interval 0 lies left of the first knot and the last one right of the last knot.
// In interval s the value is ((c3 t + c2) t + c1) t + c0, where t is the distance from the interval's left knot (from
// the first knot in interval 0) in units of the spacing.
struct CubicTable {
  double origin, spacing, inverse;  // of the spacing
  int intervals;               // between knots
  double limit;                // from here on the function is zero
  bool over_distance;          // the function is the table's value divided by its argument
  std::ptrdiff_t parameter;    // first of its intervals + 3 B-spline coefficients among all parameters
  std::vector<double> coefficients[4];  // intervals + 2 each, padded to whole vectors
};

// Which spline serves which types; -1: none. Pair (a, b) stands at a * types + b, the central atom first.
struct SplineModel {
  int types;
  double cutoff;
  std::vector<CubicTable> splines;
  std::vector<int> pair, density, embedding, bond, angle;
  std::ptrdiff_t parameters, first_bond_parameter;
};

// Atoms of one or several structures with the ordered pairs of near neighbours, sorted by their first atom.
struct Surroundings {
  std::ptrdiff_t atoms;
  const std::int32_t* types;
  const std::int64_t* starts;
  const std::int64_t* indices;
  const double* vectors;
  const double* distances;
  const std::int64_t* structures;  // which structure each atom belongs to
};

// What is added to; forces and virials are those of all atoms.
struct Evaluated {
  double* energies;   // atoms
  double* densities;  // atoms
  double* forces;     // atoms x 3
  double* virials;    // structures x 9
};

// Derivatives with respect to the parameters, added to. `virials` may be null.
struct ParameterDerivatives {
  double* energies;   // atoms x parameters
  double* densities;  // atoms x parameters
  double* forces;     // atoms x 3 x parameters
  double* virials;    // structures x 9 x parameters
};

struct SplineVariant {
  const char* name;
  bool (*runs_here)();
  // Adds what the atoms begin <= i < end contribute.
  void (*evaluate)(const SplineModel&, const Surroundings&, std::ptrdiff_t begin, std::ptrdiff_t end,
                   const Evaluated&);
  void (*differentiate)(const SplineModel&, const Surroundings&, std::ptrdiff_t begin, std::ptrdiff_t end,
                        const Evaluated&, const ParameterDerivatives&);
};

extern const SplineVariant portable_spline_variant;
#if defined(__x86_64__)
extern const SplineVariant avx2_spline_variant;
extern const SplineVariant avx512_spline_variant;
#endif

}  // namespace madelung
