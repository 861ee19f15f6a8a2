#include "import/onnx/dialect.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace heddle {
namespace {

struct Mark {
  std::string_view op;
  Dialect dialect;
  bool prefix = false;
};

// The first mark in this order that a node of the model bears decides.
constexpr Mark kMarks[] = {
    // PULP's operators on integers.
    {"RequantShift", Dialect::integers},
    {"RequantizediGELU", Dialect::integers},
    {"RequantizediHardswish", Dialect::integers},
    {"IntegerMean", Dialect::integers},
    {"IntegerDiv", Dialect::integers},
    {"TrueIntegerDiv", Dialect::integers},
    {"ITAMax", Dialect::integers},
    {"ITAPartialMax", Dialect::integers},
    {"iSoftmax", Dialect::integers},
    {"iLayerNorm", Dialect::integers},
    {"iRMSNorm", Dialect::integers},
    {"iGELU", Dialect::integers},
    {"iHardswish", Dialect::integers},
    {"iNoNorm", Dialect::integers},
    // QONNX.
    {"Quant", Dialect::qonnx},
    {"IntQuant", Dialect::qonnx},
    {"BipolarQuant", Dialect::qonnx},
    {"Trunc", Dialect::qonnx},
    // ONNX and com.microsoft.
    {"QLinear", Dialect::qoperator, true},
    {"QGemm", Dialect::qoperator},
    {"ConvInteger", Dialect::qoperator},
    {"MatMulInteger", Dialect::qoperator},
    {"DynamicQuantizeLinear", Dialect::qoperator},
    {"QuantizeLinear", Dialect::qdq},
    {"DequantizeLinear", Dialect::qdq},
};

// Operators whose results are no integers, whatever their operands are.
constexpr std::string_view kRealOps[] = {"Acos",
                                         "Asin",
                                         "Atan",
                                         "Celu",
                                         "Cos",
                                         "Elu",
                                         "Erf",
                                         "Exp",
                                         "Gelu",
                                         "GroupNormalization",
                                         "HardSigmoid",
                                         "HardSwish",
                                         "InstanceNormalization",
                                         "LayerNormalization",
                                         "LeakyRelu",
                                         "Log",
                                         "LogSoftmax",
                                         "LpNormalization",
                                         "Mish",
                                         "Reciprocal",
                                         "ReduceL2",
                                         "ReduceLogSumExp",
                                         "Selu",
                                         "Sigmoid",
                                         "Sin",
                                         "Softmax",
                                         "Softplus",
                                         "Softsign",
                                         "Sqrt",
                                         "Tan",
                                         "Tanh",
                                         "ThresholdedRelu"};

bool has_op(const RawModel& model, std::string_view op) {
  return std::any_of(model.nodes.begin(), model.nodes.end(),
                     [&](const RawNode& node) { return node.op == op; });
}

// Constants that a batch norm reads say nothing where a Floor follows: its product of scale and
// deviation may still be an integer.
bool has_fractions(const RawModel& model) {
  std::set<std::string> excused;
  if (has_op(model, "Floor")) {
    for (const RawNode& node : model.nodes) {
      if (node.op == "BatchNormalization") excused.insert(node.inputs.begin(), node.inputs.end());
    }
  }
  for (const RawTensor& tensor : model.initialisers) {
    if (tensor.fraction && !excused.contains(tensor.name)) return true;
  }
  for (const RawNode& node : model.nodes) {
    if (node.op != "Constant" || node.outputs.empty() || excused.contains(node.outputs[0]))
      continue;
    for (const auto& [name, value] : node.attributes) {
      const RawTensor* tensor = std::get_if<RawTensor>(&value);
      const double* number = std::get_if<double>(&value);
      const auto* numbers = std::get_if<std::vector<double>>(&value);
      const auto fractional = [](double x) { return x != std::floor(x); };
      if (tensor != nullptr && tensor->fraction) return true;
      if (number != nullptr && fractional(*number)) return true;
      if (numbers != nullptr && std::any_of(numbers->begin(), numbers->end(), fractional))
        return true;
    }
  }
  return false;
}

}  // namespace

Dialect find_dialect(const RawModel& model) {
  for (const Mark& mark : kMarks) {
    for (const RawNode& node : model.nodes) {
      if (mark.prefix ? node.op.starts_with(mark.op) : node.op == mark.op) return mark.dialect;
    }
  }
  for (std::string_view op : kRealOps) {
    if (has_op(model, op)) return Dialect::float32;
  }
  return has_fractions(model) ? Dialect::float32 : Dialect::integers;
}

bool is_real(Dialect dialect) { return dialect != Dialect::integers; }

std::string describe(Dialect dialect, int64_t opset) {
  const char* name = dialect == Dialect::float32     ? "float32 ONNX"
                     : dialect == Dialect::qdq       ? "QDQ ONNX"
                     : dialect == Dialect::qoperator ? "QOperator ONNX"
                                                     : "QONNX";
  return fmt::format("{}, opset {}", name, opset);
}

std::string describe_requantisations(const Graph& graph) {
  std::set<std::string_view> types;
  std::set<std::string> roundings;
  bool per_channel = false;
  for (const Node& node : graph.nodes) {
    if (node.op != "requant") continue;
    types.insert(name_of(graph.value(node.output).type.dtype));
    roundings.insert(string_attribute(node, "rounding"));
    for (size_t i = 1; i < node.inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      per_channel = per_channel || (id.valid() && elements_of(graph.value(id).type.shape) > 1);
    }
  }
  if (types.empty()) return "";
  return fmt::format(", {}, {}, {} rounding", per_channel ? "per channel" : "per tensor",
                     fmt::join(types, " and "), fmt::join(roundings, " and "));
}

std::string describe_reals(const Graph& graph) {
  std::set<std::string> ops;
  int64_t count = 0;
  for (const Node& node : graph.nodes) {
    const bool converts = node.op == "quantize" || node.op == "dequantize";
    const bool moves = node.op == "reshape" || node.op == "flatten" || node.op == "transpose";
    if (graph.value(node.output).type.dtype != DType::float32 || converts || moves) continue;
    ops.insert(node.op);
    ++count;
  }
  if (count == 0) return "";
  return fmt::format("{} operator{} float32: {}", count, count == 1 ? " stays" : "s stay",
                     fmt::join(ops, ", "));
}

}  // namespace heddle
