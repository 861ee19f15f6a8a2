#include "unit/ops/helpers.h"

#include <cmath>

namespace heddle::test {
namespace {

Attributes random_pads(Random& r, int64_t most) {
  Attributes attributes;
  for (const char* name : {"pad_top", "pad_left", "pad_bottom", "pad_right"}) {
    attributes[name] = r.coin() ? r.between(0, most) : int64_t{0};
  }
  return attributes;
}

Attributes random_window(Random& r) {
  return with(random_pads(r, 2), {{"stride_h", r.between(1, 3)}, {"stride_w", r.between(1, 3)}});
}

Attributes random_conv(Random& r) {
  return with(random_window(r), {{"dilation_h", r.between(1, 2)}, {"dilation_w", r.between(1, 3)}});
}

Shape image(Random& r, int64_t channels) {
  return {r.between(1, 2), channels, r.between(1, 7), r.between(1, 7)};
}

Shape any_shape(Random& r, int64_t least_rank) {
  Shape shape(static_cast<size_t>(r.between(least_rank, 5)));
  for (int64_t& dim : shape) dim = r.between(1, 4);
  return shape;
}

// The default, or a number.
Attributes random_zero_point(Random& r, bool real) {
  if (real || r.coin()) return {};
  return {{"x_zero_point", r.between(-130, 130)}};
}

Graph conv2d(Random& r) {
  const int64_t group = r.between(1, 3), c = r.between(1, 3), k = r.between(1, 3);
  const bool real = r.between(0, 3) == 0;
  return graph_of(
      "conv2d", with(with(random_conv(r), random_zero_point(r, real)), {{"group", group}}),
      {r.either(image(r, group * c), real),
       r.either_constant({group * k, c, r.between(1, 3), r.between(1, 3)}, {-128, 127}, real)});
}

Graph depthwise_conv2d(Random& r) {
  const int64_t k = r.between(1, 4);
  const bool real = r.between(0, 3) == 0;
  return graph_of("depthwise_conv2d", with(random_conv(r), random_zero_point(r, real)),
                  {r.either(image(r, k), real),
                   r.either_constant({k, 1, r.between(1, 3), r.between(1, 3)}, {-128, 127}, real)});
}

Graph dense(Random& r) {
  const int64_t c = r.between(1, 9);
  const bool real = r.between(0, 3) == 0;
  return graph_of("dense", random_zero_point(r, real),
                  {r.either({r.between(1, 3), c}, real),
                   r.either_constant({r.between(1, 5), c}, {-128, 127}, real)});
}

Graph dequantize(Random& r) {
  const Shape shape = any_shape(r, 1);
  const int64_t axis = r.between(0, std::ssize(shape) - 1);
  return graph_of("dequantize", {{"axis", axis}, {"zero_point", r.between(-200, 200)}},
                  {activation(shape, r.range()),
                   r.scale_of(r.coin() ? Shape{shape[static_cast<size_t>(axis)]} : Shape{})});
}

Graph quantize(Random& r) {
  const Shape shape = any_shape(r, 1);
  const int64_t axis = r.between(0, std::ssize(shape) - 1);
  const Range bounds[] = {{-128, 127}, {0, 255}, {-7, 7}, {-32768, 32767}};
  const Range bound = bounds[r.between(0, 3)];
  const char* const roundings[] = {"half_even", "half_away", "floor", "ceil", "truncate"};
  return graph_of("quantize",
                  {{"axis", axis},
                   {"zero_point", r.between(-130, 130)},
                   {"rounding", std::string(roundings[r.between(0, 4)])},
                   {"lo", bound.lo},
                   {"hi", bound.hi}},
                  {real_activation(shape),
                   r.coin() ? real_constant({}, {r.coin() ? 0.0625f : 0.0371f})
                            : r.scale_of({shape[static_cast<size_t>(axis)]})});
}

Graph bias_add(Random& r) {
  const Shape shape = any_shape(r, 1);
  const int64_t axis = r.between(0, std::ssize(shape) - 1);
  const bool real = r.between(0, 3) == 0;
  return graph_of(
      "bias_add", {{"axis", axis}},
      {r.either(shape, real),
       r.either_constant({shape[static_cast<size_t>(axis)]}, {-100000, 100000}, real)});
}

// Two shapes that broadcast.
std::pair<Shape, Shape> broadcast_shapes(Random& r) {
  Shape a = any_shape(r, 0);
  Shape b = a;
  for (int64_t& dim : a) dim = r.between(0, 4) == 0 ? 1 : dim;
  for (int64_t& dim : b) dim = r.between(0, 4) == 0 ? 1 : dim;
  Shape& shorter = r.coin() ? a : b;
  shorter.erase(shorter.begin(), shorter.begin() + r.between(0, std::ssize(shorter)));
  return {a, b};
}

Graph add(Random& r) {
  const auto [a, b] = broadcast_shapes(r);
  const bool real = r.between(0, 3) == 0;
  return graph_of("add", {}, {r.either(a, real), r.either(b, real)});
}

Graph binary(Random& r) {
  const auto [a, b] = broadcast_shapes(r);
  const char* const functions[] = {"div", "max", "min", "pow", "sub"};
  return graph_of("binary", {{"function", std::string(functions[r.between(0, 4)])}},
                  {real_activation(a), r.coin() ? real_activation(b) : r.scale_of(b)});
}

Graph unary(Random& r) {
  const char* const functions[] = {
      "abs",   "ceil",         "celu",       "cos",        "elu",      "erf",     "exp",
      "floor", "gelu",         "gelu_tanh",  "log",        "mish",     "neg",     "reciprocal",
      "round", "hard_sigmoid", "hard_swish", "leaky_relu", "selu",     "sigmoid", "sign",
      "sin",   "softplus",     "softsign",   "sqrt",       "swish",    "tanh",    "thresholded_relu"};
  return graph_of("unary",
                  {{"function", std::string(functions[r.between(0, std::ssize(functions) - 1)])},
                   {"alpha", static_cast<double>(r.between(1, 90)) / 60},
                   {"beta", static_cast<double>(r.between(-60, 90)) / 60}},
                  {real_activation(any_shape(r, 0))});
}

Graph reduce(Random& r) {
  const Shape shape = any_shape(r, 1);
  std::vector<int64_t> axes;
  for (int64_t d = 0; d < std::ssize(shape); ++d) {
    if (r.coin()) axes.push_back(d);
  }
  if (axes.empty()) axes.push_back(0);
  const char* const functions[] = {"max", "mean", "min", "prod", "sum"};
  return graph_of("reduce",
                  {{"function", std::string(functions[r.between(0, 4)])}, {"axes", axes}},
                  {real_activation(shape)});
}

Graph softmax(Random& r) {
  return graph_of("softmax", {{"log", r.between(0, 1)}}, {real_activation(any_shape(r, 1))});
}

Graph layer_norm(Random& r) {
  const Shape shape = any_shape(r, 1);
  const auto parameter = [&] { return r.coin() ? r.real_constant_of({shape.back()}) : absent(); };
  const Value scale = parameter(), shift = parameter();
  return graph_of("layer_norm", {{"epsilon", 1e-5}}, {real_activation(shape), scale, shift});
}

Graph requant(Random& r) {
  const Shape shape = any_shape(r, 1);
  const int64_t axis = r.between(0, std::ssize(shape) - 1);
  const Shape channels{shape[static_cast<size_t>(axis)]};
  const Range inputs[] = {
      {-128, 127}, {-100000, 90000}, {INT32_MIN, INT32_MAX}, {0, 1000}, {-5, -2}};
  const Range muls[] = {{-3, 3}, {1, 1}, {1, 255}, {-40000, 40000}, {INT32_MIN, INT32_MAX}};
  const Range adds[] = {{0, 0}, {-1000, 1000}, {INT32_MIN, INT32_MAX}};
  const char* const roundings[] = {"shift", "floor", "half_up", "tflite_double", "float"};
  const std::string rounding = roundings[r.between(0, 4)];
  const auto operand = [&](const Range* from, int64_t count) {
    if (rounding == "shift" || r.between(0, 3) == 0) return absent();
    return r.constant_of(r.coin()   ? channels
                         : r.coin() ? Shape{}
                                    : Shape{1},
                         from[r.between(0, count - 1)]);
  };
  const Range bounds[] = {{-128, 127}, {0, 255}, {0, 127}, {-7, 7}, {INT32_MIN, INT32_MAX}, {3, 3}};
  const Range bound = bounds[r.between(0, 5)];
  const int64_t shift = r.between(0, 3) == 0 ? r.between(0, 62) : r.between(0, 20);
  const Value x = activation(shape, inputs[r.between(0, 4)]);
  Attributes attributes{{"axis", axis}, {"rounding", rounding}, {"lo", bound.lo}, {"hi", bound.hi}};
  attributes["zero_point"] = r.coin() ? int64_t{0} : r.between(-130, 130);
  if (rounding == "float") {
    attributes["shift"] = int64_t{0};
    attributes["x_zero_point"] = r.coin() ? int64_t{0} : r.between(-130, 130);
    return graph_of("requant", attributes, {x, r.scale_of(r.coin() ? channels : Shape{})});
  }
  const Value shifts = r.coin() ? absent() : r.constant_of(channels, {0, 9});
  if (rounding == "tflite_double") {
    const Range q31[] = {{1 << 30, INT32_MAX}, {-INT32_MAX, INT32_MAX}};
    attributes["shift"] = r.between(24, 45);
    return graph_of("requant", attributes,
                    {x, r.constant_of(r.coin() ? channels : Shape{}, q31[r.between(0, 1)]),
                     absent(), shifts});
  }
  attributes["shift"] = shift;
  const Value mul = operand(muls, 5), more = operand(adds, 3);
  return graph_of("requant", attributes, {x, mul, more, shifts});
}

Graph relu(Random& r) {
  const Shape shape = any_shape(r, 0);
  return graph_of("relu", {}, {r.either(shape, r.between(0, 3) == 0)});
}

Graph clip(Random& r) {
  const int64_t lo = r.between(-150, 150);
  if (r.between(0, 3) == 0) {
    const double least = static_cast<double>(lo) / 30;
    return graph_of("clip", {{"lo", least}, {"hi", least + 2.25}},
                    {real_activation(any_shape(r, 0))});
  }
  return graph_of("clip", {{"lo", lo}, {"hi", lo + r.between(0, 300)}},
                  {activation(any_shape(r, 0), r.range())});
}

Attributes random_pool(Random& r) {
  return with(random_window(r), {{"kernel_h", r.between(1, 4)}, {"kernel_w", r.between(1, 4)}});
}

Graph max_pool(Random& r) {
  const Shape shape = image(r, 2);
  return graph_of("max_pool", random_pool(r), {r.either(shape, r.between(0, 3) == 0)});
}

Graph average_pool(Random& r) {
  if (r.between(0, 3) == 0) {
    return graph_of("average_pool", with(random_pool(r), {{"count_include_pad", r.between(0, 1)}}),
                    {real_activation(image(r, 2))});
  }
  return graph_of("average_pool",
                  with(random_pool(r), {{"count_include_pad", r.between(0, 1)},
                                        {"rounding", std::string(r.coin() ? "half_up" : "half_away")}}),
                  {activation(image(r, 2), r.coin() ? Range{-100000000, 90000000} : r.range())});
}

Graph global_average_pool(Random& r) {
  if (r.between(0, 3) == 0)
    return graph_of("global_average_pool", {}, {real_activation(image(r, 3))});
  return graph_of("global_average_pool", {},
                  {activation(image(r, 3), r.coin() ? Range{-40000000, 43826196} : r.range())});
}

Graph flatten(Random& r) {
  const Shape shape = any_shape(r, 0);
  return graph_of("flatten", {{"axis", r.between(0, std::ssize(shape))}},
                  {r.either(shape, r.between(0, 3) == 0)});
}

Graph reshape(Random& r) {
  return graph_of("reshape", {{"shape", std::vector<int64_t>{4, 1, 6}}},
                  {r.either({2, 3, 4}, r.between(0, 3) == 0)});
}

Graph pad(Random& r) {
  if (r.between(0, 3) == 0) {
    return graph_of("pad", with(random_pads(r, 3), {{"value", -0.3}}),
                    {real_activation(image(r, 2))});
  }
  return graph_of("pad", with(random_pads(r, 3), {{"value", r.between(-200, 200)}}),
                  {activation(image(r, 2), r.range())});
}

Graph i_softmax(Random& r) {
  const int64_t log2 = r.between(1, 60);
  return graph_of("i_softmax",
                  {{"coeff_a", r.between(0, 300)},
                   {"coeff_b", r.between(0, 400)},
                   {"coeff_c", r.between(0, 100000)},
                   {"log2", log2},
                   {"levels", r.coin() ? int64_t{256} : int64_t{128}}},
                  {activation(any_shape(r, 1), r.range())});
}

Graph tflite_add(Random& r) {
  Shape a = any_shape(r, 0);
  Shape b = a;
  for (int64_t& dim : b) dim = r.between(0, 4) == 0 ? 1 : dim;
  const Range range = r.coin() ? Range{-128, 127} : Range{0, 255};
  const int64_t zero = r.between(range.lo, range.hi), other = r.between(range.lo, range.hi);
  const auto mul = [&] { return r.coin() ? r.between(1 << 30, INT32_MAX) : int64_t{1} << 30; };
  return graph_of("tflite_add",
                  {{"left_shift", r.coin() ? int64_t{20} : r.between(0, 22)},
                   {"x_zero_point", zero},
                   {"x_mul", mul()},
                   {"x_shift", r.between(0, 5)},
                   {"residual_zero_point", other},
                   {"residual_mul", mul()},
                   {"residual_shift", r.between(0, 5)},
                   {"subtract", r.between(0, 1)},
                   {"mul", mul()},
                   {"shift", r.between(0, 21)},
                   {"zero_point", r.between(-128, 127)},
                   {"lo", r.between(-128, -100)},
                   {"hi", r.between(0, 127)}},
                  {activation(a, range), activation(b, range)});
}

Graph tflite_softmax(Random& r) {
  std::vector<float> table(256);
  for (size_t i = 0; i < table.size(); ++i)
    table[i] = std::exp(static_cast<float>(static_cast<int64_t>(i) - 255) * 0.0625f);
  const bool is_signed = r.coin();
  return graph_of("tflite_softmax",
                  {{"scale", 1.0 / 256},
                   {"zero_point", is_signed ? int64_t{-128} : int64_t{0}},
                   {"lo", is_signed ? int64_t{-128} : int64_t{0}},
                   {"hi", is_signed ? int64_t{127} : int64_t{255}}},
                  {activation(any_shape(r, 1), is_signed ? Range{-128, 127} : Range{0, 255}),
                   real_constant({256}, table)});
}

Graph transpose(Random& r) {
  const Shape shape = any_shape(r, 0);
  std::vector<int64_t> perm;
  for (int64_t d = 0; d < std::ssize(shape); ++d)
    perm.insert(perm.begin() + r.between(0, d), d);
  return graph_of("transpose", {{"perm", perm}}, {activation(shape, r.range())});
}

Graph slice(Random& r) {
  const Shape shape = any_shape(r, 0);
  std::vector<int64_t> starts, ends, steps;
  for (const int64_t dim : shape) {
    const int64_t a = r.between(0, dim - 1), b = r.between(0, dim - 1);
    const bool backwards = r.between(0, 3) == 0;
    starts.push_back(backwards ? std::max(a, b) : std::min(a, b));
    ends.push_back(backwards ? std::min(a, b) - 1 : std::max(a, b) + 1);
    steps.push_back(r.between(1, 3) * (backwards ? -1 : 1));
  }
  return graph_of("slice", {{"starts", starts}, {"ends", ends}, {"steps", steps}},
                  {activation(shape, r.range())});
}

Graph concat(Random& r) {
  Shape shape = any_shape(r, 1);
  const int64_t axis = r.between(0, std::ssize(shape) - 1);
  std::vector<Value> parts;
  for (int64_t i = r.between(1, 4); i > 0; --i) {
    shape[static_cast<size_t>(axis)] = r.between(1, 4);
    parts.push_back(r.between(0, 3) == 0 ? r.constant_of(shape, r.range())
                                         : activation(shape, r.range()));
  }
  return graph_of("concat", {{"axis", axis}}, parts);
}

Graph gather(Random& r) {
  const Shape shape = any_shape(r, 1);
  const int64_t axis = r.between(0, std::ssize(shape) - 1);
  const int64_t dim = shape[static_cast<size_t>(axis)];
  Shape chosen(static_cast<size_t>(r.between(0, 2)));
  for (int64_t& d : chosen) d = r.between(1, 4);
  const Range range{r.coin() ? -dim : 0, r.between(0, dim - 1)};
  return graph_of("gather", {{"axis", axis}},
                  {activation(shape, r.range()),
                   r.coin() ? r.constant_of(chosen, range) : activation(chosen, range)});
}

// Ranges that need 64 bits in between are among them.
Range row_range(Random& r) {
  const Range ranges[] = {{-128, 127}, {0, 255}, {-40000, 40000}, {-900000000, 1000000000}};
  return ranges[r.between(0, std::ssize(ranges) - 1)];
}

Graph i_rms_norm(Random& r) {
  const Shape shape = any_shape(r, 1);
  const Range weights = r.coin() ? Range{-300, 4000000} : Range{INT32_MIN, INT32_MAX};
  return graph_of("i_rms_norm",
                  {{"shift", r.between(0, 30)}, {"lo", int64_t{-128}}, {"hi", int64_t{127}}},
                  {activation(shape, row_range(r)), r.constant_of({shape.back()}, weights)});
}

Graph i_layer_norm(Random& r) {
  const Shape shape = any_shape(r, 1);
  const Range weights = r.coin() ? Range{-300, 300000} : Range{INT32_MIN, INT32_MAX};
  return graph_of("i_layer_norm",
                  {{"shift", r.between(0, 30)}, {"lo", int64_t{-128}}, {"hi", int64_t{127}}},
                  {activation(shape, row_range(r)), r.constant_of({shape.back()}, weights),
                   r.constant_of({shape.back()}, {-40000, 40000})});
}

Graph i_gelu(Random& r) {
  return graph_of("i_gelu", {{"b", -r.between(0, 300)}, {"one", r.between(-100, 30000)}},
                  {activation(any_shape(r, 0), r.range())});
}

Graph i_hardswish(Random& r) {
  const int64_t three = r.between(-10, 300);
  return graph_of(
      "i_hardswish",
      {{"three", three}, {"six", r.between(0, 600)}, {"one_over_six", r.between(-20, 50)}},
      {activation(any_shape(r, 0), r.range())});
}

Graph ita_max(Random& r) {
  return graph_of("ita_max", {{"levels", r.coin() ? int64_t{256} : r.between(2, INT32_MAX)}},
                  {activation(any_shape(r, 1), row_range(r))});
}

Graph ita_partial_max(Random& r) {
  Shape shape = any_shape(r, 1);
  const int64_t group = r.between(1, 3);
  shape.back() *= group;
  return graph_of(
      "ita_partial_max",
      {{"levels", r.coin() ? int64_t{256} : r.between(4, INT32_MAX)}, {"group", group}},
      {activation(shape, row_range(r))});
}

Attributes random_zero_points(Random& r, bool real) {
  if (real || r.coin()) return {};
  return {{"x_zero_point", r.between(-130, 255)}, {"w_zero_point", r.between(-130, 255)}};
}

Graph matmul(Random& r) {
  auto [x, w] = broadcast_shapes(r);
  if (x.size() > 3) x.resize(3);
  if (w.size() > 3) w.resize(3);
  const int64_t length = r.between(1, 6);
  x.insert(x.end(), {r.between(1, 4), length});
  w.insert(w.end(), {length, r.between(1, 4)});
  const bool real = r.between(0, 3) == 0;
  return graph_of("matmul", random_zero_points(r, real), {r.either(x, real), r.either(w, real)});
}

Graph mean(Random& r) {
  const Shape shape = any_shape(r, 1);
  std::vector<int64_t> axes;
  for (int64_t d = 0; d < std::ssize(shape); ++d) {
    if (r.coin()) axes.push_back(d);
  }
  return graph_of("mean", {{"axes", axes}}, {activation(shape, r.range())});
}

Graph mul(Random& r) {
  const auto [x, w] = broadcast_shapes(r);
  const bool real = r.between(0, 3) == 0;
  return graph_of("mul", random_zero_points(r, real), {r.either(x, real), r.either(w, real)});
}

Graph true_div(Random& r) {
  const auto [x, divisor] = broadcast_shapes(r);
  return graph_of(
      "true_div",
      {{"delta", r.between(0, 300)}, {"eta", r.between(0, 200)}, {"eps", r.between(1, 5)}},
      {activation(x, r.range()), activation(divisor, {0, r.between(0, 300)})});
}

Graph lookup(Random& r) {
  const Range ranges[] = {{-128, 127}, {0, 255}, {5, 9}, {3, 3}};
  const Range range = ranges[r.between(0, 3)];
  const int64_t first = range.lo - r.between(0, 2);
  const int64_t count = range.hi - first + 1 + r.between(0, 2);
  const Range results[] = {{-128, 127}, {0, 255}, {-30000, 30000}};
  return graph_of("lookup", {{"first", first}},
                  {activation(any_shape(r, 0), range),
                   r.constant_of({count}, results[r.between(0, 2)])});
}

Graph qadd(Random& r) {
  Shape a = any_shape(r, 0);
  Shape b = a;
  for (int64_t& dim : b) dim = r.between(0, 4) == 0 ? 1 : dim;
  b.erase(b.begin(), b.begin() + r.between(0, std::ssize(b)));
  const double scales[] = {0.0625, 0.03f, 0.0117f, 1.5};
  const auto scale = [&] { return scales[r.between(0, 3)]; };
  const Range bounds[] = {{-128, 127}, {0, 255}, {-7, 7}, {-32768, 32767}};
  const Range bound = bounds[r.between(0, 3)];
  return graph_of("qadd",
                  {{"x_scale", scale()},
                   {"residual_scale", r.coin() ? scale() : -scale()},
                   {"scale", scale()},
                   {"x_zero_point", r.between(-130, 130)},
                   {"residual_zero_point", r.between(-130, 130)},
                   {"zero_point", r.between(-130, 130)},
                   {"lo", bound.lo},
                   {"hi", bound.hi}},
                  {activation(a, r.range()), activation(b, r.range())});
}

Graph sum_pool(Random& r) {
  const bool real = r.between(0, 3) == 0;
  Attributes attributes = with(random_pool(r), random_zero_point(r, real));
  if (!real && r.coin()) attributes["scale"] = static_cast<double>(0.0117f);
  return graph_of("sum_pool", attributes, {r.either(image(r, 2), real)});
}

const std::map<std::string, Graph (*)(Random&)>& makers() {
  static const std::map<std::string, Graph (*)(Random&)> table = {
      {"binary", binary},
      {"dequantize", dequantize},
      {"lookup", lookup},
      {"qadd", qadd},
      {"sum_pool", sum_pool},
      {"quantize", quantize},
      {"layer_norm", layer_norm},
      {"reduce", reduce},
      {"softmax", softmax},
      {"unary", unary},
      {"conv2d", conv2d},     {"depthwise_conv2d", depthwise_conv2d},
      {"dense", dense},       {"bias_add", bias_add},
      {"add", add},           {"requant", requant},
      {"relu", relu},         {"clip", clip},
      {"max_pool", max_pool}, {"average_pool", average_pool},
      {"flatten", flatten},   {"global_average_pool", global_average_pool},
      {"reshape", reshape},   {"pad", pad},
      {"transpose", transpose},
      {"slice", slice},       {"concat", concat},
      {"gather", gather},
      {"tflite_add", tflite_add},
      {"tflite_softmax", tflite_softmax},
      {"i_gelu", i_gelu},     {"i_hardswish", i_hardswish},
      {"i_layer_norm", i_layer_norm},
      {"i_rms_norm", i_rms_norm},
      {"i_softmax", i_softmax},
      {"ita_max", ita_max},   {"ita_partial_max", ita_partial_max},
      {"matmul", matmul},     {"mean", mean},
      {"mul", mul},           {"true_div", true_div},
  };
  return table;
}

}  // namespace

bool can_make(const std::string& op) { return makers().contains(op); }

Graph random_graph(Random& random, const std::string& op) {
  for (int attempt = 0; attempt < 1000; ++attempt) {
    Graph graph = makers().at(op)(random);
    if (infer(graph).ok()) return inferred(std::move(graph));
  }
  internal_error(__FILE__, __LINE__, "no acceptable random " + op);
}

std::string fill_holes(std::string_view body, const std::map<std::string, std::string>& holes) {
  const auto is_name = [](char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
  };
  std::string text;
  for (size_t i = 0; i < body.size();) {
    if (body[i] != '$') {
      text += body[i++];
      continue;
    }
    size_t end = i + 1;
    while (end < body.size() && is_name(body[end])) ++end;
    const std::string name(body.substr(i + 1, end - i - 1));
    const auto found = holes.find(name);
    HEDDLE_CHECK(found != holes.end(), "no text for the hole $" + name);
    text += found->second;
    i = end;
  }
  return text;
}

}  // namespace heddle::test
