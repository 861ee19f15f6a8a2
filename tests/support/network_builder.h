// Builds a graph node by node, types and ranges inferred. A node that its operator refuses is a
// mistake of the test.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ops/op.h"

namespace heddle {

struct NetworkBuilder {
  Graph graph;

  // An int8 activation from outside.
  ValueId input(Shape shape) {
    Value value;
    value.name = "x";
    value.type = {DType::int8, std::move(shape), range_of(DType::int8)};
    const ValueId id = graph.add_value(std::move(value));
    graph.inputs.push_back(id);
    return id;
  }

  ValueId constant(Tensor tensor) {
    Value value;
    value.name = "constant_" + std::to_string(graph.values.size());
    value.type = {tensor.dtype(), tensor.shape(), tensor.min_max()};
    value.constant = std::move(tensor);
    return graph.add_value(std::move(value));
  }

  ValueId node(const std::string& op, std::vector<ValueId> inputs, Attributes attributes = {}) {
    Node made;
    made.name = op + "_" + std::to_string(graph.nodes.size());
    made.op = op;
    made.attributes = std::move(attributes);
    made.inputs = std::move(inputs);
    Value out;
    out.name = made.name;
    made.output = graph.add_value(std::move(out));
    const Result<TensorType> type = op_of(made).infer(OpView{graph, made});
    HEDDLE_CHECK(type.ok(), format_diagnostics(type.errors()));
    graph.value(made.output).type = *type;
    const ValueId output = made.output;
    graph.add_node(std::move(made));
    return output;
  }

  ValueId requant(ValueId x, int64_t shift, int64_t lo = -128, int64_t hi = 127,
                  const std::string& rounding = "shift") {
    return node(
        "requant", {x},
        {{"shift", shift}, {"lo", lo}, {"hi", hi}, {"axis", int64_t{1}}, {"rounding", rounding}});
  }

  const Shape& shape(ValueId id) const { return graph.value(id).type.shape; }
};

// Attributes of conv2d and depthwise_conv2d, without conv2d's `group`.
inline Attributes window_attributes(int64_t stride, int64_t pad_y, int64_t pad_x) {
  return {{"stride_h", stride},       {"stride_w", stride}, {"dilation_h", int64_t{1}},
          {"dilation_w", int64_t{1}}, {"pad_top", pad_y},   {"pad_bottom", pad_y},
          {"pad_left", pad_x},        {"pad_right", pad_x}};
}

}  // namespace heddle
