// How many samples a network classifies rightly: top-1, by the largest element of its first output.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "graph/tensor.h"

namespace heddle {

struct Accuracy {
  int64_t right = 0;
  int64_t samples = 0;
  double percent() const;
};

// The index of the largest element; of equal ones the first.
int64_t arg_max(const Tensor& scores);

// `outputs` are [sample][output]; as many labels as samples. Errors, each naming its sample: a label
// that is no index of the output.
Result<Accuracy> count_right(std::span<const std::vector<Tensor>> outputs,
                             std::span<const int64_t> labels, const std::string& file);

// The accuracy of a network in which some unit's model draws noise, over several draws.
struct NoisyAccuracy {
  double noise = 0;            // standard deviation, in steps of the unit's converter
  int64_t samples = 0;         // of each draw
  std::vector<int64_t> right;  // of each draw, at least one
  double mean() const;         // percent, like those below
  double deviation() const;    // of the draws (n - 1); 0 of one
  double least() const;
  double most() const;
};

std::string accuracy_text(const Accuracy& accuracy);    // "199 of 200 right (99.5 %)"
std::string accuracy_text(const NoisyAccuracy& draws);  // "mean 99.40 %, ..."
nlohmann::ordered_json to_json(const Accuracy& accuracy);
nlohmann::ordered_json to_json(const NoisyAccuracy& draws);

}  // namespace heddle
