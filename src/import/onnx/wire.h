// How many protobuf fields a serialised ONNX model holds, without decoding it.
#pragma once

#include <cstdint>
#include <string_view>

namespace heddle {

// Whether the model has at most that many fields, those of its graphs, nodes, attributes and
// tensors included.
bool within_field_budget(std::string_view model, int64_t fields);

}  // namespace heddle
