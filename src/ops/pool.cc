#include "ops/pool.h"

#include <fmt/format.h>

namespace heddle {
Result<Shape> pool_shape(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  if (Status status = check_rank(op, 0, 4); !status.ok()) return status.errors();
  const Shape& x = op.input(0).shape;
  const Window window = pool_window(op);
  const Result<Extent> extent = window_output(op, window, x);
  if (!extent.ok()) return extent.errors();
  if (Status status = check_windows_inside(op, window, x, *extent); !status.ok()) {
    return status.errors();
  }
  return Shape{x[0], x[1], extent->height, extent->width};
}

LoopNest pool_loops(const OpView& op) {
  return channelwise_loops(pool_window(op), op.output().shape);
}

Status check_average(const OpView& op, int64_t count) {
  if (const Result<Range> fits = prove_int32(op, "window", 0, count); !fits.ok())
    return fits.errors();
  if (op.is_real()) return Unit{};
  const Range x = with_zero(op.input(0).range);
  const Result<Range> sum = prove_int32(op, "accumulator", Wide{x.lo} * count, Wide{x.hi} * count);
  if (!sum.ok()) return sum.errors();
  return Unit{};
}

namespace {

// To nearest, halves away from zero: C divides towards zero, so half of the count is added with the
// sum's sign.
std::string away_result(const Range& x, int64_t count, const std::string& divisor) {
  const bool varies = divisor == "$count";
  const std::string half = varies ? "$count / 2" : fmt::format("{}", count / 2);
  const std::string negative = varies ? "-($count / 2)" : "-" + half;
  const bool wide = x.hi * count + count / 2 > INT32_MAX || x.lo * count - count / 2 < INT32_MIN;
  const std::string acc = wide ? "(int64_t)$acc" : "$acc";
  const std::string result =
      fmt::format("({} + ($acc < 0 ? {} : {})) / {}", acc, negative, half, divisor);
  return wide ? fmt::format("(int32_t)({})", result) : result;
}

}  // namespace

CBody average_body(const Range& x, int64_t count, bool varies, bool away) {
  CBody body;
  body.accumulator = "int32_t";
  body.init = "$acc = 0;";
  body.update = "$acc += (int32_t)$x;";
  // floor(s / c + 1/2) = floor((s + floor(c / 2)) / c) for integers s and c > 0.
  const bool wide = x.hi * count + count / 2 > INT32_MAX;
  const std::string acc = wide ? "(int64_t)$acc" : "$acc";
  const std::string divisor = varies ? "$count" : fmt::format("{}", count);
  const std::string rounded =
      varies ? fmt::format("({} + $count / 2)", acc) : fmt::format("({} + {})", acc, count / 2);
  if (away && x.lo < 0) {
    body.result = count == 1 ? "$acc" : away_result(x, count, divisor);
    return body;
  }
  const bool power_of_two = (count & (count - 1)) == 0;
  if (count == 1) {
    body.result = "$acc";
    return body;
  }
  if (!varies && power_of_two) {
    body.result = fmt::format("{} >> {}", rounded, __builtin_ctzll(static_cast<uint64_t>(count)));
  } else {
    body.result = fmt::format("{} / {}", rounded, divisor);
    // C divides towards zero: one less where a negative number does not divide evenly.
    if (x.lo < 0) body.result += fmt::format(" - ({} % {} < 0)", rounded, divisor);
  }
  if (wide) body.result = fmt::format("(int32_t)({})", body.result);
  return body;
}

CBody real_average_body(int64_t count, bool varies) {
  CBody body;
  body.accumulator = "float";
  body.init = "$acc = 0.0f;";
  body.update = "$acc += $x;";
  body.result = varies ? "$acc / (float)$count"
                       : fmt::format("$acc / {}", c_literal(static_cast<float>(count)));
  return body;
}

}  // namespace heddle
