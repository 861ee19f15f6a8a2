// What the handlers of ONNX operators that move elements share.
#pragma once

#include "import/onnx/translate.h"

namespace heddle {

inline constexpr int64_t kMaxMoved = int64_t{1} << 24;  // elements of a constant result

using List = std::vector<int64_t>;

// A tensor that is known and not broken; an error where the operand is absent. Unlike operand() it
// lets constants pass that are no integers.
const Known* any_operand(Translation& t, const RawNode& node, size_t i);
Shape shape_of(const Translation& t, const Known& known);

// Applies the operator to operand 0 of the node, with constant indices where it takes any.
void apply_move(Translation& t, const RawNode& node, const std::string& op,
                const Attributes& attributes, const Tensor* indices = nullptr);
// The node's result in another shape of as many elements.
void reshape_result(Translation& t, const RawNode& node, const Shape& shape);
// The node with operand 0 in another shape, under the name of its result.
RawNode reshaped(Translation& t, const RawNode& node, const Shape& shape);

std::vector<OperatorEntry> repeat_operators();  // repeats.cc

}  // namespace heddle
