#include "compile/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace heddle {
namespace {

using testing::ElementsAre;

TEST(Compare, NamesTheFirstElementThatDiffers) {
  const Tensor expected = Tensor::of(DType::int32, {2, 3}, {0, 1, 2, 3, 4, 5});
  EXPECT_FALSE(compare("layer a", 0, expected, expected).has_value());
  const std::optional<Divergence> found =
      compare("layer a", 7, expected, Tensor::of(DType::int32, {2, 3}, {0, 1, 2, 3, 9, 8}));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(to_string(*found), "layer a: sample 7, element [1, 1]: 4 expected, got 9");
}

TEST(Compare, TypesMayDifferValuesMayNot) {
  EXPECT_FALSE(
      compare("a", 0, Tensor::of(DType::int64, {2}, {-1, 5}), Tensor::of(DType::int8, {2}, {-1, 5}))
          .has_value());
  EXPECT_TRUE(
      compare("a", 0, Tensor::of(DType::int8, {1}, {-1}), Tensor::of(DType::uint8, {1}, {255}))
          .has_value());
}

TEST(Compare, ADifferentSizeIsADivergence) {
  const std::optional<Divergence> found =
      compare("a", 0, Tensor(DType::int8, {4}), Tensor(DType::int8, {3}));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(to_string(*found), "a: sample 0 has 3 elements, 4 expected");
}

TEST(Activations, EveryArrayMustEqualSomeValue) {
  const ReferenceRun reference = {
      {Tensor(), Tensor::of(DType::int8, {1, 2}, {3, 4}), Tensor::of(DType::int32, {2}, {5, 6})}};
  const ActivationCheck check =
      check_activations(reference, {{"same", Tensor::of(DType::int64, {2}, {3, 4})},
                                    {"other", Tensor::of(DType::int64, {2}, {3, 5})},
                                    {"longer", Tensor::of(DType::int64, {3}, {5, 6, 0})}});
  EXPECT_EQ(check.arrays, 3);
  EXPECT_THAT(check.unmatched, ElementsAre("other", "longer"));
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
