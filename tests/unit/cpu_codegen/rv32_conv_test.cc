// conv2d of the flavour rv32 against the reference interpreter, and the proofs that they rest
// on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cpu_codegen/generators.h"
#include "cpu_codegen/rv32/dot_program.h"
#include "unit/cpu_codegen/program.h"

namespace heddle {
namespace {

using rv32::make_dot_program;
using test::add_kernel;
using test::append;
using test::append_random_maps;
using test::extreme_inputs;
using test::Random;
using test::random_conv;
using testing::HasSubstr;

using Weights = std::vector<std::vector<int64_t>>;

// Reads a program back: the lengths of its runs, pair after pair, each pair ended by a 0.
struct Runs {
  std::vector<int64_t> lengths;
  Weights weights;
};
Runs runs_of(const rv32::DotProgram& program) {
  Runs result;
  for (size_t at = 0; at < program.program.size();) {
    result.weights.resize(result.weights.size() + 2);
    for (;;) {
      const int64_t length = program.program[at++];
      result.lengths.push_back(length);
      if (length == 0) break;
      for (int64_t i = 0; i < length; ++i) {
        (result.weights.end() - 2)->push_back(program.program[at++]);
        (result.weights.end() - 1)->push_back(program.program[at++]);
      }
    }
  }
  return result;
}

// The largest magnitude that a sum of these products can reach, by trying both ends of each.
Range reach(const std::vector<int64_t>& weights, size_t begin, size_t end, const Range& x) {
  Range range;
  for (size_t i = begin; i < end; ++i) {
    range.lo += std::min(weights[i] * x.lo, weights[i] * x.hi);
    range.hi += std::max(weights[i] * x.lo, weights[i] * x.hi);
  }
  return range;
}

TEST(DotProgram, RunsFitAndAreTheLongestThatDo) {
  Random random(1);
  const Range half{-32768, 32767};
  for (int round = 0; round < 200; ++round) {
    const Range ranges[] = {{-128, 127}, {0, 127}, {-128, 0}, {-5, 5}, {-100, 255}, {127, 127}};
    const Range x = ranges[random.between(0, 5)];
    const int64_t channels = random.between(1, 5), taps = random.between(1, 60);
    Weights weights;
    for (int64_t k = 0; k < channels; ++k)
      weights.push_back(random.values(taps, {-random.between(0, 128), random.between(0, 127)}));
    const rv32::DotProgram program =
        make_dot_program(weights, std::vector<int64_t>(weights.size(), 7), x);
    const Runs runs = runs_of(program);
    if (channels % 2 == 1) weights.emplace_back(static_cast<size_t>(taps), 0);
    ASSERT_EQ(runs.weights, weights);
    size_t pair = 0, tap = 0;
    int64_t count = 0;
    for (const int64_t length : runs.lengths) {
      if (length == 0) {
        EXPECT_EQ(tap, static_cast<size_t>(taps));
        pair += 2;
        tap = 0;
        continue;
      }
      ++count;
      const size_t end = tap + static_cast<size_t>(length);
      bool next_fits = length < rv32::kLongestRun && end < static_cast<size_t>(taps);
      for (size_t k = pair; k < pair + 2; ++k) {
        EXPECT_TRUE(half.contains(reach(weights[k], tap, end, x)));
        if (next_fits) next_fits = half.contains(reach(weights[k], tap, end + 1, x));
      }
      EXPECT_FALSE(next_fits) << "a run ends early";
      tap = end;
    }
    EXPECT_EQ(program.runs, count);
  }
}

TEST(DotProgram, ExtremesFitJustSo) {
  // 255 * -128 = -32640 fits, 256 * -128 = -32768 too, 256 * 128 does not.
  EXPECT_EQ(make_dot_program({{127, 127, 2}}, {0}, {-128, 127}).program,
            (std::vector<int64_t>{3, 127, 0, 127, 0, 2, 0, 0}));
  EXPECT_EQ(make_dot_program({{127, 127, 3}}, {0}, {-128, 127}).program,
            (std::vector<int64_t>{2, 127, 0, 127, 0, 1, 3, 0, 0}));
  EXPECT_EQ(make_dot_program({{-128, -127, -1}}, {0}, {-128, 127}).program,
            (std::vector<int64_t>{2, -128, 0, -127, 0, 1, -1, 0, 0}));
  EXPECT_EQ(make_dot_program({{-128, -128}}, {0}, {-128, 127}).runs, 2);
  EXPECT_TRUE(rv32::fits_half(-128, {-255, 255}));
  EXPECT_FALSE(rv32::fits_half(-128, {-256, 255}));
  EXPECT_FALSE(rv32::fits_half(128, {0, 1}));
}

TEST(Rv32, Conv2dEqualsTheReference) {
  Random random(2);
  for (int part = 0; part < 3; ++part) {  // of a size that a compiler likes
    test::Program program;
    for (int i = 0; i < 40; ++i) {
      Graph graph = random_conv(random);
      if (random.coin())
        append(graph, "bias_add", {{"axis", int64_t{1}}},
               {random.constant_of({graph.value(graph.outputs[0]).type.shape[1]}, {-9999, 9999})});
      if (random.coin()) append_random_maps(random, graph);
      const int64_t kind = random.between(0, 3);
      const std::vector<Tensor> inputs =
          kind < 2 ? extreme_inputs(graph, kind == 0) : test::random_inputs(random, graph);
      EXPECT_EQ(add_kernel(program, random, "rv32_conv2d", graph, inputs), "");
    }
    EXPECT_EQ(program.run(), "");
  }
}

TEST(Rv32, DenseEqualsTheReference) {
  Random random(5);
  test::Program program;
  for (int i = 0; i < 80; ++i) {
    const Range ranges[] = {{-128, 127}, {0, 255}, {-128, 0}, {-3, 4}, {300, 400}, {17, 90}};
    const Range x = ranges[random.between(0, 5)];
    const int64_t rows = random.between(1, 3), taps = random.between(1, 40);
    const int64_t outputs = random.between(1, 40);
    Graph graph = test::inferred(test::graph_of(
        "dense", {{"x_zero_point", random.between(x.lo, x.hi)}},
        {test::activation({rows, taps}, x),
         test::constant({outputs, taps}, random.values(outputs * taps, {-128, 127}))}));
    if (random.coin())
      append(graph, "bias_add", {{"axis", int64_t{1}}},
             {random.constant_of({outputs}, {-9999, 9999})});
    if (random.coin()) append_random_maps(random, graph);
    const std::vector<Tensor> inputs =
        random.coin() ? extreme_inputs(graph, random.coin()) : test::random_inputs(random, graph);
    EXPECT_EQ(add_kernel(program, random, "rv32_dense", graph, inputs), "");
  }
  EXPECT_EQ(program.run(), "");
}

// All weights and activations at their ends, so that every run is as full as it may be.
TEST(Rv32, FullRunsDoNotOverflow) {
  Random random(3);
  test::Program program;
  for (const int64_t first : {-128, 127}) {
    for (const int64_t second : {-128, 127, 1}) {
      for (const bool highest : {false, true}) {
        std::vector<int64_t> weights;
        for (int64_t i = 0; i < 2 * 5 * 9; ++i) weights.push_back(i % 3 == 0 ? first : second);
        const Graph graph = test::inferred(test::graph_of(
            "conv2d", test::with(test::conv(1, 1), {{"group", int64_t{1}}}),
            {test::activation({1, 5, 6, 9}, {-128, 127}), test::constant({2, 5, 3, 3}, weights)}));
        EXPECT_EQ(add_kernel(program, random, "rv32_conv2d", graph, extreme_inputs(graph, highest)),
                  "");
      }
    }
  }
  EXPECT_EQ(program.run(), "");
}

TEST(Rv32, RefusalsSayWhy) {
  Random random(4);
  test::Program program;
  const auto reasons = [&](const Graph& graph) {
    return add_kernel(program, random, "rv32_conv2d", graph, {});
  };
  const Value weights = random.constant_of({4, 2, 3, 3}, {-128, 127});
  EXPECT_THAT(
      reasons(test::inferred(test::graph_of(
          "conv2d", test::conv_group(2), {test::activation({1, 4, 5, 5}, {-128, 127}), weights}))),
      HasSubstr("conv2d.group is 2"));
  EXPECT_THAT(
      reasons(test::inferred(test::graph_of(
          "conv2d", test::conv_group(), {test::activation({1, 2, 3, 3}, {-128, 127}), weights}))),
      HasSubstr("the output has one"));
  EXPECT_THAT(
      reasons(test::inferred(test::graph_of(
          "conv2d", test::conv_group(), {test::activation({1, 2, 5, 5}, {-600, 600}), weights}))),
      HasSubstr("x in [-600, 600]"));
  EXPECT_THAT(
      reasons(test::inferred(test::graph_of("conv2d", test::conv_group(),
                                            {test::activation({1, 2, 5, 5}, {0, 1}),
                                             random.constant_of({4, 2, 3, 3}, {-300, 300})}))),
      HasSubstr("weights in"));
  EXPECT_THAT(
      reasons(test::inferred(test::graph_of(
          "conv2d", test::conv_group(),
          {test::real_activation({1, 1, 5, 5}), test::real_constant({1, 1, 2, 2}, {1, 2, 3, 4})}))),
      HasSubstr("x is float32"));
  EXPECT_THAT(reasons(test::inferred(
                  test::graph_of("relu", {}, {test::activation({1, 1, 5, 5}, {-9, 9})}))),
              HasSubstr("the anchor is relu"));
}

TEST(Rv32, DenseRefusesWideElements) {
  Random random(6);
  test::Program program;
  EXPECT_THAT(add_kernel(program, random, "rv32_dense",
                         test::inferred(test::graph_of("dense", {},
                                                       {test::activation({1, 4}, {-128, 128}),
                                                        random.constant_of({2, 4}, {-90, 90})})),
                         {}),
              HasSubstr("x in [-128, 128]"));
}

TEST(Generators, AreSortedAndKnown) {
  const std::span<const KernelGenerator> all = kernel_generators();
  ASSERT_FALSE(all.empty());
  for (size_t i = 0; i + 1 < all.size(); ++i) EXPECT_LT(all[i].name, all[i + 1].name);
  for (const KernelGenerator& generator : all)
    EXPECT_EQ(find_generator(generator.name), &generator);
  EXPECT_EQ(find_generator("rv32"), nullptr);
}

// Whatever a rule's pattern says, nothing is fused that no kernel can compute.
TEST(Generators, RefuseWhatCannotBeFused) {
  Soc soc;
  soc.cpu.rules.resize(1);
  const auto reasons = [&](const Graph& graph) {
    Matches matches;
    matches.accepted = {test::whole_match(graph)};
    const Matches after = refuse_kernels(graph, soc, matches);
    EXPECT_EQ(after.accepted.size() + after.refused.size(), 1u);
    return after.refused.empty() ? "" : after.refused[0].failed[0].values;
  };
  Graph rows = test::inferred(test::graph_of("transpose", {{"perm", std::vector<int64_t>{1, 0}}},
                                             {test::activation({2, 3}, {-9, 9})}));
  EXPECT_EQ(reasons(rows), "");
  append(rows, "relu", {}, {});
  EXPECT_EQ(reasons(rows), "");  // element after element
  append(rows, "transpose", {{"perm", std::vector<int64_t>{1, 0}}}, {});
  EXPECT_EQ(reasons(rows), "transpose is none");
  Graph view = test::inferred(
      test::graph_of("flatten", {{"axis", int64_t{1}}}, {test::activation({2, 3}, {-9, 9})}));
  append(view, "relu", {}, {});
  EXPECT_EQ(reasons(view), "the anchor is flatten");
  Graph wider = test::inferred(test::graph_of("relu", {}, {test::activation({1, 3}, {-9, 9})}));
  append(wider, "add", {}, {test::activation({2, 3}, {-9, 9})});
  EXPECT_EQ(reasons(wider), "add makes [2, 3] of [1, 3]");
}

TEST(Generators, RulesThatNameOthersAreRefused) {
  Target cpu;
  Rule rule;
  rule.name = "conv";
  rule.kernel = "rv32_conv2";
  rule.place = in_file("cpu.toml");
  Rule any;
  any.name = "any";
  cpu.rules = {rule, any};
  const Status unknown = check_generators(cpu);
  ASSERT_FALSE(unknown.ok());
  EXPECT_THAT(format_diagnostics(unknown.errors()),
              HasSubstr("cpu.toml: error: rule `conv` names the kernel generator `rv32_conv2`, "
                        "which this tool does not have; did you mean `rv32_conv2d`?"));
  cpu.rules[0].kernel = "rv32_conv2d";
  EXPECT_TRUE(check_generators(cpu).ok());
  std::swap(cpu.rules[0], cpu.rules[1]);
  const Status last = check_generators(cpu);
  ASSERT_FALSE(last.ok());
  EXPECT_THAT(format_diagnostics(last.errors()), HasSubstr("must accept every operator"));
}

}  // namespace
}  // namespace heddle
