#include "check/layer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "check/layer_builder.h"
#include "ops/op.h"

namespace heddle {
namespace {

constexpr int64_t kMostConstants = int64_t{1} << 16;

}  // namespace

std::string LayerBuilder::named(const std::string& name) const {
  const size_t dot = name.find('.');
  if (suffix_.empty() || dot == std::string::npos || name.starts_with("y.")) return name;
  return name.substr(0, dot) + suffix_ + name.substr(dot);
}

void LayerBuilder::complain(const std::string& name, const std::string& what) {
  const auto place = said_->places.find(name);
  errors.push_back(error_at(place == said_->places.end() ? said_->place : place->second, what));
}

int64_t LayerBuilder::number(const std::string& plain_name, const std::function<int64_t()>& draw,
                             std::optional<int64_t> plain) {
  const std::string name = named(plain_name);
  if (said_ != nullptr) said_->asked.insert(name);
  if (const auto found = choices_.values.find(name); found != choices_.values.end()) {
    const int64_t* const integer = std::get_if<int64_t>(&found->second);
    if (integer == nullptr && said_ != nullptr) complain(name, "`" + name + "` is a number of a layer");
    return integer == nullptr ? 0 : *integer;
  }
  if (said_ != nullptr) {
    if (!plain) plain = plain_value(plain_name);
    if (!plain) complain(name, "the case does not say `" + name + "`");
    choices_.values[name] = plain.value_or(1);
    return plain.value_or(1);
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

bool LayerBuilder::some(const std::string& operand, int64_t percent) {
  const std::string head = named(operand + ".");
  const auto first = choices_.values.lower_bound(head);
  const bool spoken_of = (first != choices_.values.end() && first->first.starts_with(head)) ||
                         (said_ != nullptr && said_->palettes.contains(head.substr(0, head.size() - 1)));
  return number(operand + ".present", [&] { return int64_t{chance(percent)}; }, int64_t{spoken_of}) != 0;
}

std::string LayerBuilder::text(const std::string& plain_name, const std::vector<std::string>& usual) {
  const std::string name = named(plain_name);
  if (said_ != nullptr) said_->asked.insert(name);
  if (const auto found = choices_.values.find(name); found != choices_.values.end()) {
    const std::string* const known = std::get_if<std::string>(&found->second);
    if (known == nullptr && said_ != nullptr) complain(name, "`" + name + "` is a text of a layer");
    return known == nullptr ? "" : *known;
  }
  std::string value = usual.empty() ? "" : said_ != nullptr ? usual.front() : random_.of(usual);
  if (said_ != nullptr && !name.ends_with(".dtype")) complain(name, "the case does not say `" + name + "`");
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
    return hints_.of(named(operand + ".bits")).accepts(bits_of(type)) &&
           hints_.of(named(operand + ".signed")).accepts(is_signed(type) ? 1 : 0);
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
  if (said_ != nullptr)
    complain(named(operand + ".dtype"), "there is no type `" + terminal_text(chosen) + "`");
  return DType::int8;
}

// Bounds of an operand's elements, within those of its type. Wide types stay narrow enough for sums.
Range LayerBuilder::range(const std::string& operand, DType type, int64_t usual) {
  const Range whole = range_of(type);
  const int64_t lo = std::max(whole.lo, number(operand + ".lo", [&] {
    if (whole.lo == 0) return int64_t{0};
    return random_.chance(65) ? std::max(whole.lo, -usual - 1)
                              : std::max(whole.lo, random_.chance(60) ? 0 : int64_t{-17});
  }, whole.lo));
  const int64_t hi = std::min(whole.hi, number(operand + ".hi", [&] {
    return std::min(whole.hi, random_.chance(80) ? usual : int64_t{93});
  }, std::min(whole.hi, usual)));
  return {std::min(lo, whole.hi), std::max(hi, std::min(lo, whole.hi))};
}

ValueId LayerBuilder::activation(const std::string& operand, Shape shape,
                                 const std::vector<DType>& usual) {
  Value value;
  value.name = named(operand + ".");
  value.name.pop_back();
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
  const std::string dotted = named(operand + "."), bound = dotted.substr(0, dotted.size() - 1);
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
  } else if (const auto palette = hints_.palettes.find(bound);
             palette != hints_.palettes.end() && !palette->second.empty()) {
    fill(tensor, bound, palette->second, elements);
  } else if (said_ != nullptr && said_->palettes.contains(bound)) {
    said_->asked.insert(bound + ".values");
    fill(tensor, bound, said_->palettes.at(bound), elements);
  } else {
    const Range whole = range_of(type);
    const int64_t least = std::clamp(number(operand + ".min", [&] { return lo; }, lo), whole.lo, whole.hi);
    const int64_t most = std::clamp(number(operand + ".max", [&] { return hi; }, hi), least, whole.hi);
    const int64_t style = number(operand + ".style", [&] { return random_.pick(0, 9); });
    const std::optional<int64_t> same =
        hints_.uniform.contains(bound) ? std::optional(elements.pick(least, most)) : std::nullopt;
    for (int64_t i = 0; i < tensor.elements(); ++i) {
      int64_t value = same ? *same : elements.pick(least, most);
      if (style == 8 && !same) value = elements.chance(50) ? least : most;
      if (style == 9 && !same && elements.chance(80)) value = std::clamp<int64_t>(0, least, most);
      tensor.set(i, value);
    }
    if (said_ != nullptr && tensor.elements() > 0) {  // both ends are there
      tensor.set(0, most);
      tensor.set(tensor.elements() - 1, least);
    }
  }
  return constant_of(operand, std::move(tensor));
}

// Elements of a palette, those of a layer that is said with each of its values at least once.
void LayerBuilder::fill(Tensor& tensor, const std::string& operand, const std::vector<int64_t>& palette,
                        Random& elements) {
  const Range whole = range_of(tensor.dtype());
  std::vector<int64_t> fitting;
  for (const int64_t value : palette)
    if (whole.lo <= value && value <= whole.hi) fitting.push_back(value);
  if (said_ != nullptr && fitting.size() < palette.size()) {
    complain(operand + ".values", fmt::format("`{}` does not hold all of these", name_of(tensor.dtype())));
  } else if (fitting.empty()) {
    errors = {error_at({}, "a constant whose type holds none of its values")};
  }
  for (int64_t i = 0; i < tensor.elements() && !fitting.empty(); ++i) {
    const bool in_turn = said_ != nullptr && i < static_cast<int64_t>(fitting.size());
    tensor.set(i, in_turn ? fitting[static_cast<size_t>(i)] : elements.of(fitting));
  }
}

ValueId LayerBuilder::constant_of(const std::string& operand, Tensor tensor) {
  Value value;
  value.name = named(operand + ".");
  value.name.pop_back();
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

std::optional<int64_t> plain_value(const std::string& name) {
  static const std::map<std::string, int64_t, std::less<>> plain = {
      {"n", 1},           {"b0", 1},           {"b1", 1},           {"stride_h", 1},     {"stride_w", 1},
      {"dilation_h", 1},  {"dilation_w", 1},   {"group", 1},        {"pad_top", 0},      {"pad_left", 0},
      {"pad_bottom", 0},  {"pad_right", 0},    {"pads", 0},         {"x_zero_point", 0}, {"w_zero_point", 0},
      {"zero_point", 0},  {"axis", 1},         {"style", 0},        {"size", 9},         {"each", 1},
      {"same", 0},        {"constant", 0},     {"count_include_pad", 0},                 {"kind", 0},
  };
  const auto found = plain.find(std::string_view(name).substr(name.rfind('.') + 1));
  return found == plain.end() ? std::nullopt : std::optional(found->second);
}

std::string occurrence_name(const std::vector<std::string>& ops, size_t at) {
  const auto nth = std::count(ops.begin(), ops.begin() + static_cast<std::ptrdiff_t>(at) + 1, ops[at]);
  return ops[at] + (nth > 1 ? "_" + std::to_string(nth) : "");
}

namespace {

Result<Graph> build(LayerBuilder& builder, const std::vector<std::string>& ops) {
  constexpr int64_t kMostElements = int64_t{1} << 18;
  builder.graph.name = "layer";
  builder.graph.dialect = "drawn by heddle check";
  for (size_t i = 0; i < ops.size(); ++i) {
    const Recipe recipe = recipe_of(ops[i]);
    if (recipe == nullptr) return error_at({}, "layers with `" + ops[i] + "` cannot be drawn");
    builder.begin(occurrence_name(ops, i).substr(ops[i].size()));
    const bool made = recipe(builder, ops[i]);
    if (!made || !builder.errors.empty())
      return builder.errors.empty() ? Diagnostics{error_at({}, "no such layer")} : builder.errors;
    if (elements_in(builder.graph) > kMostElements) return error_at({}, "too large a layer");
  }
  builder.graph.outputs = {builder.spine};
  return std::move(builder.graph);
}

}  // namespace

Result<Graph> build_layer(const Hints& hints, LayerChoices& choices, Random& random) {
  LayerBuilder builder(hints, choices, random);
  return build(builder, choices.ops);
}

Result<Graph> build_layer(SaidLayer& layer) {
  const Hints none;
  Random random(layer.choices.seed);
  LayerBuilder builder(none, layer.choices, random, &layer);
  return build(builder, layer.choices.ops);
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
