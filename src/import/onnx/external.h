// Tensors whose bytes are in a file beside the model.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace heddle {

struct ExternalData {
  std::string location{};  // as in the file: foreign text
  int64_t offset = 0;
  int64_t length = -1;  // -1: not stated
};

// The `bytes` bytes that a tensor of `model` needs. Errors, without a place: a location outside the
// model's folder, however reached; a missing or short file; sizes that disagree.
Result<std::string> read_external(const std::string& model, const ExternalData& data,
                                  int64_t bytes);

}  // namespace heddle
