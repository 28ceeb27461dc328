// The lattice translations and reciprocal vectors that a plan's cutoffs take in, enumerated line by line (Fincke and
// Pohst) in the triangular frame of the reduced cell.
#pragma once

#include <stdexcept>

#include "sums/plan.hpp"

namespace madelung::MADELUNG_VARIANT {

// Cells so thin that a cutoff takes in more lattice points than this are refused, before memory is asked for.
inline constexpr double most_points = 1e8;

inline std::size_t room_for(double points) {
  if (!(points < most_points)) throw std::length_error("a cutoff takes in more than 10^8 lattice points");
  return static_cast<std::size_t>(points) + 2 * width;
}

// Translations that can bring a difference vector of the cell within the cutoff, sorted into shells so that a short
// difference tries few of them. The first is zero.
class Translations {
 public:
  static constexpr int shells = 8;

  void enumerate(const Lattice& lattice, double cutoff, bool several_atoms) {
    longest_difference_ = several_atoms ? half_diagonal(lattice) : 0;
    cutoff_ = cutoff;
    const double reach = cutoff + longest_difference_, square = reach * reach;
    const PointBound bound(lattice.edge[0], lattice.edge[1], lattice.edge[2]);
    const std::size_t room = room_for(bound.inside(reach));
    double *x = raw_x_.require(room), *y = raw_y_.require(room), *z = raw_z_.require(room);
    count_ = 0;
    append_line(lattice, 0, 0, 0, 0, x, y, z);
    const int last2 = static_cast<int>(reach / lattice.edge[2]);
    const double inverse1 = 1 / lattice.edge[1], inverse0 = 1 / lattice.edge[0];
    for (int n2 = -last2; n2 <= last2; ++n2) {
      const double height = n2 * lattice.edge[2], in_plane = square - height * height;
      const double radius = std::sqrt(larger(0.0, in_plane)), y0 = n2 * lattice.skew21;
      const int first1 = static_cast<int>(std::ceil((-radius - y0) * inverse1));
      const int last1 = static_cast<int>(std::floor((radius - y0) * inverse1));
      for (int n1 = first1; n1 <= last1; ++n1) {
        const double offset = y0 + n1 * lattice.edge[1];
        const double half = std::sqrt(larger(0.0, in_plane - offset * offset));
        const double x0 = n2 * lattice.skew20 + n1 * lattice.skew10;
        const int first0 = static_cast<int>(std::ceil((-half - x0) * inverse0));
        const int last0 = static_cast<int>(std::floor((half - x0) * inverse0));
        if (n1 == 0 && n2 == 0) {  // zero stands first already
          append_line(lattice, first0, -1, n1, n2, x, y, z);
          append_line(lattice, 1, last0, n1, n2, x, y, z);
        } else {
          append_line(lattice, first0, last0, n1, n2, x, y, z);
        }
      }
    }
    sort_into_shells();
  }

  // How many of the sorted translations to try for a difference of this length.
  std::size_t candidates(double length) const {
    if (!(length < longest_difference_)) return end_[shells - 1];
    return end_[static_cast<int>(length / longest_difference_ * shells)];
  }
  std::size_t count() const { return count_; }
  const double* x() const { return x_.data(); }
  const double* y() const { return y_.data(); }
  const double* z() const { return z_.data(); }

 private:
  static double half_diagonal(const Lattice& lattice) {
    double longest = 0;
    for (int signs = 0; signs < 4; ++signs) {
      double square = 0;
      for (int k = 0; k < 3; ++k) {
        const double sum = lattice.basis[0][k] + (signs & 1 ? -1 : 1) * lattice.basis[1][k] +
                           (signs & 2 ? -1 : 1) * lattice.basis[2][k];
        square += 0.25 * sum * sum;
      }
      longest = larger(longest, square);
    }
    return std::sqrt(longest) * (1 + 1e-9);
  }

  void append_line(const Lattice& lattice, int first, int last, int n1, int n2, double* x, double* y, double* z) {
    const auto& b = lattice.basis;
    const double base_x = n1 * b[1][0] + n2 * b[2][0], base_y = n1 * b[1][1] + n2 * b[2][1],
                 base_z = n1 * b[1][2] + n2 * b[2][2];
    for (int n0 = first; n0 <= last; ++n0, ++count_) {
      x[count_] = base_x + n0 * b[0][0];
      y[count_] = base_y + n0 * b[0][1];
      z[count_] = base_z + n0 * b[0][2];
    }
  }

  void sort_into_shells() {
    const std::size_t room = padded(count_);
    int* shell = shell_.require(room);
    double* shell_number = number_.require(room);
    double limit[shells];
    for (int s = 0; s < shells; ++s) {
      limit[s] = cutoff_ + longest_difference_ * (s + 1) / shells;
      limit[s] *= limit[s];
    }
    for (std::size_t i = 0; i < count_; i += width) {
      const Vector x = load(&raw_x_[i]), y = load(&raw_y_[i]), z = load(&raw_z_[i]);
      const Vector square = x * x + y * y + z * z;
      Mask beyond = {};
      for (int s = 0; s < shells - 1; ++s) beyond += square > broadcast(limit[s]);  // true is -1
      store(shell_number + i, -__builtin_convertvector(beyond, Vector));
    }
    std::size_t next[shells] = {};
    for (std::size_t i = 0; i < count_; ++i) ++next[shell[i] = static_cast<int>(shell_number[i])];
    std::size_t total = 0;
    for (int s = 0; s < shells; ++s) {
      const std::size_t here = next[s];
      next[s] = total;
      total += here;
      end_[s] = total;
    }
    double *x = x_.require(room), *y = y_.require(room), *z = z_.require(room);
    for (std::size_t i = 0; i < count_; ++i) {
      const std::size_t to = next[shell[i]]++;
      x[to] = raw_x_[i], y[to] = raw_y_[i], z[to] = raw_z_[i];
    }
    for (std::size_t i = count_; i < count_ + width; ++i) x[i] = 1e150, y[i] = z[i] = 0;  // never within a cutoff
  }

  Buffer<double> raw_x_, raw_y_, raw_z_, x_, y_, z_, number_;
  Buffer<int> shell_;
  std::size_t count_ = 0, end_[shells] = {};
  double cutoff_ = 0, longest_difference_ = 0;
};

// One of each pair k, -k of nonzero reciprocal vectors, in lines of constant (m0, m1).
class Waves {
 public:
  struct Line {
    int m0, m1, first2;
    std::size_t begin, end;
  };

  void enumerate(const Lattice& lattice, double cutoff) {
    count_ = line_count_ = 0;
    largest_[0] = largest_[1] = largest_[2] = 0;
    if (cutoff <= 0) return;
    const double e0 = 1 / lattice.edge[0], e1 = 1 / lattice.edge[1], e2 = 1 / lattice.edge[2];
    const double y0 = -lattice.skew10 * e0 * e1, z1 = -lattice.skew21 * e1 * e2;
    const double z0 = (lattice.skew10 * lattice.skew21 * e1 - lattice.skew20) * e0 * e2;
    const PointBound bound(e0, e1, e2);
    const std::size_t room = room_for(0.5 * bound.inside(cutoff));
    double* square = square_.require(room);
    Line* lines = lines_.require(room);
    const double limit = cutoff * cutoff;
    const Vector lanes = lane_numbers();
    largest_[0] = static_cast<int>(cutoff * lattice.edge[0]);
    for (int m0 = 0; m0 <= largest_[0]; ++m0) {
      const double kx = m0 * e0, in_plane = limit - kx * kx, radius = std::sqrt(larger(0.0, in_plane));
      const int first1 = m0 == 0 ? 0 : static_cast<int>(std::ceil((-radius - m0 * y0) * lattice.edge[1]));
      const int last1 = static_cast<int>(std::floor((radius - m0 * y0) * lattice.edge[1]));
      for (int m1 = first1; m1 <= last1; ++m1) {
        const double ky = m0 * y0 + m1 * e1, base = m0 * z0 + m1 * z1;
        const double half = std::sqrt(larger(0.0, in_plane - ky * ky));
        const int first2 = m0 == 0 && m1 == 0 ? 1 : static_cast<int>(std::ceil((-half - base) * lattice.edge[2]));
        const int last2 = static_cast<int>(std::floor((half - base) * lattice.edge[2]));
        if (last2 < first2) continue;
        const std::size_t length = static_cast<std::size_t>(last2 - first2 + 1);
        for (std::size_t i = 0; i < length; i += width) {
          const Vector kz = base + e2 * (lanes + static_cast<double>(first2 + static_cast<int>(i)));
          store(square + count_ + i, kz * kz + (kx * kx + ky * ky));
        }
        lines[line_count_++] = {m0, m1, first2, count_, count_ + length};
        count_ += length;
        widen(1, m1), widen(2, first2), widen(2, last2);
      }
    }
    for (std::size_t i = count_; i < count_ + width; ++i) square[i] = limit;  // harmless: their weights are zero
  }

  // cos and sin of 2 pi k.r for a group of atoms, one in each lane: from three one-dimensional tables, by complex
  // products. Vector number k stands at k * width.
  void phases(const Vector* fractional, double* cosines, double* sines) {
    const double *cosine[3], *sine[3];
    for (int axis = 0; axis < 3; ++axis) {
      const std::size_t side = width * static_cast<std::size_t>(largest_[axis]);
      double* c = table_[2 * axis].require(2 * side + width) + side;
      double* s = table_[2 * axis + 1].require(2 * side + width) + side;
      fill_table(fractional[axis], largest_[axis], c, s);
      cosine[axis] = c, sine[axis] = s;
    }
    for (std::size_t l = 0; l < line_count_; ++l) {
      const Line line = lines_[l];
      const Vector c0 = load(cosine[0] + width * line.m0), s0 = load(sine[0] + width * line.m0);
      const Vector c1 = load(cosine[1] + width * line.m1), s1 = load(sine[1] + width * line.m1);
      const Vector c = c0 * c1 - s0 * s1, s = c0 * s1 + s0 * c1;
      const double *c2 = cosine[2] + width * line.first2, *s2 = sine[2] + width * line.first2;
      for (std::size_t k = width * line.begin; k < width * line.end; k += width, c2 += width, s2 += width) {
        const Vector a = load(c2), b = load(s2);
        store(cosines + k, c * a - s * b);
        store(sines + k, c * b + s * a);
      }
    }
  }

  // Cartesian components of the vectors.
  void components(const Lattice& lattice, double* x, double* y, double* z) const {
    const auto& r = lattice.inverse;
    for (std::size_t l = 0; l < line_count_; ++l) {
      const Line line = lines_[l];
      for (std::size_t i = line.begin; i < line.end; ++i) {
        const double m2 = line.first2 + static_cast<double>(i - line.begin);
        x[i] = line.m0 * r[0][0] + line.m1 * r[0][1] + m2 * r[0][2];
        y[i] = line.m0 * r[1][0] + line.m1 * r[1][1] + m2 * r[1][2];
        z[i] = line.m0 * r[2][0] + line.m1 * r[2][1] + m2 * r[2][2];
      }
    }
    for (std::size_t i = count_; i < padded(count_); ++i) x[i] = y[i] = z[i] = 0;
  }

  std::size_t count() const { return count_; }
  const double* square() const { return square_.data(); }

 private:
  void widen(int axis, int index) {
    const int size = index < 0 ? -index : index;
    if (size > largest_[axis]) largest_[axis] = size;
  }

  // cos and sin of 2 pi m f for |m| <= largest: powers of the first by complex products.
  static void fill_table(Vector fractional, int largest, double* cosines, double* sines) {
    Vector c, s, power_c = broadcast(1), power_s = broadcast(0);
    sine_and_cosine(fractional - nearest(fractional), s, c);
    store(cosines, power_c);
    store(sines, power_s);
    for (std::ptrdiff_t m = width; m <= width * largest; m += width) {
      const Vector before = power_c;
      power_c = before * c - power_s * s;
      power_s = before * s + power_s * c;
      store(cosines + m, power_c);
      store(sines + m, power_s);
      store(cosines - m, power_c);
      store(sines - m, -power_s);
    }
  }

  Buffer<double> square_, table_[6];
  Buffer<Line> lines_;
  std::size_t count_ = 0, line_count_ = 0;
  int largest_[3] = {};
};

}  // namespace madelung::MADELUNG_VARIANT
