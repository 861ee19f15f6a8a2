// The references against a slow evaluation that follows LoopNest alone: both must mean the same
// operator.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "cpu_codegen/runtime/heddle_math.h"
#include "ops/real.h"
#include "unit/ops/helpers.h"

namespace heddle {
namespace {

using test::Random;

int64_t index_of(const DimAccess& access, const std::vector<int64_t>& axes) {
  int64_t index = access.offset;
  for (const AffineTerm& term : access.terms)
    index += term.coefficient * axes[static_cast<size_t>(term.axis)];
  return index;
}

// The flat index, or -1 in the padding. `looked_up`: the element that a gather chose.
int64_t flat_of(const Access& access, const Shape& shape, const std::vector<int64_t>& axes,
                int64_t looked_up = 0) {
  int64_t flat = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    int64_t index = index_of(access[i], axes);
    if (access[i].operand >= 0) index = looked_up < 0 ? looked_up + shape[i] : looked_up;
    if (index < 0 || index >= shape[i]) return -1;
    flat = flat * shape[i] + index;
  }
  return flat;
}

// The next index of the axes [first, end), like an odometer; false after the last.
bool advance(const LoopNest& nest, std::vector<int64_t>& index, size_t first, size_t end) {
  for (size_t i = end; i-- > first;) {
    if (++index[i] < nest.axes[i].extent) return true;
    index[i] = 0;
  }
  return false;
}

// One element of the output: the operands (absent ones are missing) at every index of the reduction
// whose elements lie inside. Integers and floats are both exact in double.
struct Element {
  std::vector<std::vector<double>> inside;
};

// round(x / 2^bits), halves away from zero.
int64_t away_from_zero(__int128 x, int64_t bits) {
  const __int128 half = (static_cast<__int128>(1) << bits) / 2;
  const __int128 magnitude = ((x < 0 ? -x : x) + half) >> bits;
  return static_cast<int64_t>(x < 0 ? -magnitude : magnitude);
}

int64_t evaluate_requant(const OpView& op, const std::vector<double>& v) {
  size_t next = 1;
  const std::string& rounding = op.text("rounding");
  const Range bounds{op.attribute("lo"), op.attribute("hi")};
  const auto clamped = [&](double value) {
    const double moved = value + static_cast<double>(op.attribute("zero_point"));
    return static_cast<int64_t>(std::clamp(moved, static_cast<double>(bounds.lo),
                                           static_cast<double>(bounds.hi)));
  };
  if (rounding == "float") {
    const float x = static_cast<float>(v[0] - static_cast<double>(op.attribute("x_zero_point")));
    const float product = x * static_cast<float>(v[1]);
    return clamped(std::nearbyint(op.has(2) ? product + static_cast<float>(v[2]) : product));
  }
  const int64_t mul = op.has(1) ? static_cast<int64_t>(v[next++]) : 1;
  const int64_t add = op.has(2) ? static_cast<int64_t>(v[next++]) : 0;
  const int64_t shift = op.attribute("shift") + (op.has(3) ? static_cast<int64_t>(v[next]) : 0);
  const __int128 x = static_cast<int64_t>(v[0]);
  if (rounding == "tflite_double") {
    // The high product rounds halves up: gemmlowp's nudge of negative products is one less than half.
    const __int128 product = x * (static_cast<__int128>(1) << std::max<int64_t>(31 - shift, 0)) * mul;
    const __int128 high = (product + (int64_t{1} << 30)) >> 31;
    return clamped(static_cast<double>(away_from_zero(high, std::max<int64_t>(shift - 31, 0))));
  }
  const __int128 half = rounding == "half_up" && shift > 0 ? static_cast<__int128>(1) << (shift - 1) : 0;
  return clamped(static_cast<double>((x * mul + add + half) >> shift));
}

// float32 operators.
float evaluate_real(const OpView& op, const Element& element) {
  const std::string& name = op.node.op;
  const auto& v = element.inside;
  if (name == "mul") return static_cast<float>(v[0][0]) * static_cast<float>(v[0][1]);
  if (in_class(op_of(op.node), "mac")) {
    float sum = 0;
    for (const auto& operands : v)
      sum += static_cast<float>(operands[0]) * static_cast<float>(operands[1]);
    return sum;
  }
  if (name == "dequantize")
    return static_cast<float>(v[0][0] - static_cast<double>(op.attribute("zero_point"))) *
           static_cast<float>(v[0][1]);
  if (name == "sum_pool") {
    float sum = 0;
    for (const auto& operands : v) {
      const double centred = operands[0] - static_cast<double>(op.attribute("x_zero_point"));
      sum += op.is_real() ? static_cast<float>(operands[0])
                          : static_cast<float>(centred) * static_cast<float>(op.real("scale"));
    }
    return sum;
  }
  if (name == "concat" || name == "gather" || name == "slice" || name == "transpose")
    return static_cast<float>(v[0][0]);
  std::vector<float> x;
  for (const auto& operands : v) x.push_back(static_cast<float>(operands[0]));
  const float w = !v.empty() && v[0].size() > 1 ? static_cast<float>(v[0][1]) : 0;
  if (name == "add" || name == "bias_add") return x[0] + w;
  if (name == "relu") return std::max(x[0], 0.0f);
  if (name == "clip")
    return std::clamp(x[0], static_cast<float>(op.real("lo")), static_cast<float>(op.real("hi")));
  if (name == "pad") return x.empty() ? static_cast<float>(op.real("value")) : x[0];
  if (name == "unary") {
    return find_unary(op.text("function"))
        ->reference(x[0], static_cast<float>(op.real("alpha")), static_cast<float>(op.real("beta")));
  }
  const std::string function = name == "binary" || name == "reduce" ? op.text("function")
                               : name == "max_pool"                 ? "max"
                                                                    : "mean";
  if (name == "binary") {
    return function == "div"   ? x[0] / w
           : function == "max" ? std::max(x[0], w)
           : function == "min" ? std::min(x[0], w)
           : function == "pow" ? heddle_pow(x[0], w)
                               : x[0] - w;
  }
  const bool pool = name == "max_pool" || name == "average_pool" || name == "global_average_pool";
  if (pool || name == "reduce") {
    if (function == "max") return *std::max_element(x.begin(), x.end());
    if (function == "min") return *std::min_element(x.begin(), x.end());
    float result = function == "prod" ? 1 : 0;
    for (float value : x) result = function == "prod" ? result * value : result + value;
    const bool whole = name == "average_pool" && op.attribute("count_include_pad") != 0;
    const int64_t count = whole ? op.attribute("kernel_h") * op.attribute("kernel_w") : std::ssize(x);
    return function == "mean" ? result / static_cast<float>(count) : result;
  }
  ADD_FAILURE() << "no slow evaluation for float32 " << name;
  return 0;
}

int64_t evaluate_quantize(const OpView& op, float x, float scale) {
  const float real = x / scale;
  const std::string& rounding = op.text("rounding");
  const float rounded = rounding == "half_even"   ? std::nearbyint(real)
                        : rounding == "half_away" ? std::round(real)
                        : rounding == "floor"     ? std::floor(real)
                        : rounding == "ceil"      ? std::ceil(real)
                                                  : std::trunc(real);
  return std::clamp(static_cast<int64_t>(rounded) + op.attribute("zero_point"), op.attribute("lo"),
                    op.attribute("hi"));
}

// Exact quotients instead of shifts: halves up at 2^31, away from zero at the shift.
int64_t evaluate_tflite_add(const OpView& op, int64_t x, int64_t residual) {
  const auto rescaled = [&](__int128 value, const std::string& prefix) {
    const __int128 high =
        (value * op.attribute(prefix + "mul") + (static_cast<__int128>(1) << 30)) >> 31;
    return away_from_zero(high, op.attribute(prefix + "shift"));
  };
  const int64_t scale = int64_t{1} << op.attribute("left_shift");
  const int64_t a = rescaled((x - op.attribute("x_zero_point")) * scale, "x_");
  const int64_t b = rescaled((residual - op.attribute("residual_zero_point")) * scale, "residual_");
  return std::clamp(rescaled(op.attribute("subtract") == 1 ? a - b : a + b, "") +
                        op.attribute("zero_point"),
                    op.attribute("lo"), op.attribute("hi"));
}

int64_t evaluate_qadd(const OpView& op, const std::vector<double>& v) {
  const auto term = [&](double value, const std::string& prefix) {
    const double centred = value - static_cast<double>(op.attribute(prefix + "_zero_point"));
    return static_cast<float>(centred) * static_cast<float>(op.real(prefix + "_scale"));
  };
  const float sum = term(v[0], "x") + term(v[1], "residual");
  const float rounded = std::nearbyint(sum / static_cast<float>(op.real("scale")));
  return std::clamp(static_cast<int64_t>(rounded) + op.attribute("zero_point"), op.attribute("lo"),
                    op.attribute("hi"));
}

int64_t evaluate(const OpView& op, const Element& element) {
  const std::string& name = op.node.op;
  if (name == "qadd") return evaluate_qadd(op, element.inside[0]);
  if (name == "requant") return evaluate_requant(op, element.inside[0]);
  if (name == "quantize")
    return evaluate_quantize(op, static_cast<float>(element.inside[0][0]),
                             static_cast<float>(element.inside[0][1]));
  std::vector<std::vector<int64_t>> v;
  for (const std::vector<double>& operands : element.inside)
    v.emplace_back(operands.begin(), operands.end());
  if (in_class(op_of(op.node), "mac")) {
    const int64_t x_zero = op.attribute("x_zero_point");
    const int64_t w_zero = name == "matmul" ? op.attribute("w_zero_point") : 0;
    int64_t sum = 0;
    for (const auto& operands : v) sum += (operands[0] - x_zero) * (operands[1] - w_zero);
    return sum;
  }
  if (name == "max_pool") {
    int64_t most = INT64_MIN;
    for (const auto& operands : v) most = std::max(most, operands[0]);
    return most;
  }
  if (name == "average_pool" || name == "global_average_pool" || name == "mean") {
    int64_t sum = 0;
    for (const auto& operands : v) sum += operands[0];
    int64_t count = static_cast<int64_t>(v.size());
    if (name == "average_pool" && op.attribute("count_include_pad") == 1)
      count = op.attribute("kernel_h") * op.attribute("kernel_w");
    if (name == "average_pool" && op.text("rounding") == "half_away")
      return std::lround(static_cast<double>(sum) / static_cast<double>(count));
    return floor_div(2 * sum + count, 2 * count);
  }
  if (name == "tflite_add") return evaluate_tflite_add(op, v[0][0], v[0][1]);
  if (name == "concat" || name == "gather" || name == "slice" || name == "transpose") return v[0][0];
  if (name == "lookup") return op.constant(1)->at(v[0][0] - op.attribute("first"));
  if (name == "sum_pool") {
    int64_t sum = 0;
    for (const auto& operands : v) sum += operands[0] - op.attribute("x_zero_point");
    return sum;
  }
  if (name == "pad") return v.empty() ? op.attribute("value") : v[0][0];
  if (name == "bias_add" || name == "add") return v[0][0] + v[0][1];
  if (name == "mul") {
    return (v[0][0] - op.attribute("x_zero_point")) * (v[0][1] - op.attribute("w_zero_point"));
  }
  if (name == "true_div") {
    const int64_t eta = op.attribute("eta");
    return v[0][0] * (op.attribute("delta") * eta / (eta * v[0][1] + op.attribute("eps")));
  }
  if (name == "i_hardswish") {
    const int64_t gate = std::clamp<int64_t>(v[0][0] + op.attribute("three"), 0, op.attribute("six"));
    return v[0][0] * gate * op.attribute("one_over_six");
  }
  if (name == "i_gelu") {
    const int64_t one = op.attribute("one"), b = op.attribute("b"), x = v[0][0];
    const int64_t d = std::min(std::abs(x), -b) + b;
    return x * floor_div(x < 0 ? d * d : 2 * one - d * d, 2);
  }
  if (name == "relu") return std::max<int64_t>(0, v[0][0]);
  if (name == "clip") return std::clamp(v[0][0], op.attribute("lo"), op.attribute("hi"));
  ADD_FAILURE() << "no slow evaluation for " << name;
  return 0;
}

double number_at(const Tensor& tensor, int64_t flat) {
  return tensor.dtype() == DType::float32 ? static_cast<double>(tensor.float_at(flat))
                                          : static_cast<double>(tensor.at(flat));
}

Tensor evaluate_by_loops(const Graph& graph, const std::vector<Tensor>& tensors) {
  const OpView op = test::view_of(graph);
  const LoopNest nest = op_of(op.node).loops(op);
  const bool parts = op_of(op.node).c_body(op).parts;  // y is put together from its operands
  const bool gathers = op.node.op == "gather";
  const auto value_of = [&](size_t i) -> const Tensor& {
    return tensors[static_cast<size_t>(op.node.inputs[i].index)];
  };
  size_t parallel = 0;
  while (parallel < nest.axes.size() && !nest.axes[parallel].reduction) ++parallel;
  for (size_t i = parallel; i < nest.axes.size(); ++i) EXPECT_TRUE(nest.axes[i].reduction);
  EXPECT_EQ(nest.inputs.size(), op.node.inputs.size());
  EXPECT_EQ(nest.output.size(), op.output().shape.size());
  Tensor y(op.output().dtype, op.output().shape);
  std::vector<int> written(static_cast<size_t>(y.elements()), 0);
  std::vector<int64_t> index(nest.axes.size(), 0);
  do {
    Element element;
    do {
      std::vector<double> operands;
      bool inside = true;
      for (size_t i = 0; i < op.node.inputs.size(); ++i) {
        if (!op.has(i)) continue;
        const int64_t looked_up =
            gathers ? value_of(1).at(flat_of(nest.inputs[1], op.input(1).shape, index)) : 0;
        const int64_t flat = flat_of(nest.inputs[i], op.input(i).shape, index, looked_up);
        if (parts && flat < 0) continue;
        inside = inside && flat >= 0;
        operands.push_back(flat < 0 ? 0 : number_at(value_of(i), flat));
      }
      if (parts) { EXPECT_EQ(operands.size(), 1u); }
      if (inside) element.inside.push_back(operands);
    } while (advance(nest, index, parallel, nest.axes.size()));
    const int64_t flat = flat_of(nest.output, op.output().shape, index);
    EXPECT_GE(flat, 0);
    if (y.dtype() == DType::float32) {
      y.set_float(flat, evaluate_real(op, element));
    } else {
      y.set(flat, evaluate(op, element));
    }
    ++written[static_cast<size_t>(flat)];
  } while (advance(nest, index, 0, parallel));
  for (int times : written) EXPECT_EQ(times, 1);
  return y;
}

// Whether single elements have a meaning of their own: not those of a reshape or of a row.
bool has_loops(const OpView& op) {
  return op.node.op != "flatten" && op.node.op != "reshape" && op_of(op.node).c_body(op).block.empty();
}

TEST(Loops, EveryOperatorHasARandomGraph) {
  for (const OpDef* op : all_ops()) {
    EXPECT_TRUE(test::can_make(std::string(op->name)))
        << op->name << ": add a maker to tests/unit/ops/helpers.cc";
  }
}

// Also: interpret() checks that every element lies in the proven range.
TEST(Loops, SayTheSameAsTheReference) {
  Random random(1);
  for (const OpDef* op : all_ops()) {
    for (int i = 0; i < 120; ++i) {
      const Graph graph = test::random_graph(random, std::string(op->name));
      ASSERT_TRUE(verify_graph(graph).ok()) << format_diagnostics(verify_graph(graph).errors());
      const Result<std::vector<Tensor>> tensors =
          interpret(graph, test::random_inputs(random, graph));
      ASSERT_TRUE(tensors.ok()) << format_diagnostics(tensors.errors());
      if (!has_loops(test::view_of(graph))) continue;
      ASSERT_EQ(evaluate_by_loops(graph, *tensors), tensors->back()) << dump(graph);
    }
  }
}

TEST(Loops, NamesAreDeclaredAndMacsCounted) {
  Random random(2);
  for (const OpDef* op : all_ops()) {
    for (int i = 0; i < 20; ++i) {
      const Graph graph = test::random_graph(random, std::string(op->name));
      const LoopNest nest = op->loops(test::view_of(graph));
      int64_t points = 1;
      for (const Axis& axis : nest.axes) {
        EXPECT_NE(std::find(op->axes.begin(), op->axes.end(), axis.name), op->axes.end())
            << op->name << " " << axis.name;
        points *= axis.extent;
      }
      EXPECT_EQ(nest.macs, in_class(*op, "mac") ? points : 0) << op->name;
    }
  }
}

TEST(Loops, ProvenRangesAreReachedByConstantInputs) {
  // All weights positive: the extremes of x give the extremes of y, so the proof is tight.
  const Graph graph =
      test::inferred(test::graph_of("conv2d", test::conv_group(),
                                    {test::activation({1, 2, 3, 3}, {-128, 127}),
                                     test::constant({1, 2, 3, 3}, std::vector<int64_t>(18, 3))}));
  EXPECT_EQ(test::view_of(graph).output().range, (Range{-128 * 54, 127 * 54}));
}

TEST(Touched, EqualsBruteForce) {
  Random random(3);
  for (int i = 0; i < 3000; ++i) {
    DimAccess access;
    access.offset = random.between(-6, 6);
    for (int axis = 0; axis < 3; ++axis) {
      if (random.coin()) access.terms.push_back({axis, random.between(-3, 3)});
    }
    std::vector<Interval> axes;
    for (int axis = 0; axis < 3; ++axis) {
      const int64_t begin = random.between(0, 4);
      axes.push_back({begin, begin + random.between(1, 4)});
    }
    const int64_t extent = random.between(1, 12);
    int64_t least = INT64_MAX, greatest = INT64_MIN;
    std::vector<int64_t> index(3);
    for (index[0] = axes[0].begin; index[0] < axes[0].end; ++index[0]) {
      for (index[1] = axes[1].begin; index[1] < axes[1].end; ++index[1]) {
        for (index[2] = axes[2].begin; index[2] < axes[2].end; ++index[2]) {
          least = std::min(least, index_of(access, index));
          greatest = std::max(greatest, index_of(access, index));
        }
      }
    }
    const ClippedInterval box = touched(access, axes, extent);
    EXPECT_EQ(box.before, std::max<int64_t>(0, -least));
    EXPECT_EQ(box.after, std::max<int64_t>(0, greatest + 1 - extent));
    if (greatest < 0 || least >= extent) {
      EXPECT_EQ(box.size(), 0);
    } else {
      EXPECT_EQ(box.begin, std::max<int64_t>(0, least));
      EXPECT_EQ(box.end, std::min(extent, greatest + 1));
    }
  }
  const std::vector<Interval> empty{{2, 2}};
  EXPECT_THROW(touched({{{0, 1}}, 0}, empty, 5), InternalError);
}

}  // namespace
}  // namespace heddle
