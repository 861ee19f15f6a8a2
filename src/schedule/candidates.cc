#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "base/text.h"
#include "legalise/legalise.h"
#include "schedule/boundary.h"
#include "schedule/schedule.h"

namespace heddle {
namespace {

Result<int64_t> cpu_cycles(const Graph& graph, const Soc& soc, const Match& match) {
  const Rule& rule = rule_of(soc, match);
  const Environment environment = layer_environment(graph, soc, match);
  int64_t cycles = 0;
  for (const Expr* expr : {&rule.launch, &rule.compute}) {
    const std::variant<int64_t, ExprError> value = evaluate_int(*expr, environment);
    const ExprError* const error = std::get_if<ExprError>(&value);
    const std::optional<int64_t> sum =
        error == nullptr ? checked_add(cycles, std::get<int64_t>(value)) : std::nullopt;
    if (!sum || *sum < 0) {
      return error_at(
          rule.place,
          fmt::format("rule `{}` has no cost for layer `{}`: {}", rule.name,
                      terminal_text(graph.node(match.anchor).name),
                      error != nullptr ? error->message : "it is negative or too large"),
          "correct `launch` and `compute`");
    }
    cycles = *sum;
  }
  return cycles;
}

// Operators whose C computes a whole row at a time want its elements one after the other.
bool needs_rows(const Graph& graph, const Value& value) {
  const auto by_rows = [&](NodeId id) {
    return id.valid() && !op_of(graph.node(id)).c_body({graph, graph.node(id)}).block.empty();
  };
  return by_rows(value.producer) ||
         std::any_of(value.consumers.begin(), value.consumers.end(), by_rows);
}

}  // namespace

StorageOf choose_storage(const Graph& graph, const Soc& soc,
                         const std::vector<const Match*>& chosen) {
  StorageOf storage;
  const auto pad = [&](const Match& match, ValueId value) {
    const std::optional<BufferLayout>& layout = rule_of(soc, match).layout;
    const Value& stored = graph.value(value);
    if (layout && layout->order == DimOrder::channels_last && needs_rows(graph, stored)) return;
    if (layout && !stored.constant) storage.emplace(value, padded_storage(stored.type, *layout));
  };
  // What a unit works on in place lies as that unit wants it; a DMA copes with any rows.
  for (const Match* match : chosen) {
    if (match->target < 0) continue;
    for (const OperandPlacement& placement : rule_of(soc, *match).operands) {
      const ValueId value = match->find(placement.operand);
      if (value.valid() && soc.in_place(placement, false)) pad(*match, value);
    }
  }
  for (const Match* match : chosen) {
    if (match->target >= 0) pad(*match, match->output(graph));
  }
  for (const Match* match : chosen) {
    if (match->target < 0) continue;
    for (const auto& [operand, value] : match->bound) pad(*match, value);
  }
  for (size_t v = 0; v < graph.values.size(); ++v) {
    const ValueId id{static_cast<int32_t>(v)};
    if (!graph.value(id).constant) storage.emplace(id, dense_storage(graph.value(id).type));
  }
  return storage;
}

Match untiled(Match match, const Diagnostics& errors) {
  for (const Diagnostic& error : errors)
    match.failed.push_back({"a tile that fits", error.message, error.remedy});
  return match;
}

Result<Candidates> make_candidates(const Graph& graph, const Soc& soc, const Matches& matches) {
  Candidates candidates;
  for (const Match& match : matches.accepted) {
    if (match.target < 0) {
      Result<int64_t> cycles = cpu_cycles(graph, soc, match);
      if (!cycles.ok()) return cycles.errors();
      candidates.usable.push_back({match, std::nullopt, *cycles, match.nodes});
      continue;
    }
    Result<Tiling> tiling = solve_tiling(graph, soc, match, choose_storage(graph, soc, {&match}));
    if (tiling.ok()) {
      const int64_t cycles = tiling->cost.total;
      candidates.usable.push_back({match, std::move(*tiling), cycles, match.nodes});
      continue;
    }
    candidates.untileable.push_back(untiled(match, tiling.errors()));
  }
  return candidates;
}

int64_t copy_cycles(const Graph& graph, const Soc& soc, const StorageOf& storage) {
  int64_t cycles = 0;
  for (const std::vector<ValueId>& values : {graph.given_inputs(), graph.returned_outputs()}) {
    for (const ValueId id : values) {
      const TensorType& type = graph.value(id).type;
      const auto found = storage.find(id);
      cycles += copy_cycles(soc, type, found == storage.end() ? dense_storage(type) : found->second);
    }
  }
  return cycles;
}

Result<int64_t> modelled_cycles(const Graph& graph, const Soc& soc, const Candidate& candidate,
                                const StorageOf& storage) {
  if (!candidate.tiling) return cpu_cycles(graph, soc, candidate.match);
  const Result<TilingCost> cost =
      cost_of_tiling(graph, soc, candidate.match, storage, *candidate.tiling);
  if (!cost.ok()) return cost.errors();
  return cost->total;
}

std::string dump(const Graph& graph, const Soc& soc, const Candidates& candidates) {
  std::string text;
  for (const Candidate& candidate : candidates.usable) {
    text += fmt::format("{}/{} n{}..n{}{}: {} cycles\n", target_of(soc, candidate.match).name,
                        rule_of(soc, candidate.match).name, candidate.covers.front().index,
                        candidate.covers.back().index,
                        candidate.legalised ? " with " + candidate.legalised->what : "",
                        candidate.cycles);
    for (const Extra& extra : candidate.extras) {
      text += fmt::format("  {} on the CPU: {} cycles\n",
                          candidate.legalised->graph.node(extra.match.anchor).op, extra.cycles);
    }
    if (candidate.tiling) text += dump(*candidate.tiling);
  }
  for (const Match& match : candidates.untileable) {
    text += fmt::format("{}/{} {}: {}\n", target_of(soc, match).name, rule_of(soc, match).name,
                        graph.node(match.anchor).op, match.failed.front().why);
  }
  for (const auto& [form, match] : candidates.refused_forms) {
    text += fmt::format("{}/{} {} with {}: {}\n", target_of(soc, match).name,
                        rule_of(soc, match).name, graph.node(form->covers.front()).op, form->what,
                        match.failed.front().why);
  }
  return text;
}

}  // namespace heddle
