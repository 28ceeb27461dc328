// Which of the variants that a module was compiled in is used: the fastest that runs here, or one that was asked for.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <initializer_list>
#include <string>
#include <vector>

namespace madelung {

template <class Variant>
class InstructionSets {
 public:
  // Fastest first; the last one runs everywhere.
  InstructionSets(std::initializer_list<const Variant*> compiled) {
    for (const Variant* variant : compiled)
      if (variant->runs_here()) here_.push_back(variant);
    chosen_ = here_.front();
  }

  const Variant* chosen() const { return chosen_; }

  // The functions of a Python module that tell, and change, what is used.
  void define(nanobind::module_& module) {
    module.def("instruction_sets", [this] { return names(); }, "What this machine can run, fastest first.");
    module.def("instruction_set", [this] { return std::string(chosen_->name); }, "What is used.");
    module.def("set_instruction_set", [this](const std::string& name) { choose(name); }, nanobind::arg("name"),
               "Use another one (for tests).");
  }

 private:
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const Variant* variant : here_) names.emplace_back(variant->name);
    return names;
  }

  void choose(const std::string& name) {
    for (const Variant* variant : here_)
      if (name == variant->name) {
        chosen_ = variant;
        return;
      }
    throw nanobind::value_error(("this machine cannot run the instruction set '" + name + "'").c_str());
  }

  std::vector<const Variant*> here_;
  const Variant* chosen_;
};

}  // namespace madelung
