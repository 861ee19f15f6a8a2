// Lower bounds of the cost over boxes of points, for the box search.
//
// Compute cycles are brought into a sum of products of factors that depend on one axis each; summed
// over all tiles of a layer such a product is the product of sums along each axis, which are
// tabulated once for each candidate size. DMA cycles are tabulated for each operand over the axes
// that it depends on, up to two; a third one, the outermost, enters linearly where the DMA's cycles
// are linear in rows and planes. The pipeline is bounded by the larger of both sums.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "expr/bounds.h"
#include "tiler/problem.h"

namespace heddle {

// All points with lo <= index <= hi (inclusive) on every axis and one of these loop orders.
struct PointBox {
  std::vector<int> lo, hi;
  std::vector<LoopOrder> orders;
};

class BoxBound {
 public:
  explicit BoxBound(Problem& problem);

  // No feasible point of the box has a lower key. `cycles` is INT64_MAX where no point can be
  // feasible.
  Key lower(const PointBox& box);

  // The part of lower().cycles that needs no transfers: compute, and starting the jobs.
  int64_t compute(const PointBox& box) const;
  // That no point of the box beats this key, given that none takes fewer than these cycles.
  bool hopeless(const PointBox& box, int64_t cycles, const Key& best) const;
  // How many tiles of operands lower() looks at.
  int64_t work(const PointBox& box) const;

  // Pairs of candidates (axis, index, axis, index; the second one -1 where one axis suffices) that
  // a requirement forbids.
  struct Forbidden {
    int axis = 0, index = 0, other_axis = -1, other_index = 0;
  };
  std::vector<Forbidden> forbidden();

 private:
  struct Range {
    int64_t lo = 0, hi = 0;
  };
  // A product of factors in the sum over tiles.
  struct Term {
    int64_t coefficient = 1;
    std::vector<std::vector<const Expr*>> factors;  // by search axis
    std::vector<const Expr*> mixed;                 // of several axes
    std::vector<std::vector<Range>> sums;  // [axis][index]: sum over the tiles of that axis
    bool negative_factor = false;
  };
  // Cycles and bytes of an operand's tiles by the indices of up to two axes; a third axis is
  // `split` off.
  struct Cell {
    int64_t sum = 0, first = 0, last = 0,
            bytes = 0;  // for whole tiles of the split axis: its constant part
    int64_t sum_each = 0, first_each = 0, last_each = 0;  // for each element along the split axis
    bool by_split = false;  // not linear: `row` holds the exact values
    std::vector<Cell> row;  // by index of the split axis
  };
  struct OperandTable {
    std::vector<int> axes;  // at most two
    int split = -1;
    bool bounded = true;  // false: three axes that do not separate
    bool linear = true;   // false: cycles may not be linear along the split axis
    std::vector<std::optional<Cell>> cells;
    std::vector<int> moved_by;  // search axes that move its box, those of single_axes() too
    int64_t repeats = 1;        // of its tiles along single_axes()
  };
  struct DmaBound {
    int64_t sum = 0, first = 0, last = 0, bytes = 0;
  };

  std::vector<Term> expand(const Expr& expr) const;
  std::vector<int> search_axes(const std::vector<int>& loop_axes) const;
  std::vector<int> single_axes(const RegionOperand& operand) const;
  std::vector<int> axes_of_expr(const Expr& expr) const;
  void tabulate(Term& term, bool first_tile_only);
  Range slot_range(int slot, size_t axis, int index) const;
  Range mixed_range(const Expr& expr, const PointBox& box) const;
  Range term_range(const Term& term, const PointBox& box) const;
  int64_t sum_bound(const std::vector<Term>& terms, const PointBox& box) const;
  int64_t compute_of(const PointBox& box) const;
  int64_t starts_of(const PointBox& box) const;
  OperandTable table_of(const RegionOperand& operand);
  const Cell& cell(size_t operand, const std::vector<int>& index);
  Cell exact_cell(size_t operand, const std::vector<int>& axes, const std::vector<int>& index);
  std::optional<Cell> linear_cell(size_t operand, const OperandTable& table,
                                  const std::vector<int>& index);
  DmaBound operand_bound(size_t operand, const PointBox& box);
  int64_t repeats_at_least(size_t operand, const PointBox& box, LoopOrder order);
  bool loads_every_tile(size_t operand, const PointBox& box);
  int64_t copies_at_least(size_t operand, const PointBox& box);
  int64_t tile_count(int axis, int index) const;

  Problem& problem_;
  std::vector<Term> terms_;        // launch + compute
  std::vector<Term> preferences_;  // of the first tile
  std::vector<OperandTable> tables_;
  std::vector<std::vector<int>> slot_axes_;  // search_axes() of each slot
  // [slot][index], of slots that one search axis moves; filled as asked.
  mutable std::vector<std::vector<std::optional<Range>>> slot_ranges_;
  bool linear_dma_ = false;
};

}  // namespace heddle
