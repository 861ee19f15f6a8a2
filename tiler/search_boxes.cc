// Branch and bound over boxes of points (search.h).
//
// Most boxes are refused by their cycles of compute and starts alone, which are tables along each
// axis; what the DMA takes is only asked of boxes that are small, so that tiles nobody wants never
// have their transfers made.
#include "tiler/search.h"

#include <algorithm>
#include <array>
#include <queue>
#include <tuple>

namespace heddle {
namespace {

constexpr int64_t kLittleWork = 64;  // of the bound with the DMA

struct Open {
  int64_t cycles = 0;  // no point takes fewer
  int64_t number = 0;  // in the order of their making
  bool exact = false;  // the DMA is in `cycles`, or would say no more
  PointBox box;

  bool operator<(const Open& other) const {  // the first of a priority_queue is the greatest
    return std::tie(cycles, number) > std::tie(other.cycles, other.number);
  }
};

int64_t points_in(const PointBox& box) {
  int64_t points = static_cast<int64_t>(box.orders.size());
  for (size_t a = 0; a < box.lo.size(); ++a) points *= box.hi[a] - box.lo[a] + 1;
  return points;
}

// Across the axis with most sizes; across the loop orders in the end.
std::array<PointBox, 2> halves_of(const PointBox& box) {
  std::array<PointBox, 2> halves = {box, box};
  size_t widest = 0;
  for (size_t a = 1; a < box.lo.size(); ++a) {
    if (box.hi[a] - box.lo[a] > box.hi[widest] - box.lo[widest]) widest = a;
  }
  if (!box.lo.empty() && box.hi[widest] > box.lo[widest]) {
    const int middle = box.lo[widest] + (box.hi[widest] - box.lo[widest]) / 2;
    halves[0].hi[widest] = middle;
    halves[1].lo[widest] = middle + 1;
  } else {
    halves[0].orders = {box.orders.front()};
    halves[1].orders.erase(halves[1].orders.begin());
  }
  return halves;
}

}  // namespace

bool search_boxes(Problem& problem, BoxBound& bound, int64_t max_boxes, Key& best) {
  Open all;
  for (const SearchAxis& axis : problem.axes) {
    if (axis.sizes.empty()) return true;  // there is no point
    all.box.lo.push_back(0);
    all.box.hi.push_back(static_cast<int>(axis.sizes.size()) - 1);
  }
  all.box.orders = problem.orders;
  // The whole layer first.
  const auto visit = [&](const Point& point) {
    const Evaluation evaluation = problem.evaluate(point, best.cycles);
    if (evaluation.feasible && evaluation.key < best) best = evaluation.key;
  };
  visit({all.box.hi, problem.orders.front()});

  int64_t made = 0;
  std::priority_queue<Open> open;
  open.push(std::move(all));
  while (!open.empty()) {
    Open now = open.top();
    open.pop();
    if (now.cycles > best.cycles) return true;  // and so do all others
    const int64_t points = points_in(now.box);
    if (!now.exact && bound.work(now.box) <= kLittleWork) {
      const Key lower = bound.lower(now.box);
      if (!(lower < best)) continue;
      now.exact = true;
      if (lower.cycles > now.cycles) {
        now.cycles = lower.cycles;
        open.push(std::move(now));
        continue;
      }
    } else if (bound.hopeless(now.box, now.cycles, best)) {
      continue;
    }
    if (points == 1) {
      visit({now.box.lo, now.box.orders.front()});
      continue;
    }
    for (PointBox& half : halves_of(now.box)) {
      if (++made > max_boxes) return false;
      const int64_t cycles = std::max(now.cycles, bound.compute(half));
      if (cycles > best.cycles) continue;
      // Without a tile to beat a bound only tells what memories cannot hold, which one of a small
      // box has said.
      const bool exact = now.exact && best.cycles == INT64_MAX;
      open.push({cycles, made, exact, std::move(half)});
    }
  }
  return true;
}

}  // namespace heddle
