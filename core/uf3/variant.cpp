// Compiled once per instruction set: MADELUNG_VARIANT names the namespace, the flags choose the instructions.
#include "common/neighbours.hpp"
#include "uf3/evaluate.hpp"
#include "uf3/features.hpp"

namespace madelung {
namespace MADELUNG_VARIANT {

struct Uf3State {
  Evaluator evaluator;
  Featurizer featurizer;
  NeighbourSearch search;
};

static bool runs_here() {
#if defined(__AVX2__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return true;
#endif
}

static uf3::Scratch* create() { return reinterpret_cast<uf3::Scratch*>(new Uf3State); }
static void destroy(uf3::Scratch* scratch) { delete reinterpret_cast<Uf3State*>(scratch); }

static void evaluate(uf3::Scratch* scratch, const uf3::Model& model, const uf3::Atoms& atoms, std::int64_t begin,
                     std::int64_t end, const uf3::Sums& sums) {
  reinterpret_cast<Uf3State*>(scratch)->evaluator.run(model, atoms, begin, end, sums);
}

static void features(uf3::Scratch* scratch, const uf3::Model& model, const uf3::Atoms& atoms, const uf3::Rows& rows) {
  reinterpret_cast<Uf3State*>(scratch)->featurizer.run(model, atoms, rows);
}

static std::int64_t find_neighbours(uf3::Scratch* scratch, const uf3::Box& box, const double* positions,
                                    std::int64_t count, double cutoff, std::int64_t* starts) {
  return reinterpret_cast<Uf3State*>(scratch)->search.run(box, positions, count, cutoff, starts);
}

static void write_neighbours(uf3::Scratch* scratch, const std::int64_t* starts, std::int64_t* indices, double* vectors,
                             double* distances) {
  reinterpret_cast<Uf3State*>(scratch)->search.write(starts, indices, vectors, distances);
}

}  // namespace MADELUNG_VARIANT

#define MADELUNG_TEXT_OF(name) #name
#define MADELUNG_TEXT(name) MADELUNG_TEXT_OF(name)
#define MADELUNG_JOIN_OF(a, b) a##b
#define MADELUNG_JOIN(a, b) MADELUNG_JOIN_OF(a, b)

extern const uf3::Variant uf3::MADELUNG_JOIN(MADELUNG_VARIANT, _variant) = {
    MADELUNG_TEXT(MADELUNG_VARIANT), MADELUNG_VARIANT::runs_here, MADELUNG_VARIANT::create,
    MADELUNG_VARIANT::destroy,       MADELUNG_VARIANT::evaluate,  MADELUNG_VARIANT::features,
    MADELUNG_VARIANT::find_neighbours, MADELUNG_VARIANT::write_neighbours};

}  // namespace madelung
