#include "unit/import/test_model.h"

#define ONNX_ML 1
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <onnx/onnx_pb.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <type_traits>

#include "ops/op.h"

namespace heddle::test {
namespace {

template <class T>
void append_raw(std::string& raw, double value) {
  // INT64_MAX is no double: its neighbour is 2^63.
  const bool beyond = std::is_same_v<T, int64_t> && value >= 0x1p63;
  const T element = beyond ? std::numeric_limits<T>::max() : static_cast<T>(value);
  char bytes[sizeof(T)];
  std::memcpy(bytes, &element, sizeof(T));
  raw.append(bytes, sizeof(T));
}

void fill(const TestTensor& tensor, onnx::TensorProto* proto) {
  proto->set_name(tensor.name);
  proto->set_data_type(tensor.type);
  for (int64_t dim : tensor.dims) proto->add_dims(dim);
  if (tensor.external) {
    proto->set_data_location(onnx::TensorProto::EXTERNAL);
    std::map<std::string, std::string> entries = tensor.entries;
    entries["location"] = tensor.location;
    for (const auto& [key, value] : entries) {
      onnx::StringStringEntryProto* entry = proto->add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    }
  }
  if (tensor.segment) proto->mutable_segment()->set_begin(0);
  std::string raw;
  for (double value : tensor.values) {
    switch (tensor.type) {
      case kFloat:
        tensor.raw ? append_raw<float>(raw, value)
                   : proto->add_float_data(static_cast<float>(value));
        break;
      case kDouble:
        tensor.raw ? append_raw<double>(raw, value) : proto->add_double_data(value);
        break;
      case kInt64:
        tensor.raw ? append_raw<int64_t>(raw, value)
                   : proto->add_int64_data(static_cast<int64_t>(value));
        break;
      case kInt32:
        tensor.raw ? append_raw<int32_t>(raw, value)
                   : proto->add_int32_data(static_cast<int32_t>(value));
        break;
      case kHalf:
        tensor.raw ? append_raw<uint16_t>(raw, value)
                   : proto->add_int32_data(static_cast<int32_t>(value));
        break;
      case kInt8:
        tensor.raw ? append_raw<int8_t>(raw, value)
                   : proto->add_int32_data(static_cast<int32_t>(value));
        break;
      default:
        tensor.raw ? append_raw<uint8_t>(raw, value)
                   : proto->add_int32_data(static_cast<int32_t>(value));
        break;
    }
  }
  if (tensor.raw && !tensor.external) {
    raw.resize(raw.size() - static_cast<size_t>(tensor.missing_bytes));
    proto->set_raw_data(raw);
  }
}

struct FillAttribute {
  onnx::AttributeProto* proto;
  void operator()(int64_t value) {
    proto->set_type(onnx::AttributeProto::INT), proto->set_i(value);
  }
  void operator()(double value) {
    proto->set_type(onnx::AttributeProto::FLOAT), proto->set_f(static_cast<float>(value));
  }
  void operator()(const std::string& value) {
    proto->set_type(onnx::AttributeProto::STRING), proto->set_s(value);
  }
  void operator()(const std::vector<int64_t>& values) {
    proto->set_type(onnx::AttributeProto::INTS);
    for (int64_t value : values) proto->add_ints(value);
  }
  void operator()(const TestTensor& tensor) {
    proto->set_type(onnx::AttributeProto::TENSOR);
    fill(tensor, proto->mutable_t());
  }
  void operator()(const SubGraph&) {
    proto->set_type(onnx::AttributeProto::GRAPH);
    proto->mutable_g()->set_name("nested");
  }
};

}  // namespace

std::string serialise(const TestModel& model) {
  onnx::ModelProto proto;
  proto.set_ir_version(8);
  proto.add_opset_import()->set_version(model.opset);
  onnx::GraphProto* graph = proto.mutable_graph();
  graph->set_name("test");
  for (const TestInput& input : model.inputs) {
    onnx::ValueInfoProto* info = graph->add_input();
    info->set_name(input.name);
    onnx::TypeProto_Tensor* type = info->mutable_type()->mutable_tensor_type();
    type->set_elem_type(input.type);
    if (!input.shaped) continue;
    type->mutable_shape();
    size_t open = 0;
    for (int64_t dim : input.dims) {
      onnx::TensorShapeProto_Dimension* d = type->mutable_shape()->add_dim();
      if (dim == -1) {
        d->set_dim_param(open < input.symbols.size() ? input.symbols[open] : "unk__1");
        ++open;
      } else {
        d->set_dim_value(dim);
      }
    }
  }
  for (const std::string& output : model.outputs) graph->add_output()->set_name(output);
  for (const TestTensor& tensor : model.constants) fill(tensor, graph->add_initializer());
  if (model.sparse) graph->add_sparse_initializer()->mutable_values()->set_name("thin");
  for (const TestNode& node : model.nodes) {
    onnx::NodeProto* made = graph->add_node();
    made->set_op_type(node.op);
    made->set_name(node.name);
    made->set_domain(node.domain);
    for (const std::string& input : node.inputs) made->add_input(input);
    for (const std::string& output : node.outputs) made->add_output(output);
    for (const TestAttribute& attribute : node.attributes) {
      onnx::AttributeProto* a = made->add_attribute();
      a->set_name(attribute.name);
      std::visit(FillAttribute{a}, attribute.value);
    }
  }
  return proto.SerializeAsString();
}

TestTensor scalar(std::string name, double value) {
  return {.name = std::move(name), .dims = {}, .values = {value}};
}

TestTensor vec(std::string name, std::vector<double> values) {
  int64_t size = static_cast<int64_t>(values.size());
  return {.name = std::move(name), .dims = {size}, .values = std::move(values)};
}

TestTensor int64s(std::string name, std::vector<int64_t> values) {
  TestTensor tensor = vec(std::move(name), std::vector<double>(values.begin(), values.end()));
  tensor.type = kInt64;
  return tensor;
}

TestNode requant_shift(std::string x, std::string mul, std::string add, std::string y, double div,
                       double levels, bool is_signed) {
  return {.op = "RequantShift",
          .inputs = {std::move(x), std::move(mul), std::move(add)},
          .outputs = {std::move(y)},
          .attributes = {{"div", scalar("", div)},
                         {"n_levels_out", vec("", {levels})},
                         {"signed", vec("", {is_signed ? 1.0 : 0.0})}},
          .domain = "PACTOps"};
}

Result<Graph> import_test(const TestModel& model, const ImportOptions& options) {
  const std::string bytes = serialise(model);
  // tests/fuzz/make_corpus collects the models of all tests as seeds.
  if (const char* const folder = std::getenv("HEDDLE_FUZZ_SEEDS")) {
    const std::string name = fmt::format("{:016x}.onnx", std::hash<std::string>()(bytes));
    std::ofstream(std::filesystem::path(folder) / name, std::ios::binary) << bytes;
  }
  return import_onnx(bytes, "test.onnx", options);
}

Graph must_import(const TestModel& model, const ImportOptions& options) {
  Result<Graph> graph = import_test(model, options);
  if (!graph.ok()) throw std::runtime_error(format_diagnostics(graph.errors()));
  return std::move(graph).value();
}

std::string errors_of(const TestModel& model, const ImportOptions& options) {
  Result<Graph> graph = import_test(model, options);
  return graph.ok() ? "imported" : format_diagnostics(graph.errors());
}

std::string sketch(const Graph& graph) {
  std::string text;
  for (const Node& node : graph.nodes) {
    std::vector<std::string> operands;
    const OpDef& op = op_of(node);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (!node.inputs[i].valid()) continue;
      const Value& value = graph.value(node.inputs[i]);
      std::string shown = value.producer.valid() ? graph.node(value.producer).op : value.name;
      if (value.constant)
        shown = fmt::format("{}={}", op.operands[i].name, value.constant->to_ints());
      operands.push_back(shown);
    }
    text += fmt::format("{}({})", node.op, fmt::join(operands, ", "));
    for (const auto& [name, attribute] : node.attributes) {
      if (const int64_t* number = std::get_if<int64_t>(&attribute)) {
        if (*number != 0) text += fmt::format(" {}={}", name, *number);
      } else if (const std::string* word = std::get_if<std::string>(&attribute)) {
        text += fmt::format(" {}={}", name, *word);
      } else {
        text += fmt::format(" {}={}", name, *std::get_if<std::vector<int64_t>>(&attribute));
      }
    }
    text += "\n";
  }
  return text;
}

}  // namespace heddle::test
