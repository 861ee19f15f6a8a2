// How good a requantised network is: what a SoC's accelerators accept of it, and how far its scores
// are from the source's.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "requantize/requantize.h"
#include "rules/rules.h"

namespace heddle {

// Layers are products (convolutions, dense layers ...) and sums of activations.
struct Acceptance {
  struct Refusal {
    std::string layer;  // node and operator; foreign text
    std::string rule;   // "target/rule" that came nearest; empty: no pattern fits
    std::string why, values;
  };
  int64_t layers = 0, accepted_layers = 0;
  int64_t macs = 0, accepted_macs = 0;
  std::vector<Refusal> refused;
  std::vector<std::string> takers;  // of each layer: "unit_a, unit_b"; empty: the CPU alone
};
// What the accelerators of the SoC take, as it is or in another form, and have a tile for.
Result<Acceptance> acceptance_of(const Graph& graph, const Soc& soc);

// Scores of both networks on the same samples.
struct Agreement {
  int64_t samples = 0;
  int64_t same_class = 0;  // the largest score at the same place
  double rmse = 0;         // in steps of the source's scores
  double cosine = 1;
  std::optional<int64_t> right_before, right_after;  // where there are labels
};
// `labels`: none, or one a sample; classes of the first output. Samples are the source's.
Result<Agreement> agreement_of(const Graph& source, const Requantized& requantized,
                               const std::vector<Sample>& samples,
                               const std::vector<int64_t>& labels);

}  // namespace heddle
