#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/text.h"
#include "ops/real.h"
#include "ops/window.h"

namespace heddle {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

const std::vector<int64_t>& axes_of(const OpView& op) {
  return std::get<std::vector<int64_t>>(op.any_attribute("axes"));
}
bool is_reduced(const OpView& op, size_t dimension) {
  return std::binary_search(axes_of(op).begin(), axes_of(op).end(),
                            static_cast<int64_t>(dimension));
}

int64_t elements_reduced(const OpView& op) {
  return elements_of(op.input(0).shape) / elements_of(op.output().shape);
}

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  if (Status status = check_map_rank(op); !status.ok()) return status.errors();
  const std::string& name = op.text("function");
  if (name != "max" && name != "mean" && name != "min" && name != "prod" && name != "sum") {
    return node_error(
        op, fmt::format("`function` is '{}', not one of 'max', 'mean', 'min', 'prod', 'sum'",
                        terminal_text(name)));
  }
  Shape shape = op.input(0).shape;
  const std::vector<int64_t>& axes = axes_of(op);
  int64_t before = -1;
  for (int64_t axis : axes) {
    if (axis <= before || axis >= static_cast<int64_t>(shape.size())) {
      return node_error(op, fmt::format("`axes` {} are not ascending dimensions of {}",
                                        to_string(axes), to_string(op.input(0).shape)));
    }
    before = axis;
    shape[static_cast<size_t>(axis)] = 1;
  }
  if (axes.empty()) return node_error(op, "`axes` is empty");
  return TensorType{DType::float32, std::move(shape), {}};
}

// Every element in row-major order goes to the result that it belongs to: the order of the loops.
Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const std::string& name = op.text("function");
  const float start = name == "max"    ? -kInfinity
                      : name == "min"  ? kInfinity
                      : name == "prod" ? 1.0f
                                       : 0.0f;
  const Shape& shape = op.output().shape;
  const std::vector<float> x = inputs[0]->to_floats();
  const std::vector<int64_t> place = broadcast_places(shape, op.input(0).shape);
  std::vector<float> y(static_cast<size_t>(elements_of(shape)), start);
  for (size_t i = 0; i < x.size(); ++i) {
    float& to = y[static_cast<size_t>(place[i])];
    if (name == "max") {
      to = x[i] > to ? x[i] : to;
    } else if (name == "min") {
      to = x[i] < to ? x[i] : to;
    } else if (name == "prod") {
      to *= x[i];
    } else {
      to += x[i];
    }
  }
  if (name == "mean") {
    for (float& value : y) value /= static_cast<float>(elements_reduced(op));
  }
  return Tensor::of_floats(shape, y);
}

LoopNest loops(const OpView& op) {
  LoopNest nest = map_loops(op);
  for (size_t d = 0; d < op.input(0).shape.size(); ++d) {
    if (!is_reduced(op, d)) continue;
    nest.axes.push_back({fmt::format("r{}", d), op.input(0).shape[d], true});
    nest.inputs[0][d] = along(static_cast<int>(nest.axes.size()) - 1);
  }
  return nest;
}

CBody c_body(const OpView& op) {
  const std::string& name = op.text("function");
  CBody body;
  body.accumulator = "float";
  body.result = "$acc";
  if (name == "max" || name == "min") {
    body.init = fmt::format("$acc = {};", c_literal(name == "max" ? -kInfinity : kInfinity));
    body.update = fmt::format("if ($x {} $acc) $acc = $x;", name == "max" ? ">" : "<");
  } else if (name == "prod") {
    body.init = "$acc = 1.0f;";
    body.update = "$acc *= $x;";
  } else {
    body.init = "$acc = 0.0f;";
    body.update = "$acc += $x;";
  }
  if (name == "mean") {
    const float count = static_cast<float>(elements_reduced(op));
    body.result = fmt::format("$acc / {}", c_literal(count));
  }
  return body;
}

}  // namespace

const OpDef& reduce_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "reduce";
    d.summary =
        "Sum, mean, product, maximum or minimum along some dimensions, which stay as 1; float32, in "
        "row-major order.";
    d.operands = {{.name = "x",
                   .doc = "any shape but a scalar",
                   .dims = {"n", "k", "iy", "ix"},
                   .numbers = Numbers::reals}};
    d.attributes = {
        {.name = "function", .doc = "'max', 'mean', 'min', 'prod', 'sum'", .text = true},
        {.name = "axes", .doc = "the dimensions, ascending", .vector = true}};
    d.output_doc = "float32";
    d.output_dims = {"n", "k", "oy", "ox"};
    d.axes = all_map_axes();
    for (std::string_view name : {"r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7"})
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
