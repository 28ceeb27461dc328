// Derivatives of energy, forces and virial of a UF3 potential by its coefficients (equations 9 to 11 of
// docs/theory/uf3.md).
#pragma once

#include <cstdint>

#include "uf3/splines.hpp"

namespace madelung::MADELUNG_VARIANT {

class Featurizer {
 public:
  void run(const uf3::Model& model, const uf3::Atoms& atoms, const uf3::Rows& rows) {
    for (std::int64_t i = 0; i < atoms.count; ++i) {
      add_pairs(model, atoms, i, rows);
      for (int a = 0; a < model.species; ++a)
        for (int b = a; b < model.species; ++b)
          if (const uf3::Triplet* triplet = model.triplet(atoms.species[i], a, b))
            add_triplets(*triplet, model.width, atoms, i, a, b, rows);
    }
  }

 private:
  Side sides_[2];

  static void add_pairs(const uf3::Model& model, const uf3::Atoms& atoms, std::int64_t i, const uf3::Rows& rows) {
    const std::int64_t width = model.width;
    for (std::int64_t p = atoms.starts[i]; p < atoms.starts[i + 1]; ++p) {
      const std::int64_t j = atoms.indices[p];
      const uf3::Pair* pair = model.pair(atoms.species[i], atoms.species[j]);
      const double r = atoms.distances[p];
      if (pair == nullptr || r >= pair->axis.upper) continue;
      const double held = r > pair->axis.lower ? r : pair->axis.lower;
      const Place place = place_of(pair->axis, held);
      Basis basis = basis_at(pair->axis, place.interval, place.u);
      basis.values += (r - held) * basis.slopes;
      const double* d = atoms.vectors + 3 * p;
      for (int s = 0; s < 4; ++s) {
        const std::int64_t column = pair->features[place.interval + s];
        rows.energy[column] += basis.values[s];
        const double along = basis.slopes[s] / r;
        if (rows.forces != nullptr)
          for (int axis = 0; axis < 3; ++axis) {
            rows.forces[(3 * i + axis) * width + column] += along * d[axis];
            rows.forces[(3 * j + axis) * width + column] -= along * d[axis];
          }
        if (rows.virial != nullptr)
          for (int v = 0; v < 6; ++v) rows.virial[v * width + column] += along * d[row_of(v)] * d[column_of(v)];
      }
    }
  }

  static constexpr int row_of(int v) { return v < 3 ? v : (v == 3 ? 1 : 0); }
  static constexpr int column_of(int v) { return v < 3 ? v : (v == 5 ? 1 : 2); }

  void add_triplets(const uf3::Triplet& triplet, std::int64_t width, const uf3::Atoms& atoms, std::int64_t i, int a,
                    int b, const uf3::Rows& rows) {
    sides_[0].fill(atoms, atoms.starts[i], atoms.starts[i + 1], a, triplet.ij);
    if (a != b) sides_[1].fill(atoms, atoms.starts[i], atoms.starts[i + 1], b, triplet.ik);
    const Side &one = sides_[0], &other = sides_[a == b ? 0 : 1];
    for (std::int64_t j = 0; j < one.count; ++j)
      for (std::int64_t k = a == b ? j + 1 : 0; k < other.count; ++k) {
        const double dx = other.x[k] - one.x[j], dy = other.y[k] - one.y[j], dz = other.z[k] - one.z[j];
        const double r = std::sqrt(dx * dx + dy * dy + dz * dz);
        if (!triplet.jk.holds(r)) continue;
        const double along[3] = {dx / r, dy / r, dz / r};
        add_triplet(triplet, width, atoms, i, one, j, other, k, r, along, rows);
      }
  }

  static void add_triplet(const uf3::Triplet& triplet, std::int64_t width, const uf3::Atoms& atoms, std::int64_t i,
                          const Side& one, std::int64_t j, const Side& other, std::int64_t k, double r,
                          const double* along, const uf3::Rows& rows) {
    const Place place = place_of(triplet.jk, r);
    const Basis jk = basis_at(triplet.jk, place.interval, place.u);
    const double* dj = atoms.vectors + 3 * one.pair[j];
    const double* dk = atoms.vectors + 3 * other.pair[k];
    const double over_ij = 1 / one.distance[j], over_ik = 1 / other.distance[k];
    const std::int64_t row_i = 3 * i * width, row_j = 3 * atoms.indices[one.pair[j]] * width,
                       row_k = 3 * atoms.indices[other.pair[k]] * width;
    const std::int64_t columns = triplet.ik.intervals + 3;
    for (int s = 0; s < 4; ++s)
      for (int t = 0; t < 4; ++t) {
        const std::int64_t begin =
            triplet.features[(one.interval[j] + s) * columns + other.interval[k] + t] + place.interval;
        const double value = one.values[4 * j + s] * other.values[4 * k + t];
        const Four by_ij = (one.slopes[4 * j + s] * other.values[4 * k + t] * over_ij) * jk.values;
        const Four by_ik = (one.values[4 * j + s] * other.slopes[4 * k + t] * over_ik) * jk.values;
        const Four by_jk = value * jk.slopes;
        add(rows.energy + begin, value * jk.values);
        Four on_j[3], on_k[3];
        for (int axis = 0; axis < 3; ++axis) {
          const Four across = along[axis] * by_jk;
          on_j[axis] = dj[axis] * by_ij - across;
          on_k[axis] = dk[axis] * by_ik + across;
        }
        if (rows.forces != nullptr)
          for (int axis = 0; axis < 3; ++axis) {
            double* forces = rows.forces + axis * width + begin;
            add(forces + row_i, on_j[axis] + on_k[axis]);
            add(forces + row_j, -on_j[axis]);
            add(forces + row_k, -on_k[axis]);
          }
        if (rows.virial != nullptr)
          for (int v = 0; v < 6; ++v)
            add(rows.virial + v * width + begin, dj[row_of(v)] * on_j[column_of(v)] + dk[row_of(v)] * on_k[column_of(v)]);
      }
  }

  static void add(double* to, Four value) { store_four(to, load_four(to) + value); }
};

}  // namespace madelung::MADELUNG_VARIANT
