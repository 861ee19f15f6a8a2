#include "cpu_codegen/rv32/pool_windows.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "cpu_codegen/writer.h"
#include "ops/pool.h"

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

// With factor = (2^shift + e) / count, 0 <= e, and u = q * count + r the product u * factor is
// 2^shift * (q + (r + u * e / 2^shift) / count): q in front of the point where u * e < 2^shift.
std::optional<Quotient> quotient_of(const Range& sums, int64_t count) {
  const int64_t half = count / 2;
  const int64_t less = std::max<int64_t>((count - 1 - half - sums.lo) / count, 0);
  const Wide add = Wide{less} * count + half;
  const Wide most = std::max<Wide>(sums.hi + add, 1);
  if (most > INT32_MAX) return std::nullopt;
  for (int64_t shift = 0; shift < 32; ++shift) {
    const Wide power = Wide{1} << shift, factor = (power + count - 1) / count;
    if (most * factor > UINT32_MAX) break;
    if (most * (factor * count - power) < power) {
      return Quotient{static_cast<int64_t>(add), static_cast<int64_t>(factor), shift, less};
    }
  }
  return std::nullopt;
}

int64_t count_of(const Pool& pool, int64_t count) {
  return pool.all_count ? pool.window.kernel_h * pool.window.kernel_w : count;
}

std::string mean_of(const Pool& pool, int64_t count) {
  const int64_t divisor = count_of(pool, count);
  const Range x = pool.all_count ? with_zero(pool.x) : pool.x;
  // An odd number of elements has no halves. Of others those below zero are rounded down where
  // floor(sum / count + 1/2) speaks of a sum that is one less.
  const bool away = pool.away && x.lo < 0 && divisor % 2 == 0;
  const std::optional<Quotient> quotient =
      quotient_of({x.lo * divisor - (away ? 1 : 0), x.hi * divisor}, divisor);
  const bool shifts = !away && (divisor & (divisor - 1)) == 0;  // as the generic kernel does
  if (!quotient || shifts) {
    const CBody body = average_body(pool.x, divisor, false, pool.away);
    return fill_holes(body.result, [](const std::string&) { return "value"; });
  }
  return fmt::format("(int32_t)((uint32_t)(value{} + {}) * {}u >> {}){}",
                     away ? " - (value < 0)" : "", quotient->add, quotient->factor, quotient->shift,
                     quotient->less == 0 ? "" : fmt::format(" - {}", quotient->less));
}

}  // namespace heddle::rv32
