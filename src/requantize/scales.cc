#include "requantize/scales.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace heddle::requantizing {
namespace {

constexpr double kEqual = 1e-4;  // relative; TFLite's fixed-point factors have 31 bits

class Joiner {
 public:
  void add(ValueId tensor) {
    if (groups_.group_of.contains(tensor)) return;
    groups_.group_of[tensor] = groups_.groups.size();
    groups_.groups.push_back({{tensor, 1}});
  }

  // scale of b = factor * scale of a. False where they have another ratio already.
  bool join(ValueId a, ValueId b, double factor) {
    add(a);
    add(b);
    const size_t to = groups_.group_of[a], from = groups_.group_of[b];
    const double wanted = factor * groups_.member(a).ratio;
    const double ratio = groups_.member(b).ratio;
    if (to == from) return std::abs(wanted - ratio) <= kEqual * std::abs(ratio);
    for (Member member : groups_.groups[from]) {
      member.ratio *= wanted / ratio;
      groups_.groups[to].push_back(member);
      groups_.group_of[member.tensor] = to;
    }
    groups_.groups[from].clear();
    return true;
  }

  ScaleGroups groups_;
};

}  // namespace

const Member& ScaleGroups::member(ValueId tensor) const {
  const std::vector<Member>& members = groups[group_of.at(tensor)];
  return *std::find_if(members.begin(), members.end(),
                       [&](const Member& m) { return m.tensor == tensor; });
}

Result<ScaleGroups> scale_groups(const RealNetwork& network, const std::string& file) {
  Joiner joiner;
  Diagnostics errors;
  const auto refuse = [&](const RealLayer& layer, const std::string& why) {
    Place place = in_file(file);
    place.node = fmt::format("{} ({})", layer.name, layer.op.empty() ? "requant" : layer.op);
    errors.push_back(
        error_at(std::move(place), why,
                 "put a convolution or dense layer before one of its operands, which gives it a "
                 "scale of its own"));
  };
  for (ValueId id : network.inputs) joiner.add(id);
  for (const RealLayer& layer : network.layers) {
    joiner.add(layer.output);
    if (layer.kind == RealLayer::Kind::linear) continue;
    if (layer.kind == RealLayer::Kind::same) {
      // y = factor * x in real numbers: one integer for both, so y's scale is factor times x's.
      for (size_t i = 0; i < layer.inputs.size(); ++i) {
        if (!joiner.join(layer.inputs[i], layer.output, layer.factors[i]))
          refuse(layer, "its operands need one scale, and have others through the layers before");
      }
      continue;
    }
    const double factor = layer.factors[0] / layer.factors[1];  // scale of b = factor * scale of a
    if (factor <= 0) {
      refuse(layer, "it subtracts, and sums of integers with one scale only add");
    } else if (!joiner.join(layer.inputs[0], layer.inputs[1], factor)) {
      refuse(
          layer,
          fmt::format(
              "its operands need scales of ratio {:.4g}, and have another one through the layers "
              "before",
              factor));
    }
  }
  if (!errors.empty()) return errors;
  return joiner.groups_;
}

}  // namespace heddle::requantizing
