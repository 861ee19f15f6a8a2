// Every operator's C body, in the plainest loop nest, compiled with all warnings and run under
// UBSan: the values are those of the reference.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "base/files.h"
#include "base/process.h"
#include "ops/check.h"
#include "unit/ops/helpers.h"

namespace heddle {
namespace {

using test::fill_holes;
using test::Random;

struct Emitter {
  OpView op;
  LoopNest nest;
  std::string prefix;  // of this case's arrays

  std::string array(size_t input) const { return fmt::format("{}_{}", prefix, input); }
  std::string result() const { return prefix + "_y"; }

  std::string index(const DimAccess& access) const {
    std::string text = fmt::format("({}", access.offset);
    for (const AffineTerm& term : access.terms) {
      text += fmt::format(" + ({}) * {}", term.coefficient,
                          nest.axes[static_cast<size_t>(term.axis)].name);
    }
    return text + ")";
  }

  std::string flat(const Access& access, const Shape& shape) const {
    std::string text = "0";
    for (size_t i = 0; i < shape.size(); ++i) {
      std::string at = index(access[i]);
      if (access[i].operand >= 0) {  // an element, counted from the end where it is negative
        const size_t operand = static_cast<size_t>(access[i].operand);
        at = fmt::format("({}[{}] + {}) % {}", array(operand),
                         flat(nest.inputs[operand], op.input(operand).shape), shape[i], shape[i]);
      }
      text = fmt::format("({}) * {} + {}", text, shape[i], at);
    }
    return text;
  }

  // Whether the element of this operand lies inside it.
  std::string inside(size_t i) const {
    std::string text = "1";
    for (size_t d = 0; d < nest.inputs[i].size(); ++d) {
      const std::string at = index(nest.inputs[i][d]);
      text += fmt::format(" && {} >= 0 && {} < {}", at, at, op.input(i).shape[d]);
    }
    return text;
  }

  std::string inside() const {
    std::string text = "1";
    for (size_t i = 0; i < nest.inputs.size(); ++i) {
      if (op.has(i)) text += " && " + inside(i);
    }
    return text;
  }

  std::string loops(bool reduction, const std::string& body) const {
    std::string text = body;
    for (size_t i = nest.axes.size(); i-- > 0;) {
      const Axis& axis = nest.axes[i];
      if (axis.reduction != reduction) continue;
      text = fmt::format("for (int32_t {0} = 0; {0} < {1}; ++{0}) {{\n{2}}}\n", axis.name,
                         axis.extent, text);
    }
    return text;
  }

  std::map<std::string, std::string> holes() const {
    std::map<std::string, std::string> result{
        {"acc", "acc"}, {"value", "value"}, {"count", "count"}, {"result", "result"}};
    const OpDef& def = op_of(op.node);
    for (size_t i = 0; i < nest.inputs.size(); ++i) {
      if (!op.has(i) || i >= def.operands.size()) continue;
      result[std::string(def.operands[i].name)] =
          def.operands[i].whole
              ? array(i)
              : fmt::format("{}[{}]", array(i), flat(nest.inputs[i], op.input(i).shape));
    }
    return result;
  }

  std::string store(const std::string& value) const {
    return fmt::format("{}[{}] = ({})({});\n", result(), flat(nest.output, op.output().shape),
                       c_name_of(op.output().dtype), value);
  }

  std::string function() {
    const CBody body = op_of(op.node).c_body(op);
    const auto filled = [&](const std::string& text) { return fill_holes(text, holes()) + "\n"; };
    if (!body.accumulator.empty()) {
      std::string text = fmt::format("{} acc;\n{}", body.accumulator, filled(body.init));
      if (body.result.find("$count") != std::string::npos) {
        text += "int32_t count = 0;\n" + loops(true, fmt::format("if ({}) ++count;\n", inside()));
      }
      text += loops(true, fmt::format("if ({}) {{\n{}}}\n", inside(), filled(body.update)));
      return loops(false, text + store(filled(body.result)));
    }
    if (!body.map.empty()) {
      const std::string type = op.is_real() ? "float" : "int32_t";
      const std::string result =
          body.result_type.empty() ? "" : fmt::format("{} result;\n", body.result_type);
      return loops(false, fmt::format("{0} value = ({0}){1};\n{2}{3}", type, filled("$x"), result,
                                      filled(body.map)) +
                              store(result.empty() ? "value" : "result"));
    }
    if (!body.block.empty()) {
      const int64_t row = nest.axes.back().extent;
      LoopNest rows = nest;
      rows.axes[rows.axes.size() - 2].extent =
          1;  // the last parallel axis: the block does whole rows
      std::swap(rows, nest);
      const std::string start = flat(nest.output, op.output().shape);
      std::map<std::string, std::string> starts = {
          {"x", fmt::format("({} + {})", array(0), start)},
          {"y", fmt::format("({} + {})", result(), start)}};
      for (size_t i = 1; i < op.node.inputs.size(); ++i)  // one row for all
        starts[std::string(op_of(op.node).operands[i].name)] = array(i);
      const std::string text = fill_holes(body.block, starts);
      EXPECT_EQ(row, op.output().shape.back());
      return loops(false, text + "\n");
    }
    if (body.parts) {
      std::string text;
      for (size_t i = 0; i < nest.inputs.size(); ++i) {
        const std::string x =
            fmt::format("{}[{}]", array(i), flat(nest.inputs[i], op.input(i).shape));
        text += fmt::format("if ({}) {}", inside(i), store(fill_holes(body.result, {{"x", x}})));
      }
      return loops(false, text);
    }
    if (!body.result.empty()) return loops(false, store(filled(body.result)));
    return fmt::format("for (int32_t i = 0; i < {}; ++i) {}[i] = {}[i];\n",
                       elements_of(op.output().shape), result(), array(0));
  }
};

std::string literals(const Tensor& tensor) {
  std::string text;
  if (tensor.dtype() == DType::float32) {
    for (float value : tensor.to_floats()) text += fmt::format("{}, ", c_literal(value));
    return text;
  }
  for (int64_t value : tensor.to_ints())
    text += value == INT32_MIN ? "-2147483647 - 1, " : fmt::format("{}, ", value);
  return text;
}

struct Case {
  std::string declarations;
  std::string code;
  std::string expected;
};

Case make_case(Random& random, const std::string& name, size_t number) {
  const Graph graph = test::random_graph(random, name);
  const OpView op = test::view_of(graph);
  const Result<std::vector<Tensor>> tensors = interpret(graph, test::random_inputs(random, graph));
  EXPECT_TRUE(tensors.ok()) << test::errors_of(tensors);
  Emitter emitter{op, op_of(op.node).loops(op), fmt::format("t{}", number)};
  Case result;
  const std::string function = emitter.function();
  for (size_t i = 0; i < op.node.inputs.size(); ++i) {
    // Constants of one element are literals in the body.
    if (!op.has(i) || function.find(emitter.array(i)) == std::string::npos) continue;
    const Tensor& tensor = (*tensors)[static_cast<size_t>(op.node.inputs[i].index)];
    result.declarations +=
        fmt::format("static const {} {}[] = {{{}}};\n", c_name_of(tensor.dtype()), emitter.array(i),
                    literals(tensor));
  }
  const Tensor& y = tensors->back();
  const bool real = y.dtype() == DType::float32;
  result.declarations +=
      fmt::format("static {} {}[{}];\n", c_name_of(y.dtype()), emitter.result(), y.elements());
  result.code =
      fmt::format("/* {} */\n{{\n{}}}\nprintf(\"{}:\");\n", name, function, number) +
      fmt::format("for (int32_t i = 0; i < {}; ++i) printf(\" {}\", ({}){}[i]);\nprintf(\"\\n\");\n",
                  y.elements(), real ? "%.9g" : "%ld", real ? "double" : "long",
                  emitter.result());
  result.expected = fmt::format("{}:", number);
  for (int64_t i = 0; i < y.elements(); ++i) {
    result.expected += real ? fmt::format(" {:.9g}", static_cast<double>(y.float_at(i)))
                            : fmt::format(" {}", y.at(i));
  }
  result.expected += "\n";
  return result;
}

ProcessOutcome run(const std::vector<std::string>& argv, const TemporaryFolder& folder) {
  const Result<ProcessOutcome> outcome = run_process(argv, folder.path());
  EXPECT_TRUE(outcome.ok()) << test::errors_of(outcome);
  return outcome.ok() ? *outcome : ProcessOutcome{};
}

TEST(CBody, SaysTheSameAsTheReference) {
  Random random(4);
  std::string program = "#include <stdint.h>\n#include <stdio.h>\n#include \"heddle_math.h\"\n";
  std::string functions, calls, expected;
  size_t number = 0;
  for (const OpDef* op : all_ops()) {
    const int times = op->name == "requant" ? 60 : in_class(*op, "view") ? 2 : 12;
    for (int i = 0; i < times; ++i, ++number) {
      const Case one = make_case(random, std::string(op->name), number);
      functions +=
          fmt::format("{}static void case_{}(void) {{\n{}}}\n", one.declarations, number, one.code);
      calls += fmt::format("case_{}();\n", number);
      expected += one.expected;
    }
  }
  program += fmt::format("{}int main(void) {{\n{}return 0;\n}}\n", functions, calls);
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "bodies.c") << program;
  const ProcessOutcome compiled =
      run({"cc", "-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror",
           "-fsanitize=undefined", "-fno-sanitize-recover=all", "-ffp-contract=off",
           "-I" HEDDLE_SOURCE_DIR "/cpu_codegen/runtime", "-o", "bodies", "bodies.c",
           HEDDLE_SOURCE_DIR "/cpu_codegen/runtime/heddle_math.c"},
          folder);
  ASSERT_EQ(compiled.exit_status, 0) << compiled.err;
  const ProcessOutcome executed = run({"./bodies"}, folder);
  ASSERT_EQ(executed.exit_status, 0) << executed.err;
  EXPECT_TRUE(executed.out == expected);
  for (size_t i = 0; i < std::min(executed.out.size(), expected.size()); ++i) {
    if (executed.out[i] == expected[i]) continue;
    const size_t line = expected.rfind('\n', i) + 1;
    FAIL() << "case " << executed.out.substr(line, 200) << "\nreference "
           << expected.substr(line, 200);
  }
}

// The text itself, where it is worth reading.
TEST(CBody, Texts) {
  using test::activation;
  using test::constant;
  struct Row {
    const char* name;
    Graph graph;
    const char* text;
  };
  const Value sums = activation({1, 2, 3, 3}, {-50000, 50000});
  const Value wide = activation({1, 2, 3, 3}, {-5000000, 5000000});
  const Value image = activation({1, 2, 3, 3}, {-128, 127});
  const auto average = [&](Range range, int64_t kernel, int64_t padding, int64_t include) {
    return test::graph_of(
        "average_pool",
        test::with(test::pool(kernel, 1, padding), {{"count_include_pad", include}}),
        {activation({1, 2, 4, 4}, range)});
  };
  const Row rows[] = {
      {"bias", test::graph_of("bias_add", {{"axis", int64_t{1}}}, {sums, constant({2}, {1, 2})}),
       "$value += (int32_t)$bias;"},
      {"one bias", test::graph_of("bias_add", {{"axis", int64_t{0}}}, {sums, constant({1}, {-7})}),
       "$value += -7;"},
      {"relu", test::graph_of("relu", {}, {sums}), "if ($value < 0) $value = 0;"},
      {"idle relu", test::graph_of("relu", {}, {activation({1}, {0, 9})}),
       "/* already within [0, 2147483647] */"},
      {"shift", test::graph_of("requant", test::requant("shift", 9), {sums}),
       "$value = $value >> 9;"},
      {"clamped shift", test::graph_of("requant", test::requant("shift", 8, 0, 127), {sums}),
       "$value = $value >> 8;\nif ($value < 0) $value = 0;\nif ($value > 127) $value = 127;"},
      {"half_up",
       test::graph_of("requant", test::requant("half_up", 16, 0, 255),
                      {sums, constant({}, {514}), constant({1}, {-9})}),
       "$value = ($value * 514 + 32759) >> 16;\nif ($value < 0) $value = 0;\nif ($value > 255) "
       "$value = 255;"},
      {"per channel",
       test::graph_of("requant", test::requant("floor", 6, -8, 7),
                      {sums, constant({2}, {5, -3}), constant({2}, {1, 2})}),
       "$value = ($value * $mul + $add) >> 6;\nif ($value < -8) $value = -8;\nif ($value > 7) "
       "$value = 7;"},
      {"wide",
       test::graph_of("requant", test::requant("floor", 16, 0, 255),
                      {wide, constant({}, {514}), constant({}, {-9})}),
       "$value = (int32_t)(((int64_t)$value * 514 - 9) >> 16);\nif ($value < 0) $value = 0;\nif "
       "($value > 255) $value = 255;"},
      {"a literal beyond int32",
       test::graph_of("requant", test::requant("half_up", 5),
                      {activation({1}, {-128, -1}), constant({}, {203}),
                       constant({}, {INT32_MAX})}),
       "$value = (int32_t)(((int64_t)$value * 203 + INT64_C(2147483663)) >> 5);\nif ($value > 127) "
       "$value = 127;"},
      {"wider",
       test::graph_of("requant", test::requant("floor", 0, -8, 7), {wide, constant({}, {514})}),
       "{\n  int64_t wide = (int64_t)$value * 514;\n  if (wide < -8) wide = -8;\n  if (wide > 7) "
       "wide = 7;\n  $value = (int32_t)wide;\n}"},
      {"identity",
       test::graph_of("requant", test::requant("floor", 0),
                      {image, constant({}, {1}), constant({}, {0})}),
       "/* already within [-128, 127] */"},
      {"average of a power of two", average({-128, 127}, 4, 0, 0), "($acc + 8) >> 4"},
      {"halves away from zero",
       test::graph_of("average_pool",
                      test::with(test::pool(3, 1, 0), {{"count_include_pad", int64_t{0}},
                                                       {"rounding", std::string("half_away")}}),
                      {activation({1, 2, 4, 4}, {-128, 127})}),
       "($acc + ($acc < 0 ? -4 : 4)) / 9"},
      {"of nine", average({0, 255}, 3, 0, 0), "($acc + 4) / 9"},
      {"signed", average({-128, 127}, 3, 0, 0), "($acc + 4) / 9 - (($acc + 4) % 9 < 0)"},
      {"counted", average({0, 255}, 3, 1, 0), "($acc + $count / 2) / $count"},
      {"padding counts", average({0, 255}, 2, 1, 1), "($acc + 2) >> 2"},
      {"one", average({0, 255}, 1, 0, 1), "$acc"},
      {"sums near int32", average({0, 238609294}, 3, 0, 0), "(int32_t)(((int64_t)$acc + 4) / 9)"},
      {"max_pool", test::graph_of("max_pool", test::pool(2), {image}), "$acc"},
  };
  for (const Row& row : rows) {
    const Graph graph = test::inferred(row.graph);
    const CBody body = op_of(graph.nodes[0]).c_body(test::view_of(graph));
    EXPECT_EQ(body.map + body.result, row.text) << row.name;
  }
}

}  // namespace
}  // namespace heddle
