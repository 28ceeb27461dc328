// Derivatives of energies, densities, forces and virials with respect to all B-spline coefficients: section
// "Derivatives by the coefficients" of docs/theory/spline-potentials.md.
#pragma once

#include <utility>

#include "splines/neighbourhood.hpp"
#include "splines/tables.hpp"

namespace madelung::MADELUNG_VARIANT {

class Differentiator {
 public:
  Differentiator(const SplineModel& model, const Surroundings& system, const Evaluated& result,
                 const ParameterDerivatives& derivatives)
      : model_(model), system_(system), result_(result), out_(derivatives), near_(model), count_(model.parameters),
        first_(model.first_bond_parameter), angular_(model.parameters - model.first_bond_parameter),
        own_(3 * model.parameters), pull_(3 * model.parameters), by_density_(model.parameters) {}

  void run(std::ptrdiff_t atom) {
    near_.gather(system_, atom);
    type_ = system_.types[atom];
    prepare();
    std::fill(by_density_.begin(), by_density_.end(), 0.0);
    double energy = 0, density = 0;
    for_each_neighbour([&](int, std::ptrdiff_t j, bool) {
      Neighbour& one = neighbours_[j];
      energy += 0.5 * one.pair.value;
      density += one.density.value;
      for (int m = 0; m < 4; ++m) {
        out_.energies[atom * count_ + one.pair_weights.first + m] += 0.5 * one.pair_weights.value[m];
        by_density_[one.density_weights.first + m] += one.density_weights.value[m];
      }
    });
    density += add_angles();
    const CubicTable& table = model_.splines[model_.embedding[type_]];
    const Point embedding = point_of(table, density);
    const Weights weights = weights_of(table, density);
    result_.energies[atom] += energy + embedding.value;
    result_.densities[atom] += density;
    for (int m = 0; m < 4; ++m) out_.energies[atom * count_ + weights.first + m] += weights.value[m];
    for (std::ptrdiff_t p = 0; p < count_; ++p) {
      out_.energies[atom * count_ + p] += embedding.slope * by_density_[p];
      out_.densities[atom * count_ + p] += by_density_[p];
    }
    add_forces(atom, embedding, weights);
  }

 private:
  // Sums over the third atoms k, and their lanes: values of g, g' times the unit vector of k, g' times the cosine.
  using Sums = double __attribute__((vector_size(64)));

  struct Neighbour {
    Point pair, density, bond;
    Weights pair_weights, density_weights, bond_weights;
    double across[3];   // derivative of the density by the direction of j, divided by f(j)/r(j)
    double around;      // sum over k of f(k) g(jk)
    Sums whole;         // sums over k of f(k) times the lanes
  };

  template <class Work>
  void for_each_neighbour(Work&& work) {
    for (int other = 0; other < model_.types; ++other) {
      const Block& block = near_.blocks[other];
      for (std::ptrdiff_t j = block.begin; j < block.begin + block.count; ++j)
        work(other, j, j < block.begin + block.near);
    }
  }

  void prepare() {
    neighbours_.resize(near_.size);
    angular_neighbours_.clear();
    directions_.require(near_.size);
    sums_.require(near_.size * angular_);
    for_each_neighbour([&](int other, std::ptrdiff_t j, bool near) {
      const double r = near_.distance[j];
      const CubicTable &pair = model_.splines[model_.pair[type_ * model_.types + other]],
                       &density = model_.splines[model_.density[type_ * model_.types + other]];
      Neighbour& one = neighbours_[j];
      one.pair = point_of(pair, r);
      one.pair_weights = weights_of(pair, r);
      one.density = point_of(density, r);
      one.density_weights = weights_of(density, r);
      directions_[j] = Sums{0, near_.x[j], near_.y[j], near_.z[j]};
      if (!near) return;
      const CubicTable& bond = model_.splines[model_.bond[other]];
      one.bond = point_of(bond, r);
      one.bond_weights = weights_of(bond, r);
      one.whole = Sums{};
      angular_neighbours_.push_back({other, j});
      std::fill(sums_.data() + j * angular_, sums_.data() + (j + 1) * angular_, Sums{});
    });
  }

  double add_angles() {
    const std::size_t count = angular_neighbours_.size();
    for (std::size_t first = 0; first < count; ++first)
      for (std::size_t second = first + 1; second < count; ++second) {
        const auto [type, j] = angular_neighbours_[first];
        const auto [other, k] = angular_neighbours_[second];
        const CubicTable& angle = model_.splines[model_.angle[type * model_.types + other]];
        const double cosine = near_.x[j] * near_.x[k] + near_.y[j] * near_.y[k] + near_.z[j] * near_.z[k];
        const Point g = point_of(angle, cosine);
        const Weights weights = weights_of(angle, cosine);
        add_angle(j, k, cosine, g, weights);
        add_angle(k, j, cosine, g, weights);
      }
    double density = 0;
    for (const auto& [type, j] : angular_neighbours_) density += finish_angles(j);
    return density;
  }

  void add_angle(std::ptrdiff_t j, std::ptrdiff_t k, double cosine, const Point& g, const Weights& weights) {
    const Neighbour& third = neighbours_[k];
    Sums* sums = sums_.data() + j * angular_ - first_;
    Sums turned = directions_[k];
    turned[4] = cosine;
    Sums term = g.slope * turned;
    term[0] = g.value;
    neighbours_[j].whole += third.bond.value * term;
    Sums* by_bond = sums + third.bond_weights.first;
    for (int m = 0; m < 4; ++m) by_bond[m] += third.bond_weights.value[m] * term;
    const Sums bond_turned = third.bond.value * turned, bond = {third.bond.value};
    Sums* by_angle = sums + weights.first;
    for (int m = 0; m < 4; ++m) by_angle[m] += weights.value[m] * bond + weights.slope[m] * bond_turned;
  }

  double finish_angles(std::ptrdiff_t j) {
    const Sums* sums = sums_.data() + j * angular_;
    Neighbour& one = neighbours_[j];
    one.around = one.whole[0];
    for (int a = 0; a < 3; ++a) one.across[a] = one.whole[1 + a] - one.whole[4] * directions_[j][1 + a];
    for (int m = 0; m < 4; ++m) by_density_[one.bond_weights.first + m] += 0.5 * one.bond_weights.value[m] * one.around;
    for (std::ptrdiff_t p = 0; p < angular_; ++p) by_density_[first_ + p] += 0.5 * one.bond.value * sums[p][0];
    return 0.5 * one.bond.value * one.around;
  }

  // Forces pull along the derivative of the energy by the vector to each neighbour.
  void add_forces(std::ptrdiff_t atom, const Point& embedding, const Weights& weights) {
    double own[3] = {0, 0, 0};
    std::fill(own_.begin(), own_.end(), 0.0);
    for_each_neighbour([&](int, std::ptrdiff_t j, bool near) {
      double pull[3], by_vector[3];
      for (int a = 0; a < 3; ++a) {
        by_vector[a] = density_by_vector(j, near, a);
        pull[a] = 0.5 * neighbours_[j].pair.slope * directions_[j][1 + a] + embedding.slope * by_vector[a];
        fill_pull(j, near, a, embedding, weights, by_vector[a]);
      }
      add_pull(atom, j, pull, own);
    });
    for (int a = 0; a < 3; ++a) result_.forces[3 * atom + a] += own[a];
    double* forces = out_.forces + 3 * atom * count_;
    for (std::ptrdiff_t p = 0; p < 3 * count_; ++p) forces[p] += own_[p];
  }

  double density_by_vector(std::ptrdiff_t j, bool near, int a) const {
    const Neighbour& one = neighbours_[j];
    const double radial = one.density.slope + (near ? one.bond.slope * one.around : 0.0);
    return radial * directions_[j][1 + a] + (near ? one.bond.value / near_.distance[j] * one.across[a] : 0.0);
  }

  // pull_[a]: derivatives by the parameters of what one neighbour is pulled with.
  void fill_pull(std::ptrdiff_t j, bool near, int a, const Point& embedding, const Weights& weights, double by_vector) {
    const Neighbour& one = neighbours_[j];
    const double unit = directions_[j][1 + a], r = near_.distance[j];
    double* pull = pull_.data() + a * count_;
    for (std::ptrdiff_t p = 0; p < count_; ++p) pull[p] = embedding.curvature * by_vector * by_density_[p];
    for (int m = 0; m < 4; ++m) {
      pull[one.pair_weights.first + m] += 0.5 * one.pair_weights.slope[m] * unit;
      pull[weights.first + m] += weights.slope[m] * by_vector;
      pull[one.density_weights.first + m] += embedding.slope * one.density_weights.slope[m] * unit;
    }
    if (!near) return;
    for (int m = 0; m < 4; ++m)
      pull[one.bond_weights.first + m] +=
          embedding.slope * (one.bond_weights.slope[m] * one.around * unit + one.bond_weights.value[m] / r * one.across[a]);
    const double along = embedding.slope * one.bond.slope * unit, side = embedding.slope * one.bond.value / r;
    const Sums* sums = sums_.data() + j * angular_;
    for (std::ptrdiff_t p = 0; p < angular_; ++p)
      pull[first_ + p] += along * sums[p][0] + side * (sums[p][1 + a] - unit * sums[p][4]);
  }

  void add_pull(std::ptrdiff_t atom, std::ptrdiff_t j, const double* pull, double* own) {
    const std::ptrdiff_t structure = system_.structures[atom], other = near_.index[j];
    double* forces = out_.forces + 3 * other * count_;
    for (std::ptrdiff_t p = 0; p < 3 * count_; ++p) {
      forces[p] -= pull_[p];
      own_[p] += pull_[p];
    }
    for (int a = 0; a < 3; ++a) {
      result_.forces[3 * other + a] -= pull[a];
      own[a] += pull[a];
      for (int b = 0; b < 3; ++b) {
        const double arm = near_.distance[j] * directions_[j][1 + a];
        result_.virials[9 * structure + 3 * a + b] += arm * pull[b];
        if (out_.virials == nullptr) continue;
        double* virials = out_.virials + (9 * structure + 3 * a + b) * count_;
        for (std::ptrdiff_t p = 0; p < count_; ++p) virials[p] += arm * pull_[b * count_ + p];
      }
    }
  }

  const SplineModel& model_;
  const Surroundings& system_;
  const Evaluated& result_;
  const ParameterDerivatives& out_;
  Neighbourhood near_;
  int type_ = 0;
  std::ptrdiff_t count_, first_, angular_;
  std::vector<Neighbour> neighbours_;
  std::vector<std::pair<int, std::ptrdiff_t>> angular_neighbours_;  // type and place
  Buffer<Sums> directions_, sums_;
  std::vector<double> own_, pull_, by_density_;
};

}  // namespace madelung::MADELUNG_VARIANT
