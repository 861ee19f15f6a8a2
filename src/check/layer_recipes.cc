// How an operator of a drawn layer gets its operands and attributes: a recipe for each family.
#include <algorithm>
#include <bit>

#include "check/layer_builder.h"
#include "ops/op.h"

namespace heddle {
namespace {

const std::vector<DType> kActivations = {DType::int8, DType::int8, DType::uint8, DType::int16};
const std::vector<DType> kInt8 = {DType::int8};
const std::vector<DType> kInt32 = {DType::int32};
const std::vector<DType> kFloat = {DType::float32};

bool is_real(const LayerBuilder& b) { return b.type().dtype == DType::float32; }

// Constants of an operator that works on integers or on float32.
const std::vector<DType>& like(const LayerBuilder& b, ValueId x, const std::vector<DType>& integers) {
  return b.graph.value(x).type.dtype == DType::float32 ? kFloat : integers;
}

int64_t zero_point(LayerBuilder& b, const std::string& name, ValueId x) {
  const TensorType& type = b.graph.value(x).type;
  if (type.dtype == DType::float32) return b.number(name, [] { return int64_t{0}; });
  return b.number(name, [&] {
    if (b.chance(50)) return int64_t{0};
    if (b.chance(20)) return b.chance(50) ? type.range.lo : type.range.hi;
    return b.pick(std::max<int64_t>(type.range.lo, -128), std::min<int64_t>(type.range.hi, 255));
  });
}

// Strides, and pads of a kernel of this reach.
Attributes window(LayerBuilder& b, const std::string& op, int64_t reach_h, int64_t reach_w) {
  Attributes a;
  const auto attribute = [&](const char* name, auto draw) {
    return std::get<int64_t>(a[name] = b.number(op + "." + name, draw));
  };
  const auto stride = [&] { return b.chance(60) ? int64_t{1} : b.pick(1, 3); };
  const int64_t rows = attribute("stride_h", stride);
  attribute("stride_w", [&] { return b.chance(75) ? rows : stride(); });
  const int64_t kind = b.number("window.pads", [&] { return b.pick(0, 9); });
  const auto pad = [&](int64_t reach, bool after) {
    if (kind <= 3) return after ? reach / 2 : (reach - 1) / 2;  // SAME
    if (kind <= 5) return int64_t{0};
    return b.pick(0, std::min<int64_t>(reach - 1, 3));
  };
  const int64_t top = attribute("pad_top", [&] { return pad(reach_h, false); });
  const int64_t left = attribute("pad_left", [&] { return pad(reach_w, false); });
  attribute("pad_bottom", [&] { return kind <= 7 ? std::max(pad(reach_h, true), top) : pad(reach_h, true); });
  attribute("pad_right", [&] { return kind <= 7 ? std::max(pad(reach_w, true), left) : pad(reach_w, true); });
  return a;
}

int64_t room(const Attributes& a, const char* before, const char* after, int64_t reach) {
  const int64_t pads = std::get<int64_t>(a.at(before)) + std::get<int64_t>(a.at(after));
  return std::max<int64_t>(1, reach - pads);
}

int64_t kernel(LayerBuilder& b, const std::string& name) {
  return b.number(name, [&] { return b.chance(25) ? int64_t{1} : b.chance(40) ? int64_t{3} : b.pick(1, 7); });
}

bool convolution(LayerBuilder& b, const std::string& op) {
  const bool depthwise = op == "depthwise_conv2d";
  const int64_t fy = kernel(b, "fy"), fx = kernel(b, "fx");
  const auto dilation = [&] { return b.chance(85) ? int64_t{1} : int64_t{2}; };
  const int64_t dilation_h = b.number(op + ".dilation_h", dilation);
  const int64_t dilation_w = b.number(op + ".dilation_w", dilation);
  const int64_t reach_h = dilation_h * (fy - 1) + 1, reach_w = dilation_w * (fx - 1) + 1;
  Attributes a = window(b, op, reach_h, reach_w);
  a["dilation_h"] = dilation_h;
  a["dilation_w"] = dilation_w;
  ValueId x = b.spine, weights;
  int64_t channels = 0;
  int64_t group = 1;
  if (!depthwise) {
    group = b.number("conv2d.group", [&] { return b.chance(75) ? int64_t{1} : b.pick(2, 4); });
    a["group"] = group;
  }
  if (b.started()) {
    if (b.type().shape.size() != 4) return false;
    channels = b.type().shape[1];
    if (group < 1 || channels % group != 0) return false;
  } else {
    const int64_t n = b.number("n", [&] { return b.chance(80) ? int64_t{1} : int64_t{2}; });
    channels = depthwise ? b.size("k", 40) : b.size("c", 40) * group;
    const int64_t iy = b.size("iy", 24, room(a, "pad_top", "pad_bottom", reach_h));
    const int64_t ix = b.size("ix", 40, room(a, "pad_left", "pad_right", reach_w));
    x = b.activation("x", {n, channels, iy, ix}, kActivations);
  }
  const int64_t outputs = depthwise ? channels : b.size("k", 40) * group;
  if (group < 1) return false;
  weights = b.constant("weights", {outputs, depthwise ? 1 : channels / group, fy, fx},
                       like(b, x, kInt8), -128, 127);
  a["x_zero_point"] = zero_point(b, op + ".x_zero_point", x);
  return b.node(op, {x, weights}, std::move(a));
}

bool dense(LayerBuilder& b, const std::string& op) {
  ValueId x = b.spine;
  if (!b.started()) {
    const int64_t n = b.number("n", [&] { return b.chance(80) ? int64_t{1} : b.pick(2, 5); });
    x = b.activation("x", {n, b.size("c", 160)}, kActivations);
  }
  const Shape& shape = b.graph.value(x).type.shape;
  if (shape.size() != 2) return false;
  const ValueId weights =
      b.constant("weights", {b.size("k", 80), shape[1]}, like(b, x, kInt8), -128, 127);
  return b.node(op, {x, weights}, {{"x_zero_point", zero_point(b, op + ".x_zero_point", x)}});
}

Shape rows_of(LayerBuilder& b, const std::string& op, int64_t least_rank) {
  const int64_t rank = b.number("x.rank", [&] { return b.pick(least_rank, 4); }, 4);
  const int64_t n = b.number("n", [&] { return b.chance(80) ? int64_t{1} : b.pick(2, 4); });
  (void)op;
  switch (std::clamp<int64_t>(rank, least_rank, 4)) {
    case 1:
      return {b.size("k", 100)};
    case 2:
      return {n, b.size("k", 100)};
    case 3:
      return {n, b.size("k", 40), b.size("ox", 40)};
    default:
      return {n, b.size("k", 40), b.size("oy", 24), b.size("ox", 40)};
  }
}

bool matmul(LayerBuilder& b, const std::string& op) {
  ValueId x = b.spine;
  if (!b.started()) {
    const int64_t rank = b.number("x.rank", [&] { return b.pick(2, 4); }, 2);
    Shape shape{b.size("n", 40), b.size("c", 40)};
    for (int64_t d = std::clamp<int64_t>(rank, 2, 4); d > 2; --d)
      shape.insert(shape.begin(), b.number("b" + std::to_string(d - 3), [&] { return b.pick(1, 3); }));
    x = b.activation("x", shape, kActivations);
  }
  Shape other = b.graph.value(x).type.shape;
  if (other.size() < 2) return false;
  other[other.size() - 2] = other.back();
  other.back() = b.size("k", 40);
  const bool constant = b.number("w.constant", [] { return int64_t{0}; }) != 0;
  const ValueId w = constant ? b.constant("w", other, like(b, x, kInt8), -128, 127)
                             : b.activation("w", other, like(b, x, kActivations));
  return b.node(op, {x, w},
                {{"x_zero_point", zero_point(b, op + ".x_zero_point", x)},
                 {"w_zero_point", zero_point(b, op + ".w_zero_point", w)}});
}

bool pool(LayerBuilder& b, const std::string& op) {
  const auto side = [&] { return b.pick(1, 4); };
  const int64_t rows = b.number(op + ".kernel_h", side);
  const int64_t columns = b.number(op + ".kernel_w", [&] { return b.chance(70) ? rows : side(); });
  Attributes a = window(b, op, rows, columns);
  a["kernel_h"] = rows;
  a["kernel_w"] = columns;
  ValueId x = b.spine;
  if (!b.started()) {
    const int64_t n = b.number("n", [&] { return b.chance(80) ? int64_t{1} : int64_t{2}; });
    x = b.activation("x", {n, b.size("k", 40), b.size("iy", 24, room(a, "pad_top", "pad_bottom", rows)),
                           b.size("ix", 40, room(a, "pad_left", "pad_right", columns))},
                     kActivations);
  }
  if (op == "average_pool") {
    a["count_include_pad"] = b.number(op + ".count_include_pad", [&] { return b.pick(0, 1); });
    a["rounding"] = b.text(op + ".rounding", {"half_up", "half_away"});
  }
  if (op == "sum_pool") {
    a["x_zero_point"] = zero_point(b, op + ".x_zero_point", x);
    a["scale"] = 0.0;
  }
  return b.node(op, {x}, std::move(a));
}

bool whole_pool(LayerBuilder& b, const std::string& op) {
  ValueId x = b.spine;
  if (!b.started()) {
    const int64_t n = b.number("n", [&] { return b.chance(80) ? int64_t{1} : int64_t{2}; });
    x = b.activation("x", {n, b.size("k", 40), b.size("iy", 16), b.size("ix", 16)}, kActivations);
  }
  return b.node(op, {x}, {});
}

// The first operand: the spine's value, or an activation of any rank.
ValueId first(LayerBuilder& b, const std::string& op, const std::vector<DType>& types,
              int64_t least_rank = 1) {
  if (b.started()) return b.spine;
  return b.activation("x", rows_of(b, op, least_rank), types);
}

int64_t channel_axis(LayerBuilder& b, const std::string& op, ValueId x) {
  const int64_t rank = static_cast<int64_t>(b.graph.value(x).type.shape.size());
  return b.number(op + ".axis", [&] {
    return rank < 2 ? int64_t{0} : b.chance(85) ? int64_t{1} : b.pick(0, rank - 1);
  });
}

bool bias_add(LayerBuilder& b, const std::string& op) {
  const ValueId x = first(b, op, kInt32);
  const int64_t axis = channel_axis(b, op, x);
  const Shape& shape = b.graph.value(x).type.shape;
  if (axis < 0 || axis >= static_cast<int64_t>(shape.size())) return false;
  const int64_t size = b.number("bias.size", [&] { return b.pick(0, 9); });
  const int64_t most = size == 0 ? 3 : size == 1 ? int64_t{1} << 22 : 5000;
  const ValueId bias =
      b.constant("bias", {shape[static_cast<size_t>(axis)]}, like(b, x, kInt32), -most, most);
  return b.node(op, {x, bias}, {{"axis", axis}});
}

// What a result of 8 bits or more is clipped to, by its type.
void draw_bounds(LayerBuilder& b, const std::string& op, Attributes& a) {
  DType type = b.dtype("y", {DType::int8, DType::int8, DType::uint8, DType::int16});
  if (type == DType::float32) type = DType::int8;
  const Range whole = range_of(type);
  const bool wide = bits_of(type) > 16;
  a["lo"] = b.number(op + ".lo", [&] {
    return whole.lo == 0 || b.chance(40) ? int64_t{0} : b.chance(25) ? int64_t{-17}
           : wide ? -(int64_t{1} << 24) : whole.lo;
  }, wide ? -(int64_t{1} << 24) : whole.lo);
  a["hi"] = b.number(op + ".hi", [&] {
    if (wide) return int64_t{1} << 24;
    return b.chance(80) ? whole.hi : whole.hi - 34;
  }, wide ? int64_t{1} << 24 : whole.hi);
}

// A shift that spreads a sum of products over 8 bits, or an extreme one.
// `fixed`: bits of a multiplier in a fixed point, which are shifted out too.
int64_t draw_shift(LayerBuilder& b, const std::string& op, int64_t multiplier_bits, int64_t fixed) {
  const Range range = b.graph.value(b.spine).type.range;
  const AllowedValues& wanted = b.hints().of(b.named(op + ".shift"));
  return b.number(op + ".shift", [&] {
    const int64_t kind = b.pick(0, 19);
    if (kind == 0) return std::max<int64_t>(fixed, wanted.least.value_or(0));
    if (kind == 1) return fixed + std::min<int64_t>(31, wanted.most.value_or(31));
    if (kind == 2) return fixed + b.pick(0, 31);
    const uint64_t reach = static_cast<uint64_t>(std::max(std::abs(range.lo), std::abs(range.hi)));
    const int64_t bits = std::bit_width(reach) + 1;
    const int64_t summed = bits > 16 ? (bits - 16) / 2 : 0;  // sums grow with the root of their length
    return fixed + std::max<int64_t>(0, bits - 8 - summed - (bits > 12 ? 2 : 0) + multiplier_bits + b.pick(-1, 1));
  });
}

bool requant(LayerBuilder& b, const std::string& op) {
  b.spine = first(b, op, kInt32);
  const ValueId x = b.spine;
  if (is_real(b)) return false;
  Attributes a;
  a["axis"] = channel_axis(b, op, x);
  const int64_t axis = std::get<int64_t>(a["axis"]);
  const Shape& shape = b.graph.value(x).type.shape;
  if (axis < 0 || axis >= static_cast<int64_t>(shape.size())) return false;
  const Shape channels{shape[static_cast<size_t>(axis)]};
  const std::string rounding = b.text(
      op + ".rounding", {"shift", "shift", "floor", "half_up", "tflite_double", "float"});
  a["rounding"] = rounding;
  draw_bounds(b, op, a);
  a["zero_point"] = b.number(op + ".zero_point", [&] { return b.chance(60) ? int64_t{0} : b.pick(-128, 127); });
  std::vector<ValueId> inputs{x};
  const auto shape_of = [&](const char* operand) {
    const std::string elements = operand + std::string(".elements");
    if (b.is_chosen(elements)) return Shape{b.number(elements, [] { return int64_t{1}; })};
    const bool each = b.number(operand + std::string(".each"), [&] { return int64_t{b.chance(50)}; }) != 0;
    return each ? channels : Shape{1};
  };
  const bool scaled = rounding == "floor" || rounding == "half_up";
  if (rounding == "float") {
    Tensor scales(DType::float32, shape_of("mul"));
    const Range range = b.type().range;
    const int64_t reach = std::max<int64_t>({1, std::abs(range.lo), std::abs(range.hi)});
    for (int64_t k = 0; k < scales.elements(); ++k)
      scales.set_float(k, static_cast<float>(b.pick(64, 1024)) / static_cast<float>(reach));
    inputs.push_back(b.constant_of("mul", std::move(scales)));
  } else if (rounding == "tflite_double") {
    inputs.push_back(b.constant("mul", shape_of("mul"), kInt32, int64_t{1} << 30, INT32_MAX));
  } else if (scaled && b.some("mul", 80)) {
    inputs.push_back(b.constant("mul", shape_of("mul"), kInt32, 1, 255));
  }
  if (scaled && b.some("add", 40)) {
    inputs.resize(2);  // an absent `mul` is an invalid operand
    inputs.push_back(b.constant("add", shape_of("add"), kInt32, -100000, 100000));
  }
  const bool shifted = rounding == "shift" || scaled;
  if (shifted && b.some("shifts", 10)) {
    inputs.resize(3);
    inputs.push_back(b.constant("shifts", shape_of("shifts"), kInt8, 0, 3));
  }
  const bool multiplied = scaled && inputs.size() > 1 && inputs[1].valid();
  a["shift"] = rounding == "float" ? b.number(op + ".shift", [] { return int64_t{0}; }, 0)
                                   : draw_shift(b, op, multiplied ? 7 : 0, rounding == "tflite_double" ? 31 : 0);
  return b.node(op, std::move(inputs), std::move(a));
}

// An elementwise operator of two activations.
bool pair(LayerBuilder& b, const std::string& op) {
  const std::string other_name = op == "mul" ? "w" : "residual";
  const bool started = b.started();
  const ValueId x = first(b, op, kActivations);
  const Shape shape = b.graph.value(x).type.shape;
  ValueId other = x;
  if (started || b.number(other_name + ".same", [&] { return int64_t{b.chance(10)}; }) == 0) {
    const std::vector<DType> types{b.graph.value(x).type.dtype};
    other = b.activation(other_name, shape, types[0] == DType::float32 || bits_of(types[0]) <= 16
                                                ? types : kActivations);
  }
  Attributes a;
  if (op == "mul") {
    a["x_zero_point"] = zero_point(b, op + ".x_zero_point", x);
    a["w_zero_point"] = zero_point(b, op + ".w_zero_point", other);
  }
  return b.node(op, {x, other}, std::move(a));
}

bool clip(LayerBuilder& b, const std::string& op) {
  const ValueId x = first(b, op, kActivations);
  if (b.graph.value(x).type.dtype == DType::float32) return b.node(op, {x}, {{"lo", 0.0}, {"hi", 1.5}});
  const Range range = b.graph.value(x).type.range;
  const int64_t lo = b.number(op + ".lo", [&] { return b.chance(60) ? 0 : b.pick(range.lo, range.hi); });
  const int64_t hi = b.number(op + ".hi", [&] { return b.pick(lo, std::max(lo, range.hi)); });
  return b.node(op, {x}, {{"lo", lo}, {"hi", hi}});
}

bool lookup(LayerBuilder& b, const std::string& op) {
  const ValueId x = first(b, op, {DType::int8, DType::uint8});
  const Range range = b.graph.value(x).type.range;
  if (range.hi - range.lo > 65535) return false;
  const int64_t to = b.number(op + ".first", [&] { return range.lo; }, range.lo);
  const ValueId table = b.constant("table", {std::max<int64_t>(1, range.hi - to + 1)}, kInt8, -128, 127);
  return b.node(op, {x, table}, {{"first", to}});
}

bool view(LayerBuilder& b, const std::string& op) {
  const ValueId x = first(b, op, kActivations);
  const Shape shape = b.graph.value(x).type.shape;
  if (op == "flatten")
    return b.node(op, {x}, {{"axis", b.number(op + ".axis", [] { return int64_t{1}; })}});
  std::vector<int64_t> numbers;
  if (op == "reshape") {
    numbers = {shape[0], elements_of(shape) / std::max<int64_t>(1, shape[0])};
  } else {  // transpose: the last dimension comes first, or the first two change places
    for (size_t d = 0; d < shape.size(); ++d) numbers.push_back(static_cast<int64_t>(d));
    const int64_t kind = b.number(op + ".kind", [&] { return b.pick(0, 2); });
    if (kind == 0) std::reverse(numbers.begin(), numbers.end());
    if (kind == 1 && numbers.size() > 1) std::swap(numbers[0], numbers[1]);
    if (kind == 2) std::rotate(numbers.begin(), numbers.end() - 1, numbers.end());
  }
  return b.node(op, {x}, {{op == "reshape" ? "shape" : "perm", numbers}});
}

// Any other operator of activations: its attributes as the conditions want them, else their defaults,
// else a small number that it may refuse.
bool any(LayerBuilder& b, const std::string& op) {
  const OpDef& def = *find_op(op);
  const std::vector<DType> types = def.operands[0].numbers == Numbers::reals ? kFloat : kActivations;
  std::vector<ValueId> inputs{first(b, op, types, 2)};
  for (size_t i = 1; i < def.operands.size(); ++i) {
    const OperandDef& operand = def.operands[i];
    if (operand.optional) continue;
    const Shape shape = b.graph.value(inputs[0]).type.shape;
    const std::vector<DType>& wanted = operand.numbers == Numbers::reals ? kFloat : kInt8;
    inputs.push_back(operand.constant
                         ? b.constant(std::string(operand.name), {shape.back()}, wanted, -100, 100)
                         : b.activation(std::string(operand.name), shape, wanted));
  }
  Attributes a;
  for (const AttributeDef& attribute : def.attributes) {
    const std::string name(attribute.name), full = op + "." + name;
    if (attribute.text) {
      a[name] = b.text(full, {});
    } else if (attribute.real) {
      a[name] = attribute.otherwise ? std::get<double>(*attribute.otherwise) : 1.0;
    } else if (!attribute.vector && name == "lo") {
      a[name] = b.number(full, [&] { return b.chance(50) ? int64_t{-128} : int64_t{0}; }, -128);
    } else if (!attribute.vector && name == "hi") {
      a[name] = b.number(full, [] { return int64_t{127}; }, 127);
    } else if (!attribute.vector && name == "levels") {
      a[name] = b.number(full, [] { return int64_t{256}; }, 256);
    } else if (!attribute.vector) {
      const int64_t usual = attribute.otherwise && std::holds_alternative<int64_t>(*attribute.otherwise)
                                ? std::get<int64_t>(*attribute.otherwise) : b.pick(0, 9);
      a[name] = b.number(full, [&] { return usual; },
                         attribute.otherwise ? std::optional(usual) : std::nullopt);
    }
  }
  return b.node(op, std::move(inputs), std::move(a));
}

}  // namespace

Recipe recipe_of(std::string_view op) {
  if (op == "conv2d" || op == "depthwise_conv2d") return convolution;
  if (op == "dense") return dense;
  if (op == "matmul") return matmul;
  if (op == "max_pool" || op == "average_pool" || op == "sum_pool") return pool;
  if (op == "global_average_pool") return whole_pool;
  if (op == "bias_add") return bias_add;
  if (op == "requant") return requant;
  if (op == "add" || op == "mul") return pair;
  if (op == "clip") return clip;
  if (op == "lookup") return lookup;
  if (op == "flatten" || op == "reshape" || op == "transpose") return view;
  // Lists of numbers, or operands of shapes that follow from values.
  for (const char* const none : {"concat", "gather", "slice", "mean", "reduce", "pad"})
    if (op == none) return nullptr;
  return find_op(op) == nullptr ? nullptr : any;
}

}  // namespace heddle
