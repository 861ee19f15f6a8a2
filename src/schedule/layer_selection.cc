#include "schedule/layer_selection.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "match/spine.h"

namespace heddle {

std::optional<int> find_target(const Soc& soc, std::string_view name) {
  if (name == "cpu") return -1;
  for (size_t a = 0; a < soc.accelerators.size(); ++a) {
    if (soc.accelerators[a].target.name == name) return static_cast<int>(a);
  }
  return std::nullopt;
}

std::vector<std::string> target_names(const Soc& soc) {
  std::vector<std::string> names;
  for (const SocUnit& unit : soc.accelerators) names.push_back(unit.target.name);
  names.emplace_back("cpu");
  return names;
}

std::string listed(const std::vector<std::string>& names, size_t most) {
  std::string text;
  size_t count = 0;
  for (const std::string& name : names) {
    if (++count > most) continue;
    text += fmt::format("{}`{}`", text.empty() ? "" : ", ", terminal_text(name));
  }
  if (count > most) text += fmt::format(" and {} more", count - most);
  return text;
}

std::string unknown_target(const Soc& soc, const std::string& name) {
  return fmt::format("SoC `{}` has no target `{}`{}", soc.name, terminal_text(name),
                     did_you_mean(name, target_names(soc)));
}

bool covers(const Candidate& candidate, NodeId node) {
  return std::binary_search(candidate.covers.begin(), candidate.covers.end(), node);
}

namespace {

// A layer is of a kind if the expression matches its operator or one of its classes.
Result<std::vector<NodeId>> of_kind(const PolicyLayers& layers, const std::vector<NodeId>& nodes,
                                    const std::string& kind, const Place& place) {
  std::vector<NodeId> chosen;
  for (const NodeId id : nodes) {
    const OpDef& op = op_of(layers.graph.node(id));
    std::vector<std::string> kinds{std::string(op.name)};
    kinds.insert(kinds.end(), op.classes.begin(), op.classes.end());
    const Result<std::vector<bool>> matched = full_match(kind, kinds, place);
    if (!matched.ok()) return matched.errors();
    if (std::find(matched->begin(), matched->end(), true) != matched->end()) chosen.push_back(id);
  }
  return chosen;
}

// A node of this name that is no layer of its own: "`conv1_bias` is a part of layer `conv1`".
std::string part_of(const PolicyLayers& layers, const std::string& regex) {
  const Graph& graph = layers.graph;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const NodeId id{static_cast<int32_t>(n)};
    const Result<std::vector<bool>> matched =
        full_match(regex, std::vector<std::string>{graph.nodes[n].name}, {});
    if (!matched.ok() || !matched->front()) continue;
    for (const Candidate& candidate : layers.usable) {
      if (!covers(candidate, id) || candidate.covers.front() == id) continue;
      return fmt::format(": `{}` is a part of layer `{}`", terminal_text(graph.nodes[n].name),
                         terminal_text(graph.node(candidate.covers.front()).name));
    }
  }
  return "";
}

}  // namespace

Result<LayerSelection> select(const PolicyLayers& layers, const LayerSelector& selector, const Place& place) {
  LayerSelection selection;
  std::string what = "layers";  // that the parts so far have left
  const auto none = [&](std::string why) {
    selection.nodes.clear();
    selection.why = std::move(why);
    return selection;
  };
  selection.nodes = layers.nodes;
  if (!selector.layers.empty()) {
    const Result<std::vector<bool>> matched = full_match(selector.layers, layers.names, place);
    if (!matched.ok()) return matched.errors();
    size_t n = 0;
    std::erase_if(selection.nodes, [&](NodeId) { return !(*matched)[n++]; });
    if (selection.nodes.empty()) {
      const std::string part = part_of(layers, selector.layers);
      return none(fmt::format("no layer has the name `{}`{}", terminal_text(selector.layers),
                              part.empty() ? did_you_mean(selector.layers, layers.names) : part));
    }
    what += fmt::format(" `{}`", terminal_text(selector.layers));
  }
  if (!selector.kind.empty()) {
    Result<std::vector<NodeId>> chosen = of_kind(layers, selection.nodes, selector.kind, place);
    if (!chosen.ok()) return chosen.errors();
    std::set<std::string> found;
    for (const NodeId id : selection.nodes) found.insert(layers.graph.node(id).op);
    selection.nodes = std::move(*chosen);
    if (selection.nodes.empty()) {
      const std::vector<std::string> kinds(found.begin(), found.end());
      return none(fmt::format("none of the {} is of kind `{}`{}; they are of kind {}", what,
                              terminal_text(selector.kind), did_you_mean(selector.kind, kinds),
                              listed(kinds, 100)));
    }
    what += fmt::format(" of kind `{}`", terminal_text(selector.kind));
  }
  if (!selector.accepted_by.empty()) {
    const std::optional<int> target = find_target(layers.soc, selector.accepted_by);
    if (!target) return none(unknown_target(layers.soc, selector.accepted_by));
    std::erase_if(selection.nodes, [&](NodeId id) { return !layers.accepted_by(id, *target); });
    if (selection.nodes.empty())
      return none(fmt::format("no rule of `{}` accepts any of the {}", selector.accepted_by, what));
  }
  if (!selector.index.empty()) {
    const size_t last = selection.nodes.size() - 1;
    const size_t index = selector.index == "first"  ? 0
                         : selector.index == "last" ? last
                                                    : std::stoul(selector.index);
    if (index > last) {
      return none(fmt::format("there is no number {} among {} {}, which count from 0",
                              selector.index, selection.nodes.size(), what));
    }
    selection.nodes = {selection.nodes[index]};
  }
  return selection;
}

}  // namespace heddle
