// What the parts of the module _core have in common: arrays from Python, and the variant that is used.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include "common/executor.hpp"
#include "common/instruction_sets.hpp"

namespace madelung {

namespace nb = nanobind;

template <class T, int dimensions>
using Input = nb::ndarray<const T, nb::ndim<dimensions>, nb::c_contig, nb::device::cpu>;

inline InstructionSets<Variant>& variants() {
  static InstructionSets<Variant> compiled{
#if defined(__x86_64__)
           &avx512_variant, &avx2_variant,
#endif
           &portable_variant};
  return compiled;
}

inline const Variant* chosen_variant() { return variants().chosen(); }

}  // namespace madelung
