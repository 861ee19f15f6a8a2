// The only file that sees flatbuffers and the format's schema (tflite.fbs).
#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "base/text.h"
#include "import/tflite/raw_tflite.h"
#include "import/tflite/tflite_generated.h"

namespace heddle::tflite {
namespace {

static_assert(std::endian::native == std::endian::little, "the data of constants is little-endian");

constexpr uint32_t kMaxTables = 4'000'000;
constexpr uint32_t kMaxDepth = 32;
constexpr size_t kMaxRank = 8;
constexpr size_t kMaxName = 4096;  // longer names are cut

template <class T>
using Vector = flatbuffers::Vector<T>;

struct Reader {
  std::string file;
  Diagnostics errors;
  size_t left = 0;  // bytes that may still be copied: vectors of a flatbuffer can be shared

  void error(const std::string& where, const std::string& message, std::string remedy = "") {
    errors.push_back(error_at(in_file(file), where + message, std::move(remedy)));
  }
  bool spend(size_t bytes) {
    if (bytes <= left) {
      left -= bytes;
      return true;
    }
    if (errors.empty() || left > 0)
      error("", "the model refers to the same data too often: it would grow beyond bounds");
    left = 0;
    return false;
  }
  template <class To, class From>
  std::vector<To> copy(const Vector<From>* from) {
    std::vector<To> to;
    if (from == nullptr || !spend(from->size() * sizeof(To))) return to;
    to.reserve(from->size());
    for (size_t i = 0; i < from->size(); ++i) {
      From element{};  // the verifier lets elements of 8 bytes stand at odd multiples of 4
      std::memcpy(&element, from->Data() + i * sizeof element, sizeof element);
      to.push_back(static_cast<To>(element));
    }
    return to;
  }
  std::string copy(const flatbuffers::String* from) {
    if (from == nullptr) return "";
    const size_t size = std::min<size_t>(from->size(), kMaxName);
    return spend(size) ? std::string(from->c_str(), size) : "";
  }
};

// Where a constant's data stand; empty for activations.
std::string_view data_of(Reader& r, const std::string& where, const tfl::Model& model,
                         uint32_t index) {
  const auto* buffers = model.buffers();
  const size_t count = buffers == nullptr ? 0 : buffers->size();
  if (index == 0 && count == 0) return {};
  if (index >= count) {
    r.error(where, fmt::format("its data are buffer {}, the model has {}", index, count));
    return {};
  }
  const tfl::Buffer* buffer = buffers->Get(index);
  if (buffer->offset() > 1) {
    r.error(where, "its data stand behind the flatbuffer, as in models of more than 2 GB",
            "convert a smaller model");
    return {};
  }
  if (buffer->data() == nullptr) return {};
  return {reinterpret_cast<const char*>(buffer->data()->data()), buffer->data()->size()};
}

RawQuantisation quantisation_of(Reader& r, const std::string& where,
                                const tfl::QuantizationParameters* from) {
  RawQuantisation q;
  if (from == nullptr) return q;
  q.scales = r.copy<float>(from->scale());
  q.zero_points = r.copy<int64_t>(from->zero_point());
  q.dimension = from->quantized_dimension();
  q.custom = from->details_type() != 0;
  if (!q.zero_points.empty() && q.zero_points.size() != q.scales.size() &&
      q.zero_points.size() != 1) {
    r.error(where, fmt::format("it has {} scales and {} zero points", q.scales.size(),
                               q.zero_points.size()));
  }
  return q;
}

RawTensor tensor_of(Reader& r, const tfl::Model& model, const tfl::Tensor& from, size_t index) {
  RawTensor tensor;
  tensor.name = r.copy(from.name());
  if (tensor.name.empty()) tensor.name = fmt::format("tensor_{}", index);
  const std::string where = fmt::format("tensor {}, `{}`: ", index, terminal_text(tensor.name));
  tensor.type = static_cast<RawType>(from.type());
  const size_t rank = from.shape() == nullptr ? 0 : from.shape()->size();
  if (rank > kMaxRank) {
    r.error(where, fmt::format("it has {} dimensions, {} are supported", rank, kMaxRank));
    return tensor;
  }
  tensor.shape = r.copy<int64_t>(from.shape());
  if (checked_elements(tensor.shape) < 0) {
    r.error(where, fmt::format("its shape {} is negative or too large", to_string(tensor.shape)),
            "export the model with static shapes");
  }
  if (from.shape_signature() != nullptr && from.shape_signature()->size() == rank)
    tensor.signature = r.copy<int64_t>(from.shape_signature());
  tensor.data = data_of(r, where, model, from.buffer());
  tensor.quantisation = quantisation_of(r, where, from.quantization());
  tensor.variable = from.is_variable();
  tensor.sparse = from.sparsity() != nullptr;
  return tensor;
}

template <class Options>
void window(const Options& from, RawOptions* to) {
  to->padding = static_cast<Padding>(from.padding());
  to->stride_h = from.stride_h();
  to->stride_w = from.stride_w();
}
template <class Options>
void activation(const Options& from, RawOptions* to) {
  to->activation = static_cast<Activation>(from.activation());
}

void read_layer(const tfl::Operator& from, RawOptions* to) {
  if (const auto* conv = from.builtin_options_as_Conv2DOptions()) {
    window(*conv, to);
    activation(*conv, to);
    to->dilation_h = conv->dilation_h();
    to->dilation_w = conv->dilation_w();
  } else if (const auto* depthwise = from.builtin_options_as_DepthwiseConv2DOptions()) {
    window(*depthwise, to);
    activation(*depthwise, to);
    to->dilation_h = depthwise->dilation_h();
    to->dilation_w = depthwise->dilation_w();
  } else if (const auto* pool = from.builtin_options_as_Pool2DOptions()) {
    window(*pool, to);
    activation(*pool, to);
    to->filter_h = pool->filter_h();
    to->filter_w = pool->filter_w();
  } else if (const auto* dense = from.builtin_options_as_FullyConnectedOptions()) {
    activation(*dense, to);
    to->keep_dims = dense->keep_num_dims();
    to->shuffled_weights = dense->weights_format() != 0;
  } else if (const auto* product = from.builtin_options_as_BatchMatMulOptions()) {
    to->adjoint_x = product->adj_x();
    to->adjoint_y = product->adj_y();
  }
}

void read_map(const tfl::Operator& from, RawOptions* to) {
  if (const auto* add = from.builtin_options_as_AddOptions()) {
    activation(*add, to);
    to->power_of_two = add->pot_scale_int16();
  } else if (const auto* sub = from.builtin_options_as_SubOptions()) {
    activation(*sub, to);
    to->power_of_two = sub->pot_scale_int16();
  } else if (const auto* mul = from.builtin_options_as_MulOptions()) {
    activation(*mul, to);
  } else if (const auto* div = from.builtin_options_as_DivOptions()) {
    activation(*div, to);
  } else if (const auto* softmax = from.builtin_options_as_SoftmaxOptions()) {
    to->beta = softmax->beta();
  } else if (const auto* leaky = from.builtin_options_as_LeakyReluOptions()) {
    to->alpha = leaky->alpha();
  } else if (const auto* gelu = from.builtin_options_as_GeluOptions()) {
    to->approximate = gelu->approximate();
  } else if (const auto* reduce = from.builtin_options_as_ReducerOptions()) {
    to->keep_dims = reduce->keep_dims();
  }
}

void read_view(Reader& r, const tfl::Operator& from, RawOptions* to) {
  if (const auto* concat = from.builtin_options_as_ConcatenationOptions()) {
    activation(*concat, to);
    to->axis = concat->axis();
  } else if (const auto* reshape = from.builtin_options_as_ReshapeOptions()) {
    to->dims = r.copy<int64_t>(reshape->new_shape());
  } else if (const auto* squeeze = from.builtin_options_as_SqueezeOptions()) {
    to->dims = r.copy<int64_t>(squeeze->squeeze_dims());
  } else if (const auto* slice = from.builtin_options_as_StridedSliceOptions()) {
    to->begin_mask = slice->begin_mask();
    to->end_mask = slice->end_mask();
    to->ellipsis_mask = slice->ellipsis_mask();
    to->new_axis_mask = slice->new_axis_mask();
    to->shrink_axis_mask = slice->shrink_axis_mask();
    to->offset = slice->offset();
  } else if (const auto* gather = from.builtin_options_as_GatherOptions()) {
    to->axis = gather->axis();
    to->batch_dims = gather->batch_dims();
  } else if (const auto* split = from.builtin_options_as_SplitOptions()) {
    to->count = split->num_splits();
  } else if (const auto* split_v = from.builtin_options_as_SplitVOptions()) {
    to->count = split_v->num_splits();
  } else if (const auto* pack = from.builtin_options_as_PackOptions()) {
    to->count = pack->values_count();
    to->axis = pack->axis();
  } else if (const auto* unpack = from.builtin_options_as_UnpackOptions()) {
    to->count = unpack->num();
    to->axis = unpack->axis();
  } else if (const auto* resize = from.builtin_options_as_ResizeNearestNeighborOptions()) {
    to->align_corners = resize->align_corners();
    to->half_pixel_centers = resize->half_pixel_centers();
  }
}

// Indices of tensors: each within the model, or -1 where `optional`.
std::vector<int32_t> tensors_of(Reader& r, const std::string& where, const Vector<int32_t>* from,
                                size_t count, bool optional) {
  std::vector<int32_t> indices = r.copy<int32_t>(from);
  for (int32_t index : indices) {
    if ((index == -1 && optional) || (index >= 0 && static_cast<size_t>(index) < count)) continue;
    r.error(where, fmt::format("it names tensor {}, the model has {}", index, count));
    return {};
  }
  return indices;
}

RawOperator operator_of(Reader& r, const tfl::Model& model, const tfl::Operator& from, size_t index,
                        size_t tensors) {
  RawOperator op;
  const auto* codes = model.operator_codes();
  const size_t known = codes == nullptr ? 0 : codes->size();
  const std::string where = fmt::format("operator {}: ", index);
  if (from.opcode_index() >= known) {
    r.error(where,
            fmt::format("its code is number {}, the model has {}", from.opcode_index(), known));
    return op;
  }
  const tfl::OperatorCode* code = codes->Get(from.opcode_index());
  op.code = std::max<int32_t>(code->deprecated_builtin_code(), code->builtin_code());
  op.custom = r.copy(code->custom_code());
  op.inputs = tensors_of(r, where, from.inputs(), tensors, true);
  op.outputs = tensors_of(r, where, from.outputs(), tensors, false);
  read_layer(from, &op.options);
  read_map(from, &op.options);
  read_view(r, from, &op.options);
  return op;
}

RawModel model_of(Reader& r, const tfl::Model& from) {
  RawModel model;
  const tfl::SubGraph* graph = from.subgraphs()->Get(0);
  model.name = r.copy(graph->name());
  const size_t tensors = graph->tensors() == nullptr ? 0 : graph->tensors()->size();
  const size_t operators = graph->operators() == nullptr ? 0 : graph->operators()->size();
  for (size_t i = 0; i < tensors && r.left > 0; ++i) {
    if (!r.spend(sizeof(RawTensor))) break;
    model.tensors.push_back(
        tensor_of(r, from, *graph->tensors()->Get(static_cast<uint32_t>(i)), i));
  }
  for (size_t i = 0; i < operators && r.left > 0; ++i) {
    if (!r.spend(sizeof(RawOperator))) break;
    model.operators.push_back(
        operator_of(r, from, *graph->operators()->Get(static_cast<uint32_t>(i)), i, tensors));
  }
  model.inputs = tensors_of(r, "graph inputs: ", graph->inputs(), tensors, false);
  model.outputs = tensors_of(r, "graph outputs: ", graph->outputs(), tensors, false);
  return model;
}

}  // namespace

Result<RawModel> read_model(std::string_view bytes, const std::string& file) {
  if (bytes.size() < 8 || !tfl::ModelBufferHasIdentifier(bytes.data()))
    return error_at(in_file(file), "not a TFLite model: the identifier TFL3 is missing");
  HEDDLE_CHECK(reinterpret_cast<uintptr_t>(bytes.data()) % alignof(uint64_t) == 0,
               "a flatbuffer at an odd address");
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(),
                                 kMaxDepth, kMaxTables);
  if (bytes.size() >= FLATBUFFERS_MAX_BUFFER_SIZE || !tfl::VerifyModelBuffer(verifier)) {
    return error_at(in_file(file),
                    "the TFLite model is damaged: an offset, a vector or a text leaves the file",
                    "copy or convert it again");
  }
  const tfl::Model& model = *tfl::GetModel(bytes.data());
  Reader r{.file = file, .errors = {}, .left = 16 * bytes.size() + (size_t{1} << 20)};
  if (model.version() != 3) {
    return error_at(in_file(file), fmt::format("the TFLite schema version is {}, 3 is supported",
                                               model.version()));
  }
  if (model.subgraphs() == nullptr || model.subgraphs()->size() == 0)
    return error_at(in_file(file), "the TFLite model has no graph");
  RawModel raw = model_of(r, model);
  if (!r.errors.empty()) return r.errors;
  return raw;
}

}  // namespace heddle::tflite
