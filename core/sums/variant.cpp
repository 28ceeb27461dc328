// Compiled once per instruction set: MADELUNG_VARIANT names the namespace, the flags choose the instructions.
#include <algorithm>

#include "sums/backward.hpp"
#include "sums/forward.hpp"
#include "networks/spring_strengths.hpp"
#include "networks/sum_layer.hpp"

namespace madelung {
namespace MADELUNG_VARIANT {

struct State {
  Setting setting;
  Forward forward{setting};
  Backward backward{setting};
};

// (Clang cannot be asked for F16C; all processors with AVX2 have it.)
static bool runs_here() {
#if defined(__AVX512F__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
#elif defined(__AVX2__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return true;
#endif
}

static Workspace* create() { return reinterpret_cast<Workspace*>(new State); }
static void destroy(Workspace* workspace) { delete reinterpret_cast<State*>(workspace); }

static bool forward(Workspace* workspace, const Job& job, double* const* sums, double* certificate) {
  State& state = *reinterpret_cast<State*>(workspace);
  if (!state.setting.prepare(job)) return false;
  state.forward.run(job, sums, certificate);
  return true;
}

static bool backward(Workspace* workspace, const Job& job, const double* const* cotangents, const Gradient& gradient) {
  State& state = *reinterpret_cast<State*>(workspace);
  if (!state.setting.prepare(job)) return false;
  state.backward.run(job, cotangents, gradient);
  return true;
}

}  // namespace MADELUNG_VARIANT

#define MADELUNG_TEXT_OF(name) #name
#define MADELUNG_TEXT(name) MADELUNG_TEXT_OF(name)
#define MADELUNG_JOIN_OF(a, b) a##b
#define MADELUNG_JOIN(a, b) MADELUNG_JOIN_OF(a, b)

extern const Variant MADELUNG_JOIN(MADELUNG_VARIANT, _variant) = {
    MADELUNG_TEXT(MADELUNG_VARIANT), MADELUNG_VARIANT::runs_here, MADELUNG_VARIANT::create,
    MADELUNG_VARIANT::destroy,       MADELUNG_VARIANT::forward,   MADELUNG_VARIANT::backward,
    MADELUNG_VARIANT::pair_sums,     MADELUNG_VARIANT::pair_sums, MADELUNG_VARIANT::pair_gradients,
    MADELUNG_VARIANT::pair_gradients, MADELUNG_VARIANT::sum_layer, MADELUNG_VARIANT::spring_strengths,
    MADELUNG_VARIANT::halve};

}  // namespace madelung
