// Whole bundles: compiled, run on this machine, and looked at.
#include "emit/bundle.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "base/process.h"
#include "emit/names.h"
#include "unit/emit/bundles.h"

namespace heddle {
namespace {

using test::GraphBuilder;
using test::Random;
using testing::HasSubstr;
using testing::Not;

const std::string kSanitized = "CFLAGS=-O1 -fsanitize=address,undefined -fno-sanitize-recover=all";

// Convolutions, pools, a view, a residual with broadcasting, a softmax; two inputs, two outputs.
Graph mixed_network(Random& random) {
  GraphBuilder b;
  const ValueId x = b.input("image", {1, 3, 9, 11});
  const ValueId scale = b.input("offsets", {1, 8, 1, 1}, {-9, 9});
  const ValueId one = b.conv(random, "first", x, 8, 3, 1, 1);
  const ValueId two = b.conv(random, "second", one, 8, 3, 1, 1);
  const ValueId sum = b.node("residual", "add", {}, {one, two});
  const ValueId small = b.node("residual_requant", "requant", test::requant("shift", 1), {sum});
  const ValueId means = b.node("means", "global_average_pool", {}, {small});
  const ValueId wide =
      b.node("wide", "add", {}, {means, b.node("both", "add", {}, {scale, small})});
  const ValueId pooled = b.node("pool", "max_pool", test::pool(3, 2, 1), {wide});
  const ValueId flat = b.node("flat", "flatten", {{"axis", int64_t{1}}}, {pooled});
  const int64_t features = b.graph.value(flat).type.shape[1];
  const ValueId logits = b.node("dense", "dense", {},
                                {flat, b.constant(random.constant_of({5, features}, {-128, 127}))});
  const ValueId scores = b.node("scores", "requant", test::requant("shift", 10), {logits});
  b.output(b.node("softmax", "i_softmax",
                  {{"coeff_a", int64_t{2}},
                   {"coeff_b", int64_t{40}},
                   {"coeff_c", int64_t{90}},
                   {"log2", int64_t{30}},
                   {"levels", int64_t{256}}},
                  {scores}));
  b.output(small);
  return b.graph;
}

TEST(Bundle, RunsOnTheCpuAlone) {
  Random random(1);
  const test::Compiled c =
      test::compile(random, "mixed", mixed_network(random), test::load("cpu_only"));
  EXPECT_THAT(test::make(c.files, {"test", kSanitized}),
              HasSubstr("golden vectors: 2 of 2 bit-exact"));
}

TEST(Bundle, RunsWithAnyStoragesAndOneStepANode) {
  Random random(2);
  const test::Compiled c =
      test::compile_by_hand(random, "by_hand", mixed_network(random), test::load("cpu_only"));
  EXPECT_THAT(test::make(c.files, {"test", kSanitized}),
              HasSubstr("golden vectors: 2 of 2 bit-exact"));
}

// Layers that do not fit into L1 at once: halos, edge tiles, both loop orders, padding, strides.
// One bundle holds them all, as branches of one network.
TEST(Bundle, TiledLayersEqualTheReference) {
  Random random(3);
  GraphBuilder b;
  for (int i = 0; i < 10; ++i) {
    const int64_t kernel = 1 + 2 * random.between(0, 2);
    const int64_t stride = random.between(1, 2);
    const int64_t pad = random.between(0, kernel / 2);
    const ValueId x =
        b.input(fmt::format("x{}", i),
                {1, random.between(1, 20), random.between(7, 40), random.between(7, 70)});
    b.output(
        b.conv(random, fmt::format("conv{}", i), x, random.between(1, 70), kernel, stride, pad));
  }
  for (int i = 0; i < 2; ++i) {
    const Shape shape{1, random.between(5, 40), random.between(5, 30), random.between(5, 40)};
    const ValueId sum =
        b.node(fmt::format("add{}", i), "add", {},
               {b.input(fmt::format("a{}", i), shape), b.input(fmt::format("b{}", i), shape)});
    b.output(b.node(fmt::format("add{}_requant", i), "requant", test::requant("shift", 1), {sum}));
  }
  Soc soc = test::load("diana");
  for (Memory& memory : soc.memories) {
    if (memory.name == "l1") memory.bytes = 12 * 1024;
    if (memory.name == "l2") memory.bytes = int64_t{16} << 20;
  }
  const test::Compiled c = test::compile(random, "tiled", b.graph, soc, 1);
  int64_t tiled = 0, edges = 0, two_axes = 0;
  for (const Step& step : c.schedule.steps) {
    if (!step.candidate.tiling || step.candidate.tiling->tiles() == 1) continue;
    ++tiled;
    int axes = 0;
    for (const TileAxis& axis : step.candidate.tiling->axes) {
      if (axis.count() > 1) ++axes;
      if (axis.extent % axis.tile != 0) ++edges;
    }
    two_axes += axes > 1 ? 1 : 0;
  }
  EXPECT_GE(tiled, 6);
  EXPECT_GE(edges, 3);
  EXPECT_GE(two_axes, 1);
  const std::string output =
      test::make(c.files, {"build/tiled_layers", kSanitized}, {"build/tiled_layers", "--cycles"});
  EXPECT_THAT(output, HasSubstr("golden vectors: 1 of 1 bit-exact"));

  // The models count the cycles that the tiler modelled: cumulated over all layers, and the vector
  // runs twice.
  int64_t compute = 0, dma = 0;
  for (const Step& step : c.schedule.steps) {
    if (!step.candidate.tiling) continue;
    compute += 2 * step.candidate.tiling->cost.compute;
    dma += 2 * step.candidate.tiling->cost.dma;
  }
  EXPECT_THAT(output, HasSubstr(fmt::format("\"diana_digital\": {{\"cycles\": {}, ", compute)));
  EXPECT_THAT(output, HasSubstr(fmt::format("\"diana_dma\": {{\"cycles\": {}, ", dma)));
}

// Foreign text everywhere it can be: it must neither break the C nor act.
TEST(Bundle, HostileNamesAreHarmless) {
  const std::string names[] = {"*/ int evil;",
                               "a\nb",
                               "\"quoted\\\"",
                               "$(touch /tmp/evil)",
                               std::string(10000, 'x'),
                               "../../up",
                               "",
                               "x",
                               "x",
                               "?\?/",
                               "int",
                               "// \\",
                               "\xff\xfe",
                               "*",
                               "/",
                               "`touch evil`",
                               "%s%n",
                               "@NAME@"};
  Random random(4);
  GraphBuilder b;
  b.graph.name = "*/ #error\n\\";
  for (size_t i = 0; i < std::size(names); ++i) {
    ValueId x = b.input(names[i], {1, 2, 3, 3});
    x = b.conv(random, names[i], x, 2, 3, 1, 1);
    b.graph.value(x).name = names[std::size(names) - 1 - i];
    b.output(x);
  }
  const test::Compiled c =
      test::compile(random, "*/ ../hostile\n$(evil)", b.graph, test::load("diana"), 1);
  for (const auto& [path, text] : c.files) {
    EXPECT_TRUE(std::all_of(path.begin(), path.end(), [](char ch) {
      return std::isalnum(static_cast<unsigned char>(ch)) ||
             std::string_view("._-/").find(ch) != std::string_view::npos;
    })) << path;
    EXPECT_THAT(path, Not(HasSubstr("..")));
    EXPECT_TRUE(std::all_of(text.begin(), text.end(), [](char ch) {
      return ch == '\n' || ch == '\t' || (ch >= ' ' && ch <= '~');
    })) << path;
    EXPECT_THAT(text, Not(HasSubstr(std::string(100, 'x')))) << path;
  }
  EXPECT_THAT(c.files.at("Makefile"), Not(HasSubstr("evil)")));
  const std::string output = test::make(c.files, {"test"});
  EXPECT_THAT(output, HasSubstr("golden vectors: 1 of 1 bit-exact"));
}

TEST(Bundle, NamesNeverHideAHeader) {
  Random random(5);
  for (const char* name : {"stdint", "heddle_runtime", "heddle_soc", "string", "driver", "int"}) {
    GraphBuilder b;
    b.output(b.node("relu", "relu", {}, {b.input("x", {1, 4})}));
    const test::Compiled c = test::compile(random, name, b.graph, test::load("cpu_only"), 1);
    EXPECT_FALSE(c.files.contains(std::string("include/") + name + ".h")) << name;
    EXPECT_TRUE(c.files.contains("include/net_" + std::string(name) + ".h") ||
                std::string(name) == "int")
        << name;
  }
}

// Inputs that are outputs, constants that are outputs, a value given twice, scalars, no input that
// is read.
TEST(Bundle, OddNetworks) {
  Random random(6);
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 3});
  const ValueId scalar = b.input("scalar", {});
  b.input("unused", {1, 7});
  const ValueId y = b.node("relu", "relu", {}, {x});
  b.output(y);
  b.output(y);
  b.output(x);
  b.output(b.node("shifted", "requant",
                  test::with(test::requant("shift", 1), {{"axis", int64_t{0}}}), {scalar}));
  const test::Compiled c = test::compile(random, "odd", b.graph, test::load("cpu_only"), 2);
  EXPECT_THAT(test::make(c.files, {"test", kSanitized}),
              HasSubstr("golden vectors: 2 of 2 bit-exact"));
}

TEST(Bundle, GoldenVectorsCanFail) {
  Random random(7);
  GraphBuilder b;
  b.output(b.node("relu", "relu", {}, {b.input("x", {1, 4}, {1, 9})}));
  test::Compiled c = test::compile(random, "small", b.graph, test::load("cpu_only"), 1);
  std::string& golden = c.files["test/golden.c"];
  const size_t at = golden.find("output_0[4] = {\n  ") + 18;
  golden.replace(at, 1, golden[at] == '3' ? "4" : "3");
  const std::string output = test::make(c.files, {"test"});
  EXPECT_THAT(output, HasSubstr("golden vectors: 0 of 1 bit-exact"));
  EXPECT_THAT(output, HasSubstr("vector 0, output relu_y, element 0: "));
  EXPECT_THAT(output, HasSubstr("exit status"));
}

// What goes into firmware, with every compiler that is here.
TEST(Bundle, CompilesWithoutWarnings) {
  Random random(8);
  Soc soc = test::load("diana");
  for (Memory& memory : soc.memories) {
    if (memory.name == "l1") memory.bytes = 8 * 1024;
  }
  const test::Compiled c = test::compile(random, "mixed", mixed_network(random), soc, 1);
  const std::pair<const char*, const char*> compilers[] = {
      {"gcc", "-O2"},
      {"clang", "-O2"},
      {"riscv64-unknown-elf-gcc", "-O2 -march=rv32imc -mabi=ilp32 --specs=picolibc.specs"},
      {"arm-none-eabi-gcc", "-O2 -mcpu=cortex-m4 -mthumb"}};
  std::string missing;
  for (const auto& [compiler, flags] : compilers) {
    if (!test::has_program(compiler)) {
      missing += std::string(missing.empty() ? "" : ", ") + compiler;
      continue;
    }
    EXPECT_EQ(test::make(c.files, {"objects", fmt::format("CC={}", compiler),
                                   fmt::format("CFLAGS={}", flags)}),
              "")
        << compiler;
    // The test bench too.
    std::vector<std::string> bench = {fmt::format("FIRMWARE_CC={}", compiler),
                                      fmt::format("FIRMWARE_ARCH={}", flags)};
    for (const char* file : {"runtime/heddle_firmware_main", "runtime/heddle_board_riscv",
                             "test/firmware", "test/network", "test/layers", "test/golden"})
      bench.push_back(fmt::format("build/firmware/{}.bench.o", file));
    EXPECT_EQ(test::make(c.files, bench), "") << compiler;
  }
  EXPECT_THAT(test::make(c.files, {"size"}),
              testing::ContainsRegex("text [0-9]+\nrodata [0-9]+\ndata 0\narena [0-9]+\n"));
  if (!missing.empty()) GTEST_SKIP() << "not installed: " << missing;
}

TEST(Bundle, PrefixIsStable) {
  for (const std::string& name : {std::string("digits"), std::string("stdint"), std::string("int"),
                                  "heddle" + std::string(60, 'x'), std::string("")}) {
    const std::string prefix = network_prefix(name);
    EXPECT_EQ(network_prefix(prefix), prefix);
  }
}

TEST(Bundle, HeaderIsCpp) {
  Random random(14);
  const test::Compiled c =
      test::compile(random, "mixed", mixed_network(random), test::load("cpu_only"), 1);
  const TemporaryFolder folder;
  ASSERT_TRUE(write_folder(folder.path() / "bundle", c.files).ok());
  const Result<ProcessOutcome> outcome =
      run_process({"c++", "-std=c++11", "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                   "-x", "c++", "include/mixed.h"},
                  folder.path() / "bundle");
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->exit_status, 0) << outcome->err;
}

TEST(Bundle, SourcesFollowTheHouseRules) {
  Random random(9);
  const test::Compiled c =
      test::compile(random, "mixed", mixed_network(random), test::load("diana"), 1);
  for (const char* file :
       {"src/mixed.c", "include/mixed.h", "src/mixed_weights.c", "src/mixed_weights.h"}) {
    const std::string& text = c.files.at(file);
    EXPECT_THAT(text, Not(HasSubstr("malloc"))) << file;
    EXPECT_THAT(text, Not(testing::ContainsRegex("#define [A-Za-z_0-9]+\\("))) << file;
    EXPECT_THAT(text, Not(HasSubstr("string.h"))) << file;
    EXPECT_THAT(text, Not(HasSubstr("\t"))) << file;
    EXPECT_THAT(text, Not(testing::ContainsRegex(" \n"))) << file;
  }
  EXPECT_THAT(
      c.files.at("include/mixed.h"),
      HasSubstr("int mixed_run(void *arena, const mixed_inputs *inputs, mixed_outputs *outputs);"));
  EXPECT_THAT(
      c.files.at("include/mixed.h"),
      HasSubstr("const int8_t *image; /* \"image\": [1, 3, 9, 11] int8, values in [-128, 127] */"));
}

TEST(Bundle, ManifestListsEveryFileWithItsSize) {
  Random random(10);
  const test::Compiled c =
      test::compile(random, "mixed", mixed_network(random), test::load("diana"), 1);
  const std::string& manifest = c.files.at(kManifestName);
  for (const auto& [path, text] : c.files) {
    if (path == kManifestName) continue;
    EXPECT_THAT(manifest, HasSubstr(fmt::format("\"{}\": {}", path, text.size())));
  }
  for (const char* file :
       {"Makefile", "CMakeLists.txt", "README.md", "soc.json", "layers.json", "src/heddle_soc.h",
        "src/heddle_soc_host.c", "test/golden.c", "test/layers.c", "test/network.c",
        "drivers/diana_dma/driver.c", "models/diana_digital/model.c", "runtime/heddle_host.c"}) {
    EXPECT_TRUE(c.files.contains(file)) << file;
  }
}

TEST(Bundle, SocJsonSaysWhatAVirtualSocNeeds) {
  Random random(10);
  const test::Compiled c =
      test::compile(random, "mixed", mixed_network(random), test::load("diana"), 1);
  const auto soc = nlohmann::json::parse(c.files.at("soc.json"));
  EXPECT_EQ(soc["program_memory"], "l2");
  EXPECT_EQ(soc["cpu"]["flavour"], "generic");
  EXPECT_EQ(soc["cpu"]["isa"], "rv32imc");
  EXPECT_EQ(soc["cpu"]["cycles"].size(), kCycleClasses.size());
  EXPECT_EQ(soc["cpu"]["cycles"]["jump"], 2);
  EXPECT_EQ(soc["firmware"]["vectors"]["base"], 0x80000000u);
  EXPECT_EQ(soc["memories"][0]["owner"], "");
  EXPECT_EQ(soc["memories"][2]["owner"], "diana_digital");
  EXPECT_EQ(soc["units"][0]["interrupt"], 16);
  EXPECT_EQ(soc["units"][1]["interrupt"], 17);
  EXPECT_FALSE(soc.contains("energy"));
}

// Its functions are those of the C, its buffers lie inside the memories of soc.json.
TEST(Bundle, LayersJsonAgreesWithTheCode) {
  Random random(10);
  const test::Compiled c =
      test::compile(random, "mixed", mixed_network(random), test::load("diana"), 1);
  const auto soc = nlohmann::json::parse(c.files.at("soc.json"));
  const auto json = nlohmann::json::parse(c.files.at("layers.json"));
  EXPECT_EQ(json["run"], "mixed_run");
  ASSERT_EQ(json["layers"].size(), c.schedule.steps.size());
  int buffers = 0, without_code = 0;
  for (const auto& layer : json["layers"]) {
    const std::string function = layer["function"];
    without_code += function.empty() ? 1 : 0;
    EXPECT_THAT(c.files.at("src/mixed.c"), HasSubstr("static void " + function));
    EXPECT_EQ(layer["target"] == "cpu", layer["buffers"].empty()) << function;
    for (const auto& buffer : layer["buffers"]) {
      ++buffers;
      bool inside = false;
      for (const auto& memory : soc["memories"]) {
        const int64_t base = memory["base"], bytes = memory["bytes"], at = buffer["address"];
        inside |= memory["name"] == buffer["memory"] && at >= base &&
                  at + int64_t{buffer["bytes"]} <= base + bytes;
      }
      EXPECT_TRUE(inside) << buffer;
    }
  }
  EXPECT_GE(buffers + static_cast<int>(json["residents"].size()), 6);
  EXPECT_EQ(without_code, 1);  // the view
}

TEST(Bundle, EqualArgumentsGiveEqualBytes) {
  Random one(11), two(11);
  const test::Compiled a = test::compile(one, "mixed", mixed_network(one), test::load("diana"), 1);
  const test::Compiled b = test::compile(two, "mixed", mixed_network(two), test::load("diana"), 1);
  EXPECT_EQ(a.files, b.files);
}

// The network on DIANA, whose convolutions' jobs have one field more.
Result<FileSet> with_field(const Graph& graph, const std::string& expression) {
  Soc soc = test::load("diana");
  const Result<Expr> expr = parse_expr(expression, {});
  HEDDLE_CHECK(expr.ok(), expression);
  for (Rule& rule : soc.accelerators[0].target.rules) {
    if (rule.name == "conv2d") rule.job->fields.push_back({"field", *expr});
  }
  const Matches matches = match_rules(graph, soc, {});
  const Result<Schedule> schedule =
      make_schedule(graph, soc, {}, matches, *make_candidates(graph, soc, matches));
  HEDDLE_CHECK(schedule.ok(), expression);
  const Result<MemoryPlan> plan = plan_memory(graph, soc, *schedule);
  HEDDLE_CHECK(plan.ok(), expression);
  return emit_bundle("fields", graph, soc, *schedule, *plan, {});
}

TEST(Bundle, RefusesWhatNoFieldCanHold) {
  Random random(12);
  GraphBuilder b;
  b.output(b.conv(random, "conv", b.input("x", {1, 4, 8, 8}), 8, 3, 1, 1));
  const std::pair<const char*, const char*> table[] = {
      {"nowhere.pitch",
       "field `field` of rule `conv2d` has no value for layer `conv`: `nowhere.pitch` is not known "
       "here"},
      {"requant.rounding",
       "field `field` of rule `conv2d` has no value for layer `conv`: an integer is needed here, not a "
       "text: `requant.rounding`, which is 'shift'"},
      {"y.address + (requant.rounding == 'shift')",
       "field `field` of rule `conv2d` has no value for layer `conv`: its expression has no C form"},
      {"bias.address",
       "field `field` of rule `conv2d` has no value for layer `conv`: `bias.address` is no operand "
       "of a job"},
      {"layer.k * 4000000000",
       "field `field` of rule `conv2d` has no value for layer `conv`: 32000000000 does not fit 32 "
       "bits"},
  };
  for (const auto& [expression, message] : table) {
    const Result<FileSet> files = with_field(b.graph, expression);
    ASSERT_FALSE(files.ok()) << expression;
    EXPECT_EQ(test::errors_of(files), message);
  }
}

TEST(Bundle, FieldsMayCompareTexts) {
  Random random(14);
  GraphBuilder b;
  b.output(b.conv(random, "conv", b.input("x", {1, 4, 8, 8}), 8, 3, 1, 1));
  const std::pair<const char*, const char*> table[] = {
      {"requant.rounding == 'shift'", ".field = 1,"},
      {"4 + 2 * (x.dtype in ['uint8', 'int16'])", ".field = 4,"},
      {"x.dtype != requant.rounding", ".field = 1,"},
  };
  for (const auto& [expression, wanted] : table) {
    const Result<FileSet> files = with_field(b.graph, expression);
    ASSERT_TRUE(files.ok()) << test::errors_of(files);
    bool found = false;
    for (const auto& file : *files) found |= file.second.find(wanted) != std::string::npos;
    EXPECT_TRUE(found) << expression;
  }
}

TEST(Bundle, RefusesUnitsThatNoBundleCanHold) {
  Random random(13);
  GraphBuilder b;
  b.output(b.conv(random, "conv", b.input("x", {1, 4, 8, 8}), 8, 3, 1, 1));
  const std::pair<void (*)(Target&), const char*> table[] = {
      {[](Target& t) { t.name = "no-identifier"; },
       "the name `no-identifier` of unit `no-identifier` is no C identifier"},
      {[](Target& t) { t.base_macro = "a b"; },
       "base_macro `a b` of unit `diana_digital` is no C identifier"},
      {[](Target& t) { t.sources.push_back("../x.c"); },
       "the file `../x.c` of unit `diana_digital` is no plain file name"},
  };
  for (const auto& [spoil, message] : table) {
    Soc soc = test::load("diana");
    spoil(soc.accelerators[0].target);
    const Matches matches = match_rules(b.graph, soc, {});
    const Result<Schedule> schedule =
        make_schedule(b.graph, soc, {}, matches, *make_candidates(b.graph, soc, matches));
    ASSERT_TRUE(schedule.ok());
    const Result<MemoryPlan> plan = plan_memory(b.graph, soc, *schedule);
    ASSERT_TRUE(plan.ok());
    EXPECT_EQ(test::errors_of(emit_bundle("refused", b.graph, soc, *schedule, *plan, {})), message);
  }
}

}  // namespace
}  // namespace heddle
