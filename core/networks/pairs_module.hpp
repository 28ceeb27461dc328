// Functions of pairs, sums over pairs, and layers of networks that are made of them, as Python calls them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "networks/near_functions.hpp"
#include "common/variants.hpp"
#include "networks/weights.hpp"

namespace madelung {

using Features = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class T>
using Sums = nb::ndarray<T, nb::ndim<3>, nb::c_contig, nb::device::cpu>;

// Rows and columns of a matrix.
struct Shape {
  std::size_t rows, columns;
};

// Pairs that send `features` (atoms x numbers), and of whose functions so many count as `sums` (receivers x functions)
// has.
inline PairJob pair_job(const Input<float, 2>& functions, std::size_t begin, const Input<std::int64_t, 1>& starts,
                        const Input<std::int64_t, 1>& senders, Shape features, Shape sums) {
  const std::size_t pairs = functions.shape(0), receivers = sums.rows, count = sums.columns;
  bool good = starts.shape(0) == receivers + 1 && starts.data()[0] == 0 && senders.shape(0) == pairs &&
              starts.data()[receivers] == static_cast<std::int64_t>(pairs) && begin + count <= functions.shape(1);
  for (std::size_t i = 0; good && i < receivers; ++i) good = starts.data()[i] <= starts.data()[i + 1];
  for (std::size_t p = 0; good && p < pairs; ++p)
    good = senders.data()[p] >= 0 && senders.data()[p] < static_cast<std::int64_t>(features.rows);
  if (!good) throw nb::value_error("the arrays of pairs do not fit together");
  return {functions.data() + begin,
          static_cast<std::ptrdiff_t>(functions.shape(1)),
          static_cast<std::ptrdiff_t>(count),
          starts.data(),
          senders.data(),
          static_cast<std::ptrdiff_t>(receivers),
          static_cast<std::ptrdiff_t>(features.columns),
          static_cast<std::ptrdiff_t>(count)};
}

template <class T>
PairJob pair_job(const Input<float, 2>& functions, std::size_t begin, const Input<std::int64_t, 1>& starts,
                 const Input<std::int64_t, 1>& senders, const Features& features, const Sums<T>& sums) {
  if (sums.shape(2) != features.shape(1)) throw nb::value_error("the arrays of pairs do not fit together");
  return pair_job(functions, begin, starts, senders, Shape{features.shape(0), features.shape(1)},
                  Shape{sums.shape(0), sums.shape(1)});
}

template <class T>
void pair_sums(Input<float, 2> functions, std::size_t begin, Input<std::int64_t, 1> starts,
               Input<std::int64_t, 1> senders, Features features, Sums<T> sums) {
  const PairJob job = pair_job(functions, begin, starts, senders, features, sums);
  const nb::gil_scoped_release release;
  if constexpr (sizeof(T) == sizeof(float))
    chosen_variant()->pair_sums(job, features.data(), sums.data());
  else
    chosen_variant()->pair_sums_low(job, features.data(), sums.data());
}

template <class T>
void pair_gradients(Input<float, 2> functions, std::size_t begin, Input<std::int64_t, 1> starts,
                    Input<std::int64_t, 1> senders, Sums<T> cotangents, Features features) {
  const PairJob job = pair_job(functions, begin, starts, senders, features, cotangents);
  const nb::gil_scoped_release release;
  if constexpr (sizeof(T) == sizeof(float))
    chosen_variant()->pair_gradients(job, cotangents.data(), features.data());
  else
    chosen_variant()->pair_gradients_low(job, cotangents.data(), features.data());
}

template <class T>
void define_pairs(nb::module_& module) {
  using namespace nb::literals;
  // Nothing is converted: what is written to a copy would be lost.
  module.def("pair_sums", &pair_sums<T>, "functions"_a.noconvert(), "begin"_a, "starts"_a.noconvert(),
             "senders"_a.noconvert(), "features"_a.noconvert(), "sums"_a.noconvert(),
             "Write the sums over senders of functions times features; uint16 sums are bfloat16.");
  module.def("pair_gradients", &pair_gradients<T>, "functions"_a.noconvert(), "begin"_a, "starts"_a.noconvert(),
             "senders"_a.noconvert(), "cotangents"_a.noconvert(), "features"_a.noconvert(),
             "Add the vector-Jacobian product of pair_sums to the features.");
}

// An array that owns what a vector holds.
template <class T, int dimensions>
nb::ndarray<nb::numpy, T, nb::ndim<dimensions>, nb::c_contig> owned(std::vector<T>&& values,
                                                                  std::initializer_list<std::size_t> shape) {
  auto* kept = new std::vector<T>(std::move(values));
  nb::capsule owner(kept, [](void* memory) noexcept { delete static_cast<std::vector<T>*>(memory); });
  return {kept->data(), shape, owner};
}

// Receivers and senders (orbits) and float32 functions of the pairs within the cutoff, sorted by both.
inline nb::tuple near_functions(Input<double, 2> cell, Input<double, 2> positions, Input<std::int64_t, 1> first,
                                Input<std::int64_t, 1> orbit, Input<double, 1> radii, double cutoff, int radial,
                                int reduced, int angular, int degree) {
  const std::int64_t atoms = static_cast<std::int64_t>(positions.shape(0));
  const std::int64_t orbits = static_cast<std::int64_t>(first.shape(0));
  bool good = cell.shape(0) == 3 && cell.shape(1) == 3 && positions.shape(1) == 3 &&
              orbit.shape(0) == positions.shape(0) && radii.shape(0) == first.shape(0) && cutoff > 0 && radial >= 0 &&
              reduced >= 0 && angular >= 0 && degree >= 0 && degree <= 3;
  for (std::int64_t k = 0; good && k < orbits; ++k) good = first.data()[k] >= 0 && first.data()[k] < atoms;
  for (std::int64_t k = 0; good && k < atoms; ++k) good = orbit.data()[k] >= 0 && orbit.data()[k] < orbits;
  for (std::int64_t k = 0; good && k < 3 * atoms; ++k) good = std::isfinite(positions.data()[k]);
  if (!good) throw nb::value_error("the arrays of a crystal do not fit together");
  Lattice lattice;
  if (!reduce(cell.data(), lattice)) throw nb::value_error("the cell has no volume");
  const NearSettings settings{cutoff, radial, reduced, angular, degree};
  NearFunctions near(lattice, positions.data(), atoms, orbit.data(), radii.data(), orbits, settings);
  constexpr double most_images = 1e7;
  if (!(near.images() < most_images)) throw nb::value_error("the cell is too thin for this cutoff");
  std::vector<std::int64_t> receivers, senders;
  std::vector<float> functions;
  {
    const nb::gil_scoped_release release;
    for (std::int64_t i = 0; i < orbits; ++i) {
      near.receive(first.data()[i]);
      std::sort(near.senders().begin(), near.senders().end());
      for (const std::int64_t sender : near.senders()) {
        receivers.push_back(i);
        senders.push_back(sender);
        for (int d = 0; d < settings.count(); ++d) functions.push_back(static_cast<float>(near.of(sender)[d]));
      }
    }
  }
  const std::size_t pairs = receivers.size();
  return nb::make_tuple(owned<std::int64_t, 1>(std::move(receivers), {pairs}),
                        owned<std::int64_t, 1>(std::move(senders), {pairs}),
                        owned<float, 2>(std::move(functions), {pairs, static_cast<std::size_t>(settings.count())}));
}

// A layer on the weights in Python's arrays, which are kept alive.
class SumLayerWeights {
 public:
  SumLayerWeights(std::vector<Weights> arrays, std::ptrdiff_t features, float epsilon, float invariant_epsilon)
      : arrays_(std::move(arrays)) {
    WeightReader reader(arrays_);
    layer_.features = features;
    layer_.norm = {reader.row(features), reader.row(features), nullptr, nullptr, epsilon};
    layer_.sender = reader.linear(features, true);
    layer_.scalars = reader.multiple(layer_.sender.outputs);
    WeightReader::require(layer_.scalars.outputs == features);
    std::ptrdiff_t invariants = features;
    constexpr std::ptrdiff_t after_tensors = 10;
    layer_.degrees = static_cast<int>(reader.left() - after_tensors);
    WeightReader::require(layer_.degrees >= 0 && layer_.degrees <= 3);
    for (int d = 0; d < layer_.degrees; ++d) {
      layer_.tensors[d] = reader.multiple(layer_.sender.outputs);
      WeightReader::require(layer_.tensors[d].outputs % 2 == 0);
      invariants += layer_.tensors[d].outputs / 2;
    }
    const float *gain = reader.row(invariants), *shift = reader.row(invariants), *mean = reader.row(invariants);
    layer_.invariant_norm = {gain, shift, mean, reader.row(invariants), invariant_epsilon};
    layer_.gate = reader.linear(features, true);
    layer_.hidden = reader.linear(invariants + features, true);
    layer_.update = reader.linear(layer_.hidden.outputs, true);
    WeightReader::require(layer_.gate.outputs == invariants && layer_.update.outputs == features);
    for (Linear* map : {&layer_.sender, &layer_.scalars, &layer_.gate, &layer_.hidden, &layer_.update})
      halves_.add(*map);
    for (int d = 0; d < layer_.degrees; ++d) halves_.add(layer_.tensors[d]);
  }

  // Changes the features of atoms by the pairs that they have.
  void run(Features atoms, Input<float, 2> near_functions, Input<std::int64_t, 1> near_starts,
           Input<std::int64_t, 1> near_senders, Input<float, 2> complete_functions,
           Input<std::int64_t, 1> complete_starts, Input<std::int64_t, 1> complete_senders) const {
    const std::size_t orbits = atoms.shape(0), senders = static_cast<std::size_t>(layer_.sender.outputs);
    const std::size_t complete_count = complete_functions.shape(1);
    const std::size_t scalars = static_cast<std::size_t>(layer_.scalars.inputs) / senders;
    WeightReader::require(static_cast<std::ptrdiff_t>(atoms.shape(1)) == layer_.features && complete_count <= scalars);
    std::size_t near_count = scalars - complete_count;
    const std::size_t near_scalars = near_count;
    for (int d = 0; d < layer_.degrees; ++d)
      near_count += static_cast<std::size_t>((2 * d + 3) * layer_.tensors[d].inputs) / senders;
    WeightReader::require(near_count == near_functions.shape(1));
    PairJob near = pair_job(near_functions, 0, near_starts, near_senders, Shape{orbits, senders},
                            Shape{orbits, near_scalars});
    PairJob complete = pair_job(complete_functions, 0, complete_starts, complete_senders, Shape{orbits, senders},
                                Shape{orbits, complete_count});
    const nb::gil_scoped_release release;
    chosen_variant()->sum_layer(layer_, near, complete, atoms.data());
  }

 private:
  std::vector<Weights> arrays_;
  HalfCopies halves_;
  SumLayer layer_;
};

inline void define_layers(nb::module_& module) {
  using namespace nb::literals;
  module.def("near_functions", &near_functions, "cell"_a, "positions"_a, "first"_a, "orbit"_a, "radii"_a, "cutoff"_a,
             "radial"_a, "reduced"_a, "angular"_a, "degree"_a,
             "Receivers, senders and float32 functions of the near pairs of orbits; `first` is an atom of each.");
  nb::class_<SumLayerWeights>(module, "SumLayer", "A layer of a SumNet whose weights are fixed.")
      .def(nb::init<std::vector<Weights>, std::ptrdiff_t, float, float>(), "arrays"_a, "features"_a, "epsilon"_a,
           "invariant_epsilon"_a)
      .def("run", &SumLayerWeights::run, "atoms"_a.noconvert(), "near_functions"_a.noconvert(),
           "near_starts"_a.noconvert(), "near_senders"_a.noconvert(), "complete_functions"_a.noconvert(),
           "complete_starts"_a.noconvert(), "complete_senders"_a.noconvert(),
           "Change the features of atoms, which are float32.");
}

}  // namespace madelung
