// One node on its way to ONNX: the body of standard nodes that computes it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "export/onnx_file.h"
#include "ops/op.h"

namespace heddle {

// Names inside a body: "x0".. are operands, "t0".. results.
struct Body {
  std::vector<std::pair<std::string, ValueId>> operands;  // local name and value, in order of use
  std::vector<onnx_file::Node> nodes;
  std::string result;
  std::string failure;  // why the node has no ONNX form; empty: it has
};

class Lowering {
 public:
  Lowering(const Graph& graph, const Node& node) : op{graph, node} {}

  const OpView op;
  Body body;

  // Operand i, an int64 tensor or a float32 one. A constant becomes part of the model.
  std::string operand(size_t i);
  bool real() const { return op.is_real(); }
  int64_t rank() const { return static_cast<int64_t>(op.output().shape.size()); }

  std::string add(std::string op_type, std::vector<std::string> inputs,
                  std::vector<onnx_file::Attribute> attributes = {});
  std::string constant(onnx_file::Constant constant);
  std::string number(int64_t value) { return constant(onnx_file::integers("", {}, {value})); }
  std::string number(float value) { return constant(onnx_file::reals("", {}, {value})); }
  std::string list(const std::vector<int64_t>& values);  // of shape [n]
  // The constant operand i, [K] or of one element, shaped to broadcast along dimension `axis`.
  std::string channels(size_t i, int64_t axis);
  std::string channels(const std::vector<int64_t>& values, int64_t axis);

  std::string cast(const std::string& x, onnx_file::Type type);
  std::string minus(const std::string& x, int64_t number);  // x itself where number is 0
  std::string plus(const std::string& x, int64_t number) { return minus(x, -number); }
  std::string clamp(const std::string& x, int64_t lo, int64_t hi);
  // floor(x / divisor) for a positive divisor.
  std::string floor_div(const std::string& x, const std::string& divisor);
  // gemmlowp's steps: round(product / 2^31), and round(x / divisor), both halves away from zero.
  std::string high_product(const std::string& product);
  std::string divide_away(const std::string& x, const std::string& divisor,
                          const std::string& half);
  // An attribute of an operator that may not have it (yet).
  int64_t attribute_or(const std::string& name, int64_t otherwise) const;

  void fail(std::string why) { body.failure = std::move(why); }
};

using Lower = std::string (*)(Lowering&);  // the result's local name
struct LoweringEntry {
  std::string_view op;
  Lower lower = nullptr;         // or
  std::string_view reason = "";  // why there is no form
};
std::vector<LoweringEntry> layer_lowerings();    // layers.cc
std::vector<LoweringEntry> map_lowerings();      // maps.cc
std::vector<LoweringEntry> integer_lowerings();  // integers.cc: norms, softmax, divisions
std::vector<LoweringEntry> real_lowerings();     // reals.cc

}  // namespace heddle
