#include <algorithm>

#include "requantize/meaning.h"

namespace heddle::requantizing {
namespace {

bool is_one_of(const std::string& op, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), op) != names.end();
}

// Windows that cover every row and column once.
bool partitions(const OpView& op) {
  for (const char* side : {"pad_top", "pad_left", "pad_bottom", "pad_right"}) {
    if (op.attribute(side) != 0) return false;
  }
  const Shape &x = op.input(0).shape, &y = op.output().shape;
  const auto once = [&](size_t d, const char* kernel, const char* stride) {
    const int64_t size = op.attribute(kernel);
    return y[d] * size == x[d] && (y[d] == 1 || op.attribute(stride) == size);
  };
  return once(2, "kernel_h", "stride_h") && once(3, "kernel_w", "stride_w");
}

// A factor that all elements are multiplied by; nothing where the node is none.
std::optional<double> factor_of(const OpView& op) {
  const bool divides = op.node.op == "binary" && op.text("function") == "div";
  if (!divides && op.node.op != "mul") return std::nullopt;
  const std::optional<Tensor>& constant = op.constant(1);
  if (!op.is_real() || !constant || constant->elements() != 1) return std::nullopt;
  const double factor = numbers_of(*constant)[0];
  if (factor == 0) return std::nullopt;
  return divides ? 1 / factor : factor;
}

}  // namespace

// Operators whose result orders the elements of each row as their operand does.
bool keeps_order(const OpView& op) {
  const std::string& name = op.node.op;
  if (is_one_of(name, {"softmax", "tflite_softmax", "i_softmax", "ita_max"})) return true;
  if (name == "unary")
    return is_one_of(op.text("function"), {"sigmoid", "tanh", "exp", "softplus"});
  if (name != "lookup") return false;
  const std::vector<double> table = numbers_of(*op.constant(1));
  return std::is_sorted(table.begin(), table.end());
}

std::string form_of(const OpView& op) {
  const std::string& name = op.node.op;
  if (name == "unary" || name == "binary") return op.text("function");
  if (name == "lookup") return "lookup, a table of 8-bit values";
  if (name == "mul" || name == "matmul") return name + " of two activations";
  return name;
}

std::optional<PlaneMean> plane_mean_from(const Graph& graph, const Node& first) {
  PlaneMean mean;
  const Shape& image = graph.value(first.inputs[0]).type.shape;
  if (image.size() != 4 || (first.op != "reshape" && first.op != "sum_pool")) return std::nullopt;
  int pools = 0;
  for (const Node* node = &first;;) {
    const OpView op{graph, *node};
    const Shape& y = op.output().shape;
    if (y.size() != 4 || y[0] != image[0] || y[1] != image[1]) break;
    if (node->op == "sum_pool" && partitions(op)) {
      if (pools++ == 0 && !op.is_real())
        mean.zero_point = static_cast<double>(op.attribute("x_zero_point"));
      if (op.real("scale") != 0) mean.weight *= op.real("scale");
    } else if (const std::optional<double> factor = factor_of(op)) {
      mean.weight *= *factor;
    } else if (node->op != "reshape") {
      break;
    }
    mean.nodes.push_back(graph.value(node->output).producer);
    const Value& value = graph.value(node->output);
    if (value.consumers.size() != 1 || graph.is_output(node->output)) break;
    node = &graph.node(value.consumers[0]);
  }
  if (mean.nodes.empty() || pools < 2) return std::nullopt;  // one alone is an average already
  const Shape& y = graph.value(graph.node(mean.nodes.back()).output).type.shape;
  return y[2] == 1 && y[3] == 1 ? std::optional<PlaneMean>(mean) : std::nullopt;
}

}  // namespace heddle::requantizing
