// Vector-Jacobian product of the sums of one crystal: from the derivatives of a scalar with respect to the sums, those
// with respect to positions, cell and parameters. docs/theory/lattice-sums.md, section 7.
#pragma once

#include "sums/setting.hpp"

namespace madelung::MADELUNG_VARIANT {

// Radial slopes and parameter derivatives of some potentials on all images of a list.
template <class... Potentials>
void evaluate_slopes(const ImageList& list, double splitting, double* const* by_distance, double* const* by_parameter,
                     const Potentials&... potentials) {
  for (std::size_t i = 0; i < list.count; i += width) {
    const Vector square = load(list.square.data() + i), distance = square_root(square);
    const Image image = {square, distance, 1.0 / distance, exponential(square * -splitting)};
    int next = 0;
    const auto one = [&](const auto& potential) {
      const RealSlope slope = potential.real_slope(image, potential.real(image));
      store(by_distance[next] + i, slope.by_distance);
      store(by_parameter[next] + i, slope.by_parameter);
      ++next;
    };
    (one(potentials), ...);
  }
}

class Backward {
 public:
  explicit Backward(Setting& setting) : s_(setting) {}

  void run(const Job& job, const double* const* cotangents, const Gradient& gradient) {
    cotangents_ = cotangents;
    atoms_ = job.atoms;
    finder_.start(s_.plan, s_.translations, s_.lattice);
    for (int k = 0; k < 3; ++k) std::memset(force_[k].require(padded(atoms_)), 0, padded(atoms_) * sizeof(double));
    for (double& component : strain_) component = 0;
    for (int p = 0; p < s_.plan.count; ++p) by_parameter_[p] = 0;
    real_space();
    constants();
    if (s_.weight_rows > 0) reciprocal_space();
    finish(job, gradient);
  }

 private:
  static constexpr int wave_block = 2;  // reciprocal vectors whose sums stay in registers
  static constexpr int xx = 0, yy = 1, zz = 2, yz = 3, xz = 4, xy = 5;

  double diagonal(int p) const {
    double total = 0;
    for (std::ptrdiff_t i = 0; i < atoms_; ++i) total += cotangents_[p][i * atoms_ + i];
    return total;
  }

  // Both orders of a pair.
  double both(int p, std::ptrdiff_t i, std::ptrdiff_t j) const {
    return cotangents_[p][i * atoms_ + j] + cotangents_[p][j * atoms_ + i];
  }

  void real_space() {
    batch_.clear();
    batch_.add(s_.lattice, s_.atoms, 0, 0, 1);
    for (int p = 0; p < s_.plan.count; ++p) pair_cotangent_[p][0] = diagonal(p);
    differentiate_batch(true);
    batch_.clear();
    for (std::ptrdiff_t i = 1; i < atoms_; ++i)
      for (std::ptrdiff_t j = 0; j < i;) {
        const std::ptrdiff_t end = j + batch_.room() < i ? j + batch_.room() : i;
        for (int p = 0; p < s_.plan.count; ++p)
          for (std::ptrdiff_t l = j; l < end; ++l) pair_cotangent_[p][batch_.count + (l - j)] = both(p, i, l);
        batch_.add(s_.lattice, s_.atoms, i, j, end);
        j = end;
        if (batch_.room() == 0) differentiate_batch(false), batch_.clear();
      }
    if (batch_.count > 0) differentiate_batch(false);
  }

  void differentiate_batch(bool own_images) {
    finder_.find<true>(batch_);
    for (int k = 0; k < 6; ++k) stress_[k] = broadcast(0);
    differentiate_list(finder_.near, own_images, false);
    if (finder_.far.count > 0) differentiate_list(finder_.far, own_images, true);
    for (int k = 0; k < 6; ++k) strain_[k] += sum(stress_[k]);
    if (own_images) return;  // the excluded term of an atom's own images is taken with the constants
    for (int n = 0; n < batch_.count; ++n)
      if (batch_.coincident[n])
        for (int p = 0; p < s_.plan.count; ++p)
          by_parameter_[p] -= pair_cotangent_[p][n] * s_.summands[p].self_by_parameter;
  }

  void differentiate_list(const ImageList& list, bool own_images, bool direct_only) {
    evaluate(list, direct_only);
    for (int r = 0; r < batch_.run_count; ++r) {
      const PairBatch::Run& run = batch_.runs[r];
      double total[3] = {};
      for (std::ptrdiff_t j = run.first; j < run.last; ++j) {
        double force[3];
        differentiate_pair(list, run.offset + static_cast<int>(j - run.first), force);
        for (int k = 0; k < 3; ++k) total[k] += force[k], force_[k][j] += force[k];
      }
      for (int k = 0; k < 3; ++k) force_[k][run.i] -= total[k];
    }
    if (own_images)
      for (int k = 0; k < 3; ++k) force_[k][0] = 0;  // opposite images cancel exactly
  }

  // Rows of slopes of the potentials that this list needs; the usual three are evaluated together.
  void evaluate(const ImageList& list, bool direct_only) {
    const std::size_t stride = padded(list.count) + width;
    double* slopes = slopes_.require(s_.plan.count * stride);
    double* parameters = parameters_.require(s_.plan.count * stride);
    const double t = s_.plan.splitting, volume = s_.plan.volume;
    active_ = 0;
    bool done[most_potentials] = {};
    const auto take = [&](int p) {
      active_term_[active_] = p;
      slope_row_[active_] = slopes + active_ * stride;
      parameter_row_[active_++] = parameters + p * stride;
      done[p] = true;
    };
    const int coulomb = s_.index(Method::coulomb), london = s_.index(Method::london);
    const int pauli = s_.index(Method::pauli_direct);
    if (!direct_only && coulomb >= 0 && london >= 0 && pauli >= 0) {
      take(coulomb), take(london), take(pauli);
      evaluate_slopes(list, t, slope_row_, parameter_row_, Coulomb(0, t, volume), London(0, t, volume),
                      PauliDirect(s_.plan.terms[pauli].parameter, t, volume));
    }
    for (int p = 0; p < s_.plan.count; ++p) {
      if (done[p] || (direct_only && !s_.summands[p].direct)) continue;
      take(p);
      with_potential(s_.plan.terms[p], t, volume, [&](const auto& potential) {
        evaluate_slopes(list, t, slope_row_ + active_ - 1, parameter_row_ + active_ - 1, potential);
      });
    }
  }

  // Force on the second atom of a pair, whose sum of images also goes into the stress and the parameters.
  void differentiate_pair(const ImageList& list, int n, double* force) {
    const std::size_t begin = list.begin[n], end = list.begin[n + 1];
    Vector fx = broadcast(0), fy = broadcast(0), fz = broadcast(0);
    for (std::size_t i = begin; i < end; i += width) {
      Vector slope = broadcast(0);
      for (int a = 0; a < active_; ++a) slope += pair_cotangent_[active_term_[a]][n] * load(slope_row_[a] + i);
      if (end - i < width) slope = (Vector)((Mask)slope & tail_mask(end - i));
      const Vector x = load(list.x.data() + i), y = load(list.y.data() + i), z = load(list.z.data() + i);
      const Vector sx = slope * x, sy = slope * y, sz = slope * z;
      fx += sx, fy += sy, fz += sz;
      stress_[xx] += sx * x, stress_[yy] += sy * y, stress_[zz] += sz * z;
      stress_[yz] += sy * z, stress_[xz] += sx * z, stress_[xy] += sx * y;
    }
    force[0] = sum(fx), force[1] = sum(fy), force[2] = sum(fz);
    const std::size_t rest = (end - begin) % width, whole = end - rest;
    for (int a = 0; a < active_; ++a) {
      const int p = active_term_[a];
      if (!has_parameter(s_.plan.terms[p].method)) continue;
      by_parameter_[p] += pair_cotangent_[p][n] * sum(segment_total(parameter_row_[a], begin, whole, tail_mask(rest)));
    }
  }

  // w0 is inversely proportional to the volume; L0 does not depend on the cell.
  void constants() {
    for (int p = 0; p < s_.plan.count; ++p) {
      const Summand& summand = s_.summands[p];
      double total = 0;
      for (std::ptrdiff_t n = 0; n < atoms_ * atoms_; ++n) total += cotangents_[p][n];
      for (int k = 0; k < 3; ++k) strain_[k] -= summand.background * total;
      by_parameter_[p] += summand.background_by_parameter * total - summand.self_by_parameter * diagonal(p);
    }
  }

  void reciprocal_space() {
    const std::size_t waves = s_.waves.count(), room = padded(waves);
    for (int k = 0; k < 3; ++k) wave_[k].require(room);
    s_.waves.components(s_.lattice, wave_[0].data(), wave_[1].data(), wave_[2].data());
    structure_.require(s_.weight_rows * waves * width);
    for (int p = 0; p < s_.plan.count; ++p)
      if (s_.summands[p].weight_row >= 0) term_of_row_[s_.summands[p].weight_row] = p;
    std::memset(structure_.data(), 0, s_.weight_rows * waves * width * sizeof(double));
    if (atoms_ > 1)
      for (std::ptrdiff_t i = 0; i < atoms_; i += width)
        for (int row = 0; row < s_.weight_rows; row += 2) {
          if (row + 1 < s_.weight_rows)
            group_forces<2>(i, row);
          else
            group_forces<1>(i, row);
        }
    for (int row = 0; row < s_.weight_rows; ++row) reciprocal_strain(row);
  }

  // For a group of atoms i: U = sum over j of g cj and V = sum of g sj give the forces 2 pi k w (ci V - si U) and the
  // weight ci U + si V with which each wave enters the scalar.
  template <int potentials>
  void group_forces(std::ptrdiff_t i, int row) {
    const std::size_t waves = s_.waves.count();
    double* cotangent = row_cotangent_.require(potentials * atoms_ * width);
    for (int p = 0; p < potentials; ++p) gather(term_of_row_[row + p], i, cotangent + p * atoms_ * width);
    const double *ci = s_.cosines.data() + s_.group(i), *si = s_.sines.data() + s_.group(i);
    Vector force[3] = {broadcast(0), broadcast(0), broadcast(0)};
    constexpr int block = wave_block;
    for (std::size_t k = 0; k < waves; k += block) {
      const int count = waves - k < block ? static_cast<int>(waves - k) : block;
      Vector u[potentials][block], v[potentials][block];
      for (int p = 0; p < potentials; ++p)
        for (int q = 0; q < block; ++q) u[p][q] = v[p][q] = broadcast(0);
      accumulate<potentials, block>(cotangent, k, u, v);
      for (int q = 0; q < count; ++q) {
        const Vector c = load(ci + (k + q) * width), s = load(si + (k + q) * width);
        Vector slope = broadcast(0);
        for (int p = 0; p < potentials; ++p) {
          double* structure = structure_.data() + ((row + p) * waves + k + q) * width;
          store(structure, load(structure) + c * u[p][q] + s * v[p][q]);
          slope += (c * v[p][q] - s * u[p][q]) * s_.weight_row(row + p)[k + q];
        }
        for (int axis = 0; axis < 3; ++axis) force[axis] += slope * wave_[axis][k + q];
      }
    }
    for (int axis = 0; axis < 3; ++axis) {
      double* to = force_[axis].data() + i;
      store(to, load(to) + 2 * pi * force[axis]);
    }
  }

  // The phases of a few waves more than there are may be read; what comes of them is not used.
  template <int potentials, int block>
  void accumulate(const double* cotangent, std::size_t k, Vector (&u)[potentials][block],
                  Vector (&v)[potentials][block]) const {
    const auto add_atom = [&](const double* c, const double* s, const double* g) {
      for (int p = 0; p < potentials; ++p) {
        const Vector weight = load(g + p * atoms_ * width);
        for (int q = 0; q < block; ++q) {
          u[p][q] += weight * c[q * width];
          v[p][q] += weight * s[q * width];
        }
      }
    };
    const double *c = s_.cosines.data() + k * width, *s = s_.sines.data() + k * width, *g = cotangent;
    const std::size_t group = s_.waves.count() * width;
    std::ptrdiff_t j = 0;
    for (; j + width <= atoms_; j += width, c += group, s += group)
      for (int lane = 0; lane < width; ++lane, g += width) add_atom(c + lane, s + lane, g);
    for (int lane = 0; j < atoms_; ++j, ++lane, g += width) add_atom(c + lane, s + lane, g);
  }

  void gather(int p, std::ptrdiff_t i, double* to) const {
    for (std::ptrdiff_t j = 0; j < atoms_; ++j)
      for (int lane = 0; lane < width; ++lane) to[j * width + lane] = i + lane < atoms_ ? both(p, i + lane, j) : 0;
  }

  void reciprocal_strain(int row) {
    const int p = term_of_row_[row];
    const Summand& summand = s_.summands[p];
    const std::size_t waves = s_.waves.count();
    const double own = diagonal(p);
    with_potential(summand.term, s_.plan.splitting, s_.plan.volume, [&](const auto& potential) {
      Vector parameter = broadcast(0), trace = broadcast(0), stress[6];
      for (Vector& component : stress) component = broadcast(0);
      for (std::size_t k = 0; k < waves; k += width) {
        Vector structure;
        for (int lane = 0; lane < width; ++lane)
          structure[lane] = k + lane >= waves ? 0 : atoms_ == 1 ? own : wave_structure(row, k + lane);
        const WeightSlope slope = potential.weight_slope(load(s_.waves.square() + k));
        trace += structure * slope.value;
        parameter += structure * slope.by_parameter;
        const Vector x = load(&wave_[0][k]), y = load(&wave_[1][k]), z = load(&wave_[2][k]);
        const Vector by_square = structure * slope.by_square;
        stress[xx] += by_square * x * x, stress[yy] += by_square * y * y, stress[zz] += by_square * z * z;
        stress[yz] += by_square * y * z, stress[xz] += by_square * x * z, stress[xy] += by_square * x * y;
      }
      // Twice, for k and -k; and d(k^2) = -2 k.strain.k.
      by_parameter_[p] += 2 * sum(parameter);
      for (int component = 0; component < 6; ++component) strain_[component] -= 4 * sum(stress[component]);
      for (int component = 0; component < 3; ++component) strain_[component] -= 2 * sum(trace);
    });
  }

  double wave_structure(int row, std::size_t k) const {
    return 0.5 * sum(load(structure_.data() + (row * s_.waves.count() + k) * width));
  }

  // From forces and strain in the reduced cell to the given cell: basis = transform * given, and an atom was moved by
  // whole rows of the basis.
  void finish(const Job& job, const Gradient& gradient) const {
    const Lattice& l = s_.lattice;
    double rest[3][3] = {{strain_[xx], strain_[xy], strain_[xz]},
                         {strain_[xy], strain_[yy], strain_[yz]},
                         {strain_[xz], strain_[yz], strain_[zz]}};
    double moved[3][3] = {};
    for (std::ptrdiff_t i = 0; i < atoms_; ++i) {
      double shift[3] = {};
      for (int a = 0; a < 3; ++a) {
        const double step = job.positions[3 * i + a] - s_.atoms.position[a][i];
        for (int k = 0; k < 3; ++k) shift[k] += step * l.inverse[a][k];
      }
      for (int b = 0; b < 3; ++b) {
        gradient.positions[3 * i + b] = force_[b][i];
        for (int a = 0; a < 3; ++a) {
          rest[a][b] -= s_.atoms.position[a][i] * force_[b][i];
          moved[a][b] += std::nearbyint(shift[a]) * force_[b][i];
        }
      }
    }
    double by_basis[3][3];
    for (int k = 0; k < 3; ++k)
      for (int b = 0; b < 3; ++b) {
        by_basis[k][b] = -moved[k][b];
        for (int a = 0; a < 3; ++a) by_basis[k][b] += l.inverse[a][k] * rest[a][b];
      }
    for (int r = 0; r < 3; ++r)
      for (int b = 0; b < 3; ++b) {
        double total = 0;
        for (int k = 0; k < 3; ++k) total += l.transform[k][r] * by_basis[k][b];
        gradient.cell[3 * r + b] = total;
      }
    for (int p = 0; p < s_.plan.count; ++p) gradient.parameters[p] = by_parameter_[p];
  }

  Setting& s_;
  ImageFinder finder_;
  PairBatch batch_;
  const double* const* cotangents_ = nullptr;
  std::ptrdiff_t atoms_ = 0;
  Buffer<double> force_[3], wave_[3], slopes_, parameters_, structure_, row_cotangent_;
  double pair_cotangent_[most_potentials][batch_length];
  double strain_[6] = {}, by_parameter_[most_potentials] = {};
  Vector stress_[6];
  int active_ = 0, active_term_[most_potentials] = {}, term_of_row_[most_potentials] = {};
  double *slope_row_[most_potentials] = {}, *parameter_row_[most_potentials] = {};
};

}  // namespace madelung::MADELUNG_VARIANT
