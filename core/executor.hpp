// What the module asks of a variant: the sums of one crystal, and their gradient.
#pragma once

#include <cstddef>

namespace madelung {

// Numbers shared with src/madelung/sums/native_executor.py.
enum class Kernel : int { coulomb, london, pauli, yukawa, gaussian, inverse_power_12, inverse_power };

struct Potential {
  Kernel kernel;
  double parameter;
};

// One crystal's task. Positions are Cartesian, cell rows are lattice vectors.
struct Job {
  const double* cell;
  const double* positions;
  std::ptrdiff_t atoms;
  const Potential* potentials;
  int potential_count;
  const double* tolerances;
  double splitting;  // 0: chosen by cost
};

// Derivatives of a scalar whose derivatives with respect to the sums are given.
struct Gradient {
  double* positions;   // atoms x 3
  double* cell;        // 3 x 3, at fixed Cartesian positions
  double* parameters;  // one per potential
};

// Memory that one thread keeps from crystal to crystal.
struct Workspace;

struct Variant {
  const char* name;
  bool (*runs_here)();
  Workspace* (*create)();
  void (*destroy)(Workspace*);
  // sums[p]: atoms x atoms; certificate[p]. False where the cell has no volume.
  bool (*forward)(Workspace*, const Job&, double* const* sums, double* certificate);
  bool (*backward)(Workspace*, const Job&, const double* const* cotangents, const Gradient&);
};

extern const Variant portable_variant;
#if defined(__x86_64__)
extern const Variant avx2_variant;
extern const Variant avx512_variant;
#endif

}  // namespace madelung
