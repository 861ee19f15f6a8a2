// What becomes of quantised operators: the operators that are left, and values that agree with the
// float32 graph.
#include "import/integerise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "import/normalise.h"
#include "support/network_builder.h"

namespace heddle {
namespace {

struct Draft : NetworkBuilder {
  QuantisedConstants scales;
  std::mt19937 random{1};

  int64_t between(int64_t lo, int64_t hi) {
    return lo + static_cast<int64_t>(random() % static_cast<uint32_t>(hi - lo + 1));
  }
  ValueId reals(const Shape& shape, const std::vector<float>& values) {
    const Tensor tensor = Tensor::of_floats(shape, values);
    Value value;
    value.name = "constant_" + std::to_string(graph.values.size());
    value.type = {DType::float32, shape, {}};
    value.constant = tensor;
    return graph.add_value(std::move(value));
  }
  ValueId quantize(ValueId x, float scale, int64_t zero_point, int64_t lo = -128,
                   int64_t hi = 127) {
    return node("quantize", {x, reals({1}, {scale})},
                {{"axis", int64_t{0}}, {"zero_point", zero_point}, {"lo", lo}, {"hi", hi}});
  }
  ValueId dequantize(ValueId x, float scale, int64_t zero_point) {
    return node("dequantize", {x, reals({1}, {scale})},
                {{"axis", int64_t{0}}, {"zero_point", zero_point}});
  }
  // An int8 input, dequantised.
  ValueId quantised_input(Shape shape, float scale, int64_t zero_point) {
    return dequantize(input(std::move(shape)), scale, zero_point);
  }
  // Dequantised weights, as an importer folds them; a scale for each index of the first dimension.
  ValueId weights(const Shape& shape, const std::vector<float>& scale) {
    std::vector<float> values;
    const int64_t inner = elements_of(shape) / shape[0];
    for (int64_t i = 0; i < elements_of(shape); ++i) {
      const size_t k = scale.size() == 1 ? 0 : static_cast<size_t>(i / inner);
      values.push_back(static_cast<float>(between(-127, 127)) * scale[k]);
    }
    scales.emplace(content_key(Tensor::of_floats(shape, values)), scale);
    return reals(shape, values);
  }
  Graph done(ValueId output) {
    graph.outputs = {output};
    return graph;
  }
};

std::string ops_of(const Graph& graph) {
  std::string text;
  for (const Node& node : graph.nodes) text += (text.empty() ? "" : " ") + node.op;
  return text;
}

Graph integers(const Graph& graph, const QuantisedConstants& scales,
               const std::string& rounding = "") {
  Result<Graph> result = integerise(graph, "test", scales, rounding);
  if (!result.ok()) internal_error(__FILE__, __LINE__, format_diagnostics(result.errors()));
  result = normalise(*result, "test");
  if (!result.ok()) internal_error(__FILE__, __LINE__, format_diagnostics(result.errors()));
  const Status verified = verify_graph(*result);
  if (!verified.ok()) internal_error(__FILE__, __LINE__, format_diagnostics(verified.errors()));
  return *result;
}

// Largest difference of an output element, and how many differ, over random inputs.
struct Difference {
  double most = 0;
  int64_t differing = 0;
  int64_t elements = 0;
};

Difference compared(const Graph& a, const Graph& b) {
  std::mt19937 random(2);
  Difference result;
  for (int sample = 0; sample < 20; ++sample) {
    std::vector<Tensor> inputs;
    for (ValueId id : a.inputs) {
      const TensorType& type = a.value(id).type;
      Tensor x(type.dtype, type.shape);
      for (int64_t i = 0; i < x.elements(); ++i)
        x.set(i, type.range.lo +
                     static_cast<int64_t>(
                         random() % static_cast<uint32_t>(type.range.hi - type.range.lo + 1)));
      inputs.push_back(std::move(x));
    }
    const auto run = [&](const Graph& graph) {
      Result<std::vector<Tensor>> tensors = interpret(graph, inputs);
      if (!tensors.ok()) internal_error(__FILE__, __LINE__, format_diagnostics(tensors.errors()));
      return (*tensors)[static_cast<size_t>(graph.outputs[0].index)];
    };
    const Tensor x = run(a), y = run(b);
    EXPECT_EQ(x.shape(), y.shape());
    const bool real = x.dtype() == DType::float32;
    for (int64_t i = 0; i < x.elements(); ++i) {
      const double difference = real ? std::fabs(x.float_at(i) - y.float_at(i))
                                     : std::fabs(static_cast<double>(x.at(i) - y.at(i)));
      result.most = std::max(result.most, difference);
      result.differing += difference > (real ? 1e-5 : 0) ? 1 : 0;
      ++result.elements;
    }
  }
  return result;
}

Attributes conv(int64_t group = 1) {
  Attributes attributes = window_attributes(1, 1, 1);
  attributes["group"] = group;
  return attributes;
}

Attributes pool(int64_t kernel, int64_t stride) {
  return {{"kernel_h", kernel},       {"kernel_w", kernel},     {"stride_h", stride},
          {"stride_w", stride},       {"pad_top", int64_t{0}},  {"pad_left", int64_t{0}},
          {"pad_bottom", int64_t{0}}, {"pad_right", int64_t{0}}};
}

Attributes average(int64_t kernel, int64_t stride) {
  Attributes attributes = pool(kernel, stride);
  attributes["count_include_pad"] = int64_t{0};
  return attributes;
}

Attributes function(const std::string& name) { return {{"function", name}}; }

struct Row {
  const char* name;
  ValueId (*build)(Draft&);
  const char* ops;
  bool ties =
      false;  // decided by the order of a float32 sum, which the two graphs have not in common
};

const Row kRows[] = {
    {"convolution, integer bias, relu",
     [](Draft& d) {
       const ValueId x = d.quantised_input({1, 2, 5, 5}, 0.03f, 7);
       ValueId y = d.node("conv2d", {x, d.weights({3, 2, 3, 3}, {0.01f, 0.02f, 0.005f})}, conv());
       const float unit[] = {0.03f * 0.01f, 0.03f * 0.02f, 0.03f * 0.005f};
       y = d.node("bias_add", {y, d.reals({3}, {500 * unit[0], -70 * unit[1], 12 * unit[2]})},
                  {{"axis", int64_t{1}}});
       return d.quantize(d.node("relu", {y}), 0.02f, -128);
     },
     "conv2d bias_add requant"},
    {"a bias between the units of the accumulator",
     [](Draft& d) {
       const ValueId x = d.quantised_input({1, 2, 5, 5}, 0.03f, 7);
       ValueId y = d.node("conv2d", {x, d.weights({3, 2, 3, 3}, {0.01f})}, conv());
       y = d.node("bias_add", {y, d.reals({3}, {0.12345f, -0.777f, 0.031f})},
                  {{"axis", int64_t{1}}});
       return d.quantize(y, 0.02f, 3);
     },
     "conv2d requant"},
    {"dense layer on a view",
     [](Draft& d) {
       const ValueId x = d.quantised_input({1, 2, 2, 3}, 0.03f, 7);
       const ValueId flat = d.node("flatten", {x}, {{"axis", int64_t{1}}});
       return d.quantize(d.node("dense", {flat, d.weights({4, 12}, {0.01f})}), 0.05f, -3);
     },
     "flatten dense requant"},
    {"weights on no known grid stay real",
     [](Draft& d) {
       const ValueId x = d.quantised_input({1, 2}, 0.03f, 7);
       return d.quantize(d.node("dense", {x, d.reals({1, 2}, {0.1f, 0.23f})}), 0.05f, -3);
     },
     "dequantize dense quantize"},
    {"the same grid is no operation",
     [](Draft& d) {
       ValueId x = d.quantised_input({1, 2, 4, 4}, 0.03f, 7);
       x = d.node("max_pool", {x}, pool(2, 2));
       x = d.dequantize(d.quantize(x, 0.03f, 7), 0.03f, 7);
       return d.quantize(d.node("transpose", {x}, {{"perm", std::vector<int64_t>{0, 2, 3, 1}}}),
                         0.03f, 7);
     },
     "max_pool transpose"},
    {"relu of the same grid is a clip",
     [](Draft& d) {
       const ValueId x = d.quantised_input({1, 8}, 0.03f, 7);
       return d.quantize(d.node("relu", {x}), 0.03f, 7);
     },
     "clip"},
    {"a chain of functions is one table",
     [](Draft& d) {
       ValueId x = d.quantised_input({1, 60}, 0.03f, 7);
       const ValueId gate = d.node("unary", {x}, function("sigmoid"));
       x = d.node("binary", {d.node("unary", {x}, function("tanh")), gate}, function("max"));
       return d.quantize(x, 0.008f, 1);
     },
     "lookup"},
    {"sum",
     [](Draft& d) {
       const ValueId a = d.quantised_input({1, 60}, 0.03f, 7),
                     b = d.quantised_input({60}, 0.02f, -7);
       return d.quantize(d.node("relu", {d.node("add", {a, b})}), 0.031f, -128);
     },
     "qadd"},
    {"difference",
     [](Draft& d) {
       const ValueId a = d.quantised_input({1, 60}, 0.03f, 7),
                     b = d.quantised_input({60}, 0.02f, -7);
       return d.quantize(d.node("binary", {a, b}, function("sub")), 0.031f, 5);
     },
     "qadd"},
    {"operands of other grids are requantised in front of a concat",
     [](Draft& d) {
       const ValueId a = d.quantised_input({1, 9}, 0.03f, 7),
                     b = d.quantised_input({1, 7}, 0.02f, -7);
       return d.quantize(d.node("concat", {a, b}, {{"axis", int64_t{1}}}), 0.03f, 7);
     },
     "requant concat"},
    {"an accumulator is requantised in front of a view",
     [](Draft& d) {
       const ValueId x = d.quantised_input({1, 2, 5, 5}, 0.03f, 7);
       const ValueId y =
           d.node("conv2d", {x, d.weights({3, 2, 3, 3}, {0.01f, 0.02f, 0.005f})}, conv());
       return d.quantize(d.node("flatten", {y}, {{"axis", int64_t{1}}}), 0.02f, 5);
     },
     "conv2d requant flatten"},
    {"mean to another grid",
     [](Draft& d) {
       const ValueId x = d.quantised_input({1, 2, 6, 6}, 0.03f, 7);
       return d.quantize(d.node("average_pool", {x}, average(2, 2)), 0.0217f, 3);
     },
     "sum_pool requant"},
    {"mean to the same grid: float32 in ONNX Runtime's order",
     [](Draft& d) {
       const ValueId x = d.quantised_input({1, 2, 6, 6}, 0.03f, 7);
       return d.quantize(d.node("average_pool", {x}, average(2, 2)), 0.03f, 7);
     },
     "sum_pool sum_pool binary quantize", true},
    {"mean of an odd number of elements to the same grid",
     [](Draft& d) {
       const ValueId x = d.quantised_input({1, 2, 6, 6}, 0.03f, 7);
       return d.quantize(d.node("average_pool", {x}, average(3, 1)), 0.03f, 7);
     },
     "sum_pool requant"},
    {"powers of two have no float32 error",
     [](Draft& d) {
       const ValueId x = d.quantised_input({1, 2, 6, 6}, 0.03125f, 7);
       return d.quantize(d.node("average_pool", {x}, average(2, 2)), 0.03125f, 7);
     },
     "sum_pool requant"},
    {"reduce",
     [](Draft& d) {
       const ValueId x = d.quantised_input({1, 9, 6}, 0.03f, 7);
       const ValueId y = d.node(
           "reduce", {x}, {{"function", std::string("mean")}, {"axes", std::vector<int64_t>{1}}});
       return d.quantize(y, 0.0217f, 3);
     },
     "reshape sum_pool reshape requant"},
    {"what is read as real numbers is dequantised",
     [](Draft& d) {
       const ValueId x = d.quantised_input({1, 12}, 0.03f, 7);
       return d.node("dense", {x, d.weights({4, 12}, {0.01f})});
     },
     "dense dequantize"},
};

TEST(Integerise, OperatorsAndValues) {
  for (const Row& row : kRows) {
    Draft draft;
    const Graph graph = draft.done(row.build(draft));
    const Graph result = integers(graph, draft.scales);
    EXPECT_EQ(ops_of(result), row.ops) << row.name << "\n" << dump(result);
    const Difference difference = compared(graph, result);
    EXPECT_LE(difference.most, 1) << row.name;
    EXPECT_LE(difference.differing * (row.ties ? 20 : 200), difference.elements) << row.name;
  }
}

TEST(Integerise, AnotherRoundingWhereAskedFor) {
  Draft draft;
  const ValueId x = draft.quantised_input({1, 12}, 0.03f, 7);
  ValueId y = draft.node("dense", {x, draft.weights({4, 12}, {0.01f, 0.02f, 0.03f, 0.04f})});
  const Graph graph = draft.done(draft.quantize(y, 0.05f, -3));
  const Graph result = integers(graph, draft.scales, "half_up");
  ASSERT_EQ(ops_of(result), "dense requant");
  EXPECT_EQ(string_attribute(result.nodes[1], "rounding"), "half_up");
  ASSERT_EQ(result.notes.size(), 1u);
  EXPECT_EQ(result.notes[0],
            "1 requantisations round as half_up instead of ONNX's float32, as asked for");
  const Difference difference = compared(graph, result);
  EXPECT_LE(difference.most, 1);
  EXPECT_LE(difference.differing * 100, difference.elements);
}

TEST(Integerise, KeysDoNotDependOnTheOrder) {
  const Tensor a = Tensor::of_floats({2, 2}, {1, 2, 3, 4}),
               b = Tensor::of_floats({4}, {4, 2, 1, 3});
  EXPECT_EQ(content_key(a), content_key(b));
  EXPECT_NE(content_key(a), content_key(Tensor::of_floats({4}, {4, 2, 1, 2})));
}

}  // namespace
}  // namespace heddle
