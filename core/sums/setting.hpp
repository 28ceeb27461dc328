// One crystal set up for its sums: what forward and backward share.
#pragma once

#include "sums/images.hpp"

namespace madelung::MADELUNG_VARIANT {

// Constants of a term, and its reciprocal weights, twice since only one of k and -k is kept.
struct Summand {
  Term term;
  double background, background_by_parameter, self, self_by_parameter;
  double cutoff;
  double weight_sum = 0, weight_square_sum = 0;  // of w, and of w k^2
  int weight_row = -1;                           // its row of weights; -1: none
  bool direct;
};

class Setting {
 public:
  Lattice lattice;
  Plan plan;
  Translations translations;
  Waves waves;
  Atoms atoms;
  Summand summands[most_potentials];
  Buffer<double> weights;
  Buffer<double> cosines, sines;  // of atom i and wave k at group(i) + k * width + i % width
  int weight_rows = 0;
  std::size_t stride = 0;  // doubles in a row of waves

  bool prepare(const Job& job) {
    if (!reduce(job.cell, lattice)) return false;
    Planner planner(lattice, job);
    planner.make(plan);
    translations.enumerate(lattice, plan.real_cutoff(), job.atoms > 1);
    waves.enumerate(lattice, plan.reciprocal_cutoff);
    stride = padded(waves.count());
    atoms.wrap(lattice, job.positions, job.atoms);
    make_summands();
    make_phases(job.atoms);
    return true;
  }

  // Where the phases of the atom's group begin.
  std::size_t group(std::ptrdiff_t i) const { return i / width * width * waves.count(); }

  // Where a method stands among the terms, or -1.
  int index(Method method) const {
    for (int p = 0; p < plan.count; ++p)
      if (plan.terms[p].method == method) return p;
    return -1;
  }

  const double* weight_row(int row) const { return weights.data() + row * stride; }

 private:
  void make_summands() {
    weight_rows = 0;
    for (int p = 0; p < plan.count; ++p) weight_rows += has_weights(plan.terms[p]) ? 1 : 0;
    double* row = weights.require(weight_rows * stride);
    int next = 0;
    for (int p = 0; p < plan.count; ++p) {
      Summand& summand = summands[p];
      summand = Summand{};
      summand.term = plan.terms[p];
      summand.direct = is_direct(summand.term.method);
      summand.cutoff = plan.cutoff(summand.term);
      with_potential(summand.term, plan.splitting, plan.volume, [&](const auto& potential) {
        summand.background = potential.background;
        summand.background_by_parameter = potential.background_by_parameter;
        summand.self = potential.self;
        summand.self_by_parameter = potential.self_by_parameter;
        if (has_weights(summand.term)) fill_weights(potential, summand, row + next * stride);
      });
      if (has_weights(summand.term)) summand.weight_row = next++;
    }
  }

  bool has_weights(const Term& term) const { return waves.count() > 0 && !is_direct(term.method); }

  template <class Potential>
  void fill_weights(const Potential& potential, Summand& summand, double* row) const {
    Vector total = broadcast(0), square_total = broadcast(0);
    for (std::size_t k = 0; k < stride; k += width) {
      const Vector square = load(waves.square() + k);
      Vector weight = 2.0 * potential.weight(square);
      if (k + width > waves.count())
        weight = (Vector)((Mask)weight & first_lanes(static_cast<std::ptrdiff_t>(waves.count() - k)));
      store(row + k, weight);
      total += weight;
      square_total += weight * square;
    }
    summand.weight_sum = sum(total);
    summand.weight_square_sum = sum(square_total);
  }

  // Atoms come in groups, one in each lane.
  void make_phases(std::ptrdiff_t count) {
    if (weight_rows == 0 || count < 2) return;
    const std::size_t size = padded(count) * waves.count() + 2 * width;  // two waves more may be read
    double *c = cosines.require(size), *s = sines.require(size);
    for (std::ptrdiff_t i = 0; i < count; i += width) {
      const Vector fractional[3] = {load(&atoms.fractional[0][i]), load(&atoms.fractional[1][i]),
                                    load(&atoms.fractional[2][i])};
      waves.phases(fractional, c + i * waves.count(), s + i * waves.count());
    }
  }
};

}  // namespace madelung::MADELUNG_VARIANT
