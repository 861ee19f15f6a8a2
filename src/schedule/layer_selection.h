// Which layers a part of a policy means: by name, kind, who accepts them, and number.
#pragma once

#include <algorithm>
#include <optional>

#include "schedule/policy.h"

namespace heddle {

// The index that a match has for a target of this name; nullopt: the SoC has none.
std::optional<int> find_target(const Soc& soc, std::string_view name);
std::vector<std::string> target_names(const Soc& soc);
std::string unknown_target(const Soc& soc, const std::string& name);

// "`a`, `b` and 3 more".
std::string listed(const std::vector<std::string>& names, size_t most);

bool covers(const Candidate& candidate, NodeId node);

// What the selectors of one policy are held against.
struct PolicyLayers {
  const Graph& graph;
  const Soc& soc;
  const std::vector<Candidate>& usable;
  std::vector<NodeId> nodes;
  std::vector<std::string> names;  // of `nodes`

  bool accepted_by(NodeId node, int target) const {
    return std::any_of(usable.begin(), usable.end(), [&](const Candidate& candidate) {
      return candidate.match.target == target && candidate.covers.front() == node;
    });
  }
};

// The layers that a selector leaves of all; `why` says which of its parts left none.
struct LayerSelection {
  std::vector<NodeId> nodes;
  std::string why;
};

Result<LayerSelection> select(const PolicyLayers& layers, const LayerSelector& selector, const Place& place);

}  // namespace heddle
