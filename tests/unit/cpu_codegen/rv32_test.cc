// The generators of flavour rv32 against the reference: random shapes, windows, zero points,
// storages (rows with gaps, channels last), alone and with maps behind.
#include <gtest/gtest.h>

#include "cpu_codegen/generators.h"
#include "unit/cpu_codegen/program.h"

namespace heddle {
namespace {

using test::image_storages;
using test::Random;

// Appends a node that reads the last one's result.
void append(Graph& graph, const std::string& op, Attributes attributes, std::vector<Value> others) {
  Node node{.name = op,
            .op = op,
            .attributes = std::move(attributes),
            .inputs = {graph.nodes.back().output},
            .output = {}};
  for (Value& other : others) {
    if (other.name == "absent") {
      node.inputs.push_back({});
      continue;
    }
    node.inputs.push_back(graph.add_value(other));
    if (!other.constant) graph.inputs.push_back(node.inputs.back());
  }
  node.output =
      graph.add_value({.name = "y", .type = {}, .constant = {}, .producer = {}, .consumers = {}});
  graph.outputs = {node.output};
  const NodeId id = graph.add_node(std::move(node));
  const Result<TensorType> type = op_of(graph.node(id)).infer({graph, graph.node(id)});
  if (!type.ok()) internal_error(__FILE__, __LINE__, test::errors_of(type));
  graph.value(graph.outputs[0]).type = *type;
}

// bias_add, a requantisation per channel as TFLite has it, a residual: each by chance.
void append_maps(Random& r, Graph& graph) {
  const Shape shape = graph.value(graph.outputs[0]).type.shape;
  const Shape channels{shape[1]};
  if (r.between(0, 3) != 0)
    append(graph, "bias_add", {{"axis", int64_t{1}}}, {r.constant_of(channels, {-9000, 9000})});
  if (r.coin()) {
    append(graph, "requant",
           test::with(test::requant("half_up", r.between(33, 38)),
                      {{"zero_point", r.between(-99, 99)}}),
           {r.constant_of(channels, {1 << 30, INT32_MAX}), test::absent(),
            r.coin() ? r.constant_of(channels, {0, 5}) : test::absent()});
  }
  if (r.coin()) append(graph, "clip", {{"lo", int64_t{-100}}, {"hi", int64_t{90}}}, {});
  if (r.coin()) append(graph, "add", {}, {test::activation(shape, {-128, 127})});
}

Graph random_depthwise(Random& r) {
  const int64_t channels = r.between(1, 4);
  Shape image{r.between(0, 4) == 0 ? 2 : 1, channels, r.between(1, 9), r.between(1, 12)};
  if (r.coin()) std::swap(image[2], image[3]);  // a tall image is walked down
  const Range ranges[] = {{-128, 127}, {0, 255}, {-30000, 30000}, {-3, 100}};
  const Range range = ranges[r.between(0, 3)];
  const int64_t kernel_h = r.between(0, 2) == 0 ? r.between(1, 5) : 3;
  const int64_t kernel_w = r.between(0, 2) == 0 ? r.between(1, 5) : 3;
  Attributes attributes = test::conv();
  attributes["stride_h"] = r.between(1, 3);
  attributes["stride_w"] = r.between(1, 3);
  for (const char* pad : {"pad_top", "pad_left", "pad_bottom", "pad_right"})
    attributes[pad] = r.between(0, 3) == 0 ? r.between(0, 4) : r.between(0, 1);
  attributes["x_zero_point"] =
      r.coin() ? r.between(std::max<int64_t>(range.lo, -128), 127) : int64_t{0};
  if (r.between(0, 9) == 0) attributes["dilation_w"] = int64_t{2};
  return test::graph_of("depthwise_conv2d", attributes,
                        {test::activation(image, range),
                         r.constant_of({channels, 1, kernel_h, kernel_w}, {-128, 127})});
}

TEST(Rv32, DepthwiseEqualsItsReference) {
  const KernelGenerator* const generator = find_generator("rv32_depthwise_conv2d");
  ASSERT_NE(generator, nullptr);
  Random random(21);
  test::Program program;
  int refused = 0;
  for (int i = 0; i < 120; ++i) {
    Graph graph = random_depthwise(random);
    if (!test::infer(graph).ok()) continue;
    graph = test::inferred(std::move(graph));
    append_maps(random, graph);
    const Match match = test::whole_match(graph);
    if (!generator->refusals(graph, match).empty()) {
      ++refused;
      continue;
    }
    const StorageOf storage = image_storages(random, graph);
    program.add(generator->make(graph, match, storage, program.next_function()), graph, storage,
                test::random_inputs(random, graph));
  }
  EXPECT_GT(program.cases(), 60);
  EXPECT_GT(refused, 5);
  EXPECT_EQ(program.run(), "");
}

TEST(Rv32, UnrolledMapsEqualTheirReference) {
  const KernelGenerator* const generator = find_generator("unrolled_map");
  ASSERT_NE(generator, nullptr);
  Random random(22);
  test::Program program;
  int unrolled = 0;
  for (int i = 0; i < 60; ++i) {
    const Shape shape{random.between(1, 2), random.between(1, 4), random.between(1, 7),
                      random.between(1, 10)};
    Graph graph =
        test::inferred(test::graph_of("clip", {{"lo", int64_t{-9000}}, {"hi", int64_t{9000}}},
                                      {test::activation(shape, {-9999, 9999})}));
    append_maps(random, graph);
    const StorageOf storage = image_storages(random, graph);
    const Kernel kernel =
        generator->make(graph, test::whole_match(graph), storage, program.next_function());
    unrolled += kernel.text.find(";) {") != std::string::npos ? 1 : 0;
    program.add(kernel, graph, storage, test::random_inputs(random, graph));
  }
  EXPECT_GT(unrolled, 30);
  EXPECT_LT(unrolled, 60);
  EXPECT_EQ(program.run(), "");
}

// One refusal for each thing that the walk along the columns cannot do.
TEST(Rv32, DepthwiseSaysWhatItRefuses) {
  const KernelGenerator* const generator = find_generator("rv32_depthwise_conv2d");
  const auto refused = [&](Attributes more, const Shape& kernel, Range range, int64_t weight) {
    const Graph graph = test::inferred(test::graph_of(
        "depthwise_conv2d", test::with(test::conv(), more),
        {test::activation({1, 1, 16, 16}, range),
         test::constant(kernel,
                        std::vector<int64_t>(static_cast<size_t>(elements_of(kernel)), weight))}));
    std::string text;
    for (const FailedCondition& failed : generator->refusals(graph, test::whole_match(graph)))
      text += failed.condition + ": " + failed.values;
    return text;
  };
  const Shape three{1, 1, 3, 3};
  EXPECT_EQ(refused({}, three, {-128, 127}, 1), "");
  EXPECT_EQ(refused({{"dilation_w", int64_t{2}}}, three, {-128, 127}, 1),
            "dilation == 1: the dilation is 1 x 2");
  EXPECT_EQ(refused({}, {1, 1, 6, 6}, {-128, 127}, 1), "fy * fx <= 25: the filter is 6 x 6");
  EXPECT_EQ(refused({{"pad_left", int64_t{9}}}, three, {-128, 127}, 1),
            "at most 4 outputs at either end of a row reach into the padding: 7 and 0 do");
  EXPECT_EQ(
      refused({{"pad_left", int64_t{1}}, {"x_zero_point", int64_t{300}}}, three, {-128, 127}, 1),
      "x can hold its zero point: the zero point is 300");
  EXPECT_EQ(refused({{"x_zero_point", int64_t{65536}}}, {1, 1, 1, 1}, {0, 65535}, 32767),
            "the zero point's share joins the bias: the sums can leave int32");
  EXPECT_EQ(
      refused({{"pad_left", int64_t{20}}, {"stride_h", int64_t{90}}, {"stride_w", int64_t{90}}},
              {1, 1, 3, 1}, {-128, 127}, 1),
      "a window meets the image: all lie in the padding");
}

}  // namespace
}  // namespace heddle
