#include "ops/product.h"

#include <fmt/format.h>

#include <algorithm>

namespace heddle {

AttributeDef zero_point_attribute(std::string_view operand, std::string_view name) {
  return {.name = name,
          .doc = operand == "x" ? "subtracted from every element of x"
                                : "subtracted from every element of w",
          .otherwise = Attribute{int64_t{0}}};
}

Result<Range> centred_range(const OpView& op, size_t operand, const std::string& zero_point) {
  const int64_t value = op.attribute(zero_point);
  if (op.is_real()) {
    if (value == 0) return Range{};
    return node_error(op, fmt::format("`{}` is {}, but x is float32", zero_point, value));
  }
  if (Status status = check_attribute(op, zero_point, -65536, 65536); !status.ok())
    return status.errors();
  const Range& range = op.input(operand).range;
  return prove_int32(op, "operand less its zero point", Wide{range.lo} - value,
                     Wide{range.hi} - value);
}

std::string c_centred(std::string_view hole, int64_t zero_point) {
  const std::string element = hole == "$value" ? "$value" : fmt::format("(int32_t){}", hole);
  if (zero_point == 0) return element;
  return zero_point < 0 ? fmt::format("({} + {})", element, -zero_point)
                        : fmt::format("({} - {})", element, zero_point);
}

Range product_range(const Range& a, const Range& b) {
  const auto [lo, hi] = std::minmax({a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi});
  return {lo, hi};
}

Result<Range> prove_product(const OpView& op, const Range& a, const Range& b) {
  const Range range = product_range(a, b);
  return prove_int32(op, "product", range.lo, range.hi);
}

}  // namespace heddle
