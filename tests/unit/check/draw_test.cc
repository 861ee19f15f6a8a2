#include "check/draw.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "ops/op.h"

namespace heddle {
namespace {

Soc load(const std::string& name) {
  Result<Soc> soc = load_soc(std::string(HEDDLE_SOURCE_DIR) + "/rules/soc/" + name + ".toml");
  EXPECT_TRUE(soc.ok()) << format_diagnostics(soc.errors());
  return *soc;
}

// The SoC with the conditions and the pattern of its accelerator's only rule replaced.
Soc with_rule(const std::string& pattern, const std::vector<std::string>& conditions) {
  Soc soc = load("diana");
  Target& target = soc.accelerators[0].target;
  target.rules.resize(1);
  Result<Pattern> parsed = parse_pattern(pattern, in_file("test"));
  EXPECT_TRUE(parsed.ok());
  target.rules[0].pattern = *parsed;
  target.rules[0].when.clear();
  for (const std::string& text : conditions) {
    Result<Expr> expr = parse_expr(text, in_file("test"));
    EXPECT_TRUE(expr.ok()) << text;
    target.rules[0].when.push_back({*expr, text, "test", {}});
  }
  return soc;
}

struct DrawCase {
  std::string pattern;
  std::vector<std::string> conditions;
};
void PrintTo(const DrawCase& c, std::ostream* out) { *out << c.pattern; }

class NarrowRules : public testing::TestWithParam<DrawCase> {};

TEST_P(NarrowRules, AreSatisfied) {
  const Soc soc = with_rule(GetParam().pattern, GetParam().conditions);
  LayerSource source(soc, 0, 0, 1);
  int drawn = 0;
  for (int i = 0; i < 30 && drawn < 10; ++i) drawn += source.draw() ? 1 : 0;
  EXPECT_EQ(drawn, 10) << "hardest: " << source.hardest();
}

INSTANTIATE_TEST_SUITE_P(
    All, NarrowRules,
    testing::Values(
        DrawCase{"conv2d requant", {"weights.values in [-1, 0, 1]", "conv2d.group == 1"}},
        DrawCase{"conv2d bias_add requant",
                 {"c mod 16 == 0", "k mod 16 == 0", "oy == 8 and ox == 8", "fy == fx"}},
        DrawCase{"conv2d", {"conv2d.pad_top == (fy - 1) / 2 and conv2d.pad_bottom == fy / 2",
                            "conv2d.pad_left == (fx - 1) / 2 and conv2d.pad_right == fx / 2",
                            "conv2d.stride_h == 1 and conv2d.stride_w == 1", "fy >= 2", "fx != fy"}},
        DrawCase{"dense requant", {"weights.bytes <= 600 and weights.elements >= 500",
                                   "requant.rounding == 'half_up'", "requant.shift >= 16"}},
        DrawCase{"dense requant", {"requant.rounding in ['tflite_double']", "mul.elements >= 1", "y.bits == 8 and not y.signed"}},
        DrawCase{"add(residual) requant relu?", {"x.lo >= 0", "residual.hi <= 100", "x.rank == 3",
                                                 "requant.rounding == 'shift'"}},
        DrawCase{"matmul", {"x.bits == 8 and x.signed and w.bits == 8 and w.signed", "x.rank == 2",
                            "x.elements mod 256 == 0"}},
        DrawCase{"(conv2d | depthwise_conv2d) requant clip?", {"y.lo == 0", "x.dtype == 'uint8'"}},
        DrawCase{"max_pool", {"max_pool.kernel_h == 2 and max_pool.kernel_w == 2",
                              "max_pool.stride_h == 2 and max_pool.stride_w == 2", "ox mod 8 == 0"}},
        DrawCase{"(i_softmax | ita_max)", {"ita_max.levels == 256", "x.rank == 2"}},
        DrawCase{"conv2d map*", {"macs <= 5000", "x.signed"}}));

class ShippedRules : public testing::TestWithParam<std::string> {};

TEST_P(ShippedRules, HaveManyDifferentLayers) {
  const Soc soc = load(GetParam());
  for (size_t u = 0; u < soc.accelerators.size(); ++u) {
    for (size_t r = 0; r < soc.accelerators[u].target.rules.size(); ++r) {
      LayerSource source(soc, static_cast<int>(u), static_cast<int>(r), 7);
      std::set<std::string> different;
      for (int i = 0; i < 100; ++i) {
        const std::optional<DrawnLayer> layer = source.draw();
        ASSERT_TRUE(layer) << soc.accelerators[u].target.rules[r].name << ": " << source.hardest();
        different.insert(dump(layer->graph));
      }
      EXPECT_GE(different.size(), 95u);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ShippedRules, testing::Values("diana", "qvanilla"));

TEST(Draw, IsRepeatable) {
  const Soc soc = load("diana");
  std::string texts[2];
  for (std::string& text : texts) {
    LayerSource source(soc, 0, 0, 3);
    for (int i = 0; i < 10; ++i) {
      const std::optional<DrawnLayer> layer = source.draw();
      text += layer ? dump(layer->graph) : "none\n";
    }
  }
  EXPECT_THAT(texts[0], testing::HasSubstr("conv2d"));
  EXPECT_EQ(texts[0], texts[1]);
}

TEST(Draw, SaysWhichConditionNoLayerMeets) {
  const Soc soc = with_rule("dense requant", {"k >= 20 and k < 10", "c >= 2"});
  LayerSource source(soc, 0, 0, 1);
  EXPECT_FALSE(source.draw());
  EXPECT_EQ(source.hardest(), "k >= 20 and k < 10");
}

}  // namespace
}  // namespace heddle
