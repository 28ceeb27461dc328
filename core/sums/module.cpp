// The Python module madelung.common._core: a batch of crystals, shared among threads, one crystal at a time.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "networks/pairs_module.hpp"
#include "networks/springs_module.hpp"
#include "common/variants.hpp"

namespace nb = nanobind;

namespace madelung {
namespace {

template <int dimensions>
using Output = nb::ndarray<nb::numpy, double, nb::ndim<dimensions>, nb::c_contig>;

// Memory for an array. Large ones ask for large pages: touching each small page once would cost as much as some sums.
double* allocate(std::size_t count) {
  const std::size_t bytes = count * sizeof(double);
  void* memory = nullptr;
#if defined(__linux__)
  constexpr std::size_t large_page = std::size_t{1} << 21;
  if (bytes >= 2 * large_page) {
    const std::size_t whole = (bytes + large_page - 1) / large_page * large_page;
    memory = std::aligned_alloc(large_page, whole);
    if (memory != nullptr) madvise(memory, whole, MADV_HUGEPAGE);
  }
#endif
  if (memory == nullptr) memory = std::malloc(bytes > 0 ? bytes : 1);
  if (memory == nullptr) throw std::bad_alloc();
  return static_cast<double*>(memory);
}

template <int dimensions>
Output<dimensions> make_array(std::initializer_list<std::size_t> shape) {
  std::size_t size = 1;
  for (std::size_t extent : shape) size *= extent;
  double* data = allocate(size);
  nb::capsule owner(data, [](void* memory) noexcept { std::free(memory); });
  return Output<dimensions>(data, shape, owner);
}

struct Batch {
  Input<double, 3> cells;
  Input<double, 2> positions;
  Input<std::int64_t, 1> offsets;
  Input<double, 2> tolerances;
  Input<double, 1> splitting;
  std::vector<Potential> potentials;
  std::vector<std::int64_t> pair_offsets;

  Batch(Input<double, 3> cells_, Input<double, 2> positions_, Input<std::int64_t, 1> offsets_,
        Input<std::int32_t, 1> kernels, Input<double, 1> parameters, Input<double, 2> tolerances_,
        Input<double, 1> splitting_)
      : cells(cells_), positions(positions_), offsets(offsets_), tolerances(tolerances_), splitting(splitting_) {
    for (std::size_t p = 0; p < kernels.shape(0); ++p)
      potentials.push_back({static_cast<Kernel>(kernels.data()[p]), parameters.data()[p]});
    check(kernels.shape(0), parameters.shape(0));
    pair_offsets.push_back(0);
    for (std::size_t b = 0; b < count(); ++b) pair_offsets.push_back(pair_offsets.back() + atoms(b) * atoms(b));
  }
  std::size_t count() const { return cells.shape(0); }
  std::int64_t atoms(std::size_t b) const { return offsets.data()[b + 1] - offsets.data()[b]; }
  std::int64_t pairs() const { return pair_offsets.back(); }

  Job job(std::size_t b) const {
    return {cells.data() + 9 * b, positions.data() + 3 * offsets.data()[b], static_cast<std::ptrdiff_t>(atoms(b)),
            potentials.data(),    static_cast<int>(potentials.size()),      tolerances.data() + b * potentials.size(),
            splitting.data()[b]};
  }

 private:
  static bool all_finite(const double* values, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      if (!std::isfinite(values[i])) return false;
    return true;
  }

  void check(std::size_t kernels, std::size_t parameters) const {
    const std::size_t n = count();
    bool good = cells.shape(1) == 3 && cells.shape(2) == 3 && positions.shape(1) == 3 && offsets.shape(0) == n + 1 &&
                kernels == parameters && kernels >= 1 && kernels <= 16 && tolerances.shape(0) == n &&
                tolerances.shape(1) == kernels && splitting.shape(0) == n && offsets.data()[0] == 0 &&
                offsets.data()[n] == static_cast<std::int64_t>(positions.shape(0));
    for (std::size_t b = 0; good && b < n; ++b) good = atoms(b) > 0;
    if (good && !(all_finite(cells.data(), 9 * n) && all_finite(positions.data(), 3 * positions.shape(0))))
      throw nb::value_error("a cell or a position is not finite");
    for (const Potential& potential : potentials)
      good = good && potential.kernel >= Kernel::coulomb && potential.kernel <= Kernel::inverse_power;
    if (!good) throw nb::value_error("the arrays of a batch do not fit together");
  }
};

// Runs work(variant, workspace, b) for every crystal; each thread takes the next few that are left. The first crystal
// that fails ends the work.
template <class Work>
void for_each_crystal(std::size_t count, int threads, Work&& work) {
  const Variant& variant = *chosen_variant();
  constexpr std::size_t portion = 8;
  std::atomic<std::size_t> next{0};
  std::mutex lock;
  std::string failure;
  const auto fail = [&](std::size_t b, const char* why) {
    const std::lock_guard<std::mutex> guard(lock);
    if (failure.empty()) failure = "crystal " + std::to_string(b) + ": " + why;
    next = count;
  };
  const auto run = [&] {
    const std::unique_ptr<Workspace, void (*)(Workspace*)> workspace(variant.create(), variant.destroy);
    for (std::size_t begin = next.fetch_add(portion); begin < count; begin = next.fetch_add(portion))
      for (std::size_t b = begin; b < begin + portion && b < count; ++b) try {
          if (!work(variant, workspace.get(), b)) return fail(b, "its cell has no volume");
        } catch (const std::exception& problem) {
          return fail(b, problem.what());
        }
  };
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(run);
  run();
  for (std::thread& thread : others) thread.join();
  if (!failure.empty()) throw std::runtime_error(failure);
}

nb::tuple forward(Input<double, 3> cells, Input<double, 2> positions, Input<std::int64_t, 1> offsets,
                  Input<std::int32_t, 1> kernels, Input<double, 1> parameters, Input<double, 2> tolerances,
                  Input<double, 1> splitting, int threads) {
  const Batch batch(cells, positions, offsets, kernels, parameters, tolerances, splitting);
  const std::size_t count = batch.potentials.size(), pairs = static_cast<std::size_t>(batch.pairs());
  auto values = make_array<2>({count, pairs});
  auto certificate = make_array<2>({batch.count(), count});
  {
    nb::gil_scoped_release release;
    for_each_crystal(batch.count(), threads, [&](const Variant& variant, Workspace* workspace, std::size_t b) {
      std::vector<double*> sums(count);
      for (std::size_t p = 0; p < count; ++p) sums[p] = values.data() + p * pairs + batch.pair_offsets[b];
      return variant.forward(workspace, batch.job(b), sums.data(), certificate.data() + b * count);
    });
  }
  return nb::make_tuple(values, certificate);
}

nb::tuple gradient(Input<double, 3> cells, Input<double, 2> positions, Input<std::int64_t, 1> offsets,
                   Input<std::int32_t, 1> kernels, Input<double, 1> parameters, Input<double, 2> tolerances,
                   Input<double, 1> splitting, int threads, Input<double, 2> cotangent) {
  const Batch batch(cells, positions, offsets, kernels, parameters, tolerances, splitting);
  const std::size_t count = batch.potentials.size(), pairs = static_cast<std::size_t>(batch.pairs());
  if (cotangent.shape(0) != count || cotangent.shape(1) != pairs)
    throw nb::value_error("the cotangent must have the shape of the sums");
  auto by_position = make_array<2>({positions.shape(0), 3});
  auto by_cell = make_array<3>({batch.count(), 3, 3});
  auto by_parameter = make_array<2>({batch.count(), count});
  {
    nb::gil_scoped_release release;
    for_each_crystal(batch.count(), threads, [&](const Variant& variant, Workspace* workspace, std::size_t b) {
      std::vector<const double*> rows(count);
      for (std::size_t p = 0; p < count; ++p) rows[p] = cotangent.data() + p * pairs + batch.pair_offsets[b];
      const Gradient result = {by_position.data() + 3 * batch.offsets.data()[b], by_cell.data() + 9 * b,
                               by_parameter.data() + b * count};
      return variant.backward(workspace, batch.job(b), rows.data(), result);
    });
  }
  return nb::make_tuple(by_position, by_cell, by_parameter);
}

}  // namespace
}  // namespace madelung

NB_MODULE(_core, module) {
  using namespace nb::literals;
  module.doc() = "Complete lattice sums on the CPU. Use madelung.complete_sums, which checks what it passes on.";
  module.def("forward", &madelung::forward, "cells"_a, "positions"_a, "offsets"_a, "kernels"_a, "parameters"_a,
             "tolerances"_a, "splitting"_a, "threads"_a = 1,
             "Sums (potentials, pairs) and certificate (crystals, potentials) of a batch.");
  module.def("gradient", &madelung::gradient, "cells"_a, "positions"_a, "offsets"_a, "kernels"_a, "parameters"_a,
             "tolerances"_a, "splitting"_a, "threads"_a, "cotangent"_a,
             "Vector-Jacobian product: by position, by cell at fixed Cartesian positions, by parameter.");
  madelung::define_pairs<float>(module);
  madelung::define_pairs<std::uint16_t>(module);
  madelung::define_layers(module);
  madelung::define_springs(module);
  madelung::variants().define(module);
}
