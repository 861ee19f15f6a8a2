#include "benchmarks/synthetic_tflite.h"

#include "unit/import/tflite_net.h"

namespace heddle {

std::string synthetic_tflite(int64_t nodes) {
  test::TfNet net{.tensors = {test::int8("t", {1, 4, 4, 4})}, .operators = {}, .inputs = {0}};
  int32_t last = 0, skip = 0;
  const auto add = [&](test::TfOperator op, test::TfTensor result) {
    net.tensors.push_back(std::move(result));
    last = static_cast<int32_t>(net.tensors.size()) - 1;
    op.outputs = {last};
    net.operators.push_back(std::move(op));
  };
  for (int64_t i = 0; static_cast<int64_t>(net.operators.size()) + 5 <= nodes; ++i) {
    const std::string n = std::to_string(i);
    test::TfTensor weights = test::int8("w" + n, {4, 1, 1, 4});
    weights.data = std::string("\1\2\3\4\5\6\7\10\1\2\3\4\5\6\7\10", 16);
    net.tensors.push_back(std::move(weights));
    add({.code = test::kConv2d,
         .inputs = {last, static_cast<int32_t>(net.tensors.size()) - 1},
         .kind = tfl::BuiltinOptions::Conv2DOptions,
         .options =
             [](flatbuffers::FlatBufferBuilder& b) {
               return tfl::CreateConv2DOptions(b, 0, 1, 1).Union();
             }},
        test::int8("c" + n, {1, 4, 4, 4}));
    const auto reshape = [&](const char* name, std::vector<int32_t> shape) {
      net.tensors.push_back(test::ints(name + ("_shape" + n), shape));
      add({.code = test::kReshape, .inputs = {last, static_cast<int32_t>(net.tensors.size()) - 1}},
          test::int8(name + n, shape));
    };
    reshape("rows", {1, 64});
    test::TfTensor relu = test::int8("r" + n, {1, 64});
    relu.scales = {0.25f};
    add({.code = test::kRelu, .inputs = {last}}, std::move(relu));
    reshape("image", {1, 4, 4, 4});
    net.tensors.back().scales = {0.25f};
    add({.code = test::kAdd,
         .inputs = {last, skip},
         .kind = tfl::BuiltinOptions::AddOptions,
         .options =
             [](flatbuffers::FlatBufferBuilder& b) { return tfl::CreateAddOptions(b, 0).Union(); }},
        test::int8("s" + n, {1, 4, 4, 4}));
    skip = last;
  }
  net.outputs = {last};
  return net.bytes();
}

}  // namespace heddle
