#include "graph/graph.h"

#include <gtest/gtest.h>

namespace heddle {
namespace {

// x -> relu -> y, and y + y -> z; one constant.
Graph small_graph() {
  Graph graph;
  graph.name = "small";
  graph.dialect = "by hand";
  graph.notes = {"nothing\nto see"};
  const TensorType type{DType::int8, {1, 2}, {-128, 127}};
  const ValueId x = graph.add_value(
      {.name = "x\"\n", .type = type, .constant = {}, .producer = {}, .consumers = {}});
  const ValueId y =
      graph.add_value({.name = "y", .type = type, .constant = {}, .producer = {}, .consumers = {}});
  const ValueId z =
      graph.add_value({.name = "", .type = type, .constant = {}, .producer = {}, .consumers = {}});
  graph.add_value({.name = "w",
                   .type = {DType::int8, {2}, {-3, 5}},
                   .constant = Tensor::of(DType::int8, {2}, {-3, 5}),
                   .producer = {},
                   .consumers = {}});
  graph.inputs = {x};
  graph.outputs = {z};
  graph.add_node({.name = "r", .op = "relu", .attributes = {}, .inputs = {x}, .output = y});
  graph.add_node({.name = "s",
                  .op = "add",
                  .attributes = {{"b", std::string("text")},
                                 {"a", int64_t{7}},
                                 {"c", std::vector<int64_t>{1, -2}}},
                  .inputs = {y, ValueId{}, y},
                  .output = z});
  return graph;
}

TEST(Graph, AddNodeLinksBothWays) {
  const Graph graph = small_graph();
  EXPECT_EQ(graph.values[0].consumers, (std::vector<NodeId>{NodeId{0}}));
  EXPECT_EQ(graph.values[1].producer, NodeId{0});
  EXPECT_EQ(graph.values[1].consumers,
            (std::vector<NodeId>{NodeId{1}}));  // read twice, listed once
  EXPECT_EQ(graph.values[2].producer, NodeId{1});
  EXPECT_TRUE(graph.is_output(ValueId{2}));
  EXPECT_FALSE(graph.is_output(ValueId{1}));
}

TEST(Graph, AddNodeRefusesBugs) {
  Graph graph = small_graph();
  EXPECT_THROW(graph.add_node(
                   {.name = "", .op = "relu", .attributes = {}, .inputs = {}, .output = ValueId{}}),
               InternalError);
  EXPECT_THROW(
      graph.add_node(
          {.name = "", .op = "relu", .attributes = {}, .inputs = {}, .output = ValueId{9}}),
      InternalError);
  EXPECT_THROW(
      graph.add_node(
          {.name = "", .op = "relu", .attributes = {}, .inputs = {}, .output = ValueId{2}}),
      InternalError);
  EXPECT_THROW(graph.add_node({.name = "",
                               .op = "relu",
                               .attributes = {},
                               .inputs = {ValueId{9}},
                               .output = ValueId{3}}),
               InternalError);
}

TEST(Graph, Attributes) {
  const Graph graph = small_graph();
  EXPECT_EQ(int_attribute(graph.nodes[1], "a"), 7);
  EXPECT_EQ(string_attribute(graph.nodes[1], "b"), "text");
  EXPECT_THROW(int_attribute(graph.nodes[1], "b"), InternalError);
  EXPECT_THROW(int_attribute(graph.nodes[1], "none"), InternalError);
  EXPECT_THROW(string_attribute(graph.nodes[1], "a"), InternalError);
}

TEST(Graph, Dump) {
  const std::string text = dump(small_graph());
  EXPECT_EQ(text,
            "graph \"small\"\n"
            "dialect by hand\n"
            "note nothing\\x0Ato see\n"
            "value v0 \"x\"\\x0A\" int8[1, 2] in [-128, 127]\n"
            "value v1 \"y\" int8[1, 2] in [-128, 127]\n"
            "value v2 \"\" int8[1, 2] in [-128, 127]\n"
            "value v3 \"w\" int8[2] in [-3, 5] constant min -3 max 5 checksum 0a92df07b6f04e17\n"
            "node n0 relu \"r\": v1 = (v0)\n"
            "node n1 add \"s\": v2 = (v1, -, v1) a=7 b=\"text\" c=[1, -2]\n"
            "inputs v0\n"
            "outputs v2\n");
}

TEST(Graph, DumpTellsConstantsApart) {
  Graph graph = small_graph();
  const std::string before = dump(graph);
  graph.values[3].constant = Tensor::of(DType::int8, {2}, {5, -3});  // same minimum and maximum
  EXPECT_NE(dump(graph), before);
}

}  // namespace
}  // namespace heddle
