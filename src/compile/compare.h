// Holds tensors of one network against each other: bit for bit, within LSBs, or within a tolerance;
// where they differ first, and by how much in all.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "import/npz.h"

namespace heddle {

// An element as people read it.
using Number = std::variant<int64_t, float>;
std::string to_string(const Number& number);
Number number_at(const Tensor& tensor, int64_t flat);

// The first element that differs.
struct Divergence {
  std::string layer;  // or "output NAME"
  int64_t sample = 0;
  Shape index;  // empty: the numbers of elements differ
  Number expected, got;
};
std::string to_string(const Divergence& divergence);

// nullopt: equal bit for bit; float32 too, but for NaNs, which are alike. Shapes are flattened; an
// integer and a float32 are compared as numbers.
std::optional<Divergence> compare(const std::string& layer, int64_t sample, const Tensor& expected,
                                  const Tensor& got);

// When expected outputs count as met. Neither bound set: every element equal.
struct Criterion {
  // No element is more than this many steps away ...
  std::optional<int64_t> max_lsb{};
  // ... and at most this share of all elements differs.
  double max_fraction = 1;
  // |got - expected| <= tolerance * max|expected| of that output and sample.
  std::optional<double> tolerance{};
};

// How far two implementations are apart in one output, over all samples. Integers in steps, float32
// and whatever a tolerance applies to in their own unit.
struct Metrics {
  std::string output;
  int64_t elements = 0;
  int64_t differing = 0;
  double largest = 0;  // difference
  double rmse = 0;
  double cosine = 1;            // similarity of all elements as one vector
  std::optional<double> top_1;  // share of samples with the same largest element; vectors only
  std::optional<double>
      top_5;  // share of the five largest elements in common; of 6 elements or more
};

// One implementation held against another over all samples.
struct Comparison {
  std::string what;  // "emitted C against the reference"
  int64_t samples = 0;
  int64_t exact = 0;                // every element of every output equal
  bool met = true;                  // the criterion
  std::string criterion;            // "at most 1 LSB on 0.1 % of the elements"; empty: exact
  std::optional<Divergence> first;  // of the elements that break the criterion, else of all
  std::vector<Metrics> outputs;
  bool ok() const { return met; }
};

// Expected against computed outputs, [sample][output]: `expected` as match_outputs gives them. Real
// numbers expected of an integer output are quantised as its Quantisation says; under a tolerance
// the integers become real instead. A step of a float32 output is the scale of the `dequantize`
// that makes it. Errors: a bound that says nothing about these outputs, reals without a scale.
Result<Comparison> compare_outputs(const Graph& graph, const std::vector<std::vector<Tensor>>& got,
                                   const std::vector<Sample>& expected,
                                   const Criterion& criterion = {});

}  // namespace heddle
