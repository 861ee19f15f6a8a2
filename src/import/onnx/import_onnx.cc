// ONNX to Graph: orders the nodes, gives each to its handler, collects every error, then
// normalises.
#include <fmt/format.h>

#include <algorithm>
#include <queue>

#include "base/text.h"
#include "import/finish.h"
#include "import/import.h"
#include "import/onnx/translate.h"
#include "ops/op.h"

namespace heddle {
namespace {

constexpr int64_t kMaxConstantBytes = int64_t{1} << 28;

std::string label(const RawNode& node) { return fmt::format("{} ({})", node.name, node.op); }

Handler find_handler(const std::vector<OperatorEntry>& entries, const RawNode& node) {
  bool standard = node.domain.empty() || node.domain == "ai.onnx";
  for (const OperatorEntry& entry : entries) {
    if (entry.op == node.op && (standard || entry.any_domain)) return entry.handler;
  }
  return nullptr;
}

// ---- names: each tensor has one origin

// Reports duplicate and missing tensors; afterwards every name that a node reads has exactly one
// origin.
void check_names(Translation& t, const RawModel& model) {
  std::set<std::string> defined;
  auto define = [&](const std::string& name, const std::string& node) {
    if (!name.empty() && !defined.insert(name).second) {
      report(t.builder, node, fmt::format("tensor {} is defined twice", ticked(name)),
             "every tensor needs a name of its own");
    }
  };
  std::set<std::string> initialisers;
  for (const RawTensor& tensor : model.initialisers) {
    define(tensor.name, "");
    initialisers.insert(tensor.name);
  }
  for (const RawInfo& input : model.inputs) {
    if (!initialisers.contains(input.name))
      define(input.name, "");  // an initialiser may be listed as an input
  }
  for (const RawNode& node : model.nodes) {
    for (const std::string& output : node.outputs) define(output, label(node));
  }
  for (const RawNode& node : model.nodes) {
    for (const std::string& input : node.inputs) {
      if (!input.empty() && !defined.contains(input)) {
        fail(t, node, fmt::format("reads tensor {}, which nothing defines", ticked(input)));
      }
    }
  }
  for (const RawInfo& output : model.outputs) {
    if (!defined.contains(output.name))
      report(t.builder, "",
             fmt::format("graph output {} is defined by no node", ticked(output.name)));
  }
  if (model.outputs.empty()) report(t.builder, "", "the graph has no outputs", "name at least one");
}

// Indices of model.nodes, producers first, otherwise in the file's order (Kahn, smallest index
// first).
std::vector<size_t> topological_order(Translation& t, const RawModel& model) {
  std::map<std::string, size_t> producer;
  for (size_t i = 0; i < model.nodes.size(); ++i) {
    for (const std::string& output : model.nodes[i].outputs) producer[output] = i;
  }
  std::vector<std::vector<size_t>> consumers(model.nodes.size());
  std::vector<int64_t> waiting(model.nodes.size(), 0);
  for (size_t i = 0; i < model.nodes.size(); ++i) {
    for (const std::string& input : model.nodes[i].inputs) {
      auto found = producer.find(input);
      if (input.empty() || found == producer.end()) continue;
      consumers[found->second].push_back(i);
      ++waiting[i];
    }
  }
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
  for (size_t i = 0; i < waiting.size(); ++i) {
    if (waiting[i] == 0) ready.push(i);
  }
  std::vector<size_t> order;
  while (!ready.empty()) {
    size_t i = ready.top();
    ready.pop();
    order.push_back(i);
    for (size_t next : consumers[i]) {
      if (--waiting[next] == 0) ready.push(next);
    }
  }
  if (order.size() < model.nodes.size()) {
    std::string names;
    int64_t left = 0;
    for (size_t i = 0; i < waiting.size(); ++i) {
      if (waiting[i] > 0 && ++left <= 8)
        names += (names.empty() ? "" : ", ") + ticked(model.nodes[i].name);
    }
    report(t.builder, "",
           fmt::format("{} nodes wait for each other in a cycle: {}{}", left, names,
                       left > 8 ? " ..." : ""),
           "a network must be acyclic");
  }
  return order;
}

// ---- what cannot be imported at all

// 8-bit tensors between layers need scales, or a requantisation, to mean anything.
bool lacks_scales(Translation& t, const RawModel& model) {
  std::map<std::string, int32_t> types;
  for (const RawTensor& tensor : model.initialisers) types[tensor.name] = tensor.type;
  for (const RawInfo& input : model.inputs) types.emplace(input.name, input.type);
  int64_t layers = 0;
  std::string first;
  for (const RawNode& node : model.nodes) {
    bool requantises = node.op == "RequantShift" || node.op == "Div" || node.op == "Floor" ||
                       node.op.find("uantize") != std::string::npos ||
                       node.op.starts_with("QLinear") || node.op.starts_with("QGemm") ||
                       node.op.ends_with("Integer");
    if (requantises) return false;
    if (node.op != "Conv" && node.op != "Gemm" && node.op != "MatMul") continue;
    for (size_t i = 0; i < 2 && i < node.inputs.size(); ++i) {
      auto type = types.find(node.inputs[i]);
      if (type != types.end() && (type->second == kOnnxInt8 || type->second == kOnnxUint8)) {
        ++layers;
        if (first.empty()) first = label(node);
        break;
      }
    }
  }
  bool fractional = std::any_of(model.initialisers.begin(), model.initialisers.end(),
                                [](const RawTensor& x) { return x.fraction.has_value(); });
  if (layers < 2 && !(layers == 1 && fractional)) return false;
  report(t.builder, first,
         fmt::format("{} layers multiply 8-bit tensors, but the model has neither scales "
                     "(QuantizeLinear, QLinear operators) nor "
                     "requantisation (RequantShift, Div with Floor): what its sums mean is lost",
                     layers),
         "export the model again, with its quantisation parameters");
  return true;
}

std::string known_shape(const Translation& t, const RawModel& model, const std::string& tensor) {
  auto found = t.tensors.find(tensor);
  if (found != t.tensors.end() && !found->second.broken) {
    if (found->second.constant) return to_string(found->second.constant->values.shape());
    if (found->second.chain.base.valid())
      return to_string(type_of(t.builder, found->second.chain.base).shape);
  }
  for (const RawInfo& info : model.infos) {
    if (info.name != tensor || !info.has_shape || info.dims.size() > 32) continue;
    Shape shape;
    for (const RawDim& dim : info.dims) shape.push_back(dim.value);
    return to_string(shape);
  }
  return "";
}

struct Unsupported {
  int64_t count = 0;
  std::string nodes;
};

void note_unsupported(const Translation& t, const RawModel& model, const RawNode& node,
                      std::map<std::string, Unsupported>* all) {
  std::string op = node.op;
  if (!node.domain.empty() && node.domain != "ai.onnx") op = node.domain + "::" + op;
  Unsupported& entry = (*all)[op];
  if (++entry.count > 12) return;
  std::string shape = node.inputs.empty() ? "" : known_shape(t, model, node.inputs[0]);
  entry.nodes += fmt::format("{}{}{}", entry.nodes.empty() ? "" : ", ", ticked(node.name),
                             shape.empty() ? "" : " of " + shape);
}

void report_unsupported(Translation& t, const RawModel& model,
                        const std::vector<bool>& unsupported) {
  std::map<std::string, Unsupported> all;
  for (size_t i = 0; i < model.nodes.size(); ++i) {
    if (unsupported[i]) note_unsupported(t, model, model.nodes[i], &all);
  }
  bool float_dialect = false;
  for (const auto& [op, entry] : all)
    float_dialect =
        float_dialect || op.find("uantizeLinear") != std::string::npos || op.starts_with("QLinear");
  for (const auto& [op, entry] : all) {
    std::string more = entry.count > 12 ? fmt::format(" and {} more", entry.count - 12) : "";
    report(t.builder, "",
           fmt::format("operator {} is not supported ({} node{}): {}{}", ticked(op), entry.count,
                       entry.count == 1 ? "" : "s", entry.nodes, more),
           float_dialect ? "integer dialects are read: RequantShift, or Div, Floor and Clip; "
                           "QuantizeLinear and QLinear models are not"
                         : "");
  }
}

// What the file says, before any reduction.
std::string dialect_of(const Graph& graph) {
  const std::pair<const char*, const char*> dialects[] = {
      {"half_up", "half_up (RequantShift)"},
      {"floor", "floor (Mul, Add, Div, Floor, Clip)"},
      {"shift", "shift (Div, Floor, Clip)"}};
  std::string text;
  for (const auto& dialect : dialects) {
    bool used = std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) {
      return node.op == "requant" && string_attribute(node, "rounding") == dialect.first;
    });
    if (used) text += (text.empty() ? "" : " and ") + std::string(dialect.second);
  }
  return "integer ONNX, " + (text.empty() ? "without requantisation" : text);
}

// The first entry of an operator counts: real mode replaces some that the views share.
std::vector<OperatorEntry> operators_of(bool real) {
  std::vector<OperatorEntry> entries = real ? real_operators() : layer_operators();
  if (!real) {
    for (const std::vector<OperatorEntry>& more :
         {pool_operators(), map_operators(), transformer_operators()})
      entries.insert(entries.end(), more.begin(), more.end());
  }
  const std::vector<OperatorEntry> views = view_operators();
  entries.insert(entries.end(), views.begin(), views.end());
  return entries;
}

// By node: that nobody translates its operator. What may be folded is known only later.
std::vector<bool> without_handler(const RawModel& model,
                                  const std::vector<OperatorEntry>& entries) {
  std::vector<bool> unsupported;
  for (const RawNode& node : model.nodes)
    unsupported.push_back(find_handler(entries, node) == nullptr && !may_fold(node));
  return unsupported;
}

// A few bytes of model can ask for any number of copies of a constant.
bool too_many_constants(Translation& t, const RawNode& node) {
  if (t.builder.constant_bytes <= kMaxConstantBytes) return false;
  fail(t, node,
       fmt::format("the nodes before it make more than {} bytes of constants",
                   thousands(kMaxConstantBytes)),
       "such a network fits no microcontroller");
  return true;
}

void translate_nodes(Translation& t, RawModel& model) {
  const std::vector<OperatorEntry> entries = operators_of(t.real);
  std::vector<bool> unsupported = without_handler(model, entries);
  Known broken;
  broken.broken = true;
  for (size_t i : topological_order(t, model)) {
    const RawNode& node = model.nodes[i];
    if (too_many_constants(t, node)) break;
    for (const std::string& output : node.outputs) {
      if (!output.empty()) t.tensors[output] = broken;  // until the handler says otherwise
    }
    Handler handler = find_handler(entries, node);
    bool folded = fold_constants(t, node);
    unsupported[i] = !folded && handler == nullptr;
    if (!folded && handler != nullptr) handler(t, node);
    for (size_t o = 1; o < node.outputs.size(); ++o) {
      auto uses = t.uses.find(node.outputs[o]);
      const bool missing = !node.outputs[o].empty() && t.tensors[node.outputs[o]].broken &&
                           !t.tensors[node.outputs[0]].broken;
      if (uses != t.uses.end() && uses->second > 0 && handler != nullptr && missing) {
        fail(t, node,
             fmt::format("its output {}, {}, is not supported", o, ticked(node.outputs[o])));
      }
    }
  }
  report_unsupported(t, model, unsupported);
}

bool uses_pulp(const RawModel& model) {
  static constexpr std::string_view kOps[] = {
      "RequantShift", "IntegerMean", "iSoftmax", "ITAMax",     "ITAPartialMax", "iLayerNorm",
      "iRMSNorm",     "iNoNorm",     "iGELU",    "iHardswish", "TrueIntegerDiv"};
  return std::any_of(model.nodes.begin(), model.nodes.end(), [](const RawNode& node) {
    return std::find(std::begin(kOps), std::end(kOps), node.op) != std::end(kOps);
  });
}

// Integer requantisations are half_up or floor, whatever the file says, if the user knows better.
void override_rounding(Translation& t, const ImportOptions& options) {
  const std::string& rounding = options.rounding;
  if (rounding.empty()) return;
  if (!t.real && (rounding == "half_up" || rounding == "floor")) {
    t.rounding = rounding;
    return;
  }
  t.builder.errors.push_back(
      error_at(in_file(t.builder.file),
               fmt::format("--rounding {} is none of {}", rounding,
                           t.real ? describe(t.dialect, t.opset) : std::string("integer ONNX")),
               t.real ? "its operators round as ONNX defines: leave the option away"
                      : "half_up and floor are"));
}

}  // namespace

std::vector<std::string> onnx_operator_names(bool real) {
  std::set<std::string> names;
  for (const OperatorEntry& entry : operators_of(real)) {
    if (!entry.refused) names.emplace(entry.op);
  }
  return {names.begin(), names.end()};
}

// Networks whose constants all happen to be integers may still be meant for real numbers.
bool says_float32(const ImportOptions& options) {
  return std::any_of(options.input_types.begin(), options.input_types.end(),
                     [](const auto& type) { return type.second == DType::float32; });
}

Result<Graph> import_onnx(std::string_view bytes, const std::string& file,
                          const ImportOptions& options) {
  Result<RawModel> read = read_onnx_proto(bytes, file);
  if (!read.ok()) return read.errors();
  RawModel& model = *read;

  Translation t;
  t.builder.file = file;
  t.builder.graph.name =
      model.name.empty() ? std::filesystem::path(file).stem().string() : model.name;
  t.dialect = find_dialect(model);
  if (t.dialect == Dialect::integers && says_float32(options)) t.dialect = Dialect::float32;
  t.real = is_real(t.dialect);
  t.opset = model.opset;
  override_rounding(t, options);
  check_names(t, model);
  if (!t.builder.errors.empty()) {
    report_unsupported(t, model, without_handler(model, operators_of(t.real)));
    return t.builder.errors;
  }
  if (lacks_scales(t, model)) return t.builder.errors;

  t.pulp = uses_pulp(model);
  for (const RawNode& node : model.nodes) {
    for (const std::string& input : node.inputs) ++t.uses[input];
  }
  for (const RawInfo& output : model.outputs) t.uses[output.name] += 2;  // it must exist as it is
  for (RawTensor& tensor : model.initialisers) {
    Known known;
    std::string name = tensor.name;
    known.constant = std::move(tensor);
    t.tensors[name] = std::move(known);
  }
  bind_dimensions(t, model, options);
  add_inputs(t, model, options);
  translate_nodes(t, model);
  add_outputs(t, model);
  if (!t.builder.errors.empty()) return t.builder.errors;

  note_assumptions(t);
  Graph graph = std::move(t.builder.graph);
  graph.dialect = t.real ? describe(t.dialect, t.opset) : dialect_of(graph);
  if (t.real) {
    Result<Graph> integers = integerise(graph, file, t.quantised_constants, options.rounding);
    if (!integers.ok()) return integers.errors();
    graph = std::move(*integers);
    if (t.dialect != Dialect::float32) {
      graph.dialect += describe_requantisations(graph);
      if (std::string reals = describe_reals(graph); !reals.empty()) t.notes.push_back(reals);
    }
  }
  return finish_import(graph, t.notes, file);
}

}  // namespace heddle
