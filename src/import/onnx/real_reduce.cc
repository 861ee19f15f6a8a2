// Reductions of real numbers, and enlarging images by whole steps.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "import/onnx/real.h"

namespace heddle {
namespace {

struct ReduceEntry {
  std::string_view op;
  const char* function;
  bool square = false;  // of the elements, before
};

constexpr ReduceEntry kReductions[] = {
    {"ReduceSum", "sum"},        {"ReduceMean", "mean"}, {"ReduceMax", "max"},
    {"ReduceMin", "min"},        {"ReduceProd", "prod"}, {"ReduceL1", "sum"},
    {"ReduceL2", "sum", true},   {"ReduceSumSquare", "sum", true},
    {"ReduceLogSum", "sum"},
};

ValueId function_of(Translation& t, const RawNode& node, const char* suffix,
                    const std::string& function, ValueId x) {
  return step(t, node, suffix, "unary", {x}, {{"function", function}});
}

// Dimensions to reduce; an attribute before opset 18 (13 for ReduceSum), an operand since.
std::optional<std::vector<int64_t>> reduced_axes(Translation& t, const RawNode& node,
                                                 int64_t rank) {
  std::optional<std::vector<int64_t>> axes =
      has_operand(node, 1) ? ints_operand(t, node, 1, "axes") : maybe_ints(t, node, "axes");
  if (has_operand(node, 1) && !axes) return std::nullopt;
  std::vector<int64_t> normal;
  if (!axes || axes->empty()) {
    if (int_of(t, node, "noop_with_empty_axes", 0) != 0) return normal;
    for (int64_t d = 0; d < rank; ++d) normal.push_back(d);
    return normal;
  }
  for (int64_t axis : *axes) {
    std::optional<int64_t> one = normal_axis(t, node, axis, rank, rank - 1);
    if (!one) return std::nullopt;
    normal.push_back(*one);
  }
  std::sort(normal.begin(), normal.end());
  normal.erase(std::unique(normal.begin(), normal.end()), normal.end());
  return normal;
}

void reduce(Translation& t, const RawNode& node) {
  const ReduceEntry& entry =
      *std::find_if(std::begin(kReductions), std::end(kReductions),
                    [&](const ReduceEntry& candidate) { return candidate.op == node.op; });
  std::optional<ValueId> x = real_operand(t, node, 0);
  if (!x) return;
  const Shape from = shape_of(t, *x);
  std::optional<std::vector<int64_t>> axes =
      reduced_axes(t, node, static_cast<int64_t>(from.size()));
  if (!axes) return;
  ValueId y = *x;
  if (entry.square) y = step(t, node, "_squares", "mul", {y, y});
  if (node.op == "ReduceL1") y = function_of(t, node, "_absolute", "abs", y);
  Shape shape;
  const bool keep = int_of(t, node, "keepdims", 1) != 0;
  for (size_t d = 0; d < from.size(); ++d) {
    const bool gone = std::binary_search(axes->begin(), axes->end(), static_cast<int64_t>(d));
    if (!gone || keep) shape.push_back(gone ? 1 : from[d]);
  }
  if (!axes->empty()) {
    y = step(t, node, "_reduced", "reduce", {y},
             {{"function", std::string(entry.function)}, {"axes", *axes}});
  }
  if (node.op == "ReduceL2") y = function_of(t, node, "_root", "sqrt", y);
  if (node.op == "ReduceLogSum") y = function_of(t, node, "_log", "log", y);
  finish_reshaped(t, node, y, shape);
}

// ---- Resize and Upsample, nearest

// The source of every element of the output along one dimension.
std::optional<std::vector<int64_t>> nearest(Translation& t, const RawNode& node, int64_t size,
                                            int64_t out, double scale) {
  const std::string transform =
      text_of(node, "coordinate_transformation_mode",
              node.op == "Upsample" || t.opset < 11 ? "asymmetric" : "half_pixel");
  const std::string mode = text_of(
      node, "nearest_mode", node.op == "Upsample" || t.opset < 11 ? "floor" : "round_prefer_floor");
  std::vector<int64_t> sources;
  for (int64_t i = 0; i < out; ++i) {
    double at = 0;
    const double index = static_cast<double>(i);
    if (transform == "asymmetric") {
      at = index / scale;
    } else if (transform == "half_pixel" || (transform == "pytorch_half_pixel" && out > 1)) {
      at = (index + 0.5) / scale - 0.5;
    } else if (transform == "align_corners") {
      at = out > 1 ? index * static_cast<double>(size - 1) / static_cast<double>(out - 1) : 0;
    } else if (transform != "pytorch_half_pixel") {
      fail(t, node, fmt::format("`coordinate_transformation_mode` {} is not supported",
                                ticked(transform)));
      return std::nullopt;
    }
    const double rounded = mode == "floor"                ? std::floor(at)
                           : mode == "ceil"               ? std::ceil(at)
                           : mode == "round_prefer_ceil"  ? std::floor(at + 0.5)
                           : mode == "round_prefer_floor" ? std::ceil(at - 0.5)
                                                          : -1;
    if (rounded < -1) return std::nullopt;
    sources.push_back(std::clamp<int64_t>(static_cast<int64_t>(rounded), 0, size - 1));
  }
  return sources;
}

// Scales: an attribute (Upsample 7, before: height_scale, width_scale), operand 1 (Upsample 9,
// Resize 10), operand 2 or sizes as operand 3 (Resize 11).
struct Enlargement {
  std::vector<double> scales;
  Shape shape;
};

std::optional<Enlargement> enlargement(Translation& t, const RawNode& node, const Shape& from) {
  const size_t at = node.op == "Resize" && t.opset >= 11 ? 2 : 1;
  Enlargement result;
  if (at == 2 && has_operand(node, 3)) {
    std::optional<std::vector<int64_t>> sizes = ints_operand(t, node, 3, "sizes");
    if (!sizes) return std::nullopt;
    result.shape = *sizes;
    for (size_t d = 0; d < from.size() && d < sizes->size(); ++d)
      result.scales.push_back(static_cast<double>((*sizes)[d]) / static_cast<double>(from[d]));
  } else if (has_operand(node, at)) {
    std::optional<Tensor> scales = real_constant(t, node, at, "scales");
    if (!scales) return std::nullopt;
    for (float scale : floats_of(*scales)) result.scales.push_back(scale);
  } else if (auto found = node.attributes.find("scales"); found != node.attributes.end()) {
    if (const auto* scales = std::get_if<std::vector<double>>(&found->second))
      result.scales = *scales;
  } else {
    result.scales = {1, 1, real_of(t, node, "height_scale", 1), real_of(t, node, "width_scale", 1)};
  }
  bool fine = result.scales.size() == from.size() && !node.attributes.contains("axes");
  for (size_t d = 0; fine && d < from.size(); ++d) {
    const double out = std::floor(static_cast<double>(from[d]) * result.scales[d]);
    fine = out >= 1 && out <= 16777216;
    if (fine && result.shape.size() <= d) result.shape.push_back(static_cast<int64_t>(out));
  }
  if (fine) return result;
  fail(t, node, fmt::format("its scales do not fit an input of shape {}", to_string(from)));
  return std::nullopt;
}

void resize(Translation& t, const RawNode& node) {
  std::optional<ValueId> x = real_operand(t, node, 0);
  if (!x) return;
  if (const std::string mode = text_of(node, "mode", "nearest"); mode != "nearest") {
    return fail(t, node, fmt::format("`mode` is {}: only nearest is supported", ticked(mode)),
                "export with mode=nearest");
  }
  const Shape from = shape_of(t, *x);
  std::optional<Enlargement> wanted = enlargement(t, node, from);
  if (!wanted) return;
  ValueId y = *x;
  for (size_t d = 0; d < from.size() && y.valid(); ++d) {
    if (wanted->shape[d] == from[d] && wanted->scales[d] == 1) continue;
    std::optional<std::vector<int64_t>> sources =
        nearest(t, node, from[d], wanted->shape[d], wanted->scales[d]);
    if (!sources) return;
    ValueId indices = add_narrow_constant(t.builder, node.name + "_sources",
                                          Tensor::of(DType::int64, {wanted->shape[d]}, *sources));
    y = step(t, node, d + 1 == from.size() ? "_columns" : "_rows", "gather", {y, indices},
             {{"axis", static_cast<int64_t>(d)}});
  }
  if (!y.valid()) return;
  if (y == *x) return set_alias(t, node, *operand(t, node, 0));
  t.builder.graph.value(y).name = node.outputs[0];
  set_value(t, node, y);
}

}  // namespace

std::vector<OperatorEntry> real_reduce_operators() {
  std::vector<OperatorEntry> entries = {{"Resize", resize}, {"Upsample", resize}};
  for (const ReduceEntry& entry : kReductions) entries.push_back({entry.op, reduce});
  return entries;
}

}  // namespace heddle
