// What requantisation knows while it goes through the layers: the source's numbers on the
// calibration samples, and the integer tensors that exist already.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "requantize/fit.h"
#include "requantize/integers.h"
#include "requantize/scales.h"

namespace heddle::requantizing {

inline constexpr Range kInt8{-128, 127};
inline constexpr Range kInt7{-64, 63};  // what analog arrays read

struct Workspace {
  explicit Workspace(const Graph& graph) : source(graph) {}

  const Graph& source;
  RealNetwork network{};
  std::vector<std::vector<Tensor>> reference{};  // [sample][source value]
  ScaleGroups groups{};
  std::vector<std::optional<double>> bases{};  // scale of each group, once it is chosen
  std::map<ValueId, IntegerTensor> tensors{};  // by source value

  std::set<ValueId> narrow{};  // tensors of 7 bits: ternary layers read them

  Range range_of(ValueId id) const { return narrow.contains(id) ? kInt7 : kInt8; }
  double zero(ValueId id) const { return network.zeros[static_cast<size_t>(id.index)]; }
  const Shape& shape(ValueId id) const { return source.value(id).type.shape; }
  IntegerTensor& tensor(ValueId id) { return tensors.at(id); }
  const IntegerTensor& tensor(ValueId id) const { return tensors.at(id); }

  std::vector<size_t> all_samples() const;
  std::vector<size_t> searched() const { return search_samples(reference.size()); }
  // The source's real numbers on these samples.
  Reals reals(const Target& target, const std::vector<size_t>& which) const;
  Reals searched_reals(ValueId id) const;
  // The integers times their scale, of the searched samples.
  Reals made_reals(ValueId id) const;

  std::optional<double> known_scale(ValueId id) const;
  void set_scale(ValueId id, double scale);
  // Candidates for the scale of a layer's result, whose targets these are.
  std::vector<double> scales_for(ValueId id, double lo, double hi, const Reals& targets) const;
};

double largest_magnitude(const Reals& reals, double lo, double hi);  // of the clamped ones

// What a scale of the layer's result costs (Fitting::cost): noise over signal where weights read
// it, that of the sums which read it, and rounding of the other tensors that get their scale with
// it.
void set_cost(const Workspace& w, const RealLayer& layer, const Reals& targets, Fitting& fitting);

}  // namespace heddle::requantizing
