#include "import/normalise.h"

#include <algorithm>
#include <set>

#include "import/builder.h"
#include "import/chain.h"
#include "ops/op.h"

namespace heddle {
namespace {

// By node: whether an output depends on it.
std::vector<bool> live_nodes(const Graph& graph) {
  std::vector<bool> live(graph.nodes.size(), false);
  auto mark = [&](ValueId id) {
    if (id.valid() && graph.value(id).producer.valid())
      live[static_cast<size_t>(graph.value(id).producer.index)] = true;
  };
  for (ValueId id : graph.outputs) mark(id);
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    if (!live[i]) continue;
    for (ValueId id : graph.nodes[i].inputs) mark(id);
  }
  return live;
}

bool is_view(const std::string& op) { return op == "reshape" || op == "flatten"; }

// The node that alone reads a value which is no output; null where there is none.
const Node* only_consumer(const Graph& graph, ValueId id) {
  const Value& value = graph.value(id);
  return value.consumers.size() == 1 && !graph.is_output(id) ? &graph.node(value.consumers[0])
                                                             : nullptr;
}

bool all_zero(const Tensor& tensor) { return tensor.min_max() == Range{0, 0}; }

// Whether the node gives its first operand's elements back, unchanged and in the same shape.
bool changes_nothing(const Graph& from, const Node& node) {
  const TensorType& x = from.value(node.inputs[0]).type;
  const TensorType& y = from.value(node.output).type;
  if (is_view(node.op)) return x.shape == y.shape;
  if (x.dtype == DType::float32) return false;
  if (node.op == "bias_add") return all_zero(*from.value(node.inputs[1]).constant);
  if (node.op == "relu") return x.range.lo >= 0;
  if (node.op == "clip")
    return int_attribute(node, "lo") <= x.range.lo && x.range.hi <= int_attribute(node, "hi");
  if (node.op == "requant") {
    if (!is_plain_requant(from, node)) return false;
    RequantForm form = requant_form(from, node);
    return form.mul == std::vector<int64_t>{1} && form.add == std::vector<int64_t>{0} &&
           form.shift == 0 && form.lo <= x.range.lo && x.range.hi <= form.hi;
  }
  return false;
}

struct Pass {
  const Graph& from;
  Rebuild rebuild;
  std::set<ValueId> output_values;  // new values that are outputs already
};

ValueId& new_id(Pass& pass, ValueId id) { return pass.rebuild.ids[static_cast<size_t>(id.index)]; }

// Lets the node's readers read its operand instead. An output needs a node's value of its own
// behind it.
bool bypass(Pass& pass, const Node& node) {
  ValueId source = copy_value(pass.rebuild, pass.from, node.inputs[0]);
  if (pass.from.is_output(node.output)) {
    bool own = pass.rebuild.to.graph.value(source).producer.valid() &&
               !pass.from.is_output(node.inputs[0]);
    if (!own || !pass.output_values.insert(source).second) return false;
  }
  new_id(pass, node.output) = source;
  return true;
}

// The requantisation with the bounds of the Relus and Clips that alone read it; those then change
// nothing.
void copy_requant(Pass& pass, const Node& node) {
  Range bounds{int_attribute(node, "lo"), int_attribute(node, "hi")};
  const Node* last = &node;
  while (const Node* next = only_consumer(pass.from, last->output)) {
    if (next->op != "relu" && next->op != "clip") break;
    const bool relu = next->op == "relu";
    const int64_t lo = relu ? 0 : int_attribute(*next, "lo");
    const int64_t hi = relu ? std::max<int64_t>(bounds.hi, 0) : int_attribute(*next, "hi");
    bounds = {std::clamp(bounds.lo, lo, hi), std::clamp(bounds.hi, lo, hi)};
    last = next;
  }
  NewNode copy{.op = node.op,
               .name = last == &node ? node.name : last->name,
               .value_name = pass.from.value(last->output).name,
               .inputs = {},
               .attributes = node.attributes};
  copy.attributes["lo"] = bounds.lo;
  copy.attributes["hi"] = bounds.hi;
  for (ValueId id : node.inputs) copy.inputs.push_back(copy_value(pass.rebuild, pass.from, id));
  const ValueId y = add_operator(pass.rebuild.to, std::move(copy));
  // Every value on the way is this one; the loop skips the nodes in between.
  for (const Node* at = &node;; at = only_consumer(pass.from, at->output)) {
    new_id(pass, at->output) = y;
    if (at == last) break;
  }
}

// Views compose: only the last shape counts. [N, C, H, W] to [N, C*H*W] is called flatten, whatever
// it came as.
void copy_view(Pass& pass, const Node& node) {
  ValueId source = node.inputs[0];
  while (pass.from.value(source).producer.valid()) {
    const Node& before = pass.from.node(pass.from.value(source).producer);
    if (!is_view(before.op)) break;
    source = before.inputs[0];
  }
  const Shape& x = pass.from.value(source).type.shape;
  const Shape& y = pass.from.value(node.output).type.shape;
  if (x == y && source != node.inputs[0]) {  // there and back again
    Node back = node;
    back.inputs = {source};
    if (bypass(pass, back)) return;
  }
  bool flat = y.size() == 2 && x.size() >= 2 && y[0] == x[0];
  NewNode view{.op = flat ? "flatten" : "reshape",
               .name = node.name,
               .value_name = pass.from.value(node.output).name,
               .inputs = {copy_value(pass.rebuild, pass.from, source)},
               .attributes = {}};
  if (flat) {
    view.attributes["axis"] = int64_t{1};
  } else {
    view.attributes["shape"] = y;
  }
  new_id(pass, node.output) = add_operator(pass.rebuild.to, std::move(view));
}

Result<Graph> normalise_once(const Graph& graph, const std::string& file) {
  std::vector<bool> live = live_nodes(graph);
  Pass pass{.from = graph, .rebuild = start_rebuild(graph, file), .output_values = {}};
  for (size_t i = 0; i < graph.nodes.size() && pass.rebuild.to.errors.empty(); ++i) {
    const Node& node = graph.nodes[i];
    if (!live[i] || new_id(pass, node.output).valid()) continue;  // folded into an earlier one
    if (changes_nothing(graph, node) && bypass(pass, node)) continue;
    if (node.op == "requant") {
      copy_requant(pass, node);
    } else if (is_view(node.op)) {
      copy_view(pass, node);
    } else {
      copy_node(pass.rebuild, graph, node);
    }
  }
  return finish_rebuild(std::move(pass.rebuild), graph);
}

}  // namespace

Result<Graph> normalise(const Graph& graph, const std::string& file) {
  Result<Graph> result = normalise_once(graph, file);
  // Each round removes nodes, or is the last.
  while (result.ok()) {
    Result<Graph> next = normalise_once(*result, file);
    if (next.ok() && next->nodes.size() == result->nodes.size()) return next;
    result = std::move(next);
  }
  return result;
}

}  // namespace heddle
