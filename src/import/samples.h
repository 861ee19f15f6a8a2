// Test vectors from files: npz, npy and raw bytes become samples of a graph's inputs or outputs.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "import/npz.h"

namespace heddle {

// What the elements of raw input files are. `by_size`: 4 bytes an element is float32, 1 byte an
// integer, or, where the int8 input's quantisation says so, an unsigned pixel (is_pixel_input).
enum class RawKind : uint8_t { by_size, float32, int8, uint8 };

RawKind raw_kind_of(std::string_view name);  // "float32"; by_size if unknown

// Zero point -128 and scale 1, 1/255 or 1/256: the integer is an unsigned pixel - 128.
bool is_pixel_input(const Value& value);

// The samples of all files, one after the other. An npz holds every input; of npy and raw files,
// one an input is taken in the graph's order, so that their number is a multiple of the inputs'. A
// raw file is one sample, or with a stated kind any number of them. Real numbers are quantised as
// match_inputs says; a raw float32 file for an integer without a scale is refused.
Result<std::vector<Sample>> read_inputs(const Graph& graph,
                                        const std::vector<std::filesystem::path>& files,
                                        RawKind raw = RawKind::by_size);

// The same for expected outputs, whose raw files are told by their size: float32, else the output's
// own type.
Result<std::vector<Sample>> read_expected(const Graph& graph,
                                          const std::vector<std::filesystem::path>& files);

// Right classes, one a sample: the array `labels` of an npz, or the only array of a file.
Result<std::vector<int64_t>> read_labels(const std::filesystem::path& file, size_t samples);

}  // namespace heddle
