#include "import/integerise.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "import/integerise_pass.h"

namespace heddle {
namespace integerising {
namespace {

ValueId& new_id(Pass& pass, ValueId old) {
  return pass.rebuild.ids[static_cast<size_t>(old.index)];
}

// Attributes of the dequantisation that a plain value stands for.
ValueId dequantised(Pass& pass, const Real& real, const std::string& name) {
  const int64_t count = std::ssize(real.scale);
  const ValueId scale =
      add_constant(pass.rebuild.to, name + "_scale", Tensor::of_floats({count}, real.scale));
  return add_operator(pass.rebuild.to,
                      {.op = "dequantize",
                       .name = name,
                       .value_name = name,
                       .inputs = {real.integers, scale},
                       .attributes = {{"axis", real.axis}, {"zero_point", real.zero_point}}});
}

bool dequantize(Pass& pass, const Node& node) {
  const Tensor* scale = float_constant(pass, node.inputs[1]);
  const ValueId integers = copy_value(pass.rebuild, pass.from, node.inputs[0]);
  if (scale == nullptr || is_constant(pass.rebuild.to, integers)) return false;
  const OpView op{pass.from, node};
  Real real{.integers = integers, .scale = scale->to_floats()};
  real.axis = op.attribute("axis");
  real.zero_point = op.attribute("zero_point");
  set_real(pass, node, std::move(real));
  return true;
}

bool quantize(Pass& pass, const Node& node) {
  const RealPtr real = real_of(pass, node.inputs[0]);
  const OpView op{pass.from, node};
  if (real == nullptr) return false;
  const Quantiser to = quantiser_of(pass, node);
  const std::string_view rounding = op.text("rounding");
  ValueId y;
  if (rounding == "half_even") y = quantise(pass, *real, to, node);
  if (rounding == "floor") y = quantise_sign(pass, *real, to, node);
  if (y.valid()) new_id(pass, node.output) = y;
  return y.valid();
}

std::map<std::string_view, Rule> all_rules() {
  std::map<std::string_view, Rule> rules{{"dequantize", dequantize}, {"quantize", quantize}};
  for (const std::vector<RuleEntry>& table : {layer_rules(), elementwise_rules(), pool_rules()}) {
    for (const RuleEntry& entry : table) rules[entry.op] = entry.rule;
  }
  return rules;
}

}  // namespace

// ---- reading

RealPtr real_of(const Pass& pass, ValueId old) {
  return pass.reals[static_cast<size_t>(old.index)];
}

const TensorType& old_type(const Pass& pass, ValueId old) { return pass.from.value(old).type; }

bool per_tensor(const Real& real) { return real.scale.size() == 1; }

bool is_plain(const Real& real) {
  return real.kind == Real::Kind::linear && real.addend.empty() && real.lo == -kInfinity &&
         real.hi == kInfinity;
}

RealPtr plain_operand(Pass& pass, ValueId old) {
  RealPtr& real = pass.reals[static_cast<size_t>(old.index)];
  if (real == nullptr || real->kind != Real::Kind::linear || !per_tensor(*real) ||
      !real->addend.empty()) {
    return nullptr;
  }
  if (is_plain(*real)) return real;
  // Zero lies on the grid: a value that is at least zero is one whose integers are at least the
  // zero point. Other bounds may lie between two integers.
  if (real->lo != 0 || real->hi != kInfinity) return nullptr;
  const TensorType& x = type_of(pass.rebuild.to, real->integers);
  const std::string name = pass.from.value(old).name;
  const ValueId clipped = try_operator(
      pass,
      {.op = "clip",
       .name = name,
       .value_name = name,
       .inputs = {real->integers},
       .attributes = {{"lo", real->zero_point}, {"hi", std::max(real->zero_point, x.range.hi)}}});
  if (!clipped.valid()) return nullptr;
  Real plain = *real;
  plain.integers = clipped;
  plain.lo = -kInfinity;
  real = std::make_shared<const Real>(std::move(plain));
  return real;
}

const Tensor* float_constant(const Pass& pass, ValueId old) {
  if (!old.valid()) return nullptr;
  const std::optional<Tensor>& constant = pass.from.value(old).constant;
  return constant && constant->dtype() == DType::float32 ? &*constant : nullptr;
}

Quantiser quantiser_of(const Pass& pass, const Node& node) {
  const OpView op{pass.from, node};
  Quantiser to;
  to.scale = op.constant(1)->to_floats();
  to.axis = op.attribute("axis");
  to.zero_point = op.attribute("zero_point");
  to.lo = op.attribute("lo");
  to.hi = op.attribute("hi");
  return to;
}

std::optional<GridConstant> on_grid(const Pass& pass, const Tensor& reals, int64_t axis) {
  const std::vector<float> values = reals.to_floats();
  const auto [begin, end] = pass.constants.equal_range(content_key(reals));
  for (auto candidate = begin; candidate != end; ++candidate) {
    const std::vector<float>& scale = candidate->second;
    const int64_t channels = reals.shape().empty() ? 1 : reals.shape()[static_cast<size_t>(axis)];
    if (scale.size() != 1 && std::ssize(scale) != channels) continue;
    int64_t inner = 1;
    for (size_t d = static_cast<size_t>(axis) + 1; d < reals.shape().size(); ++d)
      inner *= reals.shape()[d];
    std::vector<int64_t> integers;
    Range range;
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t k =
          scale.size() == 1 ? 0 : static_cast<size_t>(static_cast<int64_t>(i) / inner % channels);
      const float ratio = std::nearbyint(values[i] / scale[k]);
      if (!(std::fabs(ratio) <= 16777216.0f) || ratio * scale[k] != values[i]) break;
      integers.push_back(static_cast<int64_t>(ratio));
      range = {std::min(range.lo, integers.back()), std::max(range.hi, integers.back())};
    }
    if (integers.size() == values.size())
      return GridConstant{Tensor::of(narrowest_type(range), reals.shape(), integers), scale};
  }
  return std::nullopt;
}

std::optional<ChannelConstant> channel_constant(const Tensor& reals, const Shape& shape) {
  if (reals.shape().size() > shape.size()) return std::nullopt;
  const size_t missing = shape.size() - reals.shape().size();
  ChannelConstant result{.axis = 0, .values = reals.to_floats()};
  for (size_t d = 0; d < reals.shape().size(); ++d) {
    const int64_t size = reals.shape()[d];
    if (size == 1) continue;
    if (size != reals.elements() || size != shape[missing + d]) return std::nullopt;
    result.axis = static_cast<int64_t>(missing + d);
  }
  return result;
}

std::optional<Tensor> evaluate(const Node& node, const std::vector<Tensor>& operands) {
  Graph graph;
  Node alone = node;
  alone.inputs.clear();
  std::vector<const Tensor*> pointers;
  for (const Tensor& operand : operands) {
    Value value = new_value("", {operand.dtype(), operand.shape(), {}});
    value.constant = operand;
    alone.inputs.push_back(graph.add_value(std::move(value)));
    pointers.push_back(&operand);
  }
  const OpDef& op = op_of(node);
  pointers.resize(std::max(pointers.size(), op.operands.size()), nullptr);
  alone.output = graph.add_value(new_value("", {}));
  const OpView view{graph, alone};
  Result<TensorType> type = op.infer(view);
  if (!type.ok() || type->dtype != DType::float32) return std::nullopt;
  graph.value(alone.output).type = *type;
  return op.reference(view, pointers);
}

// ---- writing

void set_real(Pass& pass, const Node& node, Real real) {
  pass.reals[static_cast<size_t>(node.output.index)] =
      std::make_shared<const Real>(std::move(real));
}

NewNode named_after(const Pass& pass, const Node& node, std::string op) {
  return {.op = std::move(op),
          .name = node.name,
          .value_name = pass.from.value(node.output).name,
          .inputs = {},
          .attributes = {}};
}

ValueId try_operator(Pass& pass, NewNode node) {
  Diagnostics& errors = pass.rebuild.to.errors;
  const size_t before = errors.size();
  const ValueId y = add_operator(pass.rebuild.to, std::move(node));
  if (!y.valid()) errors.resize(before);
  return y;
}

ValueId materialise(Pass& pass, ValueId old) {
  std::vector<ValueId> wanted{old};
  while (!wanted.empty() && pass.rebuild.to.errors.empty()) {
    const ValueId id = wanted.back();
    if (!id.valid() || copy_value(pass.rebuild, pass.from, id).valid()) {
      wanted.pop_back();
      continue;
    }
    const RealPtr real = real_of(pass, id);
    if (real != nullptr && is_plain(*real)) {
      new_id(pass, id) = dequantised(pass, *real, pass.from.value(id).name);
      continue;
    }
    const Node& node = pass.from.node(pass.from.value(id).producer);
    const size_t before = wanted.size();
    for (ValueId input : node.inputs) {
      if (input.valid() && !copy_value(pass.rebuild, pass.from, input).valid())
        wanted.push_back(input);
    }
    if (wanted.size() == before) copy_node(pass.rebuild, pass.from, node);
  }
  return new_id(pass, old);
}

}  // namespace integerising

uint64_t content_key(const Tensor& reals) {
  uint64_t key = static_cast<uint64_t>(reals.elements());
  for (float value : reals.to_floats()) {
    // A finaliser of splitmix64 for each element; sums do not depend on the order.
    uint64_t bits = std::bit_cast<uint32_t>(value) + 0x9e3779b97f4a7c15U;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9U;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebU;
    key += bits ^ (bits >> 31);
  }
  return key;
}

Result<Graph> integerise(const Graph& graph, const std::string& file,
                         const QuantisedConstants& constants, const std::string& rounding) {
  using namespace integerising;
  Pass pass{.from = graph,
            .constants = constants,
            .rounding = rounding,
            .rebuild = start_rebuild(graph, file),
            .reals = std::vector<RealPtr>(graph.values.size())};
  const std::map<std::string_view, Rule> rules = all_rules();
  for (const Node& node : graph.nodes) {
    const auto rule = rules.find(node.op);
    if (rule == rules.end() || !rule->second(pass, node) || graph.is_output(node.output))
      materialise(pass, node.output);
    if (!pass.rebuild.to.errors.empty()) break;
  }
  if (pass.replaced > 0) {
    pass.rebuild.to.graph.notes.push_back(
        fmt::format("{} requantisations round as {} instead of ONNX's float32, as asked for",
                    pass.replaced, rounding));
  }
  return finish_rebuild(std::move(pass.rebuild), graph);
}

}  // namespace heddle
