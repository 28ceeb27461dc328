// The neighbours of one atom, one block for each type, those within the reach of angular terms first.
#pragma once

#include <vector>

#include "common/simd.hpp"
#include "splines/model.hpp"

namespace madelung::MADELUNG_VARIANT {

struct Block {
  std::ptrdiff_t begin, count, near;  // begin is a multiple of the vectors' width
};

class Neighbourhood {
 public:
  explicit Neighbourhood(const SplineModel& model) : blocks(model.types), model_(model), next_(2 * model.types) {}

  void gather(const Surroundings& system, std::ptrdiff_t atom) {
    const std::int64_t first = system.starts[atom], last = system.starts[atom + 1];
    for (Block& block : blocks) block = {0, 0, 0};
    for (std::int64_t p = first; p < last; ++p) {
      if (system.distances[p] >= model_.cutoff) continue;
      Block& block = blocks[system.types[system.indices[p]]];
      ++block.count;
      block.near += is_near(system, p);
    }
    size = 0;
    for (int type = 0; type < model_.types; ++type) {
      blocks[type].begin = size;
      next_[2 * type] = size + blocks[type].near;
      next_[2 * type + 1] = size;
      size += static_cast<std::ptrdiff_t>(padded(blocks[type].count));
    }
    for (Buffer<double>* part : {&x, &y, &z, &distance}) part->require(size);
    index.require(size);
    for (std::int64_t p = first; p < last; ++p) {
      const double r = system.distances[p];
      if (r >= model_.cutoff) continue;
      const std::ptrdiff_t place = next_[2 * system.types[system.indices[p]] + is_near(system, p)]++;
      const double* vector = system.vectors + 3 * p;
      x[place] = vector[0] / r;
      y[place] = vector[1] / r;
      z[place] = vector[2] / r;
      distance[place] = r;
      index[place] = system.indices[p];
    }
    for (const Block& block : blocks)
      for (std::ptrdiff_t place = block.begin + block.count; place % width != 0; ++place) {
        x[place] = y[place] = z[place] = 0;
        distance[place] = 1;
      }
  }

  std::ptrdiff_t size = 0;  // with padding
  std::vector<Block> blocks;
  Buffer<double> x, y, z, distance;  // unit vectors from the atom, and distances
  Buffer<std::int64_t> index;

 private:
  bool is_near(const Surroundings& system, std::int64_t p) const {
    const int bond = model_.bond[system.types[system.indices[p]]];
    return bond >= 0 && system.distances[p] < model_.splines[bond].limit;
  }

  const SplineModel& model_;
  std::vector<std::ptrdiff_t> next_;
};

}  // namespace madelung::MADELUNG_VARIANT
