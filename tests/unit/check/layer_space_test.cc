// What is said about operators, and what follows from it, against layers that are built and matched.
#include "check/layer_space.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/example.h"
#include "check/operator_facts.h"
#include "check/prove.h"
#include "support/random.h"
#include "unit/check/prove_rules.h"

namespace heddle {
namespace {

using Values = std::map<std::string, ExprValue>;

const std::vector<std::string>& patterns() {
  static const std::vector<std::string> all = {
      "conv2d",          "conv2d bias_add requant", "conv2d requant relu", "depthwise_conv2d requant",
      "dense bias_add",  "dense requant relu",      "max_pool",            "max_pool requant",
      "add(residual)",   "add(residual) requant",   "depthwise_conv2d",    "conv2d bias_add relu"};
  return all;
}

// Attributes and sizes of any layer, many of which are none.
Values random_values(Random& random, const Spine& spine) {
  Values values;
  for (const char* name : {"k", "c", "iy", "ix", "oy", "ox"}) values[name] = random.between(1, 6);
  values["n"] = random.between(1, 2);
  for (const char* name : {"fy", "fx"}) values[name] = random.between(1, 3);
  for (const std::string& op : spine) {
    const std::string dot = op + ".";
    for (const char* name : {"stride_h", "stride_w", "dilation_h", "dilation_w", "group"})
      values[dot + name] = random.between(1, random.between(1, 3));
    for (const char* name : {"pad_top", "pad_left", "pad_bottom", "pad_right"})
      values[dot + name] = random.between(0, random.between(0, 2));
    for (const char* name : {"kernel_h", "kernel_w"}) values[dot + name] = random.between(1, 3);
    values[dot + "lo"] = random.between(-300, 0) / random.between(1, 4);
    values[dot + "hi"] = random.between(0, 80000) / random.between(1, 400);
    values[dot + "shift"] = random.between(0, 5);
  }
  constexpr const char* kTypes[] = {"int8", "uint8", "int16"};
  values["x.dtype"] = std::string(kTypes[random.between(0, 2)]);
  values["residual.dtype"] = std::string(kTypes[random.between(0, 2)]);
  values["weights.min"] = random.between(-3, 0);
  values["weights.max"] = random.between(0, 3);
  return values;
}

Spine spine_of_pattern(const Soc& soc, int rule) {
  return spines_of(soc.accelerators[0].target.rules[static_cast<size_t>(rule)].pattern, {}).list.front();
}

TEST(LayerSpace, FactsHoldForEveryLayer) {
  Random random(5);
  std::map<std::string, int> evaluated;
  for (const std::string& pattern : patterns()) {
    const Soc soc = soc_with_rules("rule r: " + pattern);
    const Rule& rule = soc.accelerators[0].target.rules[0];
    const Spine spine = spine_of_pattern(soc, 0);
    // All names, so that all facts are there.
    std::vector<Expr> names;
    for (const char* operand : {"x", "y", "weights", "residual", "bias"}) {
      for (const char* property : {"bits", "bytes", "elements", "rank", "min", "constant"}) {
        const Result<Expr> name = parse_expr(fmt::format("{}.{}", operand, property), Place{});
        names.push_back(*name);
      }
    }
    for (const char* name : {"macs", "inside.fy", "inside.fx", "requant.lo", "bias_add.axis"})
      names.push_back(*parse_expr(name, Place{}));
    std::vector<const Expr*> used;
    for (const Expr& name : names) used.push_back(&name);
    const LayerSpace space = layer_space(spine, {&rule}, used);
    int layers = 0;
    for (int round = 0; round < 150; ++round) {
      const Values values = random_values(random, spine);
      const std::optional<Example> example = example_of(soc, 0, spine, values);
      if (!example) continue;
      const std::optional<Match> match = match_of(*example, 0, 0);
      if (!match || !match->accepted()) continue;
      ++layers;
      const Environment environment = layer_environment(example->graph, example->soc, *match);
      for (const Expr& fact : space.facts) {
        bool known = true;
        for (const std::string& name : names_in(fact)) known = known && environment(name).has_value();
        if (!known) continue;  // of a constant, where there is none
        const auto value = evaluate_int(fact, environment);
        const int64_t* const holds = std::get_if<int64_t>(&value);
        ASSERT_TRUE(holds != nullptr && *holds == 1)
            << pattern << ": " << print_text(fact) << "\n" << describe(spine, values);
        ++evaluated[print_text(fact)];
      }
      for (const Variable& variable : space.variables) {
        const std::optional<ExprValue> value = environment(variable.name);
        if (!value || variable.kind != Variable::Kind::integer) continue;
        const int64_t number = std::get<int64_t>(*value);
        ASSERT_TRUE(variable.range.lo <= number && number <= variable.range.hi)
            << pattern << ": " << variable.name << " is " << number;
      }
    }
    EXPECT_GT(layers, 10) << pattern;
  }
  EXPECT_GT(evaluated.size(), 60u);
}

std::string random_condition(Random& random, const std::string& op) {
  const bool window = op != "dense" && op != "add";
  std::vector<std::string> names = {"k", "n", "x.bits", "x.bytes", "y.elements", "requant.lo",
                                    "requant.hi", "y.bits"};
  if (op == "dense" || op == "conv2d") names.push_back("c");
  if (window) {
    for (const char* name : {"fy", "fx", "oy", "iy"}) names.emplace_back(name);
    for (const char* name : {"stride_h", "pad_top", "pad_left"}) names.push_back(op + "." + name);
  }
  const auto name = [&] {
    return names[static_cast<size_t>(random.between(0, std::ssize(names) - 1))];
  };
  switch (random.between(0, 6)) {
    case 0:
      return fmt::format("{} in [{}, {}]", name(), random.between(0, 3), random.between(2, 9));
    case 1:
      return fmt::format("{} < {}", name(), name());
    case 2:
      return fmt::format("{} mod {} == {}", name(), random.between(2, 4), random.between(0, 1));
    case 3:
      return fmt::format("{} >= {} or {} < {}", name(), random.between(0, 6), name(), name());
    case 4:
      return fmt::format("{} == {}", name(), name());
    case 5:
      return fmt::format("{} * {} <= {}", name(), random.between(1, 4), name());
    default:
      return fmt::format("{} <= {}", name(), random.between(0, 20));
  }
}

bool says(const std::vector<Finding>& findings, int line, std::string_view text) {
  return std::any_of(findings.begin(), findings.end(), [&](const Finding& finding) {
    return finding.place.line == line && finding.text.find(text) != std::string::npos;
  });
}

// Two random rules; what is said to be impossible happens for no layer, and every
// rule that accepts a layer is not said to accept none.
TEST(LayerSpace, ProofsHoldForLayersThatAreBuilt) {
  Random random(77);
  int layers = 0, contradictory = 0, redundant = 0, behind = 0;
  constexpr const char* kOps[] = {"conv2d", "depthwise_conv2d", "dense", "max_pool"};
  for (int round = 0; round < 50; ++round) {
    const std::string op = kOps[random.between(0, 3)];
    std::string text;
    for (const char* rule : {"a", "b"}) {
      text += fmt::format("rule {}: {} requant\n", rule, op);
      for (int i = 0; i < (rule[0] == 'a' ? 1 : 4); ++i) text += random_condition(random, op) + "\n";
    }
    const Soc soc = soc_with_rules(text);
    const std::vector<Rule>& rules = soc.accelerators[0].target.rules;
    const std::vector<Finding> findings = prove_conditions(soc, 0), between = prove_rules(soc, 0);
    contradictory += says(findings, rules[1].when.back().place.line, "accepts no layer");
    bool none[2] = {}, accepts_some[2] = {};
    for (int r : {0, 1}) {
      for (const Finding& finding : findings)
        none[r] |= finding.text.find(fmt::format("rule `{}` accepts no layer", rules[r].name)) !=
                   std::string::npos;
    }
    const bool unreachable = says(between, rules[1].place.line, "is unreachable behind `a`");
    behind += unreachable;
    std::set<int> needless;
    for (const Condition& condition : rules[1].when) {
      if (says(findings, condition.place.line, "redundant")) needless.insert(condition.place.line);
    }
    redundant += static_cast<int>(needless.size());
    for (int layer = 0; layer < 40; ++layer) {
      const std::optional<Example> example =
          example_of(soc, 0, {op, "requant"}, random_values(random, {op, "requant"}));
      if (!example) continue;
      ++layers;
      bool accepted[2] = {};
      for (int r : {0, 1}) {
        const std::optional<Match> match = match_of(*example, 0, r);
        ASSERT_TRUE(match) << text;
        accepted[r] = match->accepted();
        accepts_some[r] |= accepted[r];
        EXPECT_FALSE(none[r] && accepted[r]) << text << text_of(findings);
        if (r == 0 || match->failed.empty()) continue;
        // The first condition that fails is none that follows from those before it.
        for (const Condition& condition : rules[1].when) {
          if (condition.text != match->failed.front().condition) continue;
          EXPECT_FALSE(needless.contains(condition.place.line)) << text << text_of(findings);
          break;
        }
      }
      EXPECT_FALSE(unreachable && accepted[1] && !accepted[0]) << text << text_of(between);
    }
  }
  EXPECT_GT(layers, 500);
  EXPECT_GT(contradictory, 2);
  EXPECT_GT(redundant, 5);
  EXPECT_GE(behind, 2);
}

}  // namespace
}  // namespace heddle
