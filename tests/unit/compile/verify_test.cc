#include "compile/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace heddle {
namespace {

using testing::ElementsAre;

// Values `a` (int8 [1, 2]) and `b` (int32 [2]).
Graph two_values() {
  Graph graph;
  for (const char* const name : {"a", "b"}) {
    Value value;
    value.name = name;
    graph.add_value(std::move(value));
  }
  return graph;
}

TEST(Activations, EveryArrayMustEqualSomeValue) {
  const ReferenceRun reference = {
      {Tensor::of(DType::int8, {1, 2}, {3, 4}), Tensor::of(DType::int32, {2}, {5, 6})}};
  const ActivationCheck check =
      check_activations(two_values(), reference,
                        {{"same", Tensor::of(DType::int64, {2}, {3, 4})},
                         {"other", Tensor::of(DType::int64, {2}, {3, 5})},
                         {"longer", Tensor::of(DType::int64, {3}, {5, 6, 0})}});
  EXPECT_EQ(check.arrays, 3);
  EXPECT_EQ(check.named, 0);
  EXPECT_THAT(check.unmatched, ElementsAre("other", "longer"));
  EXPECT_FALSE(check.first.has_value());
}

TEST(Activations, ANamedArrayIsHeldAgainstItsValueAndTheFirstWrongOneIsNamed) {
  const ReferenceRun reference = {
      {Tensor::of(DType::int8, {1, 2}, {3, 4}), Tensor::of(DType::int32, {2}, {5, 6})}};
  const ActivationCheck check =
      check_activations(two_values(), reference,
                        {{"b", Tensor::of(DType::int64, {2}, {3, 4})},  // equals a, is called b
                         {"a", Tensor::of(DType::int64, {2}, {3, 9})}});
  EXPECT_EQ(check.named, 2);
  EXPECT_THAT(check.unmatched, ElementsAre("b", "a"));
  ASSERT_TRUE(check.first.has_value());
  EXPECT_EQ(to_string(*check.first), "value a: sample 0, element [1]: 9 expected, got 4");
}

TEST(Activations, AToleranceHoldsForFloats) {
  Graph graph = two_values();
  Tensor value(DType::float32, {2}), near = value, far = value;
  for (int64_t i = 0; i < 2; ++i) {
    value.set_float(i, 100);
    near.set_float(i, 100.0005f);
    far.set_float(i, 100.01f);
  }
  const ReferenceRun reference = {{value, Tensor(DType::int8, {0})}};
  EXPECT_EQ(check_activations(graph, reference, {{"q", near}}).unmatched.size(), 1u);
  EXPECT_EQ(check_activations(graph, reference, {{"q", near}}, 1e-5).unmatched.size(), 0u);
  EXPECT_EQ(check_activations(graph, reference, {{"a", far}}, 1e-5).unmatched.size(), 1u);
}

TEST(RandomInputs, LieInTheProvenRangeAndDependOnlyOnTheSeed) {
  Graph graph;
  Value value;
  value.type = {DType::int8, {100}, {-3, 4}};
  graph.inputs = {graph.add_value(std::move(value))};
  const std::vector<Tensor> inputs = random_inputs(graph, 1);
  EXPECT_EQ(inputs, random_inputs(graph, 1));
  EXPECT_NE(inputs, random_inputs(graph, 2));
  EXPECT_EQ(inputs[0].min_max(), (Range{-3, 4}));
}

}  // namespace
}  // namespace heddle
