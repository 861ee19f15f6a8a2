// verify_graph(), interpret() and the table.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>

#include "base/files.h"
#include "unit/ops/helpers.h"

namespace heddle {
namespace {

using test::activation;
using test::constant;

// x [1, 4] -> dense -> requant -> y [1, 2], as an importer would build it.
Graph two_nodes() {
  Graph graph;
  const auto add_result = [&](const std::string& op, Attributes attributes,
                              std::vector<ValueId> inputs) {
    const ValueId y =
        graph.add_value({.name = op, .type = {}, .constant = {}, .producer = {}, .consumers = {}});
    const NodeId id = graph.add_node(
        {.name = op, .op = op, .attributes = std::move(attributes), .inputs = inputs, .output = y});
    const Result<TensorType> type = op_of(graph.node(id)).infer({graph, graph.node(id)});
    EXPECT_TRUE(type.ok()) << test::errors_of(type);
    graph.value(y).type = *type;
    return y;
  };
  Value input = activation({1, 4}, {-128, 127});
  input.name = "x";
  const ValueId x = graph.add_value(input);
  const ValueId w = graph.add_value(constant({2, 4}, {1, 2, 3, 4, -1, -2, -3, -4}));
  graph.inputs = {x};
  const ValueId sums = add_result("dense", {}, {x, w});
  graph.outputs = {add_result("requant", test::requant("shift", 3), {sums})};
  return graph;
}

TEST(VerifyGraph, Accepts) {
  const Status status = verify_graph(two_nodes());
  EXPECT_TRUE(status.ok()) << format_diagnostics(status.errors());
}

TEST(VerifyGraph, RefusesEveryBrokenInvariant) {
  struct Row {
    const char* name;
    std::function<void(Graph&)> damage;
    const char* message;
  };
  const Row rows[] = {
      {"shape", [](Graph& g) { g.values[0].type.shape = {-1}; }, "impossible shape [-1]"},
      {"empty range",
       [](Graph& g) {
         g.values[0].type.range = {3, 2};
       },
       "the range [3, 2] is empty"},
      {"range",
       [](Graph& g) {
         g.values[0].type.range = {0, 255};
       },
       "the range [0, 255] does not fit int8"},
      {"computed constant",
       [](Graph& g) {
         g.values[2].constant = Tensor(DType::int32, {1, 2});
       },
       "a constant with a producer"},
      {"constant's type", [](Graph& g) { g.values[1].constant = Tensor(DType::int8, {8}); },
       "declared as int8[2, 4], the constant is int8[8]"},
      {"constant's range",
       [](Graph& g) {
         g.values[1].type.range = {0, 4};
       },
       "the constant holds [-4, 4], outside its range [0, 4]"},
      {"no such producer", [](Graph& g) { g.values[3].producer = NodeId{5}; },
       "the producer is node 5 of 2"},
      {"wrong producer", [](Graph& g) { g.values[0].producer = NodeId{1}; },
       "node 1 is its producer but writes another value"},
      {"consumers", [](Graph& g) { g.values[2].consumers.clear(); },
       "lists 0 consumers, 1 nodes read it"},
      {"operator", [](Graph& g) { g.nodes[0].op = "densee"; },
       "unknown operator `densee`; did you mean `dense`?"},
      {"output", [](Graph& g) { g.nodes[1].output = ValueId{}; }, "the output is value -1"},
      {"shared output", [](Graph& g) { g.nodes[1].output = g.nodes[0].output; },
       "the output names another producer"},
      {"input", [](Graph& g) { g.nodes[0].inputs[0] = ValueId{44}; }, "reads value 44 of 4"},
      {"order", [](Graph& g) { std::swap(g.nodes[0], g.nodes[1]); },
       "reads value 2, which node 0 writes later"},
      {"undefined", [](Graph& g) { g.inputs.clear(); }, "reads value 0, which nothing defines"},
      {"operator's errors", [](Graph& g) { g.nodes[1].attributes.erase("lo"); },
       "the attribute `lo` is missing"},
      {"type",
       [](Graph& g) {
         g.values[3].type.range = {0, 7};
       },
       "the output is declared as int8[1, 2] in [0, 7], the operator gives int8[1, 2] in [-128, "
       "127]"},
      {"graph input", [](Graph& g) { g.inputs.push_back(ValueId{9}); },
       "graph input 9 of 4 values"},
      {"constant input", [](Graph& g) { g.inputs.push_back(ValueId{1}); },
       "a graph input that is computed or constant"},
      {"graph output", [](Graph& g) { g.outputs = {ValueId{}}; }, "graph output -1 of 4 values"},
  };
  for (const Row& row : rows) {
    Graph graph = two_nodes();
    row.damage(graph);
    const Status status = verify_graph(graph);
    EXPECT_NE(("\n" + test::errors_of(status) + "\n").find("\n" + std::string(row.message) + "\n"),
              std::string::npos)
        << row.name << ":\n"
        << test::errors_of(status);
  }
}

TEST(Interpret, RunsInOrderAndKeepsEveryTensor) {
  const std::vector<Tensor> inputs{
      Tensor::of(DType::int64, {1, 4}, {1, 2, 3, 127})};  // any integer type will do
  const Result<std::vector<Tensor>> tensors = interpret(two_nodes(), inputs);
  ASSERT_TRUE(tensors.ok()) << test::errors_of(tensors);
  ASSERT_EQ(tensors->size(), 4u);
  EXPECT_EQ((*tensors)[0], Tensor::of(DType::int8, {1, 4}, {1, 2, 3, 127}));
  EXPECT_EQ((*tensors)[1].elements(), 8);
  EXPECT_EQ((*tensors)[2], Tensor::of(DType::int32, {1, 2}, {522, -522}));
  EXPECT_EQ((*tensors)[3], Tensor::of(DType::int8, {1, 2}, {65, -66}));
}

TEST(Interpret, RefusesWrongInputs) {
  struct Row {
    std::vector<Tensor> inputs;
    const char* message;
    const char* remedy;
  };
  const Row rows[] = {
      {{}, "0 inputs given, the network takes 1", ""},
      {{Tensor(DType::float32, {1, 4})}, "input `x`: the data is float32, integers are needed", ""},
      {{Tensor(DType::int8, {4})},
       "input `x`: the data has shape [4], the network takes [1, 4]",
       ""},
      {{Tensor::of(DType::int16, {1, 4}, {0, 1, 255, 300})},
       "input `x`: element [0, 2] is 255, outside [-128, 127]",
       "compile with `--input-type x=int16` if such data is meant"},
  };
  for (const Row& row : rows) {
    const Result<std::vector<Tensor>> tensors = interpret(two_nodes(), row.inputs);
    EXPECT_EQ(test::errors_of(tensors), row.message);
    if (tensors.ok()) continue;
    EXPECT_EQ(tensors.errors()[0].remedy, row.remedy);
  }
}

TEST(Interpret, AProofThatDoesNotHoldIsABug) {
  Graph graph = two_nodes();
  graph.values[2].type.range = {0, 10};
  const std::vector<Tensor> inputs{Tensor::of(DType::int8, {1, 4}, {1, 2, 3, 127})};
  EXPECT_THROW((void)interpret(graph, inputs), InternalError);
}

TEST(Table, IsSortedCompleteAndFilled) {
  std::vector<std::string> names;
  for (const OpDef* op : all_ops()) {
    names.emplace_back(op->name);
    EXPECT_EQ(find_op(op->name), op);
    EXPECT_TRUE(op->infer && op->reference && op->loops && op->c_body) << op->name;
    EXPECT_FALSE(op->summary.empty() || op->operands.empty() || op->output_doc.empty()) << op->name;
    EXPECT_TRUE(in_class(*op, "any"));
  }
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
  for (const char* name :
       {"add", "average_pool", "bias_add", "clip", "conv2d", "dense", "depthwise_conv2d", "flatten",
        "global_average_pool", "max_pool", "pad", "relu", "requant", "reshape", "i_softmax"}) {
    EXPECT_NE(find_op(name), nullptr) << name;
  }
  EXPECT_EQ(find_op("conv"), nullptr);
  EXPECT_TRUE(in_class(*find_op("conv2d"), "mac"));
  EXPECT_FALSE(in_class(*find_op("conv2d"), "map"));
  Node unknown;
  unknown.op = "conv";
  EXPECT_THROW(op_of(unknown), InternalError);
}

// HEDDLE_REWRITE=1 writes it anew.
TEST(Table, DocumentationIsUpToDate) {
  const char* path = HEDDLE_SOURCE_DIR "/docs/canonical_operators.md";
  if (std::getenv("HEDDLE_REWRITE") != nullptr) std::ofstream(path) << document_ops();
  const Result<std::string> committed = read_file(path);
  ASSERT_TRUE(committed.ok());
  EXPECT_TRUE(*committed == document_ops()) << "run again with HEDDLE_REWRITE=1";
}

}  // namespace
}  // namespace heddle
