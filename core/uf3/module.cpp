// The Python module madelung.common._uf3: potentials of splines, evaluated and differentiated by their coefficients.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "common/instruction_sets.hpp"
#include "uf3/model.hpp"

namespace nb = nanobind;

namespace madelung::uf3 {
namespace {

template <class T, int dimensions>
using Input = nb::ndarray<const T, nb::ndim<dimensions>, nb::c_contig, nb::device::cpu>;
template <int dimensions>
using Output = nb::ndarray<nb::numpy, double, nb::ndim<dimensions>, nb::c_contig>;

InstructionSets<Variant>& variants() {
  static InstructionSets<Variant> compiled{
#if defined(__x86_64__)
           &avx2_variant,
#endif
           &portable_variant};
  return compiled;
}

const Variant* chosen_variant() { return variants().chosen(); }

void require(bool good, const char* why) {
  if (!good) throw nb::value_error(why);
}

// Scratch memory of one thread, for one variant.
class Workspace {
 public:
  explicit Workspace(const Variant* variant) : variant_(variant), scratch_(variant->create()) {}
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace() { variant_->destroy(scratch_); }
  const Variant* operator->() const { return variant_; }
  Scratch* scratch() const { return scratch_; }

  // That of this thread for the variant that is in use; it is kept, so that its memory is touched for the first time
  // only once.
  static const Workspace& here() {
    thread_local std::unique_ptr<Workspace> kept;
    if (kept == nullptr || kept->variant_ != chosen_variant()) kept = std::make_unique<Workspace>(chosen_variant());
    return *kept;
  }

 private:
  const Variant* variant_;
  Scratch* scratch_;
};

// Large arrays ask for large pages: touching each small page once would cost as much as finding its neighbours.
void* allocate(std::size_t bytes) {
  constexpr std::size_t large_page = std::size_t{1} << 21;
  void* memory = nullptr;
  if (bytes < 2 * large_page) {
    memory = std::malloc(bytes > 0 ? bytes : 1);
  } else {
    const std::size_t whole = (bytes + large_page - 1) / large_page * large_page;
    memory = std::aligned_alloc(large_page, whole);
#if defined(__linux__)
    if (memory != nullptr) madvise(memory, whole, MADV_HUGEPAGE);
#endif
  }
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

template <class T, int dimensions>
nb::ndarray<nb::numpy, T, nb::ndim<dimensions>, nb::c_contig> make_array(std::initializer_list<std::size_t> shape) {
  std::size_t size = 1;
  for (std::size_t extent : shape) size *= extent;
  T* data = static_cast<T*>(allocate(size * sizeof(T)));
  nb::capsule owner(data, [](void* memory) noexcept { std::free(memory); });
  return {data, shape, owner};
}

template <int dimensions>
Output<dimensions> make_zeros(std::initializer_list<std::size_t> shape) {
  auto result = make_array<double, dimensions>(shape);
  std::fill_n(result.data(), result.size(), 0.0);
  return result;
}

// The break points of an axis and its splines' polynomials, with a table that finds intervals.
struct OwnedAxis {
  std::vector<double> breaks, inverse_widths, table;
  std::vector<std::int32_t> starts;
  bool uniform = true;

  OwnedAxis(Input<double, 1> breaks_, Input<double, 3> table_) {
    const std::size_t intervals = table_.shape(0);
    require(intervals >= 1 && breaks_.shape(0) == intervals + 1 && table_.shape(1) == 4 && table_.shape(2) == 4,
            "an axis has one table of 4 x 4 coefficients between two break points");
    breaks.assign(breaks_.data(), breaks_.data() + intervals + 1);
    table.assign(table_.data(), table_.data() + 16 * intervals);
    const double length = breaks.back() - breaks.front();
    for (std::size_t i = 0; i < intervals; ++i) {
      const double step = breaks[i + 1] - breaks[i];
      require(std::isfinite(step) && step > 0, "break points of an axis ascend");
      inverse_widths.push_back(1 / step);
      uniform = uniform && std::fabs(step * intervals / length - 1) < 1e-9;
    }
    const std::size_t cells = uniform ? intervals : 4 * intervals;
    std::size_t interval = 0;
    for (std::size_t cell = 0; cell < cells; ++cell) {
      if (uniform)
        interval = cell;
      else
        while (interval + 1 < intervals && breaks[interval + 1] <= breaks.front() + length * cell / cells) ++interval;
      starts.push_back(static_cast<std::int32_t>(interval));
    }
  }

  std::int32_t splines() const { return static_cast<std::int32_t>(inverse_widths.size()) + 3; }

  Axis view() const {
    const std::int32_t cells = static_cast<std::int32_t>(starts.size());
    return {breaks.data(),  inverse_widths.data(), table.data(),  starts.data(),  splines() - 3,
            cells,          uniform,               breaks.front(), breaks.back(), cells / (breaks.back() - breaks.front())};
  }
};

struct OwnedPair {
  OwnedAxis axis;
  std::vector<double> polynomials;
  std::vector<std::int32_t> features;
  Pair view{};
};

struct OwnedTriplet {
  OwnedAxis ij, ik, jk;
  std::vector<double> coefficients;
  std::vector<std::int32_t> features;
  Triplet view{};
};

// Neighbour lists as they come from Python, checked.
struct Structure {
  Atoms atoms;

  Structure(Input<std::int64_t, 1> starts, Input<std::int64_t, 1> indices, Input<double, 2> vectors,
            Input<double, 1> distances, Input<std::int32_t, 1> species, std::int32_t known) {
    const std::size_t count = species.shape(0), pairs = indices.shape(0);
    require(starts.shape(0) == count + 1 && vectors.shape(0) == pairs && vectors.shape(1) == 3 &&
                distances.shape(0) == pairs && starts.data()[0] == 0 &&
                starts.data()[count] == static_cast<std::int64_t>(pairs),
            "the arrays of neighbours do not fit together");
    bool good = true;
    for (std::size_t i = 0; i < count; ++i)
      good = good && starts.data()[i] <= starts.data()[i + 1] && species.data()[i] >= 0 && species.data()[i] < known;
    for (std::size_t p = 0; p < pairs; ++p)
      good = good && indices.data()[p] >= 0 && indices.data()[p] < static_cast<std::int64_t>(count);
    require(good, "neighbours or species are out of range");
    atoms = {static_cast<std::int64_t>(count), species.data(), starts.data(),
             indices.data(),                   vectors.data(), distances.data()};
  }
};

class Interactions {
 public:
  Interactions(std::int32_t species, std::int64_t columns)
      : species_(species), columns_(columns), pairs_(species * species), triplets_(species * species * species) {
    require(species >= 1 && columns >= 0, "there is at least one species");
  }

  void add_pair(int a, int b, Input<double, 1> breaks, Input<double, 3> table, Input<double, 1> coefficients,
                Input<std::int64_t, 1> columns) {
    check_species({a, b});
    OwnedPair& pair = owned_pairs_.emplace_back(OwnedPair{OwnedAxis(breaks, table), {}, {}});
    const std::int32_t splines = pair.axis.splines();
    require(coefficients.shape(0) == static_cast<std::size_t>(splines) && columns.shape(0) == coefficients.shape(0),
            "a pair has one coefficient and column for each spline");
    for (std::int32_t i = 0; i < splines - 3; ++i)
      for (int power = 0; power < 4; ++power) {
        double sum = 0;
        for (int s = 0; s < 4; ++s) sum += pair.axis.table[16 * i + 4 * power + s] * coefficients.data()[i + s];
        pair.polynomials.push_back(sum);
      }
    for (std::int32_t s = 0; s < splines; ++s) pair.features.push_back(new_feature(columns.data()[s]));
    pair.view = {pair.axis.view(), pair.polynomials.data(), pair.features.data()};
    pairs_[a * species_ + b] = pairs_[b * species_ + a] = &pair.view;
  }

  void add_triplet(int centre, int a, int b, Input<double, 1> breaks_ij, Input<double, 3> table_ij,
                   Input<double, 1> breaks_ik, Input<double, 3> table_ik, Input<double, 1> breaks_jk,
                   Input<double, 3> table_jk, Input<double, 3> coefficients, Input<std::int64_t, 3> columns) {
    check_species({centre, a, b});
    require(a <= b, "the species of a triplet's neighbours ascend");
    OwnedTriplet& triplet = owned_triplets_.emplace_back(OwnedTriplet{
        OwnedAxis(breaks_ij, table_ij), OwnedAxis(breaks_ik, table_ik), OwnedAxis(breaks_jk, table_jk), {}, {}});
    const std::size_t l = triplet.ij.splines(), m = triplet.ik.splines(), n = triplet.jk.splines();
    for (std::size_t axis = 0; axis < 3; ++axis)
      require(coefficients.shape(axis) == (axis == 0 ? l : axis == 1 ? m : n) &&
                  columns.shape(axis) == coefficients.shape(axis),
              "a triplet has one coefficient and column for each product of splines");
    const std::size_t row = (n + 7) / 8 * 8;
    triplet.coefficients.assign(l * m * row, 0.0);
    for (std::size_t lm = 0; lm < l * m; ++lm)
      std::copy_n(coefficients.data() + lm * n, n, triplet.coefficients.data() + lm * row);
    for (std::size_t lm = 0; lm < l * m; ++lm)
      triplet.features.push_back(feature_row(columns.data() + lm * n, n));
    triplet.view = {triplet.ij.view(),           triplet.ik.view(),           triplet.jk.view(),
                    static_cast<std::int32_t>(row), triplet.coefficients.data(), triplet.features.data()};
    triplets_[(centre * species_ + a) * species_ + b] = &triplet.view;
  }

  nb::tuple evaluate(Input<std::int64_t, 1> starts, Input<std::int64_t, 1> indices, Input<double, 2> vectors,
                     Input<double, 1> distances, Input<std::int32_t, 1> species, int threads) const {
    const Structure structure(starts, indices, vectors, distances, species, species_);
    const std::size_t count = species.shape(0);
    auto energies = make_zeros<1>({count});
    auto forces = make_zeros<2>({count, 3});
    auto virial = make_zeros<2>({3, 3});
    {
      nb::gil_scoped_release release;
      run_threads(structure.atoms, std::max(1, threads), {energies.data(), forces.data(), virial.data()});
    }
    return nb::make_tuple(energies, forces, virial);
  }

  nb::tuple features(Input<std::int64_t, 1> starts, Input<std::int64_t, 1> indices, Input<double, 2> vectors,
                     Input<double, 1> distances, Input<std::int32_t, 1> species, bool forces, bool virial) const {
    const Structure structure(starts, indices, vectors, distances, species, species_);
    const std::size_t columns = static_cast<std::size_t>(columns_);
    const std::size_t force_rows = forces ? 3 * species.shape(0) : 0, virial_rows = virial ? 6 : 0;
    auto by_energy = make_zeros<1>({columns});
    auto by_force = make_zeros<2>({force_rows, columns});
    auto by_virial = make_zeros<2>({virial_rows, columns});
    {
      nb::gil_scoped_release release;
      const std::size_t width = column_of_.size() + 4;
      const std::unique_ptr<double[]> memory(new double[(1 + force_rows + virial_rows) * width]());
      double *energy = memory.get(), *force = energy + width, *strain = force + force_rows * width;
      const Workspace& workspace = Workspace::here();
      workspace->features(workspace.scratch(), model(width), structure.atoms,
                          {energy, forces ? force : nullptr, virial ? strain : nullptr});
      gather(energy, 1, width, by_energy.data());
      gather(force, force_rows, width, by_force.data());
      gather(strain, virial_rows, width, by_virial.data());
    }
    return nb::make_tuple(by_energy, by_force, by_virial);
  }

 private:
  std::int32_t species_;
  std::int64_t columns_;
  std::vector<const Pair*> pairs_;
  std::vector<const Triplet*> triplets_;
  std::deque<OwnedPair> owned_pairs_;
  std::deque<OwnedTriplet> owned_triplets_;
  std::vector<std::int64_t> column_of_;  // of each feature of an inner row; -1 where it is dropped

  Model model(std::size_t width) const {
    return {species_, pairs_.data(), triplets_.data(), static_cast<std::int32_t>(width)};
  }

  void check_species(std::initializer_list<int> numbers) const {
    for (int number : numbers) require(number >= 0 && number < species_, "a species is out of range");
  }

  std::int32_t new_feature(std::int64_t column) {
    require(column >= -1 && column < columns_, "a column is out of range");
    column_of_.push_back(column);
    return static_cast<std::int32_t>(column_of_.size() - 1);
  }

  // The place of a row of features: a new one, or that of an earlier row with the same columns.
  std::int32_t feature_row(const std::int64_t* columns, std::size_t count) {
    const auto known = std::search(column_of_.begin(), column_of_.end(), columns, columns + count);
    if (known != column_of_.end()) return static_cast<std::int32_t>(known - column_of_.begin());
    const std::size_t begin = column_of_.size();
    for (std::size_t n = 0; n < count; ++n) new_feature(columns[n]);
    return static_cast<std::int32_t>(begin);
  }

  void gather(const double* rows, std::size_t count, std::size_t width, double* to) const {
    for (std::size_t row = 0; row < count; ++row, rows += width, to += columns_)
      for (std::size_t feature = 0; feature < column_of_.size(); ++feature)
        if (column_of_[feature] >= 0) to[column_of_[feature]] += rows[feature];
  }

  // Each thread takes a range of atoms, and adds to forces and a virial of its own.
  void run_threads(const Atoms& atoms, int threads, const Sums& sums) const {
    const std::int64_t count = atoms.count;
    threads = static_cast<int>(std::min<std::int64_t>(threads, std::max<std::int64_t>(1, count)));
    std::vector<std::vector<double>> own(threads);
    const auto work = [&](int t) {
      Sums part = sums;
      if (t > 0) {
        own[t].assign(3 * count + 9, 0.0);
        part.forces = own[t].data();
        part.virial = own[t].data() + 3 * count;
      }
      const Workspace& workspace = Workspace::here();
      workspace->evaluate(workspace.scratch(), model(0), atoms, count * t / threads, count * (t + 1) / threads, part);
    };
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t) others.emplace_back(work, t);
    work(0);
    for (std::thread& thread : others) thread.join();
    for (int t = 1; t < threads; ++t) {
      for (std::int64_t f = 0; f < 3 * count; ++f) sums.forces[f] += own[t][f];
      for (int v = 0; v < 9; ++v) sums.virial[v] += own[t][3 * count + v];
    }
  }
};

nb::tuple find_neighbours(Input<double, 2> cell, Input<double, 2> inverse, Input<double, 1> origin,
                          const std::vector<bool>& periodic, Input<double, 2> positions, double cutoff) {
  require(cell.shape(0) == 3 && cell.shape(1) == 3 && inverse.shape(0) == 3 && inverse.shape(1) == 3 &&
              origin.shape(0) == 3 && periodic.size() == 3 && positions.shape(1) == 3 && cutoff > 0,
          "the arrays of a structure do not fit together");
  Box box{};
  std::copy_n(cell.data(), 9, box.cell);
  std::copy_n(inverse.data(), 9, box.inverse);
  std::copy_n(origin.data(), 3, box.origin);
  for (int axis = 0; axis < 3; ++axis) {
    const double* dual = box.inverse + axis;
    box.heights[axis] = 1 / std::sqrt(dual[0] * dual[0] + dual[3] * dual[3] + dual[6] * dual[6]);
    box.periodic[axis] = periodic[axis];
    require(std::isfinite(box.heights[axis]) && box.heights[axis] > 0, "the cell has no volume");
  }
  for (std::size_t p = 0; p < positions.size(); ++p) require(std::isfinite(positions.data()[p]), "not finite");
  const std::size_t count = positions.shape(0);
  auto starts = make_array<std::int64_t, 1>({count + 1});
  const Workspace& workspace = Workspace::here();
  std::int64_t found = 0;
  {
    nb::gil_scoped_release release;
    found = workspace->find_neighbours(workspace.scratch(), box, positions.data(), static_cast<std::int64_t>(count),
                                       cutoff, starts.data());
  }
  const std::size_t pairs = static_cast<std::size_t>(found);
  auto indices = make_array<std::int64_t, 1>({pairs});
  auto vectors = make_array<double, 2>({pairs, 3});
  auto distances = make_array<double, 1>({pairs});
  {
    nb::gil_scoped_release release;
    workspace->write_neighbours(workspace.scratch(), starts.data(), indices.data(), vectors.data(), distances.data());
  }
  return nb::make_tuple(starts, indices, vectors, distances);
}

}  // namespace
}  // namespace madelung::uf3

NB_MODULE(_uf3, module) {
  using namespace nb::literals;
  using madelung::uf3::Interactions;
  module.doc() = "Potentials of splines of two and three distances. Use madelung.forcefields.uf3.";
  nb::class_<Interactions>(module, "Interactions")
      .def(nb::init<std::int32_t, std::int64_t>(), "species"_a, "columns"_a)
      .def("add_pair", &Interactions::add_pair, "first"_a, "second"_a, "breaks"_a, "table"_a, "coefficients"_a,
           "columns"_a)
      .def("add_triplet", &Interactions::add_triplet, "centre"_a, "first"_a, "second"_a, "breaks_ij"_a, "table_ij"_a,
           "breaks_ik"_a, "table_ik"_a, "breaks_jk"_a, "table_jk"_a, "coefficients"_a, "columns"_a)
      .def("evaluate", &Interactions::evaluate, "starts"_a, "indices"_a, "vectors"_a, "distances"_a, "species"_a,
           "threads"_a = 1, "Energies (n,), forces (n, 3) and virial (3, 3).")
      .def("features", &Interactions::features, "starts"_a, "indices"_a, "vectors"_a, "distances"_a, "species"_a,
           "forces"_a = true, "virial"_a = false,
           "Derivatives by the coefficients: of the energy (P,), of the forces (3n, P) and of the virial (6, P).");
  module.def("find_neighbours", &madelung::uf3::find_neighbours, "cell"_a, "inverse"_a, "origin"_a, "periodic"_a,
             "positions"_a, "cutoff"_a,
             "Where the neighbours of each atom start; their indices, vectors and distances.");
  madelung::uf3::variants().define(module);
}
