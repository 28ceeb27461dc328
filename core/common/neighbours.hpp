// Neighbours within a cutoff, by bins of a cell that is periodic along any of its vectors.
//
// Atoms are sorted into bins of equal fractional size, those along the last vector one after another in memory. The
// bins that can hold neighbours of an atom are then a few contiguous runs, whose distances are taken four at a time.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "common/simd.hpp"
#include "uf3/model.hpp"

namespace madelung::MADELUNG_VARIANT {

class NeighbourSearch {
 public:
  // Finds all pairs; returns their number. starts: (n + 1,) where the pairs of each atom will stand.
  std::int64_t run(const uf3::Box& box, const double* positions, std::int64_t count, double cutoff,
                   std::int64_t* starts) {
    box_ = &box;
    count_ = count;
    cutoff_squared_ = cutoff * cutoff;
    choose_bins(cutoff);
    sort(positions);
    found_ = 0;
    for (std::int64_t s = 0; s < count; ++s) {
      begin_[s] = found_;
      search(s);
      const std::int64_t i = original_[s];
      starts[i + 1] = found_ - begin_[s];
      sorted_[i] = s;
    }
    starts[0] = 0;
    for (std::int64_t i = 0; i < count; ++i) starts[i + 1] += starts[i];
    return found_;
  }

  // Writes the pairs that run() found, in the order of the first atoms.
  void write(const std::int64_t* starts, std::int64_t* indices, double* vectors, double* distances) const {
    for (std::int64_t i = 0; i < count_; ++i) {
      const double* from[5];
      for (int row = 0; row < 5; ++row) from[row] = pairs_[row].data() + begin_[sorted_[i]];
      for (std::int64_t p = starts[i]; p < starts[i + 1]; ++p) {
        for (int axis = 0; axis < 3; ++axis) vectors[3 * p + axis] = *from[axis]++;
        distances[p] = std::sqrt(*from[3]++);
        indices[p] = static_cast<std::int64_t>(*from[4]++);
      }
    }
  }

 private:
  const uf3::Box* box_ = nullptr;
  std::int64_t count_ = 0, found_ = 0, capacity_ = 0;
  double cutoff_squared_ = 0;
  std::int64_t bins_[3] = {}, reach_[3] = {};
  Buffer<std::int64_t> bin_, first_, next_, original_, sorted_, begin_;
  Buffer<double> wrapped_;               // (n, 3) positions in the cell
  Buffer<double> place_[4];              // sorted by bins: coordinates, and the index of the atom
  Buffer<double> pairs_[5], larger_[5];  // vector, squared distance, index of the second atom

  // Bins of about half the cutoff, but not many more than atoms.
  void choose_bins(double cutoff) {
    for (int axis = 0; axis < 3; ++axis) {
      const double wanted = 2 * box_->heights[axis] / cutoff;
      bins_[axis] = wanted < 1 ? 1 : (wanted > 1e4 ? 10000 : static_cast<std::int64_t>(wanted));
    }
    while (bins_[0] * bins_[1] * bins_[2] > 4 * count_ + 64) {
      int most = 0;
      for (int axis = 1; axis < 3; ++axis) most = bins_[axis] > bins_[most] ? axis : most;
      bins_[most] = (bins_[most] + 1) / 2;
    }
    for (int axis = 0; axis < 3; ++axis) {
      const double bins = cutoff * static_cast<double>(bins_[axis]) / box_->heights[axis];
      reach_[axis] = static_cast<std::int64_t>(std::ceil(bins * (1 + 1e-12)));
      if (!box_->periodic[axis] && reach_[axis] > bins_[axis]) reach_[axis] = bins_[axis];
    }
  }

  void sort(const double* positions) {
    const std::size_t count = static_cast<std::size_t>(count_);
    const std::int64_t bins = bins_[0] * bins_[1] * bins_[2];
    for (Buffer<std::int64_t>* buffer : {&bin_, &original_, &sorted_, &begin_}) buffer->require(count);
    for (Buffer<double>& buffer : place_) buffer.require(count);
    wrapped_.require(3 * count);
    first_.require(static_cast<std::size_t>(bins + 1));
    next_.require(static_cast<std::size_t>(bins + 1));
    for (std::int64_t b = 0; b <= bins; ++b) first_[b] = 0;
    for (std::int64_t i = 0; i < count_; ++i) {
      bin_[i] = wrap(positions + 3 * i, &wrapped_[3 * i]);
      ++first_[bin_[i] + 1];
    }
    for (std::int64_t b = 0; b < bins; ++b) {
      first_[b + 1] += first_[b];
      next_[b] = first_[b];
    }
    for (std::int64_t i = 0; i < count_; ++i) {
      const std::int64_t s = next_[bin_[i]]++;
      original_[s] = i;
      for (int axis = 0; axis < 3; ++axis) place_[axis][s] = wrapped_[3 * i + axis];
      place_[3][s] = static_cast<double>(i);
    }
  }

  // Moves a position into the cell along periodic vectors; returns its bin.
  std::int64_t wrap(const double* position, double* wrapped) const {
    std::int64_t bin = 0;
    for (int axis = 0; axis < 3; ++axis) wrapped[axis] = position[axis];
    for (int axis = 0; axis < 3; ++axis) {
      const double* dual = box_->inverse + axis;
      double fraction = 0;
      for (int c = 0; c < 3; ++c) fraction += (position[c] - box_->origin[c]) * dual[3 * c];
      if (box_->periodic[axis]) {
        const double whole = std::floor(fraction);
        fraction -= whole;
        for (int c = 0; c < 3; ++c) wrapped[c] -= whole * box_->cell[3 * axis + c];
      }
      std::int64_t own = static_cast<std::int64_t>(fraction * static_cast<double>(bins_[axis]));
      own = own < 0 ? 0 : (own < bins_[axis] ? own : bins_[axis] - 1);
      bin = bin * bins_[axis] + own;
    }
    return bin;
  }

  // A bin along an axis, counted beyond the cell, as a bin of the cell and a number of cells.
  bool fold(int axis, std::int64_t beyond, std::int64_t& bin, std::int64_t& cells) const {
    const std::int64_t bins = bins_[axis];
    cells = beyond >= 0 ? beyond / bins : -((bins - 1 - beyond) / bins);
    bin = beyond - cells * bins;
    return cells == 0 || box_->periodic[axis];
  }

  void search(std::int64_t s) {
    const std::int64_t own = bin_[original_[s]];
    const std::int64_t at[3] = {own / (bins_[1] * bins_[2]), own / bins_[2] % bins_[1], own % bins_[2]};
    std::int64_t bin[3], cells[3];
    for (std::int64_t a = at[0] - reach_[0]; a <= at[0] + reach_[0]; ++a) {
      if (!fold(0, a, bin[0], cells[0])) continue;
      for (std::int64_t b = at[1] - reach_[1]; b <= at[1] + reach_[1]; ++b) {
        if (!fold(1, b, bin[1], cells[1])) continue;
        const std::int64_t row = (bin[0] * bins_[1] + bin[1]) * bins_[2];
        const std::int64_t last = at[2] + reach_[2];
        for (std::int64_t c = at[2] - reach_[2]; c <= last;) {
          const bool inside = fold(2, c, bin[2], cells[2]);
          const std::int64_t length = bins_[2] - bin[2] < last - c + 1 ? bins_[2] - bin[2] : last - c + 1;
          c += length;
          if (inside) scan(s, first_[row + bin[2]], first_[row + bin[2] + length], cells);
        }
      }
    }
  }

  // Atoms begin to end of the sorted ones, moved by whole cells, as neighbours of atom s.
  void scan(std::int64_t s, std::int64_t begin, std::int64_t end, const std::int64_t* cells) {
    if (begin == end) return;
    grow(end - begin);
    Vector shift[3];
    for (int axis = 0; axis < 3; ++axis) {
      double sum = -place_[axis][s];
      for (int c = 0; c < 3; ++c) sum += static_cast<double>(cells[c]) * box_->cell[3 * c + axis];
      shift[axis] = broadcast(sum);
    }
    const bool home = cells[0] == 0 && cells[1] == 0 && cells[2] == 0;
    const Vector self = broadcast(home ? place_[3][s] : -1.0);
    for (std::int64_t t = begin; t < end; t += width) {
      const Vector dx = load(&place_[0][t]) + shift[0], dy = load(&place_[1][t]) + shift[1],
                   dz = load(&place_[2][t]) + shift[2], index = load(&place_[3][t]);
      const Vector square = dx * dx + dy * dy + dz * dz;
      const Selection near((square < broadcast(cutoff_squared_)) & (index != self) & first_lanes(end - t));
      near.compress(pairs_[0].data() + found_, dx);
      near.compress(pairs_[1].data() + found_, dy);
      near.compress(pairs_[2].data() + found_, dz);
      near.compress(pairs_[3].data() + found_, square);
      near.compress(pairs_[4].data() + found_, index);
      found_ += near.count();
    }
  }

  // Room for more pairs.
  void grow(std::int64_t more) {
    if (found_ + more <= capacity_) return;
    capacity_ = 2 * (found_ + more) + 64 * count_;
    for (int row = 0; row < 5; ++row) {
      larger_[row].require(static_cast<std::size_t>(found_));
      if (found_ > 0) std::memcpy(larger_[row].data(), pairs_[row].data(), static_cast<std::size_t>(found_) * 8);
      pairs_[row].require(static_cast<std::size_t>(capacity_));
      if (found_ > 0) std::memcpy(pairs_[row].data(), larger_[row].data(), static_cast<std::size_t>(found_) * 8);
    }
  }
};

}  // namespace madelung::MADELUNG_VARIANT
