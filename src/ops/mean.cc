#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "ops/map.h"
#include "ops/pool.h"

namespace heddle {
namespace {

std::vector<int64_t> axes_of(const OpView& op) {
  return std::get<std::vector<int64_t>>(op.any_attribute("axes"));
}

int64_t count_of(const OpView& op) {
  int64_t count = 1;
  for (const int64_t axis : axes_of(op)) count *= op.input(0).shape[static_cast<size_t>(axis)];
  return count;
}

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  if (Status status = check_map_rank(op); !status.ok()) return status.errors();
  const TensorType& x = op.input(0);
  const std::vector<int64_t> axes = axes_of(op);
  Shape shape = x.shape;
  for (size_t i = 0; i < axes.size(); ++i) {
    const bool fits =
        axes[i] >= 0 && axes[i] < std::ssize(shape) && (i == 0 || axes[i - 1] < axes[i]);
    if (!fits) {
      return node_error(op,
                        fmt::format("`axes` are {}: they must ascend, and name dimensions of {}",
                                    to_string(axes), to_string(x.shape)));
    }
    shape[static_cast<size_t>(axes[i])] = 1;
  }
  if (Status status = check_average(op, count_of(op)); !status.ok()) return status.errors();
  return TensorType{x.dtype, std::move(shape), x.range};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const Shape& in = inputs[0]->shape();
  const Shape& out = op.output().shape;
  std::vector<int64_t> sums(static_cast<size_t>(elements_of(out)), 0);
  for (int64_t flat = 0; flat < inputs[0]->elements(); ++flat) {
    int64_t rest = flat, target = 0, stride = 1;
    for (size_t d = in.size(); d-- > 0;) {
      if (out[d] != 1) target += rest % in[d] * stride;
      stride *= out[d];
      rest /= in[d];
    }
    sums[static_cast<size_t>(target)] += inputs[0]->at(flat);
  }
  const int64_t count = count_of(op);
  for (int64_t& sum : sums) sum = floor_div(2 * sum + count, 2 * count);
  return Tensor::of(op.output().dtype, out, sums);
}

// The result's axes; then r0, r1 ... over the dimensions that are averaged.
LoopNest loops(const OpView& op) {
  LoopNest nest = map_loops(op);
  for (const int64_t axis : axes_of(op)) {
    const size_t d = static_cast<size_t>(axis);
    const std::string name = fmt::format("r{}", nest.axes.size() - op.output().shape.size());
    nest.inputs[0][d] = {{{static_cast<int>(nest.axes.size()), 1}}, 0};
    nest.axes.push_back({name, op.input(0).shape[d], true});
  }
  return nest;
}

CBody c_body(const OpView& op) { return average_body(op.input(0).range, count_of(op), false); }

}  // namespace

const OpDef& mean_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "mean";
    d.summary = "Mean over any dimensions, rounded half up: y = floor(sum / count + 1/2).";
    d.classes = {"pool"};
    d.operands = {{.name = "x", .doc = "any shape", .dims = {"n", "k", "oy", "ox"}}};
    d.attributes = {
        {.name = "axes", .doc = "the dimensions that are averaged, ascending", .vector = true}};
    d.output_doc = "type and range of x; averaged dimensions are 1";
    d.output_dims = {"n", "k", "oy", "ox"};
    d.axes = all_map_axes();
    for (const char* name : {"r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7"})
      d.axes.push_back(name);
    d.infer = infer;
    d.reference = reference;
    d.loops = loops;
    d.c_body = c_body;
    return d;
  }();
  return def;
}

}  // namespace heddle
