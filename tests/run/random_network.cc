#include "random_network.h"

#include "support/network_builder.h"

namespace heddle {
namespace {

class Builder : public NetworkBuilder {
 public:
  Builder(std::mt19937& random, bool same) : random_(random), same_(same) {}

  int64_t pick(int64_t lo, int64_t hi) {
    return lo + static_cast<int64_t>(random_() % static_cast<uint64_t>(hi - lo + 1));
  }
  bool chance(int64_t percent) { return pick(1, 100) <= percent; }

  // bias_add (mostly) and a shift with a clip that is ReLU's, full, or odd.
  ValueId requantised(ValueId x, int64_t channel_axis, int64_t reduction) {
    if (chance(80)) {
      const int64_t channels = shape(x)[static_cast<size_t>(channel_axis)];
      x = node("bias_add", {x, drawn(DType::int32, {channels}, -5000, 5000)},
               {{"axis", channel_axis}});
    }
    int64_t shift = 5;
    while ((int64_t{1} << (2 * (shift - 5))) < reduction)
      ++shift;  // keeps results spread over the clip
    return clipped(x, shift + pick(0, 2));
  }

  ValueId clipped(ValueId x, int64_t shift) {
    const int64_t lo = chance(50) ? 0 : chance(70) ? -128 : -17;
    return requant(x, shift, lo, chance(80) ? 127 : 93);
  }

  ValueId conv(ValueId x, bool depthwise) {
    const Shape in = shape(x);
    const int64_t fy = kernel(in[2]);
    const int64_t fx = kernel(in[3]);
    const int64_t k = depthwise ? in[1] : chance(60) ? 16 * pick(1, 3) : pick(1, 40);
    const int64_t stride = chance(70) ? 1 : 2;
    const int64_t pad_y = chance(70) ? fy / 2 : 0;
    const int64_t pad_x = chance(70) ? fx / 2 : 0;
    Attributes attributes = window_attributes(stride, pad_y, pad_x);
    if (chance(10)) attributes["pad_right"] = pad_x + 1;
    if (same_ && chance(80)) attributes = same_padding(fy, fx);
    if (same_ && chance(50)) attributes["x_zero_point"] = pick(-128, 127);
    if (!depthwise) attributes["group"] = int64_t{1};
    const ValueId weights = drawn(DType::int8, {k, depthwise ? 1 : in[1], fy, fx}, -128, 127);
    const ValueId y =
        node(depthwise ? "depthwise_conv2d" : "conv2d", {x, weights}, std::move(attributes));
    return requantised(y, 1, (depthwise ? 1 : in[1]) * fy * fx);
  }

  ValueId add(ValueId x) {
    const ValueId other = chance(50) ? conv_like(x) : x;
    return clipped(node("add", {other, other == x ? clipped(x, 1) : x}), pick(0, 2));
  }

  ValueId pool(ValueId x) {
    if (shape(x)[2] < 2 || shape(x)[3] < 2) return x;
    if (chance(30)) return mean(x);
    if (chance(30)) return odd_pool(x);
    return node("max_pool", {x},
                {{"kernel_h", int64_t{2}},
                 {"kernel_w", int64_t{2}},
                 {"stride_h", int64_t{2}},
                 {"stride_w", int64_t{2}},
                 {"pad_top", int64_t{0}},
                 {"pad_left", int64_t{0}},
                 {"pad_bottom", int64_t{0}},
                 {"pad_right", int64_t{0}}});
  }

  // The greatest of overlapping or padded windows.
  ValueId odd_pool(ValueId x) {
    const int64_t fy = std::min<int64_t>(pick(1, 4), shape(x)[2]);
    const int64_t fx = std::min<int64_t>(pick(1, 4), shape(x)[3]);
    Attributes attributes = window_attributes(pick(1, 2), fy / 2, fx / 2);
    attributes.erase("dilation_h");
    attributes.erase("dilation_w");
    attributes["kernel_h"] = fy;
    attributes["kernel_w"] = fx;
    return node("max_pool", {x}, std::move(attributes));
  }

  // Of windows or of the image, as integer networks write it: one constant weight, and a shift.
  ValueId mean(ValueId x) {
    const Shape in = shape(x);
    const bool whole = chance(50);
    const int64_t fy = whole ? in[2] : 2, fx = whole ? in[3] : 2;
    Tensor weights(DType::int8, {in[1], 1, fy, fx});
    const int64_t weight = std::clamp<int64_t>(512 / (fy * fx), 1, 127);
    for (int64_t i = 0; i < weights.elements(); ++i) weights.set(i, weight);
    const ValueId sum = node("depthwise_conv2d", {x, constant(std::move(weights))},
                             window_attributes(whole ? 1 : 2, 0, 0));
    return clipped(sum, 9);
  }

  ValueId dense(ValueId x) {
    const ValueId flat = shape(x).size() == 2 ? x : node("flatten", {x}, {{"axis", int64_t{1}}});
    const int64_t c = shape(flat)[1];
    const int64_t k = pick(1, 70);
    return requantised(node("dense", {flat, drawn(DType::int8, {k, c}, -128, 127)}, {}), 1, c);
  }

  // A layer for a converter of 6 bits: ternary weights, a step that is a power of two, batch norm of
  // which now and then a part is missing. x lies within 7 bits.
  ValueId analog_conv(ValueId x, int64_t channels, int64_t kernel, int64_t stride) {
    Attributes attributes = window_attributes(stride, kernel / 2, kernel / 2);
    if (chance(10)) attributes["pad_right"] = kernel / 2 + 1;
    attributes["group"] = int64_t{1};
    const ValueId weights = drawn(DType::int8, {channels, shape(x)[1], kernel, kernel}, -1, 1);
    const ValueId sums = node("conv2d", {x, weights}, std::move(attributes));
    const ValueId levels = requant(sums, pick(0, 5), -32, 31);
    const int64_t lo = chance(50) ? 0 : -64;
    if (chance(10)) return requant(levels, 1, lo, 63);
    const Shape per_channel = chance(80) ? Shape{channels} : Shape{};
    const ValueId mul = drawn(DType::int32, per_channel, -128, 127);
    const ValueId add = chance(85) ? drawn(DType::int32, per_channel, -3000, 3000) : ValueId{};
    return node("requant", {levels, mul, add},
                {{"shift", pick(2, 7)}, {"lo", lo}, {"hi", int64_t{63}}, {"axis", int64_t{1}},
                 {"rounding", std::string("floor")}});
  }

  ValueId analog_block(ValueId x) {
    const int64_t kernel = shape(x)[2] >= 3 && shape(x)[3] >= 3 && chance(70) ? 3 : 1;
    if (chance(40)) {  // residual
      const ValueId y = analog_conv(x, shape(x)[1], kernel, 1);
      if (shape(y) != shape(x)) return y;
      const int64_t lo = chance(50) ? 0 : -64;
      return requant(node("add", {y, x}), pick(0, 1), lo, 63);
    }
    const int64_t channels = chance(15) ? pick(129, 600) : chance(60) ? 16 * pick(1, 4) : pick(1, 90);
    return analog_conv(x, channels, shape(x)[1] * kernel * kernel > 1152 ? 1 : kernel, pick(1, 2));
  }

 private:
  static Attributes same_padding(int64_t fy, int64_t fx) {
    Attributes attributes = window_attributes(1, (fy - 1) / 2, (fx - 1) / 2);
    attributes["pad_bottom"] = fy / 2;
    attributes["pad_right"] = fx / 2;
    return attributes;
  }

  // A 1x1 convolution that keeps the shape.
  ValueId conv_like(ValueId x) {
    const Shape in = shape(x);
    Attributes attributes = window_attributes(1, 0, 0);
    attributes["group"] = int64_t{1};
    return requantised(
        node("conv2d", {x, drawn(DType::int8, {in[1], in[1], 1, 1}, -128, 127)}, attributes), 1,
        in[1]);
  }

  int64_t kernel(int64_t extent) {
    static constexpr int64_t kKernels[] = {1, 3, 3, 3, 5, 7, 2};
    const int64_t k = kKernels[pick(0, 6)];
    return k <= extent ? k : 1;
  }

  ValueId drawn(DType dtype, Shape shape, int64_t lo, int64_t hi) {
    Tensor tensor(dtype, std::move(shape));
    for (int64_t i = 0; i < tensor.elements(); ++i) tensor.set(i, pick(lo, hi));
    return constant(std::move(tensor));
  }

  std::mt19937& random_;
  bool same_;
};

Graph random_network(std::mt19937& random, bool same) {
  Builder builder(random, same);
  builder.graph.name = "random";
  builder.graph.dialect = "random shift network";
  ValueId x = builder.input(
      {1, builder.chance(50) ? 16 : builder.pick(1, 33), builder.pick(1, 40), builder.pick(1, 70)});
  if (same) x = builder.conv(x, false);
  const int64_t blocks = builder.pick(1, 4);
  for (int64_t block = 0; block < blocks; ++block) {
    switch (builder.pick(0, 5)) {
      case 0:
      case 1:
        x = builder.conv(x, false);
        break;
      case 2:
        x = builder.conv(x, true);
        break;
      case 3:
        x = builder.add(x);
        break;
      case 4:
        x = builder.pool(x);
        break;
      default:
        break;
    }
  }
  if (builder.graph.nodes.empty() || builder.chance(30)) x = builder.dense(x);
  builder.graph.outputs = {x};
  return std::move(builder.graph);
}

}  // namespace

Graph random_shift_network(std::mt19937& random) { return random_network(random, false); }
Graph random_same_network(std::mt19937& random) { return random_network(random, true); }

Graph random_analog_network(std::mt19937& random) {
  Builder builder(random, false);
  builder.graph.name = "random";
  builder.graph.dialect = "random network for a converter";
  const ValueId image = builder.input(
      {1, builder.chance(50) ? 16 : builder.pick(1, 90), builder.pick(1, 12), builder.pick(1, 24)});
  ValueId x = builder.requant(image, 1, -64, 63);
  for (int64_t block = builder.pick(1, 3); block > 0; --block) x = builder.analog_block(x);
  builder.graph.outputs = {x};
  return std::move(builder.graph);
}

void shrink_memories(Soc& soc, std::mt19937& random) {
  const auto shrink = [&](Memory& memory, const std::string& main_memory) {
    static constexpr int64_t kDivisors[] = {1, 8, 16, 32, 64};
    if (memory.name != main_memory) memory.bytes /= kDivisors[random() % 5];
  };
  for (Memory& memory : soc.memories) shrink(memory, soc.main_memory);
  for (SocUnit& unit : soc.accelerators) {
    for (Memory& memory : unit.target.memories) shrink(memory, "");
  }
}

void enlarge_main_memory(Soc& soc) {
  for (Memory& memory : soc.memories) {
    if (memory.name == soc.main_memory) memory.bytes = int64_t{16} << 20;
  }
}

}  // namespace heddle
