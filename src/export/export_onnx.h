// The normalised graph as an ONNX model of standard operators, which ONNX Runtime runs with equal
// outputs.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "graph/graph.h"

namespace heddle {

// Graph inputs and outputs keep names, types and shapes. Between them integers travel as int64 and
// are computed exactly; convolutions compute them in float32, split so that no sum exceeds 2^24.
// An operator that takes several ONNX nodes becomes a function of the model, of domain `heddle`.
// Float32 operators are ONNX's own: equal up to the order of their sums. Errors: nodes that have no
// such form, each with its reason.
Result<std::string> export_onnx(const Graph& graph, const std::string& file);

// Why no node of the operator can be exported; empty where there is a form. For tests and
// documents.
std::string_view no_onnx_form(std::string_view op);

}  // namespace heddle
