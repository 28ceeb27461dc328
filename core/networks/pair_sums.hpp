// Sums over the senders of each receiver of functions times features, and the transposed operation.
#pragma once

#include <cstdlib>
#include <cstring>
#include <new>

#include "common/executor.hpp"
#include "common/simd.hpp"

namespace madelung::MADELUNG_VARIANT {

inline constexpr int lanes = 2 * width;
using Floats = float __attribute__((vector_size(4 * lanes)));
// Zeros. (A container of the standard library would be compiled with this variant's instructions and might be linked
// into another one.)
class Scratch {
 public:
  explicit Scratch(std::ptrdiff_t count) : data_(static_cast<float*>(std::calloc(count > 0 ? count : 1, sizeof(float)))) {
    if (data_ == nullptr) throw std::bad_alloc();
  }
  ~Scratch() { std::free(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  float* data() { return data_; }
  float& operator[](std::ptrdiff_t index) { return data_[index]; }

 private:
  float* data_;
};

// Rows that are worked on together, so that what they share is loaded once.
inline constexpr int together = 8;

inline Floats load_floats(const float* from) {
  Floats result;
  std::memcpy(&result, from, sizeof result);
  return result;
}

inline float widened(float value) { return value; }
inline float widened(std::uint16_t value) {
  const std::uint32_t bits = std::uint32_t{value} << 16;
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

inline void narrow(float value, float& to) { to = value; }
// bfloat16, rounded to nearest, ties to even; no number here is infinite.
inline void narrow(float value, std::uint16_t& to) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  to = static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

inline std::ptrdiff_t padded(std::ptrdiff_t count) { return (count + lanes - 1) / lanes * lanes; }

// Copies rows of `length` numbers to rows that end on a whole vector; what lies beyond them stays zero.
template <class T>
void copy_row(const T* from, std::ptrdiff_t length, float* to) {
  for (std::ptrdiff_t r = 0; r < length; ++r) to[r] = widened(from[r]);
}

// rows[k][r] = sum over n of weights[n * weight_step + k * weight_stride] * terms[n][r], for `count` <= together rows.
template <int count>
void combine(const float* weights, std::ptrdiff_t weight_step, std::ptrdiff_t weight_stride, const float* terms,
             std::ptrdiff_t terms_count, std::ptrdiff_t row, float* rows) {
  for (std::ptrdiff_t r = 0; r < row; r += lanes) {
    Floats total[count] = {};
    for (std::ptrdiff_t n = 0; n < terms_count; ++n) {
      const Floats term = load_floats(terms + n * row + r);
      for (int k = 0; k < count; ++k) total[k] += weights[n * weight_step + k * weight_stride] * term;
    }
    for (int k = 0; k < count; ++k) std::memcpy(rows + k * row + r, &total[k], sizeof(Floats));
  }
}

template <class T>
void pair_sums(const PairJob& job, const float* features, T* sums) {
  const std::ptrdiff_t row = padded(job.features);
  std::ptrdiff_t most = 0;
  for (std::ptrdiff_t i = 0; i < job.receivers; ++i)
    if (job.starts[i + 1] - job.starts[i] > most) most = job.starts[i + 1] - job.starts[i];
  Scratch terms(most * row), rows(together * row);
  for (std::ptrdiff_t i = 0; i < job.receivers; ++i) {
    const std::ptrdiff_t begin = job.starts[i], senders = job.starts[i + 1] - begin;
    for (std::ptrdiff_t n = 0; n < senders; ++n)
      copy_row(features + job.senders[begin + n] * job.features, job.features, terms.data() + n * row);
    const float* weights = job.functions + begin * job.stride;
    for (std::ptrdiff_t d = 0; d < job.count;) {
      const bool several = d + together <= job.count;
      (several ? combine<together> : combine<1>)(weights + d, job.stride, 1, terms.data(), senders, row, rows.data());
      for (int k = 0; k < (several ? together : 1); ++k, ++d)
        for (std::ptrdiff_t r = 0; r < job.features; ++r)
          narrow(rows[k * row + r], sums[(i * job.rows + d) * job.features + r]);
    }
  }
}

template <class T>
void pair_gradients(const PairJob& job, const T* cotangents, float* features) {
  const std::ptrdiff_t row = padded(job.features);
  Scratch terms(job.count * row), rows(together * row);
  for (std::ptrdiff_t i = 0; i < job.receivers; ++i) {
    const std::ptrdiff_t begin = job.starts[i], end = job.starts[i + 1];
    for (std::ptrdiff_t d = 0; begin < end && d < job.count; ++d)
      copy_row(cotangents + (i * job.count + d) * job.features, job.features, terms.data() + d * row);
    for (std::ptrdiff_t p = begin; p < end;) {
      const bool several = p + together <= end;
      (several ? combine<together> : combine<1>)(job.functions + p * job.stride, 1, job.stride, terms.data(),
                                                 job.count, row, rows.data());
      for (int k = 0; k < (several ? together : 1); ++k, ++p) {
        float* to = features + job.senders[p] * job.features;
        for (std::ptrdiff_t r = 0; r < job.features; ++r) to[r] += rows[k * row + r];
      }
    }
  }
}

}  // namespace madelung::MADELUNG_VARIANT
