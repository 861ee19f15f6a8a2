// Every form of a layer computes what the layer computes: random layers, in every rounding.
#include "legalise/legalise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "match/match.h"
#include "support/network_builder.h"
#include "support/random.h"

namespace heddle {
namespace {

constexpr Legalise kAll{true, true, 16, 16};

Tensor random_tensor(Random& random, Shape shape, int64_t lo, int64_t hi, DType dtype = DType::int8) {
  std::vector<int64_t> values(static_cast<size_t>(elements_of(shape)));
  for (int64_t& value : values) value = random.between(lo, hi);
  return Tensor::of(dtype, std::move(shape), values);
}

struct Layer : NetworkBuilder {
  // A constant of one element, or one for each channel.
  ValueId factor(Random& random, int64_t k, int64_t lo, int64_t hi) {
    const int64_t count = random.between(0, 1) == 0 ? 1 : k;
    return constant(random_tensor(random, {count}, lo, hi, DType::int32));
  }
  ValueId real_factor(Random& random, int64_t k, float scale) {
    std::vector<float> values(static_cast<size_t>(random.between(0, 1) == 0 ? 1 : k));
    for (float& value : values) value = static_cast<float>(random.between(-40, 100)) * scale;
    Value value;
    value.name = "real";
    value.constant = Tensor::of_floats({static_cast<int64_t>(values.size())}, values);
    value.type = {DType::float32, value.constant->shape(), {}};
    return graph.add_value(std::move(value));
  }

  ValueId requantised(Random& random, ValueId x, int64_t k) {
    static const std::vector<std::string> roundings = {"shift", "floor", "half_up", "tflite_double",
                                                       "float"};
    const std::string& rounding =
        roundings[static_cast<size_t>(random.between(0, static_cast<int64_t>(roundings.size()) - 1))];
    Attributes attributes = {{"shift", random.between(4, 9)}, {"lo", random.between(-128, 0)},
                             {"hi", int64_t{127}},            {"axis", int64_t{1}},
                             {"rounding", rounding},          {"zero_point", random.between(-5, 5)}};
    std::vector<ValueId> inputs = {x};
    if (rounding == "floor" || rounding == "half_up") {
      inputs.push_back(factor(random, k, 1, 60));
      inputs.push_back(factor(random, k, -3000, 3000));
      inputs.push_back(factor(random, k, 0, 3));
    } else if (rounding == "tflite_double") {
      attributes["shift"] = int64_t{38};
      inputs.push_back(factor(random, k, 1 << 29, INT32_MAX));
      inputs.push_back({});
      inputs.push_back(factor(random, k, 0, 3));
    } else if (rounding == "float") {
      attributes["shift"] = int64_t{0};
      inputs.push_back(real_factor(random, k, 0.0007f));
      inputs.push_back(real_factor(random, k, 0.3f));
    }
    return node("requant", inputs, attributes);
  }

  Layer(Random& random) {
    const int64_t kind = random.between(0, 3);  // conv2d, in groups, depthwise, dense
    const int64_t group = kind == 1 || kind == 2 ? random.between(2, 18) : 1;
    const int64_t c = kind == 2 ? 1 : random.between(1, kind == 1 ? 3 : 20);
    const int64_t k = group * (kind == 2 ? 1 : random.between(1, kind == 1 ? 3 : 18));
    const int64_t zero_point = random.between(0, 1) * random.between(-128, 127);
    ValueId x;
    if (kind == 3) {
      x = input({1, c});
      x = node("dense", {x, constant(random_tensor(random, {k, c}, -128, 127))},
               {{"x_zero_point", zero_point}});
    } else {
      const int64_t fy = random.between(1, 3), fx = random.between(1, 3);
      x = input({1, group * c, random.between(3, 6), random.between(3, 6)});
      Attributes attributes = {{"stride_h", random.between(1, 2)},   {"stride_w", random.between(1, 2)},
                               {"dilation_h", int64_t{1}},           {"dilation_w", int64_t{1}},
                               {"pad_top", random.between(0, 2)},    {"pad_left", random.between(0, 2)},
                               {"pad_bottom", random.between(0, 2)}, {"pad_right", random.between(0, 2)},
                               {"x_zero_point", zero_point}};
      if (kind != 2) attributes["group"] = group;
      x = node(kind == 2 ? "depthwise_conv2d" : "conv2d",
               {x, constant(random_tensor(random, {k, c, fy, fx}, -128, 127))}, attributes);
    }
    if (random.between(0, 2) > 0) {
      x = node("bias_add", {x, constant(random_tensor(random, {k}, -9000, 9000, DType::int32))},
               {{"axis", int64_t{1}}});
    }
    x = requantised(random, x, k);
    if (random.between(0, 1) > 0) x = node("relu", {x});
    if (random.between(0, 1) > 0 && kind != 3) {  // an operand off the spine
      const ValueId other = input(shape(x));
      x = node("add", {x, other});
    }
    graph.outputs = {x};
  }
};

TEST(Legalise, EveryFormComputesWhatTheLayerComputes) {
  std::map<std::string, int> seen;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Layer layer(random);
    ASSERT_TRUE(verify_graph(layer.graph).ok());
    std::vector<Tensor> inputs;
    for (const ValueId id : layer.graph.inputs)
      inputs.push_back(random_tensor(random, layer.graph.value(id).type.shape, -128, 127));
    const Result<std::vector<Tensor>> expected = interpret(layer.graph, inputs);
    ASSERT_TRUE(expected.ok());
    const std::vector<NodeId> spine = spine_of(layer.graph, NodeId{0});
    for (size_t length = 1; length <= spine.size(); ++length) {
      for (const auto& form : legalisations(layer.graph, {spine.data(), length}, kAll)) {
        SCOPED_TRACE(form->kind + ": " + form->what);
        ++seen[form->kind];
        ASSERT_TRUE(verify_graph(form->graph).ok());
        EXPECT_EQ(form->spine.size(), length);
        EXPECT_EQ(form->covers, std::vector<NodeId>(spine.begin(), spine.begin() + static_cast<std::ptrdiff_t>(length)));
        std::vector<Tensor> given;
        for (const ValueId id : form->graph.inputs) {
          for (const auto& [own, imported] : form->inputs) {
            if (own == id) given.push_back((*expected)[static_cast<size_t>(imported.index)]);
          }
        }
        const Result<std::vector<Tensor>> got = interpret(form->graph, given);
        ASSERT_TRUE(got.ok());
        const ValueId out = form->graph.outputs.front();
        EXPECT_EQ((*got)[static_cast<size_t>(out.index)],
                  (*expected)[static_cast<size_t>(form->output.index)]);
        EXPECT_EQ(form->graph.value(out).type, layer.graph.value(form->output).type);
        EXPECT_EQ(form->graph.value(out).name, layer.graph.value(form->output).name);
      }
    }
  }
  for (const char* kind : {"pads", "depthwise", "dense", "channels", "depthwise+pads",
                           "depthwise+channels", "dense+channels", "channels+pads"})
    EXPECT_GT(seen[kind], 10) << kind;
}

struct Described : NetworkBuilder {
  ValueId conv(Shape image, Shape weights, int64_t group, std::vector<int64_t> pads) {
    Attributes attributes = window_attributes(1, 0, 0);
    attributes["group"] = group;
    attributes["pad_top"] = pads[0];
    attributes["pad_left"] = pads[1];
    attributes["pad_bottom"] = pads[2];
    attributes["pad_right"] = pads[3];
    const ValueId x = input(std::move(image));
    const ValueId y = node("conv2d", {x, constant(Tensor(DType::int8, std::move(weights)))}, attributes);
    graph.outputs = {y};
    return y;
  }
  std::vector<std::string> forms(const Legalise& allowed) const {
    std::vector<std::string> texts;
    for (const auto& form : legalisations(graph, spine_of(graph, NodeId{0}), allowed))
      texts.push_back(form->kind + ": " + form->what);
    return texts;
  }
};

TEST(Legalise, SaysWhatItDoes) {
  struct Case {
    Shape image, weights;
    int64_t group;
    std::vector<int64_t> pads;
    Legalise allowed;
    std::vector<std::string> forms;
  };
  const Legalise pads{true, false, 0, 0}, depthwise{false, false, 16, 0}, channels{false, false, 0, 16};
  const std::vector<Case> cases = {
      {{1, 4, 8, 8}, {4, 4, 3, 3}, 1, {0, 0, 0, 0}, kAll, {"channels: channels 4 -> 4 filled up to 16 -> 16"}},
      {{1, 4, 8, 8}, {4, 4, 3, 3}, 1, {1, 1, 1, 1}, pads, {"pads: explicit pad [1, 1, 1, 1]"}},
      {{1, 4, 8, 8}, {4, 4, 3, 3}, 1, {0, 0, 1, 1}, pads, {"pads: explicit pad [0, 0, 1, 1]"}},
      {{1, 4, 8, 8}, {4, 4, 3, 3}, 1, {1, 0, 2, 0}, pads,
       {"pads: explicit pad [0, 0, 1, 0]", "pads: explicit pad [1, 0, 2, 0]"}},
      {{1, 64, 8, 8}, {64, 1, 3, 3}, 64, {1, 1, 1, 1}, depthwise,
       {"depthwise: block-diagonal conv2d, 4 groups of 16 channels"}},
      {{1, 24, 8, 8}, {48, 1, 3, 3}, 24, {1, 1, 1, 1}, depthwise,
       {"depthwise: block-diagonal conv2d, 2 groups of 12 channels"}},
      {{1, 24, 8, 8}, {24, 4, 3, 3}, 6, {1, 1, 1, 1}, depthwise,
       {"depthwise: block-diagonal conv2d, 2 groups of 12 channels"}},
      {{1, 17, 8, 8}, {17, 1, 3, 3}, 17, {1, 1, 1, 1}, depthwise, {}},
      {{1, 16, 8, 8}, {16, 16, 3, 3}, 1, {0, 0, 0, 0}, kAll, {}},
      {{1, 8, 8, 8}, {16, 4, 3, 3}, 2, {0, 0, 0, 0}, channels, {}},  // groups have no channels to add
  };
  for (const Case& c : cases) {
    Described net;
    net.conv(c.image, c.weights, c.group, c.pads);
    EXPECT_EQ(net.forms(c.allowed), c.forms) << to_string(c.weights);
  }
}

TEST(Legalise, ThirtyFourChannelsBecomeThreeGroupsWithFilledUpOnes) {
  NetworkBuilder net;
  const ValueId x = net.input({1, 34, 5, 5});
  const ValueId y = net.node("depthwise_conv2d", {x, net.constant(Tensor(DType::int8, {34, 1, 3, 3}))},
                             window_attributes(1, 1, 1));
  net.graph.outputs = {y};
  const auto forms = legalisations(net.graph, spine_of(net.graph, NodeId{0}), {false, false, 16, 16});
  ASSERT_EQ(forms.size(), 3u);
  EXPECT_EQ(forms[0]->what, "block-diagonal conv2d, 17 groups of 2 channels");
  EXPECT_EQ(forms[1]->what, "channels 34 -> 34 filled up to 48 -> 48");
  EXPECT_EQ(forms[2]->what,
            "block-diagonal conv2d, 3 groups of 16 channels, channels 34 -> 34 filled up to 48 -> 48");
}

TEST(Legalise, FloatsAreLeftAlone) {
  NetworkBuilder net;
  const ValueId x = net.input({1, 4, 5, 5});
  net.graph.value(x).type = {DType::float32, {1, 4, 5, 5}, {}};
  Value weights;
  weights.constant = Tensor(DType::float32, {4, 1, 3, 3});
  weights.type = {DType::float32, {4, 1, 3, 3}, {}};
  const ValueId w = net.graph.add_value(weights);
  net.graph.outputs = {net.node("depthwise_conv2d", {x, w}, window_attributes(1, 1, 1))};
  EXPECT_TRUE(legalisations(net.graph, spine_of(net.graph, NodeId{0}), kAll).empty());
}

}  // namespace
}  // namespace heddle
