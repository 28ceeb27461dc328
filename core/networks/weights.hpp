// Weights of parts of networks, in arrays of Python's.
#pragma once

#include <nanobind/stl/vector.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "common/variants.hpp"

namespace madelung {

using Weights = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;

// Takes the arrays of a part of a network one by one and checks their shapes.
class WeightReader {
 public:
  explicit WeightReader(const std::vector<Weights>& arrays) : arrays_(arrays) {}

  // A row of so many numbers.
  const float* row(std::ptrdiff_t size) {
    const Weights& array = next(1);
    require(extent(array, 0) == size);
    return array.data();
  }
  // A matrix with so many columns, and a bias where there is one.
  Linear linear(std::ptrdiff_t inputs, bool biased) {
    const Weights& array = next(2);
    require(extent(array, 1) == inputs && extent(array, 0) > 0);
    const std::ptrdiff_t outputs = extent(array, 0);
    return {array.data(), biased ? row(outputs) : nullptr, outputs, inputs};
  }
  // A matrix whose number of columns is a multiple of this.
  Linear multiple(std::ptrdiff_t factor) {
    const Weights& array = next(2);
    require(extent(array, 1) % factor == 0 && extent(array, 0) > 0);
    return {array.data(), nullptr, extent(array, 0), extent(array, 1)};
  }
  std::ptrdiff_t left() const { return static_cast<std::ptrdiff_t>(arrays_.size() - position_); }
  static void require(bool good) {
    if (!good) throw nb::value_error("the arrays of a layer do not fit together");
  }

 private:
  const std::vector<Weights>& arrays_;
  std::size_t position_ = 0;

  const Weights& next(std::size_t dimensions) {
    require(position_ < arrays_.size() && arrays_[position_].ndim() == dimensions);
    return arrays_[position_++];
  }
  static std::ptrdiff_t extent(const Weights& array, std::size_t axis) {
    return static_cast<std::ptrdiff_t>(array.shape(axis));
  }
};

// Copies in half precision of matrices that it holds exactly, as it does those of models that are stored so.
class HalfCopies {
 public:
  void add(Linear& map) {
    std::vector<std::uint16_t> half(static_cast<std::size_t>(map.outputs * map.inputs));
    if (!variants().chosen()->halve(map.weight, map.outputs * map.inputs, half.data())) return;
    copies_.push_back(std::move(half));
    map.half = copies_.back().data();
  }

 private:
  std::vector<std::vector<std::uint16_t>> copies_;
};

// Transposed copies of matrices.
class TransposedCopies {
 public:
  Columns add(const Linear& map) {
    constexpr std::ptrdiff_t longest_vector = 16;
    const std::ptrdiff_t length = (map.outputs + longest_vector - 1) / longest_vector * longest_vector;
    std::vector<float> copy(static_cast<std::size_t>((map.inputs + 1) * length));
    for (std::ptrdiff_t o = 0; o < map.outputs; ++o) {
      for (std::ptrdiff_t i = 0; i < map.inputs; ++i) copy[i * length + o] = map.weight[o * map.inputs + i];
      copy[map.inputs * length + o] = map.bias[o];
    }
    copies_.push_back(std::move(copy));
    const float* weight = copies_.back().data();
    return {weight, weight + map.inputs * length, length, map.inputs};
  }

 private:
  std::vector<std::vector<float>> copies_;
};

}  // namespace madelung
