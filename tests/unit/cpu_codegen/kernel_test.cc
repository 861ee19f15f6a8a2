// Kernels against the reference interpreter: every operator, alone and fused, with any strides.
#include "cpu_codegen/copy.h"
#include "cpu_codegen/kernel.h"

#include <gtest/gtest.h>

#include "unit/cpu_codegen/program.h"

namespace heddle {
namespace {

using test::append;
using test::append_random_maps;
using test::Random;

TEST(Kernel, EveryOperatorEqualsItsReference) {
  Random random(1);
  test::Program program;
  for (const OpDef* op : all_ops()) {
    ASSERT_TRUE(test::can_make(std::string(op->name))) << op->name;
    for (int i = 0; i < 12; ++i) {
      const Graph graph = test::random_graph(random, std::string(op->name));
      program.add(random, graph, test::random_storages(random, graph));
    }
  }
  EXPECT_EQ(program.run(), "");
}

TEST(Kernel, FusedRegionsEqualTheReference) {
  Random random(2);
  test::Program program;
  for (const char* op : {"conv2d", "depthwise_conv2d", "dense", "max_pool", "average_pool",
                         "global_average_pool", "pad", "bias_add", "relu", "clip", "transpose",
                         "slice", "gather"}) {
    for (int i = 0; i < 6; ++i) {
      Graph graph = test::random_graph(random, op);
      if (graph.value(graph.outputs[0]).type.shape.empty()) continue;
      append_random_maps(random, graph);
      program.add(random, graph, test::random_storages(random, graph));
    }
  }
  EXPECT_GT(program.cases(), 50);
  EXPECT_EQ(program.run(), "");
}

// The spine enters an operator that is not commutative through its second operand.
TEST(Kernel, OperandsKeepTheirPlaces) {
  Random random(6);
  test::Program program;
  for (int i = 0; i < 12; ++i) {
    Graph graph = test::random_graph(random, "max_pool");
    const Shape shape = graph.value(graph.outputs[0]).type.shape;
    if (graph.value(graph.outputs[0]).type.dtype == DType::float32) {
      append(graph, "binary", {{"function", std::string("sub")}}, {test::real_activation(shape)},
             true);
    } else {
      append(graph, "clip", {{"lo", int64_t{-128}}, {"hi", int64_t{127}}}, {});
      append(graph, "mul", {{"x_zero_point", random.between(-9, 9)}, {"w_zero_point", int64_t{3}}},
             {test::activation(shape, {-128, 127})}, true);
    }
    program.add(random, graph, test::random_storages(random, graph));
  }
  EXPECT_EQ(program.run(), "");
}

// Each zero point stays with its operand, whichever of them is on the spine.
TEST(Kernel, ZeroPointsStayWithTheirOperands) {
  for (const bool second : {false, true}) {
    Random random(7);
    Graph graph = test::inferred(test::graph_of("clip", {{"lo", int64_t{-20}}, {"hi", int64_t{90}}},
                                                {test::activation({1, 2, 3, 4}, {-128, 127})}));
    append(graph, "mul", {{"x_zero_point", int64_t{5}}, {"w_zero_point", int64_t{-3}}},
           {test::activation({1, 2, 3, 4}, {-128, 127})}, second);
    test::Program program;
    program.add(random, graph, test::random_storages(random, graph));
    EXPECT_EQ(program.run(), "") << second;
    const std::string text = make_kernel(graph, test::whole_match(graph),
                                         test::random_storages(random, graph), "product")
                                 .text;
    EXPECT_EQ(text.find("(value - 5) * ") != std::string::npos, !second) << text;
    EXPECT_EQ(text.find("* (value + 3)") != std::string::npos, second) << text;
  }
}

TEST(Kernel, AValueAddedToItselfIsReadOnce) {
  Random random(3);
  Graph graph = test::random_graph(random, "max_pool");
  Node node{.name = "twice",
            .op = "add",
            .attributes = {},
            .inputs = {graph.outputs[0], graph.outputs[0]},
            .output = {}};
  node.output =
      graph.add_value({.name = "y", .type = {}, .constant = {}, .producer = {}, .consumers = {}});
  graph.outputs = {node.output};
  graph.add_node(node);
  graph.value(node.output).type = *op_of(node).infer({graph, graph.nodes[1]});
  const Kernel kernel =
      make_kernel(graph, test::whole_match(graph), test::random_storages(random, graph), "twice");
  EXPECT_NE(kernel.text.find("value += (int32_t)value;"), std::string::npos) << kernel.text;
  EXPECT_EQ(kernel.arguments.size(), 2u);
}

TEST(Copy, MovesRowMajorOrderBetweenAnyStorages) {
  Random random(4);
  test::Program program;
  const std::pair<Shape, Shape> shapes[] = {{{2, 3, 4}, {2, 3, 4}},  {{2, 3, 4}, {6, 4}},
                                            {{6, 4}, {1, 2, 1, 12}}, {{24}, {2, 3, 4}},
                                            {{1, 5, 1}, {5}},        {{}, {}},
                                            {{1}, {1, 1}},           {{4, 6}, {6, 4}},
                                            {{2, 2, 2, 2}, {16}},    {{3, 1, 2}, {3, 1, 2}}};
  for (const auto& [from, to] : shapes) {
    for (const DType dtype : {DType::int8, DType::int32}) {
      for (int i = 0; i < 4; ++i) program.add_copy(random, dtype, from, to);
    }
  }
  EXPECT_EQ(program.run(), "");
}

TEST(Copy, AtTheBoundaryMovesRunsAndSingleElements) {
  Random random(6);
  test::Program program;
  const Shape shapes[] = {{1, 3, 5, 49}, {2, 3, 4}, {640}, {1, 70}, {7}, {}, {1, 1, 1, 33}, {3, 8, 1, 2}, {5, 3}};
  for (const Shape& shape : shapes) {
    for (const DType dtype : {DType::int8, DType::int16, DType::float32}) {
      const TensorType type{dtype, shape, {-128, 127}};
      program.add_boundary_copies(random, type, dense_storage(type));
      program.add_boundary_copies(random, type, padded_storage(type, {16, 32}));
      program.add_boundary_copies(random, type, test::random_storage(random, type));
      if (shape.size() == 4)
        program.add_boundary_copies(random, type, padded_storage(type, {1, 1, DimOrder::channels_last}));
    }
  }
  EXPECT_EQ(program.run(), "");
}

TEST(Copy, AtTheBoundaryCallsOncePerRun) {
  const TensorType image{DType::int8, {1, 2, 4, 49}, {-128, 127}};
  const auto text = [&](const BufferLayout& layout, bool in) {
    return make_boundary_copy(image, padded_storage(image, layout), in, "copy").text;
  };
  EXPECT_EQ(text({}, true),
            "static void copy(const int8_t *x, int8_t *y) {\n  heddle_copy(y, x, 392u);\n}\n");
  EXPECT_EQ(text({16, 32}, false),
            R"(static void copy(const int8_t *x, int8_t *y) {
  for (int32_t i = 0; i < 8; ++i) {
    heddle_copy(&y[i * 49], &x[i * 64], 49u);
  }
}
)");
  const Kernel scattered = make_boundary_copy(
      image, padded_storage(image, {1, 1, DimOrder::channels_last}), true, "copy");
  EXPECT_EQ(scattered.text.find("heddle_copy"), std::string::npos);
  EXPECT_TRUE(scattered.headers.empty());
}

TEST(Kernel, ReadsLikeWrittenC) {
  Random random(5);
  Graph graph =
      test::inferred(test::graph_of("conv2d", test::with(test::conv(2, 1), {{"group", int64_t{1}}}),
                                    {test::activation({1, 3, 8, 8}, {-128, 127}),
                                     random.constant_of({4, 3, 3, 3}, {-128, 127})}));
  append(graph, "bias_add", {{"axis", int64_t{1}}}, {random.constant_of({4}, {-100000, 100000})});
  append(graph, "requant", test::requant("shift", 8, 0), {});
  StorageOf storage;
  storage[graph.inputs[0]] = dense_storage(graph.value(graph.inputs[0]).type);
  storage[graph.outputs[0]] = padded_storage(graph.value(graph.outputs[0]).type, {16, 32});
  EXPECT_EQ(
      make_kernel(graph, test::whole_match(graph), storage, "layer").text,
      R"(static void layer(const int8_t *x, const int8_t *weights, const int32_t *bias, int8_t *y) {
  for (int32_t k = 0; k < 4; ++k) {
    const int32_t bias_value = bias[k];
    for (int32_t oy = 0; oy < 4; ++oy) {
      const int32_t fy_begin = oy * 2 < 1 ? 1 - oy * 2 : 0;
      int8_t *y_row = y + k * 64 + oy * 16;
      for (int32_t ox = 0; ox < 4; ++ox) {
        const int32_t fx_begin = ox * 2 < 1 ? 1 - ox * 2 : 0;
        int32_t acc = 0;
        for (int32_t c = 0; c < 3; ++c) {
          for (int32_t fy = fy_begin; fy < 3; ++fy) {
            const int8_t *x_row = x + c * 64 + (oy * 2 + fy - 1) * 8;
            const int8_t *weights_row = weights + k * 27 + c * 9 + fy * 3;
            for (int32_t fx = fx_begin; fx < 3; ++fx) {
              acc += (int32_t)x_row[ox * 2 + fx - 1] * (int32_t)weights_row[fx];
            }
          }
        }
        int32_t value = acc;
        value += (int32_t)bias_value;
        value = value >> 8;
        if (value < 0) value = 0;
        if (value > 127) value = 127;
        y_row[ox] = (int8_t)value;
      }
    }
  }
}
)");
}

}  // namespace
}  // namespace heddle
