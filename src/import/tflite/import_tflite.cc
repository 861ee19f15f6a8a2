// TFLite to Graph: gives each operator to its handler, collects every error, then normalises.
#include <fmt/format.h>

#include <filesystem>

#include "import/finish.h"
#include "import/tflite/translate.h"

namespace heddle {
namespace {

using namespace tflite;

constexpr int64_t kMostNamed = 12;  // unsupported nodes of one operator that a message names

std::map<std::string_view, Handler> all_handlers() {
  std::map<std::string_view, Handler> handlers;
  for (const std::vector<OperatorEntry>& entries :
       {layer_operators(), pool_operators(), arithmetic_operators(), map_operators(),
        shape_operators(), part_operators(), image_operators()}) {
    for (const OperatorEntry& entry : entries) handlers[entry.op] = entry.handler;
  }
  return handlers;
}

// Every tensor has one origin. The results are broken until a handler says otherwise.
bool claim_outputs(Translation& t, const RawOperator& op) {
  if (op.outputs.empty()) {
    fail(t, op, "it has no result");
    return false;
  }
  bool fine = true;
  for (int32_t output : op.outputs) {
    const RawTensor& tensor = t.model.tensors[static_cast<size_t>(output)];
    Held& held = t.tensors[static_cast<size_t>(output)];
    if (held.known || !tensor.data.empty()) {
      fail(t, op,
           fmt::format("writes tensor {}, which is {}", ticked(tensor.name),
                       held.known ? "an input, or written or read before" : "a constant"));
      fine = false;
    }
    held.known = held.broken = true;
  }
  return fine;
}

struct Unsupported {
  int64_t count = 0;
  std::string nodes;
};

void note_unsupported(const Translation& t, const RawOperator& op,
                      std::map<std::string, Unsupported>* all) {
  Unsupported& entry = (*all)[operator_name(op)];
  if (++entry.count > kMostNamed) return;
  const bool read = !op.inputs.empty() && op.inputs[0] >= 0;
  entry.nodes += fmt::format(
      "{}{}{}", entry.nodes.empty() ? "" : ", ", ticked(output_tensor(t, op).name),
      read ? " of " + to_string(t.model.tensors[static_cast<size_t>(op.inputs[0])].shape) : "");
}

void report_unsupported(Translation& t, const std::map<std::string, Unsupported>& all) {
  for (const auto& [op, entry] : all) {
    const std::string more =
        entry.count > kMostNamed ? fmt::format(" and {} more", entry.count - kMostNamed) : "";
    report(t.builder, "",
           fmt::format("operator {} is not supported ({} node{}): {}{}", ticked(op), entry.count,
                       entry.count == 1 ? "" : "s", entry.nodes, more));
  }
}

void translate_operators(Translation& t) {
  const std::map<std::string_view, Handler> handlers = all_handlers();
  std::map<std::string, Unsupported> unsupported;
  for (const RawOperator& op : t.model.operators) {
    if (!claim_outputs(t, op)) continue;
    const auto handler = handlers.find(operator_name(op));
    if (handler == handlers.end() || !op.custom.empty()) {
      note_unsupported(t, op, &unsupported);
    } else {
      handler->second(t, op);
    }
  }
  report_unsupported(t, unsupported);
}

// "TFLite int8, per channel, single rounding".
std::string dialect_of(const Translation& t) {
  std::string types;
  for (RawType type : t.types) {
    types += (types.empty() ? "" : " and ") +
             (type == RawType::int16 ? std::string("int16x8") : name_of(type));
  }
  if (types.empty()) return "TFLite float32";
  return fmt::format("TFLite {}, {}, {} rounding", types,
                     t.per_channel ? "per channel" : "per tensor",
                     t.double_rounding ? "double" : "single");
}

void check_options(Translation& t, const ImportOptions& options) {
  t.double_rounding = options.rounding == "tflite_double";
  if (options.rounding.empty() || options.rounding == "half_up" || t.double_rounding) return;
  report(t.builder, "", fmt::format("--rounding {} is none of TFLite's", ticked(options.rounding)),
         "half_up (single rounding) and tflite_double are");
}

}  // namespace

std::vector<std::string> tflite_operator_names() {
  std::vector<std::string> names;
  for (const auto& [name, handler] : all_handlers()) names.emplace_back(name);
  return names;
}

Result<Graph> import_tflite(std::string_view bytes, const std::string& file,
                            const ImportOptions& options) {
  std::string aligned;  // a flatbuffer is read in place
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(std::max_align_t) != 0) {
    aligned.reserve(std::max<size_t>(bytes.size(), 64));  // on the heap, which is aligned
    aligned = bytes;
    bytes = aligned;
  }
  const Result<RawModel> model = read_model(bytes, file);
  if (!model.ok()) return model.errors();
  Translation t{.model = *model,
                .builder = {},
                .tensors = std::vector<Held>(model->tensors.size()),
                .types = {},
                .notes = {}};
  t.builder.file = file;
  t.builder.graph.name = model->name.empty() || model->name == "main"
                             ? std::filesystem::path(file).stem().string()
                             : model->name;
  check_options(t, options);
  add_inputs(t, options);
  translate_operators(t);
  add_outputs(t);
  if (!t.builder.errors.empty()) return t.builder.errors;
  Graph graph = std::move(t.builder.graph);
  graph.dialect = dialect_of(t);
  return finish_import(graph, t.notes, file);
}

}  // namespace heddle
