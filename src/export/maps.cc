// Elementwise operators: arithmetic, bounds and requantisation.
#include <algorithm>

#include "export/lowering.h"

namespace heddle {
namespace {

using namespace onnx_file;

std::string add(Lowering& l) { return l.add("Add", {l.operand(0), l.operand(1)}); }

std::string mul(Lowering& l) {
  const bool real = l.real();
  const std::string x = l.minus(l.operand(0), real ? 0 : l.attribute_or("x_zero_point", 0));
  return l.add("Mul", {x, l.minus(l.operand(1), real ? 0 : l.attribute_or("w_zero_point", 0))});
}

std::string bias_add(Lowering& l) {
  return l.add("Add", {l.operand(0), l.channels(1, l.op.attribute("axis"))});
}

std::string relu(Lowering& l) {
  if (l.real()) return l.add("Relu", {l.operand(0)});
  return l.add("Max", {l.operand(0), l.number(int64_t{0})});
}

std::string clip(Lowering& l) {
  if (!l.real()) return l.clamp(l.operand(0), l.op.attribute("lo"), l.op.attribute("hi"));
  const auto bound = [&](const char* name) {
    const heddle::Attribute& value = l.op.any_attribute(name);
    const double* number = std::get_if<double>(&value);
    return l.number(static_cast<float>(
        number != nullptr ? *number : static_cast<double>(std::get<int64_t>(value))));
  };
  return l.add("Clip", {l.operand(0), bound("lo"), bound("hi")});
}

// Float32 to integers: bounded first, as the bounds are exact, then rounded, then the zero point.
std::string rounded(Lowering& l, const std::string& real, const std::string& rounding) {
  const int64_t zero_point = l.attribute_or("zero_point", 0);
  const float lo = static_cast<float>(l.op.attribute("lo") - zero_point);
  const float hi = static_cast<float>(l.op.attribute("hi") - zero_point);
  const std::string x = l.add("Clip", {real, l.number(lo), l.number(hi)});
  std::string whole;
  if (rounding == "half_even") {
    whole = l.add("Round", {x});
  } else if (rounding == "floor") {
    whole = l.add("Floor", {x});
  } else if (rounding == "ceil") {
    whole = l.add("Ceil", {x});
  } else if (rounding == "truncate") {
    whole = x;  // the cast truncates
  } else {      // half_away; the sum is exact in float64
    const std::string wide = l.cast(x, Type::float64);
    const std::string half = l.cast(l.number(0.5f), Type::float64);
    const std::string magnitude = l.add("Floor", {l.add("Add", {l.add("Abs", {wide}), half})});
    whole = l.add("Mul", {magnitude, l.add("Sign", {wide})});
  }
  return l.plus(l.cast(whole, Type::int64), zero_point);
}

std::string requant_float(Lowering& l) {
  const std::string x =
      l.cast(l.minus(l.operand(0), l.attribute_or("x_zero_point", 0)), Type::float32);
  std::string real = l.add("Mul", {x, l.channels(1, l.op.attribute("axis"))});
  if (l.op.has(2)) real = l.add("Add", {real, l.channels(2, l.op.attribute("axis"))});
  return rounded(l, real, "half_even");
}

// The bits that each channel is shifted by; one element where all are the same.
std::vector<int64_t> shifts_of(const Lowering& l) {
  std::vector<int64_t> shifts = {0};
  if (l.op.has(3)) shifts = l.op.constant(3)->to_ints();
  for (int64_t& shift : shifts) shift += l.op.attribute("shift");
  const bool uniform =
      std::all_of(shifts.begin(), shifts.end(), [&](int64_t shift) { return shift == shifts[0]; });
  if (uniform) shifts.resize(1);
  return shifts;
}

std::vector<int64_t> powers(std::vector<int64_t> exponents) {
  for (int64_t& e : exponents) e = int64_t{1} << e;
  return exponents;
}

std::string requant_integer(Lowering& l) {
  const int64_t axis = l.op.attribute("axis");
  const std::vector<int64_t> shifts = shifts_of(l);
  if (*std::max_element(shifts.begin(), shifts.end()) > 62) {
    l.fail("it shifts by more than 62 bits");
    return "";
  }
  std::string x = l.operand(0);
  if (l.op.has(1)) x = l.add("Mul", {x, l.channels(1, axis)});
  if (l.op.has(2)) x = l.add("Add", {x, l.channels(2, axis)});
  if (l.op.text("rounding") == "half_up") {
    std::vector<int64_t> halves = powers(shifts);
    for (int64_t& half : halves) half /= 2;  // none where nothing is shifted out
    x = l.add("Add", {x, l.channels(halves, axis)});
  }
  if (shifts != std::vector<int64_t>{0}) x = l.floor_div(x, l.channels(powers(shifts), axis));
  x = l.plus(x, l.attribute_or("zero_point", 0));
  return l.clamp(x, l.op.attribute("lo"), l.op.attribute("hi"));
}

// gemmlowp: round(x * 2^left * mul / 2^31), then round(that / 2^right), halves away from zero.
std::string requant_gemmlowp(Lowering& l) {
  const int64_t axis = l.op.attribute("axis");
  std::vector<int64_t> left, right;
  for (int64_t shift : shifts_of(l)) {
    left.push_back(std::max<int64_t>(31 - shift, 0));
    right.push_back(std::max<int64_t>(shift - 31, 0));
  }
  std::string x = l.add("Mul", {l.operand(0), l.channels(powers(left), axis)});
  x = l.add("Mul", {x, l.channels(1, axis)});
  std::vector<int64_t> halves = powers(right);
  for (int64_t& half : halves) half /= 2;
  x = l.divide_away(l.high_product(x), l.channels(powers(right), axis), l.channels(halves, axis));
  x = l.plus(x, l.attribute_or("zero_point", 0));
  return l.clamp(x, l.op.attribute("lo"), l.op.attribute("hi"));
}

std::string requant(Lowering& l) {
  const std::string& rounding = l.op.text("rounding");
  if (rounding == "float") return requant_float(l);
  if (rounding == "tflite_double") return requant_gemmlowp(l);
  if (rounding == "shift" || rounding == "floor" || rounding == "half_up")
    return requant_integer(l);
  l.fail("its rounding is `" + rounding + "`, which has no ONNX form");
  return "";
}

std::string quantize(Lowering& l) {
  const std::string x = l.add("Div", {l.operand(0), l.channels(1, l.op.attribute("axis"))});
  return rounded(l, x, l.op.text("rounding"));
}

std::string dequantize(Lowering& l) {
  const std::string x =
      l.cast(l.minus(l.operand(0), l.attribute_or("zero_point", 0)), Type::float32);
  return l.add("Mul", {x, l.channels(1, l.op.attribute("axis"))});
}

// (x - zero_point) * scale of one operand of qadd.
std::string term(Lowering& l, size_t i, const std::string& prefix) {
  const std::string centred = l.minus(l.operand(i), l.op.attribute(prefix + "_zero_point"));
  const float scale = static_cast<float>(l.op.real(prefix + "_scale"));
  return l.add("Mul", {l.cast(centred, Type::float32), l.number(scale)});
}

std::string qadd(Lowering& l) {
  const std::string sum = l.add("Add", {term(l, 0, "x"), term(l, 1, "residual")});
  const std::string real = l.add("Div", {sum, l.number(static_cast<float>(l.op.real("scale")))});
  return rounded(l, real, "half_even");
}

// TFLite's fixed-point factor mul / 2^31 / 2^shift of an operand ("x_", "residual_") or the result.
std::string rescaled(Lowering& l, const std::string& x, const std::string& prefix) {
  const int64_t shift = l.op.attribute(prefix + "shift");
  const std::string high =
      l.high_product(l.add("Mul", {x, l.number(l.op.attribute(prefix + "mul"))}));
  if (shift == 0) return high;
  return l.divide_away(high, l.number(int64_t{1} << shift), l.number(int64_t{1} << (shift - 1)));
}

std::string tflite_add(Lowering& l) {
  const auto common = [&](size_t i, const std::string& prefix) {
    const std::string centred = l.minus(l.operand(i), l.op.attribute(prefix + "zero_point"));
    const std::string wide =
        l.add("Mul", {centred, l.number(int64_t{1} << l.op.attribute("left_shift"))});
    return rescaled(l, wide, prefix);
  };
  const char* const op_type = l.op.attribute("subtract") != 0 ? "Sub" : "Add";
  const std::string sum = l.add(op_type, {common(0, "x_"), common(1, "residual_")});
  const std::string y = l.plus(rescaled(l, sum, ""), l.op.attribute("zero_point"));
  return l.clamp(y, l.op.attribute("lo"), l.op.attribute("hi"));
}

std::string tflite_softmax(Lowering& l) {
  const std::string x = l.operand(0);
  const std::string most =
      l.add("ReduceMax", {x}, {{"axes", std::vector<int64_t>{-1}}, {"keepdims", int64_t{1}}});
  // The last of the table's 256 elements is the exponential of 0.
  const std::string e =
      l.add("Gather", {l.operand(1), l.plus(l.add("Sub", {x, most}), 255)}, {{"axis", int64_t{0}}});
  // Unlike ReduceSum, CumSum adds in order, as TFLite does.
  const std::string sums = l.add("CumSum", {e, l.number(int64_t{-1})});
  const std::string sum = l.add("Slice", {sums, l.list({-1}), l.list({INT64_MAX}), l.list({-1})});
  const std::string scaled = l.add("Mul", {sum, l.number(static_cast<float>(l.op.real("scale")))});
  const std::string inverse = l.add("Div", {l.number(1.0f), scaled});
  return rounded(l, l.add("Mul", {e, inverse}), "half_away");
}

std::string lookup(Lowering& l) {
  return l.add("Gather", {l.operand(1), l.minus(l.operand(0), l.op.attribute("first"))},
               {{"axis", int64_t{0}}});
}

}  // namespace

std::vector<LoweringEntry> map_lowerings() {
  return {{"add", add},
          {"bias_add", bias_add},
          {"clip", clip},
          {"dequantize", dequantize},
          {"lookup", lookup},
          {"mul", mul},
          {"qadd", qadd},
          {"quantize", quantize},
          {"relu", relu},
          {"requant", requant},
          {"tflite_add", tflite_add},
          {"tflite_softmax", tflite_softmax}};
}

}  // namespace heddle
