#include "cpu_codegen/rv32/anchor.h"

#include <fmt/format.h>

#include <algorithm>

#include "cpu_codegen/rv32/dot_program.h"
#include "ops/check.h"

namespace heddle::rv32 {
namespace {

// The offset that makes elements small, where they are not int8 anyway; their range after it.
struct Centre {
  int64_t offset = 0;
  Range x;
};
Centre centre_of(const OpView& op) {
  Range x = op.input(0).range;
  const int64_t zero = op.attribute("x_zero_point");
  x = {std::min(x.lo, zero), std::max(x.hi, zero)};  // what padding holds
  if (Range{-128, 127}.contains(x)) return {0, x};
  const int64_t offset = (x.lo + x.hi + 1) >> 1;
  return {offset, {x.lo - offset, x.hi - offset}};
}

}  // namespace

std::vector<int64_t> wrapped(std::vector<int64_t> values) {
  for (int64_t& value : values) value = static_cast<int32_t>(static_cast<uint32_t>(value));
  return values;
}

Storage stored_as(const Graph& graph, const StorageOf& storage, ValueId value) {
  const auto found = storage.find(value);
  return found == storage.end() ? dense_storage(graph.value(value).type) : found->second;
}

Int8Sums int8_sums(const Graph& graph, const Match& match) {
  const OpView op{graph, graph.node(match.nodes.front())};
  const Centre centre = centre_of(op);
  Int8Sums sums;
  sums.offset = centre.offset;
  sums.x = centre.x;
  const size_t channels = static_cast<size_t>(op.input(1).shape[0]);
  sums.bias.assign(channels, 0);
  if (match.nodes.size() > 1) {
    const OpView next{graph, graph.node(match.nodes[1])};
    if (next.node.op == "bias_add" && next.attribute("axis") == 1 &&
        next.node.inputs[0] == op.node.output) {
      sums.bias = next.constant(1)->to_ints();
      sums.first_map = 2;
    }
  }
  const std::vector<int64_t> weights = op.constant(1)->to_ints();
  const size_t taps = weights.size() / std::max<size_t>(channels, 1);
  const int64_t less = op.attribute("x_zero_point") - centre.offset;
  for (size_t i = 0; i < weights.size(); ++i) sums.bias[i / taps] -= less * weights[i];
  return sums;
}

std::vector<FailedCondition> refusals_of_sums(const Graph& graph, const Match& match,
                                              std::string_view name) {
  const Node& node = graph.node(match.nodes.front());
  if (node.op != name) {
    return {{fmt::format("an anchor `{}`", name), "the kernel computes nothing else",
             "the anchor is " + node.op}};
  }
  const OpView op{graph, node};
  if (op.is_real())
    return {{"integers", "the kernel multiplies integers of 8 bits", "x is float32"}};
  if (!op.has(1) || !op.constant(1) || op.constant(1)->elements() == 0) {
    return {{"constant weights", "the kernel reads weights in an order of its own",
             "weights are computed, or there are none"}};
  }
  const Range x = centre_of(op).x;
  const Range weights = op.constant(1)->min_max();
  if (!fits_half(weights.lo, x) || !fits_half(weights.hi, x)) {
    return {{"products of 16 bits", "two products share a word of 32 bits",
             fmt::format("weights in [{}, {}], x in [{}, {}] about its middle", weights.lo,
                         weights.hi, x.lo, x.hi)}};
  }
  return {};
}

bool runs_over_rows(const Graph& graph, const Match& match, const StorageOf& storage,
                    const Window& w, size_t first_map) {
  const ValueId x = graph.node(match.nodes.front()).inputs[0];
  const Shape& shape = graph.value(x).type.shape;
  const Storage stored = stored_as(graph, storage, x);
  return w.kernel_h == 1 && w.kernel_w == 1 && w.stride_h == 1 && w.stride_w == 1 && !w.padded() &&
         stored.strides[2] == stored.strides[3] * shape[3] &&
         is_plane(graph, match, storage, first_map);
}

}  // namespace heddle::rv32
