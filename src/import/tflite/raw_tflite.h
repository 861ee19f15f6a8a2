// A TFLite model as plain data, free of flatbuffers. reader.cc fills it; import_tflite.cc
// translates it to a Graph.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "graph/tensor.h"

namespace heddle::tflite {

// The format's TensorType.
enum class RawType : int8_t {
  float32 = 0,
  float16 = 1,
  int32 = 2,
  uint8 = 3,
  int64 = 4,
  string = 5,
  boolean = 6,
  int16 = 7,
  complex64 = 8,
  int8 = 9,
  float64 = 10,
  uint64 = 12,
  uint32 = 15,
  uint16 = 16,
  int4 = 17,
};
std::string name_of(RawType type);  // "int8"; "type 99"

// real = (q - zero_point) * scale, per tensor or per slice of one dimension.
struct RawQuantisation {
  std::vector<float> scales;         // empty: not quantised
  std::vector<int64_t> zero_points;  // as many, or none
  int32_t dimension = 0;
  bool custom = false;  // a scheme that the format leaves to others
};

struct RawTensor {
  std::string name;
  RawType type = RawType::float32;
  Shape shape;
  Shape signature;        // -1: open; empty: as shape
  std::string_view data;  // of a constant; points into the file
  RawQuantisation quantisation;
  bool variable = false;
  bool sparse = false;
};

enum class Padding : int8_t { same = 0, valid = 1 };
enum class Activation : int8_t {
  none = 0,
  relu = 1,
  relu_n1_to_1 = 2,
  relu6 = 3,
  tanh = 4,
  sign = 5
};

// The options of all operators, each read by those that have it.
struct RawOptions {
  Padding padding = Padding::same;
  Activation activation = Activation::none;
  int64_t stride_h = 0, stride_w = 0;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t filter_h = 0, filter_w = 0;
  int64_t axis = 0;
  int64_t count = 0;  // outputs of SPLIT and UNPACK, inputs of PACK
  int64_t batch_dims = 0;
  int64_t begin_mask = 0, end_mask = 0, ellipsis_mask = 0, new_axis_mask = 0, shrink_axis_mask = 0;
  bool offset = false;  // ends of STRIDED_SLICE are lengths
  bool keep_dims = false;
  bool shuffled_weights = false;
  bool power_of_two = true;  // int16 ADD and SUB
  bool approximate = false;
  bool adjoint_x = false, adjoint_y = false;
  bool align_corners = false, half_pixel_centers = false;
  float alpha = 0, beta = 0;
  std::vector<int64_t> dims;  // of RESHAPE and SQUEEZE
};

struct RawOperator {
  int32_t code = 0;             // the format's BuiltinOperator
  std::string custom;           // the name of a custom operator
  std::vector<int32_t> inputs;  // -1: absent
  std::vector<int32_t> outputs;
  RawOptions options;
};
std::string operator_name(const RawOperator& op);  // "CONV_2D"

struct RawModel {
  std::string name;
  std::vector<RawTensor> tensors;
  std::vector<RawOperator> operators;  // in execution order
  std::vector<int32_t> inputs;
  std::vector<int32_t> outputs;
};

// Verifies the flatbuffer and every index and size in it. The result refers to `bytes`.
Result<RawModel> read_model(std::string_view bytes, const std::string& file);

}  // namespace heddle::tflite
