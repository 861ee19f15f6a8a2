#include <fmt/format.h>

#include <algorithm>

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
  const std::vector<int64_t>& perm = list_attribute(op, "perm");
  std::vector<int64_t> sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  bool fine = sorted.size() == x.shape.size();
  for (size_t d = 0; fine && d < sorted.size(); ++d) fine = sorted[d] == static_cast<int64_t>(d);
  if (!fine) {
    return node_error(op, fmt::format("`perm` {} is no order of the {} dimensions of {}",
                                      to_string(perm), x.shape.size(), to_string(x.shape)));
  }
  Shape shape;
  for (const int64_t d : perm) shape.push_back(x.shape[static_cast<size_t>(d)]);
  return TensorType{x.dtype, std::move(shape), x.range};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const std::vector<int64_t> strides = row_major_strides(inputs[0]->shape());
  const std::vector<int64_t>& perm = list_attribute(op, "perm");
  std::vector<int64_t> sources;
  for_each_index(op.output().shape, [&](const std::vector<int64_t>& index) {
    int64_t source = 0;
    for (size_t d = 0; d < index.size(); ++d)
      source += index[d] * strides[static_cast<size_t>(perm[d])];
    sources.push_back(source);
  });
  return picked(*inputs[0], op.output(), sources);
}

LoopNest loops(const OpView& op) {
  LoopNest nest = map_loops(op);
  const std::vector<int64_t>& perm = list_attribute(op, "perm");
  nest.inputs = {Access(perm.size())};
  for (size_t d = 0; d < perm.size(); ++d)
    nest.inputs[0][static_cast<size_t>(perm[d])] = along(static_cast<int>(d));
  return nest;
}

CBody c_body(const OpView&) {
  CBody body;
  body.result = "$x";
  return body;
}

}  // namespace

const OpDef& transpose_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "transpose";
    d.summary = "Permutes dimensions: dimension d of y is dimension perm[d] of x.";
    d.classes = {"view"};
    d.operands = {{.name = "x", .doc = "any shape", .dims = {}, .numbers = Numbers::either}};
    d.attributes = {{.name = "perm", .doc = "every dimension of x once", .vector = true}};
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
