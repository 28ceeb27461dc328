// The Python module madelung.common._splines: spline potentials of atoms whose neighbours are known.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "common/instruction_sets.hpp"
#include "splines/model.hpp"

namespace nb = nanobind;

namespace madelung {
namespace {

template <class T, int dimensions>
using Input = nb::ndarray<const T, nb::ndim<dimensions>, nb::c_contig, nb::device::cpu>;

InstructionSets<SplineVariant>& variants() {
  static InstructionSets<SplineVariant> compiled{
#if defined(__x86_64__)
           &avx512_spline_variant, &avx2_spline_variant,
#endif
           &portable_spline_variant};
  return compiled;
}

const SplineVariant* chosen_variant() { return variants().chosen(); }

template <int dimensions>
nb::ndarray<nb::numpy, double, nb::ndim<dimensions>, nb::c_contig> zeros(std::initializer_list<std::size_t> shape) {
  std::size_t size = 1;
  for (std::size_t extent : shape) size *= extent;
  double* data = new double[size]();
  nb::capsule owner(data, [](void* memory) noexcept { delete[] static_cast<double*>(memory); });
  return nb::ndarray<nb::numpy, double, nb::ndim<dimensions>, nb::c_contig>(data, shape, owner);
}

// The model, filled spline by spline from Python.
struct Model : SplineModel {
  Model(int types_, double cutoff_) : SplineModel{} {
    types = types_;
    cutoff = cutoff_;
  }

  int add(double origin, double spacing, Input<double, 2> coefficients, double limit, bool over_distance) {
    const std::size_t rows = coefficients.shape(0);
    if (rows < 3 || coefficients.shape(1) != 4 || !(spacing > 0))
      throw nb::value_error("a table has four columns, at least one interval, and a positive spacing");
    CubicTable table{origin, spacing, 1.0 / spacing, static_cast<int>(rows) - 2, limit, over_distance, parameters, {}};
    for (int power = 0; power < 4; ++power) {
      table.coefficients[power].assign((rows + 15) / 8 * 8, 0.0);
      for (std::size_t row = 0; row < rows; ++row)
        table.coefficients[power][row] = coefficients.data()[4 * row + power];
    }
    splines.push_back(std::move(table));
    parameters += static_cast<std::ptrdiff_t>(rows) + 1;
    return static_cast<int>(splines.size()) - 1;
  }

  void assign(std::vector<int> pair_, std::vector<int> density_, std::vector<int> embedding_, std::vector<int> bond_,
              std::vector<int> angle_) {
    const std::size_t one = types, two = one * one;
    if (pair_.size() != two || density_.size() != two || embedding_.size() != one || bond_.size() != one ||
        angle_.size() != two)
      throw nb::value_error("each type or pair of types has one spline of a kind");
    for (const std::vector<int>* map : {&pair_, &density_, &embedding_, &bond_, &angle_})
      for (int spline : *map)
        if (spline < (map == &bond_ || map == &angle_ ? -1 : 0) || spline >= static_cast<int>(splines.size()))
          throw nb::value_error("a spline that does not exist is asked for");
    for (std::size_t a = 0; a < one; ++a)
      for (std::size_t b = 0; b < one; ++b)
        if (bond_[a] >= 0 && bond_[b] >= 0 && angle_[a * one + b] < 0)
          throw nb::value_error("types that have a bond function need angle functions");
    pair = std::move(pair_);
    density = std::move(density_);
    embedding = std::move(embedding_);
    bond = std::move(bond_);
    angle = std::move(angle_);
    first_bond_parameter = parameters;
    for (int spline : bond)
      if (spline >= 0) first_bond_parameter = std::min(first_bond_parameter, splines[spline].parameter);
    for (const std::vector<int>* map : {&pair, &density, &embedding})
      for (int spline : *map)
        if (splines[spline].parameter >= first_bond_parameter)
          throw nb::value_error("bond and angle functions come after all others");
  }
};

struct System {
  Input<std::int32_t, 1> types;
  Input<std::int64_t, 1> starts, indices;
  Input<double, 2> vectors;
  Input<double, 1> distances;
  Input<std::int64_t, 1> structures;
  std::size_t structure_count = 0;

  System(const Model& model, Input<std::int32_t, 1> types_, Input<std::int64_t, 1> starts_,
         Input<std::int64_t, 1> indices_, Input<double, 2> vectors_, Input<double, 1> distances_,
         Input<std::int64_t, 1> structures_)
      : types(types_), starts(starts_), indices(indices_), vectors(vectors_), distances(distances_),
        structures(structures_) {
    const std::int64_t atoms = types.shape(0), pairs = indices.shape(0);
    bool good = atoms > 0 && starts.shape(0) == types.shape(0) + 1 && starts.data()[0] == 0 &&
                starts.data()[atoms] == pairs && vectors.shape(0) == indices.shape(0) && vectors.shape(1) == 3 &&
                distances.shape(0) == indices.shape(0) && structures.shape(0) == types.shape(0) &&
                structures.data()[0] == 0 && !model.pair.empty();
    for (std::int64_t i = 0; good && i < atoms; ++i) {
      good = starts.data()[i] <= starts.data()[i + 1] && types.data()[i] >= 0 && types.data()[i] < model.types;
      if (i > 0) good = good && structures.data()[i] >= structures.data()[i - 1];
    }
    for (std::int64_t p = 0; good && p < pairs; ++p) good = indices.data()[p] >= 0 && indices.data()[p] < atoms;
    if (!good) throw nb::value_error("the arrays of atoms and neighbours do not fit together");
    structure_count = static_cast<std::size_t>(structures.data()[atoms - 1]) + 1;
  }

  Surroundings view() const {
    return {static_cast<std::ptrdiff_t>(types.shape(0)), types.data(), starts.data(), indices.data(),
            vectors.data(), distances.data(), structures.data()};
  }
};

// Runs work(begin, end, part) on parts of the atoms, each in a thread of its own.
void share(std::ptrdiff_t atoms, int threads, const std::function<void(std::ptrdiff_t, std::ptrdiff_t, int)>& work) {
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t)
    others.emplace_back([&, t] { work(atoms * t / threads, atoms * (t + 1) / threads, t); });
  work(0, atoms / threads, 0);
  for (std::thread& thread : others) thread.join();
}

nb::tuple evaluate(const Model& model, Input<std::int32_t, 1> types, Input<std::int64_t, 1> starts,
                   Input<std::int64_t, 1> indices, Input<double, 2> vectors, Input<double, 1> distances,
                   Input<std::int64_t, 1> structures, int threads) {
  const System system(model, types, starts, indices, vectors, distances, structures);
  const std::size_t atoms = types.shape(0);
  auto energies = zeros<1>({atoms}), densities = zeros<1>({atoms});
  auto forces = zeros<2>({atoms, 3});
  auto virials = zeros<3>({system.structure_count, 3, 3});
  {
    nb::gil_scoped_release release;
    threads = static_cast<int>(std::clamp<std::size_t>(atoms / 64, 1, std::max(threads, 1)));
    // Forces act on neighbours in other parts, so each thread after the first adds to arrays of its own.
    std::vector<std::vector<double>> more_forces(threads), more_virials(threads);
    share(static_cast<std::ptrdiff_t>(atoms), threads, [&](std::ptrdiff_t begin, std::ptrdiff_t end, int part) {
      Evaluated result{energies.data(), densities.data(), forces.data(), virials.data()};
      if (part > 0) {
        more_forces[part].assign(forces.size(), 0.0);
        more_virials[part].assign(virials.size(), 0.0);
        result.forces = more_forces[part].data();
        result.virials = more_virials[part].data();
      }
      chosen_variant()->evaluate(model, system.view(), begin, end, result);
    });
    for (int part = 1; part < threads; ++part) {
      for (std::size_t i = 0; i < forces.size(); ++i) forces.data()[i] += more_forces[part][i];
      for (std::size_t i = 0; i < virials.size(); ++i) virials.data()[i] += more_virials[part][i];
    }
  }
  return nb::make_tuple(energies, densities, forces, virials);
}

nb::tuple differentiate(const Model& model, Input<std::int32_t, 1> types, Input<std::int64_t, 1> starts,
                        Input<std::int64_t, 1> indices, Input<double, 2> vectors, Input<double, 1> distances,
                        Input<std::int64_t, 1> structures, bool with_virials) {
  const System system(model, types, starts, indices, vectors, distances, structures);
  const std::size_t atoms = types.shape(0), parameters = static_cast<std::size_t>(model.parameters);
  auto energies = zeros<1>({atoms}), densities = zeros<1>({atoms});
  auto forces = zeros<2>({atoms, 3});
  auto virials = zeros<3>({system.structure_count, 3, 3});
  auto by_energies = zeros<2>({atoms, parameters}), by_densities = zeros<2>({atoms, parameters});
  auto by_forces = zeros<3>({atoms, 3, parameters});
  auto by_virials = zeros<4>({with_virials ? system.structure_count : 0, 3, 3, parameters});
  {
    nb::gil_scoped_release release;
    chosen_variant()->differentiate(
        model, system.view(), 0, static_cast<std::ptrdiff_t>(atoms),
        {energies.data(), densities.data(), forces.data(), virials.data()},
        {by_energies.data(), by_densities.data(), by_forces.data(), with_virials ? by_virials.data() : nullptr});
  }
  return nb::make_tuple(energies, densities, forces, virials, by_energies, by_densities, by_forces, by_virials);
}

}  // namespace
}  // namespace madelung

NB_MODULE(_splines, module) {
  using namespace nb::literals;
  using madelung::Model;
  module.doc() = "Spline potentials on the CPU. Use madelung.forcefields.splines, which checks what it passes on.";
  nb::class_<Model>(module, "Model")
      .def(nb::init<int, double>(), "types"_a, "cutoff"_a)
      .def("add", &Model::add, "origin"_a, "spacing"_a, "coefficients"_a, "limit"_a, "over_distance"_a = false,
           "Add a table (intervals + 2, 4); returns its number.")
      .def("assign", &Model::assign, "pair"_a, "density"_a, "embedding"_a, "bond"_a, "angle"_a,
           "Say which table serves which types.")
      .def_prop_ro("parameters", [](const Model& model) { return model.parameters; });
  module.def("evaluate", &madelung::evaluate, "model"_a, "types"_a, "starts"_a, "indices"_a, "vectors"_a,
             "distances"_a, "structures"_a, "threads"_a = 1,
             "Energies and densities of atoms, forces, and virials of structures.");
  module.def("differentiate", &madelung::differentiate, "model"_a, "types"_a, "starts"_a, "indices"_a, "vectors"_a,
             "distances"_a, "structures"_a, "with_virials"_a = false,
             "What evaluate gives, and the derivatives of each by all B-spline coefficients.");
  madelung::variants().define(module);
}
