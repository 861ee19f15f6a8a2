// What every operator's infer() needs: errors at a node, checks of operands and attributes, proofs
// of ranges.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "ops/op.h"

namespace heddle {

__extension__ using Wide = __int128;  // sums of products of int32 values never overflow it

Diagnostic node_error(const OpView& op, std::string message, std::string remedy = "");

// Attributes are exactly those of the record, of the right kind. Operands: as many as the record
// has, existing, constant where they must be, of integer type within int32, with at least one
// element. Every infer() starts with this.
Status check_node(const OpView& op);

// "`stride_h` is 0, outside [1, 16777216]"
Status check_attribute(const OpView& op, const std::string& name, int64_t least, int64_t most);
Status check_bounds(const OpView& op);  // attributes lo <= hi, both int32
Status check_rank(const OpView& op, size_t operand, int64_t rank);

// Bounds of a value while and after it is computed; an error where it can leave int32: "the
// accumulator can reach ...".
Result<Range> prove_int32(const OpView& op, std::string_view what, Wide lo, Wide hi);

// The int32 output of an operator that sums products x * weights; the weights' first dimension is
// the output channel. The proof sums each channel's extreme products. Every partial sum, in
// whatever order, lies in those sums with zero added to x's range; padding adds zero to it too.
// The products are (x - x_zero_point) * weights. Of float32 operands there is nothing to prove.
Result<TensorType> prove_products(const OpView& op, Shape shape, bool padded);
CBody product_body(const OpView& op);  // $acc += ($x - x_zero_point) * $weights
AttributeDef x_zero_point_attribute();
std::vector<int64_t> centred(const Tensor& x, const OpView& op);  // x - x_zero_point, for references

Range with_zero(const Range& range);
Range united(const Range& a, const Range& b);
Range clamped(const Range& range, const Range& bounds);
bool fits_int32(Wide lo, Wide hi);

// A C integer constant expression of type int (or int32_t), or of type int64_t beyond int32.
std::string c_literal(int64_t value);
// A C constant expression of type float with exactly this value; finite or infinite, or NaN.
std::string c_literal(float value);
// " + 5", " - 5", "" for 0.
std::string c_plus(int64_t addend);
// The statements "if (name < lo) name = lo;", "if (name > hi) name = hi;", each only if a value in
// `known` needs it.
std::string c_clamp(std::string_view name, const Range& known, const Range& bounds);
// The statements, or where there are none a comment: a map body is never empty.
std::string or_comment(std::string statements, const Range& bounds);

}  // namespace heddle
