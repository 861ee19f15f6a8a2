#include "base/checked.h"
#include "ops/pool.h"

namespace heddle {
namespace {

enum AxisIndex { N, K, OY, OX, IY, IX };

int64_t area(const OpView& op) { return op.input(0).shape[2] * op.input(0).shape[3]; }

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  if (Status status = check_rank(op, 0, 4); !status.ok()) return status.errors();
  if (Status status = check_average(op, area(op)); !status.ok()) return status.errors();
  const TensorType& x = op.input(0);
  return TensorType{x.dtype, {x.shape[0], x.shape[1], 1, 1}, x.range};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  Tensor y(op.output().dtype, op.output().shape);
  const int64_t count = inputs[0]->elements() / y.elements();
  for (int64_t plane = 0; plane < y.elements(); ++plane) {
    if (op.is_real()) {
      float total = 0;
      for (int64_t i = 0; i < count; ++i) total += inputs[0]->float_at(plane * count + i);
      y.set_float(plane, total / static_cast<float>(count));
      continue;
    }
    int64_t sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += inputs[0]->at(plane * count + i);
    y.set(plane, floor_div(2 * sum + count, 2 * count));
  }
  return y;
}

LoopNest loops(const OpView& op) {
  const Shape& in = op.input(0).shape;
  LoopNest nest;
  nest.axes = {{"n", in[0]}, {"k", in[1]},        {"oy", 1},
               {"ox", 1},    {"iy", in[2], true}, {"ix", in[3], true}};
  nest.inputs = {{along(N), along(K), along(IY), along(IX)}};
  nest.output = {along(N), along(K), along(OY), along(OX)};
  return nest;
}

CBody c_body(const OpView& op) {
  if (op.is_real()) return real_average_body(area(op), false);
  return average_body(op.input(0).range, area(op), false);
}

}  // namespace

const OpDef& global_average_pool_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "global_average_pool";
    d.summary = 
        "Mean of each channel; of integers rounded half up: y = floor(sum / count + 1/2).";
    d.classes = {"pool"};
    d.operands = {{.name = "x",
                   .doc = "image, NCHW",
                   .dims = {"n", "k", "iy", "ix"},
                   .numbers = Numbers::either}};
    d.output_doc = "[N, K, 1, 1], type and range of x";
    d.output_dims = {"n", "k", "oy", "ox"};
    d.axes = {"n", "k", "oy", "ox", "iy", "ix"};
    d.infer = infer;
    d.reference = reference;
    d.loops = loops;
    d.c_body = c_body;
    return d;
  }();
  return def;
}

}  // namespace heddle
