// The plan of one crystal's sums: splitting, cutoffs, and for each potential whether it is split or summed directly.
#pragma once

#include "sums/bounds.hpp"
#include "common/executor.hpp"
#include "sums/exponentials.hpp"
#include "sums/inverse_powers.hpp"
#include "common/lattice.hpp"
#include "sums/one_space.hpp"

namespace madelung::MADELUNG_VARIANT {

inline constexpr int most_potentials = 16;

// How a potential is carried out in this crystal.
enum class Method {
  coulomb,
  london,
  inverse_power_12,
  inverse_power,
  pauli_split,
  yukawa_split,
  gaussian_reciprocal,
  pauli_direct,
  yukawa_direct,
  gaussian_direct
};

inline bool is_direct(Method method) { return method >= Method::pauli_direct; }
inline bool has_parameter(Method method) { return method >= Method::inverse_power; }

struct Term {
  Method method;
  double parameter;
  double tolerance;
};

struct Plan {
  int count;
  Term terms[most_potentials];
  double splitting, volume;
  double split_cutoff, direct_cutoff, reciprocal_cutoff;

  double real_cutoff() const { return split_cutoff > direct_cutoff ? split_cutoff : direct_cutoff; }
  // All potentials are evaluated up to here, the direct ones alone beyond.
  double near_cutoff() const { return split_cutoff > 0 ? split_cutoff : direct_cutoff; }
  double cutoff(const Term& term) const { return is_direct(term.method) ? real_cutoff() : split_cutoff; }
};

// Calls visit(potential) with the struct that carries a term out.
template <class Visitor>
decltype(auto) with_potential(const Term& term, double splitting, double volume, Visitor&& visit) {
  switch (term.method) {
    case Method::coulomb:
      return visit(Coulomb(term.parameter, splitting, volume));
    case Method::london:
      return visit(London(term.parameter, splitting, volume));
    case Method::inverse_power_12:
      return visit(InversePower12(term.parameter, splitting, volume));
    case Method::pauli_split:
      return visit(PauliSplit(term.parameter, splitting, volume));
    case Method::yukawa_split:
      return visit(YukawaSplit(term.parameter, splitting, volume));
    case Method::gaussian_reciprocal:
      return visit(GaussianReciprocal(term.parameter, splitting, volume));
    case Method::pauli_direct:
      return visit(PauliDirect(term.parameter, splitting, volume));
    case Method::yukawa_direct:
      return visit(YukawaDirect(term.parameter, splitting, volume));
    case Method::gaussian_direct:
      return visit(GaussianDirect(term.parameter, splitting, volume));
    default:
      return visit(InversePower(term.parameter, splitting, volume));
  }
}

// Costs in units of one reciprocal vector's work for one pair and one potential; measured, see benchmarks/.
struct Cost {
  static constexpr double candidate = 3.0;     // one image tried for one pair
  static constexpr double image = 26.0;        // one image inside the cutoff, split potentials
  static constexpr double direct_image = 8.0;  // the same, one direct potential
  static constexpr double wave = 1.0;          // one reciprocal vector for one pair
  static constexpr double weight = 30.0;       // one reciprocal vector's weight
  static constexpr double phase = 6.0;         // one reciprocal vector's phase for one atom
  static constexpr double translation = 40.0;  // one translation's enumeration
};

class Planner {
 public:
  Planner(const Lattice& lattice, const Job& job)
      : lattice_(lattice),
        job_(job),
        real_(lattice.edge[0], lattice.edge[1], lattice.edge[2]),
        reciprocal_(1 / lattice.edge[0], 1 / lattice.edge[1], 1 / lattice.edge[2]) {}

  const PointBound& real_bound() const { return real_; }
  const PointBound& reciprocal_bound() const { return reciprocal_; }

  void make(Plan& plan) {
    plan.count = job_.potential_count;
    plan.volume = lattice_.volume;
    plan.split_cutoff = plan.direct_cutoff = plan.reciprocal_cutoff = 0;
    double tightest = 1e300;
    for (int p = 0; p < plan.count; ++p) {
      plan.terms[p] = {Method::coulomb, job_.potentials[p].parameter, job_.tolerances[p]};
      tightest = smaller(tightest, job_.tolerances[p]);
    }
    exponent_ = smaller(40.0, larger(2.0, 2 - std::log(tightest)));
    plan.splitting = job_.splitting > 0 ? job_.splitting : best_splitting();
    for (int p = 0; p < plan.count; ++p) choose_fixed_method(plan, p);
    for (int p = 0; p < plan.count; ++p) choose_exponential_method(plan, p);
  }

 private:
  // (6.1): t = kappa^2 pi / V^(2/3); the cost of a few kappa by the volumes of the balls that the cutoffs make.
  double best_splitting() const {
    const double reach = std::sqrt(exponent_ / pi);
    const double atoms = static_cast<double>(job_.atoms), pairs = 0.5 * atoms * (atoms - 1) + 1;
    double best = 0, lowest = 1e300;
    for (double kappa = 0.8; kappa < 2.5; kappa += 0.1) {
      const double real = reach / kappa, wave = reach * kappa, wider = real + 0.45;
      const double images = 4.19 * real * real * real, candidates = 4.19 * wider * wider * wider;
      const double waves = 2.1 * wave * wave * wave;
      const double cost = pairs * (candidates * Cost::candidate + images * Cost::image + waves * Cost::wave) +
                          waves * (Cost::weight + atoms * Cost::phase) + candidates * Cost::translation;
      if (cost < lowest) lowest = cost, best = kappa;
    }
    return best * best * pi / std::cbrt(lattice_.volume * lattice_.volume);
  }

  // No term smaller than the rounding of the sum need be taken.
  static double resolvable(double tolerance, double magnitude) {
    return larger(0.98 * tolerance, 4 * machine_epsilon * magnitude);
  }

  double direct_cutoff(const Term& term, const Plan& plan) const {
    return with_potential(term, plan.splitting, plan.volume, [&](const auto& potential) {
      return real_cutoff(potential, real_, resolvable(term.tolerance, potential.magnitude), exponent_);
    });
  }

  void add_split(Plan& plan, const Term& term) const {
    with_potential(term, plan.splitting, plan.volume, [&](const auto& potential) {
      const double half = 0.5 * resolvable(term.tolerance, potential.magnitude);
      if (term.method != Method::gaussian_reciprocal)
        plan.split_cutoff = larger(plan.split_cutoff, real_cutoff(potential, real_, half, exponent_));
      if (potential.reciprocal_rate > 0)
        plan.reciprocal_cutoff =
            larger(plan.reciprocal_cutoff, reciprocal_cutoff(potential, reciprocal_, half, exponent_));
    });
  }

  void choose_fixed_method(Plan& plan, int p) const {
    Term& term = plan.terms[p];
    switch (job_.potentials[p].kernel) {
      case Kernel::coulomb:
        term.method = Method::coulomb;
        break;
      case Kernel::london:
        term.method = Method::london;
        break;
      case Kernel::inverse_power_12:
        term.method = Method::inverse_power_12;
        break;
      case Kernel::inverse_power:
        term.method = Method::inverse_power;
        break;
      case Kernel::gaussian:
        term.method = term.parameter >= plan.splitting ? Method::gaussian_direct : Method::gaussian_reciprocal;
        break;
      default:
        return;
    }
    if (term.method == Method::gaussian_direct)
      plan.direct_cutoff = larger(plan.direct_cutoff, direct_cutoff(term, plan));
    else
      add_split(plan, term);
  }

  // Exponentials: whichever of the direct sum and the split one costs less beside the potentials already planned.
  void choose_exponential_method(Plan& plan, int p) const {
    const Kernel kernel = job_.potentials[p].kernel;
    if (kernel != Kernel::pauli && kernel != Kernel::yukawa) return;
    Term direct = plan.terms[p], split = plan.terms[p];
    direct.method = kernel == Kernel::pauli ? Method::pauli_direct : Method::yukawa_direct;
    split.method = kernel == Kernel::pauli ? Method::pauli_split : Method::yukawa_split;
    Plan with_direct = plan;
    with_direct.direct_cutoff = larger(plan.direct_cutoff, direct_cutoff(direct, plan));
    const double largest_half_decay = 3.5;  // erfcx's argument stays in its range
    const bool splittable = direct.parameter <= 2 * largest_half_decay * std::sqrt(plan.splitting);
    if (splittable && with_direct.direct_cutoff > plan.split_cutoff) {
      Plan with_split = plan;
      add_split(with_split, split);
      if (cost(with_split, 1) < cost(with_direct, 0)) {
        plan.split_cutoff = with_split.split_cutoff;
        plan.reciprocal_cutoff = with_split.reciprocal_cutoff;
        plan.terms[p] = split;
        return;
      }
    }
    plan.direct_cutoff = with_direct.direct_cutoff;
    plan.terms[p] = direct;
  }

  double cost(const Plan& plan, int extra_split) const {
    const double atoms = static_cast<double>(job_.atoms), pairs = 0.5 * atoms * (atoms - 1) + 1;
    const auto ball = [](double radius, double density) { return 4.19 * radius * radius * radius * density; };
    const double density = 1 / plan.volume, spread = 0.45 * std::cbrt(plan.volume);
    const double candidates = ball(plan.real_cutoff() + spread, density);
    const double waves = 0.5 * ball(plan.reciprocal_cutoff, plan.volume);
    return pairs * (candidates * Cost::candidate + ball(plan.split_cutoff, density) * Cost::image * (1 + extra_split) +
                    ball(plan.direct_cutoff, density) * Cost::direct_image +
                    waves * Cost::wave * (1 + 0.25 * extra_split)) +
           waves * (Cost::weight + atoms * Cost::phase) + candidates * Cost::translation;
  }

  const Lattice& lattice_;
  const Job& job_;
  PointBound real_, reciprocal_;
  double exponent_ = 0;  // about where Gaussians fall below the tightest tolerance
};

}  // namespace madelung::MADELUNG_VARIANT
