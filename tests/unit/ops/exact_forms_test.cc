// C bodies that compute in a narrower way than they are defined, held against their definitions
// where a wrong number would show: all pairs of 8-bit values, the ends of int32, both sides of
// every step.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <set>

#include "base/files.h"
#include "base/process.h"
#include "ops/check.h"
#include "ops/sum_form.h"
#include "unit/ops/helpers.h"

namespace heddle {
namespace {

using test::activation;
using test::constant;
using test::graph_of;
using test::Random;

// Functions int32_t case_N(int32_t value, int32_t other, int32_t k), each called for its arguments;
// the program prints what they give.
struct Program {
  std::string functions, calls, expected;
  int cases = 0;

  // `holes`: how the body reads its operands, with `other` and `k`.
  void add(const CBody& body, const std::string& tables,
           const std::map<std::string, std::string>& holes) {
    std::map<std::string, std::string> all = holes;
    all["value"] = "value";
    functions += fmt::format(
        "{}static int32_t case_{}(int32_t value, int32_t other, int32_t k) {{\n(void)other;\n"
        "(void)k;\n{}\nreturn value;\n}}\n",
        tables, cases++, test::fill_holes(body.map, all));
  }

  // "" if the program printed what was expected.
  std::string run() const {
    const TemporaryFolder folder;
    std::ofstream(folder.path() / "forms.c")
        << "#include <stdint.h>\n#include <stdio.h>\n#include \"heddle_math.h\"\n"
        << functions << "int main(void) {\n"
        << calls << "  return 0;\n}\n";
    const Result<ProcessOutcome> compiled =
        run_process({"cc", "-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror",
                     "-fsanitize=undefined", "-fno-sanitize-recover=all", "-ffp-contract=off",
                     "-I" HEDDLE_SOURCE_DIR "/cpu_codegen/runtime", "-o", "forms", "forms.c",
                     HEDDLE_SOURCE_DIR "/cpu_codegen/runtime/heddle_math.c"},
                    folder.path());
    if (!compiled.ok() || compiled->exit_status != 0)
      return compiled.ok() ? compiled->err : test::errors_of(compiled);
    const Result<ProcessOutcome> ran = run_process({"./forms"}, folder.path());
    if (!ran.ok() || ran->exit_status != 0) return ran.ok() ? ran->err : test::errors_of(ran);
    if (ran->out == expected) return "";
    size_t at = 0;
    while (at < ran->out.size() && at < expected.size() && ran->out[at] == expected[at]) ++at;
    const size_t line = expected.rfind('\n', at) + 1;
    return fmt::format("want {}\nhave {}", expected.substr(line, 300), ran->out.substr(line, 300));
  }
};

std::string literals(const std::vector<int64_t>& values) {
  std::string text;
  for (int64_t value : values) text += c_literal(value) + ",";
  return text;
}

// The last x before each step of y = (x * m) >> s, and the ends of the range.
std::vector<int64_t> telling(Random& r, const Range& range, int64_t m, int64_t s) {
  std::set<int64_t> values{range.lo, range.hi, 0, 1, -1};
  const double step = std::ldexp(1.0, static_cast<int>(s)) / static_cast<double>(m == 0 ? 1 : m);
  for (int i = 0; i < 24; ++i) {
    const double at = (static_cast<double>(r.between(-300, 300)) + (r.coin() ? 0.5 : 0)) * step;
    if (std::abs(at) > 2e9) continue;
    for (int64_t d = -1; d <= 1; ++d) values.insert(std::llround(at) + d);
  }
  for (int i = 0; i < 8; ++i) values.insert(r.between(range.lo, range.hi));
  std::vector<int64_t> inside;
  for (int64_t value : values) {
    if (range.contains({value, value})) inside.push_back(value);
  }
  return inside;
}

void add_requant(Program& program, Random& r) {
  constexpr int64_t kChannels = 3;
  const char* const roundings[] = {"half_up", "floor", "tflite_double"};
  const std::string rounding = roundings[r.between(0, 2)];
  const bool vary = r.coin();
  const Range ranges[] = {
      {INT32_MIN, INT32_MAX}, {-40000, 50000}, {-3000000, 2500000}, {0, 100000}, {INT32_MIN, 0}};
  const Range range = ranges[r.between(0, 4)];
  const int64_t shift = rounding == "tflite_double" ? r.between(24, 40) : r.between(31, 40);
  std::vector<int64_t> mul, shifts;
  for (int64_t k = 0; k < kChannels; ++k) {
    mul.push_back(r.between(0, 5) == 0   ? 0
                  : r.between(0, 9) == 0 ? INT32_MIN
                  : r.coin()             ? r.between(1 << 30, INT32_MAX)
                                         : r.between(-INT32_MAX, INT32_MAX));
    shifts.push_back(vary ? r.between(0, r.coin() ? 3 : 22) : 0);
  }
  std::vector<int64_t> x;
  for (int64_t k = 0; k < kChannels; ++k) {
    std::vector<int64_t> more =
        telling(r, range, mul[static_cast<size_t>(k)], shift + shifts[static_cast<size_t>(k)]);
    more.resize(64, range.hi);
    x.insert(x.end(), more.begin(), more.end());
  }
  const int64_t zero_points[] = {0, -128, 127, 4, -65536, 65536};
  const Range bounds[] = {{-128, 127}, {0, 255}, {INT32_MIN, INT32_MAX}, {-300, 70000}};
  const Range bound = bounds[r.between(0, 3)];
  Attributes attributes = test::requant(rounding, shift, bound.lo, bound.hi);
  attributes["zero_point"] = zero_points[r.between(0, 5)];
  attributes["axis"] = int64_t{0};
  const Graph given =
      graph_of("requant", attributes,
               {activation({kChannels, 64}, range), constant({kChannels}, mul), test::absent(),
                vary ? constant({kChannels}, shifts) : test::absent()});
  if (!test::infer(given).ok()) return;
  const Graph graph = test::inferred(given);
  const Result<std::vector<Tensor>> values = interpret(
      graph, std::vector{Tensor::of(graph.value(graph.inputs[0]).type.dtype, {kChannels, 64}, x)});
  ASSERT_TRUE(values.ok()) << test::errors_of(values);
  const int number = program.cases;
  program.add(
      op_of(graph.nodes[0]).c_body(test::view_of(graph)),
      fmt::format("static const int32_t m_{0}[] = {{{1}}};\nstatic const int8_t s_{0}[] = "
                  "{{{2}}};\nstatic const int32_t x_{0}[] = {{{3}}};\n",
                  number, literals(mul), literals(shifts), literals(x)),
      {{"mul", fmt::format("m_{}[k]", number)}, {"shifts", fmt::format("s_{}[k]", number)}});
  program.calls += fmt::format(
      "  (void)m_{0}; (void)s_{0};\n  for (int i = 0; i < {1}; ++i) printf(\"%ld \", (long)case_{0}"
      "(x_{0}[i], 0, i / 64));\n  printf(\"\\n\");\n",
      number, x.size());
  for (const int64_t y : values->back().to_ints()) program.expected += fmt::format("{} ", y);
  program.expected += "\n";
}

TEST(ExactForms, RequantAtEveryStep) {
  Random random(11);
  Program program;
  for (int i = 0; i < 400; ++i) add_requant(program, random);
  EXPECT_GT(program.cases, 150);
  EXPECT_NE(program.functions.find(">> 32)"), std::string::npos);
  EXPECT_EQ(program.run(), "");
}

// ONNX's rounding: halves to even, of a product that float32 has rounded.
void add_real(Program& program, Random& r) {
  constexpr int64_t kChannels = 3, kCount = 120;
  const Range ranges[] = {
      {INT32_MIN, INT32_MAX}, {-140000, 150000}, {-33000000, 30000000}, {0, 65025}, {-128, 127}};
  const Range range = ranges[r.between(0, 4)];
  std::vector<float> mul;
  std::vector<int64_t> x;
  const int64_t exponent = r.between(-26, 0);
  for (int64_t k = 0; k < kChannels; ++k) {
    const bool round = r.between(0, 3) == 0;  // of a power of two: every second step is a tie
    float scale = round ? 1.0f : static_cast<float>(r.between(1 << 23, 1 << 24)) / (1 << 23);
    scale = std::ldexp(scale, static_cast<int>(exponent - r.between(0, r.coin() ? 2 : 40)));
    mul.push_back(r.between(0, 9) == 0 ? -scale : scale);
    // Around every half.
    std::set<int64_t> values{range.lo, range.hi};
    for (int i = 0; i < 38; ++i) {
      const double half = static_cast<double>(r.between(-280, 280)) + 0.5;
      const double at = half / static_cast<double>(mul.back());
      for (int d = -1; d <= 1; ++d) {
        if (std::abs(at) < 2147483000.0) values.insert(std::llround(at) + d);
      }
    }
    std::vector<int64_t> inside;
    for (int64_t value : values) {
      if (range.contains({value, value})) inside.push_back(value);
    }
    while (std::ssize(inside) < kCount) inside.push_back(r.between(range.lo, range.hi));
    inside.resize(kCount);
    x.insert(x.end(), inside.begin(), inside.end());
  }
  const Range bounds[] = {{-128, 127}, {0, 255}, {-32768, 32767}, {-7, 7}};
  const Range bound = bounds[r.between(0, 3)];
  Attributes attributes = test::requant("float", 0, bound.lo, bound.hi);
  attributes["zero_point"] = r.coin() ? r.between(bound.lo, bound.hi) : int64_t{0};
  attributes["x_zero_point"] = r.between(0, 3) == 0 ? r.between(-128, 127) : int64_t{0};
  attributes["axis"] = int64_t{0};
  const bool one = r.between(0, 3) == 0;
  const Graph given =
      graph_of("requant", attributes,
               {activation({kChannels, kCount}, range),
                one ? test::real_constant({1}, {mul[0]}) : test::real_constant({kChannels}, mul)});
  if (!test::infer(given).ok()) return;
  const Graph graph = test::inferred(given);
  const Result<std::vector<Tensor>> values = interpret(
      graph,
      std::vector{Tensor::of(graph.value(graph.inputs[0]).type.dtype, {kChannels, kCount}, x)});
  ASSERT_TRUE(values.ok()) << test::errors_of(values);
  const int number = program.cases;
  std::string scales;
  for (float scale : mul) scales += c_literal(scale) + ",";
  program.add(op_of(graph.nodes[0]).c_body(test::view_of(graph)),
              fmt::format("static const float m_{0}[] = {{{1}}};\nstatic const int32_t x_{0}[] = "
                          "{{{2}}};\n",
                          number, scales, literals(x)),
              {{"mul", fmt::format("m_{}[k]", number)}});
  program.calls += fmt::format(
      "  (void)m_{0};\n  for (int i = 0; i < {1}; ++i) printf(\"%ld \", (long)case_{0}(x_{0}[i], "
      "0, i "
      "/ {2}));\n  printf(\"\\n\");\n",
      number, x.size(), kCount);
  for (const int64_t y : values->back().to_ints()) program.expected += fmt::format("{} ", y);
  program.expected += "\n";
}

TEST(ExactForms, FloatRequantAroundEveryHalf) {
  Random random(13);
  Program program;
  for (int i = 0; i < 300; ++i) add_real(program, random);
  EXPECT_GT(program.cases, 200);
  size_t fixed = 0, at = 0;
  while ((at = program.functions.find("row_high = ", at) + 1) != 0) ++fixed;
  EXPECT_GT(fixed, 120u);
  EXPECT_EQ(program.run(), "");
}

// Every pair of values of two 8-bit types.
void add_sum(Program& program, const Graph& given) {
  const Graph graph = test::inferred(given);
  const auto all = [&](size_t i, Shape shape) {
    const TensorType& type = graph.value(graph.inputs[i]).type;
    std::vector<int64_t> values;
    for (int64_t v = type.range.lo; v <= type.range.hi; ++v) values.push_back(v);
    return Tensor::of(type.dtype, std::move(shape), values);
  };
  const Result<std::vector<Tensor>> values =
      interpret(graph, std::vector{all(0, {256, 1}), all(1, {1, 256})});
  ASSERT_TRUE(values.ok()) << test::errors_of(values);
  const int number = program.cases;
  program.add(op_of(graph.nodes[0]).c_body(test::view_of(graph)), "", {{"residual", "other"}});
  const Range x = graph.value(graph.inputs[0]).type.range;
  const Range residual = graph.value(graph.inputs[1]).type.range;
  program.calls += fmt::format(
      "  for (int x = {}; x <= {}; ++x) for (int r = {}; r <= {}; ++r) putchar('A' + "
      "((int)case_{}(x, r, 0) & 15));\n  printf(\"\\n\");\n",
      x.lo, x.hi, residual.lo, residual.hi, number);
  for (const int64_t y : values->back().to_ints())
    program.expected += static_cast<char>('A' + (y & 15));
  program.expected += "\n";
}

TEST(ExactForms, SumsOfAllPairsOfBytes) {
  Random random(12);
  Program program;
  int brief = 0;
  for (int i = 0; i < 40; ++i) {
    const Range range = random.coin() ? Range{-128, 127} : Range{0, 255};
    const std::vector<Value> operands{activation({256, 1}, range), activation({1, 256}, range)};
    const auto mul = [&] {
      return random.between(0, 4) == 0 ? int64_t{1} << 30 : random.between(1 << 30, INT32_MAX);
    };
    Graph graph = graph_of("tflite_add",
                           {{"left_shift", int64_t{20}},
                            {"x_zero_point", random.between(range.lo, range.hi)},
                            {"x_mul", mul()},
                            {"x_shift", random.between(0, 3)},
                            {"residual_zero_point", random.between(range.lo, range.hi)},
                            {"residual_mul", mul()},
                            {"residual_shift", random.between(0, 3)},
                            {"subtract", random.between(0, 1)},
                            {"mul", mul()},
                            {"shift", random.between(17, 20)},
                            {"zero_point", random.between(-128, 127)},
                            {"lo", int64_t{-128}},
                            {"hi", int64_t{127}}},
                           operands);
    if (i % 4 == 0) {
      const auto scale = [&] { return static_cast<double>(random.between(100, 900)) / 8192; };
      graph = graph_of("qadd",
                       {{"x_scale", scale()},
                        {"residual_scale", scale()},
                        {"scale", scale()},
                        {"x_zero_point", random.between(range.lo, range.hi)},
                        {"residual_zero_point", random.between(range.lo, range.hi)},
                        {"zero_point", random.between(-128, 127)},
                        {"lo", int64_t{-128}},
                        {"hi", int64_t{127}}},
                       operands);
    }
    add_sum(program, graph);
    const Graph known = test::inferred(graph);
    const CBody body = op_of(known.nodes[0]).c_body(test::view_of(known));
    brief += body.map.starts_with("$value = (") ? 1 : 0;
  }
  EXPECT_GT(brief, 25);  // of 40; ties of round scales have no such form
  EXPECT_EQ(program.run(), "");
}

// What cannot be tried out is left alone, and so is what no such sum gives.
TEST(ExactForms, SumsThatHaveNone) {
  const auto sum = [](Range range, int64_t (*y)(int64_t, int64_t)) {
    return c_small_sum({.x = range,
                        .residual = range,
                        .bounds = {-128, 127},
                        .x_slope = 0.5,
                        .residual_slope = 0.5,
                        .y = y});
  };
  const auto half = [](int64_t x, int64_t r) { return (x + r) >> 1; };
  EXPECT_TRUE(sum({-128, 127}, half).has_value());
  EXPECT_FALSE(sum({-32768, 32767}, half).has_value());
  EXPECT_FALSE(sum({INT32_MIN, INT32_MAX}, half).has_value());
  // A little more than 1/2 rounds halves away from zero; nothing linear rounds them to even.
  EXPECT_TRUE(sum({-128, 127}, [](int64_t x, int64_t r) {
                return (x + r + (x + r > 0 ? 1 : x + r < 0 ? -1 : 0)) / 2;
              }).has_value());
  EXPECT_FALSE(sum({-128, 127}, [](int64_t x, int64_t r) {
                 return ((x + r) >> 1) + (((x + r) & 3) == 3 ? 1 : 0);
               }).has_value());
  EXPECT_FALSE(sum({-128, 127}, [](int64_t, int64_t) { return int64_t{127}; }).has_value());
}

}  // namespace
}  // namespace heddle
