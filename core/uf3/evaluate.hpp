// Energies, forces and virial of a UF3 potential.
//
// For each neighbour j of an atom i, the coefficients of V3 are first contracted with the splines of r_ij (equation 8
// of docs/theory/uf3.md); what is left for each further neighbour k is a 4 x 4 sum instead of a 4 x 4 x 4 one.
#pragma once

#include <cstdint>

#include "uf3/splines.hpp"

namespace madelung::MADELUNG_VARIANT {

class Evaluator {
 public:
  void run(const uf3::Model& model, const uf3::Atoms& atoms, std::int64_t begin, std::int64_t end,
           const uf3::Sums& sums) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t first = atoms.starts[i], last = atoms.starts[i + 1];
      double* gradient = gradient_.require(static_cast<std::size_t>(4 * (last - first)));
      double energy = pair_energy(model, atoms, i, gradient);
      for (int a = 0; a < model.species; ++a)
        for (int b = a; b < model.species; ++b)
          if (const uf3::Triplet* triplet = model.triplet(atoms.species[i], a, b))
            energy += triplet_energy(*triplet, atoms, i, a, b, gradient);
      sums.energies[i] = energy;
      scatter(atoms, i, gradient, sums);
    }
  }

 private:
  Buffer<double> gradient_;  // four lanes for each neighbour: by its vector, by its distance
  Buffer<double> rows_, row_slopes_;
  Buffer<double> inverse_distance_, coordinate_;
  Buffer<std::int64_t> interval_;
  Side sides_[2];

  static double pair_energy(const uf3::Model& model, const uf3::Atoms& atoms, std::int64_t i, double* gradient) {
    double energy = 0;
    for (std::int64_t p = atoms.starts[i]; p < atoms.starts[i + 1]; ++p, gradient += 4) {
      const uf3::Pair* pair = model.pair(atoms.species[i], atoms.species[atoms.indices[p]]);
      const double r = atoms.distances[p];
      double slope = 0;
      if (pair != nullptr && r < pair->axis.upper) {
        const double held = r > pair->axis.lower ? r : pair->axis.lower;
        const Place place = place_of(pair->axis, held);
        const double* c = pair->polynomials + 4 * place.interval;
        const double u = place.u, quadratic = c[2] + u * c[3], linear = c[1] + u * quadratic;
        slope = (linear + u * (quadratic + u * c[3])) * pair->axis.inverse_widths[place.interval];
        // Below the first knot V2 goes on along its tangent.
        energy += c[0] + u * linear + slope * (r - held);
      }
      store_four(gradient, Four{0, 0, 0, slope});
    }
    return energy;
  }

  double triplet_energy(const uf3::Triplet& triplet, const uf3::Atoms& atoms, std::int64_t i, int a, int b,
                        double* gradient) {
    const std::int64_t first = atoms.starts[i], last = atoms.starts[i + 1];
    sides_[0].fill(atoms, first, last, a, triplet.ij);
    if (a != b) sides_[1].fill(atoms, first, last, b, triplet.ik);
    Side &one = sides_[0], &other = sides_[a == b ? 0 : 1];
    double energy = 0;
    for (std::int64_t j = 0; j < one.count; ++j) energy += neighbour_energy(triplet, one, j, other, a == b ? j + 1 : 0);
    for (int side = 0; side < (a == b ? 1 : 2); ++side)
      for (std::int64_t q = 0; q < sides_[side].count; ++q) {
        double* to = gradient + 4 * (sides_[side].pair[q] - first);
        store_four(to, load_four(to) + load_four(&sides_[side].gradient[4 * q]));
      }
    return energy;
  }

  // The terms of neighbour j of `one` with neighbours k >= begin of `other`.
  double neighbour_energy(const uf3::Triplet& triplet, Side& one, std::int64_t j, Side& other, std::int64_t begin) {
    if (begin >= other.count) return 0;
    std::int32_t lowest = triplet.jk.intervals, highest = -1;
    measure(triplet.jk, one, j, other, begin, lowest, highest);
    if (highest < 0) return 0;
    std::int32_t first_row = triplet.ik.intervals, last_row = 0;
    for (std::int64_t k = begin; k < other.count; ++k) {
      const std::int32_t row = other.interval[k];
      first_row = row < first_row ? row : first_row;
      last_row = row > last_row ? row : last_row;
    }
    contract(triplet, one, j, first_row, last_row + 4, lowest / width * width, highest + 4);

    const Four here = load_four(&one.vector[4 * j]);
    Four total{}, pull{};
    for (std::int64_t k = begin; k < other.count; ++k) {
      const std::int32_t interval = static_cast<std::int32_t>(interval_[k]);
      if (interval < 0) continue;
      const Basis jk = basis_at(triplet.jk, interval, coordinate_[k]);
      const std::ptrdiff_t corner = static_cast<std::ptrdiff_t>(other.interval[k]) * triplet.row + interval;
      const double *values = &other.values[4 * k], *slopes = &other.slopes[4 * k];
      Four sum{}, sum_ij{}, sum_ik{};
      for (int s = 0; s < 4; ++s) {
        const Four row = load_four(rows_.data() + corner + s * triplet.row);
        const Four row_slope = load_four(row_slopes_.data() + corner + s * triplet.row);
        sum += values[s] * row;
        sum_ik += slopes[s] * row;
        sum_ij += values[s] * row_slope;
      }
      // Lanes: energy, and its derivatives by r_jk, r_ij, r_ik.
      const Four term = lane_sums(sum * jk.values, sum * jk.slopes, sum_ij * jk.values, sum_ik * jk.values);
      const Four along = (load_four(&other.vector[4 * k]) - here) * (term[1] * inverse_distance_[k]);
      const Four on_k{along[0], along[1], along[2], term[3]};
      store_four(&other.gradient[4 * k], load_four(&other.gradient[4 * k]) + on_k);
      pull += along;
      total += term;
    }
    const Four on_j{-pull[0], -pull[1], -pull[2], total[2]};
    store_four(&one.gradient[4 * j], load_four(&one.gradient[4 * j]) + on_j);
    return total[0];
  }

  // Intervals (-1: not held) and coordinates of all r_jk, and the range of the intervals.
  void measure(const uf3::Axis& axis, const Side& one, std::int64_t j, const Side& other, std::int64_t begin,
               std::int32_t& lowest, std::int32_t& highest) {
    const std::size_t count = static_cast<std::size_t>(other.count);
    double* inverse = inverse_distance_.require(count);
    double* coordinate = coordinate_.require(count);
    std::int64_t* interval = interval_.require(count);
    const Vector x = broadcast(one.x[j]), y = broadcast(one.y[j]), z = broadcast(one.z[j]);
    for (std::int64_t k = begin; k < other.count; k += width) {
      const Vector dx = load(&other.x[k]) - x, dy = load(&other.y[k]) - y, dz = load(&other.z[k]) - z;
      const Vector r = square_root(dx * dx + dy * dy + dz * dz);
      store(coordinate + k, r);
      store(inverse + k, 1.0 / r);
    }
    for (std::int64_t k = begin; k < other.count; ++k) {
      const double r = coordinate[k];
      interval[k] = -1;
      if (!axis.holds(r)) continue;
      const Place place = place_of(axis, r);
      interval[k] = place.interval;
      coordinate[k] = place.u;
      lowest = place.interval < lowest ? place.interval : lowest;
      highest = place.interval > highest ? place.interval : highest;
    }
  }

  // Sums over the splines of r_ij, and over their slopes, of the coefficients in some rows and columns.
  void contract(const uf3::Triplet& triplet, const Side& one, std::int64_t j, std::int32_t first_row,
                std::int32_t last_row, std::int32_t first_column, std::int32_t last_column) {
    const std::ptrdiff_t row = triplet.row, rows = triplet.ik.intervals + 3, layer = rows * row;
    double* sums = rows_.require(static_cast<std::size_t>(layer));
    double* slopes = row_slopes_.require(static_cast<std::size_t>(layer));
    const double* from = triplet.coefficients + one.interval[j] * layer;
    Vector value[4], slope[4];
    for (int s = 0; s < 4; ++s) {
      value[s] = broadcast(one.values[4 * j + s]);
      slope[s] = broadcast(one.slopes[4 * j + s]);
    }
    for (std::ptrdiff_t m = first_row; m < last_row; ++m)
      for (std::ptrdiff_t n = m * row + first_column; n < m * row + last_column; n += width) {
        const Vector c0 = load(from + n), c1 = load(from + n + layer), c2 = load(from + n + 2 * layer),
                     c3 = load(from + n + 3 * layer);
        store(sums + n, value[0] * c0 + value[1] * c1 + value[2] * c2 + value[3] * c3);
        store(slopes + n, slope[0] * c0 + slope[1] * c1 + slope[2] * c2 + slope[3] * c3);
      }
  }

  static void scatter(const uf3::Atoms& atoms, std::int64_t i, const double* gradient, const uf3::Sums& sums) {
    Four own{};
    Four virial[3] = {};
    for (std::int64_t p = atoms.starts[i]; p < atoms.starts[i + 1]; ++p, gradient += 4) {
      const double* d = atoms.vectors + 3 * p;
      const double along = gradient[3] / atoms.distances[p];
      const Four by_vector{gradient[0] + along * d[0], gradient[1] + along * d[1], gradient[2] + along * d[2], 0};
      double* force = sums.forces + 3 * atoms.indices[p];
      for (int axis = 0; axis < 3; ++axis) {
        force[axis] -= by_vector[axis];
        virial[axis] += d[axis] * by_vector;
      }
      own += by_vector;
    }
    for (int axis = 0; axis < 3; ++axis) {
      sums.forces[3 * i + axis] += own[axis];
      for (int other = 0; other < 3; ++other) sums.virial[3 * axis + other] += virial[axis][other];
    }
  }
};

}  // namespace madelung::MADELUNG_VARIANT
