// One vector type for every instruction set, by the compiler's vector extension. A variant is this code compiled with
// other flags: MADELUNG_VARIANT names its namespace, so that no function of one variant can be linked into another.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace madelung::MADELUNG_VARIANT {

#if defined(__AVX512F__)
inline constexpr int width = 8;
#else
inline constexpr int width = 4;
#endif

using Vector = double __attribute__((vector_size(8 * width)));
using Mask = std::int64_t __attribute__((vector_size(8 * width)));

inline Vector broadcast(double value) { return Vector{} + value; }

inline Vector load(const double* from) {
  Vector result;
  std::memcpy(&result, from, sizeof result);
  return result;
}

inline void store(double* to, Vector value) { std::memcpy(to, &value, sizeof value); }

inline Vector select(Mask condition, Vector yes, Vector no) { return condition ? yes : no; }
inline Vector minimum(Vector a, Vector b) {
#if defined(__AVX512F__)
  return (Vector)_mm512_min_pd((__m512d)a, (__m512d)b);
#elif defined(__AVX2__)
  return (Vector)_mm256_min_pd((__m256d)a, (__m256d)b);
#else
  return a < b ? a : b;
#endif
}
inline Vector maximum(Vector a, Vector b) {
#if defined(__AVX512F__)
  return (Vector)_mm512_max_pd((__m512d)a, (__m512d)b);
#elif defined(__AVX2__)
  return (Vector)_mm256_max_pd((__m256d)a, (__m256d)b);
#else
  return a > b ? a : b;
#endif
}
inline Vector absolute(Vector a) { return maximum(a, -a); }

inline Vector square_root(Vector a) {
#if defined(__AVX512F__)
  return (Vector)_mm512_sqrt_pd((__m512d)a);
#elif defined(__AVX2__)
  return (Vector)_mm256_sqrt_pd((__m256d)a);
#else
  Vector result;
  for (int lane = 0; lane < width; ++lane) result[lane] = std::sqrt(a[lane]);
  return result;
#endif
}

// Added to |a| < 2^51, it rounds a to the nearest integer, which then stands in the lowest bits.
inline constexpr double rounding_shift = 6755399441055744.0;  // 1.5 * 2^52

inline Vector nearest(Vector a) {
#if defined(__AVX512F__)
  return (Vector)_mm512_roundscale_pd((__m512d)a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__AVX2__)
  return (Vector)_mm256_round_pd((__m256d)a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  return (a + rounding_shift) - rounding_shift;
#endif
}

// 2^n * a, where n + rounding_shift is given.
inline Vector scale_by_power_of_two(Vector shifted, Vector a) { return (Vector)((Mask)a + ((Mask)shifted << 52)); }

inline double sum(Vector a) {
  double result = 0;
#if defined(__AVX512F__)
  result = _mm512_reduce_add_pd((__m512d)a);
#elif defined(__AVX2__)
  __m128d pair = _mm_add_pd(_mm256_castpd256_pd128((__m256d)a), _mm256_extractf128_pd((__m256d)a, 1));
  result = _mm_cvtsd_f64(_mm_add_sd(pair, _mm_unpackhi_pd(pair, pair)));
#else
  for (int lane = 0; lane < width; ++lane) result += a[lane];
#endif
  return result;
}

inline double smallest(Vector a) {
  double result = a[0];
  for (int lane = 1; lane < width; ++lane) result = a[lane] < result ? a[lane] : result;
  return result;
}

inline Vector lane_numbers() {
  Vector result;
  for (int lane = 0; lane < width; ++lane) result[lane] = lane;
  return result;
}

// True in the first `count` lanes.
inline Mask first_lanes(std::ptrdiff_t count) { return lane_numbers() < broadcast(static_cast<double>(count)); }

// Load of the first `count` lanes, zero in the others; the memory behind them must exist.
inline Vector load_first(const double* from, std::ptrdiff_t count) {
  return (Vector)((Mask)load(from) & first_lanes(count));
}

// The lanes chosen by a mask, found once and applied to several vectors.
struct Selection {
#if defined(__AVX512F__)
  __mmask8 bits;
  explicit Selection(Mask mask) : bits(_mm512_movepi64_mask((__m512i)mask)) {}
  int count() const { return __builtin_popcount(bits); }
  void compress(double* to, Vector from) const { _mm512_storeu_pd(to, _mm512_maskz_compress_pd(bits, (__m512d)from)); }
#elif defined(__AVX2__)
  int bits;
  explicit Selection(Mask mask) : bits(_mm256_movemask_pd((__m256d)mask)) {}
  int count() const { return __builtin_popcount(bits); }
  void compress(double* to, Vector from) const {
    alignas(32) static constexpr std::int32_t order[16][8] = {
        {0, 1, 2, 3, 4, 5, 6, 7}, {0, 1, 2, 3, 4, 5, 6, 7}, {2, 3, 0, 1, 4, 5, 6, 7}, {0, 1, 2, 3, 4, 5, 6, 7},
        {4, 5, 0, 1, 2, 3, 6, 7}, {0, 1, 4, 5, 2, 3, 6, 7}, {2, 3, 4, 5, 0, 1, 6, 7}, {0, 1, 2, 3, 4, 5, 6, 7},
        {6, 7, 0, 1, 2, 3, 4, 5}, {0, 1, 6, 7, 2, 3, 4, 5}, {2, 3, 6, 7, 0, 1, 4, 5}, {0, 1, 2, 3, 6, 7, 4, 5},
        {4, 5, 6, 7, 0, 1, 2, 3}, {0, 1, 4, 5, 6, 7, 2, 3}, {2, 3, 4, 5, 6, 7, 0, 1}, {0, 1, 2, 3, 4, 5, 6, 7}};
    __m256i indices = _mm256_load_si256(reinterpret_cast<const __m256i*>(order[bits]));
    __m256i packed = _mm256_permutevar8x32_epi32(_mm256_castpd_si256((__m256d)from), indices);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), packed);
  }
#else
  Mask mask;
  explicit Selection(Mask chosen) : mask(chosen) {}
  int count() const {
    int result = 0;
    for (int lane = 0; lane < width; ++lane) result += mask[lane] ? 1 : 0;
    return result;
  }
  void compress(double* to, Vector from) const {
    int next = 0;
    for (int lane = 0; lane < width; ++lane) {
      to[next] = from[lane];
      next += mask[lane] ? 1 : 0;
    }
  }
#endif
};

// A growing array whose contents need not survive growth; with room for whole vectors behind the last element.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { ::operator delete(memory_, std::align_val_t{64}); }

  T* require(std::size_t count) {
    if (count + 2 * width > capacity_) {
      ::operator delete(memory_, std::align_val_t{64});
      memory_ = nullptr;
      capacity_ = count + count / 2 + 64;
      memory_ = static_cast<T*>(::operator new(capacity_ * sizeof(T), std::align_val_t{64}));
    }
    return memory_;
  }
  T* data() { return memory_; }
  const T* data() const { return memory_; }
  T& operator[](std::size_t index) { return memory_[index]; }
  const T& operator[](std::size_t index) const { return memory_[index]; }

 private:
  T* memory_ = nullptr;
  std::size_t capacity_ = 0;
};

inline std::size_t padded(std::size_t count) { return (count + width - 1) / width * width; }

}  // namespace madelung::MADELUNG_VARIANT
