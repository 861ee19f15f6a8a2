#include "tiler/bound.h"

#include <algorithm>

#include "base/checked.h"

namespace heddle {
namespace {

constexpr int64_t kHuge = int64_t{1} << 61;  // stands for "no bound"; sums of two still fit

size_t at(int index) { return static_cast<size_t>(index); }

int64_t saturate(__int128 value) {
  return static_cast<int64_t>(std::clamp<__int128>(value, -static_cast<__int128>(kHuge), static_cast<__int128>(kHuge)));
}
int64_t times(int64_t a, int64_t b) { return saturate(static_cast<__int128>(a) * b); }
int64_t plus(int64_t a, int64_t b) { return saturate(static_cast<__int128>(a) + b); }

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
    const bool among = std::find(loop_axes.begin(), loop_axes.end(), problem_.axes[a].axis) != loop_axes.end();
    if (among && problem_.axes[a].sizes.size() > 1) axes.push_back(static_cast<int>(a));
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
          product.factors[d].insert(product.factors[d].end(), b.factors[d].begin(), b.factors[d].end());
        }
        product.mixed.insert(product.mixed.end(), b.mixed.begin(), b.mixed.end());
        products.push_back(std::move(product));
      }
    }
    terms = std::move(products);
  }
  return terms;
}

// Sums along each axis: of the product of the factors, or the number of tiles where there are none. With
// `first_tile_only` the first tile's value instead (and 1).
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
        TileBox box = whole_box(problem_.region);
        box[at(problem_.axes[a].axis)] = problem_.representative(a, cls);
        std::vector<int64_t> values;
        for (const TileName& name : problem_.slots) values.push_back(value_of(problem_.region, name, box));
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

// Values of a factor of several axes over all tiles of all points of the box. A name of one axis ranges over the tiles of
// that axis; every other name grows with the tile, so that the whole layer's value bounds it.
BoxBound::Range BoxBound::mixed_range(const Expr& expr, const PointBox& box) const {
  const Region& region = problem_.region;
  const TileBox whole = whole_box(region);
  const BoundsEnvironment environment = [&](std::string_view name) -> std::optional<Bounds> {
    const int slot = problem_.slot_of(name);
    if (slot < 0) return std::nullopt;
    const TileName& tile = problem_.slots[at(slot)];
    const std::vector<int> axes = search_axes(axes_in(region, tile));
    if (axes.size() != 1) return Bounds{0, value_of(region, tile, whole)};
    Bounds bounds{INT64_MAX, INT64_MIN};
    const size_t a = at(axes[0]);
    for (int i = box.lo[a]; i <= box.hi[a]; ++i) {
      for (const int cls : problem_.tiles(a, i).distinct) {
        TileBox one = whole;
        one[at(problem_.axes[a].axis)] = problem_.representative(a, cls);
        const int64_t value = value_of(region, tile, one);
        bounds = {std::min(bounds.lo, value), std::max(bounds.hi, value)};
      }
    }
    return bounds;
  };
  const std::optional<Bounds> bounds = bounds_of(expr, environment);
  return bounds ? Range{std::max(bounds->lo, -kHuge), std::min(bounds->hi, kHuge)} : Range{-kHuge, kHuge};
}

BoxBound::Range BoxBound::term_range(const Term& term, const PointBox& box) const {
  const auto product = [](const Range& a, const Range& b) {
    const auto [lo, hi] = std::minmax({times(a.lo, b.lo), times(a.lo, b.hi), times(a.hi, b.lo), times(a.hi, b.hi)});
    return Range{lo, hi};
  };
  Range range{1, 1};
  for (size_t a = 0; a < term.sums.size(); ++a) {
    Range along = term.sums[a][at(box.lo[a])];
    for (int i = box.lo[a] + 1; i <= box.hi[a]; ++i) {
      along = {std::min(along.lo, term.sums[a][at(i)].lo), std::max(along.hi, term.sums[a][at(i)].hi)};
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

BoxBound::OperandTable BoxBound::table_of(const RegionOperand& operand) {
  OperandTable table;
  table.axes = search_axes(axes_of(problem_.region, operand));
  if (table.axes.size() == 3) {
    // The axis of the outermost dimension, if it is that dimension, and the transfers' inner shape does not depend on it.
    for (size_t d = 0; d + 2 < operand.access.size() && table.split < 0; ++d) {
      const std::vector<AffineTerm>& terms = operand.access[d].terms;
      if (terms.size() != 1 || terms[0].coefficient != 1 || operand.access[d].offset != 0) continue;
      const std::vector<int> axis = search_axes({terms[0].axis});
      const auto mentions = [&](const DimAccess& dim) {
        return std::any_of(dim.terms.begin(), dim.terms.end(), [&](const AffineTerm& t) { return t.axis == terms[0].axis; });
      };
      if (axis.empty() || std::count_if(operand.access.begin(), operand.access.end(), mentions) != 1) continue;
      table.split = axis[0];
    }
    table.bounded = table.split >= 0;
    std::erase(table.axes, table.split);
  }
  table.bounded = table.bounded && table.axes.size() <= 2;
  size_t cells = 1;
  if (table.bounded) {
    for (const int axis : table.axes) cells *= problem_.axes[at(axis)].sizes.size();
  }
  table.cells.resize(cells);
  return table;
}

// Sums over all tiles of these axes, at these indices.
BoxBound::Cell BoxBound::exact_cell(size_t operand, const std::vector<int>& axes, const std::vector<int>& index) {
  const RegionOperand& of = problem_.region.operands[operand];
  Cell cell;
  std::vector<const AxisTiles*> along;
  for (size_t i = 0; i < axes.size(); ++i) along.push_back(&problem_.tiles(at(axes[i]), index[i]));
  std::vector<size_t> local(axes.size(), 0);
  for (;;) {
    TileBox box = whole_box(problem_.region);
    int64_t tiles = 1;
    bool first = true, last = true;
    for (size_t i = 0; i < axes.size(); ++i) {
      const int cls = static_cast<int>(local[i]);
      box[at(problem_.axes[at(axes[i])].axis)] = problem_.representative(at(axes[i]), along[i]->distinct[local[i]]);
      tiles *= std::count(along[i]->local.begin(), along[i]->local.end(), cls);
      first = first && along[i]->local.front() == cls;
      last = last && along[i]->local.back() == cls;
    }
    const OperandTile tile = tile_of(problem_.region, of, box);
    if (std::all_of(tile.dims.begin(), tile.dims.end(), [](const Interval& d) { return d.size() > 0; })) {
      const TileTraffic traffic = problem_.traffic(of, box, transfers_of(problem_.region, of, box));
      cell.sum = plus(cell.sum, times(tiles, traffic.cycles));
      if (first) cell.first = traffic.cycles;
      if (last) cell.last = traffic.cycles;
      cell.bytes = std::max(cell.bytes, traffic.buffer_bytes);
    }
    size_t i = axes.size();
    while (i > 0 && ++local[i - 1] == along[i - 1]->distinct.size()) local[--i] = 0;
    if (i == 0) return cell;
  }
}

// Cells for tiles of one and of two elements along the split axis: a + b and a + 2b give a and b, unless the split axis
// becomes part of the transfers' rows.
std::optional<BoxBound::Cell> BoxBound::linear_cell(size_t operand, const OperandTable& table, const std::vector<int>& index) {
  if (!linear_dma_) return std::nullopt;
  const RegionOperand& of = problem_.region.operands[operand];
  const size_t split = at(problem_.axes[at(table.split)].axis);
  Cell cell;
  std::vector<const AxisTiles*> along;
  for (size_t i = 0; i < table.axes.size(); ++i) along.push_back(&problem_.tiles(at(table.axes[i]), index[i]));
  std::vector<size_t> local(table.axes.size(), 0);
  for (;;) {
    TileBox box = whole_box(problem_.region);
    int64_t tiles = 1;
    bool first = true, last = true;
    for (size_t i = 0; i < table.axes.size(); ++i) {
      const int cls = static_cast<int>(local[i]);
      box[at(problem_.axes[at(table.axes[i])].axis)] = problem_.representative(at(table.axes[i]), along[i]->distinct[local[i]]);
      tiles *= std::count(along[i]->local.begin(), along[i]->local.end(), cls);
      first = first && along[i]->local.front() == cls;
      last = last && along[i]->local.back() == cls;
    }
    TileTraffic traffic[2];
    int64_t row_bytes[2] = {0, 0};
    for (const int64_t size : {1, 2}) {
      box[split] = {0, size};
      const std::vector<Transfer> transfers = transfers_of(problem_.region, of, box);
      traffic[size - 1] = problem_.traffic(of, box, transfers);
      row_bytes[size - 1] = transfers.front().row_bytes;
      const OperandTile tile = tile_of(problem_.region, of, box);
      if (size == 1) cell.bytes = std::max(cell.bytes, tile.storage.bytes);
    }
    const int64_t each = traffic[1].cycles - traffic[0].cycles;
    const int64_t constant = traffic[0].cycles - each;
    if (row_bytes[0] != row_bytes[1] || each < 0 || constant < 0) return std::nullopt;
    cell.sum = plus(cell.sum, times(tiles, constant));
    cell.sum_each = plus(cell.sum_each, times(tiles, each));
    if (first) cell.first = constant, cell.first_each = each;
    if (last) cell.last = constant, cell.last_each = each;
    size_t i = table.axes.size();
    while (i > 0 && ++local[i - 1] == along[i - 1]->distinct.size()) local[--i] = 0;
    if (i == 0) return cell;
  }
}

const BoxBound::Cell& BoxBound::cell(size_t operand, const std::vector<int>& index) {
  OperandTable& table = tables_[operand];
  size_t flat = 0;
  for (size_t i = 0; i < table.axes.size(); ++i) {
    flat = flat * problem_.axes[at(table.axes[i])].sizes.size() + at(index[i]);
  }
  std::optional<Cell>& known = table.cells[flat];
  if (known) return *known;
  if (table.split < 0) {
    known = exact_cell(operand, table.axes, index);
    return *known;
  }
  known = linear_cell(operand, table, index);
  if (known) return *known;
  known = Cell{};
  known->by_split = true;
  std::vector<int> axes = table.axes, indices = index;
  axes.push_back(table.split);
  indices.push_back(0);
  for (size_t s = 0; s < problem_.axes[at(table.split)].sizes.size(); ++s) {
    indices.back() = static_cast<int>(s);
    known->row.push_back(exact_cell(operand, axes, indices));
  }
  return *known;
}

BoxBound::DmaBound BoxBound::operand_bound(size_t operand, const PointBox& box) {
  const OperandTable& table = tables_[operand];
  if (!table.bounded) return {};
  DmaBound least{INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
  const auto take = [&](int64_t sum, int64_t first, int64_t last, int64_t bytes) {
    least = {std::min(least.sum, sum), std::min(least.first, first), std::min(least.last, last), std::min(least.bytes, bytes)};
  };
  std::vector<int> index;
  for (const int axis : table.axes) index.push_back(box.lo[at(axis)]);
  for (;;) {
    const Cell& now = cell(operand, index);
    if (table.split < 0) {
      take(now.sum, now.first, now.last, now.bytes);
    } else if (now.by_split) {
      for (int s = box.lo[at(table.split)]; s <= box.hi[at(table.split)]; ++s) {
        const Cell& exact = now.row[at(s)];
        take(exact.sum, exact.first, exact.last, exact.bytes);
      }
    } else {
      const SearchAxis& split = problem_.axes[at(table.split)];
      const int lo = box.lo[at(table.split)], hi = box.hi[at(table.split)];
      int64_t last_size = split.extent;
      for (int s = lo; s <= hi; ++s) {
        const int64_t rest = split.extent % split.sizes[at(s)];
        last_size = std::min(last_size, rest == 0 ? split.sizes[at(s)] : rest);
      }
      const int64_t size = split.sizes[at(lo)];
      take(plus(times(tile_count(table.split, hi), now.sum), times(split.extent, now.sum_each)),
           plus(now.first, times(size, now.first_each)), plus(now.last, times(last_size, now.last_each)),
           times(size, now.bytes));
    }
    size_t i = table.axes.size();
    while (i > 0 && ++index[i - 1] > box.hi[at(table.axes[i - 1])]) {
      index[i - 1] = box.lo[at(table.axes[i - 1])];
      --i;
    }
    if (i == 0) return least;
  }
}

// Whether in every point of the box each tile of the operand's own axes is another box, so that none is skipped.
bool BoxBound::loads_every_tile(size_t operand, const PointBox& box) {
  for (const int axis : search_axes(axes_of(problem_.region, problem_.region.operands[operand]))) {
    for (int i = box.lo[at(axis)]; i <= box.hi[at(axis)]; ++i) {
      if (tile_count(axis, i) > 1 && !problem_.tiles(at(axis), i).always_changes[operand]) return false;
    }
  }
  return true;
}

// How often all tiles of the operand are loaded: once for each tile of every loop outside one that changes its box.
int64_t BoxBound::repeats_at_least(size_t operand, const PointBox& box, LoopOrder order) {
  int64_t repeats = 1;
  bool moves_inside = false;
  const std::vector<int> loops = problem_.loop_axes(order);
  for (size_t l = loops.size(); l-- > 0;) {
    const size_t a = at(loops[l]);
    bool always = true, ever = false;
    for (int i = box.lo[a]; i <= box.hi[a]; ++i) {
      const AxisTiles& tiles = problem_.tiles(a, i);
      always = always && tiles.varies[operand];
      ever = ever || tiles.varies[operand];
    }
    if (!ever && moves_inside) repeats = times(repeats, tile_count(loops[l], box.hi[a]));
    moves_inside = moves_inside || always;
  }
  return repeats;
}

int64_t BoxBound::copies_at_least(size_t operand, const PointBox& box) {
  for (size_t a = 0; a < problem_.axes.size(); ++a) {
    if (problem_.region.operands[operand].output) {
      if (tile_count(static_cast<int>(a), box.hi[a]) > 1) return 2;
      continue;
    }
    bool always = true;
    for (int i = box.lo[a]; i <= box.hi[a] && always; ++i) always = problem_.tiles(a, i).varies[operand];
    if (always) return 2;
  }
  return 1;
}

Key BoxBound::lower(const PointBox& box) {
  Key key{INT64_MAX, INT64_MAX, LoopOrder::input_stationary, box.lo};
  const size_t operands = problem_.region.operands.size();
  std::vector<DmaBound> dma;
  std::vector<int64_t> memory(problem_.memories.size(), 0);
  for (size_t o = 0; o < operands; ++o) {
    dma.push_back(operand_bound(o, box));
    memory[at(problem_.memory_of[o])] += copies_at_least(o, box) * round_up(dma[o].bytes, problem_.alignment);
  }
  for (size_t m = 0; m < memory.size(); ++m) {
    if (memory[m] > problem_.memories[m].bytes) return key;
  }
  int64_t serial = std::max<int64_t>(0, sum_bound(terms_, box));  // compute, with the first load and the last store
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
      TileBox box = whole_box(problem_.region);
      box[at(problem_.axes[at(a)].axis)] = problem_.representative(at(a), class_a);
      if (b >= 0) box[at(problem_.axes[at(b)].axis)] = problem_.representative(at(b), class_b);
      std::vector<int64_t> values;
      for (const TileName& name : problem_.slots) values.push_back(value_of(problem_.region, name, box));
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
