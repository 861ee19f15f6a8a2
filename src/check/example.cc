#include "check/example.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "ops/op.h"

namespace heddle {
namespace {

constexpr int64_t kMostElements = int64_t{1} << 26;  // of one tensor: an example is made in memory

using Values = std::map<std::string, ExprValue>;

std::optional<DType> dtype_named(std::string_view name) {
  for (const DType type : {DType::int8, DType::uint8, DType::int16, DType::uint16, DType::int32,
                           DType::int64, DType::float32}) {
    if (name_of(type) == name) return type;
  }
  return std::nullopt;
}

class Builder {
 public:
  Builder(const Spine& spine, const Values& values) : spine_(spine), values_(values) {}

  bool build() {
    ValueId value = anchor();
    for (size_t i = 1; i < spine_.size() && value.valid(); ++i) {
      const auto before = std::count(spine_.begin(), spine_.begin() + static_cast<std::ptrdiff_t>(i),
                                     spine_[i]);
      // As rules call the second operator of a name.
      const std::string called = before == 0 ? spine_[i] : fmt::format("{}_{}", spine_[i], before + 1);
      value = later(spine_[i], called, value);
    }
    if (!value.valid()) return false;
    graph.outputs.push_back(value);
    return verify_graph(graph).ok();
  }

  Graph graph;

 private:
  int64_t number(const std::string& name, int64_t otherwise) const {
    const auto found = values_.find(name);
    const int64_t* const value =
        found == values_.end() ? nullptr : std::get_if<int64_t>(&found->second);
    return value == nullptr ? otherwise : *value;
  }
  std::string text(const std::string& name, const std::string& otherwise) const {
    const auto found = values_.find(name);
    const std::string* const value =
        found == values_.end() ? nullptr : std::get_if<std::string>(&found->second);
    return value == nullptr ? otherwise : *value;
  }

  // An optional operand, if the values say so or speak of it.
  bool has(const std::string& operand) const {
    const auto first = values_.lower_bound(operand + ".");
    const bool named = first != values_.end() && first->first.starts_with(operand + ".");
    return number(operand + ".present", named) == 1;
  }

  // With the range that the values say.
  TensorType type_of(const std::string& operand, DType otherwise, Shape shape) const {
    const DType dtype = dtype_named(text(operand + ".dtype", std::string(name_of(otherwise))))
                            .value_or(otherwise);
    TensorType type{dtype, std::move(shape), range_of(dtype)};
    if (dtype == DType::float32) return type;
    if (dtype == DType::int64) type.range = range_of(DType::int32);
    type.range.lo = std::clamp(number(operand + ".lo", type.range.lo), type.range.lo, type.range.hi);
    type.range.hi = std::clamp(number(operand + ".hi", type.range.hi), type.range.lo, type.range.hi);
    return type;
  }

  static bool small_enough(const Shape& shape) {
    const int64_t elements = checked_elements(shape);
    return elements > 0 && elements <= kMostElements;
  }

  ValueId activation(const std::string& operand, Shape shape) {
    if (!small_enough(shape)) return {};
    Value value;
    value.name = operand;
    value.type = type_of(operand, DType::int8, std::move(shape));
    const ValueId id = graph.add_value(std::move(value));
    graph.inputs.push_back(id);
    return id;
  }

  // Zeros but for the least and the greatest value: sums stay far from int32's ends.
  ValueId constant(const std::string& operand, DType otherwise, Shape shape) {
    if (!small_enough(shape)) return {};
    const TensorType type = type_of(operand, otherwise, std::move(shape));
    Tensor tensor(type.dtype, type.shape);
    if (type.dtype != DType::float32) {
      const int64_t nearest = std::clamp<int64_t>(0, type.range.lo, type.range.hi);
      const int64_t lo = number(operand + ".min", nearest), hi = number(operand + ".max", nearest);
      if (lo > hi || !range_of(type.dtype).contains({lo, hi})) return {};
      for (int64_t i = 0; i < tensor.elements(); ++i) tensor.set(i, std::clamp<int64_t>(0, lo, hi));
      tensor.set(tensor.elements() - 1, hi);
      tensor.set(0, lo);
    }
    Value value;
    value.name = operand;
    value.type = {tensor.dtype(), tensor.shape(),
                  type.dtype == DType::float32 ? Range{} : tensor.min_max()};
    value.constant = std::move(tensor);
    return graph.add_value(std::move(value));
  }

  // One element for all channels.
  ValueId scaling(const std::string& operand, const std::string& rounding) {
    if (rounding != "float" || operand == "shifts") return constant(operand, DType::int32, {1});
    Value value;
    value.name = operand;
    value.constant = Tensor::of_floats({1}, {0.5f});
    value.type = {DType::float32, {1}, {}};
    return graph.add_value(std::move(value));
  }

  // Invalid where the operator refuses the node.
  ValueId node(const std::string& op, std::vector<ValueId> inputs, Attributes attributes) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      const std::vector<OperandDef>& operands = find_op(op)->operands;
      if (!inputs[i].valid() && !(i < operands.size() && operands[i].optional)) return {};
    }
    Node made;
    made.name = op;
    made.op = op;
    made.attributes = std::move(attributes);
    made.inputs = std::move(inputs);
    Value out;
    out.name = op;
    made.output = graph.add_value(std::move(out));
    const Result<TensorType> type = op_of(made).infer(OpView{graph, made});
    if (!type.ok()) return {};
    graph.value(made.output).type = *type;
    const ValueId output = made.output;
    graph.add_node(std::move(made));
    return output;
  }

  // All attributes of the record; nullopt: one that is neither known nor has a default.
  std::optional<Attributes> attributes(const std::string& op, const std::string& called,
                                       const std::map<std::string, int64_t>& defaults) const {
    Attributes made;
    for (const AttributeDef& attribute : find_op(op)->attributes) {
      const std::string short_name(attribute.name);
      const std::string name = called + "." + short_name;
      const auto fallback = defaults.find(short_name);
      if (attribute.text) {
        const bool shift = op == "requant" && !has("mul") && !has("add");
        made[short_name] = text(name, shift ? "shift" : "half_up");
      } else if (!attribute.vector && !attribute.real &&
                 (values_.contains(name) || fallback != defaults.end())) {
        made[short_name] = number(name, fallback == defaults.end() ? 0 : fallback->second);
      } else if (!attribute.otherwise) {
        return std::nullopt;
      }
    }
    return made;
  }

  static std::map<std::string, int64_t> window_defaults() {
    return {{"stride_h", 1}, {"stride_w", 1},   {"pad_top", 0},    {"pad_left", 0},
            {"pad_right", 0}, {"pad_bottom", 0}, {"dilation_h", 1}, {"dilation_w", 1},
            {"group", 1},    {"kernel_h", 1}, {"kernel_w", 1},
            {"count_include_pad", 0}, {"x_zero_point", 0}};
  }

  ValueId anchor() {
    const std::string& op = spine_.front();
    const auto size = [&](const char* name) { return number(name, 1); };
    const int64_t n = size("n"), k = size("k"), c = size("c");
    const std::optional<Attributes> given = attributes(op, op, window_defaults());
    if (op == "conv2d" && given) {
      const int64_t group = number("conv2d.group", 1);
      if (group < 1 || group > kMostElements || c > kMostElements || k > kMostElements) return {};
      const ValueId x = activation("x", {n, c * group, size("iy"), size("ix")});
      return node(op, {x, constant("weights", weight_type(), {k * group, c, size("fy"), size("fx")})},
                  *given);
    }
    if (op == "depthwise_conv2d" && given) {
      const ValueId x = activation("x", {n, k, size("iy"), size("ix")});
      return node(op, {x, constant("weights", weight_type(), {k, 1, size("fy"), size("fx")})}, *given);
    }
    if (op == "dense" && given) {
      const ValueId x = activation("x", {n, c});
      return node(op, {x, constant("weights", weight_type(), {k, c})}, *given);
    }
    const OpDef& record = *find_op(op);
    if (!given) return later(op, op, activation("x", map_shape()));
    if (given->contains("stride_h"))
      return node(op, {activation("x", {n, k, size("iy"), size("ix")})}, *given);
    if (record.operands.size() == 1 && in_class(record, "map"))
      return later(op, op, activation("x", map_shape()));
    const bool binary = record.operands.size() == 2 && !record.operands[1].constant &&
                        in_class(record, "map");
    if (binary) {
      const ValueId x = activation("x", map_shape());
      return node(op, {x, activation(std::string(record.operands[1].name), map_shape())}, *given);
    }
    return later(op, op, activation("x", map_shape()));
  }

  DType weight_type() const {
    return text("x.dtype", "int8") == "float32" ? DType::float32 : DType::int8;
  }
  Shape map_shape() const {
    const Shape all{number("n", 1), number("k", 1), number("oy", 1), number("ox", 1)};
    switch (number("x.rank", 4)) {
      case 1:
        return {all[1]};
      case 2:
        return {all[0], all[1]};
      case 3:
        return {all[0], all[1], all[3]};
      default:
        return all;
    }
  }

  ValueId later(const std::string& op, const std::string& called, ValueId x) {
    if (!x.valid()) return {};
    const Shape shape = graph.value(x).type.shape;
    const int64_t channel = std::min<int64_t>(1, std::ssize(shape) - 1);
    const std::optional<Attributes> given =
        attributes(op, called, {{"axis", channel}, {"shift", 0}, {"lo", -128}, {"hi", 127}, {"zero_point", 0},
                        {"x_zero_point", 0}});
    if (!given || shape.empty()) return {};
    if (op == "bias_add") {
      const int64_t axis = std::get<int64_t>(given->at("axis"));
      if (axis < 0 || axis >= std::ssize(shape)) return {};
      const bool real = graph.value(x).type.dtype == DType::float32;
      return node(op, {x, constant("bias", real ? DType::float32 : DType::int32,
                                   {shape[static_cast<size_t>(axis)]})},
                  *given);
    }
    const OpDef& record = *find_op(op);
    std::vector<ValueId> inputs{x};
    for (size_t i = 1; i < record.operands.size(); ++i) {
      const std::string operand(record.operands[i].name);
      if (record.operands[i].optional) {
        const bool there = op == "requant" && op == called && has(operand);
        inputs.push_back(there ? scaling(operand, text("requant.rounding", "half_up")) : ValueId{});
        if (there && !inputs.back().valid()) return {};
        continue;
      }
      if (record.operands[i].constant) return {};
      inputs.push_back(activation(operand, shape));
    }
    while (!inputs.back().valid()) inputs.pop_back();
    return node(op, std::move(inputs), *given);
  }

  const Spine& spine_;
  const Values& values_;
};

void set_constants(const Values& values, std::string_view prefix,
                   std::vector<std::pair<std::string, int64_t>>& constants) {
  for (auto& [name, value] : constants) {
    const auto found = values.find(std::string(prefix) + name);
    if (found != values.end()) value = std::get<int64_t>(found->second);
  }
}

void set_memories(const Values& values, std::vector<Memory>& memories) {
  for (Memory& memory : memories) {
    const auto found = values.find("memory." + memory.name + ".bytes");
    if (found != values.end()) memory.bytes = std::get<int64_t>(found->second);
  }
}

}  // namespace

std::optional<Example> example_of(const Soc& soc, int target, const Spine& spine,
                                  const Values& values) {
  Builder builder(spine, values);
  if (!builder.build()) return std::nullopt;
  Example example{std::move(builder.graph), soc};
  Target& own = target < 0 ? example.soc.cpu
                           : example.soc.accelerators[static_cast<size_t>(target)].target;
  set_constants(values, "unit.", own.constants);
  set_constants(values, "cpu.", example.soc.cpu_constants);
  set_memories(values, example.soc.memories);
  set_memories(values, own.memories);
  if (const auto isa = values.find("cpu.isa"); isa != values.end()) {
    const auto known = std::find(kIsaNames.begin(), kIsaNames.end(), std::get<std::string>(isa->second));
    if (known == kIsaNames.end()) return std::nullopt;
    example.soc.isa = static_cast<Isa>(known - kIsaNames.begin());
  }
  return example;
}

std::optional<Match> match_of(const Example& example, int target, int rule) {
  const Matches matches = match_rules(example.graph, example.soc, Policy{});
  const std::vector<Match>* const both[] = {&matches.accepted, &matches.refused};
  for (const std::vector<Match>* list : both) {
    for (const Match& match : *list) {
      if (match.target == target && match.rule == rule &&
          match.nodes.size() == example.graph.nodes.size())
        return match;
    }
  }
  return std::nullopt;
}

std::string describe(const Spine& spine, const Values& values) {
  std::string text = fmt::format("{}:", fmt::join(spine, " "));
  const auto say = [&](const std::string& name, const ExprValue& value) {
    text += fmt::format("{} {} {}", text.ends_with(':') ? "" : ",", name, to_string(value));
  };
  constexpr std::array<std::string_view, 9> kSizes = {"n",  "k",  "c",  "iy", "ix",
                                                      "oy", "ox", "fy", "fx"};
  for (const std::string_view size : kSizes) {
    const auto found = values.find(std::string(size));
    if (found != values.end()) say(found->first, found->second);
  }
  // Of the rest what is not usual, or follows from it.
  constexpr std::array<std::pair<std::string_view, int64_t>, 8> kUsual = {{
      {".lo", -128}, {".hi", 127}, {"zero_point", 0}, {"_h", 1}, {"_w", 1}, {".shift", 0}, {".group", 1},
      {".axis", 1},
  }};
  constexpr std::array<std::string_view, 8> kDerived = {".bits",    ".signed",   ".elements", ".bytes",
                                                        ".present", ".constant", ".rank",     "macs"};
  const auto dull = [&](const std::string& name, const ExprValue& value) {
    const auto ends = [&](std::string_view end) { return name.ends_with(end); };
    if (name.find('.') == std::string::npos || name.starts_with("y.") || name.starts_with("inside.") ||
        name.starts_with("cpu.") || name.starts_with("unit.") || name.starts_with("weights.lo") ||
        name.starts_with("weights.hi"))
      return name != "cpu.isa";
    if (std::any_of(kDerived.begin(), kDerived.end(), ends)) return true;
    if (name.find(".pad_") != std::string::npos) return value == ExprValue(int64_t{0});
    if (name.ends_with(".dtype")) return value == ExprValue(std::string("int8"));
    if (name == "requant.rounding") return value == ExprValue(std::string("shift"));
    return std::any_of(kUsual.begin(), kUsual.end(), [&](const auto& usual) {
      return ends(usual.first) && value == ExprValue(usual.second);
    });
  };
  for (const auto& [name, value] : values)
    if (!dull(name, value)) say(name, value);
  if (text.ends_with(':')) text.pop_back();
  return text;
}

}  // namespace heddle
