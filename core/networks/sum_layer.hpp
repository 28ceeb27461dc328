// A layer of a SumNet whose weights are fixed, for few orbits: the weights are read once, and nothing else takes time.
// Equations of docs/theory/sumnet.md.
#pragma once

#include <initializer_list>

#include "networks/pair_sums.hpp"

namespace madelung::MADELUNG_VARIANT {

using Integers = std::int32_t __attribute__((vector_size(4 * lanes)));

inline float sum(Floats a) {
  float result = 0;
#if defined(__AVX512F__)
  result = _mm512_reduce_add_ps((__m512)a);
#elif defined(__AVX2__)
  __m128 four = _mm_add_ps(_mm256_castps256_ps128((__m256)a), _mm256_extractf128_ps((__m256)a, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  result = _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
#else
  for (int lane = 0; lane < lanes; ++lane) result += a[lane];
#endif
  return result;
}

// sums[k] = sum(vectors[k]) for as many vectors as there are lanes, each step adding halves of two vectors.
inline Floats sum_each(const Floats* vectors) {
#if defined(__AVX512F__)
  __m512 by_four[4];
  for (int g = 0; g < 4; ++g) {
    __m512 by_two[2];
    for (int h = 0; h < 2; ++h) {
      const __m512 a = (__m512)vectors[4 * g + 2 * h], b = (__m512)vectors[4 * g + 2 * h + 1];
      by_two[h] = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    }
    const __m512d a = _mm512_castps_pd(by_two[0]), b = _mm512_castps_pd(by_two[1]);
    by_four[g] =
        _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
  }
  constexpr int even = 0x88, odd = 0xdd;
  const auto join = [](__m512 a, __m512 b) {
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, even), _mm512_shuffle_f32x4(a, b, odd));
  };
  return (Floats)join(join(by_four[0], by_four[1]), join(by_four[2], by_four[3]));
#elif defined(__AVX2__)
  __m256 by_four[2];
  for (int g = 0; g < 2; ++g) {
    const Floats* four = vectors + 4 * g;
    by_four[g] = _mm256_hadd_ps(_mm256_hadd_ps((__m256)four[0], (__m256)four[1]),
                                _mm256_hadd_ps((__m256)four[2], (__m256)four[3]));
  }
  return (Floats)_mm256_add_ps(_mm256_permute2f128_ps(by_four[0], by_four[1], 0x20),
                               _mm256_permute2f128_ps(by_four[0], by_four[1], 0x31));
#else
  Floats result;
  for (int k = 0; k < lanes; ++k) result[k] = sum(vectors[k]);
  return result;
#endif
}

// exp(x), to a few units in the last place; what single precision cannot hold is cut at exp(-87) and exp(87).
inline Floats exponential(Floats x) {
  const Floats largest = Floats{} + 87.0f;
  x = x < -largest ? -largest : (x > largest ? largest : x);
  const Floats shifted = x * 1.44269504f + 12582912.0f, n = shifted - 12582912.0f;  // 1.5 * 2^23 rounds to integers
  const Floats rest = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Floats value = rest * (1.0f / 5040) + 1.0f / 720;
  for (const float next : {1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) value = value * rest + next;
  return (Floats)((Integers)value + ((Integers)shifted << 23));
}

inline Floats sigmoid(Floats x) { return 1.0f / (1.0f + exponential(-x)); }

// Applies f to whole vectors of numbers; the last one may reach beyond `count`, where there must be memory.
template <class Function>
void transform(std::ptrdiff_t count, float* numbers, Function f) {
  for (std::ptrdiff_t r = 0; r < count; r += lanes) {
    const Floats result = f(load_floats(numbers + r), r);
    std::memcpy(numbers + r, &result, sizeof result);
  }
}

// A matrix of numbers whose rows stand `stride` apart.
struct Rows {
  float* data;
  std::ptrdiff_t stride;
  float* operator[](std::ptrdiff_t row) const { return data + row * stride; }
};

#if defined(__F16C__)
inline constexpr bool knows_halves = true;
inline Floats load_floats(const std::uint16_t* from) {
#if defined(__AVX512F__)
  return (Floats)_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
#else
  return (Floats)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
#endif
}
inline float single(std::uint16_t value) { return _cvtsh_ss(value); }
inline std::uint16_t halved(float value) { return _cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT); }
#else
// Without instructions for it, to widen half precision takes longer than to read single precision.
inline constexpr bool knows_halves = false;
inline Floats load_floats(const std::uint16_t*) { return Floats{}; }
inline float single(std::uint16_t) { return 0; }
inline std::uint16_t halved(float) { return 0; }
#endif
inline float single(float value) { return value; }

inline bool halve(const float* numbers, std::ptrdiff_t count, std::uint16_t* half) {
  for (std::ptrdiff_t n = 0; knows_halves && n < count; ++n) {
    half[n] = halved(numbers[n]);
    if (!(single(half[n]) == numbers[n])) return false;
  }
  return knows_halves;
}

// out[n][o] = bias[o] + sum over i of in[n][i] weight[o][i], for so many rows n and outputs o at a time.
template <int rows, int outputs, class Weight>
void multiply_block(const Rows& in, const Linear& map, const Weight* all, std::ptrdiff_t first, const Rows& out) {
  Floats total[outputs][rows] = {};
  const Weight* weight = all + first * map.inputs;
  const std::ptrdiff_t whole = map.inputs / lanes * lanes;
  for (std::ptrdiff_t i = 0; i < whole; i += lanes) {
    Floats own[rows];
    for (int n = 0; n < rows; ++n) own[n] = load_floats(in[n] + i);
    for (int o = 0; o < outputs; ++o) {
      const Floats one = load_floats(weight + o * map.inputs + i);
      for (int n = 0; n < rows; ++n) total[o][n] += one * own[n];
    }
  }
  float sums[outputs * rows];
  constexpr int each = outputs * rows / lanes * lanes;
  for (int k = 0; k < each; k += lanes) {
    const Floats some = sum_each(&total[0][0] + k);
    std::memcpy(sums + k, &some, sizeof some);
  }
  for (int k = each; k < outputs * rows; ++k) sums[k] = sum((&total[0][0])[k]);
  for (int o = 0; o < outputs; ++o)
    for (int n = 0; n < rows; ++n) {
      float result = sums[o * rows + n] + (map.bias == nullptr ? 0.0f : map.bias[first + o]);
      for (std::ptrdiff_t i = whole; i < map.inputs; ++i) result += single(weight[o * map.inputs + i]) * in[n][i];
      out[n][first + o] = result;
    }
}

template <int outputs, class Weight>
void multiply_outputs(Rows in, std::ptrdiff_t rows, const Linear& map, const Weight* all, std::ptrdiff_t first,
                      Rows out) {
  for (; rows >= 4; rows -= 4, in.data += 4 * in.stride, out.data += 4 * out.stride)
    multiply_block<4, outputs>(in, map, all, first, out);
  if (rows == 3) multiply_block<3, outputs>(in, map, all, first, out);
  if (rows == 2) multiply_block<2, outputs>(in, map, all, first, out);
  if (rows == 1) multiply_block<1, outputs>(in, map, all, first, out);
}

// Weights come from memory once, however many rows there are: to read them takes much of the time.
template <class Weight>
void multiply_by(const Rows& in, std::ptrdiff_t rows, const Linear& map, const Weight* all, const Rows& out) {
  std::ptrdiff_t o = 0;
  for (; o + 4 <= map.outputs; o += 4) multiply_outputs<4>(in, rows, map, all, o, out);
  for (; o < map.outputs; ++o) multiply_outputs<1>(in, rows, map, all, o, out);
}

inline void multiply(const Rows& in, std::ptrdiff_t rows, const Linear& map, const Rows& out) {
  if (knows_halves && map.half != nullptr)
    multiply_by(in, rows, map, map.half, out);
  else
    multiply_by(in, rows, map, map.weight, out);
}

// Layer normalisation of a row.
inline void normalise(const float* row, std::ptrdiff_t count, const Normalisation& norm, float* out) {
  double mean = 0, variance = 0;
  for (std::ptrdiff_t r = 0; r < count; ++r) mean += row[r];
  mean /= static_cast<double>(count);
  for (std::ptrdiff_t r = 0; r < count; ++r) variance += (row[r] - mean) * (row[r] - mean);
  const double inverse = 1 / std::sqrt(variance / static_cast<double>(count) + norm.epsilon);
  for (std::ptrdiff_t r = 0; r < count; ++r)
    out[r] = static_cast<float>((row[r] - mean) * inverse) * norm.gain[r] + norm.shift[r];
}

class SumLayerRun {
 public:
  SumLayerRun(const SumLayer& layer, const PairJob& near, const PairJob& complete)
      : layer_(layer),
        near_(near),
        complete_(complete),
        orbits_(near.receivers),
        invariants_(layer.gate.outputs),
        joint_row_(invariants_ + layer.features),
        joint_(orbits_ * joint_row_ + lanes),
        sent_(orbits_ * layer.sender.outputs),
        scalars_(orbits_ * layer.scalars.inputs),
        hidden_row_(padded(layer.hidden.outputs)),
        hidden_(orbits_ * hidden_row_),
        gate_row_(padded(invariants_)),
        gate_(orbits_ * gate_row_) {}

  // Changes the features of the atoms, orbits x features.
  void run(float* atoms) {
    const std::ptrdiff_t features = layer_.features;
    const Rows joint{joint_.data(), joint_row_}, own{joint_.data() + invariants_, joint_row_};
    for (std::ptrdiff_t i = 0; i < orbits_; ++i) normalise(atoms + i * features, features, layer_.norm, own[i]);
    multiply(own, orbits_, layer_.sender, {sent_.data(), layer_.sender.outputs});
    sum_scalars(joint);
    std::ptrdiff_t column = layer_.scalars.outputs, begin = near_.count;
    for (int degree = 1; degree <= layer_.degrees; ++degree) sum_tensors(degree, begin, column, joint);
    see(own, joint);
    const Rows hidden{hidden_.data(), hidden_row_};
    multiply(joint, orbits_, layer_.hidden, hidden);
    transform(orbits_ * hidden_row_, hidden_.data(), [](Floats x, std::ptrdiff_t) { return x * sigmoid(x); });
    // The rows of the normalised features are free again.
    multiply(hidden, orbits_, layer_.update, own);
    for (std::ptrdiff_t i = 0; i < orbits_; ++i)
      for (std::ptrdiff_t r = 0; r < features; ++r) atoms[i * features + r] += own[i][r];
  }

 private:
  const SumLayer& layer_;
  PairJob near_, complete_;
  std::ptrdiff_t orbits_, invariants_, joint_row_;
  Scratch joint_, sent_, scalars_;
  std::ptrdiff_t hidden_row_;
  Scratch hidden_;
  std::ptrdiff_t gate_row_;
  Scratch gate_;

  // Complete sums first, then near ones.
  void sum_scalars(const Rows& joint) {
    PairJob complete = complete_, near = near_;
    complete.rows = near.rows = complete.count + near.count;
    pair_sums(complete, sent_.data(), scalars_.data());
    pair_sums(near, sent_.data(), scalars_.data() + complete.count * near.features);
    multiply({scalars_.data(), layer_.scalars.inputs}, orbits_, layer_.scalars, joint);
  }

  // Equation 3, for one degree; `begin` and `column` move on to the next one.
  void sum_tensors(int degree, std::ptrdiff_t& begin, std::ptrdiff_t& column, const Rows& joint) {
    const Linear& map = layer_.tensors[degree - 1];
    const std::ptrdiff_t components = 2 * degree + 1, each = map.outputs / 2;
    PairJob job = near_;
    job.functions = near_.functions + begin;
    job.rows = job.count = components * map.inputs / near_.features;
    Scratch sums(orbits_ * components * map.inputs), mixed(orbits_ * components * map.outputs);
    pair_sums(job, sent_.data(), sums.data());
    multiply({sums.data(), map.inputs}, orbits_ * components, map, {mixed.data(), map.outputs});
    for (std::ptrdiff_t i = 0; i < orbits_; ++i)
      for (std::ptrdiff_t r = 0; r < each; ++r) {
        float product = 0;
        for (std::ptrdiff_t m = 0; m < components; ++m) {
          const float* row = mixed.data() + (i * components + m) * map.outputs;
          product += row[r] * row[each + r];
        }
        joint[i][column + r] = product;
      }
    begin += job.count;
    column += each;
  }

  // Normalisation and gate of the invariants, equation 4.
  void see(const Rows& own, const Rows& joint) {
    const Rows gate{gate_.data(), gate_row_};
    multiply(own, orbits_, layer_.gate, gate);
    transform(orbits_ * gate_row_, gate_.data(), [](Floats x, std::ptrdiff_t) { return sigmoid(x); });
    const Normalisation& norm = layer_.invariant_norm;
    for (std::ptrdiff_t r = 0; r < invariants_; ++r) {
      const float gain = norm.gain[r] / std::sqrt(norm.variance[r] + norm.epsilon);
      const float shift = norm.shift[r] - norm.mean[r] * gain;
      for (std::ptrdiff_t i = 0; i < orbits_; ++i) joint[i][r] = (joint[i][r] * gain + shift) * gate[i][r];
    }
  }
};

inline void sum_layer(const SumLayer& layer, const PairJob& near, const PairJob& complete, float* atoms) {
  SumLayerRun(layer, near, complete).run(atoms);
}

}  // namespace madelung::MADELUNG_VARIANT
