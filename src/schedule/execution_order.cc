#include <fmt/format.h>

#include <algorithm>
#include <queue>

#include "base/text.h"
#include "match/spine.h"
#include "schedule/policy.h"

namespace heddle {
namespace {

using Edges = std::vector<std::vector<size_t>>;  // of each node, those that must come later

size_t index_of(NodeId id) { return static_cast<size_t>(id.index); }

Edges dataflow(const Graph& graph) {
  Edges later(graph.nodes.size());
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    for (const NodeId consumer : graph.value(graph.nodes[n].output).consumers)
      later[n].push_back(index_of(consumer));
  }
  return later;
}

bool reaches(const Edges& later, size_t from, size_t to) {
  std::vector<bool> seen(later.size(), false);
  std::vector<size_t> open{from};
  while (!open.empty()) {
    const size_t node = open.back();
    open.pop_back();
    if (node == to) return true;
    if (seen[node]) continue;
    seen[node] = true;
    open.insert(open.end(), later[node].begin(), later[node].end());
  }
  return false;
}

// The last of the maps that follow a node alone: a fused region runs where its last node stands.
size_t end_of_layer(const Graph& graph, size_t start) {
  size_t last = start;
  while (true) {
    const Value& value = graph.value(graph.nodes[last].output);
    if (value.consumers.size() != 1) return last;
    const Node& next = graph.node(value.consumers.front());
    const auto activations = std::count_if(next.inputs.begin(), next.inputs.end(), [&](ValueId id) {
      return id.valid() && !graph.value(id).constant;
    });
    if (activations != 1 || !in_class(op_of(next), "map")) return last;
    last = index_of(value.consumers.front());
  }
}

// The smallest order by the old positions that keeps all edges.
std::vector<size_t> sorted(const Edges& later) {
  std::vector<int> missing(later.size(), 0);
  for (const std::vector<size_t>& targets : later)
    for (const size_t target : targets) ++missing[target];
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
  for (size_t n = 0; n < later.size(); ++n) {
    if (missing[n] == 0) ready.push(n);
  }
  std::vector<size_t> order;
  while (!ready.empty()) {
    const size_t node = ready.top();
    ready.pop();
    order.push_back(node);
    for (const size_t target : later[node]) {
      if (--missing[target] == 0) ready.push(target);
    }
  }
  HEDDLE_CHECK(order.size() == later.size(), "an order of execution with a cycle");
  return order;
}

Graph reordered(const Graph& graph, const std::vector<size_t>& order) {
  Graph result = graph;
  std::vector<NodeId> now(order.size());
  for (size_t n = 0; n < order.size(); ++n) {
    result.nodes[n] = graph.nodes[order[n]];
    now[order[n]] = NodeId{static_cast<int32_t>(n)};
  }
  for (Value& value : result.values) {
    if (value.producer.valid()) value.producer = now[index_of(value.producer)];
    for (NodeId& consumer : value.consumers) consumer = now[index_of(consumer)];
    std::sort(value.consumers.begin(), value.consumers.end());
  }
  return result;
}

}  // namespace

Result<Graph> order_execution(const Graph& graph, const Policy& policy) {
  if (policy.execution_order.empty()) return graph;
  std::vector<std::string> names;
  for (const Node& node : graph.nodes) names.push_back(node.name);
  Diagnostics errors;
  std::vector<size_t> listed;
  std::vector<bool> taken(graph.nodes.size(), false);
  for (const std::string& regex : policy.execution_order) {
    const Place place = in_file("policy " + policy.name);
    const Result<std::vector<bool>> selected = full_match(regex, names, place);
    if (!selected.ok()) {
      errors.insert(errors.end(), selected.errors().begin(), selected.errors().end());
      continue;
    }
    if (std::find(selected->begin(), selected->end(), true) == selected->end()) {
      errors.push_back(error_at(place,
                                fmt::format("`{}` of `execution_order` selects no layer{}",
                                            terminal_text(regex), did_you_mean(regex, names)),
                                "`heddle inspect` lists the network's layers"));
    }
    for (size_t n = 0; n < names.size(); ++n) {
      if ((*selected)[n] && !taken[n]) listed.push_back(n);
      taken[n] = taken[n] || (*selected)[n];
    }
  }
  if (!errors.empty()) return errors;
  Edges later = dataflow(graph);
  for (size_t i = 1; i < listed.size(); ++i) {
    const size_t end = end_of_layer(graph, listed[i - 1]);
    // Where the dataflow wants it otherwise, it wins.
    if (!reaches(later, listed[i], end)) later[end].push_back(listed[i]);
  }
  return reordered(graph, sorted(later));
}

}  // namespace heddle
