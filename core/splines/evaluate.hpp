// Energies, forces and virials: section "Forces" of docs/theory/spline-potentials.md.
#pragma once

#include "splines/neighbourhood.hpp"
#include "splines/tables.hpp"

namespace madelung::MADELUNG_VARIANT {

class Evaluator {
 public:
  Evaluator(const SplineModel& model, const Surroundings& system, const Evaluated& result)
      : model_(model), system_(system), result_(result), near_(model) {
    for (const CubicTable& table : model.splines) lookups_.emplace_back(table);
    for (int type = 0; type < model.types; ++type) {
      const int angle = model.angle[type * model.types + type];
      straight_.push_back(angle < 0 ? 0 : point_of(model.splines[angle], 1.0).value);
    }
  }

  void run(std::ptrdiff_t atom) {
    near_.gather(system_, atom);
    for (Buffer<double>* part : {&pair_slope_, &radial_, &bond_, &bond_slope_, &side_x_, &side_y_, &side_z_})
      part->require(near_.size);
    const int type = system_.types[atom];
    double energy = 0, density = 0;
    for (int other = 0; other < model_.types; ++other) add_pairs(type, other, energy, density);
    for (int other = 0; other < model_.types; ++other) density += angular_density(other);
    const Point embedding = point_of(model_.splines[model_.embedding[type]], density);
    result_.energies[atom] += energy + embedding.value;
    result_.densities[atom] += density;
    add_forces(atom, embedding.slope);
  }

 private:
  // Pair energies and densities, the bond functions, and room for what the angles add.
  void add_pairs(int type, int other, double& energy, double& density) {
    const Block& block = near_.blocks[other];
    const Lookup& pair = lookups_[model_.pair[type * model_.types + other]];
    const Lookup& rho = lookups_[model_.density[type * model_.types + other]];
    const int bond = model_.bond[other];
    Vector energies{}, densities{};
    for (std::ptrdiff_t done = 0; done < block.count; done += width) {
      const std::ptrdiff_t at = block.begin + done;
      const Vector r = load(near_.distance.data() + at);
      const Mask real = first_lanes(block.count - done);
      const Curve phi = pair(r), one = rho(r);
      energies += select(real, phi.value, Vector{});
      densities += select(real, one.value, Vector{});
      store(pair_slope_.data() + at, 0.5 * phi.slope);
      store(radial_.data() + at, one.slope);
      for (Buffer<double>* part : {&side_x_, &side_y_, &side_z_}) store(part->data() + at, Vector{});
      if (done >= block.near) continue;
      const Mask angular = first_lanes(block.near - done);
      const Curve f = lookups_[bond](r);
      store(bond_.data() + at, select(angular, f.value, Vector{}));
      store(bond_slope_.data() + at, select(angular, f.slope, Vector{}));
    }
    energy += 0.5 * sum(energies);
    density += sum(densities);
  }

  // Half the sum over pairs of neighbours whose first one has the type; derivatives go to radial_ and side_.
  double angular_density(int type) {
    const Block& block = near_.blocks[type];
    double density = 0;
    for (std::ptrdiff_t j = block.begin; j < block.begin + block.near; ++j) {
      const double x = near_.x[j], y = near_.y[j], z = near_.z[j];
      Vector value{}, along_x{}, along_y{}, along_z{}, turning{};
      for (int other = 0; other < model_.types; ++other) {
        const Block& second = near_.blocks[other];
        if (second.near == 0) continue;
        const Lookup angle = lookups_[model_.angle[type * model_.types + other]];
        for (std::ptrdiff_t k = second.begin; k < second.begin + second.near; k += width) {
          const Vector kx = load(near_.x.data() + k), ky = load(near_.y.data() + k), kz = load(near_.z.data() + k);
          const Vector cosine = x * kx + y * ky + z * kz, f = load(bond_.data() + k);
          const Curve g = angle(cosine);
          const Vector slope = f * g.slope;
          value += f * g.value;
          along_x += slope * kx;
          along_y += slope * ky;
          along_z += slope * kz;
          turning += slope * cosine;
        }
      }
      // The vector of all neighbours held j itself, at an angle of zero, whose derivatives cancel.
      const double around = sum(value) - bond_[j] * straight_[type], turn = sum(turning);
      const double side = bond_[j] / near_.distance[j];
      density += 0.5 * bond_[j] * around;
      radial_[j] += bond_slope_[j] * around;
      side_x_[j] = side * (sum(along_x) - turn * x);
      side_y_[j] = side * (sum(along_y) - turn * y);
      side_z_[j] = side * (sum(along_z) - turn * z);
    }
    return density;
  }

  void add_forces(std::ptrdiff_t atom, double slope) {
    double* virial = result_.virials + 9 * system_.structures[atom];
    double own[3] = {0, 0, 0};
    for (const Block& block : near_.blocks)
      for (std::ptrdiff_t j = block.begin; j < block.begin + block.count; ++j) {
        const double radial = pair_slope_[j] + slope * radial_[j], r = near_.distance[j];
        const double unit[3] = {near_.x[j], near_.y[j], near_.z[j]};
        const double pull[3] = {radial * unit[0] + slope * side_x_[j], radial * unit[1] + slope * side_y_[j],
                                radial * unit[2] + slope * side_z_[j]};
        double* force = result_.forces + 3 * near_.index[j];
        for (int a = 0; a < 3; ++a) {
          force[a] -= pull[a];
          own[a] += pull[a];
          for (int b = 0; b < 3; ++b) virial[3 * a + b] += r * unit[a] * pull[b];
        }
      }
    for (int a = 0; a < 3; ++a) result_.forces[3 * atom + a] += own[a];
  }

  const SplineModel& model_;
  const Surroundings& system_;
  const Evaluated& result_;
  Neighbourhood near_;
  std::vector<Lookup> lookups_;
  std::vector<double> straight_;  // g(1) between neighbours of one type
  Buffer<double> pair_slope_, radial_, bond_, bond_slope_, side_x_, side_y_, side_z_;
};

}  // namespace madelung::MADELUNG_VARIANT
