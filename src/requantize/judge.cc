#include "requantize/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/text.h"
#include "compile/compile.h"
#include "ops/op.h"
#include "requantize/meaning.h"

namespace heddle {
namespace {

bool is_layer(const Node& node) {
  return in_class(op_of(node), "mac") || node.op == "add" || node.op == "qadd" ||
         node.op == "tflite_add";
}

// The refused match at this node with the fewest reasons.
Acceptance::Refusal refusal_of(const Compilation& c, NodeId id) {
  const Node& node = c.graph.node(id);
  Acceptance::Refusal refusal{fmt::format("{} ({})", node.name, node.op), "",
                              "no rule has a pattern that begins here", ""};
  size_t fewest = SIZE_MAX;
  for (const std::vector<Match>* matches : {&c.candidates.untileable, &c.matches.refused}) {
    for (const Match& match : *matches) {
      if (match.target < 0 || match.anchor != id) continue;
      const std::vector<FailedCondition> reasons = stated(match);
      if (reasons.empty() || reasons.size() >= fewest) continue;
      fewest = reasons.size();
      refusal.rule = target_of(c.soc, match).name + "/" + rule_of(c.soc, match).name;
      refusal.why = reasons[0].why;
      refusal.values = reasons[0].values;
    }
  }
  return refusal;
}

int64_t arg_max(const std::vector<double>& scores) {
  return std::max_element(scores.begin(), scores.end()) - scores.begin();
}

// The inputs of the requantised network for what the source computed.
std::vector<Tensor> inputs_of(const Requantized& requantized, const std::vector<Tensor>& values) {
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < requantized.inputs.size(); ++i) {
    const Tensor& given = values[static_cast<size_t>(requantized.inputs[i].source.index)];
    const TensorType& type = requantized.graph.value(requantized.graph.inputs[i]).type;
    Tensor input(type.dtype, type.shape);
    for (int64_t e = 0; e < given.elements(); ++e) {
      input.set(e, given.dtype() == DType::float32
                       ? requantized_input(given.float_at(e), requantized.inputs[i].scale)
                       : given.at(e));
    }
    inputs.push_back(std::move(input));
  }
  return inputs;
}

}  // namespace

Result<Acceptance> acceptance_of(const Graph& graph, const Soc& soc) {
  Compilation start;
  start.graph = graph;
  start.soc = soc;
  Result<Compilation> c = compile_graph(std::move(start), {}, "candidates");
  if (!c.ok()) return c.errors();
  std::map<NodeId, std::set<std::string>> covered;
  for (const Candidate& candidate : c->candidates.usable) {
    if (candidate.match.target < 0) continue;
    const std::vector<NodeId>& nodes =
        candidate.covers.empty() ? candidate.match.nodes : candidate.covers;
    for (NodeId id : nodes) covered[id].insert(target_of(c->soc, candidate.match).name);
  }
  Acceptance acceptance;
  for (size_t i = 0; i < c->graph.nodes.size(); ++i) {
    const Node& node = c->graph.nodes[i];
    if (!is_layer(node)) continue;
    const NodeId id{static_cast<int32_t>(i)};
    const int64_t macs = op_of(node).loops(OpView{c->graph, node}).macs;
    ++acceptance.layers;
    acceptance.macs += macs;
    std::string takers;
    for (const std::string& name : covered[id]) takers += (takers.empty() ? "" : ", ") + name;
    acceptance.takers.push_back(takers);
    if (!takers.empty()) {
      ++acceptance.accepted_layers;
      acceptance.accepted_macs += macs;
    } else {
      acceptance.refused.push_back(refusal_of(*c, id));
    }
  }
  return acceptance;
}

Result<Agreement> agreement_of(const Graph& source, const Requantized& requantized,
                               const std::vector<Sample>& samples,
                               const std::vector<int64_t>& labels) {
  Agreement agreement;
  agreement.samples = static_cast<int64_t>(samples.size());
  if (!labels.empty()) agreement.right_before = agreement.right_after = 0;
  double squares = 0, products = 0, before_squares = 0, after_squares = 0, count = 0;
  for (size_t s = 0; s < samples.size(); ++s) {
    Result<std::vector<Tensor>> values = interpret(source, samples[s]);
    if (!values.ok()) return values.errors();
    Result<std::vector<Tensor>> integers =
        interpret(requantized.graph, inputs_of(requantized, *values));
    if (!integers.ok()) return integers.errors();
    for (size_t o = 0; o < requantized.outputs.size(); ++o) {
      const Requantized::Output& output = requantized.outputs[o];
      std::vector<double> before =
          requantizing::numbers_of((*values)[static_cast<size_t>(output.score.index)]);
      std::vector<double> after = requantizing::numbers_of(
          (*integers)[static_cast<size_t>(requantized.graph.outputs[o].index)]);
      for (double& score : before) score -= output.zero;
      for (double& score : after) score *= output.scale;
      for (size_t i = 0; i < before.size(); ++i) {
        squares += (before[i] - after[i]) * (before[i] - after[i]);
        products += before[i] * after[i];
        before_squares += before[i] * before[i];
        after_squares += after[i] * after[i];
      }
      count += static_cast<double>(before.size());
      if (o != 0) continue;
      agreement.same_class += arg_max(before) == arg_max(after);
      if (labels.empty()) continue;
      *agreement.right_before += arg_max(before) == labels[s];
      *agreement.right_after += arg_max(after) == labels[s];
    }
  }
  agreement.rmse = std::sqrt(squares / std::max(count, 1.0));
  const double lengths = std::sqrt(before_squares * after_squares);
  agreement.cosine = lengths > 0 ? products / lengths : before_squares == after_squares ? 1 : 0;
  return agreement;
}

}  // namespace heddle
