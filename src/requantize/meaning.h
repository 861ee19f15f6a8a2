// What a quantised network computes in real numbers, freed from how it rounds: the only thing that
// a requantised network has to keep.
//
// The real number of an element of a source tensor is `element - zero`, in steps of that tensor: an
// absolute scale is not needed, the factors between tensors are in the layers' weights. For float32
// tensors it is the element.
#pragma once

#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "graph/graph.h"
#include "ops/op.h"

namespace heddle::requantizing {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The real number that a layer clamps: gain * element + offset of a source value; one gain and
// offset, or one for each index of dimension 1.
struct Target {
  ValueId value;
  std::vector<double> gain{1};
  std::vector<double> offset{0};
};

struct RealLayer {
  enum class Kind : uint8_t {
    linear,  // y = clamp(sum of weights * x + bias)
    sum,     // y = clamp(factors[0] * a + factors[1] * b + bias[0])
    same,    // y = clamp(factors[0] * x), elements moved or chosen by `op`; concat has several x
  };
  Kind kind = Kind::same;
  std::string name;             // of the source's node; foreign text
  std::string op;               // the canonical operator; of `same` empty where nothing moves
  Attributes attributes{};      // of that operator, without zero points
  std::vector<ValueId> inputs;  // activations of the source
  ValueId output;               // of the source
  Shape weight_shape{};         // OIHW; dense: [K, C]
  std::vector<double> weights{};
  std::vector<double> bias{};     // linear: one a channel; sum: one
  std::vector<double> factors{};  // sum, same
  double lo = -kInfinity, hi = kInfinity;
  Target target{};  // linear, sum
};

struct RealNetwork {
  std::vector<RealLayer> layers;
  std::vector<ValueId> inputs;   // of the source: integers, or float32 where nothing quantises them
  std::vector<ValueId> outputs;  // those that stand for the source's, in their order
  std::vector<double> zeros;     // by source value
  // What each channel (dimension 1) of a tensor was divided by (equalise.h); absent: nothing.
  std::map<ValueId, std::vector<double>> factors{};
  std::vector<std::string> notes;
};

// Errors: every node that has no such form, by name, with the value and a remedy.
Result<RealNetwork> real_meaning(const Graph& graph, const std::string& file);

// ---- parts of it (affine.cc)

// real = gain * x + offset of one requant, quantize or dequantize node, without its zero point.
struct Affine {
  std::vector<double> gain, offset;  // one element, or one a channel
  int64_t axis = 1;
  double zero = 0;                         // of the result
  double lo = -kInfinity, hi = kInfinity;  // of the result, zero taken off
};
Affine affine_of(const Graph& graph, const Node& node);

std::vector<double> numbers_of(const Tensor& tensor);

// The bounds of a relu or clip node, in elements.
std::pair<double, double> bounds_of(const Graph& graph, const Node& node);

// The layer's bias, requantisation and bounds: the nodes that alone read `from`, one after the
// other.
struct Epilogue {
  std::vector<double> gain, offset;  // of the sum in the source's units, one a channel
  double lo = -kInfinity, hi = kInfinity;
  double zero = 0;
  Target target{};
  ValueId output;
  std::vector<NodeId> nodes;
  std::string failure;  // why it cannot be expressed; empty: it can
};
// `offset`: what the elements of `from` have beside their products, for each of the `channels` of
// dimension 1; `zero`: what stands for zero in `from` itself, where nothing requantises it.
Epilogue epilogue_of(const Graph& graph, ValueId from, int64_t channels, std::vector<double> offset,
                     double zero = 0);

// ---- facts about nodes (facts.cc)

// Whether the result orders the elements of each row as the operand does: a softmax, a sigmoid.
bool keeps_order(const OpView& op);
// What the operator is, for messages: "mul of two activations".
std::string form_of(const OpView& op);

// Each channel's elements summed in several steps, as ONNX's means of quantised tensors are
// imported: reshapes of rows and columns, sums of windows that do not overlap, factors.
struct PlaneMean {
  std::vector<NodeId> nodes;  // from the first to the one that has [1, C, 1, 1]
  double weight = 1;          // of every element
  double zero_point = 0;      // taken off integer elements first
};
std::optional<PlaneMean> plane_mean_from(const Graph& graph, const Node& first);

}  // namespace heddle::requantizing
