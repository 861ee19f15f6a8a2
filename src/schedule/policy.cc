#include "schedule/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "match/spine.h"
#include "schedule/cover.h"
#include "schedule/layer_selection.h"

namespace heddle {
namespace {

constexpr size_t kMostListed = 8;  // layers in one message

// Why the SoC has no target, or rule of one ("unit/rule"), of this name; "" if it has.
std::string unknown_to(const Soc& soc, const std::string& name) {
  const size_t slash = std::min(name.find('/'), name.size());
  const std::optional<int> target = find_target(soc, name.substr(0, slash));
  if (!target) return unknown_target(soc, name.substr(0, slash));
  if (slash == name.size()) return "";
  if (*target < 0) return "rules of the CPU cannot be avoided";
  std::vector<std::string> names;
  for (const Rule& rule : soc.accelerators[static_cast<size_t>(*target)].target.rules)
    names.push_back(rule.name);
  const std::string rule = name.substr(slash + 1);
  if (std::find(names.begin(), names.end(), rule) != names.end()) return "";
  return fmt::format("`{}` has no rule `{}`{}", name.substr(0, slash), terminal_text(rule),
                     did_you_mean(rule, names));
}

std::string has_targets(const Soc& soc) {
  return "its targets are " + listed(target_names(soc), 100);
}

// "its rules begin with `conv2d`, `dense`".
std::string beginnings(const Target& target) {
  std::vector<std::string> names;
  for (const Rule& rule : target.rules) {
    for (const std::string& name : rule.pattern.items.front().alternatives) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  return "its rules begin with " + listed(names, 100);
}

// Why no rule of the target takes the layer: one error, and a note for each failed condition.
void explain_refusal(const PolicyLayers& layers, const Matches& matches, const Candidates& candidates,
                     const Pin& pin, int target, NodeId node, Diagnostics& errors) {
  const Node& layer = layers.graph.node(node);
  std::vector<const Match*> refusals;
  for (const std::vector<Match>* list : {&candidates.untileable, &matches.refused}) {
    for (const Match& match : *list) {
      const bool here = std::find(match.nodes.begin(), match.nodes.end(), node) != match.nodes.end();
      if (match.target == target && here) refusals.push_back(&match);
    }
  }
  const std::string wants = fmt::format("{} wants layer `{}` on `{}`", pin.text,
                                        terminal_text(layer.name), pin.target);
  if (refusals.empty()) {
    errors.push_back(error_at(
        pin.place, fmt::format("{}, but no rule of `{}` begins with `{}`", wants, pin.target, layer.op),
        target < 0 ? "" : beginnings(layers.soc.accelerators[static_cast<size_t>(target)].target)));
    return;
  }
  errors.push_back(error_at(pin.place, wants + ", but its rules refuse it"));
  for (const Match* match : refusals) {
    for (const FailedCondition& failed : stated(*match)) {
      errors.push_back({Severity::note, in_file(pin.place.file),
                        fmt::format("rule `{}`: {} (`{}`: {})", rule_of(layers.soc, *match).name,
                                    failed.why, failed.condition, failed.values),
                        ""});
    }
  }
}

// Which pin a layer obeys.
struct Pinned {
  const Pin* pin = nullptr;
  int target = 0;
};
using PinnedLayers = std::map<NodeId, Pinned>;

// Orders first, then defaults: those take what is left.
std::vector<const Pin*> in_turn(const Policy& policy) {
  std::vector<const Pin*> pins;
  for (const Pin& pin : policy.pins) pins.push_back(&pin);
  std::stable_partition(pins.begin(), pins.end(), [](const Pin* pin) { return !pin->optional; });
  return pins;
}

// `candidates.notes` says which defaults have found no layer.
PinnedLayers place_pins(const PolicyLayers& layers, const Policy& policy, const Matches& matches,
                        Candidates& candidates, Diagnostics& errors) {
  PinnedLayers pinned;
  for (const Pin* const each : in_turn(policy)) {
    const Pin& pin = *each;
    const int target = find_target(layers.soc, pin.target).value_or(-1);
    const Result<LayerSelection> selection = select(layers, pin.select, pin.place);
    if (!selection.ok()) {
      errors.insert(errors.end(), selection.errors().begin(), selection.errors().end());
      continue;
    }
    if (selection->nodes.empty()) {
      const std::string none = fmt::format("{} selects no layer: {}", pin.text, selection->why);
      if (pin.optional) {
        candidates.notes.push_back({Severity::note, pin.place, none, ""});
      } else {
        errors.push_back(error_at(pin.place, none, "the layers are " + listed(layers.names, 24)));
      }
    }
    size_t refused = 0;
    for (const NodeId node : selection->nodes) {
      const bool possible =
          std::any_of(layers.usable.begin(), layers.usable.end(), [&](const Candidate& candidate) {
            return candidate.match.target == target && covers(candidate, node);
          });
      if (pin.optional && (!possible || pinned.contains(node))) continue;
      const auto [entry, fresh] = pinned.try_emplace(node, Pinned{&pin, target});
      if (!fresh && entry->second.target != target) {
        errors.push_back(error_at(
            pin.place,
            fmt::format("{} and {} contradict each other: they want layer `{}` on `{}` and on `{}`",
                        entry->second.pin->text, pin.text,
                        terminal_text(layers.graph.node(node).name), entry->second.pin->target,
                        pin.target),
            "leave one of them out"));
        continue;
      }
      if (!possible && ++refused <= kMostListed)
        explain_refusal(layers, matches, candidates, pin, target, node, errors);
    }
    if (refused > kMostListed) {
      errors.push_back({Severity::note, pin.place,
                        fmt::format("and so for {} more layers", refused - kMostListed),
                        "`heddle why` says it for each"});
    }
  }
  return pinned;
}

// The first node that the candidates left cannot cover, together with all others, exactly once.
std::optional<int> uncovered(const Graph& graph, const Candidates& candidates) {
  std::vector<int> nodes;
  for (size_t n = 0; n < graph.nodes.size(); ++n) nodes.push_back(static_cast<int>(n));
  std::vector<CoverItem> items;
  for (const Candidate& candidate : candidates.usable) {
    CoverItem item;
    for (const NodeId id : candidate.covers) item.nodes.push_back(id.index);
    items.push_back(std::move(item));
  }
  return cover_nodes(nodes, items).uncovered;
}

void obey_pins(const PinnedLayers& pinned, Candidates& candidates) {
  std::erase_if(candidates.usable, [&](const Candidate& candidate) {
    return std::any_of(candidate.covers.begin(), candidate.covers.end(), [&](NodeId id) {
      const auto found = pinned.find(id);
      return found != pinned.end() && found->second.target != candidate.match.target;
    });
  });
  for (Candidate& candidate : candidates.usable) {
    for (const NodeId id : candidate.covers) {
      const auto found = pinned.find(id);
      if (found != pinned.end() && candidate.pinned.empty())
        candidate.pinned = found->second.pin->text;
    }
  }
}

}  // namespace

Result<Pin> pin_of(const std::string& option) {
  Pin pin;
  pin.place = in_file("--place");
  pin.text = "`--place '" + terminal_text(option) + "'`";
  const size_t equals = option.rfind('=');
  if (equals == std::string::npos || equals == 0 || !is_c_identifier(option.substr(equals + 1))) {
    return error_at(pin.place, fmt::format("`{}` does not name layers and their target", terminal_text(option)),
                    "write 'REGEX=TARGET', e.g. --place 'conv[0-9]+=cpu'");
  }
  pin.select.layers = option.substr(0, equals);
  pin.target = option.substr(equals + 1);
  return pin;
}

Status check_policy(const Soc& soc, const Policy& policy) {
  Diagnostics errors;
  const auto check = [&](const std::string& name, const Place& place, const std::string& what) {
    if (name.empty() || find_target(soc, name)) return;
    errors.push_back(error_at(place, what + ": " + unknown_target(soc, name), has_targets(soc)));
  };
  const Place whole = in_file("policy " + policy.name);
  for (const std::string& name : policy.target_order) check(name, whole, "`target_order`");
  for (const Pin& pin : policy.pins) {
    check(pin.target, pin.place, pin.text);
    check(pin.select.accepted_by, pin.place, pin.text);
  }
  const bool energies = policy.objective == Objective::energy ||
                        (policy.objective == Objective::weighted && policy.energy_weight > 0);
  if (energies && !soc.energy) {
    errors.push_back(error_at(whole,
                              fmt::format("the objective counts energy, but SoC `{}` has no "
                                          "`[energy]`",
                                          soc.name),
                              "add the SoC's `[energy]`, or choose a policy that counts cycles"));
  }
  if (!errors.empty()) return errors;
  return Unit{};
}

std::vector<NodeId> layers_of(const Graph& graph, const Matches& matches) {
  std::vector<bool> begins(graph.nodes.size(), false), follows(graph.nodes.size(), false);
  const auto at = [](NodeId id) { return static_cast<size_t>(id.index); };
  for (const Match& match : matches.refused) {
    if (match.target >= 0) begins[at(match.nodes.front())] = true;
  }
  for (const Match& match : matches.accepted) {
    if (match.target >= 0) begins[at(match.nodes.front())] = true;
    for (size_t i = 1; i < match.nodes.size(); ++i) follows[at(match.nodes[i])] = true;
  }
  std::vector<NodeId> layers;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (begins[n] || !follows[n]) layers.push_back(NodeId{static_cast<int32_t>(n)});
  }
  return layers;
}

Result<Candidates> apply_policy(const Graph& graph, const Soc& soc, const Policy& policy,
                                const Matches& matches, Candidates candidates) {
  const std::vector<Candidate> all = candidates.usable;
  PolicyLayers layers{graph, soc, all, layers_of(graph, matches), {}};
  for (const NodeId id : layers.nodes) layers.names.push_back(graph.node(id).name);
  Diagnostics errors;
  const auto note = [&](const Place& place, std::string message) {
    candidates.notes.push_back({Severity::note, place, std::move(message), ""});
  };
  for (const std::string& name : policy.avoid) {
    const std::string why = unknown_to(soc, name);
    if (name != "*" && !why.empty())
      note(in_file("policy " + policy.name), "`avoid`: " + why);
  }
  for (const TargetPreference& preference : policy.preferences) {
    const std::optional<int> target = find_target(soc, preference.target);
    if (!target) {
      note(preference.place, "the preference has no effect: " + unknown_target(soc, preference.target));
      continue;
    }
    const Result<LayerSelection> selection = select(layers, preference.select, preference.place);
    if (!selection.ok()) {
      errors.insert(errors.end(), selection.errors().begin(), selection.errors().end());
      continue;
    }
    if (selection->nodes.empty())
      note(preference.place, "the preference has no effect: " + selection->why);
    for (Candidate& candidate : candidates.usable) {
      const bool meant = std::any_of(selection->nodes.begin(), selection->nodes.end(),
                                     [&](NodeId id) { return covers(candidate, id); });
      if (candidate.match.target != *target || !meant) continue;
      // Several multiply, to the nearest percent, within what one alone may say.
      const int64_t product = (candidate.cost_percent * preference.percent + 50) / 100;
      candidate.cost_percent = std::clamp<int64_t>(product, 1, 10'000);
    }
  }
  const PinnedLayers pinned = place_pins(layers, policy, matches, candidates, errors);
  if (!errors.empty()) return errors;
  if (pinned.empty()) return candidates;
  obey_pins(pinned, candidates);
  if (const std::optional<int> open = uncovered(graph, candidates)) {
    const Node& node = graph.nodes[static_cast<size_t>(*open)];
    Diagnostics stuck = {error_at(at_node(node.name, node.op),
                                  "the pins leave no candidate for this node beside its neighbours")};
    for (const Pin& pin : policy.pins)
      stuck.push_back({Severity::note, pin.place, pin.text + " is one of them", ""});
    return stuck;
  }
  return candidates;
}

}  // namespace heddle
