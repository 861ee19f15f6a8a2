// Transpose, Slice, Split, Concat, Gather and what is made of them; shape sub-graphs that fold.
#include <gtest/gtest.h>

#include "unit/import/test_model.h"

namespace heddle::test {
namespace {

using List = std::vector<int64_t>;

// x [1, 2, 4, 6] of int8 through these nodes to y.
TestModel model(std::vector<TestNode> nodes, std::vector<TestTensor> constants = {}) {
  return {.inputs = {{"x", {1, 2, 4, 6}, kInt8}},
          .outputs = {"y"},
          .constants = std::move(constants),
          .nodes = std::move(nodes),
          .opset = 13};
}

TestModel with_input(TestModel model, TestInput input) {
  model.inputs.push_back(std::move(input));
  return model;
}

struct Case {
  const char* name;
  TestModel model;
  const char* expected;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class Moves : public testing::TestWithParam<Case> {};

TEST_P(Moves, BecomeNodes) { EXPECT_EQ(sketch(must_import(GetParam().model)), GetParam().expected); }

const Case kCases[] = {
    {"Transpose", model({{"Transpose", {"x"}, {"y"}, {{"perm", List{0, 2, 3, 1}}}}}),
     "transpose(x) perm=[0, 2, 3, 1]\n"},
    {"TransposeReverses", model({{"Transpose", {"x"}, {"y"}}}), "transpose(x) perm=[3, 2, 1, 0]\n"},
    {"SliceByAttributes",
     model({{"Slice", {"x"}, {"y"}, {{"starts", List{1, -2}}, {"ends", List{3, 100}}, {"axes", List{2, 3}}}}}),
     "slice(x) ends=[1, 2, 3, 6] starts=[0, 0, 1, 4] steps=[1, 1, 1, 1]\n"},
    {"SliceByOperands",
     model({{"Slice", {"x", "from", "to", "axes", "by"}, {"y"}}},
           {int64s("from", {-1, 0}), int64s("to", {-(int64_t{1} << 40), int64_t{1} << 40}), int64s("axes", {-1, 2}),
            int64s("by", {-2, 3})}),
     "slice(x) ends=[1, 2, 4, -1] starts=[0, 0, 0, 5] steps=[1, 1, 3, -2]\n"},
    {"Split",
     model({{"Split", {"x"}, {"a", "b"}, {{"axis", int64_t{-1}}}, "s"}, {"Add", {"a", "b"}, {"y"}}}),
     "slice(x) ends=[1, 2, 4, 3] starts=[0, 0, 0, 0] steps=[1, 1, 1, 1]\n"
     "slice(x) ends=[1, 2, 4, 6] starts=[0, 0, 0, 3] steps=[1, 1, 1, 1]\n"
     "add(slice, slice)\n"},
    {"SplitLengths",
     model({{"Split", {"x", "n"}, {"a", "y", ""}, {{"axis", int64_t{3}}}, "s"}},
           {int64s("n", {1, 2, 3})}),
     "slice(x) ends=[1, 2, 4, 3] starts=[0, 0, 0, 1] steps=[1, 1, 1, 1]\n"},
    {"Concat", model({{"Concat", {"x", "x", "c"}, {"y"}, {{"axis", int64_t{-3}}}}},
                     {{.name = "c", .dims = {1, 0, 4, 6}, .values = {}}}),
     "concat(x, x) axis=1\n"},
    {"ConcatDropsEmptyInputs",
     with_input(model({{"Concat", {"cache", "x"}, {"z"}, {{"axis", int64_t{2}}}}, {"Transpose", {"z"}, {"y"}}}),
                {"cache", {1, 2, 0, 6}}),
     "transpose(x) perm=[3, 2, 1, 0]\n"},
    {"GatherOneIsASlice",
     model({{"Gather", {"x", "i"}, {"y"}, {{"axis", int64_t{2}}}}},
           {{.name = "i", .dims = {}, .values = {-1}, .type = kInt64}}),
     "slice(x) ends=[1, 2, 4, 6] starts=[0, 0, 3, 0] steps=[1, 1, 1, 1]\n"
     "reshape(slice) shape=[1, 2, 6]\n"},
    {"GatherOfOneKeepsTheRequantisationBelow",
     model({{"Slice", {"x", "from", "to", "axis"}, {"s"}},
            {"RequantShift",
             {"s", "mul", "add"},
             {"r"},
             {{"div", int64_t{16}}, {"n_levels_out", int64_t{256}}, {"signed", int64_t{1}}}},
            {"Gather", {"r", "i"}, {"y"}, {{"axis", int64_t{1}}}}},
           {int64s("from", {0}),
            int64s("to", {1}),
            int64s("axis", {1}),
            {.name = "mul", .dims = {}, .values = {3}},
            {.name = "add", .dims = {}, .values = {5}},
            {.name = "i", .dims = {}, .values = {0}, .type = kInt64}}),
     "slice(x) ends=[1, 1, 4, 6] starts=[0, 0, 0, 0] steps=[1, 1, 1, 1]\n"
     "requant(slice, mul=[3], add=[5]) axis=1 hi=127 lo=-128 rounding=half_up shift=4\n"
     "reshape(requant) shape=[1, 4, 6]\n"},
    {"GatherEvenlyIsASlice",
     model({{"Gather", {"x", "i"}, {"y"}, {{"axis", int64_t{3}}}}}, {int64s("i", {4, 2, 0})}),
     "slice(x) ends=[1, 2, 4, -1] starts=[0, 0, 0, 4] steps=[1, 1, 1, -2]\n"},
    {"Gather",
     model({{"Gather", {"x", "i"}, {"y"}, {{"axis", int64_t{3}}}}}, {int64s("i", {4, -1, 0})}),
     "gather(x, indices=[4, 5, 0]) axis=3\n"},
    {"GatherComputed",
     with_input(model({{"Gather", {"table", "i"}, {"z"}}, {"Add", {"z", "x"}, {"y"}}},
                      {{.name = "table", .dims = {3, 6}, .values = std::vector<double>(18, 2)}}),
                {"i", {1}, kUint8}),
     "clip(i) hi=2\ngather(x=[2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2], clip)\n"
     "add(gather, x)\n"},
    {"Expand", model({{"Slice", {"x", "a", "b"}, {"s"}}, {"Expand", {"s", "n"}, {"y"}}},
                     {int64s("a", {0, 0, 0, 0}), int64s("b", {1, 1, 4, 6}), int64s("n", {2, 1, 1})}),
     "slice(x) ends=[1, 1, 4, 6] starts=[0, 0, 0, 0] steps=[1, 1, 1, 1]\n"
     "gather(slice, indices=[0, 0]) axis=1\n"},
    {"Tile", model({{"Tile", {"x", "n"}, {"y"}}}, {int64s("n", {1, 2, 1, 1})}),
     "gather(x, indices=[0, 1, 0, 1]) axis=1\n"},
    {"SpaceToDepth", model({{"SpaceToDepth", {"x"}, {"y"}, {{"blocksize", int64_t{2}}}, "s"}}),
     "reshape(x) shape=[1, 2, 2, 2, 3, 2]\ntranspose(reshape) perm=[0, 3, 5, 1, 2, 4]\n"
     "reshape(transpose) shape=[1, 8, 2, 3]\n"},
    // view(x, (shape(x)[0], -1)), as PyTorch exports it.
    {"ShapesFold",
     model({{"Shape", {"x"}, {"shape"}},
            {"Gather", {"shape", "zero"}, {"n"}},
            {"Unsqueeze", {"n", "axes"}, {"n1"}},
            {"Concat", {"n1", "rest"}, {"wanted"}, {{"axis", int64_t{0}}}},
            {"Cast", {"wanted"}, {"cast"}, {{"to", int64_t{7}}}},
            {"Reshape", {"x", "cast"}, {"y"}}},
           {{.name = "zero", .dims = {}, .values = {0}, .type = kInt64}, int64s("axes", {0}),
            int64s("rest", {-1})}),
     "flatten(x) axis=1\n"},
    // x.expand(3, -1, -1, -1): Where(shape == -1, ones, shape).
    {"ExpandShapesFold",
     model({{"Shape", {"wanted"}, {"rank"}},
            {"ConstantOfShape", {"rank"}, {"ones"}, {{"value", int64s("v", {1})}}},
            {"Mul", {"ones", "minus"}, {"minuses"}},
            {"Equal", {"wanted", "minuses"}, {"open"}},
            {"Where", {"open", "ones", "wanted"}, {"shape"}},
            {"Expand", {"x", "shape"}, {"y"}}},
           {int64s("wanted", {3, -1, -1, -1}),
            {.name = "minus", .dims = {}, .values = {-1}, .type = kInt64}}),
     "gather(x, indices=[0, 0, 0])\n"},
    {"TransposesOfConstantsFold",
     model({{"Transpose", {"w"}, {"v"}, {{"perm", List{1, 0}}}},
            {"Slice", {"v", "a", "b"}, {"u"}},
            {"Add", {"x", "u"}, {"y"}}},
           {{.name = "w", .dims = {6, 2}, .values = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
            int64s("a", {1}), int64s("b", {2})}),
     "bias_add(x, bias=[2, 4, 6, 8, 10, 12]) axis=3\n"},
};

INSTANTIATE_TEST_SUITE_P(Onnx, Moves, testing::ValuesIn(kCases), [](const auto& each) { return each.param.name; });

class MovesRefused : public testing::TestWithParam<Case> {};

TEST_P(MovesRefused, WithTheReason) {
  EXPECT_NE(errors_of(GetParam().model).find(GetParam().expected), std::string::npos)
      << errors_of(GetParam().model);
}

const Case kRefused[] = {
    {"Perm", model({{"Transpose", {"x"}, {"y"}, {{"perm", List{0, 1, 1, 2}}}}}),
     "`perm` [0, 1, 1, 2] is no order of the 4 dimensions of [1, 2, 4, 6]"},
    {"Nothing", model({{"Slice", {"x"}, {"y"}, {{"starts", List{3}}, {"ends", List{3}}, {"axes", List{2}}}}}),
     "takes nothing of dimension 2 of [1, 2, 4, 6]: from 3 to 3 by 1"},
    {"Missing", model({{"Slice", {"x"}, {"y"}}}), "`starts` and `ends` are missing"},
    {"Lists", model({{"Slice", {"x"}, {"y"}, {{"starts", List{1}}, {"ends", List{3, 4}}}}}),
     "starts [1], ends [3, 4], axes none and steps none do not fit each other and [1, 2, 4, 6]"},
    {"Split", model({{"Split", {"x", "n"}, {"a", "y"}, {{"axis", int64_t{3}}}}}, {int64s("n", {1, 2})}),
     "dimension 3 of [1, 2, 4, 6] is split into 2 parts of lengths [1, 2]"},
    {"Axis", model({{"Concat", {"x", "x"}, {"y"}, {{"axis", int64_t{4}}}}}),
     "`axis` is 4, its input has 4 dimensions"},
    {"Index", model({{"Gather", {"x", "i"}, {"y"}}}, {int64s("i", {0, 1})}),
     "index 1 is outside dimension 0 of [1, 2, 4, 6]"},
    {"Expand", model({{"Expand", {"x", "n"}, {"y"}}}, {int64s("n", {1, 3, 1, 1})}),
     "cannot expand [1, 2, 4, 6] to [1, 3, 1, 1]"},
    {"Huge", model({{"ConstantOfShape", {"n"}, {"z"}}, {"Add", {"x", "z"}, {"y"}}},
                   {int64s("n", {int64_t{1} << 30, int64_t{1} << 9})}),
     "its constant result [1073741824, 512] is too large"},
    {"Blocks", model({{"DepthToSpace", {"x"}, {"y"}, {{"blocksize", int64_t{2}}}}}),
     "blocks of 2 do not divide [1, 2, 4, 6]"},
};

INSTANTIATE_TEST_SUITE_P(Onnx, MovesRefused, testing::ValuesIn(kRefused), [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace heddle::test
