#include <fmt/format.h>

#include "ops/check.h"
#include "ops/map.h"
#include "ops/move.h"
#include "ops/window.h"

namespace heddle {
namespace {

struct Cut {
  int64_t start = 0, end = 0, step = 1;
};

Cut cut_of(const OpView& op, size_t d) {
  return {list_attribute(op, "starts")[d], list_attribute(op, "ends")[d],
          list_attribute(op, "steps")[d]};
}

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  if (Status status = check_map_rank(op); !status.ok()) return status.errors();
  const TensorType& x = op.input(0);
  for (const char* name : {"starts", "ends", "steps"}) {
    const std::vector<int64_t>& list = list_attribute(op, name);
    if (list.size() == x.shape.size()) continue;
    return node_error(op, fmt::format("`{}` {} does not have one entry for each dimension of {}",
                                      name, to_string(list), to_string(x.shape)));
  }
  Shape shape;
  for (size_t d = 0; d < x.shape.size(); ++d) {
    const auto [start, end, step] = cut_of(op, d);
    const int64_t extent = x.shape[d];
    const bool forward = step > 0 && 0 <= start && start < end && end <= extent;
    const bool backward = step < 0 && step > INT64_MIN && start < extent && end < start && end >= -1;
    if (!forward && !backward) {
      return node_error(op, fmt::format("dimension {} of {} is cut from {} to {} by steps of {}: "
                                        "that is no part of it",
                                        d, to_string(x.shape), start, end, step));
    }
    shape.push_back(forward ? (end - start - 1) / step + 1 : (start - end - 1) / -step + 1);
  }
  return TensorType{x.dtype, std::move(shape), x.range};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const std::vector<int64_t> strides = row_major_strides(inputs[0]->shape());
  std::vector<int64_t> sources;
  for_each_index(op.output().shape, [&](const std::vector<int64_t>& index) {
    int64_t source = 0;
    for (size_t d = 0; d < index.size(); ++d) {
      const Cut cut = cut_of(op, d);
      source += (cut.start + index[d] * cut.step) * strides[d];
    }
    sources.push_back(source);
  });
  return picked(*inputs[0], op.output(), sources);
}

LoopNest loops(const OpView& op) {
  LoopNest nest = map_loops(op);
  nest.inputs = {{}};
  for (size_t d = 0; d < op.output().shape.size(); ++d) {
    const Cut cut = cut_of(op, d);
    nest.inputs[0].push_back({{{static_cast<int>(d), cut.step}}, cut.start});
  }
  return nest;
}

CBody c_body(const OpView&) {
  CBody body;
  body.result = "$x";
  return body;
}

}  // namespace

const OpDef& slice_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "slice";
    d.summary = "A part of x: index i of dimension d of y is index starts[d] + i * steps[d] of x.";
    d.classes = {"view"};
    d.operands = {{.name = "x", .doc = "any shape", .dims = {}, .numbers = Numbers::either}};
    d.attributes = {
        {.name = "starts", .doc = "the first index, for every dimension", .vector = true},
        {.name = "ends",
         .doc = "one beyond the last; -1 where a negative step reaches index 0",
         .vector = true},
        {.name = "steps", .doc = "positive, or negative for backwards", .vector = true}};
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
