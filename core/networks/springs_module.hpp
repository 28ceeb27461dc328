// Springs of crystals and their dynamical matrices, as Python calls them.
#pragma once

#include <algorithm>
#include <vector>

#include "networks/springs.hpp"
#include "common/variants.hpp"
#include "networks/weights.hpp"

namespace madelung {

using Matrices = nb::ndarray<double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// The network that chooses springs, on the weights in Python's arrays, which are kept alive.
class SpringWeights {
 public:
  SpringWeights(std::vector<Weights> arrays, std::ptrdiff_t features, float reach, float nearest, float farthest,
                float average, float decay)
      : arrays_(std::move(arrays)) {
    WeightReader reader(arrays_);
    network_.end = reader.linear(features, true);
    Linear first = reader.multiple(1);
    first.bias = reader.row(first.outputs);
    const Linear second = reader.linear(first.outputs, true);
    network_.strength = reader.linear(second.outputs, true);
    constexpr std::ptrdiff_t elements = 119;
    radii_ = reader.row(elements);
    masses_ = reader.row(elements);
    constexpr std::ptrdiff_t fewest_gaussians = 2;
    WeightReader::require(first.inputs > 2 * network_.end.outputs + fewest_gaussians &&
                          network_.strength.outputs == 2);
    network_.first = transposed_.add(first);
    network_.second = transposed_.add(second);
    network_.reach = reach;
    network_.nearest = nearest;
    network_.farthest = farthest;
    network_.average = average;
    network_.decay = decay;
  }

  // Adds the dynamical matrices of crystals to zeros.
  void run(Input<float, 2> atoms, Input<std::int64_t, 1> numbers, Input<std::int64_t, 1> starts,
           Input<std::int64_t, 1> orbits, Input<std::int64_t, 1> sizes, Input<std::int64_t, 1> first,
           Input<std::int64_t, 1> second, Input<float, 2> directions, Input<float, 2> signs,
           Input<std::int64_t, 1> kinds, Input<std::int64_t, 2> ends, Input<float, 1> distances,
           Matrices matrices) const {
    const std::size_t count = distances.shape(0);
    WeightReader::require(static_cast<std::ptrdiff_t>(atoms.shape(1)) == network_.end.inputs &&
                          atoms.shape(0) == numbers.shape(0) && ends.shape(0) == count && ends.shape(1) == 2);
    require_within(numbers, 119);
    require_within(orbits, numbers.shape(0));
    require_within(ends, numbers.shape(0));
    std::vector<float> radii, masses, along(count), across(count);
    for (std::size_t i = 0; i < numbers.shape(0); ++i) radii.push_back(radii_[numbers.data()[i]]);
    for (std::size_t i = 0; i < orbits.shape(0); ++i) masses.push_back(masses_[numbers.data()[orbits.data()[i]]]);
    const SpringJob job{sizes.data(),
                        starts.data(),
                        static_cast<std::int64_t>(sizes.shape(0)),
                        masses.data(),
                        first.data(),
                        second.data(),
                        kinds.data(),
                        static_cast<std::int64_t>(first.shape(0)),
                        directions.data(),
                        signs.data(),
                        along.data(),
                        across.data()};
    const bool alike = starts.shape(0) == sizes.shape(0) && second.shape(0) == first.shape(0) &&
                       kinds.shape(0) == first.shape(0) && directions.shape(0) == first.shape(0) &&
                       directions.shape(1) == 3 && signs.shape(0) == first.shape(0) &&
                       signs.shape(1) == symmetric_points;
    WeightReader::require(alike && fits(job, masses.size(), count, matrices.shape(0)));
    const SpringKinds of_kinds{ends.data(), distances.data(), static_cast<std::ptrdiff_t>(count),
                               static_cast<std::ptrdiff_t>(numbers.shape(0)), radii.data()};
    const nb::gil_scoped_release release;
    chosen_variant()->spring_strengths(network_, of_kinds, atoms.data(), along.data(), across.data());
    dynamical_matrices(job, matrices.data());
  }

 private:
  std::vector<Weights> arrays_;
  TransposedCopies transposed_;
  SpringNetwork network_;
  const float *radii_, *masses_;

  template <class Numbers>
  static void require_within(const Numbers& numbers, std::size_t count) {
    const auto outside = [count](std::int64_t number) {
      return number < 0 || number >= static_cast<std::int64_t>(count);
    };
    WeightReader::require(std::none_of(numbers.data(), numbers.data() + numbers.size(), outside));
  }
};

inline void define_springs(nb::module_& module) {
  using namespace nb::literals;
  nb::class_<SpringWeights>(module, "Springs", "A network that chooses springs, with fixed weights.")
      .def(nb::init<std::vector<Weights>, std::ptrdiff_t, float, float, float, float, float>(), "arrays"_a,
           "features"_a, "reach"_a, "nearest"_a, "farthest"_a, "average"_a, "decay"_a)
      .def("run", &SpringWeights::run, "atoms"_a, "numbers"_a, "starts"_a, "orbits"_a, "sizes"_a, "first"_a,
           "second"_a, "directions"_a, "signs"_a, "kinds"_a, "ends"_a, "distances"_a, "matrices"_a.noconvert(),
           "Add dynamical matrices at the eight symmetric points, (8, 3n, 3n) for each crystal from its start on.");
}

}  // namespace madelung
