// Fits on measurements that are made up from the cost model itself, so that the truth is known.
#include "report/calibrate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <list>

#include "support/network_builder.h"
#include "support/random.h"

namespace heddle {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

const Policy kCpu{"cpu", "", Objective::latency, {"*"}};

Expr expression(const std::string& text) {
  const Result<Expr> expr = parse_expr(text, in_file("test"));
  HEDDLE_CHECK(expr.ok(), "expression");
  return *expr;
}

// DIANA with a cost model that has no secrets.
Soc simple_soc() {
  Result<Soc> soc = load_soc(std::string(HEDDLE_SOURCE_DIR) + "/rules/soc/diana.toml");
  HEDDLE_CHECK(soc.ok(), format_diagnostics(soc.errors()));
  soc->cpu_constants = {{"mac_x10", 48},
                        {"depthwise_mac_x10", 123},
                        {"map_x10", 80},
                        {"move_x10", 120},
                        {"kernel", 300}};
  for (Rule& rule : soc->cpu.rules) {
    rule.launch = expression("cpu.kernel");
    rule.compute = expression("9 * (macs * cpu.depthwise_mac_x10 + y.elements * cpu.move_x10)");
    if (rule.name == "conv") rule.compute = expression("ceil_div(macs * cpu.mac_x10, 10)");
    if (rule.name == "depthwise")
      rule.compute = expression("ceil_div(macs * cpu.depthwise_mac_x10, 10)");
    if (rule.name == "pool") rule.compute = expression("ceil_div(y.elements * cpu.move_x10, 10)");
  }
  return *soc;
}

struct Network : NetworkBuilder {
  std::string name;
  Schedule schedule;

  ValueId conv(ValueId x, int64_t k) {
    Tensor weights(DType::int8, {k, shape(x)[1], 3, 3});
    for (int64_t i = 0; i < weights.elements(); ++i) weights.set(i, i % 7 - 3);
    Attributes attributes = window_attributes(1, 1, 1);
    attributes["group"] = int64_t{1};
    return requant(node("conv2d", {x, constant(weights)}, attributes), 5);
  }
  ValueId depthwise(ValueId x) {
    Tensor weights(DType::int8, {shape(x)[1], 1, 3, 3});
    for (int64_t i = 0; i < weights.elements(); ++i) weights.set(i, i % 5 - 2);
    return requant(node("depthwise_conv2d", {x, constant(weights)}, window_attributes(1, 1, 1)), 5);
  }
  ValueId pool(ValueId x) {
    return node("max_pool", {x},
                {{"kernel_h", int64_t{2}},
                 {"kernel_w", int64_t{2}},
                 {"stride_h", int64_t{2}},
                 {"stride_w", int64_t{2}},
                 {"pad_top", int64_t{0}},
                 {"pad_left", int64_t{0}},
                 {"pad_bottom", int64_t{0}},
                 {"pad_right", int64_t{0}}});
  }
};

void compile(Network& network, const Soc& soc, const Policy& policy) {
  const Matches matches = match_rules(network.graph, soc, policy);
  const Result<Candidates> candidates = make_candidates(network.graph, soc, matches);
  HEDDLE_CHECK(candidates.ok(), "candidates");
  Result<Schedule> schedule = make_schedule(network.graph, soc, policy, matches, *candidates);
  HEDDLE_CHECK(schedule.ok(), format_diagnostics(schedule.errors()));
  network.schedule = std::move(*schedule);
}

// Convolutions, pools and, if asked for, depthwise convolutions of several sizes.
void build(Network& network, int64_t seed, bool depthwise) {
  network.name = "net" + std::to_string(seed);
  Random random(static_cast<uint64_t>(seed));
  ValueId x = network.input({1, random.between(1, 8), 32, 32});
  for (int i = 0; i < 4; ++i) {
    x = network.conv(x, random.between(2, 12));
    if (depthwise) x = network.depthwise(x);
    if (i < 3) x = network.pool(x);
  }
  network.graph.outputs = {x};
}

int64_t& constant(Soc& soc, std::string_view key) {
  for (auto& [name, value] : soc.cpu_constants)
    if (name == key) return value;
  HEDDLE_CHECK(false, "no such constant");
}

// What `truth` says of each layer, the cycles moved by up to `noise` thousandths.
MeasuredNetwork measure(const Network& network, const Soc& truth, int64_t noise = 0) {
  MeasuredNetwork measured{network.name, &network.graph, &network.schedule, {}};
  Random random(99);
  for (const Step& step : network.schedule.steps) {
    const Result<int64_t> cycles =
        modelled_cycles(network.graph, truth, step.candidate, network.schedule.storage);
    HEDDLE_CHECK(cycles.ok(), "cycles");
    measured.cycles.push_back(*cycles * (1000 + random.between(-noise, noise)) / 1000);
  }
  measured.cycles.emplace_back(copy_cycles(network.graph, truth, network.schedule.storage));
  return measured;
}

struct Calibrate : testing::Test {
  Soc soc = simple_soc();
  Soc truth = soc;
  std::list<Network> networks;

  Network& network(int64_t seed, bool depthwise, const Policy& policy = kCpu) {
    build(networks.emplace_back(), seed, depthwise);
    compile(networks.back(), soc, policy);
    return networks.back();
  }
  const FittedConstant& fitted(const Calibration& calibration, std::string_view key) const {
    const auto found = std::find_if(calibration.constants.begin(), calibration.constants.end(),
                                    [&](const FittedConstant& each) { return each.key == key; });
    HEDDLE_CHECK(found != calibration.constants.end(), "no such constant");
    return *found;
  }
};

TEST_F(Calibrate, FindsTheConstantsThatMadeTheMeasurements) {
  constant(truth, "mac_x10") = 131;
  constant(truth, "depthwise_mac_x10") = 77;
  constant(truth, "move_x10") = 415;
  constant(truth, "kernel") = 1234;
  const CalibrationProblem problem{
      &soc,
      {measure(network(1, true), truth), measure(network(2, true), truth)},
      {measure(network(3, true), truth)},
      ""};
  const Result<Calibration> calibration = calibrate(problem);
  ASSERT_TRUE(calibration.ok()) << format_diagnostics(calibration.errors());
  EXPECT_EQ(fitted(*calibration, "mac_x10").value, 131);
  EXPECT_EQ(fitted(*calibration, "depthwise_mac_x10").value, 77);
  EXPECT_EQ(fitted(*calibration, "move_x10").value, 415);
  EXPECT_EQ(fitted(*calibration, "kernel").value, 1234);
  EXPECT_EQ(fitted(*calibration, "kernel").before, 300);
  EXPECT_EQ(fitted(*calibration, "kernel").layers, 22);
  EXPECT_EQ(fitted(*calibration, "move_x10").layers, 6);
  EXPECT_EQ(fitted(*calibration, "map_x10").value, 80);
  EXPECT_EQ(fitted(*calibration, "map_x10").kept, "no measured layer depends on it");
  EXPECT_EQ(calibration->not_linear, 0);
  EXPECT_EQ(summary_of(calibration->fitted).worst, 0);
  EXPECT_EQ(summary_of(calibration->checked).worst, 0);
  EXPECT_EQ(calibration->checked.size(), 11u);
  EXPECT_GT(summary_of(calibration->fitted, true).mean, 20);
  EXPECT_THAT(calibration->left_out, IsEmpty());
}

// With noise no neighbour of the fitted constants is better, and the truth lies within the errors.
TEST_F(Calibrate, NoiseMovesTheConstantsWithinTheirErrors) {
  constant(truth, "mac_x10") = 95;
  constant(truth, "move_x10") = 300;
  constant(truth, "kernel") = 700;
  const CalibrationProblem problem{
      &soc,
      {measure(network(1, false), truth, 30), measure(network(2, false), truth, 30),
       measure(network(4, false), truth, 30)},
      {},
      ""};
  const Result<Calibration> calibration = calibrate(problem);
  ASSERT_TRUE(calibration.ok()) << format_diagnostics(calibration.errors());
  for (const auto& [key, value] : {std::pair{"mac_x10", 95}, {"move_x10", 300}, {"kernel", 700}}) {
    const FittedConstant& found = fitted(*calibration, key);
    ASSERT_TRUE(found.error) << key;
    EXPECT_GT(*found.error, 0) << key;
    EXPECT_NEAR(static_cast<double>(found.value), value, 3 * *found.error + 1) << key;
  }
  EXPECT_LT(std::abs(summary_of(calibration->fitted).worst), 6);
  // Each network, with constants from the other two.
  EXPECT_EQ(calibration->left_out.size(), calibration->fitted.size());
  EXPECT_LT(std::abs(summary_of(calibration->left_out).worst), 12);
  EXPECT_NE(calibration->left_out[0].modelled, calibration->fitted[0].modelled);
}

TEST_F(Calibrate, WhatTheLayersDoNotTellApartIsKept) {
  Network& one = networks.emplace_back();
  one.name = "one";
  one.graph.outputs = {one.conv(one.input({1, 3, 8, 8}), 4)};
  compile(one, soc, kCpu);
  MeasuredNetwork measured = measure(one, soc);
  *measured.cycles[0] *= 2;
  const Result<Calibration> calibration = calibrate({&soc, {measured}, {}, ""});
  ASSERT_TRUE(calibration.ok()) << format_diagnostics(calibration.errors());
  // One equation: the first constant takes it all, `kernel` keeps its 300 cycles.
  EXPECT_EQ(fitted(*calibration, "kernel").value, 300);
  EXPECT_THAT(fitted(*calibration, "kernel").kept, HasSubstr("do not tell it from those above"));
  EXPECT_GT(fitted(*calibration, "mac_x10").value, 90);
  EXPECT_FALSE(fitted(*calibration, "mac_x10").error);
  EXPECT_LT(std::abs(summary_of(calibration->fitted).worst), 1);
  EXPECT_THAT(calibration_text(*calibration), HasSubstr("nothing checks the fit"));
}

TEST_F(Calibrate, NoConstantBecomesNegative) {
  MeasuredNetwork measured = measure(network(1, false), soc);
  for (std::optional<int64_t>& cycles : measured.cycles)
    cycles = std::max<int64_t>(1, *cycles - 290);
  *measured.cycles[1] = 1;
  const Result<Calibration> calibration = calibrate({&soc, {measured}, {}, ""});
  ASSERT_TRUE(calibration.ok()) << format_diagnostics(calibration.errors());
  for (const FittedConstant& each : calibration->constants) EXPECT_GE(each.value, 0) << each.key;
}

TEST_F(Calibrate, OnlyLayersOfOneRule) {
  constant(truth, "mac_x10") = 60;
  constant(truth, "move_x10") = 500;
  const MeasuredNetwork measured = measure(network(1, false), truth);
  for (const char* const rule : {"conv", "generic/conv"}) {
    const Result<Calibration> calibration = calibrate({&soc, {measured}, {}, rule});
    ASSERT_TRUE(calibration.ok()) << format_diagnostics(calibration.errors());
    EXPECT_EQ(fitted(*calibration, "mac_x10").value, 60);
    EXPECT_EQ(fitted(*calibration, "move_x10").value, 120);
    EXPECT_EQ(calibration->fitted.size(), 4u);
  }
  const Result<Calibration> none = calibrate({&soc, {measured}, {}, "nothing"});
  ASSERT_FALSE(none.ok());
  EXPECT_THAT(none.errors()[0].message, HasSubstr("no measured layer of rule `nothing`"));
}

TEST_F(Calibrate, ALayerThatRunsTakesCycles) {
  MeasuredNetwork measured = measure(network(1, false), soc);
  measured.cycles[2] = 0;
  const Result<Calibration> calibration = calibrate({&soc, {measured}, {}, ""});
  ASSERT_FALSE(calibration.ok());
  EXPECT_EQ(calibration.errors()[0].message,
            "0 cycles are measured in `net1`, but the layer has code that runs");
}

// max() bends the cost: the steps from the SoC's values on still find the truth, and it is said.
TEST_F(Calibrate, CostsThatBendAreFittedInSteps) {
  soc.cpu.rules.clear();
  for (Rule rule : truth.cpu.rules) {
    const Result<Expr> cost =
        parse_expr("max(macs * cpu.mac_x10 / 10, y.elements * cpu.map_x10)", in_file("test"));
    ASSERT_TRUE(cost.ok());
    if (rule.name == "conv") rule.compute = *cost;
    soc.cpu.rules.push_back(std::move(rule));
  }
  truth = soc;
  constant(truth, "mac_x10") = 100;
  constant(truth, "map_x10") = 400;
  const Result<Calibration> calibration = calibrate(
      {&soc, {measure(network(1, false), truth), measure(network(2, false), truth)}, {}, "conv"});
  ASSERT_TRUE(calibration.ok()) << format_diagnostics(calibration.errors());
  EXPECT_GT(calibration->not_linear, 0);
  EXPECT_LT(std::abs(summary_of(calibration->fitted).worst), 3) << calibration_text(*calibration);
}

TEST(CalibrationText, SaysWhatWasFittedAndFitsAHundredColumns) {
  Calibration calibration;
  calibration.soc = "diana";
  calibration.constants = {{"mac_x10", 48, 51, 2, 0.26, ""},
                           {"kernel", 300, 4, 2, 5.0, ""},
                           {"map_x10", 80, 80, 0, {}, "no measured layer depends on it"}};
  const std::string lengthy(80, 'n');
  calibration.fitted = {{lengthy, lengthy, "a_long_flavour/depthwise_of_x", 1'000'000'000,
                         900'000'000, 1'010'400'000},
                        {"b", "conv2", "generic/mac", 1000, 500, 1000}};
  calibration.checked = {{"c", "conv1", "generic/mac", 1000, 500, 960}};
  calibration.not_linear = 1;
  EXPECT_EQ(calibration_text(calibration), R"(calibration of SoC diana

constant  before  fitted  +/-  layers
mac_x10       48      51  0.3       2
kernel       300       4  5.0       2  hardly determined: its error is larger than itself
map_x10       80      80    -       0  kept: no measured layer depends on it

the cost of 1 fitted layer is not linear in the constants: fitted in steps, from the SoC's own
values on

fitted
network         layer                 rule                    measured       modelled  % off  before
nnnnnnnnnnn...  nnnnnnnnnnnnnnnnn...  a_long_flavour...  1,000,000,000  1,010,400,000   +1.0   -10.0
b               conv2                 generic/mac                1,000          1,000   +0.0   -50.0

checked
network  layer  rule         measured  modelled  % off  before
c        conv1  generic/mac     1,000       960   -4.0   -50.0

% off                   layers  mean  worst  of                             measured       modelled
before, fitted layers        2  30.0  -50.0  b: conv2                  1,000,001,000    900,000,500
fitted                       2   0.5   +1.0  nnnnnnnnnnnnnnnnnnnnn...  1,000,001,000  1,010,401,000
before, checked layers       1  50.0  -50.0  c: conv1                          1,000            500
checked                      1   4.0   -4.0  c: conv1                          1,000            960
)");
  const std::string text = calibration_text(calibration);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    EXPECT_LE(end - begin, 100u) << text.substr(begin, end - begin);
    begin = end + 1;
  }
  EXPECT_THAT(calibration_json(calibration), HasSubstr("\"worst_percent\": -4.0"));
}

}  // namespace
}  // namespace heddle
