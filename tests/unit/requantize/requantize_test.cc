// Requantisation: what a network means in real numbers, and that the integers chosen keep it.
#include "requantize/requantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "requantize/equalise.h"
#include "requantize/fit.h"
#include "requantize/judge.h"
#include "requantize/scales.h"
#include "support/network_builder.h"
#include "support/random.h"

namespace heddle {
namespace {

using requantizing::affine_of;
using testing::DoubleEq;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pointwise;

Tensor random_tensor(Random& random, DType type, Shape shape, int64_t lo, int64_t hi) {
  Tensor tensor(type, std::move(shape));
  for (int64_t i = 0; i < tensor.elements(); ++i) tensor.set(i, random.between(lo, hi));
  return tensor;
}

std::vector<Sample> random_samples(const Graph& graph, int64_t count, uint64_t seed) {
  Random random(seed);
  std::vector<Sample> samples(static_cast<size_t>(count));
  for (Sample& sample : samples) {
    for (ValueId id : graph.inputs) {
      const TensorType& type = graph.value(id).type;
      sample.push_back(random_tensor(random, type.dtype, type.shape, type.range.lo, type.range.hi));
    }
  }
  return samples;
}

// ---- meaning

struct RequantCase {
  const char* rounding;
  std::vector<int64_t> mul, add, shifts;  // empty: absent
  int64_t shift, zero_point;
  std::vector<double> gain, offset;
};

TEST(Meaning, OfARequantisationIsItsFactorsAndHowItRounds) {
  const std::vector<RequantCase> cases = {
      {"shift", {}, {}, {}, 3, 0, {1.0 / 8}, {-7.0 / 16}},
      {"floor",
       {3, 5},
       {8, -16},
       {},
       4,
       0,
       {3.0 / 16, 5.0 / 16},
       {0.5 - 15.0 / 32, -1 - 15.0 / 32}},
      {"half_up", {1 << 30}, {}, {}, 36, -128, {1.0 / 64}, {0}},
      {"half_up", {3, 3}, {}, {0, 2}, 1, 7, {1.5, 0.375}, {0, 0}},
      {"tflite_double", {1 << 30, 3 << 29}, {}, {}, 35, 4, {1.0 / 32, 3.0 / 64}, {0, 0}},
  };
  for (const RequantCase& c : cases) {
    NetworkBuilder net;
    const int64_t channels = static_cast<int64_t>(c.gain.size());
    const ValueId x = net.input({1, channels, 2, 2});
    const auto operand = [&](const std::vector<int64_t>& values) {
      if (values.empty()) return ValueId{};
      return net.constant(Tensor::of(DType::int32, {static_cast<int64_t>(values.size())}, values));
    };
    const ValueId mul = operand(c.mul), add = operand(c.add), shifts = operand(c.shifts);
    Node node{"r",
              "requant",
              {{"rounding", std::string(c.rounding)},
               {"shift", c.shift},
               {"lo", int64_t{-128}},
               {"hi", int64_t{127}},
               {"axis", int64_t{1}},
               {"zero_point", c.zero_point}},
              {x, mul, add, shifts},
              {}};
    const requantizing::Affine affine = affine_of(net.graph, node);
    EXPECT_THAT(affine.gain, Pointwise(DoubleEq(), c.gain)) << c.rounding;
    EXPECT_THAT(affine.offset, Pointwise(DoubleNear(1e-12), c.offset)) << c.rounding;
    EXPECT_EQ(affine.zero, static_cast<double>(c.zero_point));
    EXPECT_EQ(affine.lo, static_cast<double>(-128 - c.zero_point));
  }
}

// As means of quantised tensors are imported: sums of parts, then a factor.
TEST(Meaning, OfAMeanInStepsIsOneLayer) {
  NetworkBuilder net;
  const ValueId x = net.input({1, 2, 4, 4});
  const auto sum = [&](ValueId of, int64_t height, int64_t width, double scale) {
    Attributes window = window_attributes(1, 0, 0);
    window.erase("dilation_h");
    window.erase("dilation_w");
    window["kernel_h"] = window["stride_h"] = height;
    window["kernel_w"] = window["stride_w"] = width;
    window["scale"] = scale;
    window["x_zero_point"] = int64_t{scale == 0 ? 0 : -3};
    return net.node("sum_pool", {of}, window);
  };
  const ValueId lanes = sum(net.node("reshape", {x}, {{"shape", Shape{1, 2, 8, 2}}}), 8, 1, 0.5);
  net.graph.outputs = {sum(lanes, 1, 2, 0)};
  const auto mean = requantizing::plane_mean_from(net.graph, net.graph.nodes[0]);
  ASSERT_TRUE(mean.has_value());
  EXPECT_EQ(mean->nodes.size(), 3u);
  EXPECT_EQ(mean->weight, 0.5);
  EXPECT_EQ(mean->zero_point, -3);
  EXPECT_FALSE(requantizing::plane_mean_from(net.graph, net.graph.nodes[2]).has_value());

  const std::vector<Sample> samples = random_samples(net.graph, 6, 1);
  const Result<Requantized> made = requantize(net.graph, samples, {.file = "test"});
  ASSERT_TRUE(made.ok()) << format_diagnostics(made.errors());
  const Result<Agreement> agreement = agreement_of(net.graph, *made, samples, {});
  EXPECT_GT(agreement->cosine, 0.998);
}

// ---- networks in the dialect already

struct Layers {
  NetworkBuilder net;
  Random random;
  explicit Layers(uint64_t seed) : random(seed) {}

  ValueId conv(ValueId x, int64_t channels, int64_t kernel, int64_t stride, int64_t shift,
               int64_t lo) {
    const int64_t in = net.shape(x)[1];
    Attributes window = window_attributes(stride, kernel / 2, kernel / 2);
    window["group"] = int64_t{1};
    ValueId y = net.node("conv2d",
                         {x, net.constant(random_tensor(random, DType::int8,
                                                        {channels, in, kernel, kernel}, -90, 90))},
                         window);
    return biased(y, channels, shift, lo);
  }
  ValueId dense(ValueId x, int64_t channels, int64_t shift) {
    ValueId y =
        net.node("dense", {x, net.constant(random_tensor(random, DType::int8,
                                                         {channels, net.shape(x)[1]}, -90, 90))});
    return biased(y, channels, shift, -128);
  }
  ValueId biased(ValueId x, int64_t channels, int64_t shift, int64_t lo) {
    x = net.node("bias_add",
                 {x, net.constant(random_tensor(random, DType::int32, {channels}, -3000, 3000))},
                 {{"axis", int64_t{1}}});
    return net.requant(x, shift, lo);
  }
};

// Convolutions, a residual sum, a pool and a dense layer.
Graph shift_network(uint64_t seed) {
  Layers l(seed);
  ValueId x = l.net.input({1, 2, 8, 8});
  x = l.conv(x, 4, 3, 1, 8, 0);
  const ValueId y = l.conv(l.conv(x, 3, 3, 1, 8, 0), 4, 1, 1, 7, -128);
  x = l.net.requant(l.net.node("add", {y, x}), 1, 0);
  Attributes pool = window_attributes(2, 0, 0);
  pool.erase("dilation_h");
  pool.erase("dilation_w");
  pool["kernel_h"] = pool["kernel_w"] = int64_t{2};
  x = l.net.node("flatten", {l.net.node("max_pool", {x}, pool)}, {{"axis", int64_t{1}}});
  l.net.graph.outputs = {l.dense(x, 5, 9)};
  return l.net.graph;
}

TEST(Requantize, KeepsANetworkThatIsInTheDialectExactly) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    const Graph graph = shift_network(seed);
    const Result<Requantized> made =
        requantize(graph, random_samples(graph, 6, seed), {.file = "test"});
    ASSERT_TRUE(made.ok()) << format_diagnostics(made.errors());
    const Result<Agreement> agreement =
        agreement_of(graph, *made, random_samples(graph, 20, seed + 100), {});
    ASSERT_TRUE(agreement.ok());
    EXPECT_EQ(agreement->rmse, 0) << "seed " << seed;
    for (const RequantizedLayer& layer : made->layers) EXPECT_EQ(layer.scale, 1) << layer.name;
  }
}

// ---- networks with zero points and multipliers

ValueId requant_float(NetworkBuilder& net, ValueId x, std::vector<float> mul, int64_t zero_point,
                      int64_t lo) {
  const Shape shape{static_cast<int64_t>(mul.size())};
  Value factors;
  factors.type = {DType::float32, shape, {}};
  factors.constant = Tensor::of_floats(shape, mul);
  return net.node("requant", {x, net.graph.add_value(factors)},
                  {{"shift", int64_t{0}},
                   {"lo", lo},
                   {"hi", int64_t{127}},
                   {"axis", int64_t{1}},
                   {"rounding", std::string("float")},
                   {"zero_point", zero_point}});
}

// As TFLite makes them: an asymmetric input with padding, channels of their own scales, a sum.
Graph quantised_network(uint64_t seed) {
  Layers l(seed);
  NetworkBuilder& net = l.net;
  const auto layer = [&](ValueId x, int64_t channels, int64_t x_zero_point, int64_t zero_point,
                         float scale) {
    Attributes window = window_attributes(1, 1, 1);
    window["group"] = int64_t{1};
    window["x_zero_point"] = x_zero_point;
    ValueId y =
        net.node("conv2d",
                 {x, net.constant(random_tensor(l.random, DType::int8,
                                                {channels, net.shape(x)[1], 3, 3}, -127, 127))},
                 window);
    std::vector<float> mul;
    for (int64_t k = 0; k < channels; ++k)
      mul.push_back(scale / static_cast<float>(l.random.between(2, 8)));
    return requant_float(net, y, mul, zero_point, -128);
  };
  const ValueId x = net.input({1, 2, 6, 6});
  const ValueId a = layer(x, 4, -20, -128, 0.01f);
  const ValueId b = layer(layer(a, 4, -128, -128, 0.01f), 4, -128, 5, 0.01f);
  const ValueId sum = net.node("qadd", {b, a},
                               {{"x_scale", 0.5},
                                {"residual_scale", 0.75},
                                {"scale", 1.0},
                                {"x_zero_point", int64_t{5}},
                                {"residual_zero_point", int64_t{-128}},
                                {"zero_point", int64_t{-128}},
                                {"lo", int64_t{-128}},
                                {"hi", int64_t{127}}});
  net.graph.outputs = {layer(sum, 3, -128, 0, 0.01f)};
  return net.graph;
}

TEST(Requantize, KeepsScoresOfQuantisedNetworks) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    const Graph graph = quantised_network(seed);
    const Result<Requantized> made =
        requantize(graph, random_samples(graph, 8, seed), {.file = "test"});
    ASSERT_TRUE(made.ok()) << format_diagnostics(made.errors());
    const Result<Agreement> agreement =
        agreement_of(graph, *made, random_samples(graph, 20, seed + 100), {});
    ASSERT_TRUE(agreement.ok());
    EXPECT_GT(agreement->cosine, 0.998) << "seed " << seed;
    EXPECT_THAT(dump(made->graph), HasSubstr("pad "));  // what pads is the zero point
    for (const Node& node : made->graph.nodes) {
      if (node.op != "requant") continue;
      EXPECT_EQ(string_attribute(node, "rounding"), "shift") << node.name;
      EXPECT_EQ((OpView{made->graph, node}.attribute("zero_point")), 0);
    }
  }
}

TEST(Requantize, WritesTheSameBytesAgain) {
  const Graph graph = quantised_network(3);
  const std::vector<Sample> samples = random_samples(graph, 4, 3);
  EXPECT_EQ(requantize(graph, samples, {.file = "test"})->onnx,
            requantize(graph, samples, {.file = "test"})->onnx);
}

// ---- analog arrays

TEST(Requantize, TernaryLayersAreAConvertersChain) {
  const Graph graph = quantised_network(2);
  const std::vector<Sample> samples = random_samples(graph, 8, 2);
  std::set<std::string> names;
  for (const Node& node : graph.nodes) {
    if (node.op == "conv2d" && node.name != "conv2d_0") names.insert(node.name);
  }
  const Result<Requantized> made = requantize(graph, samples, {.file = "test", .ternary = names});
  ASSERT_TRUE(made.ok()) << format_diagnostics(made.errors());
  int64_t chains = 0;
  for (const Node& node : made->graph.nodes) {
    if (node.op != "conv2d") continue;
    const Tensor& weights = *made->graph.value(node.inputs[1]).constant;
    const Range range = made->graph.value(node.inputs[0]).type.range;
    if (!Range{-1, 1}.contains(weights.min_max())) continue;
    ++chains;
    EXPECT_TRUE((Range{-64, 63}).contains(range)) << node.name;  // proven, as the arrays ask
    const Node& converter = made->graph.node(made->graph.value(node.output).consumers.at(0));
    const Node& scaling = made->graph.node(made->graph.value(converter.output).consumers.at(0));
    EXPECT_EQ(int_attribute(converter, "lo"), -32);
    EXPECT_EQ(int_attribute(converter, "hi"), 31);
    EXPECT_EQ(string_attribute(scaling, "rounding"), "floor");
    EXPECT_TRUE(
        (Range{-128, 127}).contains(made->graph.value(scaling.inputs[1]).constant->min_max()));
    EXPECT_TRUE(
        (Range{-32768, 32767}).contains(made->graph.value(scaling.inputs[2]).constant->min_max()));
  }
  EXPECT_EQ(chains, 3);
  const Result<Agreement> agreement = agreement_of(graph, *made, samples, {});
  ASSERT_TRUE(agreement.ok());
  EXPECT_GT(agreement->cosine, 0.5);  // two of five weights are lost, and nothing was trained
}

TEST(Requantize, TernaryLayersDoNotReadEightBits) {
  const Graph graph = quantised_network(2);
  const Result<Requantized> made =
      requantize(graph, random_samples(graph, 2, 2), {.file = "test", .ternary = {"conv2d_0"}});
  ASSERT_FALSE(made.ok());
  EXPECT_THAT(format_diagnostics(made.errors()),
              HasSubstr("conv2d_0 (conv2d): error: an analog array reads 7 bits around 0, its "
                        "input holds -128 to "
                        "127 around -20"));
}

// ---- ranges of channels

// Between two layers one channel's weights are small before and large behind.
Graph uneven_network() {
  Layers l(5);
  ValueId x = l.net.input({1, 2, 6, 6});
  const auto conv = [&](ValueId of, int64_t outputs,
                        const std::function<int64_t(int64_t k, int64_t c)>& scale) {
    const int64_t inputs = l.net.shape(of)[1];
    Tensor weights(DType::int8, {outputs, inputs, 1, 1});
    for (int64_t i = 0; i < weights.elements(); ++i)
      weights.set(i, l.random.between(-9, 9) * scale(i / inputs, i % inputs));
    Attributes window = window_attributes(1, 0, 0);
    window["group"] = int64_t{1};
    return l.net.node("conv2d", {of, l.net.constant(weights)}, window);
  };
  x = conv(x, 4, [](int64_t k, int64_t) { return k == 0 ? 1 : 14; });
  x = requant_float(l.net, x, {0.003f, 0.003f, 0.003f, 0.003f}, 0, 0);
  x = conv(x, 3, [](int64_t, int64_t c) { return c == 0 ? 14 : 1; });
  l.net.graph.outputs = {requant_float(l.net, x, {0.0051f, 0.0051f, 0.0051f}, 0, -128)};
  return l.net.graph;
}

TEST(Equalise, EvensOutWeightsAndKeepsWhatIsComputed) {
  using namespace requantizing;
  const Graph graph = uneven_network();
  const std::vector<Sample> samples = random_samples(graph, 8, 3);
  const std::vector<std::vector<Tensor>> reference = *interpret_all(graph, samples);
  const RealNetwork before = *real_meaning(graph, "test");
  RealNetwork after = before;
  EXPECT_EQ(equalise(after, graph, reference, {"conv2d_0"}), 0);  // fixed
  ASSERT_EQ(equalise(after, graph, reference, {}), 1);
  const std::vector<double>& factors = after.factors.at(after.layers[0].output);
  ASSERT_EQ(factors.size(), 4u);
  std::vector<double> ratios;
  for (size_t k = 0; k < 4; ++k) {
    double row = 0, column = 0;
    for (size_t c = 0; c < 2; ++c) {
      const size_t i = k * 2 + c;
      EXPECT_DOUBLE_EQ(after.layers[0].weights[i] * factors[k], before.layers[0].weights[i]);
      row = std::max(row, std::abs(after.layers[0].weights[i]));
    }
    for (size_t o = 0; o < 3; ++o) {
      const size_t i = o * 4 + k;
      EXPECT_DOUBLE_EQ(after.layers[1].weights[i] / factors[k], before.layers[1].weights[i]);
      column = std::max(column, std::abs(after.layers[1].weights[i]));
    }
    ratios.push_back(row / column);
  }
  // Equal but for one factor of all channels.
  EXPECT_THAT(ratios, testing::Each(DoubleNear(ratios[0], 1e-9)));
}

TEST(Equalise, IsKeptWhereItHelps) {
  const Graph graph = uneven_network();
  const std::vector<Sample> samples = random_samples(graph, 24, 3);
  const Result<Requantized> made = requantize(graph, samples, {.file = "test"});
  ASSERT_TRUE(made.ok()) << format_diagnostics(made.errors());
  EXPECT_EQ(made->equalised, 1);
  const Result<Agreement> agreement = agreement_of(graph, *made, samples, {});
  // The source itself rounds the uneven channel to a few steps: it is what is far from real numbers.
  EXPECT_GT(agreement->cosine, 0.9);
}

// ---- what has no such form

struct Refused {
  const char* what;
  std::function<void(Layers&)> build;
  const char* message;
};

TEST(Requantize, NamesWhatHasNoForm) {
  const auto add = [](Layers& l, ValueId a, ValueId b, double scale) {
    return l.net.node("qadd", {a, b},
                      {{"x_scale", 1.0},
                       {"residual_scale", scale},
                       {"scale", 1.0},
                       {"x_zero_point", int64_t{0}},
                       {"residual_zero_point", int64_t{0}},
                       {"zero_point", int64_t{0}},
                       {"lo", int64_t{-128}},
                       {"hi", int64_t{127}}});
  };
  const std::vector<Refused> cases = {
      {"a product of activations",
       [](Layers& l) {
         const ValueId x = l.net.input({1, 2, 4, 4});
         l.net.graph.outputs = {l.net.node("mul", {x, l.net.requant(x, 1)})};
       },
       "mul_1 (mul): error: `mul of two activations` has no form of integers and shifts"},
      {"a difference",
       [&](Layers& l) {
         const ValueId x = l.net.input({1, 2, 4, 4});
         l.net.graph.outputs = {add(l, l.conv(x, 2, 1, 1, 7, 0), l.conv(x, 2, 1, 1, 7, 0), -1.0)};
       },
       "it subtracts, and sums of integers with one scale only add"},
      {"one operand twice, with two scales",
       [&](Layers& l) {
         const ValueId x = l.conv(l.net.input({1, 2, 4, 4}), 2, 1, 1, 7, 0);
         l.net.graph.outputs = {add(l, x, x, 0.5)};
       },
       "its operands need scales of ratio 2"},
      {"a table in the middle",
       [](Layers& l) {
         const ValueId x = l.net.input({1, 2, 4, 4});
         std::vector<int64_t> table;
         for (int64_t i = -128; i < 128; ++i) table.push_back(i / 2);
         const ValueId y =
             l.net.node("lookup", {x, l.net.constant(Tensor::of(DType::int8, {256}, table))},
                        {{"first", int64_t{-128}}});
         l.net.graph.outputs = {l.conv(y, 2, 1, 1, 7, 0)};
       },
       "lookup_0 (lookup): error: `lookup, a table of 8-bit values` has no form of integers and "
       "shifts, and is left "
       "out at the end of a network only"},
  };
  for (const Refused& c : cases) {
    Layers l(1);
    c.build(l);
    const Result<Requantized> made =
        requantize(l.net.graph, random_samples(l.net.graph, 2, 1), {.file = "test"});
    ASSERT_FALSE(made.ok()) << c.what;
    EXPECT_EQ(made.errors().size(), 1u) << c.what;
    EXPECT_THAT(format_diagnostics(made.errors()), HasSubstr(c.message)) << c.what;
  }
}

// ---- parts

TEST(Fit, BoundsAreTheNearestIntegersInRange) {
  using requantizing::integer_bounds;
  using requantizing::kInfinity;
  EXPECT_EQ(integer_bounds(0, kInfinity, 0.5, {-128, 127}), (Range{0, 127}));
  EXPECT_EQ(integer_bounds(-kInfinity, 6, 0.1, {-64, 63}), (Range{-64, 60}));
  EXPECT_EQ(integer_bounds(-1.3, 1.3, 1, {-128, 127}), (Range{-1, 1}));
}

TEST(Fit, ScalesRunDownThreeOctavesAndHoldTheSourcesOwn) {
  const std::vector<double> scales = requantizing::scale_candidates(4);
  EXPECT_EQ(scales.size(), 30u);
  EXPECT_DOUBLE_EQ(scales.front(), 4 * std::sqrt(2.0));
  EXPECT_DOUBLE_EQ(scales[4], 4);
  EXPECT_DOUBLE_EQ(scales[28], 0.5);
  EXPECT_EQ(scales.back(), 1);
  for (size_t i = 1; i < 29; ++i)
    EXPECT_NEAR(scales[i] / scales[i - 1], std::pow(2.0, -1.0 / 8), 1e-12);
}

TEST(Fit, SearchesSpreadSamples) {
  EXPECT_THAT(requantizing::search_samples(3), ElementsAre(0, 1, 2));
  const std::vector<size_t> some = requantizing::search_samples(1000);
  EXPECT_EQ(some.size(), requantizing::kSearchSamples);
  EXPECT_EQ(some.back(), 968u);
}

}  // namespace
}  // namespace heddle
