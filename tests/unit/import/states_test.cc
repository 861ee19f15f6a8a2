// States: named by the user, recognised, refused.
#include "import/states.h"

#include <gtest/gtest.h>

#include "ops/op.h"
#include "unit/import/test_model.h"

namespace heddle::test {
namespace {

// A cache [1, 2, P, 3] that grows by a requantised x [1, 2, 1, 3], as a float-typed model says it:
// behind the concatenation a requantisation that changes nothing once the cache is int8.
TestModel cache(int64_t rows = 4) {
  return {.inputs = {{"x", {1, 2, 1, 3}}, {"cache", {1, 2, rows, 3}}},
          .outputs = {"y", "grown"},
          .constants = {vec("one", {1}), vec("zero", {0}), vec("three", {3})},
          .nodes = {requant_shift("x", "three", "zero", "new", 4, 256, true),
                    {"Concat", {"cache", "new"}, {"both"}, {{"axis", int64_t{2}}}},
                    requant_shift("both", "one", "zero", "grown", 1, 256, true),
                    {"MaxPool", {"grown"}, {"y"},
                     {{"kernel_shape", std::vector<int64_t>{rows + 1, 1}}}}}};
}

Result<Graph> with_states(const TestModel& model,
                          std::vector<std::pair<std::string, std::string>> states,
                          std::map<std::string, DType> types = {}) {
  ImportOptions options;
  options.states = std::move(states);
  options.input_types = std::move(types);
  return import_with_states(options, "test.onnx", [&](const ImportOptions& narrowed) {
    return import_test(model, narrowed);
  });
}

std::string refusal(const Result<Graph>& graph) {
  return graph.ok() ? "imported" : format_diagnostics(graph.errors());
}

TEST(States, NarrowTheirInputs) {
  for (const auto& [in, out] : {std::pair("cache", "grown"), std::pair("auto", "")}) {
    const Result<Graph> graph = with_states(cache(), {{in, out}});
    ASSERT_TRUE(graph.ok()) << refusal(graph);
    ASSERT_EQ(graph->states.size(), 1u);
    EXPECT_TRUE(verify_graph(*graph).ok()) << format_diagnostics(verify_graph(*graph).errors());
    // The unity requantisation is gone: the output is the concatenation.
    const Value& output = graph->value(graph->states[0].output);
    EXPECT_EQ(graph->node(output.producer).op, "concat") << dump(*graph);
    EXPECT_EQ(output.type.dtype, DType::int8);
    EXPECT_EQ(graph->value(graph->states[0].input).type.dtype, DType::int8);
    EXPECT_EQ(graph->given_inputs().size(), 1u);
    EXPECT_EQ(graph->returned_outputs().size(), 1u);
  }
}

TEST(States, AreSuggested) {
  const Result<Graph> graph = with_states(cache(), {});
  ASSERT_TRUE(graph.ok()) << refusal(graph);
  EXPECT_TRUE(graph->states.empty());
  ASSERT_FALSE(graph->notes.empty());
  EXPECT_NE(graph->notes.back().find("cache=grown. `--state auto`"), std::string::npos)
      << graph->notes.back();
}

TEST(States, RunLikeCachesThatAreFedByHand) {
  const Result<Graph> graph = with_states(cache(), {{"cache", "grown"}});
  ASSERT_TRUE(graph.ok()) << refusal(graph);
  std::vector<std::vector<Tensor>> samples;
  const Value& x = graph->value(graph->given_inputs()[0]);
  for (int64_t step = 0; step < 6; ++step) {
    Tensor tensor(x.type.dtype, x.type.shape);
    for (int64_t i = 0; i < tensor.elements(); ++i) tensor.set(i, 10 * step + i);
    samples.push_back({tensor});
  }
  const Result<std::vector<std::vector<Tensor>>> carried = interpret_all(*graph, samples);
  ASSERT_TRUE(carried.ok());
  Tensor by_hand(DType::int8, {1, 2, 4, 3});
  const State& state = graph->states[0];
  for (size_t step = 0; step < samples.size(); ++step) {
    const bool first = graph->inputs[0] != state.input;
    const std::vector<Tensor> inputs = first ? std::vector<Tensor>{samples[step][0], by_hand}
                                             : std::vector<Tensor>{by_hand, samples[step][0]};
    const Result<std::vector<Tensor>> values = interpret(*graph, inputs);
    ASSERT_TRUE(values.ok());
    for (const ValueId id : graph->outputs) {
      const size_t at = static_cast<size_t>(id.index);
      EXPECT_EQ((*values)[at], (*carried)[step][at]) << step;
    }
    const Tensor& grown = (*values)[static_cast<size_t>(state.output.index)];
    for (int64_t c = 0; c < 2; ++c) {
      for (int64_t i = 0; i < 12; ++i) by_hand.set(c * 12 + i, grown.at(c * 15 + 3 + i));
    }
  }
}

TEST(States, RingBuffersAreRecognised) {
  const TestModel model{
      .inputs = {{"x", {1, 2, 1, 3}, kInt8}, {"past", {1, 2, 4, 3}, kInt8}},
      .outputs = {"y", "next"},
      .constants = {int64s("from", {1}), int64s("to", {4}), int64s("axis", {2})},
      .nodes = {{"Slice", {"past", "from", "to", "axis"}, {"kept"}},
                {"Concat", {"kept", "x"}, {"next"}, {{"axis", int64_t{2}}}},
                {"MaxPool", {"next"}, {"y"}, {{"kernel_shape", std::vector<int64_t>{4, 1}}}}}};
  const Result<Graph> graph = with_states(model, {{"auto", ""}});
  ASSERT_TRUE(graph.ok()) << refusal(graph);
  EXPECT_EQ(graph->states.size(), 1u);
}

TEST(States, AreRecognisedBehindTransposesThatSank) {
  TestModel model = cache(1);
  model.inputs[0].dims = {1, 1, 2, 3};
  model.nodes[0].inputs[0] = "t";
  model.nodes.insert(model.nodes.begin(),
                     {"Transpose", {"x"}, {"t"}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}}});
  const Result<Graph> graph = with_states(model, {{"auto", ""}});
  ASSERT_TRUE(graph.ok()) << refusal(graph);
  ASSERT_EQ(graph->states.size(), 1u) << dump(*graph);
  EXPECT_EQ(graph->value(graph->states[0].input).name, "cache");
  EXPECT_EQ(graph->value(graph->states[0].output).name, "grown");
  EXPECT_EQ(graph->node(graph->value(graph->states[0].output).producer).op, "transpose")
      << dump(*graph);
}

TEST(States, RefusedWithTheReason) {
  const auto expect = [](const Result<Graph>& graph, const std::string& message) {
    EXPECT_NE(refusal(graph).find(message), std::string::npos) << refusal(graph);
  };
  expect(with_states(cache(), {{"cach", "grown"}}),
         "--state names `cach`, which is no graph input; did you mean `cache`?");
  expect(with_states(cache(), {{"cache", "both"}}), "--state names `both`, which is no graph output");
  expect(with_states(cache(), {{"x", "y"}}), "imported");
  expect(with_states(cache(), {{"cache", "y"}}),
         "--state `cache`=`y`: the output has shape [1, 2, 1, 3], the input [1, 2, 4, 3]");
  expect(with_states(cache(), {{"cache", "grown"}, {"cache", "y"}}),
         "one of them is in another state already");
  expect(with_states(cache(), {{"cache", "grown"}}, {{"cache", DType::uint8}}),
         "does not hold");
  // An empty input is dropped.
  expect(with_states(cache(0), {{"cache", "grown"}}), "--state names `cache`, which is no graph input");
}

}  // namespace
}  // namespace heddle::test
