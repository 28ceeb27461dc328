// Real space: finds the images of a batch of pairs within the cutoffs, so that potentials are evaluated on many at
// once.
#pragma once

#include "sums/points.hpp"

namespace madelung::MADELUNG_VARIANT {

inline constexpr int batch_length = 64;

// Positions inside the reduced cell, by component, with room for whole vectors behind the last atom.
struct Atoms {
  Buffer<double> position[3], fractional[3];

  void wrap(const Lattice& lattice, const double* given, std::ptrdiff_t count) {
    for (int k = 0; k < 3; ++k) position[k].require(count), fractional[k].require(count);
    for (std::ptrdiff_t i = 0; i < count; ++i) {
      double inside[3], coordinates[3];
      madelung::wrap(lattice, given + 3 * i, inside, coordinates);
      for (int k = 0; k < 3; ++k) position[k][i] = inside[k], fractional[k][i] = coordinates[k];
    }
    for (int k = 0; k < 3; ++k)
      for (int lane = 0; lane < width; ++lane) position[k][count + lane] = fractional[k][count + lane] = 0;
  }
};

// Some pairs (i, j), i-major, with their shortest or nearly shortest difference vectors.
struct PairBatch {
  struct Run {
    std::ptrdiff_t i, first, last;  // pairs (i, first .. last - 1)
    int offset;
  };
  Run runs[batch_length];
  int run_count = 0, count = 0;
  double x[batch_length + 8], y[batch_length + 8], z[batch_length + 8], length[batch_length + 8];
  bool coincident[batch_length];

  void clear() { run_count = count = 0; }
  int room() const { return batch_length - count; }

  void add(const Lattice& lattice, const Atoms& atoms, std::ptrdiff_t i, std::ptrdiff_t first, std::ptrdiff_t last) {
    runs[run_count++] = {i, first, last, count};
    const auto& b = lattice.basis;
    double* component[3] = {x + count, y + count, z + count};
    for (std::ptrdiff_t j = first; j < last; j += width) {
      Vector step[3], square = broadcast(0);
      for (int k = 0; k < 3; ++k) step[k] = nearest(load(&atoms.fractional[k][j]) - atoms.fractional[k][i]);
      for (int k = 0; k < 3; ++k) {
        const Vector shift = step[0] * b[0][k] + step[1] * b[1][k] + step[2] * b[2][k];
        const Vector difference = (load(&atoms.position[k][j]) - atoms.position[k][i]) - shift;
        square += difference * difference;
        store_within(component[k] + (j - first), difference, last - j);
      }
      store_within(length + count + (j - first), square_root(square), last - j);
    }
    count += static_cast<int>(last - first);
  }

 private:
  static void store_within(double* to, Vector value, std::ptrdiff_t count) {
    if (count >= width) return store(to, value);
    for (std::ptrdiff_t lane = 0; lane < count; ++lane) to[lane] = value[lane];
  }
};

// Images of a batch within an annulus; those of its pair number n stand in [begin[n], begin[n + 1]).
struct ImageList {
  Buffer<double> square, x, y, z;
  std::size_t begin[batch_length + 1];
  std::size_t count = 0;
};

// Potentials come in two groups, split and direct. All are evaluated up to the cutoff of the split ones (near images);
// where the direct ones reach further, they alone are evaluated beyond (far images).
class ImageFinder {
 public:
  ImageList near, far;

  void start(const Plan& plan, const Translations& translations, const Lattice& lattice) {
    translations_ = &translations;
    const PointBound bound(lattice.edge[0], lattice.edge[1], lattice.edge[2]);
    near_square_ = plan.near_cutoff() * plan.near_cutoff();
    far_square_ = plan.real_cutoff() * plan.real_cutoff();
    two_annuli_ = plan.real_cutoff() > plan.near_cutoff();
    coincidence_ = coincidence_distance(plan.volume);
    const double most = smaller(static_cast<double>(translations.count()), bound.inside(plan.real_cutoff()));
    room_ = (static_cast<std::size_t>(most) + 2) * batch_length + 2 * width;
  }

  // Atoms closer than this share a site.
  static double coincidence_distance(double volume) { return 1e-9 * std::cbrt(volume); }

  template <bool with_components>
  void find(PairBatch& batch) {
    prepare<with_components>(near);
    prepare<with_components>(far);
    for (int n = 0; n < batch.count; ++n) {
      batch.coincident[n] = batch.length[n] < coincidence_;
      if (two_annuli_)
        filter<true, with_components>(batch, n);
      else
        filter<false, with_components>(batch, n);
      near.begin[n + 1] = near.count;
      far.begin[n + 1] = far.count;
    }
    finish<with_components>(near);
    finish<with_components>(far);
  }

 private:
  template <bool with_components>
  void prepare(ImageList& list) {
    list.square.require(room_);
    if constexpr (with_components) list.x.require(room_), list.y.require(room_), list.z.require(room_);
    list.count = 0;
    list.begin[0] = 0;
  }

  // What lies behind the last image is read with it, and has no weight: it must be finite all the same.
  template <bool with_components>
  void finish(ImageList& list) const {
    for (int lane = 0; lane < width; ++lane) {
      list.square[list.count + lane] = far_square_;
      if constexpr (with_components)
        list.x[list.count + lane] = list.y[list.count + lane] = list.z[list.count + lane] = 0;
    }
  }

  template <bool two_annuli, bool with_components>
  void filter(const PairBatch& batch, int n) {
    const std::size_t end = translations_->candidates(batch.length[n]);
    const Vector dx = broadcast(batch.x[n]), dy = broadcast(batch.y[n]), dz = broadcast(batch.z[n]);
    const Vector near_limit = broadcast(near_square_), far_limit = broadcast(far_square_);
    const double *tx = translations_->x(), *ty = translations_->y(), *tz = translations_->z();
    std::size_t near_count = near.count, far_count = far.count;
    for (std::size_t i = 0; i < end; i += width) {
      const Vector x = dx + load(tx + i), y = dy + load(ty + i), z = dz + load(tz + i);
      const Vector square = x * x + y * y + z * z;
      const Mask inner = square < near_limit;
      near_count += append<with_components>(near, near_count, inner, square, x, y, z);
      if constexpr (two_annuli)
        far_count += append<with_components>(far, far_count, (square < far_limit) & ~inner, square, x, y, z);
    }
    if (batch.coincident[n] && near_count > near.count) drop<with_components>(near, near.count, --near_count);
    near.count = near_count;
    far.count = far_count;
  }

  template <bool with_components>
  static std::size_t append(ImageList& list, std::size_t at, Mask mask, Vector square, Vector x, Vector y, Vector z) {
    const Selection chosen(mask);
    chosen.compress(list.square.data() + at, square);
    if constexpr (with_components) {
      chosen.compress(list.x.data() + at, x);
      chosen.compress(list.y.data() + at, y);
      chosen.compress(list.z.data() + at, z);
    }
    return static_cast<std::size_t>(chosen.count());
  }

  // The term at zero distance is the first one, since the zero translation stands first: the last takes its place.
  template <bool with_components>
  static void drop(ImageList& list, std::size_t first, std::size_t last) {
    list.square[first] = list.square[last];
    if constexpr (with_components)
      list.x[first] = list.x[last], list.y[first] = list.y[last], list.z[first] = list.z[last];
  }

  const Translations* translations_ = nullptr;
  double near_square_ = 0, far_square_ = 0, coincidence_ = 0;
  bool two_annuli_ = false;
  std::size_t room_ = 0;
};

// Real-space terms of some potentials on all images of a list. The Gaussian is right within the split potentials'
// cutoff, the only images on which they are evaluated. Together, the potentials' independent chains of operations fill
// the processor's pipelines, and what they share is computed once.
template <class... Potentials>
void evaluate_images(const ImageList& list, double splitting, double* const* to, const Potentials&... potentials) {
  for (std::size_t i = 0; i < list.count; i += width) {
    const Vector square = load(list.square.data() + i), distance = square_root(square);
    const Image image = {square, distance, 1.0 / distance, exponential(square * -splitting)};
    int next = 0;
    (store(to[next++] + i, potentials.real(image)), ...);
  }
}

// Masks for the last, partial vector of a segment.
struct TailMasks {
  std::int64_t bits[2 * width];
  constexpr TailMasks() : bits{} {
    for (int lane = 0; lane < width; ++lane) bits[lane] = -1;
  }
};
inline constexpr TailMasks tail_masks;

// True in the first `count` lanes, 0 <= count < width.
inline Mask tail_mask(std::size_t count) {
  Mask result;
  std::memcpy(&result, tail_masks.bits + width - count, sizeof result);
  return result;
}

// Sum of values[begin .. whole), and of the lanes of the vector at `whole` that the mask takes in.
inline Vector segment_total(const double* values, std::size_t begin, std::size_t whole, Mask tail) {
  Vector total = (Vector)((Mask)load(values + whole) & tail);
  for (std::size_t i = begin; i < whole; i += width) total += load(values + i);
  return total;
}

}  // namespace madelung::MADELUNG_VARIANT
