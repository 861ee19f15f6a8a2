#include "check/prove.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "unit/check/prove_rules.h"

namespace heddle {
namespace {

using testing::HasSubstr;

struct Case {
  std::string rules;
  std::string findings;
};

TEST(ProveConditions, Table) {
  const Case cases[] = {
      // Nothing to say but an example.
      {"rule r: conv2d requant\n x.bits == 8 and x.signed\n fy in [1, 3]",
       "proven 1: rule `r` accepts layers [conv2d requant]\n"},
      {"rule r: conv2d", ""},
      // Contradictions: the smallest subset, with both texts.
      {"rule r: conv2d requant\n x.bits == 8\n fy in [1, 3]\n fx <= 5\n fy > 5",
       "error 5: rule `r` accepts no layer: 2 of its conditions exclude each other "
       "[line 3: `fy in [1, 3]`] [line 5: `fy > 5`]\n"},
      {"rule r: conv2d\n k mod 16 == 0\n k * 2 < 32\n c > 2",
       "error 3: rule `r` accepts no layer: 2 of its conditions exclude each other "
       "[line 2: `k mod 16 == 0`] [line 3: `k * 2 < 32`]\n"},
      {"rule r: conv2d\n fy == fx\n conv2d.stride_h == 1\n conv2d.pad_top == 0\n "
       "conv2d.pad_bottom == 0\n conv2d.dilation_h == 1\n oy > iy\n k == 3",
       "error 7: rule `r` accepts no layer: 3 of its conditions exclude each other "
       "[line 4: `conv2d.pad_top == 0`] [line 5: `conv2d.pad_bottom == 0`] [line 7: `oy > iy`]\n"},
      {"rule r: dense requant\n x.signed and x.lo > 0 and x.hi < 0",
       "error 2: rule `r` accepts no layer: no layer fulfils this condition\n"},
      {"rule r: dense requant\n requant.rounding == 'down'",
       "error 2: rule `r` accepts no layer: no layer fulfils this condition\n"},
      {"rule r: dense requant\n y.dtype == 'int8'\n requant.lo == -200",
       "error 3: rule `r` accepts no layer: 2 of its conditions exclude each other "
       "[line 2: `y.dtype == 'int8'`] [line 3: `requant.lo == -200`]\n"},
      {"rule r: dense\n weights.values in [-1, 0, 1]\n weights.min < -1",
       "error 3: rule `r` accepts no layer: 2 of its conditions exclude each other "
       "[line 2: `weights.values in [-1, 0, 1]`] [line 3: `weights.min < -1`]\n"},
      {"rule r: depthwise_conv2d\n c > 1",
       "error 2: rule `r` accepts no layer: no layer fulfils this condition\n"},
      {"rule r: conv2d\n weights.bytes < c * fy",
       "error 2: rule `r` accepts no layer: no layer fulfils this condition\n"},
      // Of an optional operator: without it the rule accepts.
      {"rule r: conv2d bias_add? requant\n bias_add.axis > 3\n bias_add.axis < 3",
       "proven 1: rule `r` accepts layers [conv2d requant]\n"
       "warning 1: rule `r` accepts no layer with `bias_add` [line 2: `bias_add.axis > 3`]\n"},
      {"rule r: conv2d bias_add? requant\n bias_add.axis > 1\n bias_add.axis < 2\n "
       "bias_add.present == 1",
       "error 3: rule `r` accepts no layer: whatever its operators are, some of its conditions "
       "exclude each other [conv2d requant] [line 4: `bias_add.present == 1`] "
       "[conv2d bias_add requant] [line 2: `bias_add.axis > 1`] [line 3: `bias_add.axis < 2`]\n"},
      {"rule r: conv2d bias_add? requant\n fy in [1, 3]\n bias.bits == 7",
       "error 3: rule `r` accepts no layer: no layer fulfils this condition\n"},
      {"rule r: conv2d bias_add? requant\n fy in [1, 3]\n bias_add.present == 0 or bias.bits == 7",
       "proven 1: rule `r` accepts layers [conv2d requant]\n"
       "warning 1: rule `r` accepts no layer with `bias_add` [line 3: `bias_add.present == 0 or "
       "bias.bits == 7`]\n"},
      // Conditions without a value.
      {"rule r: conv2d\n fy / (k - k) == 1",
       "error 2: rule `r` accepts no layer: this condition has no value for any layer: division by "
       "zero: `fy / (k - k)` with 1 on the left\n"},
      {"rule r: (conv2d | dense)\n oy > 2",
       "proven 1: rule `r` accepts layers [conv2d]\n"
       "warning 1: rule `r` accepts no layer with `dense` [line 2: `oy > 2`]\n"},
      {"rule r: conv2d requant\n x.dtype < 8",
       "error 2: rule `r` accepts no layer: this condition has no value for any layer: `<` cannot "
       "compare a text with an integer: `x.dtype`, which is 'int8' and 8\n"},
      // Conditions that say nothing.
      {"rule r: conv2d\n conv2d.stride_h >= 1\n fy in [1, 3]\n fy < 4\n k > 0 or c > 5",
       "proven 1: rule `r` accepts layers [conv2d]\n"
       "proven 2: rule `r`: this condition is redundant, every layer fulfils it\n"
       "proven 4: rule `r`: this condition is redundant, it follows from those before it "
       "[line 3: `fy in [1, 3]`]\n"
       "proven 5: rule `r`: this condition is redundant, every layer fulfils it\n"},
      {"rule r: conv2d requant\n x.dtype == 'int8'\n x.bits == 8\n x.signed\n x.lo >= -128",
       "proven 1: rule `r` accepts layers [conv2d requant]\n"
       "proven 3: rule `r`: this condition is redundant, it follows from those before it "
       "[line 2: `x.dtype == 'int8'`]\n"
       "proven 4: rule `r`: this condition is redundant, it follows from those before it "
       "[line 2: `x.dtype == 'int8'`]\n"
       "proven 5: rule `r`: this condition is redundant, it follows from those before it "
       "[line 2: `x.dtype == 'int8'`]\n"},
      // A constant that may be absent: the condition then refuses, so it says something.
      {"rule r: dense requant\n mul.bits <= 64",
       "proven 1: rule `r` accepts layers [dense requant]\n"},
      {"rule r: dense requant\n mul.present == 1 and mul.bits <= 64\n requant.rounding == 'half_up'",
       "proven 1: rule `r` accepts layers [dense requant]\n"},
      {"rule r: dense requant\n mul.present == 1\n requant.rounding == 'shift'",
       "error 3: rule `r` accepts no layer: 2 of its conditions exclude each other "
       "[line 2: `mul.present == 1`] [line 3: `requant.rounding == 'shift'`]\n"},
      {"rule r: conv2d\n conv2d.group == 1\n ic == c\n g == 1",
       "proven 1: rule `r` accepts layers [conv2d]\n"
       "proven 3: rule `r`: this condition is redundant, it follows from those before it "
       "[line 2: `conv2d.group == 1`]\n"
       "proven 4: rule `r`: this condition is redundant, it follows from those before it "
       "[line 2: `conv2d.group == 1`]\n"},
      {"rule r: max_pool\n fy == max_pool.kernel_h\n max_pool.pad_top < fy",
       "proven 1: rule `r` accepts layers [max_pool]\n"
       "proven 2: rule `r`: this condition is redundant, every layer fulfils it\n"
       "proven 3: rule `r`: this condition is redundant, every layer fulfils it\n"},
      {"rule r: add(residual) requant\n x.rank == 4\n n == 1\n residual.bits == 8\n k mod 16 == 5",
       "proven 1: rule `r` accepts layers [add requant]\n"},
      // A second operator of a name.
      {"rule r: conv2d requant requant?\n requant.shift == 3 and requant_2.shift == 4\n "
       "requant_2.present == 1\n requant.shift > 2",
       "proven 1: rule `r` accepts layers [conv2d requant requant]\n"
       "proven 4: rule `r`: this condition is redundant, it follows from those before it "
       "[line 2: `requant.shift == 3 and requant_2.shift == 4`]\n"},
      {"rule r: conv2d map*\n memory.l1.bytes > 1000\n memory.l1.bytes < 1000",
       "error 3: rule `r` accepts no layer: 2 of its conditions exclude each other "
       "[line 2: `memory.l1.bytes > 1000`] [line 3: `memory.l1.bytes < 1000`]\n"},
  };
  for (const Case& each : cases) {
    EXPECT_EQ(text_of(prove_conditions(soc_with_rules(each.rules), 0)), each.findings) << each.rules;
  }
}

TEST(ProveRules, Table) {
  const Case cases[] = {
      // Neither shares a layer with the other.
      {"rule a: conv2d requant\nrule b: dense requant", ""},
      {"rule a: conv2d\n fy == 1\nrule b: conv2d\n fy > 1", ""},
      {"rule a: conv2d\n fy == 1\nrule b: conv2d requant\n fy == 1", ""},
      // Overlaps.
      {"rule a: conv2d\n fy in [1, 3]\nrule b: conv2d\n fy >= 3",
       "proven 3: rule `b` accepts layers that `a` accepts too; a schedule takes the cheaper one "
       "[`a`]\n"},
      {"rule a: conv2d requant?\n k mod 16 == 0\nrule b: conv2d requant\n k mod 16 == 0 or k < 16",
       "proven 3: rule `b` accepts layers that `a` accepts too; a schedule takes the cheaper one "
       "[`a`]\n"},
      // Unreachable behind one, behind two together.
      {"rule a: conv2d\n fy in [1, 3, 5]\nrule b: conv2d\n fy == 3\n fx == 3",
       "proven 3: rule `b` accepts layers that `a` accepts too; a schedule takes the cheaper one "
       "[`a`]\n"
       "warning 3: rule `b` is unreachable behind `a`: they accept all of its layers, and it is never "
       "cheaper\n"},
      {"rule a: conv2d\n fy < 4\nrule z: dense\nrule b: conv2d\n fy > 2\nrule c: conv2d\n fx == 5",
       "proven 4: rule `b` accepts layers that `a` accepts too; a schedule takes the cheaper one "
       "[`a`]\n"
       "proven 6: rule `c` accepts layers that `a`, `b` accept too; a schedule takes the cheaper one "
       "[`a`] [`b`]\n"
       "warning 6: rule `c` is unreachable behind `a`, `b`: they accept all of its layers, and it is "
       "never cheaper\n"},
      {"rule a: conv2d map*\n fy == 3 or fy != 3\nrule b: conv2d requant\n x.bits == 8",
       "proven 3: rule `b` accepts layers that `a` accepts too; a schedule takes the cheaper one "
       "[`a`]\n"
       "warning 3: rule `b` is unreachable behind `a`: they accept all of its layers, and it is never "
       "cheaper\n"},
      // The first one sees shorter matches only: the longer one wins.
      {"rule a: conv2d\nrule b: conv2d requant?\n x.bits == 8", "proven 2: rule `b` accepts layers that "
       "`a` accepts too; a schedule takes the cheaper one [`a`]\n"},
      // Cheaper somewhere, and cheaper nowhere.
      {"rule a: dense\n cost macs * 2 + 10\nrule b: dense\n k > 4\n cost macs * 3",
       "proven 3: rule `b` accepts layers that `a` accepts too; a schedule takes the cheaper one "
       "[`a`]\n"
       "proven 3: rule `b` is unreachable behind `a` under first_match; other policies take it where it "
       "is cheaper [dense]\n"},
      {"rule a: dense\n cost macs * 2\nrule b: dense\n k > 4\n cost macs * 2 + k",
       "proven 3: rule `b` accepts layers that `a` accepts too; a schedule takes the cheaper one "
       "[`a`]\n"
       "warning 3: rule `b` is unreachable behind `a`: they accept all of its layers, and it is never "
       "cheaper\n"},
      // The first one may lack what its condition speaks of.
      {"rule a: dense requant\n mul.bits <= 64\nrule b: dense requant\n x.bits == 8",
       "proven 3: rule `b` accepts layers that `a` accepts too; a schedule takes the cheaper one "
       "[`a`]\n"},
  };
  for (const Case& each : cases) {
    EXPECT_EQ(text_of(prove_rules(soc_with_rules(each.rules), 0)), each.findings) << each.rules;
  }
}

TEST(ProveRules, ShippedRulesAreAllReached) {
  for (const char* name : {"diana", "qvanilla", "cpu_only_rv32", "gemmini_like", "cpu_library"}) {
    const Soc& soc = shipped_soc(name);
    for (int target = -1; target < std::ssize(soc.accelerators); ++target) {
      for (const Finding& finding : prove_rules(soc, target))
        EXPECT_FALSE(is_failure(finding)) << to_string(finding);
    }
  }
}

TEST(ProveRules, FindsANarrowerCopyOfAShippedRule) {
  Soc soc = shipped_soc("diana");
  std::vector<Rule>& rules = soc.accelerators[0].target.rules;
  Rule copy = rules[0];
  copy.name = "conv2d_3x3";
  const Result<Expr> square = parse_expr("fy == 3 and fx == 3", Place{});
  ASSERT_TRUE(square.ok());
  copy.when.push_back({*square, "fy == 3 and fx == 3", "", copy.place});
  rules.push_back(copy);
  const std::vector<Finding> findings = prove_rules(soc, 0);
  // It shares layers with `conv2d`, as `mean_pool` does with `depthwise_conv2d`.
  ASSERT_EQ(findings.size(), 3u);
  EXPECT_EQ(std::count_if(findings.begin(), findings.end(),
                          [](const Finding& f) { return f.kind == Finding::Kind::warning; }),
            1);
  EXPECT_EQ(findings[2].kind, Finding::Kind::warning);
  EXPECT_EQ(findings[2].text,
            "rule `conv2d_3x3` is unreachable behind `conv2d`: they accept all of its layers, and it is "
            "never cheaper");
}

TEST(ProveTiles, FindsTheSmallestLayerThatIsTooLarge) {
  const std::vector<Finding> findings = prove_tiles(shipped_soc("diana"), 0);
  ASSERT_EQ(findings.size(), 6u);  // one a rule
  for (const Finding& finding : findings) EXPECT_FALSE(is_failure(finding)) << to_string(finding);
  // 16 blocks of 84 channels of 7 x 7 and 16 biases in 64 kB: 16 * (84 * 49 + 4) = 65,920.
  EXPECT_THAT(findings[0].text, HasSubstr("accepts layers that the memories of soc `diana` are too small"));
  ASSERT_EQ(findings[0].values.size(), 2u);
  EXPECT_THAT(findings[0].values[0], HasSubstr("k 1, c 84, iy 1, ix 1"));
  EXPECT_THAT(findings[0].values[0], HasSubstr("fy 7, fx 7"));
  EXPECT_EQ(findings[0].values[1],
            "memory `weights` has 65,536 bytes; the smallest tile of `conv2d` needs 65,920 (weights "
            "65,920)");
  EXPECT_THAT(findings[1].text, HasSubstr("has a tile that fits"));
  EXPECT_THAT(findings[2].values[0], HasSubstr("k 1, c 4081"));  // 16 * (4096 + 4) bytes
  EXPECT_THAT(findings[3].text, HasSubstr("has a tile that fits"));
}

TEST(ProveTiles, FindsTilesThatNothingAllows) {
  Soc soc = shipped_soc("diana");
  Rule& rule = soc.accelerators[0].target.rules[3];  // add
  const Result<Expr> even = parse_expr("ox mod 2 == 0", Place{});
  ASSERT_TRUE(even.ok());
  rule.require.push_back({*even, "ox mod 2 == 0", "pairs of columns", rule.place});
  const std::vector<Finding> findings = prove_tiles(soc, 0);
  ASSERT_EQ(findings.size(), 6u);  // one a rule
  EXPECT_EQ(findings[3].kind, Finding::Kind::warning);
  EXPECT_EQ(findings[3].text, "rule `add` accepts a layer that it allows no tile of");
  EXPECT_THAT(findings[3].values[0], HasSubstr("k 1, oy 1, ox 1"));
  EXPECT_THAT(findings[3].values[1], HasSubstr("ox mod 2 == 0"));
}

TEST(Prove, IsTheSameEveryTime) {
  const Soc& soc = shipped_soc("qvanilla");
  EXPECT_EQ(text_of(prove(soc, 0)), text_of(prove(soc, 0)));
}

TEST(ProveTiles, ShippedRulesAllowATileOfWhatTheyAccept) {
  for (const char* name : {"qvanilla_tiled", "gemmini_like", "cpu_library"}) {
    const Soc& soc = shipped_soc(name);
    for (int target = 0; target < std::ssize(soc.accelerators); ++target) {
      for (const Finding& finding : prove_tiles(soc, target)) {
        EXPECT_FALSE(is_failure(finding)) << to_string(finding);
      }
    }
  }
}

TEST(ProveTiles, WorksInPlace) {
  for (const Finding& finding : prove_tiles(shipped_soc("qvanilla"), 0))
    EXPECT_THAT(finding.text, HasSubstr("has a tile that fits")) << to_string(finding);
}

TEST(ProveConditions, ShippedRulesAcceptLayers) {
  for (const char* name : {"diana", "qvanilla", "cpu_only_rv32", "gemmini_like", "cpu_library"}) {
    const Soc& soc = shipped_soc(name);
    for (int target = -1; target < std::ssize(soc.accelerators); ++target) {
      for (const Finding& finding : prove_conditions(soc, target)) {
        // A layout conversion stands in no network: the schedule inserts it.
        if (finding.text.find("rule `turn`") != std::string::npos) continue;
        EXPECT_EQ(finding.kind, Finding::Kind::proven) << to_string(finding);
      }
    }
  }
}

}  // namespace
}  // namespace heddle
