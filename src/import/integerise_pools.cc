// Pools, means and moves of quantised tensors.
#include <algorithm>
#include <cmath>

#include "import/integerise_pass.h"

namespace heddle::integerising {
namespace {

constexpr int64_t kMostDepth = 32;  // of moves within moves
constexpr int64_t kMostSamples = 65536;

// ---- moves

bool same_grid(const Real& a, const Real& b) {
  return is_plain(a) && is_plain(b) && per_tensor(a) && per_tensor(b) && a.scale == b.scale &&
         a.zero_point == b.zero_point;
}

// A padding value as an integer of the grid.
std::optional<int64_t> on_grid_of(const Real& x, double value) {
  const double ratio = value / static_cast<double>(x.scale[0]);
  if (!(std::fabs(ratio) <= 65536.0) || ratio != std::floor(ratio)) return std::nullopt;
  return static_cast<int64_t>(ratio) + x.zero_point;
}

// On the integers where all operands have the same grid; else in front of the next quantize.
bool moved(Pass& pass, const Node& node) {
  Real lazy{.kind = Real::Kind::moved, .scale = {1.0f}};
  lazy.node = &node;
  bool eager = true;
  std::vector<ValueId> operands;
  for (ValueId id : node.inputs) {
    if (!id.valid()) return false;
    if (old_type(pass, id).dtype != DType::float32) {
      operands.push_back(copy_value(pass.rebuild, pass.from, id));
      continue;
    }
    RealPtr x = plain_operand(pass, id);
    if (x == nullptr) x = real_of(pass, id);
    if (x == nullptr) return false;
    lazy.parts.push_back(x);
    lazy.depth = std::max(lazy.depth, x->depth + 1);
    eager = eager && same_grid(*lazy.parts[0], *x);
    operands.push_back(x->integers);
  }
  if (lazy.parts.empty()) return false;
  const Real first = *lazy.parts[0];
  Attributes attributes = node.attributes;
  if (node.op == "pad" && eager) {
    const std::optional<int64_t> value = on_grid_of(first, OpView{pass.from, node}.real("value"));
    eager = value.has_value();
    if (value) attributes["value"] = *value;
  }
  if (eager) {
    NewNode copy = named_after(pass, node, node.op);
    copy.inputs = operands;
    copy.attributes = std::move(attributes);
    const ValueId y = try_operator(pass, std::move(copy));
    if (!y.valid()) return false;
    set_real(pass, node, {.integers = y, .scale = first.scale, .zero_point = first.zero_point});
    return true;
  }
  if (lazy.depth > kMostDepth) return false;
  lazy.integers = first.integers;
  set_real(pass, node, std::move(lazy));
  return true;
}

// ---- sums

// The scale of the `quantize` behind the value, times what it is divided by on the way; 0 where
// something else reads it.
float next_scale(const Pass& pass, ValueId old) {
  float scale = 1;
  for (int64_t depth = 0; depth < kMostDepth; ++depth) {
    const std::vector<NodeId>& readers = pass.from.value(old).consumers;
    if (readers.empty()) return 0;
    const Node& reader = pass.from.node(readers[0]);
    const bool constant = reader.inputs.size() > 1 && reader.inputs[0] == old &&
                          float_constant(pass, reader.inputs[1]) != nullptr;
    if (reader.op == "quantize") {
      const Quantiser to = quantiser_of(pass, reader);
      return to.scale.size() == 1 ? scale * to.scale[0] : 0;
    }
    if (!constant) return 0;
    if (reader.op == "binary" && string_attribute(reader, "function") == "div") {
      scale *= float_constant(pass, reader.inputs[1])->float_at(0);
    } else if (reader.op != "bias_add") {
      return 0;
    }
    old = reader.output;
  }
  return 0;
}

// Whether sums of `count` elements, in results of this unit, lie halfway between two so often that
// float32's error, which depends on the order of summation, decides visibly many of them. Scales
// that are powers of two have no error.
bool ties_matter(const Real& x, const Range& range, int64_t count, double unit) {
  int exponent = 0;
  if (unit == 0 || std::frexp(x.scale[0], &exponent) == 0.5f) return false;
  const double ratio = static_cast<double>(x.scale[0]) / unit;
  const int64_t samples = std::min((range.hi - range.lo) * count + 1, kMostSamples);
  int64_t ties = 0;
  for (int64_t sum = 1; sum <= samples; ++sum) {
    const double result = static_cast<double>(sum) * ratio;
    const double distance = std::fabs(result - std::floor(result) - 0.5);
    if (distance < 1e-6 * std::max(1.0, result)) ++ties;
  }
  return ties * 2000 > samples;
}

Attributes window_of(const Attributes& attributes) {
  Attributes window;
  for (const char* name : {"kernel_h", "kernel_w", "stride_h", "stride_w", "pad_top", "pad_left",
                           "pad_bottom", "pad_right"})
    window[name] = attributes.at(name);
  return window;
}

Attributes window(int64_t kernel_h, int64_t kernel_w) {
  return {{"kernel_h", kernel_h},     {"kernel_w", kernel_w},   {"stride_h", int64_t{1}},
          {"stride_w", int64_t{1}},   {"pad_top", int64_t{0}},  {"pad_left", int64_t{0}},
          {"pad_bottom", int64_t{0}}, {"pad_right", int64_t{0}}};
}

NewNode stage(const Pass& pass, const Node& node, const std::string& suffix, std::string op,
              ValueId x, Attributes attributes) {
  NewNode result = named_after(pass, node, std::move(op));
  result.name += suffix;
  result.value_name += suffix;
  result.inputs = {x};
  result.attributes = std::move(attributes);
  return result;
}

// The integer sum of each window.
bool integer_sum(Pass& pass, const Node& node, const Real& x, Attributes attributes,
                 int64_t count) {
  attributes["x_zero_point"] = x.zero_point;
  const ValueId sum =
      try_operator(pass, stage(pass, node, "", "sum_pool", x.integers, std::move(attributes)));
  if (!sum.valid()) return false;
  set_real(pass, node, {.integers = sum, .scale = {x.scale[0] / static_cast<float>(count)}});
  return true;
}

// The float32 mean from the sum, as the node's value.
bool finish_mean(Pass& pass, const Node& node, ValueId sum, int64_t count) {
  if (!sum.valid()) return false;
  const ValueId divisor = add_constant(pass.rebuild.to, node.name + "_count",
                                       Tensor::of_floats({1}, {static_cast<float>(count)}));
  NewNode mean = named_after(pass, node, "binary");
  mean.inputs = {sum, divisor};
  mean.attributes = {{"function", std::string("div")}};
  const ValueId y = try_operator(pass, std::move(mean));
  if (!y.valid()) return false;
  pass.rebuild.ids[static_cast<size_t>(node.output.index)] = y;
  return true;
}

ValueId real_sum(Pass& pass, const Node& node, const std::string& suffix, ValueId x,
                 Attributes attributes) {
  return try_operator(pass, stage(pass, node, suffix, "sum_pool", x, std::move(attributes)));
}

// In float32, in the order of ONNX Runtime's pools
// (onnxruntime/core/mlas/lib/pooling.cpp): each column of the window from top to bottom, then the
// columns from left to right; where a stride is over 2, or a kernel over 32, row by row.
bool ordered_sum(Pass& pass, const Node& node, const Real& x, const Attributes& attributes,
                 int64_t count) {
  const auto number = [&](const char* name) { return std::get<int64_t>(attributes.at(name)); };
  Attributes first = attributes;
  first["x_zero_point"] = x.zero_point;
  first["scale"] = static_cast<double>(x.scale[0]);
  const bool columns =
      number("stride_w") <= 2 && number("kernel_h") <= 32 && number("kernel_w") <= 32;
  if (!columns || number("kernel_h") == 1 || number("kernel_w") == 1)
    return finish_mean(pass, node, real_sum(pass, node, "_sum", x.integers, first), count);
  Attributes second = window(1, number("kernel_w"));
  for (const char* name : {"stride_w", "pad_left", "pad_right"}) second[name] = attributes.at(name);
  first["kernel_w"] = first["stride_w"] = int64_t{1};
  first["pad_left"] = first["pad_right"] = int64_t{0};
  const ValueId column = real_sum(pass, node, "_columns", x.integers, first);
  if (!column.valid()) return false;
  return finish_mean(pass, node, real_sum(pass, node, "_sum", column, second), count);
}

// The same for a pool over the whole image: four sums, of every fourth element each, then
// (0 + 2) + (1 + 3).
bool ordered_global_sum(Pass& pass, const Node& node, const Real& x, const Shape& shape) {
  const int64_t count = shape[2] * shape[3];
  if (count % 4 != 0) return false;
  const auto view = [&](ValueId from, const std::string& suffix, const Shape& to) {
    return try_operator(pass, stage(pass, node, suffix, "reshape", from, {{"shape", to}}));
  };
  const ValueId quarters = view(x.integers, "_by_four", {shape[0], shape[1], count / 4, 4});
  if (!quarters.valid()) return false;
  Attributes first = window(count / 4, 1);
  first["x_zero_point"] = x.zero_point;
  first["scale"] = static_cast<double>(x.scale[0]);
  const ValueId lanes = real_sum(pass, node, "_lanes", quarters, first);
  if (!lanes.valid()) return false;
  const ValueId square = view(lanes, "_square", {shape[0], shape[1], 2, 2});
  const ValueId halves = real_sum(pass, node, "_halves", square, window(2, 1));
  if (!halves.valid()) return false;
  return finish_mean(pass, node, real_sum(pass, node, "_sum", halves, window(1, 2)), count);
}

// ---- means

bool mean_of(Pass& pass, const Node& node, const Attributes& attributes, bool whole) {
  const RealPtr x = plain_operand(pass, node.inputs[0]);
  if (x == nullptr) return false;
  const TensorType type = type_of(pass.rebuild.to, x->integers);
  const int64_t count =
      std::get<int64_t>(attributes.at("kernel_h")) * std::get<int64_t>(attributes.at("kernel_w"));
  const double unit =
      static_cast<double>(next_scale(pass, node.output)) * static_cast<double>(count);
  if (ties_matter(*x, type.range, count, unit) &&
      (whole ? ordered_global_sum(pass, node, *x, type.shape)
             : ordered_sum(pass, node, *x, attributes, count))) {
    return true;
  }
  return integer_sum(pass, node, *x, attributes, count);
}

bool average_pool(Pass& pass, const Node& node) {
  const OpView op{pass.from, node};
  const Attributes attributes = window_of(node.attributes);
  const auto number = [&](const char* name) { return std::get<int64_t>(attributes.at(name)); };
  const bool padded = number("pad_top") != 0 || number("pad_left") != 0 ||
                      number("pad_bottom") != 0 || number("pad_right") != 0;
  if (padded && op.attribute("count_include_pad") == 0) return false;  // the divisor varies
  const Shape& shape = old_type(pass, node.inputs[0]).shape;
  const bool whole = !padded && number("kernel_h") == shape[2] && number("kernel_w") == shape[3] &&
                     number("stride_h") == 1 && number("stride_w") == 1;
  return mean_of(pass, node, attributes, whole);
}

bool global_average_pool(Pass& pass, const Node& node) {
  const Shape& shape = old_type(pass, node.inputs[0]).shape;
  return mean_of(pass, node, window(shape[2], shape[3]), true);
}

// A mean that an importer took apart, as ONNX Runtime does for quantised tensors
// (onnxruntime/contrib_ops/cpu/quantization/qlinear_pool.cc): integers over the whole image, else
// float32 sums row by row.
bool sum_pool(Pass& pass, const Node& node) {
  const RealPtr x = plain_operand(pass, node.inputs[0]);
  if (x == nullptr) return false;
  const Attributes attributes = window_of(node.attributes);
  const int64_t kernel[] = {std::get<int64_t>(attributes.at("kernel_h")),
                            std::get<int64_t>(attributes.at("kernel_w"))};
  const TensorType type = type_of(pass.rebuild.to, x->integers);
  const bool whole = kernel[0] == type.shape[2] && kernel[1] == type.shape[3];
  if (whole || !ties_matter(*x, type.range, kernel[0] * kernel[1], next_scale(pass, node.output)))
    return integer_sum(pass, node, *x, attributes, 1);
  Attributes reals = attributes;
  reals["x_zero_point"] = x->zero_point;
  reals["scale"] = static_cast<double>(x->scale[0]);
  const ValueId y = real_sum(pass, node, "", x->integers, std::move(reals));
  if (y.valid()) pass.rebuild.ids[static_cast<size_t>(node.output.index)] = y;
  return y.valid();
}

// Neighbouring dimensions, seen as the rows of an image.
bool reduce(Pass& pass, const Node& node) {
  const std::string& name = string_attribute(node, "function");
  const RealPtr x = plain_operand(pass, node.inputs[0]);
  if (x == nullptr || (name != "mean" && name != "sum")) return false;
  std::vector<int64_t> axes = std::get<std::vector<int64_t>>(node.attributes.at("axes"));
  std::sort(axes.begin(), axes.end());
  for (size_t i = 1; i < axes.size(); ++i) {
    if (axes[i] != axes[i - 1] + 1) return false;
  }
  if (axes.empty()) return false;
  const Shape& shape = old_type(pass, node.inputs[0]).shape;
  Shape image{1, 1, 1, 1};
  for (int64_t d = 0; d < std::ssize(shape); ++d)
    image[d < axes.front() ? 0 : d > axes.back() ? 3 : 2] *= shape[static_cast<size_t>(d)];
  const ValueId rows =
      try_operator(pass, stage(pass, node, "_rows", "reshape", x->integers, {{"shape", image}}));
  if (!rows.valid()) return false;
  Attributes attributes = window(image[2], 1);
  attributes["x_zero_point"] = x->zero_point;
  const ValueId sum =
      try_operator(pass, stage(pass, node, "_sum", "sum_pool", rows, std::move(attributes)));
  if (!sum.valid()) return false;
  const ValueId y = try_operator(
      pass, stage(pass, node, "", "reshape", sum, {{"shape", old_type(pass, node.output).shape}}));
  if (!y.valid()) return false;
  const float count = name == "mean" ? static_cast<float>(image[2]) : 1.0f;
  set_real(pass, node, {.integers = y, .scale = {x->scale[0] / count}});
  return true;
}

}  // namespace

std::vector<RuleEntry> pool_rules() {
  return {{"average_pool", average_pool},
          {"concat", moved},
          {"flatten", moved},
          {"gather", moved},
          {"global_average_pool", global_average_pool},
          {"max_pool", moved},
          {"pad", moved},
          {"reduce", reduce},
          {"reshape", moved},
          {"slice", moved},
          {"sum_pool", sum_pool},
          {"transpose", moved}};
}

}  // namespace heddle::integerising
