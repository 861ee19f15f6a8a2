// What the handlers of real-valued ONNX share. A tensor of a float type is a float32 value; every
// operator of the model becomes one canonical node or a few, which round where their records say.
// Constants are operands like others: an operator whose operands are all constant is evaluated by
// the builder.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "import/onnx/translate.h"

namespace heddle {

std::vector<OperatorEntry> real_layer_operators();   // real_layers.cc: Conv, Gemm, MatMul, pools
std::vector<OperatorEntry> real_map_operators();     // real_maps.cc: elementwise, two operands
std::vector<OperatorEntry> real_unary_operators();   // real_unary.cc: elementwise, one operand
std::vector<OperatorEntry> real_norm_operators();    // real_norms.cc: normalisations, softmax
std::vector<OperatorEntry> real_reduce_operators();  // real_reduce.cc: reductions, resizing
std::vector<OperatorEntry> real_qonnx_operators();   // real_qonnx.cc: Quant, BipolarQuant, Trunc

// A float32 value; an error where the tensor holds integers.
std::optional<ValueId> real_operand(Translation& t, const RawNode& node, size_t i);
// The elements of a constant; an error where it is computed.
std::optional<Tensor> real_constant(Translation& t, const RawNode& node, size_t i,
                                    std::string_view what);
// The only element of an optional operand, which must be constant then.
std::optional<double> real_scalar(Translation& t, const RawNode& node, size_t i,
                                  std::string_view what);

const Shape& shape_of(const Translation& t, ValueId id);
// Does not depend on a graph input: a constant, or computed from constants alone.
bool is_parameter(const Translation& t, ValueId id);

// A node on the way to the result, named after the model's node with a suffix. Invalid where the
// first operand is.
ValueId step(Translation& t, const RawNode& node, const char* suffix, std::string op,
             std::vector<ValueId> inputs, Attributes attributes = {});
ValueId reshaped(Translation& t, const RawNode& node, const char* suffix, ValueId x,
                 const Shape& shape);  // x itself where it has that shape
// The result of the model's node: a last node with its name.
void finish(Translation& t, const RawNode& node, std::string op, std::vector<ValueId> inputs,
            Attributes attributes = {});
void finish_reshaped(Translation& t, const RawNode& node, ValueId x, const Shape& shape);

ValueId add_reals(Translation& t, const RawNode& node, const char* suffix, const Shape& shape,
                  const std::vector<float>& values);
std::vector<float> floats_of(const Tensor& reals);

// x + bias along `axis`, as the node's result; without a node where the bias is constant and zero.
ValueId add_real_bias(Translation& t, const RawNode& node, ValueId x, ValueId bias, int64_t axis);

// A dimension counted from the end where negative; an error and nothing where it is outside [0,
// most].
std::optional<int64_t> normal_axis(Translation& t, const RawNode& node, int64_t axis, int64_t rank,
                                   int64_t most);

}  // namespace heddle
