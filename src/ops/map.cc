#include "ops/map.h"

#include <fmt/format.h>

#include <algorithm>

#include "ops/check.h"
#include "ops/window.h"

namespace heddle {

std::vector<std::string> map_axis_names(size_t rank) {
  switch (rank) {
    case 1:
      return {"k"};
    case 2:
      return {"n", "k"};
    case 3:
      return {"n", "k", "ox"};
    case 4:
      return {"n", "k", "oy", "ox"};
    default:
      break;
  }
  std::vector<std::string> names;
  for (size_t i = 0; i < rank; ++i) names.push_back(fmt::format("d{}", i));
  return names;
}

std::vector<std::string_view> all_map_axes() {
  return {"n", "k", "oy", "ox", "d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7"};
}

Status check_map_rank(const OpView& op, size_t operand) {
  const size_t rank = op.input(operand).shape.size();
  if (rank <= kMaxMapRank) return Unit{};
  return node_error(op, fmt::format("`{}` has {} dimensions, at most {} are supported",
                                    op_of(op.node).operands[operand].name, rank, kMaxMapRank));
}

Result<Shape> broadcast_shape(const OpView& op, const Shape& a, const Shape& b) {
  Shape result(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < result.size(); ++i) {
    const int64_t of_a = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t of_b = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (of_a != of_b && of_a != 1 && of_b != 1) {
      return node_error(op, fmt::format("the shapes {} and {} do not broadcast: {} against {}",
                                        to_string(a), to_string(b), of_a, of_b));
    }
    result[result.size() - 1 - i] = std::max(of_a, of_b);
  }
  if (checked_elements(result) < 0) {
    return node_error(op, fmt::format("the shapes {} and {} broadcast to an impossible {}",
                                      to_string(a), to_string(b), to_string(result)));
  }
  return result;
}

Access broadcast_access(const Shape& operand, const Shape& output) {
  HEDDLE_CHECK(operand.size() <= output.size(), "an operand of higher rank than the output");
  const size_t missing = output.size() - operand.size();
  Access access;
  for (size_t i = 0; i < operand.size(); ++i) {
    const bool repeated = operand[i] == 1 && output[missing + i] != 1;
    access.push_back(repeated ? DimAccess{} : along(static_cast<int>(missing + i)));
  }
  return access;
}

std::vector<int64_t> broadcast_places(const Shape& operand, const Shape& output) {
  std::vector<int64_t> result(static_cast<size_t>(elements_of(output)));
  for (size_t flat = 0; flat < result.size(); ++flat) {
    // Decompose the output's index from the innermost dimension outwards.
    int64_t rest = static_cast<int64_t>(flat);
    int64_t source = 0;
    int64_t stride = 1;
    for (size_t i = 0; i < output.size(); ++i) {
      const int64_t dim = output[output.size() - 1 - i];
      const int64_t index = rest % dim;
      rest /= dim;
      if (i >= operand.size()) continue;
      const int64_t own = operand[operand.size() - 1 - i];
      if (own != 1) source += index * stride;
      stride *= own;
    }
    result[flat] = source;
  }
  return result;
}

std::vector<int64_t> broadcast_values(const Tensor& tensor, const Shape& output) {
  std::vector<int64_t> result = broadcast_places(tensor.shape(), output);
  for (int64_t& place : result) place = tensor.at(place);
  return result;
}

LoopNest map_loops(const OpView& op) {
  const Shape& shape = op.output().shape;
  LoopNest nest;
  const std::vector<std::string> names = map_axis_names(shape.size());
  for (size_t i = 0; i < shape.size(); ++i) {
    nest.axes.push_back({names[i], shape[i], false});
    nest.output.push_back(along(static_cast<int>(i)));
  }
  nest.inputs.push_back(broadcast_access(op.input(0).shape, shape));
  return nest;
}

Access per_channel_access(const Shape& operand, int64_t axis) {
  if (elements_of(operand) == 1) return Access(operand.size());
  return {along(static_cast<int>(axis))};
}

int64_t channel_of(const Shape& shape, int64_t axis, int64_t flat) {
  int64_t inner = 1;
  for (size_t i = static_cast<size_t>(axis) + 1; i < shape.size(); ++i) inner *= shape[i];
  return flat / inner % shape[static_cast<size_t>(axis)];
}

}  // namespace heddle
