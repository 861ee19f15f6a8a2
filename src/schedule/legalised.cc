#include "schedule/legalised.h"

#include <algorithm>
#include <set>

#include "match/spine.h"
#include "schedule/cover.h"

namespace heddle {
namespace {

std::vector<int> indices_of(const std::vector<NodeId>& nodes) {
  std::vector<int> indices;
  for (const NodeId id : nodes) indices.push_back(id.index);
  return indices;
}

// The kinds of a form: "depthwise+pads" has two.
std::set<std::string> kinds_of(const Legalised& form) {
  std::set<std::string> kinds;
  for (size_t begin = 0; begin <= form.kind.size();) {
    const size_t end = std::min(form.kind.find('+', begin), form.kind.size());
    kinds.insert(form.kind.substr(begin, end - begin));
    begin = end + 1;
  }
  return kinds;
}

// Pads and channels only take away what a rule refuses; other kinds may also be faster.
bool only_spares_refusal(const std::set<std::string>& kinds) {
  return std::all_of(kinds.begin(), kinds.end(), [](const std::string& kind) {
    return kind == "pads" || kind == "channels";
  });
}

// One form, offered to one rule.
class Offer {
 public:
  Offer(const Soc& soc, const Policy& policy, std::shared_ptr<const Legalised> form,
        const RefuseKernels& refuse)
      : soc_(soc), form_(std::move(form)), graph_(form_->graph) {
    matches_ = match_rules(graph_, soc, policy);
    if (refuse) matches_ = refuse(graph_, soc, std::move(matches_));
  }

  Status make(int target, int rule, Offered& offered) const {
    const auto fits = [&](const Match& match) {
      return match.target == target && match.rule == rule && match.anchor == form_->spine.front();
    };
    const auto accepted =
        std::find_if(matches_.accepted.begin(), matches_.accepted.end(), [&](const Match& match) {
          return fits(match) && match.nodes == form_->spine;
        });
    if (accepted == matches_.accepted.end()) {
      const auto refused = std::find_if(matches_.refused.begin(), matches_.refused.end(), fits);
      if (refused != matches_.refused.end() && refused->nodes == form_->spine)
        offered.refused.push_back({form_, *refused});
      return Unit{};
    }
    Result<Tiling> tiling =
        solve_tiling(graph_, soc_, *accepted, choose_storage(graph_, soc_, {&*accepted}));
    if (!tiling.ok()) {
      offered.refused.push_back({form_, untiled(*accepted, tiling.errors())});
      return Unit{};
    }
    Candidate candidate{*accepted, std::nullopt, tiling->cost.total, form_->covers, form_, {}};
    candidate.tiling = std::move(*tiling);
    return add_extras(std::move(candidate), offered);
  }

 private:
  // The nodes before or behind the job.
  std::vector<int> nodes_beside(bool before) const {
    std::vector<int> nodes;
    for (int n = 0; n < static_cast<int>(graph_.nodes.size()); ++n) {
      const bool is_before = n < form_->spine.front().index;
      if (before == is_before && (is_before || n > form_->spine.back().index)) nodes.push_back(n);
    }
    return nodes;
  }

  // The CPU does the rest of the form, as cheaply as it can. What is read where it lies costs nothing.
  Status add_extras(Candidate candidate, Offered& offered) const {
    for (const bool before : {true, false}) {
      const std::vector<int> nodes = nodes_beside(before);
      std::vector<Extra> kernels;
      std::vector<CoverItem> items;
      for (const Match& match : matches_.accepted) {
        if (match.target >= 0) continue;
        const std::vector<int> indices = indices_of(match.nodes);
        if (!std::includes(nodes.begin(), nodes.end(), indices.begin(), indices.end())) continue;
        const Result<int64_t> cycles =
            modelled_cycles(graph_, soc_, {match, std::nullopt, 0}, {});
        if (!cycles.ok()) return cycles.errors();
        kernels.push_back({match, *cycles, before});
        items.push_back({indices, *cycles, match.rule});
      }
      const Cover cover = cover_nodes(nodes, items);
      if (cover.uncovered) return Unit{};  // the SoC's CPU lacks an operator: no candidate
      for (const int item : cover.items)
        candidate.extras.push_back(kernels[static_cast<size_t>(item)]);
    }
    std::vector<const Match*> steps;
    for (const Extra& extra : candidate.extras) {
      if (extra.before) steps.push_back(&extra.match);
    }
    steps.push_back(&candidate.match);
    for (const Extra& extra : candidate.extras) {
      if (!extra.before) steps.push_back(&extra.match);
    }
    StorageOf storage = choose_storage(graph_, soc_, steps);
    const Aliases aliases = place_in_others(graph_, steps, storage);
    for (Extra& extra : candidate.extras) {
      if (needs_no_code(graph_, aliases, extra.match)) extra.cycles = 0;
      candidate.cycles += extra.cycles;
    }
    offered.usable.push_back(std::move(candidate));
    return Unit{};
  }

  const Soc& soc_;
  std::shared_ptr<const Legalised> form_;
  const Graph& graph_;
  Matches matches_;
};

// How many nodes the rule's pattern may take from `start` on, the first operator having become one
// of another form; longest first.
std::vector<size_t> lengths_of(const Graph& graph, const std::vector<NodeId>& spine,
                               const Rule& rule, const Legalise& allowed) {
  const SpinePattern pattern(rule.pattern);
  std::vector<std::string> ops;
  for (const NodeId id : spine) ops.push_back(graph.node(id).op);
  std::set<size_t, std::greater<>> lengths;
  for (const std::string& op : legalised_ops(graph.node(spine.front()), allowed)) {
    ops.front() = op;
    const std::vector<size_t> some = pattern.matching_lengths(ops);
    lengths.insert(some.begin(), some.end());
  }
  return {lengths.begin(), lengths.end()};
}

}  // namespace

Result<Offered> offer_forms(const Graph& graph, const Soc& soc, const Policy& policy,
                            const Matches& matches, int target, int rule, NodeId start,
                            const Legalise& allowed, const RefuseKernels& refuse) {
  Offered offered;
  if (legalised_ops(graph.node(start), allowed).empty()) return offered;
  const Match site{target, rule, {}, start, {}, {}};
  const std::vector<NodeId> spine = spine_of(graph, start);
  bool longest = true;
  for (const size_t length : lengths_of(graph, spine, rule_of(soc, site), allowed)) {
    const std::span<const NodeId> part(spine.data(), length);
    const bool taken = std::any_of(
        matches.accepted.begin(), matches.accepted.end(), [&](const Match& match) {
          return match.target == target && match.rule == rule && std::ranges::equal(match.nodes, part);
        });
    std::vector<std::set<std::string>> accepted;
    for (const std::shared_ptr<const Legalised>& form : legalisations(graph, part, allowed)) {
      const std::set<std::string> kinds = kinds_of(*form);
      if (taken && only_spares_refusal(kinds)) continue;
      const bool more_than_needed =
          std::any_of(accepted.begin(), accepted.end(), [&](const std::set<std::string>& known) {
            return known != kinds &&
                   std::includes(kinds.begin(), kinds.end(), known.begin(), known.end());
          });
      if (more_than_needed) continue;
      const size_t usable = offered.usable.size(), refused = offered.refused.size();
      if (Status status = Offer(soc, policy, form, refuse).make(target, rule, offered); !status.ok())
        return status.errors();
      if (offered.usable.size() > usable) accepted.push_back(kinds);
      if (!longest) offered.refused.resize(refused);
    }
    longest = false;
  }
  return offered;
}

Result<Candidates> with_legalised(const Graph& graph, const Soc& soc, const Policy& policy,
                                  const Matches& matches, Candidates candidates,
                                  const RefuseKernels& refuse) {
  if (!policy.legalise) return candidates;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    for (size_t a = 0; a < soc.accelerators.size(); ++a) {
      const std::vector<Rule>& rules = soc.accelerators[a].target.rules;
      for (size_t r = 0; r < rules.size(); ++r) {
        if (rules[r].legalise == Legalise{}) continue;
        Result<Offered> offered =
            offer_forms(graph, soc, policy, matches, static_cast<int>(a), static_cast<int>(r),
                        NodeId{static_cast<int32_t>(n)}, rules[r].legalise, refuse);
        if (!offered.ok()) return offered.errors();
        std::move(offered->usable.begin(), offered->usable.end(),
                  std::back_inserter(candidates.usable));
        std::move(offered->refused.begin(), offered->refused.end(),
                  std::back_inserter(candidates.refused_forms));
      }
    }
  }
  return candidates;
}

}  // namespace heddle
