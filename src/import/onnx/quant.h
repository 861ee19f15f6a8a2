// What the handlers of quantised tensors share: scales and zero points as the model writes them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "import/onnx/real.h"

namespace heddle {

// real = (integer - zero point) * scale
struct Grid {
  int32_t type = kOnnxUint8;        // of the integers, an OnnxType
  std::vector<float> scale;         // one, or one a channel
  std::vector<int64_t> zero_point;  // as many
  bool whole_tensor() const { return scale.size() == 1; }
};

Range range_of_onnx(int32_t type);  // {0, 0} where it is no integer of at most 32 bits

// The operands `scale` and `zero_point` (which may be absent); nothing after an error.
std::optional<Grid> read_grid(Translation& t, const RawNode& node, size_t scale,
                              std::optional<size_t> zero_point);

// Operand x as real numbers: constants at once, remembered for the pass that finds them again.
// `axis`: the dimension of channels; negative ones count from the end.
void dequantise(Translation& t, const RawNode& node, size_t x, const Grid& grid, int64_t axis);
void quantise(Translation& t, const RawNode& node, size_t x, const Grid& grid, int64_t axis);

// Operators between a dequantisation of their operands and a quantisation of their result.
std::vector<OperatorEntry> real_quant_operators();    // real_quant.cc: Quantize, Dequantize
std::vector<OperatorEntry> real_qlinear_operators();  // real_qlinear.cc

}  // namespace heddle
