// Graph inputs and outputs: what values an input can have, what an output must be.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "import/onnx/translate.h"

namespace heddle {
namespace {

constexpr size_t kMaxRank = 32;
constexpr Range kAssumedRange{-128, 255};  // of a float-typed input about which nothing is known

std::optional<Shape> input_shape(Translation& t, const RawInfo& info) {
  if (!info.has_shape) {
    report(t.builder, "", fmt::format("graph input {} has no shape", ticked(info.name)),
           "export the model with static shapes");
    return std::nullopt;
  }
  if (info.dims.size() > kMaxRank) {
    report(t.builder, "",
           fmt::format("graph input {} has {} dimensions, at most {} are supported",
                       ticked(info.name), info.dims.size(), kMaxRank));
    return std::nullopt;
  }
  Shape shape;
  for (const RawDim& dim : info.dims) shape.push_back(dim.value);  // bind_dimensions set them all; a
  // cache may be empty: Concat drops it
  int64_t elements = checked_elements(shape);
  if (elements < 0 || elements > (int64_t{1} << 28)) {
    report(t.builder, "",
           fmt::format("graph input {} of shape {} is too large", ticked(info.name),
                       to_string(shape)));
    return std::nullopt;
  }
  return shape;
}

std::optional<DType> declared_dtype(int32_t type) {
  switch (type) {
    case kOnnxInt8:
      return DType::int8;
    case kOnnxUint8:
    case kOnnxBool:
      return DType::uint8;
    case kOnnxInt16:
      return DType::int16;
    case kOnnxUint16:
      return DType::uint16;
    case kOnnxInt32:
      return DType::int32;
    default:
      return std::nullopt;
  }
}

// Exporters type integers of any width int32. A matrix product of such an input would overflow, so
// it holds something narrower.
bool feeds_product(const RawModel& model, const std::string& input) {
  static constexpr std::string_view kProducts[] = {"Conv", "Gemm", "MatMul"};
  return std::any_of(model.nodes.begin(), model.nodes.end(), [&](const RawNode& node) {
    const auto end = node.inputs.begin() + std::min<std::ptrdiff_t>(std::ssize(node.inputs), 2);
    return std::find(std::begin(kProducts), std::end(kProducts), node.op) != std::end(kProducts) &&
           std::find(node.inputs.begin(), end, input) != end;
  });
}

// Nothing is passed in such an input; a Concat, the only one to read it, drops it.
void add_empty_input(Translation& t, const RawInfo& info, const Shape& shape) {
  Known known;
  known.constant = RawTensor{
      .name = info.name, .type = info.type, .values = Tensor(DType::int8, shape), .fraction = {}};
  t.tensors[info.name] = std::move(known);
  t.notes.push_back(fmt::format("input {} of shape {} has no elements: it is left out",
                                ticked(info.name), to_string(shape)));
}

void add_input(Translation& t, const RawModel& model, const RawInfo& info,
               const ImportOptions& options) {
  Known broken;
  broken.broken = true;
  t.tensors[info.name] = broken;
  std::optional<Shape> shape = input_shape(t, info);
  if (!shape) return;
  if (elements_of(*shape) == 0) return add_empty_input(t, info, *shape);

  TensorType type{DType::int16, *shape, kAssumedRange};
  auto option = options.input_types.find(info.name);
  bool assumed = false;
  if (t.real && is_float_type(info.type)) {
    if (option != options.input_types.end() && option->second != DType::float32) {
      report(t.builder, "",
             fmt::format("input {} cannot be {}: this network computes with real numbers",
                         ticked(info.name), name_of(option->second)),
             "leave --input-type out; only integer networks have integers in float tensors");
      return;
    }
    type = {DType::float32, *shape, {}};
  } else if (option != options.input_types.end()) {
    type.dtype = option->second;
    if (type.dtype == DType::float32 || type.dtype == DType::int64) {
      report(t.builder, "",
             fmt::format("input {} cannot be {}", ticked(info.name), name_of(type.dtype)),
             "choose an integer type of at most 32 bits");
      return;
    }
    type.range = range_of(type.dtype);
  } else if (!t.real && info.type == kOnnxInt32 && feeds_product(model, info.name)) {
    assumed = true;
  } else if (std::optional<DType> declared = declared_dtype(info.type)) {
    type.dtype = *declared;
    type.range = info.type == kOnnxBool ? Range{0, 1} : range_of(*declared);
  } else if (t.real && info.type == kOnnxInt64) {
    type.dtype = DType::int32;  // indices
    type.range = range_of(DType::int32);
  } else if (is_float_type(info.type) || info.type == kOnnxInt64) {
    assumed = true;  // int64 is what exporters write where they mean "an integer"
  } else {
    report(t.builder, "",
           fmt::format("graph input {} is of {}, which is not supported", ticked(info.name),
                       onnx_type_name(info.type)),
           "say what it is with --input-type NAME=int8");
    return;
  }
  ValueId id = t.builder.graph.add_value(new_value(info.name, type));
  t.builder.graph.inputs.push_back(id);
  if (assumed) t.assumed_inputs.insert(id);
  Known known;
  known.shared = t.uses[info.name] > 1;
  known.chain = start_chain(id, known.shared);
  t.tensors[info.name] = std::move(known);
}

}  // namespace

void add_inputs(Translation& t, const RawModel& model, const ImportOptions& options) {
  std::vector<std::string> names;
  for (const RawInfo& info : model.inputs) {
    auto found = t.tensors.find(info.name);
    if (found != t.tensors.end()) continue;  // an initialiser
    names.push_back(info.name);
    add_input(t, model, info, options);
  }
  for (const auto& [name, type] : options.input_types) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      report(t.builder, "",
             fmt::format("--input-type names {}, which is no graph input{}", ticked(name),
                         did_you_mean(name, names)));
    }
  }
}

void add_outputs(Translation& t, const RawModel& model) {
  for (const RawInfo& info : model.outputs) {
    RawNode reader{.name = info.name,
                   .op = "graph output",
                   .domain = {},
                   .inputs = {info.name},
                   .outputs = {},
                   .attributes = {}};
    auto found = t.tensors.find(info.name);
    if (found == t.tensors.end() || found->second.broken) continue;
    if (found->second.constant) {
      fail(t, reader, "the output does not depend on any input: it is constant");
      continue;
    }
    std::optional<ValueId> value = value_operand(t, reader, 0);
    if (!value) continue;
    Graph& graph = t.builder.graph;
    if (!graph.value(*value).producer.valid()) {
      fail(t, reader, "the output is a graph input unchanged: there is nothing to compute");
    } else if (graph.is_output(*value)) {
      fail(t, reader,
           fmt::format("the output is the same tensor as output {}",
                       ticked(graph.value(*value).name)),
           "name it once");
    } else {
      graph.value(*value).name = info.name;
      graph.outputs.push_back(*value);
    }
  }
}

void note_assumptions(Translation& t) {
  for (ValueId id : t.assumed_inputs) {
    const std::string& name = t.builder.graph.value(id).name;
    t.notes.push_back(
        fmt::format("input {}: nothing bounds it, values from {} to {} are assumed (--input-type "
                    "{}=uint8 or int8 says better)",
                    ticked(name), kAssumedRange.lo, kAssumedRange.hi, terminal_text(name)));
  }
  if (t.integer_divisions > 0) {
    t.notes.push_back(
        fmt::format("{} integer Div nodes without Floor are read as floor, as this dialect means "
                    "them (ONNX would truncate)",
                    t.integer_divisions));
  }
}

}  // namespace heddle
