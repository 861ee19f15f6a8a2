// Kernel generators that a CPU rule names with `kernel`: faster code than the generic one for the
// matches that they accept. The table is const; a generator is a pure function.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "cpu_codegen/kernel.h"
#include "memory/plan.h"
#include "rules/rules.h"

namespace heddle {

struct KernelGenerator {
  std::string_view name;  // "rv32_conv2d"
  std::string_view summary;
  // What of the match the generator has no code for; empty: make() succeeds, whatever the storage.
  std::vector<FailedCondition> (*refusals)(const Graph& graph, const Match& match);
  Kernel (*make)(const Graph& graph, const Match& match, const StorageOf& storage,
                 const std::string& function);
};

// Sorted by name.
std::span<const KernelGenerator> kernel_generators();
const KernelGenerator* find_generator(std::string_view name);  // null if unknown

// Error: a rule of the CPU names a generator that is not there, or one that cannot take every place
// of its pattern and is the last rule.
Status check_generators(const Target& cpu);

// Moves CPU matches that cannot be one kernel, or that their rule's generator refuses, from the
// accepted matches to the refused ones, with the reasons.
Matches refuse_kernels(const Graph& graph, const Soc& soc, Matches matches);

// The kernel of a CPU step: by its rule's generator, or the generic one. No text for a step that
// needs no code. `step` is one of the schedule's.
Kernel make_step_kernel(const Graph& graph, const Soc& soc, const Schedule& schedule,
                        const Step& step, const std::string& function);

// What the kernels of every step need of the memory plan.
std::vector<KernelNeeds> kernel_needs(const Graph& graph, const Soc& soc, const Schedule& schedule);

}  // namespace heddle
