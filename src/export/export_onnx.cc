#include "export/export_onnx.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "export/lowering.h"

namespace heddle {
namespace {

using namespace onnx_file;

const std::map<std::string_view, LoweringEntry>& entries() {
  static const std::map<std::string_view, LoweringEntry> table = [] {
    std::map<std::string_view, LoweringEntry> all;
    for (const auto& some :
         {layer_lowerings(), map_lowerings(), integer_lowerings(), real_lowerings()}) {
      for (const LoweringEntry& entry : some) all.emplace(entry.op, entry);
    }
    return all;
  }();
  return table;
}

class Exporter {
 public:
  Exporter(const Graph& graph, const std::string& file) : graph_(graph), file_(file) {}

  Result<std::string> run() {
    model_.name = graph_.name.empty() ? "network" : terminal_text(graph_.name);
    model_.producer = "heddle";
    names_.resize(graph_.values.size());
    // Inputs and outputs keep their names; nothing else may have them.
    for (ValueId id : graph_.inputs) io_[id.index] = unique(graph_.value(id).name);
    for (ValueId id : graph_.outputs) io_[id.index] = unique(graph_.value(id).name);
    for (ValueId id : graph_.inputs) add_input(id);
    for (const heddle::Node& node : graph_.nodes) add_node(node);
    for (ValueId id : graph_.outputs) add_output(id);
    if (!errors_.empty()) return errors_;
    return encode(model_);
  }

 private:
  // A printable name that no tensor or node has yet.
  std::string unique(const std::string& wanted) {
    const std::string base = wanted.empty() ? "tensor" : terminal_text(wanted, 200);
    std::string name = base;
    for (int64_t i = counts_[base]; !used_.insert(name).second; ++i) {
      name = fmt::format("{}_{}", base, i + 2);
      counts_[base] = i + 1;
    }
    return name;
  }
  std::string& name_of(ValueId id) { return names_[static_cast<size_t>(id.index)]; }

  void cast(const std::string& from, const std::string& to, Type type) {
    model_.nodes.push_back(
        {"Cast", {from}, {to}, {{"to", static_cast<int64_t>(type)}}, {}, unique("cast_" + to)});
  }

  void add_input(ValueId id) {
    const TensorType& type = graph_.value(id).type;
    const std::string& name = io_[id.index];
    model_.inputs.push_back({name, type_of(type.dtype), type.shape});
    name_of(id) = name;
    if (type.dtype == DType::float32 || type.dtype == DType::int64) return;
    name_of(id) = unique(name + "_int64");
    cast(name, name_of(id), Type::int64);
  }

  void add_output(ValueId id) {
    const TensorType& type = graph_.value(id).type;
    const std::string& name = io_[id.index];
    model_.outputs.push_back({name, type_of(type.dtype), type.shape});
    if (type.dtype == DType::float32) {
      model_.nodes.push_back({"Identity", {name_of(id)}, {name}, {}, {}, unique("copy_" + name)});
    } else {
      cast(name_of(id), name, type_of(type.dtype));
    }
  }

  // The tensor that a node reads: a value that is there, or a constant, which is added on demand.
  std::string read(ValueId id) {
    std::string& name = name_of(id);
    const Value& value = graph_.value(id);
    if (name.empty()) {
      name = unique(value.name);
      if (value.constant) model_.constants.push_back(constant_of(name, *value.constant));
    }
    return name;
  }

  void add_node(const heddle::Node& node) {
    name_of(node.output) = unique(graph_.value(node.output).name + "_value");
    const auto entry = entries().find(node.op);
    if (entry == entries().end() || entry->second.lower == nullptr) {
      error(node, entry == entries().end() ? "nobody has given it an ONNX form"
                                           : std::string(entry->second.reason));
      return;
    }
    Lowering lowering(graph_, node);
    lowering.body.result = entry->second.lower(lowering);
    if (!lowering.body.failure.empty()) return error(node, lowering.body.failure);
    if (lowering.body.result.starts_with("x"))  // the operand itself
      lowering.body.result = lowering.add("Identity", {lowering.body.result});
    const Body& body = lowering.body;
    const auto computing = std::count_if(body.nodes.begin(), body.nodes.end(),
                                         [](const auto& n) { return n.op != "Constant"; });
    computing == 1 ? add_inline(node, body) : add_call(node, body);
  }

  // The body's only computing node, its constants as initialisers.
  void add_inline(const heddle::Node& node, const Body& body) {
    std::map<std::string, std::string> outer;
    for (const auto& [local, id] : body.operands) outer[local] = read(id);
    for (const onnx_file::Node& step : body.nodes) {
      if (step.op == "Constant") {
        Constant constant = std::get<Constant>(step.attributes[0].value);
        constant.name = unique(graph_.value(node.output).name + "_constant");
        outer[step.outputs[0]] = constant.name;
        model_.constants.push_back(std::move(constant));
        continue;
      }
      onnx_file::Node made = step;
      for (std::string& input : made.inputs) input = input.empty() ? "" : outer.at(input);
      made.outputs = {name_of(node.output)};
      made.name = unique(node.name);
      model_.nodes.push_back(std::move(made));
    }
  }

  // A call of a function with this body; equal bodies share one.
  void add_call(const heddle::Node& node, const Body& body) {
    std::string text = body.result;
    for (const onnx_file::Node& step : body.nodes) text += encode(step) + "\n";
    auto [known, is_new] = functions_.emplace(text, "");
    if (is_new) {
      known->second = fmt::format("{}_{}", node.op, ++function_counts_[node.op]);
      Function function{known->second, {}, body.result, body.nodes};
      for (const auto& [local, id] : body.operands) function.inputs.push_back(local);
      model_.functions.push_back(std::move(function));
    }
    onnx_file::Node call{known->second,    {}, {name_of(node.output)}, {}, kFunctionDomain,
                         unique(node.name)};
    for (const auto& [local, id] : body.operands) call.inputs.push_back(read(id));
    model_.nodes.push_back(std::move(call));
  }

  void error(const heddle::Node& node, const std::string& why) {
    Place place = in_file(file_);
    place.node = fmt::format("{} ({})", node.name, node.op);
    errors_.push_back(error_at(std::move(place), "the node cannot be written as ONNX: " + why));
  }

  const Graph& graph_;
  const std::string& file_;
  Model model_;
  Diagnostics errors_;
  std::vector<std::string> names_;     // of the tensor that carries a value; empty: not there yet
  std::map<int64_t, std::string> io_;  // of graph inputs and outputs, by value
  std::set<std::string> used_;
  std::map<std::string, int64_t> counts_;
  std::map<std::string, std::string> functions_;  // by body
  std::map<std::string, int64_t> function_counts_;
};

}  // namespace

Result<std::string> export_onnx(const Graph& graph, const std::string& file) {
  return Exporter(graph, file).run();
}

std::string_view no_onnx_form(std::string_view op) {
  const auto entry = entries().find(op);
  if (entry == entries().end()) return "nobody has given it an ONNX form";
  return entry->second.lower == nullptr ? entry->second.reason : std::string_view();
}

}  // namespace heddle
