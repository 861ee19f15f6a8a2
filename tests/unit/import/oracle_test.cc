// Random scalings against their plain formulas: whatever the reduction makes of them, every value
// is the same.
#include <gtest/gtest.h>

#include <random>

#include "base/checked.h"
#include "ops/op.h"
#include "unit/import/test_model.h"

namespace heddle::test {
namespace {

constexpr int64_t kChannels = 3;
constexpr int64_t kPixels = 16;

struct Scaling {
  bool half_up = false;
  std::vector<int64_t> weight, bias, mul, add;  // per channel; one element: scalar (mul, add)
  int64_t shift = 0;
  int64_t lo = 0;
  int64_t hi = 0;
  bool layer = true;  // a depthwise conv with bias below, else the input plus itself
};

int64_t at(const std::vector<int64_t>& values, int64_t k) {
  return values[values.size() == 1 ? 0 : static_cast<size_t>(k)];
}

Scaling random_scaling(std::mt19937_64& random) {
  auto pick = [&](int64_t lo, int64_t hi) {
    return lo + static_cast<int64_t>(random() % static_cast<uint64_t>(hi - lo + 1));
  };
  Scaling s;
  s.half_up = pick(0, 1) == 1;
  s.layer = pick(0, 3) > 0;
  s.shift = pick(0, 12);
  int64_t common = int64_t{1} << pick(0, s.shift);  // a power of two to find
  bool power = pick(0, 1) == 1;
  int64_t muls = pick(0, 1) == 1 ? kChannels : 1;
  for (int64_t k = 0; k < muls; ++k) s.mul.push_back(common * (power ? 1 : pick(-3, 9)));
  int64_t adds = pick(0, 1) == 1 ? kChannels : 1;
  for (int64_t k = 0; k < adds; ++k) s.add.push_back(pick(0, 1) == 0 ? 0 : pick(-5000, 5000));
  if (s.half_up && pick(0, 3) == 0 && s.shift > 0)
    s.add = {-(int64_t{1} << (s.shift - 1))};  // cancels the rounding term
  for (int64_t k = 0; k < kChannels; ++k)
    s.weight.push_back(pick(-8, 8)), s.bias.push_back(pick(-300, 300));
  s.lo = pick(0, 1) == 0 ? 0 : -128;
  s.hi = s.lo + 255;
  return s;
}

TestTensor channels(const std::string& name, const std::vector<int64_t>& values) {
  std::vector<int64_t> dims =
      values.size() == 1 ? std::vector<int64_t>{} : std::vector<int64_t>{kChannels, 1, 1};
  return {.name = name, .dims = dims, .values = std::vector<double>(values.begin(), values.end())};
}

TestModel model_of(const Scaling& s) {
  TestModel model{.inputs = {{"x", {1, kChannels, 4, 4}, kInt8}},
                  .outputs = {"y"},
                  .constants = {},
                  .nodes = {}};
  model.constants = {{.name = "w",
                      .dims = {kChannels, 1, 1, 1},
                      .values = std::vector<double>(s.weight.begin(), s.weight.end())},
                     vec("b", std::vector<double>(s.bias.begin(), s.bias.end())),
                     channels("mul", s.mul),
                     channels("add", s.add),
                     scalar("div", static_cast<double>(int64_t{1} << s.shift)),
                     scalar("lo", static_cast<double>(s.lo)),
                     scalar("hi", static_cast<double>(s.hi))};
  if (s.layer) {
    model.nodes = {{"Conv", {"x", "w", "b"}, {"sum"}, {{"group", kChannels}}}};
  } else {
    model.nodes = {{"Add", {"x", "x"}, {"sum"}}};
  }
  if (s.half_up) {
    model.nodes.push_back(requant_shift("sum", "mul", "add", "y",
                                        static_cast<double>(int64_t{1} << s.shift), 256, s.lo < 0));
  } else {
    model.nodes.insert(model.nodes.end(), {{"Mul", {"sum", "mul"}, {"p"}},
                                           {"Add", {"p", "add"}, {"q"}},
                                           {"Div", {"q", "div"}, {"r"}},
                                           {"Floor", {"r"}, {"f"}},
                                           {"Clip", {"f", "lo", "hi"}, {"y"}}});
  }
  return model;
}

int64_t formula(const Scaling& s, int64_t x, int64_t k) {
  int64_t sum = s.layer ? x * at(s.weight, k) + at(s.bias, k) : 2 * x;
  int64_t half = s.half_up && s.shift > 0 ? int64_t{1} << (s.shift - 1) : 0;
  int64_t y = floor_div(sum * at(s.mul, k) + at(s.add, k) + half, int64_t{1} << s.shift);
  return std::max(s.lo, std::min(s.hi, y));
}

TEST(Oracle, ReducedRequantisationsComputeTheSame) {
  std::mt19937_64 random(20);
  std::map<std::string, int> dialects;  // every outcome must occur
  for (int round = 0; round < 2000; ++round) {
    Scaling s = random_scaling(random);
    Graph graph = must_import(model_of(s));
    for (const Node& node : graph.nodes) {
      if (node.op == "requant")
        ++dialects[(s.half_up ? "half_up to " : "floor to ") + string_attribute(node, "rounding")];
    }
    Tensor x(DType::int8, {1, kChannels, 4, 4});
    std::vector<int64_t> expected;
    for (int64_t i = 0; i < kChannels * kPixels; ++i) {
      x.set(i, i % 8 == 0 ? -128 : i % 8 == 1 ? 127 : static_cast<int64_t>(random() % 256) - 128);
      expected.push_back(formula(s, x.at(i), i / kPixels));
    }
    std::vector<Tensor> inputs{x};
    Result<std::vector<Tensor>> values = interpret(graph, inputs);
    ASSERT_TRUE(values.ok()) << format_diagnostics(values.errors());
    ASSERT_EQ((*values)[static_cast<size_t>(graph.outputs[0].index)].to_ints(), expected)
        << "round " << round << "\n"
        << sketch(graph);
  }
  for (const char* outcome : {"half_up to half_up", "half_up to floor", "half_up to shift",
                              "floor to floor", "floor to shift"}) {
    EXPECT_GT(dialects[outcome], 20) << outcome;
  }
}

}  // namespace
}  // namespace heddle::test
