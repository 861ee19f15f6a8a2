// conv2d and dense for XpulpV2 against the reference interpreter; here the library is its portable
// C. The instructions are run in tests/run/soc_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cpu_codegen/generators.h"
#include "unit/cpu_codegen/program.h"

namespace heddle {
namespace {

using test::add_kernel;
using test::append;
using test::append_random_maps;
using test::extreme_inputs;
using test::Random;
using test::random_conv;
using testing::HasSubstr;

void append_by_chance(Random& random, Graph& graph) {
  if (random.coin())
    append(graph, "bias_add", {{"axis", int64_t{1}}},
           {random.constant_of({graph.value(graph.outputs[0]).type.shape[1]}, {-9999, 9999})});
  if (random.coin()) append_random_maps(random, graph);
}

std::vector<Tensor> some_inputs(Random& random, const Graph& graph) {
  const int64_t kind = random.between(0, 3);
  return kind < 2 ? extreme_inputs(graph, kind == 0) : test::random_inputs(random, graph);
}

TEST(Xpulp, Conv2dEqualsTheReference) {
  Random random(5);
  int refused = 0;
  for (int part = 0; part < 3; ++part) {
    test::Program program;
    for (int i = 0; i < 40; ++i) {
      Graph graph = random_conv(random);
      append_by_chance(random, graph);
      const std::string reasons =
          add_kernel(program, random, "xpulp_conv2d", graph, some_inputs(random, graph));
      if (reasons.empty()) continue;
      EXPECT_THAT(reasons, HasSubstr("x in [-19"));  // of [-128, 255]
      ++refused;
    }
    EXPECT_GT(program.cases(), 20);
    EXPECT_EQ(program.run(), "");
  }
  EXPECT_GT(refused, 5);
}

// Planes in several chunks, whole and not.
TEST(Xpulp, LongPlanesEqualTheReference) {
  Random random(6);
  test::Program program;
  const auto check = [&](int64_t channels, int64_t height, int64_t width) {
    Graph graph = test::inferred(
        test::graph_of("conv2d", test::with(test::conv_group(), {{"x_zero_point", int64_t{-7}}}),
                       {test::activation({2, channels, height, width}, {-128, 127}),
                        random.constant_of({6, channels, 1, 1}, {-128, 127})}));
    StorageOf storage;
    for (const ValueId id : {graph.inputs[0], graph.outputs[0]})
      storage[id] = dense_storage(graph.value(id).type);
    const Kernel kernel =
        find_generator("xpulp_conv2d")
            ->make(graph, test::whole_match(graph), storage, program.next_function());
    EXPECT_THAT(kernel.text, HasSubstr("const int32_t pixels = "));
    EXPECT_LE(kernel.scratch_bytes, 4096 + 3 * 4 * 64 + 4 * 4 * 4096 / 16);
    program.add(kernel, graph, storage, test::random_inputs(random, graph));
  };
  check(61, 9, 13);
  check(64, 8, 16);
  check(200, 5, 7);
  EXPECT_EQ(program.run(), "");
}

TEST(Xpulp, DenseEqualsTheReference) {
  Random random(7);
  test::Program program;
  for (int i = 0; i < 60; ++i) {
    const Range ranges[] = {{-128, 127}, {0, 255}, {-128, 0}, {-3, 4}, {17, 90}};
    const Range x = ranges[random.between(0, 4)];
    const int64_t channels = random.between(1, 70), outputs = random.between(1, 11);
    Graph graph =
        test::inferred(test::graph_of("dense", {{"x_zero_point", random.between(x.lo, x.hi)}},
                                      {test::activation({random.between(1, 3), channels}, x),
                                       random.constant_of({outputs, channels}, {-128, 127})}));
    append_by_chance(random, graph);
    const std::vector<Tensor> inputs = some_inputs(random, graph);
    const StorageOf storage = test::random_storages(random, graph);
    const Match match = test::whole_match(graph);
    const KernelGenerator* const generator = find_generator("xpulp_dense");
    ASSERT_TRUE(generator->refusals(graph, match).empty());
    program.add(generator->make(graph, match, storage, program.next_function()), graph, storage,
                inputs);
  }
  EXPECT_EQ(program.run(), "");
}

TEST(Xpulp, RefusalsSayWhy) {
  Random random(8);
  test::Program program;
  const auto conv = [&](Attributes attributes, const Shape& image, const Value& weights) {
    return add_kernel(program, random, "xpulp_conv2d",
                      test::inferred(test::graph_of(
                          "conv2d", attributes, {test::activation(image, {-128, 127}), weights})),
                      {});
  };
  const Value weights = random.constant_of({4, 2, 3, 3}, {-128, 127});
  EXPECT_THAT(conv(test::conv_group(2), {1, 4, 5, 5}, weights), HasSubstr("conv2d.group is 2"));
  EXPECT_THAT(conv(test::conv_group(), {1, 1, 1, 40}, random.constant_of({1, 1, 1, 33}, {-1, 1})),
              HasSubstr("fx <= 32: the packing of every column of the filter is written out: the "
                        "filter has 33"));
  EXPECT_THAT(conv(test::conv_group(), {1, 2, 5, 5}, test::constant({1, 2, 1, 1}, {-129, 1})),
              HasSubstr("weights in [-129, 1], x in [-128, 127]"));
  EXPECT_THAT(
      add_kernel(program, random, "xpulp_dense",
                 test::inferred(test::graph_of("conv2d", test::conv_group(),
                                               {test::activation({1, 2, 5, 5}, {0, 1}), weights})),
                 {}),
      HasSubstr("the anchor is conv2d"));
}

}  // namespace
}  // namespace heddle
