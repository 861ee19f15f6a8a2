#include "import/transposes.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "import/builder.h"
#include "ops/map.h"
#include "ops/move.h"

namespace heddle {
namespace {

using List = std::vector<int64_t>;

// What an old value is in terms of a new one: dimension d of it is dimension perm[d] of `value`.
// `flat_from`: both are [N, K] instead, flattened from tensors that are related so, the new one from
// this shape.
struct Waiting {
  ValueId value;
  List perm;
  Shape flat_from{};
  bool flat() const { return !flat_from.empty(); }
};

List identity_of(size_t rank) {
  List perm(rank);
  std::iota(perm.begin(), perm.end(), 0);
  return perm;
}

List inverse_of(const List& perm) {
  List inverse(perm.size());
  for (size_t d = 0; d < perm.size(); ++d)
    inverse[static_cast<size_t>(perm[d])] = static_cast<int64_t>(d);
  return inverse;
}

template <class T>
std::vector<T> permuted(const std::vector<T>& list, const List& perm) {
  std::vector<T> result;
  for (const int64_t d : perm) result.push_back(list[static_cast<size_t>(d)]);
  return result;
}

// Whether dimensions of more than one element stay in their order.
bool moves_only_ones(const Shape& shape, const List& perm) {
  int64_t last = -1;
  for (const int64_t d : perm) {
    if (shape[static_cast<size_t>(d)] == 1) continue;
    if (d < last) return false;
    last = d;
  }
  return true;
}

bool is_reshape(const std::string& op) { return op == "reshape" || op == "flatten"; }

class Sinker {
 public:
  Sinker(const Graph& from, const std::string& file)
      : from_(from), rebuild_(start_rebuild(from, file)), waiting_(from.values.size()) {}

  Result<Graph> run() {
    for (const Node& node : from_.nodes) {
      if (!rebuild_.to.errors.empty()) break;
      if (node.op == "transpose") {
        wait(node);
      } else if (!sink(node)) {
        for (const ValueId input : node.inputs) plain(input);
        copy_node(rebuild_, from_, node);
      }
    }
    std::set<ValueId> outputs;
    for (const ValueId id : from_.outputs) {
      if (!rebuild_.to.errors.empty()) break;
      const ValueId found = plain(id);
      const bool own = rebuild_.to.graph.value(found).producer.valid();
      if (own && outputs.insert(found).second) continue;
      if (!from_.value(id).producer.valid()) continue;
      // A pair that cancels would leave the output without a value of its own.
      const Node& node = from_.node(from_.value(id).producer);
      plain(node.inputs[0]);
      copy_node(rebuild_, from_, node);
    }
    return finish_rebuild(std::move(rebuild_), from_);
  }

 private:
  const TensorType& old_type(ValueId id) const { return from_.value(id).type; }
  const TensorType& new_type(ValueId id) const { return type_of(rebuild_.to, id); }
  std::optional<Waiting>& waiting(ValueId id) { return waiting_[static_cast<size_t>(id.index)]; }
  bool waits(ValueId id) { return id.valid() && waiting(id).has_value(); }

  ValueId emit(const Node& like, ValueId old, std::string op, std::vector<ValueId> inputs,
               Attributes attributes) {
    return add_operator(rebuild_.to, {.op = std::move(op),
                                      .name = like.name,
                                      .value_name = from_.value(old).name,
                                      .inputs = std::move(inputs),
                                      .attributes = std::move(attributes)});
  }

  ValueId transposed(const Node& like, ValueId old, ValueId value, const List& perm) {
    if (!value.valid() || perm == identity_of(perm.size())) return value;
    const auto known = transposes_.find({value, perm});
    if (known != transposes_.end()) return known->second;
    const Shape shape = new_type(value).shape;
    const ValueId made =
        moves_only_ones(shape, perm)
            ? emit(like, old, "reshape", {value}, {{"shape", permuted(shape, perm)}})
            : emit(like, old, "transpose", {value}, {{"perm", perm}});
    transposes_[{value, perm}] = made;
    return made;
  }

  // The value in the order that the old graph has it.
  ValueId plain(ValueId id) {
    if (!id.valid()) return id;
    ValueId& made = rebuild_.ids[static_cast<size_t>(id.index)];
    if (made.valid() || !waits(id)) return copy_value(rebuild_, from_, id);
    const Waiting& at = *waiting(id);
    const Node& like = from_.node(from_.value(id).producer);
    ValueId value = at.value;
    if (at.flat()) value = emit(like, id, "reshape", {value}, {{"shape", at.flat_from}});
    if (value.valid()) value = transposed(like, id, value, at.perm);
    if (at.flat() && value.valid())
      value = emit(like, id, "reshape", {value}, {{"shape", old_type(id).shape}});
    return made = value;
  }

  void wait(const Node& node) {
    const ValueId x = node.inputs[0];
    const List& perm = std::get<List>(node.attributes.at("perm"));
    if (waits(x) && waiting(x)->flat()) plain(x);
    if (waits(x) && !waiting(x)->flat()) {
      const List composed = permuted(waiting(x)->perm, perm);
      waiting(node.output) = Waiting{waiting(x)->value, composed};
    } else {
      waiting(node.output) = Waiting{plain(x), perm};
    }
    const Waiting& now = *waiting(node.output);
    if (now.perm != identity_of(now.perm.size())) return;
    rebuild_.ids[static_cast<size_t>(node.output.index)] = now.value;
    waiting(node.output).reset();
  }

  // The order that the node could work in: that of the first operand that waits in one.
  std::optional<Waiting> order_of(const Node& node) {
    for (const ValueId input : node.inputs) {
      if (waits(input) && old_type(input).shape.size() == old_type(node.output).shape.size())
        return waiting(input);
    }
    return std::nullopt;
  }

  // True where the node was emitted, or put off.
  bool sink(const Node& node) {
    if (std::none_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) { return waits(id); }))
      return false;
    if (is_reshape(node.op)) return sink_reshape(node);
    if (node.op == "dense") return sink_dense(node);
    const std::optional<Waiting> order = order_of(node);
    if (!order) return false;
    const OpDef& op = op_of(node);
    if (in_class(op, "map")) return sink_map(node, *order);
    if (order->flat()) return false;
    if (node.op == "concat") return sink_concat(node, order->perm);
    if (!waits(node.inputs[0])) return false;
    if (node.op == "slice") return sink_slice(node, order->perm);
    if (node.op == "gather") return sink_gather(node, order->perm);
    if (node.op == "mean" || node.op == "reduce") return sink_reduction(node, order->perm);
    if (!op.c_body({from_, node}).block.empty()) return sink_rows(node, order->perm);
    return false;
  }

  void finish(const Node& node, std::vector<ValueId> inputs, Attributes attributes,
              const List& perm, const Shape& flat_from = {}) {
    const ValueId made = emit(node, node.output, node.op, std::move(inputs), std::move(attributes));
    waiting(node.output) = Waiting{made, perm, flat_from};
    if (!made.valid()) rebuild_.ids[static_cast<size_t>(node.output.index)] = made;
  }

  // An operand of an elementwise operator or a concat in this order. `full`: it has every dimension
  // of the result; else a constant that broadcasts.
  std::optional<ValueId> in_order(const Node& node, ValueId id, const List& perm, bool may_add) {
    if (waits(id)) {
      const Waiting& at = *waiting(id);
      return !at.flat() && at.perm == perm ? std::optional(at.value) : std::nullopt;
    }
    const ValueId value = copy_value(rebuild_, from_, id);
    const Shape& shape = old_type(id).shape;
    if (elements_of(shape) == 1 && shape.size() <= 1) return value;
    const List back = inverse_of(perm);
    if (from_.value(id).constant) return constant_in_order(id, back);
    if (shape.size() != perm.size()) return std::nullopt;
    if (!may_add && !transposes_.contains({value, back}) && !moves_only_ones(shape, back))
      return std::nullopt;
    return transposed(node, id, value, back);
  }

  // A constant that broadcasts against the order that `back` leads to, in its own type.
  ValueId constant_in_order(ValueId id, const List& back) {
    const Value& old = from_.value(id);
    Shape padded = old.type.shape;
    padded.insert(padded.begin(), back.size() - padded.size(), 1);
    const std::vector<int64_t> strides = permuted(row_major_strides(padded), back);
    TensorType type = old.type;
    type.shape = permuted(padded, back);
    List sources;
    for_each_index(type.shape, [&](const std::vector<int64_t>& index) {
      int64_t source = 0;
      for (size_t d = 0; d < index.size(); ++d) source += index[d] * strides[d];
      sources.push_back(source);
    });
    return add_constant(rebuild_.to, old.name, picked(*old.constant, type, sources));
  }

  // Whether more operands wait than would have to be transposed.
  bool gains(const Node& node) {
    int64_t balance = 0;
    for (const ValueId input : node.inputs) {
      if (!input.valid() || from_.value(input).constant) continue;
      balance += waits(input) ? 1 : -1;
    }
    return balance > 0;
  }

  bool sink_map(const Node& node, const Waiting& order) {
    const OpDef& op = op_of(node);
    const OpView view{from_, node};
    const Shape& shape = old_type(node.output).shape;
    const LoopNest nest = op.loops(view);
    const bool has_axis =
        std::any_of(op.attributes.begin(), op.attributes.end(),
                    [](const AttributeDef& attribute) { return attribute.name == "axis"; });
    Attributes attributes = node.attributes;
    if (has_axis && !order.flat())
      attributes["axis"] = order.perm[static_cast<size_t>(view.attribute("axis"))];
    std::vector<ValueId> inputs;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      if (!id.valid()) {
        inputs.push_back(id);
        continue;
      }
      const Shape& own = old_type(id).shape;
      if (order.flat()) {  // [N, K] keeps its order
        const bool same = waits(id) && waiting(id)->perm == order.perm &&
                          waiting(id)->flat_from == order.flat_from;
        if (!same && elements_of(own) != 1) return false;
        inputs.push_back(same ? waiting(id)->value : plain(id));
        continue;
      }
      const bool channel = has_axis && i > 0 && own.size() <= 1 && from_.value(id).constant;
      if (channel) {
        inputs.push_back(copy_value(rebuild_, from_, id));
        continue;
      }
      if (i > 0 && from_.value(id).constant && same_everywhere(nest.inputs[i])) {  // a table
        inputs.push_back(copy_value(rebuild_, from_, id));
        continue;
      }
      if (!broadcasts(nest.inputs[i], own, shape)) return false;
      const std::optional<ValueId> found = in_order(node, id, order.perm, gains(node));
      if (!found) return false;
      inputs.push_back(*found);
    }
    finish(node, std::move(inputs), std::move(attributes), order.perm, order.flat_from);
    return true;
  }

  // Whether an operand is read the same way at every index of the result.
  static bool same_everywhere(const Access& access) {
    return std::all_of(access.begin(), access.end(),
                       [](const DimAccess& dim) { return dim.terms.empty(); });
  }

  static bool broadcasts(const Access& access, const Shape& own, const Shape& shape) {
    if (own.size() > shape.size()) return false;
    const Access wanted = broadcast_access(own, shape);
    for (size_t d = 0; d < own.size(); ++d) {
      if (own[d] == 1) continue;
      const bool same = access.size() == own.size() && access[d].operand < 0 &&
                        access[d].offset == 0 && access[d].terms.size() == 1 &&
                        access[d].terms[0].axis == wanted[d].terms[0].axis &&
                        access[d].terms[0].coefficient == 1;
      if (!same) return false;
    }
    return true;
  }

  bool sink_concat(const Node& node, const List& perm) {
    std::vector<ValueId> inputs;
    for (const ValueId id : node.inputs) {
      if (!waits(id) && elements_of(old_type(id).shape) == 1 && !from_.value(id).constant)
        return false;
      const std::optional<ValueId> found = in_order(node, id, perm, gains(node));
      if (!found) return false;
      inputs.push_back(*found);
    }
    finish(node, std::move(inputs),
           {{"axis", perm[static_cast<size_t>(int_attribute(node, "axis"))]}}, perm);
    return true;
  }

  bool sink_slice(const Node& node, const List& perm) {
    Attributes attributes;
    for (const auto& [name, list] : node.attributes)
      attributes[name] = permuted(std::get<List>(list), inverse_of(perm));
    finish(node, {waiting(node.inputs[0])->value}, std::move(attributes), perm);
    return true;
  }

  bool sink_gather(const Node& node, const List& perm) {
    if (old_type(node.inputs[1]).shape.size() != 1) return false;
    const ValueId indices = plain(node.inputs[1]);
    finish(node, {waiting(node.inputs[0])->value, indices},
           {{"axis", perm[static_cast<size_t>(int_attribute(node, "axis"))]}}, perm);
    return true;
  }

  // Sums of float32 keep their order.
  bool sink_reduction(const Node& node, const List& perm) {
    const auto axes = node.attributes.find("axes");
    const List* list = axes == node.attributes.end() ? nullptr : std::get_if<List>(&axes->second);
    const bool real = old_type(node.inputs[0]).dtype == DType::float32;
    if (list == nullptr || node.inputs.size() != 1 || (real && list->size() != 1)) return false;
    List moved = permuted(perm, *list);
    std::sort(moved.begin(), moved.end());
    Attributes attributes = node.attributes;
    attributes["axes"] = moved;
    finish(node, {waiting(node.inputs[0])->value}, std::move(attributes), perm);
    return true;
  }

  // Rows stay rows where the innermost dimension does.
  bool sink_rows(const Node& node, const List& perm) {
    const Shape& shape = old_type(node.output).shape;
    const bool rows = perm.back() == static_cast<int64_t>(perm.size()) - 1 &&
                      old_type(node.inputs[0]).shape == shape && !node.attributes.contains("axis");
    if (!rows) return false;
    std::vector<ValueId> inputs{waiting(node.inputs[0])->value};
    for (size_t i = 1; i < node.inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      if (id.valid() && (!from_.value(id).constant || old_type(id).shape.size() > 1)) return false;
      inputs.push_back(copy_value(rebuild_, from_, id));
    }
    finish(node, std::move(inputs), node.attributes, perm);
    return true;
  }

  bool sink_reshape(const Node& node) {
    const Waiting at = *waiting(node.inputs[0]);
    if (at.flat()) return false;
    const Shape shape = new_type(at.value).shape;
    const Shape& result = old_type(node.output).shape;
    if (moves_only_ones(shape, at.perm)) {
      rebuild_.ids[static_cast<size_t>(node.output.index)] =
          emit(node, node.output, "reshape", {at.value}, {{"shape", result}});
      return true;
    }
    const bool flat = result.size() == 2 && at.perm[0] == 0 && result[0] == shape[0];
    if (!flat || !ends_in_dense(node.output)) return false;
    const ValueId made = emit(node, node.output, "reshape", {at.value}, {{"shape", result}});
    waiting(node.output) = Waiting{made, at.perm, shape};
    return true;
  }

  // Whether all that reads the value is a dense, perhaps behind operators on single elements.
  bool ends_in_dense(ValueId start) const {
    std::vector<ValueId> open{start};
    std::set<ValueId> seen;  // a node may read a value twice
    while (!open.empty()) {
      const ValueId id = open.back();
      open.pop_back();
      const Value& value = from_.value(id);
      if (from_.is_output(id) || value.consumers.empty()) return false;
      for (const NodeId consumer : value.consumers) {
        const Node& node = from_.node(consumer);
        if (node.op == "dense" && node.inputs[0] == id && from_.value(node.inputs[1]).constant)
          continue;
        if (node.op == "dense" || !in_class(op_of(node), "map")) return false;
        for (const ValueId other : node.inputs) {
          if (other.valid() && other != id && elements_of(old_type(other).shape) != 1)
            return false;
        }
        if (seen.insert(node.output).second) open.push_back(node.output);
      }
    }
    return true;
  }

  // The order of x goes into the columns of the weights.
  bool sink_dense(const Node& node) {
    if (!waits(node.inputs[0]) || !waiting(node.inputs[0])->flat() ||
        !from_.value(node.inputs[1]).constant || node.inputs.size() != 2)
      return false;
    const Waiting& at = *waiting(node.inputs[0]);
    const Tensor& weights = *from_.value(node.inputs[1]).constant;
    // Where each element of x was before the transpose, within one of the batch.
    Shape new_shape = at.flat_from;
    new_shape[0] = 1;
    const std::vector<int64_t> strides = permuted(row_major_strides(new_shape), at.perm);
    List source;
    for_each_index(permuted(new_shape, at.perm), [&](const std::vector<int64_t>& index) {
      int64_t flat = 0;
      for (size_t d = 0; d < index.size(); ++d) flat += index[d] * strides[d];
      source.push_back(flat);
    });
    const int64_t columns = static_cast<int64_t>(source.size());
    List taken(static_cast<size_t>(weights.elements()));
    for (int64_t i = 0; i < weights.elements(); ++i) {
      const int64_t row = i / columns * columns;
      taken[static_cast<size_t>(row + source[static_cast<size_t>(i % columns)])] = i;
    }
    const Value& old = from_.value(node.inputs[1]);
    const ValueId moved =
        add_constant(rebuild_.to, old.name, picked(weights, old.type, taken));
    rebuild_.ids[static_cast<size_t>(node.output.index)] =
        emit(node, node.output, "dense", {at.value, moved}, node.attributes);
    return true;
  }

  const Graph& from_;
  Rebuild rebuild_;
  std::vector<std::optional<Waiting>> waiting_;
  std::map<std::pair<ValueId, List>, ValueId> transposes_;
};

}  // namespace

Result<Graph> sink_transposes(const Graph& graph, const std::string& file) {
  const bool any = std::any_of(graph.nodes.begin(), graph.nodes.end(),
                               [](const Node& node) { return node.op == "transpose"; });
  return any ? Sinker(graph, file).run() : Result<Graph>(graph);
}

}  // namespace heddle
