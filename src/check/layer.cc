#include "check/layer.h"

#include <algorithm>

#include "check/layer_builder.h"
#include "ops/op.h"

namespace heddle {
namespace {

constexpr int64_t kMostConstants = int64_t{1} << 16;

}  // namespace

int64_t LayerBuilder::number(const std::string& name, const std::function<int64_t()>& draw) {
  if (const auto found = choices_.values.find(name); found != choices_.values.end()) {
    const int64_t* const integer = std::get_if<int64_t>(&found->second);
    return integer == nullptr ? 0 : *integer;
  }
  const AllowedValues& wanted = hints_.of(name);
  int64_t value = draw();
  if (wanted.any_of) {
    const int64_t* const integer = std::get_if<int64_t>(&random_.of(*wanted.any_of));
    if (integer != nullptr) value = *integer;
  } else {
    if (wanted.least && value < *wanted.least) value = *wanted.least + random_.pick(0, 4);
    if (wanted.most && value > *wanted.most)
      value = std::max(wanted.least.value_or(INT64_MIN), *wanted.most - random_.pick(0, 4));
  }
  choices_.values[name] = value;
  return value;
}

std::string LayerBuilder::text(const std::string& name, const std::vector<std::string>& usual) {
  if (const auto found = choices_.values.find(name); found != choices_.values.end()) {
    const std::string* const known = std::get_if<std::string>(&found->second);
    return known == nullptr ? "" : *known;
  }
  std::string value = usual.empty() ? "" : random_.of(usual);
  if (const AllowedValues& wanted = hints_.of(name); wanted.any_of) {
    const std::string* const one = std::get_if<std::string>(&random_.of(*wanted.any_of));
    if (one != nullptr) value = *one;
  }
  choices_.values[name] = value;
  return value;
}

int64_t LayerBuilder::size(const std::string& name, int64_t most, int64_t least) {
  return std::max<int64_t>(1, number(name, [&] {
    const int64_t kind = random_.pick(1, 100);
    if (kind <= 12) return least;
    if (kind <= 45 && !hints_.widths.empty()) {
      const int64_t width = random_.of(hints_.widths);
      const int64_t near = width * (random_.chance(70) ? 1 : 2) + random_.pick(-1, 1);
      if (near >= least && near <= most) return near;
    }
    return random_.pick(least, kind <= 52 ? 2 * most : most);
  }));
}

DType LayerBuilder::dtype(const std::string& operand, const std::vector<DType>& usual) {
  static const std::vector<DType> all = {DType::int8,   DType::uint8, DType::int16,  DType::uint16,
                                         DType::int32, DType::int64, DType::float32};
  std::vector<DType> fitting;
  const auto fits = [&](DType type) {
    return hints_.of(operand + ".bits").accepts(bits_of(type)) &&
           hints_.of(operand + ".signed").accepts(is_signed(type) ? 1 : 0);
  };
  for (const DType type : usual)
    if (fits(type)) fitting.push_back(type);
  if (fitting.empty()) {
    for (const DType type : all)
      if (fits(type)) fitting.push_back(type);
  }
  if (fitting.empty()) fitting = usual;
  std::vector<std::string> names;
  for (const DType type : fitting) names.emplace_back(name_of(type));
  const std::string chosen = text(operand + ".dtype", names);
  for (const DType type : all)
    if (name_of(type) == chosen) return type;
  return DType::int8;
}

// Bounds of an operand's elements, within those of its type. Wide types stay narrow enough for sums.
Range LayerBuilder::range(const std::string& operand, DType type, int64_t usual) {
  const Range whole = range_of(type);
  const int64_t lo = std::max(whole.lo, number(operand + ".lo", [&] {
    if (whole.lo == 0) return int64_t{0};
    return random_.chance(65) ? std::max(whole.lo, -usual - 1)
                              : std::max(whole.lo, random_.chance(60) ? 0 : int64_t{-17});
  }));
  const int64_t hi = std::min(whole.hi, number(operand + ".hi", [&] {
    return std::min(whole.hi, random_.chance(80) ? usual : int64_t{93});
  }));
  return {std::min(lo, whole.hi), std::max(hi, std::min(lo, whole.hi))};
}

ValueId LayerBuilder::activation(const std::string& operand, Shape shape,
                                 const std::vector<DType>& usual) {
  Value value;
  value.name = operand;
  value.type = {dtype(operand, usual), std::move(shape), {}};
  const int64_t most = value.type.dtype == DType::uint8 ? 255
                       : bits_of(value.type.dtype) == 8 ? 127
                       : bits_of(value.type.dtype) == 16 ? 32767
                                                         : (int64_t{1} << 24) - 1;
  if (value.type.dtype != DType::float32) value.type.range = range(operand, value.type.dtype, most);
  const ValueId id = graph.add_value(std::move(value));
  graph.inputs.push_back(id);
  return id;
}

// Elements of a constant: anywhere within its bounds, at its bounds only, or mostly 0; or the values
// of its palette, all of them.
ValueId LayerBuilder::constant(const std::string& operand, Shape shape,
                               const std::vector<DType>& usual, int64_t lo, int64_t hi) {
  const DType type = dtype(operand, usual);
  const int64_t count = checked_elements(shape);
  if (count < 0 || count > kMostConstants) {
    errors = {error_at({}, "too large a constant")};
    shape = {1};
  }
  Tensor tensor(type, std::move(shape));
  Random elements(choices_.seed ^ (0x5851F42D4C957F2Du * (graph.values.size() + 1)));
  if (type == DType::float32) {
    for (int64_t i = 0; i < tensor.elements(); ++i)
      tensor.set_float(i, static_cast<float>(elements.pick(-4096, 4095)) / 2048);
  } else if (const auto palette = hints_.palettes.find(operand);
             palette != hints_.palettes.end() && !palette->second.empty()) {
    std::vector<int64_t> fitting;
    for (const int64_t value : palette->second) {
      if (range_of(type).lo <= value && value <= range_of(type).hi) fitting.push_back(value);
    }
    if (fitting.empty()) errors = {error_at({}, "a constant whose type holds none of its values")};
    for (int64_t i = 0; i < tensor.elements() && !fitting.empty(); ++i)
      tensor.set(i, elements.of(fitting));
  } else {
    const Range whole = range_of(type);
    const int64_t least = std::clamp(number(operand + ".least", [&] { return lo; }), whole.lo, whole.hi);
    const int64_t most = std::clamp(number(operand + ".most", [&] { return hi; }), least, whole.hi);
    const int64_t style = number(operand + ".style", [&] { return random_.pick(0, 9); });
    const std::optional<int64_t> same =
        hints_.uniform.contains(operand) ? std::optional(elements.pick(least, most)) : std::nullopt;
    for (int64_t i = 0; i < tensor.elements(); ++i) {
      int64_t value = same ? *same : elements.pick(least, most);
      if (style == 8 && !same) value = elements.chance(50) ? least : most;
      if (style == 9 && !same && elements.chance(80)) value = std::clamp<int64_t>(0, least, most);
      tensor.set(i, value);
    }
  }
  return constant_of(operand, std::move(tensor));
}

ValueId LayerBuilder::constant_of(const std::string& operand, Tensor tensor) {
  Value value;
  value.name = operand;
  value.type = {tensor.dtype(), tensor.shape(),
                tensor.dtype() == DType::float32 ? Range{} : tensor.min_max()};
  value.constant = std::move(tensor);
  return graph.add_value(std::move(value));
}

bool LayerBuilder::node(const std::string& op, std::vector<ValueId> inputs, Attributes attributes) {
  Node made;
  made.name = op + (graph.nodes.empty() ? "" : "_" + std::to_string(graph.nodes.size()));
  made.op = op;
  made.attributes = std::move(attributes);
  made.inputs = std::move(inputs);
  if (!errors.empty()) return false;
  Value out;
  out.name = made.name;
  made.output = graph.add_value(std::move(out));
  const Result<TensorType> type = op_of(made).infer(OpView{graph, made});
  if (!type.ok()) {
    errors = type.errors();
    return false;
  }
  graph.value(made.output).type = *type;
  spine = made.output;
  graph.add_node(std::move(made));
  return true;
}

Result<Graph> build_layer(const Hints& hints, LayerChoices& choices, Random& random) {
  constexpr int64_t kMostElements = int64_t{1} << 18;
  LayerBuilder builder(hints, choices, random);
  builder.graph.name = "layer";
  builder.graph.dialect = "drawn by heddle check";
  for (size_t i = 0; i < choices.ops.size(); ++i) {
    const Recipe recipe = recipe_of(choices.ops[i]);
    if (recipe == nullptr)
      return error_at({}, "layers with `" + choices.ops[i] + "` cannot be drawn");
    if (!recipe(builder, choices.ops[i]))
      return builder.errors.empty() ? Diagnostics{error_at({}, "no such layer")} : builder.errors;
    if (elements_in(builder.graph) > kMostElements) return error_at({}, "too large a layer");
  }
  builder.graph.outputs = {builder.spine};
  return std::move(builder.graph);
}

bool can_draw(std::string_view op) { return recipe_of(op) != nullptr; }

int64_t macs_of(const Graph& graph) {
  int64_t macs = 0;
  for (const Node& node : graph.nodes) macs += op_of(node).loops(OpView{graph, node}).macs;
  return macs;
}

int64_t elements_in(const Graph& graph) {
  int64_t elements = 0;
  for (const Value& value : graph.values) elements += elements_of(value.type.shape);
  return elements;
}

}  // namespace heddle
