// Small networks for DIANA's digital core, and their schedules.
#pragma once

#include <string>
#include <vector>

#include "schedule/schedule.h"
#include "support/network_builder.h"

namespace heddle {

inline Soc load_diana() {  // with its digital core alone
  Result<Soc> soc = load_soc(std::string(HEDDLE_SOURCE_DIR) + "/rules/soc/diana.toml");
  HEDDLE_CHECK(soc.ok(), format_diagnostics(soc.errors()));
  soc->accelerators.resize(1);
  return *soc;
}

struct SmallNetwork : NetworkBuilder {
  ValueId conv(ValueId x, int64_t k, int64_t kernel = 3) {
    Tensor weights(DType::int8, {k, shape(x)[1], kernel, kernel});
    for (int64_t i = 0; i < weights.elements(); ++i) weights.set(i, i % 7 - 3);
    Attributes attributes = window_attributes(1, kernel / 2, kernel / 2);
    attributes["group"] = int64_t{1};
    return requant(node("conv2d", {x, constant(weights)}, attributes), 5);
  }
  ValueId add(ValueId x, ValueId y) { return requant(node("add", {x, y}), 1); }
  // Of the CPU: no unit of DIANA rounds so.
  ValueId pool(ValueId x) {
    return node("average_pool", {x},
                {{"kernel_h", int64_t{2}},
                 {"kernel_w", int64_t{2}},
                 {"stride_h", int64_t{2}},
                 {"stride_w", int64_t{2}},
                 {"pad_top", int64_t{0}},
                 {"pad_left", int64_t{0}},
                 {"pad_bottom", int64_t{0}},
                 {"pad_right", int64_t{0}},
                 {"count_include_pad", int64_t{0}}});
  }
};

inline Result<Schedule> schedule_of(const Graph& graph, const Soc& soc, const Policy& policy) {
  const Matches matches = match_rules(graph, soc, policy);
  Result<Candidates> candidates = make_candidates(graph, soc, matches);
  if (!candidates.ok()) return candidates.errors();
  return make_schedule(graph, soc, policy, matches, *candidates);
}

// "conv2d requant on diana_digital/conv2d" of every step.
inline std::vector<std::string> steps(const Soc& soc, const Schedule& schedule) {
  std::vector<std::string> found;
  for (const Step& step : schedule.steps) {
    std::string text;
    for (const NodeId id : step.candidate.match.nodes) text += schedule.graph.node(id).op + " ";
    found.push_back(text + "on " + target_of(soc, step.candidate.match).name + "/" +
                    rule_of(soc, step.candidate.match).name);
  }
  return found;
}

}  // namespace heddle
