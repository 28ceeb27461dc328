// Compiled once per instruction set, as variant.cpp is.
#include "splines/differentiate.hpp"
#include "splines/evaluate.hpp"

namespace madelung {
namespace MADELUNG_VARIANT {

static bool splines_run_here() {
#if defined(__AVX512F__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
#elif defined(__AVX2__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return true;
#endif
}

static void evaluate(const SplineModel& model, const Surroundings& system, std::ptrdiff_t begin, std::ptrdiff_t end,
                     const Evaluated& result) {
  Evaluator evaluator(model, system, result);
  for (std::ptrdiff_t atom = begin; atom < end; ++atom) evaluator.run(atom);
}

static void differentiate(const SplineModel& model, const Surroundings& system, std::ptrdiff_t begin,
                          std::ptrdiff_t end, const Evaluated& result, const ParameterDerivatives& derivatives) {
  Differentiator differentiator(model, system, result, derivatives);
  for (std::ptrdiff_t atom = begin; atom < end; ++atom) differentiator.run(atom);
}

}  // namespace MADELUNG_VARIANT

#define MADELUNG_TEXT_OF(name) #name
#define MADELUNG_TEXT(name) MADELUNG_TEXT_OF(name)
#define MADELUNG_JOIN_OF(a, b) a##b
#define MADELUNG_JOIN(a, b) MADELUNG_JOIN_OF(a, b)

extern const SplineVariant MADELUNG_JOIN(MADELUNG_VARIANT, _spline_variant) = {
    MADELUNG_TEXT(MADELUNG_VARIANT), MADELUNG_VARIANT::splines_run_here, MADELUNG_VARIANT::evaluate,
    MADELUNG_VARIANT::differentiate};

}  // namespace madelung
