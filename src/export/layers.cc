// Layers, pools and moves of data.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "export/lowering.h"

namespace heddle {
namespace {

using namespace onnx_file;
using Attributes = std::vector<onnx_file::Attribute>;

constexpr int64_t kExactInFloat = int64_t{1} << 24;

int64_t magnitude(const Range& range, int64_t zero_point) {
  return std::max(std::abs(range.lo - zero_point), std::abs(range.hi - zero_point));
}

Attributes window_attributes(const Lowering& l) {
  const auto at = [&](const char* name) { return l.op.attribute(name); };
  return {{"pads",
           std::vector<int64_t>{at("pad_top"), at("pad_left"), at("pad_bottom"), at("pad_right")}},
          {"strides", std::vector<int64_t>{at("stride_h"), at("stride_w")}}};
}

// Weights as sums of digits: w = d0 + d1 * base + ..., so that no sum of products with one digit
// leaves what float32 counts exactly.
struct Digits {
  int64_t base = 1;
  std::vector<std::vector<int64_t>> planes;
};

// The largest sum of |w| over the weights of one output.
int64_t largest_sum(const std::vector<int64_t>& weights, int64_t outputs) {
  const size_t length = weights.size() / static_cast<size_t>(outputs);
  int64_t largest = 0;
  for (size_t k = 0; k < static_cast<size_t>(outputs); ++k) {
    int64_t sum = 0;
    for (size_t i = k * length; i < (k + 1) * length; ++i) sum += std::abs(weights[i]);
    largest = std::max(largest, sum);
  }
  return largest;
}

std::vector<int64_t> take_digit(std::vector<int64_t>& rest, int64_t base) {
  std::vector<int64_t> digit;
  for (int64_t& w : rest) {
    int64_t d = w % base;
    if (d > base / 2) d -= base;
    if (d < -base / 2) d += base;
    digit.push_back(d);
    w = (w - d) / base;
  }
  return digit;
}

Digits split(const std::vector<int64_t>& weights, int64_t outputs, int64_t most_x) {
  const auto exact = [&](const std::vector<int64_t>& plane) {
    return largest_sum(plane, outputs) <= kExactInFloat / std::max<int64_t>(most_x, 1);
  };
  if (exact(weights)) return {1, {weights}};
  for (int64_t base = 1024; base >= 2; base /= 2) {
    Digits digits{base, {}};
    std::vector<int64_t> rest = weights;
    bool fits = true;
    while (fits && std::any_of(rest.begin(), rest.end(), [](int64_t w) { return w != 0; })) {
      digits.planes.push_back(take_digit(rest, base));
      fits = exact(digits.planes.back()) && digits.planes.size() < 32;
    }
    if (fits) return digits;
  }
  return {};
}

std::string convolution(Lowering& l) {
  const Tensor& weights = *l.op.constant(1);
  const bool depthwise = l.op.node.op == "depthwise_conv2d";
  Attributes attributes = window_attributes(l);
  attributes.push_back({"dilations", std::vector<int64_t>{l.op.attribute("dilation_h"),
                                                          l.op.attribute("dilation_w")}});
  attributes.push_back({"group", depthwise ? weights.shape()[0] : l.op.attribute("group")});
  if (l.real()) return l.add("Conv", {l.operand(0), l.operand(1)}, attributes);

  const int64_t zero_point = l.attribute_or("x_zero_point", 0);
  const int64_t most = magnitude(l.op.input(0).range, zero_point);
  const Digits digits = split(weights.to_ints(), weights.shape()[0], most);
  if (digits.planes.empty() || most > kExactInFloat) {
    l.fail(
        "its sums exceed 2^24 however its weights are split, and ONNX Runtime convolves in "
        "float32");
    return "";
  }
  const std::string x = l.cast(l.minus(l.operand(0), zero_point), Type::float32);
  std::string sum;
  int64_t scale = 1;
  for (const std::vector<int64_t>& plane : digits.planes) {
    const std::string w = l.constant(reals("", weights.shape(), {plane.begin(), plane.end()}));
    std::string part = l.cast(l.add("Conv", {x, w}, attributes), Type::int64);
    if (scale != 1) part = l.add("Mul", {part, l.number(scale)});
    sum = sum.empty() ? part : l.add("Add", {sum, part});
    scale *= digits.base;
  }
  return sum;
}

std::string dense(Lowering& l) {
  const Tensor& w = *l.op.constant(1);
  const int64_t outputs = w.shape()[0], inputs = w.shape()[1];
  Tensor turned(l.real() ? DType::float32 : DType::int64, {inputs, outputs});
  for (int64_t k = 0; k < outputs; ++k) {
    for (int64_t c = 0; c < inputs; ++c) {
      const int64_t from = k * inputs + c, to = c * outputs + k;
      l.real() ? turned.set_float(to, w.float_at(from)) : turned.set(to, w.at(from));
    }
  }
  const int64_t zero_point = l.real() ? 0 : l.attribute_or("x_zero_point", 0);
  return l.add("MatMul", {l.minus(l.operand(0), zero_point), l.constant(constant_of("", turned))});
}

std::string matmul(Lowering& l) {
  const bool real = l.real();
  const std::string x = l.minus(l.operand(0), real ? 0 : l.attribute_or("x_zero_point", 0));
  return l.add("MatMul", {x, l.minus(l.operand(1), real ? 0 : l.attribute_or("w_zero_point", 0))});
}

std::vector<int64_t> kernel_of(const Lowering& l) {
  return {l.op.attribute("kernel_h"), l.op.attribute("kernel_w")};
}

std::string max_pool(Lowering& l) {
  Attributes attributes = window_attributes(l);
  attributes.push_back({"kernel_shape", kernel_of(l)});
  if (l.real()) return l.add("MaxPool", {l.operand(0)}, attributes);
  return l.cast(l.add("MaxPool", {l.cast(l.operand(0), Type::float64)}, attributes), Type::int64);
}

// round(sum / count), halves up, or away from zero.
std::string mean_of(Lowering& l, const std::string& sum, const std::string& count, bool away) {
  const std::string two = l.number(int64_t{2});
  const std::string magnitude = away ? l.add("Abs", {sum}) : sum;
  const std::string mean = l.floor_div(l.add("Add", {l.add("Mul", {magnitude, two}), count}),
                                       l.add("Mul", {count, two}));
  return away ? l.add("Mul", {mean, l.add("Sign", {sum})}) : mean;
}

// How many elements of each window lie inside the image, [1, 1, oy, ox].
Constant window_counts(const Lowering& l) {
  const Shape& x = l.op.input(0).shape;
  const Shape& y = l.op.output().shape;
  const auto inside = [&](int64_t out, const char* stride, const char* pad, const char* kernel,
                          int64_t extent) {
    const int64_t begin = out * l.op.attribute(stride) - l.op.attribute(pad);
    return std::min(begin + l.op.attribute(kernel), extent) - std::max<int64_t>(begin, 0);
  };
  std::vector<int64_t> counts;
  for (int64_t oy = 0; oy < y[2]; ++oy) {
    for (int64_t ox = 0; ox < y[3]; ++ox) {
      counts.push_back(inside(oy, "stride_h", "pad_top", "kernel_h", x[2]) *
                       inside(ox, "stride_w", "pad_left", "kernel_w", x[3]));
    }
  }
  return integers("", {1, 1, y[2], y[3]}, counts);
}

// The sum of each window of integers, in int64.
std::string window_sums(Lowering& l, const std::string& x) {
  const std::vector<int64_t> kernel = kernel_of(l);
  const int64_t elements = kernel[0] * kernel[1];
  const int64_t channels = l.op.input(0).shape[1];
  if (magnitude(l.op.input(0).range, l.attribute_or("x_zero_point", 0)) >
      kExactInFloat / elements) {
    l.fail("the sums of its windows exceed 2^24, and ONNX Runtime adds them in float32");
    return "";
  }
  Attributes attributes = window_attributes(l);
  attributes.push_back({"group", channels});
  const std::string ones =
      l.constant(reals("", {channels, 1, kernel[0], kernel[1]},
                       std::vector<float>(static_cast<size_t>(channels * elements), 1.0f)));
  return l.cast(l.add("Conv", {l.cast(x, Type::float32), ones}, attributes), Type::int64);
}

std::string average_pool(Lowering& l) {
  const bool padding_counts = l.op.attribute("count_include_pad") != 0;
  if (l.real()) {
    Attributes attributes = window_attributes(l);
    attributes.push_back({"kernel_shape", kernel_of(l)});
    attributes.push_back({"count_include_pad", int64_t{padding_counts}});
    return l.add("AveragePool", {l.operand(0)}, attributes);
  }
  const std::vector<int64_t> kernel = kernel_of(l);
  const std::string sum = window_sums(l, l.operand(0));
  const std::string count =
      padding_counts ? l.number(kernel[0] * kernel[1]) : l.constant(window_counts(l));
  const auto rounding = l.op.node.attributes.find("rounding");
  const bool away = rounding != l.op.node.attributes.end() &&
                    rounding->second == heddle::Attribute{std::string("half_away")};
  return mean_of(l, sum, count, away);
}

std::string sum_pool(Lowering& l) {
  if (l.real() || l.op.output().dtype == DType::float32) {
    l.fail("ONNX has no sum of windows in float32");
    return "";
  }
  return window_sums(l, l.minus(l.operand(0), l.attribute_or("x_zero_point", 0)));
}

std::string mean_over(Lowering& l, const std::vector<int64_t>& axes) {
  int64_t count = 1;
  for (int64_t axis : axes) count *= l.op.input(0).shape[static_cast<size_t>(axis)];
  const std::string sum =
      l.add("ReduceSum", {l.operand(0), l.list(axes)}, {{"keepdims", int64_t{1}}});
  return mean_of(l, sum, l.number(count), false);
}

std::string global_average_pool(Lowering& l) {
  if (l.real()) return l.add("GlobalAveragePool", {l.operand(0)});
  return mean_over(l, {2, 3});
}

std::string mean(Lowering& l) {
  return mean_over(l, std::get<std::vector<int64_t>>(l.op.any_attribute("axes")));
}

std::string pad(Lowering& l) {
  const auto at = [&](const char* name) { return l.op.attribute(name); };
  const std::vector<int64_t> pads = {0, 0, at("pad_top"),    at("pad_left"),
                                     0, 0, at("pad_bottom"), at("pad_right")};
  const heddle::Attribute* value =
      l.op.node.attributes.contains("value") ? &l.op.node.attributes.at("value") : nullptr;
  std::string filler;
  if (l.real()) {
    const double* number = value == nullptr ? nullptr : std::get_if<double>(value);
    filler = l.number(number == nullptr ? 0.0f : static_cast<float>(*number));
  } else {
    filler = l.number(l.attribute_or("value", 0));
  }
  return l.add("Pad", {l.operand(0), l.list(pads), filler});
}

std::string view(Lowering& l) {
  return l.add("Reshape", {l.operand(0), l.list(l.op.output().shape)});
}

const std::vector<int64_t>& list_of(const Lowering& l, const char* name) {
  return std::get<std::vector<int64_t>>(l.op.any_attribute(name));
}

std::string transpose(Lowering& l) {
  return l.add("Transpose", {l.operand(0)}, {{"perm", list_of(l, "perm")}});
}

std::string slice(Lowering& l) {
  std::vector<int64_t> ends = list_of(l, "ends");
  std::vector<int64_t> axes;
  for (size_t d = 0; d < ends.size(); ++d) {
    axes.push_back(static_cast<int64_t>(d));
    if (ends[d] < 0) ends[d] = INT64_MIN;  // ONNX counts -1 from the end
  }
  return l.add("Slice", {l.operand(0), l.list(list_of(l, "starts")), l.list(ends), l.list(axes),
                         l.list(list_of(l, "steps"))});
}

std::string concat(Lowering& l) {
  std::vector<std::string> parts;
  for (size_t i = 0; i < l.op.node.inputs.size(); ++i) parts.push_back(l.operand(i));
  return l.add("Concat", parts, {{"axis", l.op.attribute("axis")}});
}

std::string gather(Lowering& l) {
  return l.add("Gather", {l.operand(0), l.operand(1)}, {{"axis", l.op.attribute("axis")}});
}

}  // namespace

std::vector<LoweringEntry> layer_lowerings() {
  return {{"average_pool", average_pool},
          {"concat", concat},
          {"conv2d", convolution},
          {"dense", dense},
          {"depthwise_conv2d", convolution},
          {"flatten", view},
          {"gather", gather},
          {"global_average_pool", global_average_pool},
          {"matmul", matmul},
          {"max_pool", max_pool},
          {"mean", mean},
          {"pad", pad},
          {"reshape", view},
          {"slice", slice},
          {"sum_pool", sum_pool},
          {"transpose", transpose}};
}

}  // namespace heddle
