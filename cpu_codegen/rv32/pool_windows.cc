#include "cpu_codegen/rv32/pool_windows.h"

#include <algorithm>

#include "ops/check.h"

namespace heddle::rv32 {

Part Pool::rows(int64_t o) const {
  const int64_t top = o * window.stride_h - window.pad_top;
  return {std::max<int64_t>(top, 0), std::min(top + window.kernel_h, in[2])};
}

Part Pool::columns(int64_t o) const {
  const int64_t left = o * window.stride_w - window.pad_left;
  return {std::max<int64_t>(left, 0), std::min(left + window.kernel_w, in[3])};
}

Part Pool::interior() const {
  Part all{0, out[3]};
  while (all.size() > 0 && columns(all.begin).size() < window.kernel_w) ++all.begin;
  while (all.size() > 0 && columns(all.end - 1).size() < window.kernel_w) --all.end;
  return all;
}

std::vector<Band> Pool::bands() const {
  std::vector<Band> result;
  for (int64_t o = 0; o < out[2]; ++o) {
    const int64_t top = o * window.stride_h - window.pad_top;
    const Part inside = rows(o), part{inside.begin - top, inside.end - top};
    if (result.empty() || !(result.back().part == part)) result.push_back({{o, o}, part});
    result.back().rows.end = o + 1;
  }
  return result;
}

Pool pool_of(const OpView& op) {
  Pool pool;
  pool.in = op.input(0).shape;
  pool.out = op.output().shape;
  pool.x = op.input(0).range;
  pool.most = op.node.op == "max_pool";
  pool.average = op.node.op == "average_pool" || op.node.op == "global_average_pool";
  if (op.node.op == "global_average_pool") {
    pool.window.kernel_h = pool.in[2];
    pool.window.kernel_w = pool.in[3];
    return pool;
  }
  pool.window = pool_window(op);
  if (op.node.op == "average_pool") {
    pool.away = op.text("rounding") == "half_away";
    pool.all_count = op.attribute("count_include_pad") != 0;
  }
  if (op.node.op == "sum_pool") pool.zero_point = op.attribute("x_zero_point");
  return pool;
}

}  // namespace heddle::rv32
