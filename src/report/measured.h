// Measured cycles of a network's layers as CSV: written by a run on the virtual SoC, or by hand
// from a board's counters, and read by `heddle calibrate`.
//
//   # model: models/digits/digits.onnx
//   # soc: diana
//   # policy: cpu
//   layer,tile,cycles
//   conv1,,40127
//   conv2,0,21034
//   conv2,1,20660
//
// The lines `# key: value` before the header are optional; other keys are comments. Fields with a
// comma, a quote or a leading `#` stand in double quotes, quotes in them doubled.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace heddle {

// Stands for a layer: what runs between the layers.
inline constexpr const char* kOutside = "(outside)";

struct MeasuredRow {
  std::string layer;            // as the report writes it
  std::optional<int64_t> tile;  // index in the layer; absent: the layer as a whole
  int64_t cycles = 0;           // 0 to 2^40 - 1
  Place place;                  // of the layer's name
};

struct Measured {
  std::string model, soc, policy;  // as the comments say; may be empty
  std::vector<MeasuredRow> rows;
};

// Errors: all lines that are not as above, each with line and column.
Result<Measured> parse_measured(const std::string& text, const std::string& file);
std::string measured_csv(const Measured& measured);

// The cycles of each of these layers, in their order; nothing for those without a row. The tiles of
// a layer are added up: rows that follow each other with rising tile numbers. Layers of one name
// are told apart by their order. Errors: a name that no layer has, more measurements than layers of
// a name.
Result<std::vector<std::optional<int64_t>>> cycles_of_layers(const Measured& measured,
                                                             std::span<const std::string> layers);

}  // namespace heddle
