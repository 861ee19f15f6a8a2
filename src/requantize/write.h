// The integer network as an ONNX file of standard operators whose tensors are float and hold
// integers: Conv, Gemm, Add, Div by 2^shift, Floor, Clip.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "requantize/integers.h"

namespace heddle::requantizing {

struct NamedInput {
  std::string name;   // of the graph's input
  ValueId source;     // the source's value that it stands for
  Range range;        // of its integers
  int64_t moved = 0;  // what is taken off them first, so that they fit int8
};

struct Written {
  const std::string& name;  // of the network
  const std::vector<NamedInput>& inputs;
  const std::vector<IntegerLayer>& layers;
  const std::map<ValueId, IntegerTensor>& tensors;
  const std::vector<ValueId>& outputs;
};
std::string write_onnx(const Written& network);

}  // namespace heddle::requantizing
