// What the module asks of a variant: the sums of one crystal, and their gradient.
#pragma once

#include <cstddef>
#include <cstdint>

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

// Pairs of a batch, sorted by receiver, with `stride` functions each, of which `count` take part. Each atom has
// `features` numbers. A receiver's sums are `rows` rows of features, of which the first ones are written.
struct PairJob {
  const float* functions;
  std::ptrdiff_t stride, count;
  const std::int64_t* starts;  // receivers + 1
  const std::int64_t* senders;
  std::ptrdiff_t receivers, features, rows;
};

// A linear map; without a bias where that is null.
struct Linear {
  const float* weight;  // outputs x inputs
  const float* bias;
  std::ptrdiff_t outputs, inputs;
  const std::uint16_t* half = nullptr;  // the same weights in half precision, where that holds them exactly
};

// Mean and variance are those of the row itself where none are given.
struct Normalisation {
  const float* gain;
  const float* shift;
  const float* mean;
  const float* variance;
  float epsilon;
};

// Weights of a layer of a SumNet.
struct SumLayer {
  std::ptrdiff_t features;
  int degrees;  // of spherical harmonics above zero, at most three
  Normalisation norm, invariant_norm;
  Linear sender, scalars, tensors[3], gate, hidden, update;
};

// A linear map for many rows: its matrix is transposed, and rows of that are whole vectors long, filled up with zeros.
struct Columns {
  const float* weight;  // inputs x length
  const float* bias;    // length
  std::ptrdiff_t length, inputs;
};

// The network that chooses the springs of bonds, and the constants of equation 4 of docs/theory/springs.md.
struct SpringNetwork {
  Linear end, strength;
  Columns first, second;
  float reach, nearest, farthest, average, decay;
};

// Kinds of bonds between orbits: what is at their ends, and their length.
struct SpringKinds {
  const std::int64_t* ends;  // kinds x 2
  const float* distances;
  std::ptrdiff_t count, orbits;
  const float* radii;  // of the orbits
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
  // sums: receivers x count x features, in single precision or bfloat16.
  void (*pair_sums)(const PairJob&, const float* features, float* sums);
  void (*pair_sums_low)(const PairJob&, const float* features, std::uint16_t* sums);
  // Adds to the features what the cotangents of the sums say.
  void (*pair_gradients)(const PairJob&, const float* cotangents, float* features);
  void (*pair_gradients_low)(const PairJob&, const std::uint16_t* cotangents, float* features);
  // Changes the features of receivers, which are the senders too; near.count functions are scalars, the others follow.
  void (*sum_layer)(const SumLayer&, const PairJob& near, const PairJob& complete, float* atoms);
  // The strengths of springs of each kind along and across it, from the features of the orbits.
  void (*spring_strengths)(const SpringNetwork&, const SpringKinds&, const float* atoms, float* along, float* across);
  // Writes numbers in half precision; false where that does not hold one of them, or is no faster here.
  bool (*halve)(const float* numbers, std::ptrdiff_t count, std::uint16_t* half);
};

extern const Variant portable_variant;
#if defined(__x86_64__)
extern const Variant avx2_variant;
extern const Variant avx512_variant;
#endif

}  // namespace madelung
