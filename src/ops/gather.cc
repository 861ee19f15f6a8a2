#include <fmt/format.h>

#include "ops/check.h"
#include "ops/map.h"
#include "ops/move.h"
#include "ops/window.h"

namespace heddle {
namespace {

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  if (Status status = check_map_rank(op); !status.ok()) return status.errors();
  const TensorType& x = op.input(0);
  const TensorType& indices = op.input(1);
  const int64_t rank = static_cast<int64_t>(x.shape.size());
  if (Status status = check_attribute(op, "axis", 0, rank - 1); !status.ok())
    return status.errors();
  const int64_t axis = op.attribute("axis");
  const int64_t extent = x.shape[static_cast<size_t>(axis)];
  if (indices.range.lo < -extent || indices.range.hi >= extent) {
    return node_error(op,
                      fmt::format("the indices can lie in [{}, {}], dimension {} of {} has only [{}, {}]",
                                  indices.range.lo, indices.range.hi, axis, to_string(x.shape),
                                  -extent, extent - 1),
                      "clip the indices");
  }
  Shape shape(x.shape.begin(), x.shape.begin() + axis);
  shape.insert(shape.end(), indices.shape.begin(), indices.shape.end());
  shape.insert(shape.end(), x.shape.begin() + axis + 1, x.shape.end());
  if (shape.size() > kMaxMapRank || checked_elements(shape) < 0) {
    return node_error(
        op, fmt::format("the output would have the impossible shape {}", to_string(shape)));
  }
  return TensorType{x.dtype, std::move(shape), x.range};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const Shape& from = inputs[0]->shape();
  const size_t axis = static_cast<size_t>(op.attribute("axis"));
  const size_t width = inputs[1]->shape().size();
  const std::vector<int64_t> strides = row_major_strides(from);
  const std::vector<int64_t> index_strides = row_major_strides(inputs[1]->shape());
  std::vector<int64_t> sources;
  for_each_index(op.output().shape, [&](const std::vector<int64_t>& index) {
    int64_t at = 0;
    for (size_t d = 0; d < width; ++d) at += index[axis + d] * index_strides[d];
    const int64_t chosen = inputs[1]->at(at);
    int64_t source = (chosen < 0 ? chosen + from[axis] : chosen) * strides[axis];
    for (size_t d = 0; d < from.size(); ++d) {
      if (d != axis) source += index[d < axis ? d : d + width - 1] * strides[d];
    }
    sources.push_back(source);
  });
  return picked(*inputs[0], op.output(), sources);
}

LoopNest loops(const OpView& op) {
  LoopNest nest;
  const Shape& shape = op.output().shape;
  const std::vector<std::string> names = map_axis_names(shape.size());
  for (size_t d = 0; d < shape.size(); ++d) {
    nest.axes.push_back({names[d], shape[d], false});
    nest.output.push_back(along(static_cast<int>(d)));
  }
  const size_t axis = static_cast<size_t>(op.attribute("axis"));
  const size_t width = op.input(1).shape.size();
  Access x, indices;
  for (size_t d = 0; d < op.input(0).shape.size(); ++d) {
    x.push_back(d == axis ? DimAccess{{}, 0, 1}
                          : along(static_cast<int>(d < axis ? d : d + width - 1)));
  }
  for (size_t d = 0; d < width; ++d) indices.push_back(along(static_cast<int>(axis + d)));
  nest.inputs = {std::move(x), std::move(indices)};
  return nest;
}

CBody c_body(const OpView&) {
  CBody body;
  body.result = "$x";
  return body;
}

}  // namespace

const OpDef& gather_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "gather";
    d.summary =
        "Looks up slices of x: y[a.., i.., b..] = x[a.., indices[i..], b..]; a negative index counts "
        "from the end.";
    d.operands = {{.name = "x", .doc = "any shape", .dims = {}, .numbers = Numbers::either},
                  {.name = "indices",
                   .doc = "proven to lie within the dimension: clip computed ones",
                   .dims = {}}};
    d.attributes = {{.name = "axis", .doc = "the dimension of x that the indices choose from"}};
    d.output_doc = "type and range of x";
    d.output_dims = {"n", "k", "oy", "ox"};
    d.axes = all_map_axes();
    d.infer = infer;
    d.reference = reference;
    d.loops = loops;
    d.c_body = c_body;
    return d;
  }();
  return def;
}

}  // namespace heddle
