// Graphs of one operator, and random ones of every operator.
#pragma once

#include <functional>
#include <map>
#include <random>
#include <string>

#include "ops/op.h"

namespace heddle::test {

inline Value activation(Shape shape, Range range) {
  return {.name = "a",
          .type = {narrowest_type(range), std::move(shape), range},
          .constant = {},
          .producer = {},
          .consumers = {}};
}

inline Value constant(Shape shape, const std::vector<int64_t>& values) {
  Range range{values.empty() ? 0 : values[0], values.empty() ? 0 : values[0]};
  for (int64_t value : values) range = {std::min(range.lo, value), std::max(range.hi, value)};
  Tensor tensor = Tensor::of(narrowest_type(range), std::move(shape), values);
  return {.name = "c",
          .type = {tensor.dtype(), tensor.shape(), range},
          .constant = tensor,
          .producer = {},
          .consumers = {}};
}

inline Value real_activation(Shape shape) {
  return {.name = "a",
          .type = {DType::float32, std::move(shape), {}},
          .constant = {},
          .producer = {},
          .consumers = {}};
}

inline Value real_constant(Shape shape, const std::vector<float>& values) {
  Tensor tensor = Tensor::of_floats(std::move(shape), values);
  return {.name = "c",
          .type = {DType::float32, tensor.shape(), {}},
          .constant = tensor,
          .producer = {},
          .consumers = {}};
}

// An absent optional operand.
inline Value absent() {
  return {.name = "absent", .type = {}, .constant = {}, .producer = {}, .consumers = {}};
}

// One node; the output's type is not inferred yet.
inline Graph graph_of(const std::string& op, Attributes attributes,
                      const std::vector<Value>& operands) {
  Graph graph;
  graph.name = "test";
  Node node{
      .name = "node", .op = op, .attributes = std::move(attributes), .inputs = {}, .output = {}};
  for (const Value& operand : operands) {
    if (operand.name == "absent") {
      node.inputs.push_back({});
      continue;
    }
    node.inputs.push_back(graph.add_value(operand));
    if (!operand.constant) graph.inputs.push_back(node.inputs.back());
  }
  node.output =
      graph.add_value({.name = "y", .type = {}, .constant = {}, .producer = {}, .consumers = {}});
  graph.outputs = {node.output};
  graph.add_node(std::move(node));
  return graph;
}

inline OpView view_of(const Graph& graph) { return {graph, graph.nodes[0]}; }

inline Result<TensorType> infer(const Graph& graph) {
  return op_of(graph.nodes[0]).infer(view_of(graph));
}

// "" if accepted, else the messages, one a line.
template <class T>
std::string errors_of(const Result<T>& result) {
  std::string text;
  if (result.ok()) return text;
  for (const Diagnostic& error : result.errors())
    text += (text.empty() ? "" : "\n") + error.message;
  return text;
}

// With the inferred type; the attributes must be right.
inline Graph inferred(Graph graph) {
  const Result<TensorType> type = infer(graph);
  if (!type.ok()) internal_error(__FILE__, __LINE__, errors_of(type));
  graph.value(graph.nodes[0].output).type = *type;
  return graph;
}

inline Attributes window(int64_t stride = 1, int64_t pad = 0) {
  return {{"stride_h", stride}, {"stride_w", stride}, {"pad_top", pad},
          {"pad_left", pad},    {"pad_bottom", pad},  {"pad_right", pad}};
}

inline Attributes with(Attributes attributes, const Attributes& more) {
  for (const auto& [name, value] : more) attributes[name] = value;
  return attributes;
}

inline Attributes conv(int64_t stride = 1, int64_t pad = 0, int64_t dilation = 1) {
  return with(window(stride, pad), {{"dilation_h", dilation}, {"dilation_w", dilation}});
}
inline Attributes conv_group(int64_t group = 1) { return with(conv(), {{"group", group}}); }
inline Attributes pool(int64_t kernel, int64_t stride = 1, int64_t pad = 0) {
  return with(window(stride, pad), {{"kernel_h", kernel}, {"kernel_w", kernel}});
}
inline Attributes requant(const std::string& rounding, int64_t shift, int64_t lo = -128,
                          int64_t hi = 127) {
  return {{"rounding", rounding}, {"shift", shift}, {"lo", lo}, {"hi", hi}, {"axis", int64_t{1}}};
}

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  int64_t between(int64_t lo, int64_t hi) {
    const uint64_t high = engine_();  // first: operands are evaluated in the compiler's order
    const uint64_t wide = (high << 32) | engine_();
    return lo + static_cast<int64_t>(wide % static_cast<uint64_t>(hi - lo + 1));
  }
  bool coin() { return between(0, 1) == 1; }
  Range range() {
    const Range ranges[] = {{-128, 127}, {0, 255}, {0, 127},     {-7, 3},
                            {-20, -3},   {5, 9},   {-40000, 300}};
    return ranges[between(0, std::ssize(ranges) - 1)];
  }
  // Extremes are likelier than by chance.
  std::vector<int64_t> values(int64_t count, Range range) {
    std::vector<int64_t> result;
    const int64_t kind = between(0, 4);
    for (int64_t i = 0; i < count; ++i) {
      result.push_back(kind == 0 ? range.lo : kind == 1 ? range.hi : between(range.lo, range.hi));
    }
    return result;
  }
  Value constant_of(Shape shape, Range range) {
    return constant(shape, values(elements_of(shape), range));
  }
  // Multiples of 1/64 in [-8, 8], so that halves occur; or small odd fractions.
  std::vector<float> reals(int64_t count) {
    std::vector<float> result;
    const bool odd = coin();
    for (int64_t i = 0; i < count; ++i) {
      const float value = static_cast<float>(between(-512, 512)) / 64;
      result.push_back(odd ? value * 0.7310586f : value);
    }
    return result;
  }
  Value real_constant_of(const Shape& shape) {
    return real_constant(shape, reals(elements_of(shape)));
  }
  // Positive numbers, as scales are.
  Value scale_of(const Shape& shape) {
    std::vector<float> scales;
    for (int64_t i = 0; i < elements_of(shape); ++i) {
      const float steps = static_cast<float>(between(1, 2000));
      scales.push_back(steps / (coin() ? 1024 : 30000));
    }
    return real_constant(shape, scales);
  }
  // Of integers or, by chance, of float32.
  Value either(const Shape& shape, bool real) {
    return real ? real_activation(shape) : activation(shape, range());
  }
  Value either_constant(const Shape& shape, Range range, bool real) {
    return real ? real_constant_of(shape) : constant_of(shape, range);
  }
  Tensor tensor(const TensorType& type) {
    if (type.dtype == DType::float32)
      return Tensor::of_floats(type.shape, reals(elements_of(type.shape)));
    return Tensor::of(type.dtype, type.shape, values(elements_of(type.shape), type.range));
  }

 private:
  std::mt19937 engine_;
};

// A graph of this operator with random shapes, attributes and constants, small enough to enumerate;
// refused ones are tried again. No graph for an operator that is missing here: a test insists that
// every one is present.
Graph random_graph(Random& random, const std::string& op);
bool can_make(const std::string& op);

// A random tensor for every graph input.
inline std::vector<Tensor> random_inputs(Random& random, const Graph& graph) {
  std::vector<Tensor> inputs;
  for (ValueId id : graph.inputs) inputs.push_back(random.tensor(graph.value(id).type));
  return inputs;
}

// "$x + $y" with {"x", "a"}, {"y", "b"} gives "a + b"; a hole without a text is a bug.
std::string fill_holes(std::string_view body, const std::map<std::string, std::string>& holes);

}  // namespace heddle::test
