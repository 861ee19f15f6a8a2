#include "ops/move.h"

#include "base/diagnostic.h"

namespace heddle {

std::vector<int64_t> row_major_strides(const Shape& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t d = shape.size(); d-- > 1;) strides[d - 1] = strides[d] * shape[d];
  return strides;
}

Tensor picked(const Tensor& x, const TensorType& type, const std::vector<int64_t>& sources) {
  Tensor y(type.dtype, type.shape);
  HEDDLE_CHECK(y.elements() == static_cast<int64_t>(sources.size()), "a source for every element");
  for (int64_t i = 0; i < y.elements(); ++i) {
    const int64_t source = sources[static_cast<size_t>(i)];
    if (type.dtype == DType::float32) {
      y.set_float(i, x.float_at(source));
    } else {
      y.set(i, x.at(source));
    }
  }
  return y;
}

const std::vector<int64_t>& list_attribute(const OpView& op, const std::string& name) {
  const auto* list = std::get_if<std::vector<int64_t>>(&op.any_attribute(name));
  HEDDLE_CHECK(list != nullptr, op.node.op + " without the list " + name);
  return *list;
}

}  // namespace heddle
