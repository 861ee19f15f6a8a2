// Elementwise operators in front of the views that they read.
#include "import/sink_views.h"

#include <gtest/gtest.h>

#include "support/network_builder.h"
#include "unit/import/test_model.h"

namespace heddle::test {
namespace {

// A reshape in front of bias_add along dimension 1.
Graph behind_reshape(const Shape& from, const Shape& to) {
  NetworkBuilder net;
  ValueId x = net.input(from);
  x = net.node("relu", {x});
  x = net.node("reshape", {x}, {{"shape", to}});
  Tensor bias(DType::int8, {to[1]});
  for (int64_t i = 0; i < bias.elements(); ++i) bias.set(i, i + 1);
  net.graph.outputs = {net.node("bias_add", {x, net.constant(bias)}, {{"axis", int64_t{1}}})};
  return net.graph;
}

TEST(SinkViews, ABiasFollowsItsDimension) {
  const Result<Graph> result = sink_views(behind_reshape({1, 6}, {1, 6, 1, 1}), "test");
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->nodes.back().op, "reshape");
  EXPECT_EQ(result->nodes[result->nodes.size() - 2].op, "bias_add");
}

TEST(SinkViews, ABiasOfOneChannelStaysWhereThereIsNone) {
  const Result<Graph> result = sink_views(behind_reshape({3, 5}, {3, 1, 5}), "test");
  ASSERT_TRUE(result.ok()) << format_diagnostics(result.errors());
  EXPECT_EQ(result->nodes.back().op, "bias_add");
}

}  // namespace
}  // namespace heddle::test
