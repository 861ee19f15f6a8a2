// From the best point to a Tiling with its buffers, or to the reason why there is none.
#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "base/text.h"
#include "tiler/problem.h"

namespace heddle {
namespace {

size_t at(int index) { return static_cast<size_t>(index); }

Place node_place(const Problem& problem) {
  const Node& anchor = problem.region.graph->node(problem.region.match->anchor);
  Place place;
  place.node = fmt::format("{} ({})", terminal_text(anchor.name), anchor.op);
  return place;
}

// All points in one order, smallest tiles first.
template <class Visit>
void for_each_point(const Problem& problem, const Visit& visit) {
  for (const LoopOrder order : problem.orders) {
    Point point{std::vector<int>(problem.axes.size(), 0), order};
    for (;;) {
      visit(point);
      size_t a = problem.axes.size();
      while (a > 0 && ++point.index[a - 1] == static_cast<int>(problem.axes[a - 1].sizes.size()))
        point.index[--a] = 0;
      if (a == 0) break;
    }
  }
}

std::string sizes_text(const Problem& problem, const Point& point) {
  std::string text;
  for (size_t a = 0; a < problem.axes.size(); ++a) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ",
                        problem.region.nest.axes[at(problem.axes[a].axis)].name,
                        thousands(problem.axes[a].sizes[at(point.index[a])]));
  }
  return text.empty() ? "the whole layer" : text;
}

// "x 6,144, weights 2 x 512" of the operands in one memory.
std::string buffers_text(const Problem& problem, const Evaluation& evaluation, size_t memory) {
  std::string text;
  for (size_t o = 0; o < problem.region.operands.size(); ++o) {
    if (problem.memory_of[o] != static_cast<int>(memory)) continue;
    text +=
        fmt::format("{}{} {}{}", text.empty() ? "" : ", ", problem.region.operands[o].name,
                    evaluation.copies[o] == 2 ? "2 x " : "", thousands(evaluation.buffer_bytes[o]));
  }
  return text;
}

}  // namespace

Tiling tiling_of(Problem& problem, const Key& key) {
  const Evaluation best = problem.evaluate({key.index, key.order});
  HEDDLE_CHECK(best.feasible, "the best tile does not fit");
  Tiling tiling;
  tiling.order = key.order;
  for (const int a : problem.loop_axes(key.order)) {
    const SearchAxis& axis = problem.axes[at(a)];
    tiling.axes.push_back({problem.region.nest.axes[at(axis.axis)].name, axis.extent,
                           axis.sizes[at(key.index[at(a)])]});
  }
  std::vector<int64_t> used(problem.memories.size(), 0);
  for (size_t o = 0; o < problem.region.operands.size(); ++o) {
    const RegionOperand& operand = problem.region.operands[o];
    if (operand.in_place) continue;
    int64_t& offset = used[at(problem.memory_of[o])];
    tiling.buffers.push_back(
        {operand.name, operand.memory, offset, best.buffer_bytes[o], best.copies[o]});
    offset += best.copies[o] * best.buffer_bytes[o];
  }
  tiling.cost = best.cost;
  return tiling;
}

std::string Problem::explain(const Point& point, int failed) {
  if (failed == TileFacts::kTooManyTiles) return "there are more than 1,048,576 tiles";
  if (failed == TileFacts::kEmpty)
    return "a tile would read nothing: its windows lie in the padding alone";
  if (failed == TileFacts::kLiesOtherwise) {
    return "a tile does not lie in memory as the rule's layout says, and the job has no `pitch` and "
           "`plane` of it";
  }
  if (failed == TileFacts::kInexactStore) {
    return fmt::format(
        "a transfer back to `{}` would overwrite its neighbours: rows are moved in units of {} "
        "bytes",
        region.soc->main_memory, thousands(region.soc->dma->target.transfer_unit_bytes));
  }
  if (failed != TileFacts::kBadExpression) {
    const Condition& condition = region.rule->require[at(failed)];
    return fmt::format("`{}` does not hold ({})", terminal_text(condition.text),
                       terminal_text(condition.why));
  }
  // Look for the tile and the expression that cannot be evaluated.
  Tiling tiling;
  for (const int a : loop_axes(point.order)) {
    const SearchAxis& axis = axes[at(a)];
    tiling.axes.push_back(
        {region.nest.axes[at(axis.axis)].name, axis.extent, axis.sizes[at(point.index[at(a)])]});
  }
  std::vector<std::pair<std::string, const Expr*>> exprs = {{"launch", &region.rule->launch},
                                                            {"compute", &region.rule->compute}};
  for (const Condition& condition : region.rule->require)
    exprs.emplace_back("require", &condition.expr);
  for (const Preference& preference : region.rule->prefer)
    exprs.emplace_back("prefer", &preference.expr);
  for (int64_t t = 0; t < std::min<int64_t>(tiling.tiles(), 1000); ++t) {
    const Environment environment = tile_environment(region, box_of(region, tiling, t));
    for (const auto& [what, expr] : exprs) {
      const auto value = evaluate_int(*expr, environment);
      if (const ExprError* error = std::get_if<ExprError>(&value))
        return fmt::format("`{}`: {}", what, error->message);
      const int64_t cycles = std::get<int64_t>(value);
      if ((what == "launch" || what == "compute") && (cycles < 0 || cycles >= int64_t{1} << 40)) {
        return fmt::format("`{}` gives {} cycles", what, thousands(cycles));
      }
    }
  }
  return fmt::format("the cycles of a transfer by `{}` cannot be computed",
                     region.soc->dma->target.name);
}

// Nothing fits. The smallest use of each memory that any tile allowed by the rule can do with tells
// which memory is too small; where no tile is allowed at all, the requirement that the whole layer
// breaks is named.
Diagnostic no_tile(Problem& problem) {
  const std::string op = problem.region.graph->node(problem.region.match->anchor).op;
  const std::string rule = problem.region.rule->name;
  std::vector<std::optional<Evaluation>> least(problem.memories.size());
  std::optional<Evaluation> least_excess;
  int64_t excess_bytes = 0;
  std::optional<Point> refused;
  int failed = -1;
  for_each_point(problem, [&](const Point& point) {
    Evaluation evaluation = problem.evaluate(point, 0);
    if (evaluation.failed >= 0) {
      if (failed == TileFacts::kTooManyTiles) return;  // all that the rule asks for would hold
      refused = point;
      failed = evaluation.failed;
      return;
    }
    int64_t excess = 0;
    for (size_t m = 0; m < problem.memories.size(); ++m) {
      excess += std::max<int64_t>(0, evaluation.memory_bytes[m] - problem.memories[m].free_bytes());
      if (!least[m] || evaluation.memory_bytes[m] < least[m]->memory_bytes[m])
        least[m] = evaluation;
    }
    if (!least_excess || excess < excess_bytes) {
      excess_bytes = excess;
      least_excess = std::move(evaluation);
    }
  });
  if (least_excess && excess_bytes == 0) {  // only a preference can be wrong with a tile that fits
    refused = Point{std::vector<int>(problem.axes.size(), 0), LoopOrder::weights_stationary};
    failed = TileFacts::kBadExpression;
  }
  if (!least_excess || excess_bytes == 0) {
    const std::string why =
        refused ? problem.explain(*refused, failed) : "an axis has no size to try";
    return error_at(node_place(problem),
                    fmt::format("rule `{}` allows no tile of `{}`: with {}, {}", rule, op,
                                refused ? sizes_text(problem, *refused) : "no tile", why),
                    "the layer runs on the CPU; or relax the rule's `require` and `dims`");
  }
  std::string message, remedy;
  const auto add = [&](size_t m, const Evaluation& evaluation, std::string_view which) {
    const MemoryLimit& memory = problem.memories[m];
    const std::string residents =
        memory.taken == 0 ? ""
                          : fmt::format(", of which resident values hold {}", thousands(memory.taken));
    const std::string buffers = buffers_text(problem, evaluation, m);
    message += fmt::format("{}memory `{}` has {} bytes{}; {} of `{}` needs {}{}",
                           message.empty() ? "" : "; ", memory.name, thousands(memory.bytes),
                           residents, which, op, thousands(evaluation.memory_bytes[m]),
                           buffers.empty() ? "" : " (" + buffers + ")");
    remedy += fmt::format("{}at least {} bytes of `{}`", remedy.empty() ? "give the SoC " : " and ",
                          thousands(evaluation.memory_bytes[m] + memory.taken), memory.name);
  };
  for (size_t m = 0; m < problem.memories.size(); ++m) {
    if (least[m]->memory_bytes[m] > problem.memories[m].free_bytes())
      add(m, *least[m], "the smallest tile");
  }
  // Each memory could hold some tile, but no tile fits in all of them.
  for (size_t m = 0; message.empty() && m < problem.memories.size(); ++m) {
    if (least_excess->memory_bytes[m] > problem.memories[m].free_bytes())
      add(m, *least_excess, "the tile that comes closest");
  }
  return error_at(node_place(problem), message, remedy + ", or let the layer run on the CPU");
}

Result<Tiling> solve_tiling_exhaustively(const Graph& graph, const Soc& soc, const Match& match,
                                         const StorageOf& storage, const Taken& taken) {
  if (Status sound = check_region(graph, soc, match, storage); !sound.ok()) return sound.errors();
  Problem problem(graph, soc, match, storage, taken);
  Key best;
  for_each_point(problem, [&](const Point& point) {
    const Evaluation evaluation = problem.evaluate(point, best.cycles);
    if (evaluation.feasible && evaluation.key < best) best = evaluation.key;
  });
  if (best.index.empty() && best.cycles == INT64_MAX) return no_tile(problem);
  Tiling tiling = tiling_of(problem, best);
  tiling.proof = {true, tiling.cost.total, 0};
  return tiling;
}

Result<TilingCost> cost_of_tiling(const Graph& graph, const Soc& soc, const Match& match,
                                  const StorageOf& storage, const Tiling& tiling,
                                  const Taken& taken) {
  if (Status sound = check_region(graph, soc, match, storage); !sound.ok()) return sound.errors();
  Problem problem(graph, soc, match, storage, taken);
  Point point{{}, tiling.order};
  for (const SearchAxis& axis : problem.axes) {
    const int64_t size = tiling.tile_of(problem.region.nest.axes[at(axis.axis)].name, axis.extent);
    const auto found = std::find(axis.sizes.begin(), axis.sizes.end(), size);
    HEDDLE_CHECK(found != axis.sizes.end(), "a tile that is no candidate of its own problem");
    point.index.push_back(static_cast<int>(found - axis.sizes.begin()));
  }
  const Evaluation evaluation = problem.evaluate(point);
  if (evaluation.feasible) return evaluation.cost;
  return error_at(node_place(problem),
                  fmt::format("rule `{}` has no cost for the tile {}: {}",
                              problem.region.rule->name, sizes_text(problem, point),
                              evaluation.failed >= 0 ? problem.explain(point, evaluation.failed)
                                                     : "it does not fit its memories"),
                  "correct `launch` and `compute`");
}

}  // namespace heddle
