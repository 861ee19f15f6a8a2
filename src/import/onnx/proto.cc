// The only file that sees ONNX's protobuf schema. Debian's libonnx 1.12 is built with ONNX_ML and
// needs it said.
#define ONNX_ML 1
#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/text.h"
#include "import/onnx/external.h"
#include "import/onnx/raw_model.h"
#include "import/onnx/wire.h"

namespace heddle {
namespace {

static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");

constexpr int64_t kMaxFields = 4'000'000;
constexpr int64_t kMaxExternalBytes = int64_t{64} << 20;  // as much as a model file may have
constexpr int64_t kNewestOpset = 28;  // of the ONNX that scripts/oracles compares with

std::string ticked(const std::string& text) { return "`" + terminal_text(text) + "`"; }

struct Reader {
  std::string file;
  Diagnostics errors;
  int64_t external_bytes = 0;  // read so far
  void error(const std::string& node, std::string message, std::string remedy = "") {
    Place place = in_file(file);
    place.node = node;
    errors.push_back(error_at(std::move(place), std::move(message), std::move(remedy)));
  }
};

int64_t width_of(int32_t type) {
  switch (type) {
    case kOnnxUint8:
    case kOnnxInt8:
    case kOnnxBool:
    case kOnnxUint4:  // two elements a byte
    case kOnnxInt4:
      return 1;
    case kOnnxUint16:
    case kOnnxInt16:
    case kOnnxFloat16:
    case kOnnxBfloat16:
      return 2;
    case kOnnxFloat:
    case kOnnxInt32:
    case kOnnxUint32:
      return 4;
    case kOnnxInt64:
    case kOnnxUint64:
    case kOnnxDouble:
      return 8;
    default:
      return 0;
  }
}

double half_to_double(uint16_t bits) {
  int exponent = (bits >> 10) & 31;
  double mantissa = bits & 1023;
  double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == 31)
    return mantissa == 0 ? sign * std::numeric_limits<double>::infinity() : std::nan("");
  return sign *
         (exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(mantissa + 1024, exponent - 25));
}

template <class T>
T raw_at(const std::string& raw, int64_t index) {
  T value;
  std::memcpy(&value, raw.data() + static_cast<size_t>(index) * sizeof(T), sizeof(T));
  return value;
}

// One element; `whole` says that `integer` holds it exactly.
struct Element {
  bool whole = true;
  int64_t integer = 0;
  double real = 0;
};

Element of_int(int64_t value) { return {true, value, static_cast<double>(value)}; }
Element of_real(double value) {
  bool whole = std::fabs(value) <= 4611686018427387904.0 &&
               value == std::floor(value);  // 2^62; false for NaN
  return {whole, whole ? static_cast<int64_t>(value) : 0, value};
}
Element of_unsigned(uint64_t value) {
  bool whole = value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  return {whole, whole ? static_cast<int64_t>(value) : 0, static_cast<double>(value)};
}
double bfloat_to_double(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

bool is_packed(int32_t type) { return type == kOnnxUint4 || type == kOnnxInt4; }

// Of a pair in one byte the first element is in the low half.
Element half_byte(int32_t type, uint8_t pair, int64_t i) {
  const int64_t bits = i % 2 == 0 ? pair & 15 : pair >> 4;
  return of_int(type == kOnnxInt4 && bits >= 8 ? bits - 16 : bits);
}

Element raw_element(int32_t type, const std::string& raw, int64_t i) {
  switch (type) {
    case kOnnxUint4:
    case kOnnxInt4:
      return half_byte(type, raw_at<uint8_t>(raw, i / 2), i);
    case kOnnxFloat:
      return of_real(raw_at<float>(raw, i));
    case kOnnxDouble:
      return of_real(raw_at<double>(raw, i));
    case kOnnxFloat16:
      return of_real(half_to_double(raw_at<uint16_t>(raw, i)));
    case kOnnxBfloat16:
      return of_real(bfloat_to_double(raw_at<uint16_t>(raw, i)));
    case kOnnxUint8:
      return of_int(raw_at<uint8_t>(raw, i));
    case kOnnxInt8:
      return of_int(raw_at<int8_t>(raw, i));
    case kOnnxUint16:
      return of_int(raw_at<uint16_t>(raw, i));
    case kOnnxInt16:
      return of_int(raw_at<int16_t>(raw, i));
    case kOnnxInt32:
      return of_int(raw_at<int32_t>(raw, i));
    case kOnnxInt64:
      return of_int(raw_at<int64_t>(raw, i));
    case kOnnxUint32:
      return of_int(raw_at<uint32_t>(raw, i));
    case kOnnxUint64:
      return of_unsigned(raw_at<uint64_t>(raw, i));
    default:
      return of_int(raw_at<uint8_t>(raw, i) != 0);
  }
}

// Which of the typed arrays holds elements of this type.
int64_t typed_count(const onnx::TensorProto& proto) {
  switch (proto.data_type()) {
    case kOnnxFloat:
      return proto.float_data_size();
    case kOnnxDouble:
      return proto.double_data_size();
    case kOnnxInt64:
      return proto.int64_data_size();
    case kOnnxUint32:
    case kOnnxUint64:
      return proto.uint64_data_size();
    default:
      return proto.int32_data_size();
  }
}

Element typed_element(const onnx::TensorProto& proto, int64_t index) {
  int i = static_cast<int>(index);
  if (is_packed(proto.data_type())) {
    const int32_t pair = proto.int32_data(static_cast<int>(index / 2));
    return half_byte(proto.data_type(), static_cast<uint8_t>(pair), index);
  }
  switch (proto.data_type()) {
    case kOnnxFloat:
      return of_real(proto.float_data(i));
    case kOnnxDouble:
      return of_real(proto.double_data(i));
    case kOnnxInt64:
      return of_int(proto.int64_data(i));
    case kOnnxUint32:
      return of_int(static_cast<uint32_t>(proto.uint64_data(i)));
    case kOnnxUint64:
      return of_unsigned(proto.uint64_data(i));
    case kOnnxFloat16:
      return of_real(half_to_double(static_cast<uint16_t>(proto.int32_data(i))));
    case kOnnxBfloat16:
      return of_real(bfloat_to_double(static_cast<uint16_t>(proto.int32_data(i))));
    case kOnnxUint8:
      return of_int(static_cast<uint8_t>(proto.int32_data(i)));
    case kOnnxInt8:
      return of_int(static_cast<int8_t>(proto.int32_data(i)));
    case kOnnxUint16:
      return of_int(static_cast<uint16_t>(proto.int32_data(i)));
    case kOnnxInt16:
      return of_int(static_cast<int16_t>(proto.int32_data(i)));
    case kOnnxBool:
      return of_int(proto.int32_data(i) != 0);
    default:
      return of_int(proto.int32_data(i));
  }
}

// The number, or nothing.
std::optional<int64_t> whole_number(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_external(const onnx::TensorProto& proto) {
  return proto.data_location() == onnx::TensorProto::EXTERNAL || proto.external_data_size() > 0;
}

// The tensor's bytes from a file beside the model; nothing and an error where they are not there.
std::optional<std::string> external_bytes(Reader& reader, const onnx::TensorProto& proto,
                                          int64_t bytes, const std::string& owner,
                                          const std::string& what) {
  ExternalData data;
  for (const onnx::StringStringEntryProto& entry : proto.external_data()) {
    if (entry.key() == "location") data.location = entry.value();
    if (entry.key() == "offset") data.offset = whole_number(entry.value()).value_or(-1);
    if (entry.key() == "length") data.length = whole_number(entry.value()).value_or(INT64_MAX);
  }
  if (bytes < 0 || bytes > kMaxExternalBytes - reader.external_bytes) {
    reader.error(owner,
                 fmt::format("{} needs {} bytes from {}; all tensors together may take {}", what,
                             bytes, ticked(data.location), thousands(kMaxExternalBytes)));
    return std::nullopt;
  }
  Result<std::string> read = read_external(reader.file, data, bytes);
  if (!read.ok()) {
    for (const Diagnostic& error : read.errors())
      reader.error(owner, what + " " + error.message, error.remedy);
    return std::nullopt;
  }
  reader.external_bytes += bytes;
  return std::move(*read);
}

std::optional<RawTensor> read_tensor(Reader& reader, const onnx::TensorProto& proto,
                                     const std::string& owner) {
  std::string what =
      proto.name().empty() ? "the tensor" : fmt::format("tensor {}", ticked(proto.name()));
  if (proto.has_segment()) {
    reader.error(owner, fmt::format("{} is stored in segments, which are not supported", what));
    return std::nullopt;
  }
  int64_t width = width_of(proto.data_type());
  if (width == 0) {
    reader.error(owner, fmt::format("{} has elements of {}, which are not supported", what,
                                    onnx_type_name(proto.data_type())));
    return std::nullopt;
  }
  Shape shape(proto.dims().begin(), proto.dims().end());
  int64_t count = shape.size() > 32 ? -1 : checked_elements(shape);
  if (count < 0) {
    if (shape.size() > 32) shape.resize(32);
    reader.error(owner, fmt::format("{} has impossible dimensions {}", what, to_string(shape)));
    return std::nullopt;
  }
  // The data must be there before a tensor of its size is made.
  const bool external = is_external(proto);
  const bool raw = external || proto.has_raw_data();
  const int64_t stored = is_packed(proto.data_type()) ? count / 2 + count % 2 : count;
  const int64_t want =
      raw ? (stored > std::numeric_limits<int64_t>::max() / width ? -1 : stored * width) : stored;
  std::string loaded;
  if (external) {
    std::optional<std::string> read = external_bytes(reader, proto, want, owner, what);
    if (!read) return std::nullopt;
    loaded = std::move(*read);
  }
  const std::string& bytes = external ? loaded : proto.raw_data();
  const int64_t have = raw ? static_cast<int64_t>(bytes.size()) : typed_count(proto);
  if (have != want) {
    reader.error(owner, fmt::format("{} of {} {} needs {} {}, but the file holds {}", what,
                                    onnx_type_name(proto.data_type()), to_string(shape), want,
                                    raw ? "bytes" : "elements", have));
    return std::nullopt;
  }

  auto element = [&](int64_t i) {
    return raw ? raw_element(proto.data_type(), bytes, i) : typed_element(proto, i);
  };
  RawTensor tensor{.name = proto.name(), .type = proto.data_type()};
  Range range;
  for (int64_t i = 0; i < count && !tensor.fraction; ++i) {
    Element e = element(i);
    if (!e.whole) tensor.fraction = Fraction{i, e.real};
    range = i == 0 ? Range{e.integer, e.integer}
                   : Range{std::min(range.lo, e.integer), std::max(range.hi, e.integer)};
  }
  if (tensor.fraction) {
    tensor.values = Tensor(DType::float32, shape);
    for (int64_t i = 0; i < count; ++i)
      tensor.values.set_float(i, static_cast<float>(element(i).real));
  } else {
    tensor.values = Tensor(narrowest_type(range), shape);
    for (int64_t i = 0; i < count; ++i) tensor.values.set(i, element(i).integer);
  }
  return tensor;
}

RawAttribute read_attribute(Reader& reader, const onnx::AttributeProto& proto,
                            const std::string& owner) {
  switch (proto.type()) {
    case onnx::AttributeProto::INT:
      return proto.i();
    case onnx::AttributeProto::FLOAT:
      return static_cast<double>(proto.f());
    case onnx::AttributeProto::STRING:
      return proto.s();
    case onnx::AttributeProto::INTS:
      return std::vector<int64_t>(proto.ints().begin(), proto.ints().end());
    case onnx::AttributeProto::FLOATS:
      return std::vector<double>(proto.floats().begin(), proto.floats().end());
    case onnx::AttributeProto::TENSOR: {
      std::optional<RawTensor> tensor = read_tensor(reader, proto.t(), owner);
      if (tensor) return std::move(*tensor);
      return std::monostate();
    }
    default:
      break;
  }
  // Old files leave the type out (IR version < 2).
  if (proto.has_i()) return proto.i();
  if (proto.has_f()) return static_cast<double>(proto.f());
  if (proto.has_s()) return proto.s();
  if (proto.ints_size() > 0) return std::vector<int64_t>(proto.ints().begin(), proto.ints().end());
  return std::monostate();
}

RawNode read_node(Reader& reader, const onnx::NodeProto& proto, size_t index) {
  RawNode node{.name = proto.name(), .op = proto.op_type(), .domain = proto.domain()};
  node.inputs.assign(proto.input().begin(), proto.input().end());
  node.outputs.assign(proto.output().begin(), proto.output().end());
  if (node.name.empty() && !node.outputs.empty()) node.name = node.outputs[0];
  if (node.name.empty()) node.name = fmt::format("node {}", index);
  for (const onnx::AttributeProto& attribute : proto.attribute()) {
    node.attributes[attribute.name()] = read_attribute(reader, attribute, node.name);
  }
  return node;
}

RawInfo read_info(const onnx::ValueInfoProto& proto) {
  RawInfo info{.name = proto.name()};
  if (!proto.has_type() || !proto.type().has_tensor_type()) return info;
  const onnx::TypeProto_Tensor& type = proto.type().tensor_type();
  info.type = type.elem_type();
  info.has_shape = type.has_shape();
  for (const onnx::TensorShapeProto_Dimension& dim : type.shape().dim()) {
    info.dims.push_back(
        {dim.has_dim_value() ? dim.dim_value() : -1, dim.has_dim_param() ? dim.dim_param() : ""});
  }
  return info;
}

}  // namespace

Result<RawModel> read_onnx_proto(std::string_view bytes, const std::string& file) {
  Reader reader{.file = file, .errors = {}, .external_bytes = 0};
  if (!within_field_budget(bytes, kMaxFields)) {
    reader.error("", fmt::format("the model has more than {} nodes, attributes and fields",
                                 thousands(kMaxFields)));
    return reader.errors;
  }
  onnx::ModelProto proto;
  if (bytes.size() > static_cast<size_t>(std::numeric_limits<int>::max()) ||
      !proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    reader.error("", "not an ONNX model: its protobuf does not parse", "give an .onnx file");
    return reader.errors;
  }
  if (!proto.has_graph()) {
    reader.error("", "not an ONNX model: it has no graph", "give an .onnx file");
    return reader.errors;
  }
  const onnx::GraphProto& graph = proto.graph();
  RawModel model{.name = graph.name()};
  for (const onnx::OperatorSetIdProto& opset : proto.opset_import()) {
    if (opset.domain().empty() || opset.domain() == "ai.onnx") model.opset = opset.version();
  }
  if (model.opset < 0 || model.opset > kNewestOpset) {
    reader.error(
        "", fmt::format("the model is of opset {}; 1 to {} are known", model.opset, kNewestOpset),
        "export it again with an older opset, such as 21");
  }
  for (const onnx::TensorProto& tensor : graph.initializer()) {
    if (std::optional<RawTensor> read = read_tensor(reader, tensor, tensor.name()))
      model.initialisers.push_back(std::move(*read));
  }
  for (const onnx::SparseTensorProto& tensor : graph.sparse_initializer()) {
    reader.error(tensor.values().name(),
                 "the initialiser is a sparse tensor, which is not supported",
                 "export it as a dense one");
  }
  for (int i = 0; i < graph.node_size(); ++i) {
    model.nodes.push_back(read_node(reader, graph.node(i), static_cast<size_t>(i)));
  }
  for (const onnx::ValueInfoProto& info : graph.input()) model.inputs.push_back(read_info(info));
  for (const onnx::ValueInfoProto& info : graph.output()) model.outputs.push_back(read_info(info));
  for (const onnx::ValueInfoProto& info : graph.value_info())
    model.infos.push_back(read_info(info));
  if (!reader.errors.empty()) return reader.errors;
  return model;
}

}  // namespace heddle
