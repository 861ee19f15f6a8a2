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

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const std::vector<int64_t> x = inputs[0]->to_ints();
  const std::vector<int64_t> weights = inputs[1]->to_ints();
  const int64_t channels = inputs[0]->shape()[1];
  const int64_t outputs = inputs[1]->shape()[0];
  Tensor y(op.output().dtype, op.output().shape);
  for (int64_t flat = 0; flat < y.elements(); ++flat) {
    const int64_t* row = x.data() + flat / outputs * channels;
    const int64_t* weight = weights.data() + flat % outputs * channels;
    int64_t sum = 0;
    for (int64_t c = 0; c < channels; ++c) sum += row[c] * weight[c];
    y.set(flat, sum);
  }
  return y;
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

CBody c_body(const OpView&) { return product_body(); }

}  // namespace

const OpDef& dense_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "dense";
    d.summary = "Fully connected layer: y[n, k] = sum over c of x[n, c] * weights[k, c]; no bias.";
    d.classes = {"mac"};
    d.operands = {{.name = "x", .doc = "features, [N, C]", .dims = {"n", "c"}},
                  {.name = "weights", .doc = "[K, C]", .dims = {"k", "c"}, .constant = true}};
    d.output_doc = "int32 accumulators, proven not to overflow in any order of summation";
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
