// Operators on quantised tensors, QLinearConv and its like: their operands are dequantised, the
// operator's real counterpart computes, its result is quantised. The pass behind the translation
// makes integers of all three again.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "import/onnx/quant.h"
#include "import/onnx/sliding.h"

namespace heddle {
namespace {

// A tensor that the model does not have, named after the node's result.
std::string fresh_name(const Translation& t, const RawNode& node, const std::string& suffix) {
  std::string name = (node.outputs.empty() ? node.name : node.outputs[0]) + suffix;
  while (t.tensors.contains(name)) name += "_";
  return name;
}

RawNode helper_node(const RawNode& node, std::string op, std::vector<std::string> inputs,
                    std::string output) {
  return {.name = output,
          .op = std::move(op),
          .domain = {},
          .inputs = std::move(inputs),
          .outputs = {std::move(output)},
          .attributes = node.attributes};
}

struct Quantised {
  size_t x, scale, zero_point;  // operands
};

// The operand as real numbers, as a tensor of its own; nothing where it is broken.
std::optional<std::string> real_tensor(Translation& t, const RawNode& node, const Quantised& from,
                                       const std::string& suffix, int64_t axis = 1) {
  if (operand(t, node, from.x) == nullptr) return std::nullopt;
  std::optional<Grid> grid = read_grid(t, node, from.scale, from.zero_point);
  if (!grid) return std::nullopt;
  const std::string name = fresh_name(t, node, suffix);
  RawNode helper = helper_node(node, node.op, {node.inputs[from.x]}, name);
  helper.attributes.clear();
  Known broken;
  broken.broken = true;
  t.tensors[name] = broken;
  dequantise(t, helper, 0, *grid, axis);
  if (t.tensors[name].broken) return std::nullopt;
  return name;
}

bool compute(Translation& t, const RawNode& real) {
  std::vector<OperatorEntry> entries = real_operators();
  const std::vector<OperatorEntry> views = view_operators();
  entries.insert(entries.end(), views.begin(), views.end());
  const auto entry = std::find_if(entries.begin(), entries.end(),
                                  [&](const OperatorEntry& e) { return e.op == real.op; });
  if (entry == entries.end()) {
    fail(t, real, fmt::format("operator {} of real numbers is not supported", ticked(real.op)));
    return false;
  }
  Known broken;
  broken.broken = true;
  t.tensors[real.outputs[0]] = broken;
  entry->handler(t, real);
  return !t.tensors[real.outputs[0]].broken;
}

void quantise_tensor(Translation& t, const RawNode& node, const std::string& real,
                     const Grid& grid) {
  RawNode helper = node;
  helper.inputs = {real};
  quantise(t, helper, 0, grid, 1);
}

// `op` of the real operands, and its result on the grid of these operands.
void lower(Translation& t, const RawNode& node, const std::string& op,
           std::vector<std::string> operands, size_t scale, size_t zero_point) {
  std::optional<Grid> grid = read_grid(t, node, scale, zero_point);
  if (!grid) return;
  if (!grid->whole_tensor()) return fail(t, node, "the result has more than one scale");
  RawNode real = helper_node(node, op, std::move(operands), fresh_name(t, node, "_real"));
  if (compute(t, real)) quantise_tensor(t, node, real.outputs[0], *grid);
}

// The int32 bias in units of the accumulator, as a real constant.
std::optional<std::string> real_bias(Translation& t, const RawNode& node, size_t bias,
                                     size_t x_scale, size_t weight_scale, float alpha) {
  std::optional<std::vector<int64_t>> values = ints_operand(t, node, bias, "biases");
  std::optional<Grid> x = read_grid(t, node, x_scale, std::nullopt);
  std::optional<Grid> weights = read_grid(t, node, weight_scale, std::nullopt);
  if (!values || !x || !weights) return std::nullopt;
  if (weights->scale.size() != 1 && weights->scale.size() != values->size()) {
    fail(t, node, fmt::format("{} biases for {} scales", values->size(), weights->scale.size()));
    return std::nullopt;
  }
  Tensor reals(DType::float32, {std::ssize(*values)});
  for (size_t k = 0; k < values->size(); ++k) {
    const float unit = x->scale[0] * alpha * weights->scale[weights->whole_tensor() ? 0 : k];
    reals.set_float(static_cast<int64_t>(k), static_cast<float>((*values)[k]) * unit);
  }
  Known known;
  known.constant = raw_constant(reals, kOnnxFloat);
  known.constant->name = fresh_name(t, node, "_bias_real");
  const std::string name = known.constant->name;
  t.tensors[name] = std::move(known);
  return name;
}

void conv(Translation& t, const RawNode& node) {
  std::optional<std::string> x = real_tensor(t, node, {0, 1, 2}, "_x");
  std::optional<std::string> w = real_tensor(t, node, {3, 4, 5}, "_weights", 0);
  if (!x || !w) return;
  std::vector<std::string> operands{*x, *w};
  if (has_operand(node, 8)) {
    std::optional<std::string> bias = real_bias(t, node, 8, 1, 4, 1.0f);
    if (!bias) return;
    operands.push_back(*bias);
  }
  lower(t, node, "Conv", std::move(operands), 6, 7);
}

void matmul(Translation& t, const RawNode& node) {
  std::optional<std::string> a = real_tensor(t, node, {0, 1, 2}, "_a", -2);
  std::optional<std::string> b = real_tensor(t, node, {3, 4, 5}, "_b", -1);
  if (a && b) lower(t, node, "MatMul", {*a, *b}, 6, 7);
}

// alpha * A' * B' + C with C in units of the accumulator. Without a scale the result is real.
void gemm(Translation& t, const RawNode& node) {
  const bool transposed = int_of(t, node, "transB", 0) != 0;
  std::optional<std::string> a = real_tensor(t, node, {0, 1, 2}, "_a", 0);
  std::optional<std::string> b = real_tensor(t, node, {3, 4, 5}, "_b", transposed ? 0 : 1);
  if (!a || !b) return;
  std::vector<std::string> operands{*a, *b};
  if (has_operand(node, 6)) {
    const float alpha = static_cast<float>(real_of(t, node, "alpha", 1));
    std::optional<std::string> bias = real_bias(t, node, 6, 1, 4, alpha);
    if (!bias) return;
    operands.push_back(*bias);
  }
  if (has_operand(node, 7)) return lower(t, node, "Gemm", std::move(operands), 7, 8);
  RawNode real = node;
  real.op = "Gemm";
  real.inputs = std::move(operands);
  compute(t, real);
}

// A product of integers whose scale a later Mul applies. It is kept as real numbers, all of them
// integers.
void integer_product(Translation& t, const RawNode& node, const std::string& op) {
  std::vector<std::string> operands;
  for (size_t i = 0; i < 2; ++i) {
    const Known* known = operand(t, node, i);
    if (known == nullptr) return;
    Grid grid{.scale = {1.0f}, .zero_point = {0}};
    if (has_operand(node, i + 2)) {
      std::optional<std::vector<int64_t>> points = ints_operand(t, node, i + 2, "zero points");
      if (!points) return;
      grid.zero_point = *points;
      grid.scale.assign(points->size(), 1.0f);
      if (points->empty()) return fail(t, node, "a zero point has no elements");
    }
    const std::string name = fresh_name(t, node, i == 0 ? "_x" : "_weights");
    RawNode helper = helper_node(node, node.op, {node.inputs[i]}, name);
    Known broken;
    broken.broken = true;
    t.tensors[name] = broken;
    dequantise(t, helper, 0, grid, op == "Conv" ? 0 : i == 0 ? -2 : -1);
    if (t.tensors[name].broken) return;
    operands.push_back(name);
  }
  RawNode real = node;
  real.op = op;
  real.inputs = std::move(operands);
  compute(t, real);
}

void conv_integer(Translation& t, const RawNode& node) { integer_product(t, node, "Conv"); }
void matmul_integer(Translation& t, const RawNode& node) { integer_product(t, node, "MatMul"); }

void two_operands(Translation& t, const RawNode& node, const std::string& op) {
  std::optional<std::string> a = real_tensor(t, node, {0, 1, 2}, "_a");
  std::optional<std::string> b = real_tensor(t, node, {3, 4, 5}, "_b");
  if (a && b) lower(t, node, op, {*a, *b}, 6, 7);
}
void add(Translation& t, const RawNode& node) { two_operands(t, node, "Add"); }
void mul(Translation& t, const RawNode& node) { two_operands(t, node, "Mul"); }

// x, scale, zero point, scale and zero point of the result.
void one_operand(Translation& t, const RawNode& node, const std::string& op) {
  if (int_of(t, node, "channels_last", 0) != 0) {
    return fail(t, node, "`channels_last` is set: only channels in dimension 1 are supported",
                "export the model without layout optimisation");
  }
  std::optional<std::string> x = real_tensor(t, node, {0, 1, 2}, "_x");
  if (x) lower(t, node, op, {*x}, 3, 4);
}

// The mean as ONNX Runtime takes it from quantised tensors: sums row by row, over a count. The zero
// point is added in float32, before rounding, except for means of whole images.
void mean_of_sums(Translation& t, const RawNode& node, const std::string& x, const Sliding& window,
                  bool global) {
  std::optional<Grid> grid = read_grid(t, node, 3, 4);
  RawNode reader = helper_node(node, node.op, {x}, fresh_name(t, node, "_real"));
  std::optional<ValueId> value = real_operand(t, reader, 0);
  if (!grid || !value) return;
  if (!grid->whole_tensor()) return fail(t, node, "the result has more than one scale");
  const float count = static_cast<float>(window.kernel[0] * window.kernel[1]);
  const auto divided = [&](const char* suffix, ValueId dividend, float divisor) {
    const ValueId constant = add_reals(t, node, "_divisor", {1}, {divisor});
    return step(t, node, suffix, "binary", {dividend, constant},
                {{"function", std::string("div")}});
  };
  ValueId y = step(t, node, "_sum", "sum_pool", {*value}, pool_attributes(window));
  y = divided("_mean", y, count);
  if (!y.valid()) return;
  if (!global) {
    y = divided("_steps", y, grid->scale[0]);
    const int64_t channels = shape_of(t, y)[1];
    const std::vector<float> offsets(static_cast<size_t>(channels),
                                     static_cast<float>(grid->zero_point[0]));
    y = step(t, node, "_moved", "bias_add",
             {y, add_reals(t, node, "_zero_point", {channels}, offsets)}, {{"axis", int64_t{1}}});
    grid->scale[0] = 1;
    grid->zero_point[0] = 0;
  }
  set_value(t, reader, y);
  quantise_tensor(t, node, reader.outputs[0], *grid);
}

void pool(Translation& t, const RawNode& node, bool global) {
  const std::string op = global ? "GlobalAveragePool" : "AveragePool";
  const Known* known = operand(t, node, 0);
  const bool image =
      known != nullptr && known->chain.base.valid() && shape_of(t, known->chain.base).size() == 4;
  if (!image || int_of(t, node, "channels_last", 0) != 0) return one_operand(t, node, op);
  const Shape shape = shape_of(t, known->chain.base);
  Sliding window{
      .kernel = {shape[2], shape[3]}, .strides = {1, 1}, .dilations = {1, 1}, .pads = {0, 0, 0, 0}};
  if (!global) {
    std::optional<Sliding> read = read_window(t, node, shape, {});
    if (!read) return;
    window = *read;
  }
  const bool padded = window.pads != std::vector<int64_t>{0, 0, 0, 0};
  const bool varies = padded && (window.widened || int_of(t, node, "count_include_pad", 0) == 0);
  if (varies || window.dilations != std::vector<int64_t>{1, 1}) return one_operand(t, node, op);
  if (std::optional<std::string> x = real_tensor(t, node, {0, 1, 2}, "_x"))
    mean_of_sums(t, node, *x, window, global);
}
void average_pool(Translation& t, const RawNode& node) { pool(t, node, false); }
void global_average_pool(Translation& t, const RawNode& node) { pool(t, node, true); }
void leaky_relu(Translation& t, const RawNode& node) { one_operand(t, node, "LeakyRelu"); }
void sigmoid(Translation& t, const RawNode& node) { one_operand(t, node, "Sigmoid"); }

// The axes are an attribute, whatever the opset; the operand has scales behind it instead.
void reduce_mean(Translation& t, const RawNode& node) { one_operand(t, node, "ReduceMean"); }

// ONNX Runtime takes the inverse of the scale as a whole number
// (onnxruntime/contrib_ops/cpu/quantization/qlinear_softmax.cc).
void softmax(Translation& t, const RawNode& node) {
  std::optional<std::string> x = real_tensor(t, node, {0, 1, 2}, "_x");
  std::optional<Grid> grid = read_grid(t, node, 3, 4);
  if (!x || !grid) return;
  const float levels = std::floor(1.0f / grid->scale[0]);
  if (!grid->whole_tensor() || levels < 1) {
    return fail(t, node, fmt::format("the result's scale is {}, not one below 1", grid->scale[0]));
  }
  grid->scale[0] = 1.0f / levels;
  RawNode real = helper_node(node, "Softmax", {*x}, fresh_name(t, node, "_real"));
  real.attributes.erase("opset");
  const int64_t model_opset = t.opset;
  t.opset = int_of(t, node, "opset", model_opset);  // decides what `axis` means
  const bool computed = compute(t, real);
  t.opset = model_opset;
  if (computed) quantise_tensor(t, node, real.outputs[0], *grid);
}

// Scale and zero point of the result, then x, scale, zero point of each operand.
void concat(Translation& t, const RawNode& node) {
  std::vector<std::string> operands;
  for (size_t i = 2; i + 1 < node.inputs.size(); i += 3) {
    std::optional<std::string> x =
        real_tensor(t, node, {i, i + 1, i + 2}, fmt::format("_x{}", operands.size()));
    if (!x) return;
    operands.push_back(*x);
  }
  if (operands.empty()) return fail(t, node, "it has no operands to join");
  lower(t, node, "Concat", std::move(operands), 0, 1);
}

}  // namespace

std::vector<OperatorEntry> real_qlinear_operators() {
  return {{"ConvInteger", conv_integer},
          {"MatMulInteger", matmul_integer},
          {"QGemm", gemm, true},
          {"QLinearAdd", add, true},
          {"QLinearAveragePool", average_pool, true},
          {"QLinearConcat", concat, true},
          {"QLinearConv", conv, true},
          {"QLinearGlobalAveragePool", global_average_pool, true},
          {"QLinearLeakyRelu", leaky_relu, true},
          {"QLinearMatMul", matmul, true},
          {"QLinearMul", mul, true},
          {"QLinearReduceMean", reduce_mean, true},
          {"QLinearSigmoid", sigmoid, true},
          {"QLinearSoftmax", softmax, true}};
}

}  // namespace heddle
