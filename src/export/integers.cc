// Integer transformer operators: softmax, norms, activations.
#include "export/lowering.h"

namespace heddle {
namespace {

using namespace onnx_file;

constexpr int64_t kLast = -1;

std::string row_max(Lowering& l, const std::string& x) {
  return l.add("ReduceMax", {x}, {{"axes", std::vector<int64_t>{kLast}}, {"keepdims", int64_t{1}}});
}

std::string row_sum(Lowering& l, const std::string& x) {
  return l.add("ReduceSum", {x, l.list({kLast})}, {{"keepdims", int64_t{1}}});
}

// 2^exponent for 0 <= exponent <= 62, from a table.
std::string power(Lowering& l, const std::string& exponent) {
  std::vector<int64_t> powers;
  for (int e = 0; e <= 62; ++e) powers.push_back(int64_t{1} << e);
  return l.add("Gather", {l.list(powers), exponent}, {{"axis", int64_t{0}}});
}

// floor(sqrt(x)): the float64 root, which is at most one off, corrected.
std::string square_root(Lowering& l, const std::string& x) {
  const std::string near =
      l.cast(l.add("Floor", {l.add("Sqrt", {l.cast(x, Type::float64)})}), Type::int64);
  const std::string one = l.number(int64_t{1});
  const auto no_more = [&](const std::string& root) {  // 1 where root^2 <= x
    return l.cast(l.add("LessOrEqual", {l.add("Mul", {root, root}), x}), Type::int64);
  };
  const std::string below = l.add("Sub", {near, one});
  const std::string above = l.add("Add", {near, one});
  return l.add("Add", {l.add("Add", {below, no_more(near)}), no_more(above)});
}

std::string softmax(Lowering& l) {
  const std::string x = l.operand(0);
  const std::string log2 = l.number(l.op.attribute("log2"));
  const std::string from_max = l.add("Sub", {x, row_max(l, x)});
  const std::string z = l.clamp(l.add("Neg", {l.add("Div", {from_max, log2})}), 0, 31);
  const std::string p = l.add("Add", {from_max, l.add("Mul", {z, log2})});
  const std::string base = l.plus(p, l.op.attribute("coeff_b"));
  const std::string square = l.add("Mul", {base, base});
  const std::string polynomial = l.plus(l.add("Mul", {square, l.number(l.op.attribute("coeff_a"))}),
                                        l.op.attribute("coeff_c"));
  const std::string e = l.floor_div(polynomial, power(l, z));
  const std::string scaled = l.add("Mul", {e, l.number(l.op.attribute("levels") - 1)});
  return l.add("Div", {scaled, row_sum(l, e)});
}

// clip(x >> shift, lo, hi).
std::string shifted(Lowering& l, const std::string& x) {
  const std::string divisor = l.number(int64_t{1} << l.op.attribute("shift"));
  return l.clamp(l.floor_div(x, divisor), l.op.attribute("lo"), l.op.attribute("hi"));
}

// floor(sqrt(floor(sum of x^2 / length) + 1)) of each row.
std::string deviation(Lowering& l, const std::string& x) {
  const std::string length = l.number(l.op.input(0).shape.back());
  const std::string squares = row_sum(l, l.add("Mul", {x, x}));
  return square_root(l, l.plus(l.add("Div", {squares, length}), 1));
}

std::string rms_norm(Lowering& l) {
  const std::string x = l.operand(0);
  const std::string product = l.add("Mul", {x, l.operand(1)});
  return shifted(l, l.add("Div", {product, deviation(l, x)}));
}

std::string layer_norm(Lowering& l) {
  const std::string length = l.number(l.op.input(0).shape.back());
  const std::string mean = l.add("Div", {row_sum(l, l.operand(0)), length});
  const std::string distance = l.add("Sub", {l.operand(0), mean});
  const std::string product = l.add("Mul", {distance, l.operand(1)});
  const std::string quotient = l.add("Div", {product, deviation(l, distance)});
  return shifted(l, l.add("Add", {quotient, l.operand(2)}));
}

std::string gelu(Lowering& l) {
  const int64_t b = l.op.attribute("b");
  const std::string one = l.number(l.op.attribute("one"));
  const std::string x = l.operand(0);
  const std::string d = l.plus(l.add("Min", {l.add("Abs", {x}), l.number(-b)}), b);
  const std::string erf =
      l.add("Mul", {l.add("Sign", {x}), l.add("Sub", {one, l.add("Mul", {d, d})})});
  return l.add("Mul", {x, l.floor_div(l.add("Add", {one, erf}), l.number(int64_t{2}))});
}

std::string hardswish(Lowering& l) {
  const std::string gate =
      l.clamp(l.plus(l.operand(0), l.op.attribute("three")), 0, l.op.attribute("six"));
  const std::string scaled = l.add("Mul", {gate, l.number(l.op.attribute("one_over_six"))});
  return l.add("Mul", {l.operand(0), scaled});
}

std::string true_div(Lowering& l) {
  const std::string below =
      l.plus(l.add("Mul", {l.operand(1), l.number(l.op.attribute("eta"))}), l.op.attribute("eps"));
  const std::string above = l.number(l.op.attribute("delta") * l.op.attribute("eta"));
  return l.add("Mul", {l.operand(0), l.floor_div(above, below)});
}

std::string ita_max(Lowering& l) {
  const std::string x = l.operand(0);
  const std::string distance = l.add("Sub", {row_max(l, x), x});
  const std::string halvings = l.floor_div(l.plus(distance, 16), l.number(int64_t{32}));
  const std::string divisor = power(l, l.clamp(halvings, 0, 62));
  const std::string sum = row_sum(l, l.add("Div", {l.number(int64_t{256}), divisor}));
  const std::string inverse = l.add("Div", {l.number((l.op.attribute("levels") - 1) * 256), sum});
  return l.add("Div", {inverse, divisor});
}

}  // namespace

std::vector<LoweringEntry> integer_lowerings() {
  return {
      {"i_gelu", gelu},
      {"i_hardswish", hardswish},
      {"i_layer_norm", layer_norm},
      {"i_rms_norm", rms_norm},
      {"i_softmax", softmax},
      {"ita_max", ita_max},
      {"ita_partial_max", nullptr, "its sum runs through groups in sequence, which takes a loop"},
      {"true_div", true_div}};
}

}  // namespace heddle
