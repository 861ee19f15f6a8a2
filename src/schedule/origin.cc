#include "schedule/origin.h"

#include <algorithm>

#include "legalise/legalise.h"

namespace heddle {
namespace {

bool contains(const std::vector<NodeId>& nodes, NodeId node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

}  // namespace

const Graph& graph_of(const Graph& imported, const Candidate& candidate) {
  return candidate.legalised ? candidate.legalised->graph : imported;
}

std::vector<ValueId> values_read(const Graph& imported, const Candidate& candidate) {
  std::vector<ValueId> values;
  for (const NodeId node : candidate.covers) {
    for (const ValueId input : imported.node(node).inputs) {
      if (!input.valid() || imported.value(input).constant) continue;
      const NodeId producer = imported.value(input).producer;
      const bool inside = producer.valid() && contains(candidate.covers, producer);
      if (!inside && std::find(values.begin(), values.end(), input) == values.end())
        values.push_back(input);
    }
  }
  return values;
}

ValueId value_made(const Graph& imported, const Candidate& candidate) {
  return imported.node(candidate.covers.back()).output;
}

ValueId value_of_job(const Candidate& candidate, ValueId value) {
  if (!candidate.legalised) return value;
  const Graph& form = candidate.legalised->graph;
  if (value == candidate.legalised->output) {
    const ValueId made = candidate.match.output(form);
    return made == form.outputs.front() ? made : ValueId{};
  }
  for (const auto& [own, from] : candidate.legalised->inputs) {
    if (from != value) continue;
    const std::vector<NodeId>& readers = form.value(own).consumers;
    const bool by_job = std::all_of(readers.begin(), readers.end(), [&](NodeId reader) {
      return contains(candidate.match.nodes, reader);
    });
    return by_job ? own : ValueId{};
  }
  return ValueId{};
}

std::string name_of(const Soc& soc, const Candidate& candidate) {
  const std::string name =
      target_of(soc, candidate.match).name + "/" + rule_of(soc, candidate.match).name;
  return candidate.legalised ? name + " (" + candidate.legalised->what + ")" : name;
}

}  // namespace heddle
