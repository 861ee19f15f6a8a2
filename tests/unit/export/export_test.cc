// The graph as ONNX. Whether ONNX Runtime computes the same is tests/oracle/onnxruntime's business.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "export/export_onnx.h"
#include "ops/op.h"

namespace heddle {
namespace {

using testing::HasSubstr;
using testing::Not;

// Operators that ONNX cannot express, with the reasons that users see.
TEST(Export, EveryOperatorHasAFormOrAReason) {
  for (const OpDef* op : all_ops()) {
    EXPECT_THAT(std::string(no_onnx_form(op->name)), Not(HasSubstr("nobody"))) << op->name;
  }
}

struct Network {
  Graph graph;
  ValueId add(const char* name, TensorType type) {
    Value value;
    value.name = name;
    value.type = std::move(type);
    return graph.add_value(std::move(value));
  }
  ValueId apply(const char* op, const char* name, std::vector<ValueId> inputs,
                Attributes attributes = {}) {
    Node node{name, op, std::move(attributes), std::move(inputs), {}};
    const Result<TensorType> type = op_of(node).infer(OpView{graph, node});
    EXPECT_TRUE(type.ok()) << (type.ok() ? "" : format_diagnostics(type.errors()));
    node.output = add(name, *type);
    graph.add_node(node);
    return node.output;
  }
};

Network two_relus() {
  Network net;
  const ValueId x = net.add("x", {DType::int8, {1, 2, 2, 2}, {-128, 127}});
  net.graph.inputs = {x};
  const ValueId a = net.apply("relu", "a", {x});
  net.graph.outputs = {net.apply("relu", "b", {a})};
  return net;
}

std::string exported(const Graph& graph) {
  const Result<std::string> bytes = export_onnx(graph, "test");
  return bytes.ok() ? *bytes : format_diagnostics(bytes.errors());
}

TEST(Export, IsDeterministicAndCarriesNames) {
  const Network net = two_relus();
  const std::string bytes = exported(net.graph);
  EXPECT_EQ(bytes, exported(two_relus().graph));
  for (const char* name : {"x", "x_int64", "a_value", "b", "Cast", "Max"})
    EXPECT_THAT(bytes, HasSubstr(name));
}

TEST(Export, ForeignNamesBecomePrintableAndUnique) {
  Network net = two_relus();
  for (Value& value : net.graph.values) value.name = "n\x01\xff";
  const std::string bytes = exported(net.graph);
  EXPECT_THAT(bytes, HasSubstr("n\\x01\\xFF_2"));
  EXPECT_THAT(bytes, Not(HasSubstr("n\x01\xff")));
}

TEST(Export, FloatRequantAddsBeforeItRounds) {
  for (const bool adds : {false, true}) {
    Network net;
    const ValueId x = net.add("x", {DType::int8, {1, 2}, {-128, 127}});
    net.graph.inputs = {x};
    std::vector<ValueId> inputs{x};
    for (const float number : {0.5f, 1.25f}) {
      if (inputs.size() == 2 && !adds) break;
      const ValueId id = net.add("c", {DType::float32, {1}, {}});
      net.graph.value(id).constant = Tensor(DType::float32, {1});
      net.graph.value(id).constant->set_float(0, number);
      inputs.push_back(id);
    }
    net.graph.outputs = {net.apply("requant", "y", inputs,
                                   {{"rounding", "float"},
                                    {"shift", int64_t{0}},
                                    {"axis", int64_t{1}},
                                    {"lo", int64_t{-128}},
                                    {"hi", int64_t{127}}})};
    const std::string bytes = exported(net.graph);
    EXPECT_THAT(bytes, HasSubstr("Round"));
    EXPECT_EQ(bytes.find("Add") != std::string::npos, adds);
  }
}

TEST(Export, EqualBodiesShareOneFunction) {
  Network net;
  const ValueId x = net.add("x", {DType::int8, {1, 2, 4, 4}, {-128, 127}});
  net.graph.inputs = {x};
  const Attributes pool = {{"kernel_h", int64_t{1}},   {"kernel_w", int64_t{1}},
                           {"stride_h", int64_t{1}},   {"stride_w", int64_t{1}},
                           {"pad_top", int64_t{0}},    {"pad_left", int64_t{0}},
                           {"pad_bottom", int64_t{0}}, {"pad_right", int64_t{0}}};
  const ValueId a = net.apply("max_pool", "a", {x}, pool);
  net.graph.outputs = {net.apply("max_pool", "b", {a}, pool)};
  const std::string bytes = exported(net.graph);
  EXPECT_THAT(bytes, HasSubstr("max_pool_1"));
  EXPECT_THAT(bytes, Not(HasSubstr("max_pool_2")));
}

}  // namespace
}  // namespace heddle
