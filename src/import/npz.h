// NumPy arrays (.npy, .npz): input vectors, expected outputs, stored activations; and how they bind
// to a graph.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "graph/graph.h"

namespace heddle {

// Key ("" for .npy) and elements: int64 where the file holds integers or bools, float32 where it
// holds floats (float64 is rounded, but integers beyond 2^24 in it become int64).
using Arrays = std::vector<std::pair<std::string, Tensor>>;

// In archive order. Nothing of the file is trusted.
Result<Arrays> read_arrays(const std::filesystem::path& file);
// The same from memory; `name` is for messages.
Result<Arrays> parse_arrays(std::string_view bytes, const std::string& name);

// The same elements as int64; nothing where a float32 one is no integer.
std::optional<Tensor> as_integers(const Tensor& array);

// One .npy file's bytes. `name` is for messages.
Result<Tensor> parse_npy(std::string_view bytes, const std::string& name);

// One set of what a run is given: in the order of Graph::given_inputs, in their types and shapes.
using Sample = std::vector<Tensor>;

// Binds arrays to the graph's inputs, by the input's name, else `input_0`.., `input`, `arr_0`.. in
// graph order. An array with a leading batch dimension holds several samples ([200, 1, 28, 28] for
// an input [1, 1, 28, 28]); one shorter than the input is tiled. Floats for an integer input are
// real numbers if its quantisation is known, to be quantised and clipped; else they must be
// integers. Every integer must lie in the input's proven range. `file` is for messages.
Result<std::vector<Sample>> match_inputs(const Graph& graph, const Arrays& arrays,
                                         const std::string& file);

// The same for expected outputs (`output_0`.., `output`, `arr_0`..), but unchecked: a value that
// the network cannot produce is a divergence, not a bad file. int64, or float32 where the file
// holds real numbers: floats of a float32 or quantised output, or with a fraction.
Result<std::vector<Sample>> match_outputs(const Graph& graph, const Arrays& arrays,
                                          const std::string& file);

}  // namespace heddle
