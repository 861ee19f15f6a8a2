#include <fmt/format.h>

#include "ops/check.h"
#include "ops/window.h"

namespace heddle {
namespace {

enum AxisIndex { N, K, C };

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  for (size_t operand : {0, 1}) {
    if (Status status = check_rank(op, operand, 2); !status.ok()) return status.errors();
  }
  const Shape& x = op.input(0).shape;
  const Shape& weights = op.input(1).shape;
  if (weights[1] != x[1]) {
    return node_error(
        op, fmt::format("the weights have {} input channels, x has {}", weights[1], x[1]));
  }
  return prove_products(op, {x[0], weights[0]}, false);
}

template <class T>
std::vector<T> multiply(const OpView& op, const std::vector<T>& x, const std::vector<T>& weights) {
  const int64_t channels = op.input(0).shape[1];
  const int64_t outputs = op.input(1).shape[0];
  std::vector<T> y(static_cast<size_t>(elements_of(op.output().shape)));
  for (int64_t flat = 0; flat < std::ssize(y); ++flat) {
    const T* row = x.data() + flat / outputs * channels;
    const T* weight = weights.data() + flat % outputs * channels;
    T sum = 0;
    for (int64_t c = 0; c < channels; ++c) sum += row[c] * weight[c];
    y[static_cast<size_t>(flat)] = sum;
  }
  return y;
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const Shape& out = op.output().shape;
  if (op.is_real())
    return Tensor::of_floats(out, multiply(op, inputs[0]->to_floats(), inputs[1]->to_floats()));
  return Tensor::of(op.output().dtype, out,
                    multiply(op, centred(*inputs[0], op), inputs[1]->to_ints()));
}

LoopNest loops(const OpView& op) {
  const Shape& out = op.output().shape;
  const int64_t channels = op.input(0).shape[1];
  LoopNest nest;
  nest.axes = {{"n", out[0]}, {"k", out[1]}, {"c", channels, true}};
  nest.inputs = {{along(N), along(C)}, {along(K), along(C)}};
  nest.output = {along(N), along(K)};
  nest.macs = elements_of(out) * channels;
  return nest;
}

CBody c_body(const OpView& op) { return product_body(op); }

}  // namespace

const OpDef& dense_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "dense";
    d.summary = "Fully connected layer: y[n, k] = sum over c of (x[n, c] - x_zero_point) * "
        "weights[k, c]; no bias.";
    d.classes = {"mac"};
    d.operands = {{.name = "x", .doc = "features, [N, C]", .dims = {"n", "c"}, .numbers = Numbers::either},
                  {.name = "weights", .doc = "[K, C]", .dims = {"k", "c"}, .constant = true, .numbers = Numbers::either}};
    d.attributes = {x_zero_point_attribute()};
    d.output_doc =
        "int32 accumulators, proven not to overflow in any order of summation; or float32, summed in "
        "the order of the axes";
    d.output_dims = {"n", "k"};
    d.axes = {"n", "k", "c"};
    d.infer = infer;
    d.reference = reference;
    d.loops = loops;
    d.c_body = c_body;
    return d;
  }();
  return def;
}

}  // namespace heddle
