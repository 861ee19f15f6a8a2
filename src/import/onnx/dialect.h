// Which of the ways to write a quantised network in ONNX a file uses.
#pragma once

#include <string>

#include "graph/graph.h"
#include "import/onnx/raw_model.h"

namespace heddle {

enum class Dialect : uint8_t {
  integers,   // every tensor holds integers, whatever its type says
  float32,    // real numbers
  qdq,        // real numbers between DequantizeLinear and QuantizeLinear
  qoperator,  // operators on quantised tensors: QLinearConv ...
  qonnx,      // real numbers on the grid of Quant nodes
};

// By the operators and constants of the model; the table in dialect.cc says how.
Dialect find_dialect(const RawModel& model);

// Every dialect but the first: tensors of a float type hold real numbers.
bool is_real(Dialect dialect);

// "float32 ONNX, opset 1"; not for integers.
std::string describe(Dialect dialect, int64_t opset);
// ", per channel, int8, float rounding": the requantisations that a model of real numbers became;
// "" where there are none.
std::string describe_requantisations(const Graph& graph);
// "2 operators stay float32: softmax, unary": those between integers that no integer form covers;
// "" where there are none.
std::string describe_reals(const Graph& graph);

}  // namespace heddle
