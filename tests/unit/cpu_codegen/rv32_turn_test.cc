// Layout conversions of the flavour rv32: images of all sizes and bytes of both kinds, between rows and pixels
// with any gaps; what is no turn is copied as ever.
#include <gtest/gtest.h>

#include "cpu_codegen/generators.h"
#include "schedule/turn.h"
#include "unit/cpu_codegen/program.h"

namespace heddle {
namespace {

using test::Random;

Graph copy_of(const Shape& shape, const Range& range) {
  return test::inferred(
      test::graph_of("reshape", {{"shape", shape}}, {test::activation(shape, range)}));
}

Storage random_layout(Random& random, const TensorType& type, DimOrder order) {
  if (order == DimOrder::channels_first && random.between(0, 3) == 0)
    return test::random_storage(random, type);  // strides that are multiples of nothing
  const int64_t rows[] = {1, 4, 16, 64}, planes[] = {1, 4, 32, 32};
  const int64_t kind = random.between(0, 3);
  return padded_storage(type, {rows[kind], planes[kind], order});
}

TEST(Rv32, TurnsEqualTheReference) {
  const KernelGenerator* const generator = find_generator("rv32_turn");
  ASSERT_NE(generator, nullptr);
  Random random(41);
  int turns = 0, words = 0, others = 0;
  for (int part = 0; part < 2; ++part) {
    test::Program program;
    for (int i = 0; i < 120; ++i) {
      const Shape shape{random.between(1, 2), random.between(1, random.coin() ? 5 : 40),
                        random.between(1, 7), random.between(1, random.coin() ? 6 : 35)};
      const Graph graph = copy_of(shape, random.coin() ? Range{-128, 127} : Range{0, 255});
      const TensorType& type = graph.value(graph.inputs[0]).type;
      DimOrder from = DimOrder::channels_first, to = DimOrder::channels_last;
      if (random.coin()) std::swap(from, to);
      if (random.between(0, 9) == 0) to = from;
      StorageOf storage;
      storage[graph.inputs[0]] = random_layout(random, type, from);
      storage[graph.outputs[0]] = random_layout(random, type, to);
      const Match match = test::whole_match(graph);
      ASSERT_TRUE(generator->refusals(graph, match).empty());
      const Kernel kernel = generator->make(graph, match, storage, program.next_function());
      const std::optional<Turn> turn =
          turn_between(type, storage[graph.inputs[0]], storage[graph.outputs[0]]);
      EXPECT_EQ(kernel.text.find("heddle_rv32_turn") != std::string::npos, turn.has_value());
      turns += turn.has_value() ? 1 : 0;
      words += turn && turn->words ? 1 : 0;
      others += turn ? 0 : 1;
      program.add(kernel, graph, storage, test::random_inputs(random, graph));
    }
    EXPECT_EQ(program.run(), "");
  }
  EXPECT_GT(turns, 150);
  EXPECT_GT(words, 60);
  EXPECT_GT(turns - words, 40);
  EXPECT_GT(others, 20);
}

TEST(Rv32, OnlyConversionsOfBytesAreTurned) {
  const KernelGenerator* const generator = find_generator("rv32_turn");
  const auto refused = [&](const Graph& graph) {
    const std::vector<FailedCondition> failed = generator->refusals(graph, test::whole_match(graph));
    return failed.empty() ? "" : failed.front().values;
  };
  EXPECT_EQ(refused(copy_of({1, 4, 5, 6}, {0, 255})), "");
  EXPECT_EQ(refused(copy_of({1, 4, 5, 6}, {-300, 300})), "x is of type int16");
  EXPECT_EQ(refused(test::inferred(test::graph_of("reshape", {{"shape", Shape{1, 24}}},
                                                  {test::activation({1, 4, 6}, {0, 1})}))),
            "y is [1, 24] of [1, 4, 6]");
  EXPECT_EQ(refused(test::inferred(test::graph_of("relu", {}, {test::activation({4}, {0, 1})}))),
            "the anchor is relu");
}

}  // namespace
}  // namespace heddle
