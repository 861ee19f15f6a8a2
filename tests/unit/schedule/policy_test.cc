// What a policy says of layers and targets: selectors, pins, preferences, the order of execution, and
// every way in which they can be wrong.
#include "schedule/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/network_builder.h"

namespace heddle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Network : NetworkBuilder {
  void name(size_t node, const std::string& text) { graph.nodes[node].name = text; }
  ValueId conv(ValueId x, const std::string& called, const std::string& rounding = "shift") {
    Tensor weights(DType::int8, {16, shape(x)[1], 3, 3});
    for (int64_t i = 0; i < weights.elements(); ++i) weights.set(i, i % 7 - 3);
    Attributes attributes = window_attributes(1, 1, 1);
    attributes["group"] = int64_t{1};
    const ValueId y = node("conv2d", {x, constant(weights)}, attributes);
    name(graph.nodes.size() - 1, called);
    const ValueId z = requant(y, 5, -128, 127, rounding);
    name(graph.nodes.size() - 1, called + "_clip");
    return z;
  }
};

// stem; two branches left and right; their sum; a pool. 16 channels of 8x8.
Graph branches(const std::string& rounding = "shift") {
  Network n;
  const ValueId stem = n.conv(n.input({1, 16, 8, 8}), "stem");
  const ValueId left = n.conv(stem, "left", rounding);
  const ValueId right = n.conv(stem, "right");
  const ValueId sum = n.node("add", {left, right});
  n.name(n.graph.nodes.size() - 1, "sum");
  const ValueId clipped = n.requant(sum, 1);
  n.name(n.graph.nodes.size() - 1, "sum_clip");
  Attributes pool;
  for (const char* key : {"kernel_h", "kernel_w", "stride_h", "stride_w"}) pool[key] = int64_t{2};
  for (const char* key : {"pad_top", "pad_left", "pad_bottom", "pad_right"}) pool[key] = int64_t{0};
  pool["count_include_pad"] = int64_t{0};
  n.graph.outputs = {n.node("average_pool", {clipped}, pool)};
  n.name(n.graph.nodes.size() - 1, "pool");
  return n.graph;
}

struct Outcome {
  Soc soc;
  Matches matches;
  Result<Candidates> candidates{Candidates{}};
};

Soc diana() {
  Result<Soc> soc = load_soc(std::string(HEDDLE_SOURCE_DIR) + "/rules/soc/diana.toml");
  HEDDLE_CHECK(soc.ok(), "the SoC of the tests");
  std::erase_if(soc->accelerators, [](const SocUnit& u) { return u.target.name != "diana_digital"; });
  return *soc;
}

Outcome apply(const Graph& graph, const Policy& policy, const Soc& soc = diana()) {
  Outcome outcome{soc, match_rules(graph, soc, policy)};
  Result<Candidates> made = make_candidates(graph, outcome.soc, outcome.matches);
  HEDDLE_CHECK(made.ok(), "the candidates of the tests");
  const Status known = check_policy(outcome.soc, policy);
  outcome.candidates = known.ok() ? apply_policy(graph, outcome.soc, policy, outcome.matches, *made)
                                  : Result<Candidates>(known.errors());
  return outcome;
}

Policy latency() { return {"test", "", Objective::latency, {}}; }

Pin pin(LayerSelector select, const std::string& target) {
  return {std::move(select), target, "pin `" + target + "`", in_file("policy.toml")};
}

// "left: cpu" for every layer that a pin has left candidates of one target only.
std::vector<std::string> decided(const Graph& graph, const Policy& policy,
                                 const Soc& soc = diana()) {
  const Outcome outcome = apply(graph, policy, soc);
  if (!outcome.candidates.ok()) return {format_diagnostics(outcome.candidates.errors())};
  std::vector<std::string> found;
  for (const NodeId layer : layers_of(graph, outcome.matches)) {
    std::set<std::string> targets;
    for (const Candidate& candidate : outcome.candidates->usable) {
      const std::vector<NodeId>& nodes = candidate.covers;
      if (std::find(nodes.begin(), nodes.end(), layer) == nodes.end()) continue;
      const std::string& name = target_of(outcome.soc, candidate.match).name;
      targets.insert(candidate.match.target < 0 ? "cpu" : name.substr(name.find('_') + 1));
      if (!candidate.pinned.empty()) targets.insert("pinned");
    }
    if (targets.contains("pinned") && targets.size() == 2)
      found.push_back(graph.node(layer).name + ": " + *targets.begin());
  }
  return found;
}

constexpr const char* kDigital = "diana_digital";

TEST(Layers, AreWhereAPatternBegins) {
  const Graph graph = branches();
  const Outcome outcome = apply(graph, latency());
  std::vector<std::string> names;
  for (const NodeId id : layers_of(graph, outcome.matches)) names.push_back(graph.node(id).name);
  EXPECT_THAT(names, ElementsAre("stem", "left", "right", "sum", "pool"));
}

TEST(Pins, Selectors) {
  const Graph graph = branches();
  const struct {
    LayerSelector select;
    const char* target;
    std::vector<std::string> decided;
  } cases[] = {
      {{"left", "", "", ""}, "cpu", {"left: cpu"}},
      {{"left|right", "", "", ""}, kDigital, {"left: digital", "right: digital"}},
      {{"", "conv2d", "", ""}, "cpu", {"stem: cpu", "left: cpu", "right: cpu"}},
      {{"", "mac", "", "first"}, "cpu", {"stem: cpu"}},
      {{"", "mac", "", "last"}, "cpu", {"right: cpu"}},
      {{"", "mac", "", "1"}, "cpu", {"left: cpu"}},
      {{"", "", "", "last"}, "cpu", {"pool: cpu"}},
      {{"", "", kDigital, ""}, kDigital,
       {"stem: digital", "left: digital", "right: digital", "sum: digital"}},
      {{".*t", "mac", kDigital, "last"}, "cpu", {"right: cpu"}},
      {{}, "cpu", {"stem: cpu", "left: cpu", "right: cpu", "sum: cpu", "pool: cpu"}},
  };
  for (const auto& c : cases) {
    Policy policy = latency();
    policy.pins = {pin(c.select, c.target)};
    EXPECT_EQ(decided(graph, policy), c.decided) << c.select.layers << ' ' << c.select.kind;
  }
}

TEST(Pins, EveryErrorHasItsReason) {
  const Graph graph = branches("half_up");  // `left` rounds as the unit cannot
  const struct {
    LayerSelector select;
    const char* target;
    const char* reason;
  } cases[] = {
      {{"lefts", "", "", ""}, "cpu", "no layer has the name `lefts`; did you mean `left`?"},
      {{"stem_clip", "", "", ""}, "cpu", "`stem_clip` is a part of layer `stem`"},
      {{"", "softmax", "", ""}, "cpu", "none of the layers is of kind `softmax`; they are of kind `add`, "
                                   "`average_pool`, `conv2d`"},
      {{".*t", "conv2", "", ""}, "cpu", "none of the layers `.*t` is of kind `conv2`; did you mean "
                                                  "`conv2d`?"},
      {{"pool", "", kDigital, ""}, "cpu",
       "no rule of `diana_digital` accepts any of the layers `pool`"},
      {{"", "mac", "", "3"}, "cpu", "there is no number 3 among 3 layers of kind `mac`"},
      {{"pool", "", "", ""}, kDigital, "wants layer `pool` on `diana_digital`, but no rule of "
                                     "`diana_digital` begins with `average_pool`"},
      {{"left", "", "", ""}, kDigital,
       "rule `conv2d`: the output stage shifts right without multiplying or rounding "
       "(`requant.rounding == 'shift'`: requant.rounding is 'half_up')"},
      {{"left", "", "", ""}, "diana_digitl", "SoC `diana` has no target `diana_digitl`; did you mean "
                                           "`diana_digital`?"},
      {{"", "", "npu", ""}, "cpu", "SoC `diana` has no target `npu`"},
      {{"left(", "", "", ""}, "cpu", "`left(` is no regular expression: missing ) at character 6"},
      {{"", "*", "", ""}, "cpu", "`*` is no regular expression"},
  };
  for (const auto& c : cases) {
    Policy policy = latency();
    policy.pins = {pin(c.select, c.target)};
    const std::vector<std::string> said = decided(graph, policy);
    ASSERT_EQ(said.size(), 1u) << c.reason;
    EXPECT_THAT(said[0], HasSubstr(c.reason));
  }
}

TEST(Pins, ContradictionsNameBoth) {
  Policy policy = latency();
  policy.pins = {*pin_of("left=cpu"), *pin_of("l.*=diana_digital")};
  EXPECT_THAT(decided(branches(), policy)[0],
              HasSubstr("`--place 'left=cpu'` and `--place 'l.*=diana_digital'` contradict each other: "
                        "they want layer `left` on `cpu` and on `diana_digital`"));
  policy.pins[1].target = "cpu";
  EXPECT_THAT(decided(branches(), policy), ElementsAre("left: cpu"));
}

Pin default_pin(LayerSelector select, const std::string& target) {
  Pin made = pin(std::move(select), target);
  made.optional = true;
  return made;
}

TEST(Pins, OptionalOnesTakeWhatIsLeftAndTaken) {
  const Graph graph = branches("half_up");  // `left` rounds as the unit cannot
  Policy policy = latency();
  // In the order of the file: the first of two defaults wins, and an order behind them beats both.
  policy.pins = {default_pin({"", "conv2d", kDigital, "first"}, kDigital),
                 default_pin({"", "depthwise_conv2d", "", ""}, kDigital),
                 default_pin({"", "conv2d", "", ""}, kDigital),
                 default_pin({}, "cpu"),
                 pin({"right", "", "", ""}, "cpu")};
  EXPECT_THAT(decided(graph, policy),
              ElementsAre("stem: digital", "left: cpu", "right: cpu", "sum: cpu", "pool: cpu"));
  const Outcome outcome = apply(graph, policy);
  ASSERT_TRUE(outcome.candidates.ok());
  ASSERT_EQ(outcome.candidates->notes.size(), 1u);
  EXPECT_THAT(outcome.candidates->notes[0].message,
              HasSubstr("selects no layer: none of the layers is of kind `depthwise_conv2d`"));
  policy.pins = {default_pin({"left", "", "", ""}, "npu")};  // a target must exist all the same
  EXPECT_THAT(decided(graph, policy)[0], HasSubstr("SoC `diana` has no target `npu`"));
}

// The shipped policies for DIANA, on a SoC whose second core accepts what the first does.
TEST(Pins, MixedPolicyOfDiana) {
  const auto shipped = [](const std::string& name) {
    Result<Policy> policy = load_policy(std::string(HEDDLE_SOURCE_DIR) + "/rules/policy/" + name + ".toml");
    HEDDLE_CHECK(policy.ok(), "a shipped policy");
    return *policy;
  };
  Soc one = diana();
  one.accelerators.resize(1);
  Soc both = one;
  both.accelerators.push_back(both.accelerators.front());
  both.accelerators.back().target.name = "diana_analog";
  EXPECT_THAT(decided(branches(), shipped("diana_mixed"), both),
              ElementsAre("stem: digital", "left: analog", "right: digital", "sum: digital"));
  EXPECT_THAT(decided(branches("half_up"), shipped("diana_mixed"), both),
              ElementsAre("stem: digital", "right: digital", "sum: digital"));  // `left` is free: the CPU's
  for (const char* const name : {"diana_mixed", "diana_analog"}) {
    EXPECT_THAT(decided(branches(), shipped(name), one)[0],
                HasSubstr("SoC `diana` has no target `diana_analog`")) << name;
  }
  for (const std::string name : {"digital", "analog"}) {
    const Outcome outcome = apply(branches(), shipped("diana_" + name), both);
    ASSERT_TRUE(outcome.candidates.ok());
    bool used = false;
    for (const Candidate& candidate : outcome.candidates->usable) {
      if (candidate.match.target < 0) continue;
      used = true;
      EXPECT_EQ(target_of(both, candidate.match).name, "diana_" + name);
    }
    EXPECT_TRUE(used);
  }
}

TEST(Pins, AgainstAnAvoidedTargetSayWhy) {
  Policy policy{"test", "", Objective::latency, {"*"}};
  policy.pins = {*pin_of("left=diana_digital")};
  EXPECT_THAT(decided(branches(), policy)[0], HasSubstr("the policy avoids this target"));
}

TEST(PinOf, ReadsTheLastEqualsSign) {
  const Result<Pin> read = pin_of("a=b.*=cpu");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->select.layers, "a=b.*");
  EXPECT_EQ(read->target, "cpu");
  for (const char* wrong : {"", "conv", "=cpu", "conv=", "conv=a b", "conv=\n"})
    EXPECT_FALSE(pin_of(wrong).ok()) << wrong;
}

TEST(Preferences, MultiplyOnTheirTargetAlone) {
  const Graph graph = branches();
  Policy policy = latency();
  policy.preferences = {{{"", "mac", "", ""}, kDigital, 50, {}},
                        {{"left", "", "", ""}, kDigital, 25, {}},
                        {{"nobody", "", "", ""}, "cpu", 25, {}},
                        {{}, "npu", 25, {}}};
  policy.avoid = {"elsewhere", "diana_digital/add", "diana_digital/conv", "cpu/any", "npu/conv"};
  const Outcome outcome = apply(graph, policy);
  ASSERT_TRUE(outcome.candidates.ok());
  std::map<std::string, int64_t> percents;
  for (const Candidate& candidate : outcome.candidates->usable) {
    const std::string& name = graph.node(candidate.covers.front()).name;
    const bool on_cpu = candidate.match.target < 0;
    EXPECT_TRUE(!on_cpu || candidate.cost_percent == 100) << name;
    if (!on_cpu) percents[name] = candidate.cost_percent;
  }
  EXPECT_EQ(percents, (std::map<std::string, int64_t>{
                          {"stem", 50}, {"left", 13}, {"right", 50}}));  // `sum` is the CPU's
  std::vector<std::string> notes;
  for (const Diagnostic& note : outcome.candidates->notes) notes.push_back(note.message);
  EXPECT_THAT(notes, ElementsAre(HasSubstr("`avoid`: SoC `diana` has no target `elsewhere`"),
                                 HasSubstr("`avoid`: `diana_digital` has no rule `conv`"),
                                 HasSubstr("`avoid`: rules of the CPU cannot be avoided"),
                                 HasSubstr("`avoid`: SoC `diana` has no target `npu`"),
                                 HasSubstr("no layer has the name `nobody`"),
                                 HasSubstr("SoC `diana` has no target `npu`")));
}

TEST(CheckPolicy, TargetOrderAndEnergy) {
  Result<Soc> soc = load_soc(std::string(HEDDLE_SOURCE_DIR) + "/rules/soc/diana.toml");
  ASSERT_TRUE(soc.ok());
  Policy policy = latency();
  policy.target_order = {"cpu", kDigital};
  EXPECT_TRUE(check_policy(*soc, policy).ok());
  policy.target_order = {"diana_digitel"};
  EXPECT_THAT(format_diagnostics(check_policy(*soc, policy).errors()),
              HasSubstr("`target_order`: SoC `diana` has no target `diana_digitel`; did you mean"));
  policy = {"energy", "", Objective::energy, {}};
  soc->energy.reset();
  EXPECT_THAT(format_diagnostics(check_policy(*soc, policy).errors()),
              HasSubstr("the objective counts energy, but SoC `diana` has no `[energy]`"));
}

std::vector<std::string> order(const std::vector<std::string>& wanted) {
  Policy policy = latency();
  policy.execution_order = wanted;
  const Result<Graph> graph = order_execution(branches(), policy);
  if (!graph.ok()) return {format_diagnostics(graph.errors())};
  EXPECT_TRUE(verify_graph(*graph).ok());
  std::vector<std::string> names;
  for (const Node& node : graph->nodes) names.push_back(node.name);
  return names;
}

TEST(ExecutionOrder, IsStableAndKeepsTheDataflow) {
  const std::vector<std::string> before = order({});
  EXPECT_THAT(before, ElementsAre("stem", "stem_clip", "left", "left_clip", "right", "right_clip", "sum",
                                  "sum_clip", "pool"));
  EXPECT_EQ(order({"left", "right"}), before);
  EXPECT_EQ(order({"pool", "stem"}), before);  // the dataflow wins
  EXPECT_EQ(order({".*"}), before);
  const std::vector<std::string> swapped = {"stem", "stem_clip", "right", "right_clip", "left",
                                            "left_clip", "sum", "sum_clip", "pool"};
  EXPECT_EQ(order({"right", "left"}), swapped);
  EXPECT_EQ(order({"sum", "right", "left"}), swapped);
  EXPECT_THAT(order({"rihgt"})[0], HasSubstr("`rihgt` of `execution_order` selects no layer; did you "
                                             "mean `right`?"));
  EXPECT_THAT(order({"a**"})[0], HasSubstr("is no regular expression"));
}

}  // namespace
}  // namespace heddle
