// Reads a model, translates it to the canonical operators and normalises it. The only way into a
// Graph; see npz.h for vectors.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "graph/graph.h"

namespace heddle {

struct ImportOptions {
  // --input-type NAME=uint8: range and type of a graph input. float32: a network of real numbers.
  std::map<std::string, DType> input_types;
  // --bind batch=1: sizes of open dimensions of graph inputs, by symbol, or by `x[2]` where they
  // have none. Unbound batch dimensions (the first ones) are 1, other unbound ones an error.
  std::map<std::string, int64_t> bind{};
  // --rounding tflite_double: instead of what the file's dialect says. Empty: the file's.
  std::string rounding{};
  // --state IN=OUT, by tensor names; {"auto", ""} adds those that are recognised (states.h).
  std::vector<std::pair<std::string, std::string>> states{};
};

// Reads and imports a file, by its content: ONNX or TFLite. The graph is normalised, verified, and never
// rewritten again. All errors of the model at once, each with the node's name.
Result<Graph> import_model(const std::filesystem::path& file, const ImportOptions& options);

// The same from memory; `file` is for messages and the graph's name, and its folder is where external
// data is looked for.
Result<Graph> import_onnx(std::string_view bytes, const std::string& file,
                          const ImportOptions& options);
Result<Graph> import_tflite(std::string_view bytes, const std::string& file,
                            const ImportOptions& options);

// The operators that a front end translates, by the format's own names, sorted. `real`: of float32, QDQ,
// QOperator and QONNX models, else of integers typed as floats.
std::vector<std::string> onnx_operator_names(bool real);
std::vector<std::string> tflite_operator_names();

}  // namespace heddle
