// Tilings: boxes first (search_boxes.cc), then, where they became too many, a Z3 box search over tile
// sizes (docs/tiling.md has the measurements behind it).
//
// The cost stays in C++. Z3 holds what has not been explored: order literals g[axis][i], "the index
// of this axis is at least i", and one Boolean for the loop order. Each round asks for an
// unexplored point, evaluates it exactly, grows the largest box around it in which the lower bound
// cannot beat the best key, and adds the clause "not in this box". When no point is left, the
// clauses prove that the best one is optimal.
#include <z3++.h>

#include <algorithm>

#include "tiler/best_tiling.h"
#include "tiler/bound.h"
#include "tiler/problem.h"
#include "tiler/search.h"

namespace heddle {
namespace {

constexpr int64_t kMaxBoxes = 20'000;  // some milliseconds
constexpr int64_t kMaxChecks = 2000;
constexpr unsigned kResourcesOfCheck = 5'000'000;
constexpr int64_t kSmallSpace = 200'000;  // points; enumerated where Z3 gives up

size_t at(int index) { return static_cast<size_t>(index); }

// The unexplored points, as clauses.
class Unexplored {
 public:
  explicit Unexplored(const Problem& problem) : problem_(problem), solver_(context_, "QF_FD") {
    z3::params params(context_);
    params.set("random_seed", 1u);
    params.set("rlimit", kResourcesOfCheck);
    solver_.set(params);
    for (size_t a = 0; a < problem.axes.size(); ++a) {
      at_least_.emplace_back();
      for (size_t i = 0; i < problem.axes[a].sizes.size(); ++i) {
        at_least_[a].push_back(
            i == 0
                ? context_.bool_val(true)
                : context_.bool_const(("g" + std::to_string(a) + "_" + std::to_string(i)).c_str()));
        if (i > 1) solver_.add(!at_least_[a][i] || at_least_[a][i - 1]);
      }
    }
    order_.push_back(context_.bool_const("input_stationary"));
    if (problem.orders.size() == 1) solver_.add(!order_[0]);
  }

  void exclude(const PointBox& box) {
    z3::expr_vector clause(context_);
    for (size_t a = 0; a < box.lo.size(); ++a) outside(a, box.lo[a], box.hi[a], clause);
    if (box.orders.size() < problem_.orders.size()) {
      clause.push_back(box.orders[0] == LoopOrder::input_stationary ? !order_[0] : order_[0]);
    }
    solver_.add(clause.empty() ? context_.bool_val(false) : z3::mk_or(clause));
  }

  void exclude(const BoxBound::Forbidden& pair) {
    z3::expr_vector clause(context_);
    outside(at(pair.axis), pair.index, pair.index, clause);
    if (pair.other_axis >= 0)
      outside(at(pair.other_axis), pair.other_index, pair.other_index, clause);
    solver_.add(clause.empty() ? context_.bool_val(false) : z3::mk_or(clause));
  }

  z3::check_result next(Point& point) {
    const z3::check_result result = solver_.check();
    if (result != z3::sat) return result;
    const z3::model model = solver_.get_model();
    point.index.clear();
    for (const std::vector<z3::expr>& literals : at_least_) {
      int index = 0;
      while (at(index) + 1 < literals.size() && model.eval(literals[at(index) + 1], true).is_true())
        ++index;
      point.index.push_back(index);
    }
    point.order = model.eval(order_[0], true).is_true() ? LoopOrder::input_stationary
                                                        : LoopOrder::weights_stationary;
    return result;
  }

 private:
  void outside(size_t axis, int lo, int hi, z3::expr_vector& clause) {
    if (lo > 0) clause.push_back(!at_least_[axis][at(lo)]);
    if (at(hi) + 1 < at_least_[axis].size()) clause.push_back(at_least_[axis][at(hi) + 1]);
  }

  const Problem& problem_;
  z3::context context_;
  z3::solver solver_;
  std::vector<std::vector<z3::expr>> at_least_;
  std::vector<z3::expr> order_;
};

// The largest box around a point, by steps that double while they succeed, in which nothing beats
// the best key.
PointBox grow(const Problem& problem, BoxBound& bound, const Point& point, const Key& best) {
  PointBox box{point.index, point.index, {point.order}};
  const auto hopeless = [&](const PointBox& candidate) { return !(bound.lower(candidate) < best); };
  PointBox both = box;
  both.orders = problem.orders;
  if (hopeless(both)) box = both;
  if (!hopeless(box)) return box;
  std::vector<int> step(2 * problem.axes.size(), 1);
  for (bool grown = true; grown;) {
    grown = false;
    for (size_t direction = 0; direction < step.size(); ++direction) {
      const size_t a = direction / 2;
      const int limit = static_cast<int>(problem.axes[a].sizes.size()) - 1;
      while (step[direction] > 0) {
        PointBox wider = box;
        if (direction % 2 == 0) {
          wider.hi[a] = std::min(limit, box.hi[a] + step[direction]);
        } else {
          wider.lo[a] = std::max(0, box.lo[a] - step[direction]);
        }
        if (wider.lo[a] == box.lo[a] && wider.hi[a] == box.hi[a]) break;
        if (hopeless(wider)) {
          box = std::move(wider);
          step[direction] *= 2;
          grown = true;
          break;  // the other directions have their turn
        }
        step[direction] /= 2;
      }
    }
    if (!grown) break;
  }
  return box;
}

// Better points along one axis at a time, from the best one, until none is better.
void descend(Problem& problem, Key& best) {
  for (bool better = true; better;) {
    better = false;
    for (size_t a = 0; a < problem.axes.size(); ++a) {
      for (size_t i = 0; i < problem.axes[a].sizes.size(); ++i) {
        for (const LoopOrder order : problem.orders) {
          Point point{best.index, order};
          point.index[a] = static_cast<int>(i);
          const Evaluation evaluation = problem.evaluate(point, best.cycles);
          if (!evaluation.feasible || !(evaluation.key < best)) continue;
          best = evaluation.key;
          better = true;
        }
      }
    }
  }
}

// From the best key that is known, none or one of the boxes' search.
TilingProof prove_by_z3(Problem& problem, BoxBound& bound, Key& best) {
  Unexplored unexplored(problem);
  for (const BoxBound::Forbidden& pair : bound.forbidden()) unexplored.exclude(pair);
  TilingProof proof;
  Point point;  // the whole layer first
  for (const SearchAxis& axis : problem.axes)
    point.index.push_back(static_cast<int>(axis.sizes.size()) - 1);
  while (!proof.optimal && proof.checks < kMaxChecks) {
    const Evaluation evaluation = problem.evaluate(point, best.cycles);
    if (evaluation.feasible && evaluation.key < best) {
      best = evaluation.key;
      descend(problem, best);
    }
    unexplored.exclude(grow(problem, bound, point, best));
    ++proof.checks;
    const z3::check_result result = unexplored.next(point);
    if (result == z3::unknown) break;
    proof.optimal = result == z3::unsat;
  }
  return proof;
}

Result<Tiling> solve(const Graph& graph, const Soc& soc, const Match& match,
                     const StorageOf& storage, const Taken& taken, int64_t max_boxes,
                     bool reasons) {
  if (Status sound = check_region(graph, soc, match, storage); !sound.ok()) return sound.errors();
  Problem problem(graph, soc, match, storage, taken);
  BoxBound bound(problem);
  Key best;
  TilingProof proof;
  proof.optimal = max_boxes > 0 && search_boxes(problem, bound, max_boxes, best);
  if (!proof.optimal) proof = prove_by_z3(problem, bound, best);
  if (!proof.optimal && problem.points() <= kSmallSpace) {
    Result<Tiling> exhaustive = solve_tiling_exhaustively(graph, soc, match, storage, taken);
    if (exhaustive.ok()) exhaustive->proof.checks = proof.checks;
    return exhaustive;
  }
  if (best.cycles == INT64_MAX) return reasons ? Diagnostics{no_tile(problem)} : Diagnostics{};
  proof.lower_bound = best.cycles;
  if (!proof.optimal) {
    PointBox all{{}, {}, problem.orders};
    for (const SearchAxis& axis : problem.axes) {
      all.lo.push_back(0);
      all.hi.push_back(static_cast<int>(axis.sizes.size()) - 1);
    }
    proof.lower_bound = std::min(best.cycles, bound.lower(all).cycles);
  }
  Tiling tiling = tiling_of(problem, best);
  tiling.proof = proof;
  return tiling;
}

}  // namespace

Result<Tiling> solve_tiling(const Graph& graph, const Soc& soc, const Match& match,
                            const StorageOf& storage, const Taken& taken) {
  return solve(graph, soc, match, storage, taken, kMaxBoxes, true);
}

Result<Tiling> solve_tiling_by_z3(const Graph& graph, const Soc& soc, const Match& match,
                                  const StorageOf& storage, const Taken& taken) {
  return solve(graph, soc, match, storage, taken, 0, true);
}

std::optional<Tiling> best_tiling(const Graph& graph, const Soc& soc, const Match& match,
                                  const StorageOf& storage, const Taken& taken) {
  Result<Tiling> tiling = solve(graph, soc, match, storage, taken, kMaxBoxes, false);
  return tiling.ok() ? std::optional<Tiling>(std::move(*tiling)) : std::nullopt;
}

}  // namespace heddle
