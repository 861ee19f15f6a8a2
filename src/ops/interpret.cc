#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "ops/op.h"

namespace heddle {
namespace {

// "[0, 2, 5]" for a flat index.
std::string index_text(const Shape& shape, int64_t flat) {
  Shape index(shape.size());
  for (size_t i = shape.size(); i-- > 0;) {
    index[i] = flat % shape[i];
    flat /= shape[i];
  }
  return to_string(index);
}

Tensor as_float(const Tensor& integers) {
  Tensor reals(DType::float32, integers.shape());
  for (int64_t i = 0; i < integers.elements(); ++i)
    reals.set_float(i, static_cast<float>(integers.at(i)));
  return reals;
}

// The tensor in the value's type, or why it can not be its value.
Result<Tensor> checked_input(const Value& value, const Tensor& tensor) {
  const std::string name = terminal_text(value.name);
  const auto fail = [&](std::string message, std::string remedy = "") {
    return error_at({}, fmt::format("input `{}`: {}", name, message), std::move(remedy));
  };
  if (tensor.shape() != value.type.shape) {
    return fail(fmt::format("the data has shape {}, the network takes {}",
                            to_string(tensor.shape()), to_string(value.type.shape)));
  }
  const bool real = tensor.dtype() == DType::float32;
  if (value.type.dtype == DType::float32) return real ? tensor : as_float(tensor);
  if (real) return fail("the data is float32, integers are needed");
  const Range& range = value.type.range;
  const std::vector<int64_t> elements = tensor.to_ints();
  for (size_t i = 0; i < elements.size(); ++i) {
    if (range.lo <= elements[i] && elements[i] <= range.hi) continue;
    return fail(fmt::format("element {} is {}, outside [{}, {}]",
                            index_text(tensor.shape(), static_cast<int64_t>(i)), elements[i],
                            range.lo, range.hi),
                fmt::format("compile with `--input-type {}={}` if such data is meant", name,
                            name_of(narrowest_type(tensor.min_max()))));
  }
  return Tensor::of(value.type.dtype, value.type.shape, elements);
}

void check_proof(const Node& node, const TensorType& type, const Tensor& result) {
  HEDDLE_CHECK(result.dtype() == type.dtype && result.shape() == type.shape,
               fmt::format("the reference of {} returned another type than inferred", node.op));
  if (type.dtype == DType::float32) return;
  const Range held = result.min_max();
  HEDDLE_CHECK(type.range.contains(held),
               fmt::format("{} produced [{}, {}], proven were [{}, {}]", node.op, held.lo, held.hi,
                           type.range.lo, type.range.hi));
}

}  // namespace

Result<std::vector<Tensor>> interpret(const Graph& graph, std::span<const Tensor> inputs) {
  if (inputs.size() != graph.inputs.size()) {
    return error_at({}, fmt::format("{} inputs given, the network takes {}", inputs.size(),
                                    graph.inputs.size()));
  }
  std::vector<Tensor> tensors(graph.values.size());
  const auto at = [&](ValueId id) -> Tensor& { return tensors[static_cast<size_t>(id.index)]; };
  for (size_t i = 0; i < graph.values.size(); ++i) {
    if (graph.values[i].constant) tensors[i] = *graph.values[i].constant;
  }
  Diagnostics errors;
  for (size_t i = 0; i < inputs.size(); ++i) {
    Result<Tensor> input = checked_input(graph.value(graph.inputs[i]), inputs[i]);
    if (input.ok()) {
      at(graph.inputs[i]) = std::move(*input);
    } else {
      errors.insert(errors.end(), input.errors().begin(), input.errors().end());
    }
  }
  if (!errors.empty()) return errors;
  for (const Node& node : graph.nodes) {
    const OpDef& op = op_of(node);
    const OpView view{graph, node};
    std::vector<const Tensor*> operands(std::max(op.operands.size(), node.inputs.size()), nullptr);
    for (size_t i = 0; i < operands.size(); ++i) {
      if (view.has(i)) operands[i] = &at(node.inputs[i]);
    }
    at(node.output) = op.reference(view, operands);
    check_proof(node, view.output(), at(node.output));
  }
  return tensors;
}

Result<std::vector<std::vector<Tensor>>> interpret_all(
    const Graph& graph, std::span<const std::vector<Tensor>> samples) {
  std::vector<Tensor> states;
  for (const State& state : graph.states) states.push_back(initial_state(graph, state));
  std::vector<std::vector<Tensor>> runs;
  for (const std::vector<Tensor>& sample : samples) {
    if (sample.size() + states.size() != graph.inputs.size()) {
      return error_at({}, fmt::format("{} inputs given, the network takes {}", sample.size(),
                                      graph.inputs.size() - states.size()));
    }
    std::vector<Tensor> inputs;
    size_t given = 0;
    for (const ValueId id : graph.inputs) {
      const auto state = std::find_if(graph.states.begin(), graph.states.end(),
                                      [&](const State& s) { return s.input == id; });
      inputs.push_back(state == graph.states.end()
                           ? sample[given++]
                           : states[static_cast<size_t>(state - graph.states.begin())]);
    }
    Result<std::vector<Tensor>> values = interpret(graph, inputs);
    if (!values.ok()) return values.errors();
    for (size_t i = 0; i < states.size(); ++i) {
      const State& state = graph.states[i];
      states[i] =
          kept_part(graph, state, (*values)[static_cast<size_t>(state.output.index)]);
    }
    runs.push_back(std::move(*values));
  }
  return runs;
}

}  // namespace heddle
