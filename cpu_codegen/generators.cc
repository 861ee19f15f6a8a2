#include "cpu_codegen/generators.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/text.h"
#include "cpu_codegen/rv32/clip.h"
#include "cpu_codegen/rv32/conv2d.h"
#include "cpu_codegen/rv32/dense.h"
#include "cpu_codegen/rv32/depthwise.h"
#include "cpu_codegen/rv32/pool.h"
#include "cpu_codegen/rv32/turn.h"
#include "cpu_codegen/rv32/xpulp.h"
#include "ops/op.h"

namespace heddle {
namespace {

std::vector<FailedCondition> refuse_nothing(const Graph&, const Match&) { return {}; }

constexpr KernelGenerator kUnrolledMap = {
    "unrolled_map", "the generic loops of elementwise operators, several elements a turn",
    refuse_nothing, make_unrolled_map};

std::vector<std::string> known_names() {
  std::vector<std::string> names;
  for (const KernelGenerator& generator : kernel_generators()) names.emplace_back(generator.name);
  return names;
}

// What no kernel can do, whoever writes it: patterns may name anything.
std::vector<FailedCondition> fusion_refusals(const Graph& graph, const Match& match) {
  if (match.nodes.size() == 1) return {};
  const Node& anchor = graph.node(match.nodes.front());
  const CBody form = op_of(anchor).c_body({graph, anchor});
  const bool elements =
      !form.parts && form.block.empty() && !(form.result.empty() && form.map.empty());
  if (!elements) {
    return {{"an anchor that computes elements",
             "nothing is fused behind an operator that moves its operand or computes whole rows",
             "the anchor is " + anchor.op}};
  }
  for (size_t i = 1; i < match.nodes.size(); ++i) {
    const Node& node = graph.node(match.nodes[i]);
    if (op_of(node).c_body({graph, node}).map.empty()) {
      return {{"elementwise operators behind the anchor", "a kernel has one anchor",
               node.op + " is none"}};
    }
    const Shape& before = graph.value(graph.node(match.nodes[i - 1]).output).type.shape;
    const Shape& after = graph.value(node.output).type.shape;
    if (before != after) {
      return {{"elements as they come", "a kernel stores every element that it computes once",
               fmt::format("{} makes {} of {}", node.op, to_string(after), to_string(before))}};
    }
  }
  return {};
}

const KernelGenerator* generator_of(const Soc& soc, const Match& match) {
  if (match.target >= 0) return nullptr;
  const std::string& name = rule_of(soc, match).kernel;
  return name.empty() ? nullptr : find_generator(name);
}

}  // namespace

std::span<const KernelGenerator> kernel_generators() {
  static const std::array<KernelGenerator, 8> generators = {
      rv32::conv2d, rv32::dense,  rv32::depthwise_conv2d, rv32::pool,
      rv32::turn,   kUnrolledMap, rv32::xpulp_conv2d,     rv32::xpulp_dense};
  return generators;
}

const KernelGenerator* find_generator(std::string_view name) {
  const std::span<const KernelGenerator> all = kernel_generators();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const KernelGenerator& g) { return g.name == name; });
  return found == all.end() ? nullptr : &*found;
}

Status check_generators(const Target& cpu) {
  Diagnostics errors;
  for (const Rule& rule : cpu.rules) {
    if (rule.kernel.empty() || find_generator(rule.kernel) != nullptr) continue;
    const std::vector<std::string> names = known_names();
    errors.push_back(error_at(
        rule.place,
        fmt::format("rule `{}` names the kernel generator `{}`, which this tool does not have{}",
                    terminal_text(rule.name), terminal_text(rule.kernel),
                    did_you_mean(rule.kernel, names)),
        names.empty() ? "leave `kernel` out: the generic generator takes every operator"
                      : fmt::format("the generators are `{}`", fmt::join(names, "`, `"))));
  }
  const Rule* last = cpu.rules.empty() ? nullptr : &cpu.rules.back();
  if (errors.empty() && last != nullptr && !last->kernel.empty()) {
    errors.push_back(
        error_at(last->place,
                 fmt::format("the last rule, `{}`, must accept every operator, but its "
                             "kernel generator `{}` may refuse some",
                             terminal_text(last->name), terminal_text(last->kernel)),
                 "leave `kernel` out of it"));
  }
  if (!errors.empty()) return errors;
  return Unit{};
}

Matches refuse_kernels(const Graph& graph, const Soc& soc, Matches matches) {
  Matches result;
  result.refused = std::move(matches.refused);
  // As in match_rules(), one refusal a rule and place: the longest, which comes first.
  std::optional<std::pair<int, NodeId>> last;
  for (Match& match : matches.accepted) {
    if (match.target < 0) match.failed = fusion_refusals(graph, match);
    const KernelGenerator* const generator = generator_of(soc, match);
    if (generator != nullptr && match.accepted()) match.failed = generator->refusals(graph, match);
    if (match.accepted()) {
      result.accepted.push_back(std::move(match));
      continue;
    }
    const std::pair<int, NodeId> site{match.rule, match.anchor};
    if (last != site) result.refused.push_back(std::move(match));
    last = site;
  }
  return result;
}

Kernel make_step_kernel(const Graph& graph, const Soc& soc, const Schedule& schedule,
                        const Step& step, const std::string& function) {
  const Match& match = step.candidate.match;
  const Aliases& aliases = schedule.aliases;
  HEDDLE_CHECK(match.target < 0, "a kernel for a step that is not on the CPU");
  if (needs_no_code(graph, aliases, match)) return {};
  if (const KernelGenerator* const generator = generator_of(soc, match))
    return rv32::with_clips(generator->make(graph, match, schedule.storage, function), soc.isa);
  std::set<ValueId> in_place;  // parts of a concat that lie where they belong
  for (const ValueId part : graph.node(match.nodes.front()).inputs) {
    const auto alias = aliases.find(part);
    if (alias != aliases.end() && alias->second.host == match.output(graph)) in_place.insert(part);
  }
  return make_kernel(graph, match, schedule.storage, function, in_place);
}

std::vector<KernelNeeds> kernel_needs(const Graph& graph, const Soc& soc,
                                      const Schedule& schedule) {
  std::vector<KernelNeeds> result(schedule.steps.size());
  for (size_t s = 0; s < schedule.steps.size(); ++s) {
    if (generator_of(soc, schedule.steps[s].candidate.match) == nullptr) continue;
    const Kernel kernel = make_step_kernel(graph, soc, schedule, schedule.steps[s], "kernel");
    KernelNeeds& needs = result[s];
    needs.scratch_bytes = kernel.scratch_bytes;
    needs.constants.emplace();
    for (const KernelArgument& argument : kernel.arguments) {
      if (argument.value.valid() && graph.value(argument.value).constant)
        needs.constants->push_back(argument.value);
    }
    for (const KernelTable& table : kernel.tables)
      needs.table_bytes.push_back(static_cast<int64_t>(table.tensor.bytes().size()));
  }
  return result;
}

}  // namespace heddle
