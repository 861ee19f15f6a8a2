// Graph inputs and outputs.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "import/tflite/translate.h"

namespace heddle::tflite {
namespace {

constexpr int64_t kMaxInput = int64_t{1} << 28;  // elements

std::optional<TensorType> type_of_input(RawType type) {
  switch (type) {
    case RawType::float32:
      return TensorType{DType::float32, {}, {}};
    case RawType::int8:
      return TensorType{DType::int8, {}, range_of(DType::int8)};
    case RawType::uint8:
      return TensorType{DType::uint8, {}, range_of(DType::uint8)};
    case RawType::int16:
      return TensorType{DType::int16, {}, range_of(DType::int16)};
    case RawType::int32:
      return TensorType{DType::int32, {}, range_of(DType::int32)};
    case RawType::boolean:
      return TensorType{DType::uint8, {}, {0, 1}};
    default:
      return std::nullopt;
  }
}

// What `--bind` calls an open dimension: "x[2]", and a batch also "batch".
std::optional<int64_t> bound_size(const RawTensor& tensor, size_t d, const ImportOptions& options,
                                  std::set<std::string>* used) {
  std::vector<std::string> names{fmt::format("{}[{}]", tensor.name, d)};
  if (d == 0) names.push_back("batch");
  for (const std::string& name : names) {
    const auto bound = options.bind.find(name);
    if (bound == options.bind.end()) continue;
    used->insert(name);
    return bound->second;
  }
  return std::nullopt;
}

// The file's shape with a size for every dimension that it leaves open: what the user binds, else 1
// for a batch.
Shape bound_shape(Translation& t, const RawTensor& tensor, const ImportOptions& options,
                  std::set<std::string>* used) {
  Shape shape = tensor.shape;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (tensor.signature.empty() || tensor.signature[d] >= 0) continue;
    if (const std::optional<int64_t> size = bound_size(tensor, d, options, used)) {
      shape[d] = *size;
    } else if (d == 0) {
      shape[0] = 1;
      t.notes.push_back(
          fmt::format("input {}: the open batch dimension is taken as 1 (--bind batch=N)",
                      ticked(tensor.name)));
    } else {
      report(t.builder, "",
             fmt::format("dimension {} of graph input {} has no size", d, ticked(tensor.name)),
             fmt::format("say it with --bind '{}[{}]=N'", terminal_text(tensor.name), d));
    }
  }
  return shape;
}

std::optional<Quantisation> quantisation_of(const RawTensor& tensor) {
  const RawQuantisation& q = tensor.quantisation;
  if (q.scales.size() != 1 || q.custom || is_real(tensor)) return std::nullopt;
  return Quantisation{static_cast<double>(q.scales[0]),
                      q.zero_points.empty() ? 0 : q.zero_points[0]};
}

void add_input(Translation& t, int32_t index, const ImportOptions& options,
               std::set<std::string>* bound) {
  const RawTensor& tensor = t.model.tensors[static_cast<size_t>(index)];
  Held& held = t.tensors[static_cast<size_t>(index)];
  if (held.known || !tensor.data.empty()) {
    return report(t.builder, "",
                  fmt::format("graph input {} is {}", ticked(tensor.name),
                              held.known ? "listed twice" : "a constant"));
  }
  held.known = held.broken = true;
  std::optional<TensorType> type = type_of_input(tensor.type);
  if (!type) {
    return report(t.builder, "",
                  fmt::format("graph input {} is of type {}, which is not supported",
                              ticked(tensor.name), name_of(tensor.type)));
  }
  type->shape = bound_shape(t, tensor, options, bound);
  const int64_t elements = checked_elements(type->shape);
  if (elements < 1 || elements > kMaxInput) {
    return report(t.builder, "",
                  fmt::format("graph input {} of shape {} is empty or too large",
                              ticked(tensor.name), to_string(type->shape)));
  }
  const auto wanted = options.input_types.find(tensor.name);
  if (wanted != options.input_types.end() && wanted->second != type->dtype) {
    report(t.builder, "",
           fmt::format("--input-type says {} for input {}, the model says {}",
                       heddle::name_of(wanted->second), ticked(tensor.name), name_of(tensor.type)),
           "leave it out: TFLite models state their types");
  }
  Value value = new_value(tensor.name, *type);
  value.quantisation = quantisation_of(tensor);
  const ValueId id = t.builder.graph.add_value(std::move(value));
  t.builder.graph.inputs.push_back(id);
  held = {.known = true, .broken = false, .plain = id, .planes = {}};
}

}  // namespace

void add_inputs(Translation& t, const ImportOptions& options) {
  std::vector<std::string> names;
  std::set<std::string> bound;
  for (int32_t index : t.model.inputs) {
    names.push_back(t.model.tensors[static_cast<size_t>(index)].name);
    add_input(t, index, options, &bound);
  }
  for (const auto& [name, type] : options.input_types) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      report(t.builder, "",
             fmt::format("--input-type names {}, which is no graph input{}", ticked(name),
                         did_you_mean(name, names)));
    }
  }
  for (const auto& [name, size] : options.bind) {
    if (!bound.contains(name)) {
      report(t.builder, "",
             fmt::format("--bind names {}, which is no open dimension of a graph input",
                         ticked(name)));
    }
  }
}

void add_outputs(Translation& t) {
  if (t.model.outputs.empty())
    report(t.builder, "", "the graph has no outputs", "name at least one");
  for (int32_t index : t.model.outputs) {
    const RawTensor& tensor = t.model.tensors[static_cast<size_t>(index)];
    const Held& held = t.tensors[static_cast<size_t>(index)];
    const auto wrong = [&](const char* what, const char* remedy) {
      report(t.builder, "", fmt::format("graph output {} {}", ticked(tensor.name), what), remedy);
    };
    if (held.broken) continue;
    if (!held.known) {
      wrong("is written by no operator", "");
      continue;
    }
    const RawOperator reader{
        .code = 0, .custom = "graph output", .inputs = {index}, .outputs = {index}, .options = {}};
    const std::optional<ValueId> value = plain_input(t, reader, 0);
    if (!value) continue;
    Graph& graph = t.builder.graph;
    if (graph.value(*value).constant) {
      wrong("does not depend on any input: it is constant", "");
    } else if (!graph.value(*value).producer.valid()) {
      wrong("is a graph input unchanged: there is nothing to compute", "");
    } else if (graph.is_output(*value)) {
      wrong("is the same tensor as another output", "name it once");
    } else {
      graph.value(*value).name = tensor.name;
      graph.value(*value).quantisation = quantisation_of(tensor);
      graph.outputs.push_back(*value);
    }
  }
}

}  // namespace heddle::tflite
