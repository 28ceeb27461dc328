// Strengths of springs whose network is fixed; equation 4 of docs/theory/springs.md.
#pragma once

#include <cmath>
#include <cstring>

#include "networks/sum_layer.hpp"

namespace madelung::MADELUNG_VARIANT {

// out[n][o] = bias[o] + sum over i of in[n][i] weight[i][o], for so many rows n and vectors of outputs from `first` on.
template <int rows, int vectors>
void multiply_columns(const Rows& in, const Columns& map, std::ptrdiff_t first, const Rows& out) {
  Floats total[rows][vectors];
  for (int n = 0; n < rows; ++n)
    for (int v = 0; v < vectors; ++v) total[n][v] = load_floats(map.bias + first + v * lanes);
  for (std::ptrdiff_t i = 0; i < map.inputs; ++i) {
    Floats weight[vectors];
    for (int v = 0; v < vectors; ++v) weight[v] = load_floats(map.weight + i * map.length + first + v * lanes);
    for (int n = 0; n < rows; ++n)
      for (int v = 0; v < vectors; ++v) total[n][v] += in[n][i] * weight[v];
  }
  for (int n = 0; n < rows; ++n) std::memcpy(out[n] + first, total[n], sizeof total[n]);
}

template <int rows>
void multiply_rows(const Rows& in, const Columns& map, const Rows& out) {
  constexpr int together = 3;
  std::ptrdiff_t first = 0;
  for (; first + together * lanes <= map.length; first += together * lanes)
    multiply_columns<rows, together>(in, map, first, out);
  for (; first < map.length; first += lanes) multiply_columns<rows, 1>(in, map, first, out);
}

inline void multiply(Rows in, std::ptrdiff_t rows, const Columns& map, Rows out) {
  for (; rows >= 4; rows -= 4, in.data += 4 * in.stride, out.data += 4 * out.stride) multiply_rows<4>(in, map, out);
  for (; rows > 0; --rows, in.data += in.stride, out.data += out.stride) multiply_rows<1>(in, map, out);
}

// Inputs of a kind of bond: sums and products of what its ends are, Gaussians of its length and the length.
inline void see_bond(const float* left, const float* right, std::ptrdiff_t ends, float reduced,
                     const SpringNetwork& network, float* out) {
  for (std::ptrdiff_t r = 0; r < ends; ++r) {
    out[r] = left[r] + right[r];
    out[ends + r] = left[r] * right[r];
  }
  const std::ptrdiff_t gaussians = network.first.inputs - 2 * ends - 1;
  const float width = (network.farthest - network.nearest) / static_cast<float>(gaussians - 1);
  for (std::ptrdiff_t k = 0; k < gaussians; ++k) {
    const float z = (reduced - network.nearest) / width - static_cast<float>(k);
    out[2 * ends + k] = std::exp(-0.5f * z * z);
  }
  out[2 * ends + gaussians] = reduced;
}

inline void spring_strengths(const SpringNetwork& network, const SpringKinds& kinds, const float* atoms, float* along,
                             float* across) {
  const std::ptrdiff_t ends = network.end.outputs, inputs = network.first.inputs, features = network.end.inputs;
  const std::ptrdiff_t row = network.first.length, last = network.second.length;
  Scratch copy(kinds.orbits * features), end(kinds.orbits * ends), seen(kinds.count * inputs);
  Scratch hidden(kinds.count * row), deeper(kinds.count * last), strength(2 * kinds.count);
  std::memcpy(copy.data(), atoms, static_cast<std::size_t>(kinds.orbits * features) * sizeof(float));
  multiply({copy.data(), features}, kinds.orbits, network.end, {end.data(), ends});
  const auto reduced = [&](std::ptrdiff_t k) {
    return kinds.distances[k] / (kinds.radii[kinds.ends[2 * k]] + kinds.radii[kinds.ends[2 * k + 1]]);
  };
  for (std::ptrdiff_t k = 0; k < kinds.count; ++k)
    see_bond(end.data() + kinds.ends[2 * k] * ends, end.data() + kinds.ends[2 * k + 1] * ends, ends, reduced(k),
             network, seen.data() + k * inputs);
  const auto silu = [](Floats x, std::ptrdiff_t) { return x * sigmoid(x); };
  multiply({seen.data(), inputs}, kinds.count, network.first, {hidden.data(), row});
  transform(kinds.count * row, hidden.data(), silu);
  multiply({hidden.data(), row}, kinds.count, network.second, {deeper.data(), last});
  transform(kinds.count * last, deeper.data(), silu);
  multiply({deeper.data(), last}, kinds.count, network.strength, {strength.data(), 2});
  for (std::ptrdiff_t k = 0; k < kinds.count; ++k) {
    const float whole = kinds.distances[k] / network.reach, part = whole < 1.0f ? whole : 1.0f;
    const float fall = 0.5f * (1.0f + std::cos(3.14159265f * part));
    along[k] = fall * std::exp(network.average - network.decay * (reduced(k) - 1.0f) + strength[2 * k]);
    across[k] = 0.5f * along[k] * std::tanh(strength[2 * k + 1]);
  }
}

}  // namespace madelung::MADELUNG_VARIANT
