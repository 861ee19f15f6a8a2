#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "ops/requant_forms.h"

namespace heddle::requant {
namespace {

// Beyond 62 even int64 could overflow by the rounding term.
constexpr int64_t kMostShift = 62;

// What half_up adds before the shift.
int64_t rounding_term(const OpView& op, int64_t shift) {
  return op.text("rounding") == "half_up" && shift > 0 ? int64_t{1} << (shift - 1) : 0;
}

// Bounds of the value after each step, over all channels.
struct Steps {
  Range product{};  // x * mul
  Range sum{};      // + add
  Range rounded{};  // + rounding term
  Range shifted{};  // >> shift
  bool overflows = false;  // int64; the ranges mean nothing then
};

Steps steps_of(const OpView& op) {
  const Range x = op.input(X).range;
  Steps steps;
  for (int64_t k = 0; k < channels_of(op); ++k) {
    // |x| and |mul| are at most 2^31, so their product cannot overflow.
    const int64_t m = at_channel(op, MUL, k, 1);
    const int64_t a = at_channel(op, ADD, k, 0);
    const int64_t shift = shift_of(op, k);
    const int64_t r = rounding_term(op, shift);
    const Range product{m * (m > 0 ? x.lo : x.hi), m * (m > 0 ? x.hi : x.lo)};
    const Wide lo = Wide{product.lo} + a, hi = Wide{product.hi} + a;
    if (lo < INT64_MIN || hi > INT64_MAX || hi + r > INT64_MAX) return {.overflows = true};
    const Range sum{static_cast<int64_t>(lo), static_cast<int64_t>(hi)};
    const Range rounded{sum.lo + r, sum.hi + r};
    const Range shifted{floor_div(rounded.lo, int64_t{1} << shift),
                        floor_div(rounded.hi, int64_t{1} << shift)};
    if (k == 0) {
      steps = {product, sum, rounded, shifted, false};
    } else {
      steps = {united(steps.product, product), united(steps.sum, sum),
               united(steps.rounded, rounded), united(steps.shifted, shifted), false};
    }
  }
  return steps;
}

Status check(const OpView& op) {
  if (op.text("rounding") == "shift" && (op.has(MUL) || op.has(ADD))) {
    return node_error(
        op, fmt::format("`rounding` is 'shift', which has no `{}`", op.has(MUL) ? "mul" : "add"),
        "use 'floor'");
  }
  if (Status status = check_attribute(op, "shift", 0, kMostShift); !status.ok()) return status;
  for (int64_t k = 0; k < channels_of(op); ++k) {
    if (0 <= shift_of(op, k) && shift_of(op, k) <= kMostShift) continue;
    return node_error(op, fmt::format("channel {} is shifted by {} bits, outside [0, {}]", k,
                                      shift_of(op, k), kMostShift));
  }
  if (steps_of(op).overflows)
    return node_error(op, "x * mul + add can leave 64 bits", "use smaller multipliers");
  return Unit{};
}

Range result(const OpView& op) {
  const Range shifted = steps_of(op).shifted;
  const int64_t zero_point = op.attribute("zero_point");
  return {shifted.lo + zero_point, shifted.hi + zero_point};
}

Formula formula(const OpView& op) {
  std::vector<int64_t> divisors = all_channels(op, SHIFTS, 0);
  for (int64_t& divisor : divisors) divisor = int64_t{1} << (divisor + op.attribute("shift"));
  return [mul = all_channels(op, MUL, 1), add = all_channels(op, ADD, 0), divisors,
          half_up = op.text("rounding") == "half_up",
          zero_point = op.attribute("zero_point")](int64_t x, size_t k) {
    const int64_t half = half_up ? divisors[k] / 2 : 0;
    return floor_div(x * mul[k] + add[k] + half, divisors[k]) + zero_point;
  };
}

// The rounding term and a constant addend are one literal, where the shift is the same everywhere.
int64_t literal_addend(const OpView& op) {
  const int64_t add = per_channel(op, ADD) ? 0 : at_channel(op, ADD, 0, 0);
  return add + (per_channel(op, SHIFTS) ? 0 : rounding_term(op, shift_of(op, 0)));
}

// x * mul + add + rounding, in C.
std::string scaled(const OpView& op, std::string_view value) {
  std::string text(value);
  if (per_channel(op, MUL)) {
    text += " * $mul";
  } else if (at_channel(op, MUL, 0, 1) != 1) {
    text += fmt::format(" * {}", c_literal(at_channel(op, MUL, 0, 1)));
  }
  if (per_channel(op, ADD)) text += " + $add";
  if (per_channel(op, SHIFTS) && op.text("rounding") == "half_up")
    text += fmt::format(" + ((int64_t)1 << ({} - 1))", c_shift(op));
  return text + c_plus(literal_addend(op));
}

// Whether every intermediate value of scaled() fits int32, and the shift is defined for int32.
bool computes_in_int32(const OpView& op, const Steps& steps) {
  const auto narrow = [](const Range& range) { return fits_int32(range.lo, range.hi); };
  const int64_t addend = literal_addend(op);
  return !per_channel(op, SHIFTS) && narrow(steps.product) &&
         (!per_channel(op, ADD) || narrow(steps.sum)) && narrow(steps.rounded) &&
         fits_int32(addend, addend) && shift_of(op, 0) < 32;
}

// Whether 32 bits or more are shifted out in every channel, and nothing but the product reaches
// below them: the result is then a shift of the product's high word, one instruction of most CPUs.
bool needs_high_word_only(const OpView& op) {
  const int64_t least = op.text("rounding") == "half_up" ? 33 : 32;
  for (int64_t k = 0; k < channels_of(op); ++k) {
    if (shift_of(op, k) < least || at_channel(op, ADD, k, 0) != 0) return false;
  }
  return true;
}

// What is added to the high word of channel k: the rounding term and, where `zero_point` says so,
// the zero point.
int64_t high_addend(const OpView& op, int64_t k, int64_t zero_point) {
  const int64_t shift = shift_of(op, k) - 32;
  const int64_t half = op.text("rounding") == "half_up" ? int64_t{1} << (shift - 1) : 0;
  return half + zero_point * (int64_t{1} << shift);
}

// Whether the zero point can be added before the shift, without leaving int32.
bool high_sum_fits(const OpView& op) {
  const Range x = op.input(X).range;
  for (int64_t k = 0; k < channels_of(op); ++k) {
    const int64_t m = at_channel(op, MUL, k, 1);
    const int64_t addend = high_addend(op, k, op.attribute("zero_point"));
    const int64_t a = (x.lo * m) >> 32, b = (x.hi * m) >> 32;
    if (!fits_int32(addend, addend) || !fits_int32(a + addend, a + addend) ||
        !fits_int32(b + addend, b + addend))
      return false;
  }
  return true;
}

// ((high word of x * mul) + addend) >> (shift - 32)
std::string high_word_body(const OpView& op) {
  std::string high = "(int64_t)$value";
  if (per_channel(op, MUL)) {
    high += " * $mul";
  } else if (op.has(MUL)) {
    high += fmt::format(" * {}", c_literal(at_channel(op, MUL, 0, 1)));
  }
  high = fmt::format("(int32_t)(({}) >> 32)", high);
  const bool inside = high_sum_fits(op);
  const int64_t zero_point = op.attribute("zero_point");
  const int64_t joined = inside ? zero_point : 0;
  if (per_channel(op, SHIFTS)) {
    const bool half_up = op.text("rounding") == "half_up";
    const int64_t factor = half_up ? 1 + 2 * joined : joined;
    const std::string power = fmt::format("((int32_t)1 << {})", c_shift(op, half_up ? 33 : 32));
    if (factor != 0) high += " + " + (factor == 1 ? power : fmt::format("{} * {}", factor, power));
  } else {
    high += c_plus(high_addend(op, 0, joined));
  }
  const bool shifts = per_channel(op, SHIFTS) || shift_of(op, 0) > 32;
  std::string text = shifts ? fmt::format("({}) >> {}", high, c_shift(op, 32)) : high;
  if (!inside) text = (shifts ? "(" + text + ")" : text) + c_plus(zero_point);
  return fmt::format("$value = {};\n", text) + c_clamp("$value", result(op), bounds_of(op));
}

std::string c_body(const OpView& op) {
  const Steps steps = steps_of(op);
  const Range shifted = result(op);
  if (needs_high_word_only(op)) return high_word_body(op);
  const bool int32 = computes_in_int32(op, steps);
  std::string text = scaled(op, int32 ? "$value" : "(int64_t)$value");
  const bool trivial = text == "$value";
  const bool shifts = per_channel(op, SHIFTS) || shift_of(op, 0) > 0;
  if (shifts) text = fmt::format("{} >> {}", trivial ? text : "(" + text + ")", c_shift(op));
  const std::string offset = c_plus(op.attribute("zero_point"));
  const Range bounds = bounds_of(op);
  if (int32 ? fits_int32(shifted.lo, shifted.hi)
            : fits_int32(steps.shifted.lo, steps.shifted.hi) && fits_int32(shifted.lo, shifted.hi)) {
    std::string body;
    if (!offset.empty() && shifts) text = "(" + text + ")";
    if (!(trivial && !shifts && offset.empty())) {
      body = int32            ? fmt::format("$value = {}{};\n", text, offset)
             : offset.empty() ? fmt::format("$value = (int32_t)({});\n", text)
                              : fmt::format("$value = (int32_t){}{};\n",
                                            shifts ? text : "(" + text + ")", offset);
    }
    return body + c_clamp("$value", shifted, bounds);
  }
  if (!int32 || offset.empty()) {
    std::string body = fmt::format("{{\n  int64_t wide = {};\n",
                                   offset.empty() ? text : "(" + text + ")" + offset);
    return body + indented(c_clamp("wide", shifted, bounds)) + "\n  $value = (int32_t)wide;\n}";
  }
  // The zero point alone leaves int32: it goes into the bounds, which are clamped first.
  const int64_t zero_point = op.attribute("zero_point");
  const Range before{std::max<int64_t>(bounds.lo - zero_point, INT32_MIN),
                     std::min<int64_t>(bounds.hi - zero_point, INT32_MAX)};
  return fmt::format("$value = {};\n{}\n$value = $value{};", text,
                     c_clamp("$value", steps.shifted, before), offset);
}

}  // namespace

const Family integer_family = {check, result, formula, c_body};

}  // namespace heddle::requant
