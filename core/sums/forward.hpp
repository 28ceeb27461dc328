// The sums of one crystal, and their certificate.
#pragma once

#include "sums/setting.hpp"

namespace madelung::MADELUNG_VARIANT {

inline constexpr int tile = 32;         // atoms on a side of a block of pairs whose phases stay in the cache
inline constexpr int rows = 4;          // of pairs whose reciprocal sums are taken together
inline constexpr int wave_block = 256;  // reciprocal vectors handled together

class Forward {
 public:
  explicit Forward(Setting& setting) : s_(setting) {}

  void run(const Job& job, double* const* sums, double* certificate) {
    sums_ = sums;
    atoms_ = job.atoms;
    const PointBound bound(s_.lattice.edge[0], s_.lattice.edge[1], s_.lattice.edge[2]);
    finder_.start(s_.plan, s_.translations, s_.lattice);
    shortest_square_ = 1e300;
    for (int p = 0; p < s_.plan.count; ++p) largest_real_[p] = 0;
    fewest_near_ = fewest_all_ = static_cast<std::size_t>(-1);
    self_sums();
    for (std::ptrdiff_t j0 = 0; j0 < atoms_; j0 += tile)
      for (std::ptrdiff_t i0 = j0; i0 < atoms_; i0 += tile) pair_tile(i0, j0);
    certify(bound, certificate);
  }

 private:
  // All atoms have the same sum over their own images.
  void self_sums() {
    batch_.clear();
    batch_.add(s_.lattice, s_.atoms, 0, 0, 1);
    evaluate_batch();
    for (int p = 0; p < s_.plan.count; ++p) {
      const Summand& summand = s_.summands[p];
      const double value = real_[p][0] + summand.weight_sum + summand.background - summand.self;
      for (std::ptrdiff_t i = 0; i < atoms_; ++i) sums_[p][i * atoms_ + i] = value;
    }
  }

  void pair_tile(std::ptrdiff_t i0, std::ptrdiff_t j0) {
    const std::ptrdiff_t i1 = i0 + tile < atoms_ ? i0 + tile : atoms_;
    const std::ptrdiff_t j1 = j0 + tile < atoms_ ? j0 + tile : atoms_;
    if (s_.weight_rows > 0) reciprocal_tile(i0, i1, j0, j1);
    batch_.clear();
    for (std::ptrdiff_t i = i0; i < i1; ++i) {
      const std::ptrdiff_t last = i < j1 ? i : j1;
      for (std::ptrdiff_t j = j0; j < last;) {
        const std::ptrdiff_t end = j + batch_.room() < last ? j + batch_.room() : last;
        batch_.add(s_.lattice, s_.atoms, i, j, end);
        j = end;
        if (batch_.room() == 0) finish_batch(i0, j0);
      }
    }
    if (batch_.count > 0) finish_batch(i0, j0);
  }

  void finish_batch(std::ptrdiff_t i0, std::ptrdiff_t j0) {
    evaluate_batch();
    for (int p = 0; p < s_.plan.count; ++p) {
      const Summand& summand = s_.summands[p];
      for (int r = 0; r < batch_.run_count; ++r) {
        const PairBatch::Run& run = batch_.runs[r];
        const double* waves = summand.weight_row < 0 ? zeros_ : reciprocal_[summand.weight_row][run.i - i0];
        double *row = sums_[p] + run.i * atoms_, *column = sums_[p] + run.i;
        for (std::ptrdiff_t j = run.first; j < run.last; ++j) {
          const int n = run.offset + static_cast<int>(j - run.first);
          double value = real_[p][n] + summand.background + waves[j - j0];
          if (batch_.coincident[n]) value -= summand.self;
          row[j] = value;
          column[j * atoms_] = value;
        }
      }
    }
    batch_.clear();
  }

  // Real-space sums of the batch's pairs, for all potentials.
  void evaluate_batch() {
    finder_.find<false>(batch_);
    evaluate_all(finder_.near, near_values_, false);
    if (finder_.far.count > 0) evaluate_all(finder_.far, far_values_, true);
    sum_batch();
    shortest_of(finder_.near);
    shortest_of(finder_.far);
  }

  // Values of every potential (of the direct ones only, on far images), a row of `values` each. The usual three are
  // evaluated together.
  void evaluate_all(const ImageList& list, Buffer<double>& values, bool direct_only) {
    const std::size_t stride = padded(list.count) + width;
    double* first = values.require(s_.plan.count * stride);
    const double t = s_.plan.splitting, volume = s_.plan.volume;
    double* rows[most_potentials];
    for (int p = 0; p < s_.plan.count; ++p) rows[p] = first + p * stride;
    bool done[most_potentials] = {};
    const int coulomb = s_.index(Method::coulomb), london = s_.index(Method::london);
    const int pauli = s_.index(Method::pauli_direct);
    if (!direct_only && coulomb >= 0 && london >= 0) {
      double* const to[3] = {rows[coulomb], rows[london], pauli < 0 ? nullptr : rows[pauli]};
      if (pauli >= 0)
        evaluate_images(list, t, to, Coulomb(0, t, volume), London(0, t, volume),
                        PauliDirect(s_.plan.terms[pauli].parameter, t, volume));
      else
        evaluate_images(list, t, to, Coulomb(0, t, volume), London(0, t, volume));
      done[coulomb] = done[london] = true;
      if (pauli >= 0) done[pauli] = true;
    }
    for (int p = 0; p < s_.plan.count; ++p) {
      if (done[p] || (direct_only && !s_.summands[p].direct)) continue;
      with_potential(s_.plan.terms[p], t, volume,
                     [&](const auto& potential) { evaluate_images(list, t, rows + p, potential); });
    }
  }

  void sum_batch() {
    const int count = s_.plan.count;
    const std::size_t near_stride = padded(finder_.near.count) + width, far_stride = padded(finder_.far.count) + width;
    for (int n = 0; n < batch_.count; ++n) {
      add_segment(finder_.near, near_values_.data(), near_stride, n, false);
      const std::size_t extra = batch_.coincident[n] ? 1 : 0;
      const std::size_t near_images = finder_.near.begin[n + 1] - finder_.near.begin[n] + extra;
      fewest_near_ = near_images < fewest_near_ ? near_images : fewest_near_;
      if (finder_.far.count > 0) add_segment(finder_.far, far_values_.data(), far_stride, n, true);
      const std::size_t all_images = near_images + finder_.far.begin[n + 1] - finder_.far.begin[n];
      fewest_all_ = all_images < fewest_all_ ? all_images : fewest_all_;
    }
    for (int p = 0; p < count; ++p)
      for (int n = 0; n < batch_.count; ++n)
        largest_real_[p] = real_[p][n] > largest_real_[p] ? real_[p][n] : largest_real_[p];
  }

  void add_segment(const ImageList& list, const double* values, std::size_t stride, int n, bool far) {
    const std::size_t begin = list.begin[n], end = list.begin[n + 1], rest = (end - begin) % width;
    const std::size_t whole = end - rest;
    const Mask tail = tail_mask(rest);
    if (s_.plan.count == 3 && !far) {  // the usual number: one loop instead of three
      const double *a = values, *b = values + stride, *c = values + 2 * stride;
      Vector first = (Vector)((Mask)load(a + whole) & tail), second = (Vector)((Mask)load(b + whole) & tail),
             third = (Vector)((Mask)load(c + whole) & tail);
      for (std::size_t i = begin; i < whole; i += width)
        first += load(a + i), second += load(b + i), third += load(c + i);
      real_[0][n] = sum(first), real_[1][n] = sum(second), real_[2][n] = sum(third);
      return;
    }
    for (int p = 0; p < s_.plan.count; ++p) {
      if (far && !s_.summands[p].direct) continue;
      const double total = sum(segment_total(values + p * stride, begin, whole, tail));
      real_[p][n] = far ? real_[p][n] + total : total;
    }
  }

  void shortest_of(const ImageList& list) {
    Vector least = broadcast(shortest_square_);
    for (std::size_t i = 0; i < list.count; i += width) least = minimum(least, load(list.square.data() + i));
    shortest_square_ = smallest(least);
  }

  void reciprocal_tile(std::ptrdiff_t i0, std::ptrdiff_t i1, std::ptrdiff_t j0, std::ptrdiff_t j1) {
    const std::size_t waves = s_.waves.count();
    for (int row = 0; row < s_.weight_rows; row += 2) {
      const bool two = row + 1 < s_.weight_rows;
      for (std::size_t begin = 0; begin < waves; begin += wave_block) {
        const std::size_t end = begin + wave_block < waves ? begin + wave_block : waves;
        for (std::ptrdiff_t j = j0; j < j1; j += width)
          for (std::ptrdiff_t i = i0 > j ? i0 : j + 1; i < i1;) {
            const std::ptrdiff_t next = i / rows * rows + rows < i1 ? i / rows * rows + rows : i1;
            const Block block = {row, begin, end, i, j, i - i0, j - j0};
            if (two)
              pair_block_of<2>(block, next - i);
            else
              pair_block_of<1>(block, next - i);
            i = next;
          }
      }
    }
  }

  struct Block {
    int row;                    // first row of weights
    std::size_t begin, end;     // waves
    std::ptrdiff_t i, j;        // first atoms
    std::ptrdiff_t to_i, to_j;  // where they stand in the tile
  };

  template <int potentials>
  void pair_block_of(const Block& block, std::ptrdiff_t height) {
    if (height == 4) return pair_block<potentials, 4>(block);
    if (height == 3) return pair_block<potentials, 3>(block);
    if (height == 2) return pair_block<potentials, 2>(block);
    pair_block<potentials, 1>(block);
  }

  // Sum over waves of w cos(2 pi k.(rj - ri)) = w (ci cj + si sj), for some i, a group of j and some potentials.
  template <int potentials, int height>
  void pair_block(const Block& block) {
    const double *cj = s_.cosines.data() + s_.group(block.j), *sj = s_.sines.data() + s_.group(block.j);
    const double *ci[height], *si[height], *weight[potentials];
    Vector total[potentials][height];
    for (int r = 0; r < height; ++r) {
      const std::size_t at = s_.group(block.i + r) + (block.i + r) % width;
      ci[r] = s_.cosines.data() + at, si[r] = s_.sines.data() + at;
    }
    for (int p = 0; p < potentials; ++p) {
      weight[p] = s_.weight_row(block.row + p);
      for (int r = 0; r < height; ++r) total[p][r] = broadcast(0);
    }
    for (std::size_t k = block.begin; k < block.end; ++k) {
      const Vector c = load(cj + k * width), s = load(sj + k * width);
      for (int r = 0; r < height; ++r) {
        const Vector cosine = c * ci[r][k * width] + s * si[r][k * width];
        for (int p = 0; p < potentials; ++p) total[p][r] += cosine * weight[p][k];
      }
    }
    for (int p = 0; p < potentials; ++p)
      for (int r = 0; r < height; ++r) {
        double* to = reciprocal_[block.row + p][block.to_i + r] + block.to_j;
        store(to, block.begin == 0 ? total[p][r] : total[p][r] + load(to));
      }
  }

  // Truncation, (4.3), (4.5) and (4.6) of docs/theory/lattice-sums.md, and rounding, (5.1).
  void certify(const PointBound& bound, double* certificate) const {
    const Lattice& l = s_.lattice;
    const PointBound dual(1 / l.edge[0], 1 / l.edge[1], 1 / l.edge[2]);
    const double known_waves = 2.0 * static_cast<double>(s_.waves.count()) + 1;
    for (int p = 0; p < s_.plan.count; ++p) {
      const Summand& summand = s_.summands[p];
      certificate[p] = with_potential(summand.term, s_.plan.splitting, s_.plan.volume, [&](const auto& potential) {
        const double known = static_cast<double>(summand.direct ? fewest_all_ : fewest_near_);
        double truncation = real_truncation(potential, bound, summand.cutoff, known);
        if (!summand.direct)
          truncation += reciprocal_truncation(potential, dual, s_.plan.reciprocal_cutoff, known_waves);
        return truncation * (1 + 1e-9) + rounding(potential, summand, largest_real_[p]);
      });
    }
  }

  template <class Potential>
  double rounding(const Potential& potential, const Summand& summand, double largest_real) const {
    const Lattice& l = s_.lattice;
    const double reach = summand.cutoff + l.edge[0] + l.edge[1] + l.edge[2] + std::fabs(l.skew10) +
                         std::fabs(l.skew20) + std::fabs(l.skew21);
    const double shift = 4 * machine_epsilon * reach;
    const double shortest = std::sqrt(shortest_square_);
    const double images = static_cast<double>(s_.translations.count());
    const double additions = images / width + 8;
    double error = largest_real *
                   (machine_epsilon * (potential.relative_error + 4 * potential.exponent(summand.cutoff) + additions) +
                    shift * potential.steepness(shortest, summand.cutoff));
    error += 8 * machine_epsilon * (std::fabs(summand.background) + summand.self);
    const double waves = static_cast<double>(s_.stride) / width + 16;
    const double steps = 2 * pi * std::sqrt(summand.weight_sum * summand.weight_square_sum);
    error += summand.weight_sum * machine_epsilon * (potential.relative_weight_error + waves + 64) + shift * steps;
    return error;
  }

  Setting& s_;
  ImageFinder finder_;
  PairBatch batch_;
  Buffer<double> near_values_, far_values_;
  double* const* sums_ = nullptr;
  std::ptrdiff_t atoms_ = 0;
  double real_[most_potentials][batch_length];
  double reciprocal_[most_potentials][tile][tile];
  double zeros_[tile] = {};
  double largest_real_[most_potentials], shortest_square_ = 0;
  std::size_t fewest_near_ = 0, fewest_all_ = 0;
};

}  // namespace madelung::MADELUNG_VARIANT
