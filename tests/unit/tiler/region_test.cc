// Rules of several operators: what of a region may be cut into tiles.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/network_builder.h"
#include "unit/tiler/layers.h"

namespace heddle {
namespace {

using testing::HasSubstr;

// DIANA with one rule that works in L1, and a match of it on all nodes of the graph.
struct Case {
  Soc soc = diana();
  Match match;
};
Case case_of(const Graph& graph, const std::string& pattern,
             const std::vector<std::string>& operands, const std::vector<TileDomain>& domains) {
  Case made;
  Rule rule;
  rule.name = "rule";
  Result<Pattern> parsed = parse_pattern(pattern, in_file("test"));
  HEDDLE_CHECK(parsed.ok(), format_diagnostics(parsed.errors()));
  rule.pattern = *parsed;
  rule.layout = BufferLayout{};
  rule.launch.integer = 100;
  for (const std::string& operand : operands) rule.operands.push_back({operand, "l1"});
  rule.domains = domains;
  made.soc.accelerators[0].target.rules = {rule};
  const Matches matches = match_rules(graph, made.soc, {"latency", "", Objective::latency, {}});
  for (const Match& match : matches.accepted)
    if (match.target == 0 && match.nodes.size() == graph.nodes.size()) made.match = match;
  HEDDLE_CHECK(made.match.target == 0, "the rule does not take the network");
  return made;
}

StorageOf dense(const Graph& graph) {
  StorageOf storage;
  for (size_t v = 0; v < graph.values.size(); ++v) {
    const ValueId id{static_cast<int32_t>(v)};
    if (!graph.value(id).constant) storage.emplace(id, dense_storage(graph.value(id).type));
  }
  return storage;
}

NetworkBuilder attention() {
  NetworkBuilder network;
  const ValueId queries = network.input({1, 2, 6, 4}), keys = network.input({1, 2, 4, 6});
  const ValueId values = network.input({1, 2, 6, 8});
  const ValueId scores = network.requant(network.node("matmul", {queries, keys}), 5);
  const ValueId softmax = network.node("ita_max", {scores}, {{"levels", int64_t{256}}});
  network.graph.outputs = {network.requant(network.node("matmul", {softmax, values}), 9)};
  return network;
}
constexpr const char* kAttention = "matmul(keys) requant ita_max matmul(values) requant";

// The result has another shape than the anchor's: one job, every operand whole.
TEST(Regions, WholeOperandsWhereNothingIsTiled) {
  const NetworkBuilder network = attention();
  const Case made = case_of(network.graph, kAttention, {"x", "keys", "values", "y"}, {});
  const Status status = check_region(network.graph, made.soc, made.match, dense(network.graph));
  ASSERT_TRUE(status.ok()) << format_diagnostics(status.errors());
  const Result<Tiling> tiling =
      solve_tiling(network.graph, made.soc, made.match, dense(network.graph));
  ASSERT_TRUE(tiling.ok()) << format_diagnostics(tiling.errors());
  const Region region =
      region_of(network.graph, made.soc, made.match, dense(network.graph));
  const std::pair<const char*, int64_t> bytes[] = {
      {"x", 48}, {"keys", 48}, {"values", 96}, {"y", 96}};
  for (const auto& [operand, whole] : bytes) {
    const OperandTile tile = tile_of(region, region.operand(operand), whole_box(region));
    EXPECT_EQ(tile.storage.bytes, whole) << operand;
  }
}

TEST(Regions, WhatIsNotComputedElementByElementIsNotTiled) {
  const NetworkBuilder network = attention();
  const Case made = case_of(network.graph, kAttention, {"x", "keys", "values", "y"}, {{"n"}});
  const Status status = check_region(network.graph, made.soc, made.match, dense(network.graph));
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(format_diagnostics(status.errors()),
              HasSubstr("ends in a result of shape [1, 2, 6, 8], but its tiles are those of "
                        "`matmul` with shape [1, 2, 6, 6]"));
}

// Same shape, but a row of the result needs all of the row before it.
TEST(Regions, ARowOperatorKeepsItsRowWhole) {
  NetworkBuilder network;
  const ValueId scores = network.requant(network.input({1, 2, 6, 6}), 1);
  network.graph.outputs = {network.node("ita_max", {scores}, {{"levels", int64_t{256}}})};
  const Case tiled = case_of(network.graph, "requant ita_max", {"x", "y"}, {{"ox"}});
  const Status status = check_region(network.graph, tiled.soc, tiled.match, dense(network.graph));
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(format_diagnostics(status.errors()),
              HasSubstr("tiles the result of `requant`, from which `ita_max` does not compute "
                        "element by element"));
  const Case whole = case_of(network.graph, "requant ita_max", {"x", "y"}, {{"ox", true}});
  EXPECT_TRUE(check_region(network.graph, whole.soc, whole.match, dense(network.graph)).ok());
}

}  // namespace
}  // namespace heddle
