// A quantised or float32 network in the integer dialect of accelerators that only shift: symmetric
// 8-bit activations, 8-bit weights, 32-bit biases, `clip((sum + bias) >> shift)` with one shift a
// tensor. docs/requantize.md has the method.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "graph/graph.h"
#include "import/npz.h"

namespace heddle {

struct RequantizeOptions {
  std::string file;  // of the source, for messages
  // Names of convolutions that get weights of -1, 0 and 1 and the chain of an analog array's
  // converter; what they read is clipped to 7 bits.
  std::set<std::string> ternary{};
  std::function<void(std::string_view what)> progress{};
};

// What became of a layer with weights, or of a sum.
struct RequantizedLayer {
  std::string name;  // of the source's node; foreign text
  std::string op;    // canonical: "conv2d", "depthwise_conv2d", "dense", "add"
  double scale = 1;  // of the result, in steps of the source's tensor
  int64_t shift = 0;
  int64_t lo = 0, hi = 0;
  bool ternary = false;
  int64_t largest_weight = 0;
  double clipped_weights = 0;  // share of weights that 8 bits do not hold
  double signal_to_noise = 0;  // decibels, against the source, on the calibration samples
};

struct Requantized {
  std::string onnx;  // the file
  Graph graph;       // what the importer makes of it
  std::vector<RequantizedLayer> layers;
  std::vector<std::string> notes;
  // What the outputs' integers mean: scores of the source = integer * scale, in steps of the source
  // value `score`, whose zero is taken off.
  struct Output {
    ValueId score;    // of the source
    double zero = 0;  // of its elements
    double scale = 1;
  };
  std::vector<Output> outputs;
  // Which of the source's values an input stands for: an input, or what quantises it. Integers are
  // the same; of float32 the input is requantised_input(element, scale).
  struct Input {
    ValueId source;
    double scale = 1;
  };
  std::vector<Input> inputs;
  // Tensors whose channels were given other ranges first, which were kept as they helped.
  int equalised = 0;
  double noise = 0;  // of the outputs over their signal, on the calibration samples
};

// round(real / scale), halves up, clipped to int8.
int64_t requantized_input(double real, double scale);

// Errors: operators that have no such form, by node; samples that do not fit.
Result<Requantized> requantize(const Graph& source, const std::vector<Sample>& calibration,
                               const RequantizeOptions& options);

}  // namespace heddle
