// Bounds of compute cycles and preferences, and their sum with those of the DMA.
#include "tiler/bound.h"

#include <algorithm>

#include "base/checked.h"
#include "tiler/saturate.h"

namespace heddle {
namespace {

size_t at(int index) { return static_cast<size_t>(index); }

// Degree of a name in an expression that is a polynomial in it: 0, 1, or 2 for anything else.
int degree(const Expr& expr, std::string_view name) {
  if (expr.op == ExprOp::name) return expr.text == name ? 1 : 0;
  int most = 0, sum = 0;
  for (const Expr& child : expr.children) {
    const int d = degree(child, name);
    most = std::max(most, d);
    sum += d;
  }
  if (most == 0) return 0;
  if (expr.op == ExprOp::add || expr.op == ExprOp::sub || expr.op == ExprOp::neg) return most;
  return expr.op == ExprOp::mul ? std::min(sum, 2) : 2;
}

}  // namespace

BoxBound::BoxBound(Problem& problem) : problem_(problem) {
  for (const TileName& slot : problem.slots)
    slot_axes_.push_back(search_axes(axes_in(problem.region, slot)));
  slot_ranges_.resize(problem.slots.size());
  for (const Expr* expr : {&problem.launch, &problem.compute}) {
    for (Term& term : expand(*expr)) terms_.push_back(std::move(term));
  }
  for (size_t p = 0; p < problem.prefer_exprs.size(); ++p) {
    for (Term& term : expand(problem.prefer_exprs[p])) {
      term.coefficient = times(term.coefficient, problem.region.rule->prefer[p].weight);
      preferences_.push_back(std::move(term));
    }
  }
  for (Term& term : terms_) tabulate(term, false);
  for (Term& term : preferences_) tabulate(term, true);
  linear_dma_ = degree(problem.transfer, "rows") <= 1 && degree(problem.transfer, "planes") <= 1;
  for (const RegionOperand& operand : problem.region.operands) tables_.push_back(table_of(operand));
}

int64_t BoxBound::tile_count(int axis, int index) const {
  const SearchAxis& search = problem_.axes[at(axis)];
  return ceil_div(search.extent, search.sizes[at(index)]);
}

// Which search axes with a choice are among these loop axes.
std::vector<int> BoxBound::search_axes(const std::vector<int>& loop_axes) const {
  std::vector<int> axes;
  for (size_t a = 0; a < problem_.axes.size(); ++a) {
    const bool among =
        std::find(loop_axes.begin(), loop_axes.end(), problem_.axes[a].axis) != loop_axes.end();
    if (among && problem_.axes[a].sizes.size() > 1) axes.push_back(static_cast<int>(a));
  }
  return axes;
}

// Axes of an operand whose tiles have one size to try, less than the whole: all tiles are alike.
std::vector<int> BoxBound::single_axes(const RegionOperand& operand) const {
  const std::vector<int> own = axes_of(problem_.region, operand);
  std::vector<int> axes;
  for (size_t a = 0; a < problem_.axes.size(); ++a) {
    const SearchAxis& axis = problem_.axes[a];
    if (axis.sizes.size() == 1 && axis.sizes.front() < axis.extent &&
        std::find(own.begin(), own.end(), axis.axis) != own.end())
      axes.push_back(static_cast<int>(a));
  }
  return axes;
}

std::vector<int> BoxBound::axes_of_expr(const Expr& expr) const {
  std::vector<int> loops;
  for (const std::string& name : names_in(expr)) {
    const int slot = problem_.slot_of(name);
    if (slot < 0) continue;
    const std::vector<int> each = axes_in(problem_.region, problem_.slots[at(slot)]);
    loops.insert(loops.end(), each.begin(), each.end());
  }
  return search_axes(loops);
}

// The expression as a sum of products. What cannot be taken apart stays whole, as a `mixed` factor.
std::vector<BoxBound::Term> BoxBound::expand(const Expr& expr) const {
  constexpr size_t kMaxTerms = 64;
  const auto whole = [&] {
    Term term;
    term.factors.resize(problem_.axes.size());
    const std::vector<int> axes = axes_of_expr(expr);
    if (expr.op == ExprOp::integer) {
      term.coefficient = expr.integer;
    } else if (axes.size() == 1) {
      term.factors[at(axes[0])].push_back(&expr);
    } else {
      term.mixed.push_back(&expr);
    }
    return std::vector<Term>{term};
  };
  if (axes_of_expr(expr).size() <= 1) return whole();
  std::vector<Term> terms;
  if (expr.op == ExprOp::add || expr.op == ExprOp::sub || expr.op == ExprOp::neg) {
    for (size_t i = 0; i < expr.children.size(); ++i) {
      const bool minus = expr.op == ExprOp::neg || (expr.op == ExprOp::sub && i > 0);
      for (Term& term : expand(expr.children[i])) {
        if (minus) term.coefficient = times(term.coefficient, -1);
        terms.push_back(std::move(term));
      }
    }
    return terms.size() <= kMaxTerms ? terms : whole();
  }
  if (expr.op != ExprOp::mul) return whole();
  terms = expand(expr.children[0]);
  for (size_t i = 1; i < expr.children.size(); ++i) {
    const std::vector<Term> right = expand(expr.children[i]);
    if (terms.size() * right.size() > kMaxTerms) return whole();
    std::vector<Term> products;
    for (const Term& a : terms) {
      for (const Term& b : right) {
        Term product = a;
        product.coefficient = times(a.coefficient, b.coefficient);
        for (size_t d = 0; d < product.factors.size(); ++d) {
          product.factors[d].insert(product.factors[d].end(), b.factors[d].begin(),
                                    b.factors[d].end());
        }
        product.mixed.insert(product.mixed.end(), b.mixed.begin(), b.mixed.end());
        products.push_back(std::move(product));
      }
    }
    terms = std::move(products);
  }
  return terms;
}

// Sums along each axis: of the product of the factors, or the number of tiles where there are none.
// With `first_tile_only` the first tile's value instead (and 1).
void BoxBound::tabulate(Term& term, bool first_tile_only) {
  const auto slot = [&](std::string_view name) { return problem_.slot_of(name); };
  for (size_t a = 0; a < problem_.axes.size(); ++a) {
    std::vector<Formula> factors;
    for (const Expr* factor : term.factors[a]) factors.emplace_back(*factor, slot);
    std::vector<Range> sums;
    for (size_t i = 0; i < problem_.axes[a].sizes.size(); ++i) {
      const AxisTiles& tiles = problem_.tiles(a, static_cast<int>(i));
      if (factors.empty()) {
        const int64_t count = first_tile_only ? 1 : static_cast<int64_t>(tiles.classes.size());
        sums.push_back({count, count});
        continue;
      }
      std::vector<int64_t> of_class;
      for (const int cls : tiles.distinct) {
        TileBox box = problem_.whole;
        box[at(problem_.axes[a].axis)] = problem_.representative(a, cls);
        std::vector<int64_t> values;
        for (const TileName& name : problem_.slots)
          values.push_back(value_of(problem_.region, name, box));
        // A factor that cannot be evaluated makes its tiles infeasible: any value is a bound.
        int64_t product = 1;
        for (const Formula& factor : factors) {
          const int64_t value = factor.evaluate(values).value_or(0);
          term.negative_factor = term.negative_factor || value < 0;
          product = times(product, value);
        }
        of_class.push_back(product);
      }
      int64_t sum = 0;
      for (const int local : tiles.local) {
        sum = plus(sum, of_class[at(local)]);
        if (first_tile_only) break;
      }
      sums.push_back({sum, sum});
    }
    term.sums.push_back(std::move(sums));
  }
}

// Values of a name that this axis alone moves, over its tiles.
BoxBound::Range BoxBound::slot_range(int slot, size_t axis, int index) const {
  std::vector<std::optional<Range>>& ranges = slot_ranges_[at(slot)];
  ranges.resize(problem_.axes[axis].sizes.size());
  std::optional<Range>& known = ranges[at(index)];
  if (known) return *known;
  known = Range{INT64_MAX, INT64_MIN};
  TileBox one = problem_.whole;
  for (const int cls : problem_.tiles(axis, index).distinct) {
    one[at(problem_.axes[axis].axis)] = problem_.representative(axis, cls);
    const int64_t value = value_of(problem_.region, problem_.slots[at(slot)], one);
    known = {std::min(known->lo, value), std::max(known->hi, value)};
  }
  return *known;
}

// Values of a factor of several axes over all tiles of all points of the box. A name of one axis
// ranges over the tiles of that axis; every other name grows with the tile, so that the whole
// layer's value bounds it.
BoxBound::Range BoxBound::mixed_range(const Expr& expr, const PointBox& box) const {
  const BoundsEnvironment environment = [&](std::string_view name) -> std::optional<Bounds> {
    const int slot = problem_.slot_of(name);
    if (slot < 0) return std::nullopt;
    const TileName& tile = problem_.slots[at(slot)];
    const std::vector<int>& axes = slot_axes_[at(slot)];
    if (axes.empty() && tile.kind == TileName::Kind::last) return Bounds{0, 1};
    if (axes.size() != 1) return Bounds{0, value_of(problem_.region, tile, problem_.whole)};
    Bounds bounds{INT64_MAX, INT64_MIN};
    const size_t a = at(axes[0]);
    for (int i = box.lo[a]; i <= box.hi[a]; ++i) {
      const Range range = slot_range(slot, a, i);
      bounds = {std::min(bounds.lo, range.lo), std::max(bounds.hi, range.hi)};
    }
    return bounds;
  };
  const std::optional<Bounds> bounds = bounds_of(expr, environment);
  return bounds ? Range{std::max(bounds->lo, -kHuge), std::min(bounds->hi, kHuge)}
                : Range{-kHuge, kHuge};
}

BoxBound::Range BoxBound::term_range(const Term& term, const PointBox& box) const {
  const auto product = [](const Range& a, const Range& b) {
    const auto [lo, hi] =
        std::minmax({times(a.lo, b.lo), times(a.lo, b.hi), times(a.hi, b.lo), times(a.hi, b.hi)});
    return Range{lo, hi};
  };
  Range range{1, 1};
  for (size_t a = 0; a < term.sums.size(); ++a) {
    Range along = term.sums[a][at(box.lo[a])];
    for (int i = box.lo[a] + 1; i <= box.hi[a]; ++i) {
      along = {std::min(along.lo, term.sums[a][at(i)].lo),
               std::max(along.hi, term.sums[a][at(i)].hi)};
    }
    range = product(range, along);
  }
  if (!term.mixed.empty() && term.negative_factor) return {-kHuge, kHuge};
  for (const Expr* factor : term.mixed) range = product(range, mixed_range(*factor, box));
  return product(range, {term.coefficient, term.coefficient});
}

int64_t BoxBound::sum_bound(const std::vector<Term>& terms, const PointBox& box) const {
  int64_t sum = 0;
  for (const Term& term : terms) sum = plus(sum, term_range(term, box).lo);
  return sum;
}

int64_t BoxBound::compute_of(const PointBox& box) const {
  return std::max<int64_t>(0, sum_bound(terms_, box));
}

// Starting a job is overlapped by nothing. The largest sizes make the fewest tiles.
int64_t BoxBound::starts_of(const PointBox& box) const {
  int64_t jobs = 1;
  for (size_t a = 0; a < box.hi.size(); ++a)
    jobs = times(jobs, tile_count(static_cast<int>(a), box.hi[a]));
  return times(problem_.driver, jobs);
}

int64_t BoxBound::compute(const PointBox& box) const {
  return plus(compute_of(box), starts_of(box));
}

bool BoxBound::hopeless(const PointBox& box, int64_t cycles, const Key& best) const {
  if (cycles != best.cycles) return cycles > best.cycles;
  const LoopOrder order = *std::min_element(box.orders.begin(), box.orders.end());
  return !(Key{cycles, sum_bound(preferences_, box), order, box.lo} < best);
}

int64_t BoxBound::work(const PointBox& box) const {
  int64_t most = 1;
  for (const OperandTable& table : tables_) {
    if (!table.bounded) continue;
    int64_t cells = 1;
    for (const int axis : table.axes) cells *= box.hi[at(axis)] - box.lo[at(axis)] + 1;
    if (table.split >= 0 && !(table.linear && linear_dma_))
      cells *= box.hi[at(table.split)] - box.lo[at(table.split)] + 1;
    most = std::max(most, cells);
  }
  return most;
}

Key BoxBound::lower(const PointBox& box) {
  Key key{INT64_MAX, INT64_MAX, LoopOrder::input_stationary, box.lo};
  const size_t operands = problem_.region.operands.size();
  std::vector<DmaBound> dma;
  std::vector<int64_t> memory(problem_.memories.size(), 0);
  for (size_t o = 0; o < operands; ++o) {
    dma.push_back(operand_bound(o, box));
    if (problem_.memory_of[o] < 0) continue;
    memory[at(problem_.memory_of[o])] +=
        copies_at_least(o, box) * round_up(dma[o].bytes, problem_.alignment);
  }
  for (size_t m = 0; m < memory.size(); ++m) {
    if (memory[m] > problem_.memories[m].free_bytes()) return key;
  }
  int64_t serial = compute_of(box);  // with the first load and the last store
  for (size_t o = 0; o < operands; ++o) {
    serial = plus(serial, problem_.region.operands[o].output ? dma[o].last : dma[o].first);
  }
  for (const LoopOrder order : box.orders) {
    int64_t traffic = 0;
    for (size_t o = 0; o < operands; ++o) {
      const bool output = problem_.region.operands[o].output;
      if (!output && !loads_every_tile(o, box)) continue;
      traffic = plus(traffic, times(output ? 1 : repeats_at_least(o, box, order), dma[o].sum));
    }
    key.cycles = std::min(key.cycles, std::max(serial, traffic));
  }
  key.cycles = plus(key.cycles, starts_of(box));
  key.preference = sum_bound(preferences_, box);
  key.order = *std::min_element(box.orders.begin(), box.orders.end());
  return key;
}

std::vector<BoxBound::Forbidden> BoxBound::forbidden() {
  std::vector<Forbidden> pairs;
  for (size_t r = 0; r < problem_.requirements.size(); ++r) {
    const std::vector<int> axes = axes_of_expr(problem_.requirement_exprs[r]);
    if (axes.empty() || axes.size() > 2) continue;
    const int a = axes.front(), b = axes.size() == 2 ? axes.back() : -1;
    const auto holds = [&](int class_a, int class_b) {
      TileBox box = problem_.whole;
      box[at(problem_.axes[at(a)].axis)] = problem_.representative(at(a), class_a);
      if (b >= 0) box[at(problem_.axes[at(b)].axis)] = problem_.representative(at(b), class_b);
      std::vector<int64_t> values;
      for (const TileName& name : problem_.slots)
        values.push_back(value_of(problem_.region, name, box));
      return problem_.requirements[r].evaluate(values) == 1;
    };
    std::map<std::pair<int, int>, bool> known;
    const auto allowed = [&](const std::vector<int>& classes_a, const std::vector<int>& classes_b) {
      for (const int class_a : classes_a) {
        for (const int class_b : classes_b) {
          const auto [entry, added] = known.try_emplace({class_a, class_b}, false);
          if (added) entry->second = holds(class_a, class_b);
          if (!entry->second) return false;
        }
      }
      return true;
    };
    for (size_t i = 0; i < problem_.axes[at(a)].sizes.size(); ++i) {
      const std::vector<int>& classes_a = problem_.tiles(at(a), static_cast<int>(i)).distinct;
      if (b < 0) {
        if (!allowed(classes_a, {-1})) pairs.push_back({a, static_cast<int>(i), -1, 0});
        continue;
      }
      for (size_t j = 0; j < problem_.axes[at(b)].sizes.size(); ++j) {
        if (allowed(classes_a, problem_.tiles(at(b), static_cast<int>(j)).distinct)) continue;
        pairs.push_back({a, static_cast<int>(i), b, static_cast<int>(j)});
      }
    }
  }
  return pairs;
}

}  // namespace heddle
