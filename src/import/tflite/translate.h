// The state of one translation from TFLite to canonical operators, and what the handlers of single
// operators share.
//
// The model's images are NHWC, the graph's NCHW. A tensor is held in the model's order (`plain`),
// with channels first (`planes`: [N, C, spatial ...], from three dimensions on), or in both;
// whoever asks for the form that is missing makes a transpose. Elementwise operators work in the
// form that their operands have.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "import/builder.h"
#include "import/import.h"
#include "import/tflite/quantisation.h"
#include "import/tflite/raw_tflite.h"

namespace heddle::tflite {

struct Held {
  bool known = false;   // an input, a constant, or some operator's result
  bool broken = false;  // an error was reported at its origin; its consumers stay quiet
  ValueId plain;
  ValueId planes;
};

struct Translation {
  const RawModel& model;
  Builder builder;
  std::vector<Held> tensors;     // by the model's index
  bool double_rounding = false;  // ImportOptions::rounding
  bool per_channel = false;      // some layer has a scale for each channel
  std::set<RawType> types;       // of the layers' activations
  int64_t decoded_bytes = 0;     // of constants
  std::vector<std::string> notes;
};

using Handler = void (*)(Translation&, const RawOperator&);
struct OperatorEntry {
  std::string_view op;
  Handler handler;
};
std::vector<OperatorEntry> layer_operators();       // layers.cc: convolutions, products
std::vector<OperatorEntry> pool_operators();        // pools.cc: pools, means, softmax
std::vector<OperatorEntry> arithmetic_operators();  // arithmetic.cc: ADD, SUB, MUL ...
std::vector<OperatorEntry> map_operators();         // maps.cc: functions of one tensor
std::vector<OperatorEntry> shape_operators();       // shapes.cc: RESHAPE, TRANSPOSE, SHAPE ...
std::vector<OperatorEntry> part_operators();        // parts.cc: CONCATENATION, SLICE ...
std::vector<OperatorEntry> image_operators();       // images.cc: PAD, RESIZE_NEAREST_NEIGHBOR

// Graph inputs and outputs (inputs.cc).
void add_inputs(Translation& t, const ImportOptions& options);
void add_outputs(Translation& t);

std::string label(const Translation& t, const RawOperator& op);  // "conv1 (CONV_2D)"
void fail(Translation& t, const RawOperator& op, const std::string& message,
          std::string remedy = "");

// ---- operands

bool has_input(const RawOperator& op, size_t i);
// Null and an error where the operand is absent.
const RawTensor* input_tensor(Translation& t, const RawOperator& op, size_t i);
const RawTensor& output_tensor(const Translation& t, const RawOperator& op, size_t i = 0);
bool is_real(const RawTensor& tensor);    // float32 or float16
bool quantised(const RawTensor& tensor);  // integers with scales
// float32 activations.
bool real_input(const Translation& t, const RawOperator& op, size_t i = 0);

// The operand in the graph; nothing after an error.
std::optional<ValueId> plain_input(Translation& t, const RawOperator& op, size_t i);
std::optional<ValueId> planes_input(Translation& t, const RawOperator& op, size_t i);
// Its shape in the order of the model.
std::optional<Shape> model_shape(Translation& t, const RawOperator& op, size_t i);
bool held_as_planes(const Translation& t, const RawOperator& op, size_t i);

// A constant operand; nothing, and an error unless it is broken, where it is none. Integers in
// their declared type (int4 as int8), float16 as float32.
std::optional<Tensor> constant_input(Translation& t, const RawOperator& op, size_t i,
                                     std::string_view what);
bool is_constant_input(const Translation& t, const RawOperator& op, size_t i);
std::optional<std::vector<int64_t>> ints_input(Translation& t, const RawOperator& op, size_t i,
                                               std::string_view what);
// The data of a constant tensor, decoded.
std::optional<Tensor> decode(Translation& t, const RawTensor& tensor, const std::string& where);

// ---- results

// What channels-first is of a shape of this rank: {0, r - 1, 1, ..., r - 2}, and back.
std::vector<int64_t> to_planes(size_t rank);
std::vector<int64_t> from_planes(size_t rank);
Shape permuted(const Shape& shape, const std::vector<int64_t>& perm);
Tensor permuted(const Tensor& tensor, const std::vector<int64_t>& perm);
// As a reshape where only dimensions of 1 move.
ValueId emit_transpose(Translation& t, const std::string& name, ValueId x,
                       const std::vector<int64_t>& perm);
ValueId emit_reshape(Translation& t, const std::string& name, ValueId x, const Shape& shape);

const Shape& shape_of(const Translation& t, ValueId id);
// Names of a node and its value: those of the operator's result, with a suffix.
ValueId emit(Translation& t, const RawOperator& op, std::string canonical,
             std::vector<ValueId> inputs, Attributes attributes, const std::string& suffix = "",
             size_t output = 0);
// The outcome of an operator. Its shape must be that which the file states.
void set_plain(Translation& t, const RawOperator& op, ValueId value, size_t output = 0);
void set_planes(Translation& t, const RawOperator& op, ValueId value, size_t output = 0);

// ---- quantisation

// Of an 8- or 16-bit tensor as a whole; nothing and an error where it has none or many.
std::optional<Scale> scale_of(Translation& t, const RawOperator& op, const RawTensor& tensor);
std::optional<Scale> input_scale(Translation& t, const RawOperator& op, size_t i);
std::optional<Scale> output_scale(Translation& t, const RawOperator& op, size_t i = 0);
// Of weights: one scale for each of `channels` along `dimension`, or one for all.
struct ChannelScales {
  std::vector<float> scales;
  std::vector<int64_t> zero_points;  // as many
};
std::optional<ChannelScales> channel_scales(Translation& t, const RawOperator& op, size_t i,
                                            int64_t dimension, int64_t channels);

// Bounds of a result: its type, narrowed by the fused activation.
std::optional<Range> output_bounds(Translation& t, const RawOperator& op, const RawTensor& output,
                                   const Scale& scale, Activation activation);
// Both at once.
struct Target {
  Scale scale;
  Range bounds;
};
std::optional<Target> output_target(Translation& t, const RawOperator& op);

// A requantisation of x by one multiplier, or one for each index along `axis`.
struct Requant {
  std::vector<Multiplier> multipliers;
  int64_t axis = 0;
  int64_t zero_point = 0;
  Range bounds;
  bool doubled = false;  // gemmlowp's double rounding
};
// Elementwise kernels of int16 round twice in every mode of LiteRT (docs/oracles.md).
bool doubles(const RawTensor& output);
ValueId emit_requant(Translation& t, const RawOperator& op, ValueId x, const Requant& requant,
                     const std::string& suffix = "");
// A fused activation behind a float32 result.
ValueId emit_real_activation(Translation& t, const RawOperator& op, ValueId x);
// A clip where the bounds cut something off.
ValueId emit_bounds(Translation& t, const RawOperator& op, ValueId x, const Range& bounds);

}  // namespace heddle::tflite
