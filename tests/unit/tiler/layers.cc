#include "unit/tiler/layers.h"

#include <fmt/format.h>

#include "support/network_builder.h"

namespace heddle {
namespace {

struct Builder : NetworkBuilder {
  // Values all over the range, the least one among them.
  ValueId spread(DType dtype, Shape shape, int64_t modulus) {
    Tensor tensor(dtype, std::move(shape));
    for (int64_t i = 0; i < tensor.elements(); ++i) tensor.set(i, i * 7 % modulus - modulus / 2);
    tensor.set(0, -modulus / 2);
    return constant(std::move(tensor));
  }
  ValueId bias(ValueId x) {
    return node("bias_add", {x, spread(DType::int32, {shape(x)[1]}, 1001)}, {{"axis", int64_t{1}}});
  }
};

Attributes window(const ConvShape& shape) {
  return window_attributes(shape.stride, shape.pad, shape.pad);
}

std::string describe(const std::string& op, const ConvShape& s) {
  return fmt::format("{} c {} k {} image {}x{} kernel {}x{} stride {} pad {}", op, s.c, s.k, s.iy,
                     s.ix, s.fy, s.fx, s.stride, s.pad);
}

std::unique_ptr<Layer> finish(Builder builder, ValueId result, const Soc& soc, std::string text) {
  auto layer = std::make_unique<Layer>();
  layer->graph = std::move(builder.graph);
  layer->graph.outputs.push_back(result);
  layer->soc = soc;
  layer->text = std::move(text);
  const Matches matches =
      match_rules(layer->graph, layer->soc, {"latency", "", Objective::latency, {}});
  for (const Match& match : matches.accepted) {
    if (match.target >= 0) layer->match = match;
  }
  HEDDLE_CHECK(layer->match.target >= 0,
               "no rule matches " + layer->text + "\n" + dump(layer->graph, layer->soc, matches));
  const BufferLayout layout = *rule_of(layer->soc, layer->match).layout;
  for (size_t v = 0; v < layer->graph.values.size(); ++v) {
    const Value& value = layer->graph.values[v];
    layer->storage[ValueId{static_cast<int32_t>(v)}] = padded_storage(value.type, layout);
  }
  return layer;
}

}  // namespace

const Soc& diana() {
  static const Soc soc = [] {
    Result<Soc> loaded = load_soc(std::string(HEDDLE_SOURCE_DIR) + "/rules/soc/diana.toml");
    HEDDLE_CHECK(loaded.ok(), format_diagnostics(loaded.errors()));
    loaded->accelerators.resize(1);  // the digital core
    return *loaded;
  }();
  return soc;
}

Soc diana_with(int64_t l1_bytes, int64_t weight_bytes) {
  Soc soc = diana();
  for (Memory& memory : soc.memories) {
    if (memory.name == "l1") memory.bytes = l1_bytes;
  }
  for (Memory& memory : soc.accelerators[0].target.memories) memory.bytes = weight_bytes;
  return soc;
}

std::unique_ptr<Layer> conv_layer(const ConvShape& shape, const Soc& soc) {
  Builder b;
  const ValueId x = b.input({1, shape.c, shape.iy, shape.ix});
  const ValueId weights = b.spread(DType::int8, {shape.k, shape.c / shape.group, shape.fy, shape.fx}, 251);
  Attributes attributes = window(shape);
  attributes["group"] = shape.group;
  const ValueId y = b.requant(b.bias(b.node("conv2d", {x, weights}, attributes)), 7);
  return finish(std::move(b), y, soc, describe("conv2d", shape));
}

std::unique_ptr<Layer> depthwise_layer(const ConvShape& shape, const Soc& soc) {
  Builder b;
  const ValueId x = b.input({1, shape.k, shape.iy, shape.ix});
  const ValueId weights = b.spread(DType::int8, {shape.k, 1, shape.fy, shape.fx}, 251);
  const ValueId y = b.requant(b.bias(b.node("depthwise_conv2d", {x, weights}, window(shape))), 7);
  return finish(std::move(b), y, soc, describe("depthwise_conv2d", shape));
}

std::unique_ptr<Layer> dense_layer(int64_t c, int64_t k, const Soc& soc) {
  Builder b;
  const ValueId x = b.input({1, c});
  const ValueId y = b.requant(b.bias(b.node("dense", {x, b.spread(DType::int8, {k, c}, 251)})), 7);
  return finish(std::move(b), y, soc, fmt::format("dense c {} k {}", c, k));
}

std::unique_ptr<Layer> add_layer(int64_t k, int64_t oy, int64_t ox, const Soc& soc) {
  Builder b;
  const ValueId x = b.input({1, k, oy, ox});
  const ValueId residual = b.input({1, k, oy, ox});
  const ValueId y = b.requant(b.node("add", {x, residual}), 7);
  return finish(std::move(b), y, soc, fmt::format("add {}x{}x{}", k, oy, ox));
}

std::unique_ptr<Layer> random_layer(Random& random, const Soc& soc, int64_t largest) {
  const int64_t kind = random.between(0, 9);
  if (kind == 0)
    return dense_layer(random.between(1, 8 * largest), random.between(1, 8 * largest), soc);
  if (kind == 1)
    return add_layer(random.between(1, largest), random.between(1, largest),
                     random.between(1, 2 * largest), soc);
  constexpr int64_t kKernels[] = {1, 3, 5, 7};
  ConvShape shape;
  shape.fy = kKernels[random.between(0, 3)];
  shape.fx = kKernels[random.between(0, 3)];
  shape.stride = random.between(1, 2);
  shape.pad = random.between(0, std::min(shape.fy, shape.fx) - 1);
  shape.iy = random.between(shape.fy, shape.fy + largest);
  shape.ix = random.between(shape.fx, shape.fx + 2 * largest);
  shape.c = random.between(1, largest);
  shape.k = random.between(1, 3 * largest);
  return kind < 4 ? depthwise_layer(shape, soc) : conv_layer(shape, soc);
}

std::unique_ptr<Layer> random_groups(Random& random, const Soc& soc, int64_t largest) {
  ConvShape shape;
  shape.group = random.between(2, 6);
  shape.c = shape.group * random.between(1, 6);
  shape.k = shape.group * random.between(1, random.between(0, 2) == 0 ? 40 : 16);
  shape.fy = shape.fx = 1 + 2 * random.between(0, 1);
  shape.stride = random.between(1, 2);
  shape.pad = random.between(0, shape.fy - 1);
  shape.iy = random.between(3, largest);
  shape.ix = random.between(3, largest);
  return conv_layer(shape, soc);
}

}  // namespace heddle
