// Open dimensions of graph inputs, and --bind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/import/test_model.h"

namespace heddle::test {
namespace {

using testing::Contains;
using testing::HasSubstr;

// x [batch, time, 4] + y [time, 4] -> z.
TestModel two_inputs() {
  return {
      .inputs = {{.name = "x", .dims = {-1, -1, 4}, .type = kInt8, .symbols = {"batch", "time"}},
                 {.name = "w", .dims = {1, 5, 4}, .type = kInt8}},
      .outputs = {"y"},
      .constants = {},
      .nodes = {{"Add", {"x", "w"}, {"y"}}}};
}

ImportOptions bind(std::map<std::string, int64_t> sizes) {
  ImportOptions options;
  options.bind = std::move(sizes);
  return options;
}

TEST(Bind, SymbolsGetTheirSizes) {
  const Graph graph = must_import(two_inputs(), bind({{"batch", 1}, {"time", 5}}));
  EXPECT_EQ(graph.value(graph.inputs[0]).type.shape, (Shape{1, 5, 4}));
  EXPECT_TRUE(graph.notes.empty()) << graph.notes[0];
}

TEST(Bind, AnUnboundBatchIsOne) {
  const Graph graph = must_import(two_inputs(), bind({{"time", 5}}));
  EXPECT_EQ(graph.value(graph.inputs[0]).type.shape, (Shape{1, 5, 4}));
  EXPECT_THAT(graph.notes,
              Contains("input `x`: the batch dimension `batch` is taken as 1 (--bind batch=N)"));
}

TEST(Bind, OneSymbolIsOneSize) {
  TestModel model = two_inputs();
  model.inputs[0].symbols = {"n", "n"};
  model.inputs[1].dims = {1, 1, 4};
  EXPECT_EQ(must_import(model).inputs.size(), 2u);  // the batch n is 1, and so is the other n
  model.inputs[1].dims = {2, 2, 4};
  const Graph graph = must_import(model, bind({{"n", 2}}));
  EXPECT_EQ(graph.value(graph.inputs[0]).type.shape, (Shape{2, 2, 4}));
}

TEST(Bind, DimensionsWithoutASymbolHaveAPlace) {
  TestModel model = two_inputs();
  model.inputs[0].dims = {0, -2, 4};
  EXPECT_THAT(errors_of(model), HasSubstr("dimension 1 of graph input `x`, -2, has no size\n"
                                          "  help: say it with --bind 'x[1]=N'"));
  const Graph graph = must_import(model, bind({{"x[0]", 1}, {"x[1]", 5}}));
  EXPECT_EQ(graph.value(graph.inputs[0]).type.shape, (Shape{1, 5, 4}));
}

TEST(Bind, EveryUnboundDimensionIsNamed) {
  TestModel model = two_inputs();
  model.inputs[1] = {.name = "w", .dims = {1, -1, -1}, .type = kInt8, .symbols = {"time", "width"}};
  const std::string errors = errors_of(model);
  EXPECT_THAT(errors, HasSubstr("dimension 1 of graph input `x`, `time`, has no size\n"
                                "  help: say it with --bind 'time=N'"));
  EXPECT_THAT(errors, HasSubstr("dimension 2 of graph input `w`, `width`, has no size"));
}

TEST(Bind, UnknownNamesAreErrors) {
  EXPECT_THAT(errors_of(two_inputs(), bind({{"tine", 5}, {"time", 5}})),
              HasSubstr("--bind names `tine`, which is no open dimension of a graph input; did you "
                        "mean `time`?\n  help: open dimensions are `batch`, `time`"));
  TestModel fixed = two_inputs();
  fixed.inputs[0].dims = {1, 5, 4};
  EXPECT_THAT(errors_of(fixed, bind({{"batch", 1}})),
              HasSubstr("help: all dimensions of this model have sizes"));
}

TEST(Bind, SizesAreSane) {
  for (const int64_t size : {int64_t{0}, int64_t{-1}, INT64_MIN, INT64_MAX, int64_t{1} << 40}) {
    EXPECT_THAT(errors_of(two_inputs(), bind({{"time", size}})),
                HasSubstr("--bind gives dimension `time` the size " + std::to_string(size)));
  }
}

}  // namespace
}  // namespace heddle::test
