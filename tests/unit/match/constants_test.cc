// Constants that a job is not given: found by heddle check, which drew requantisations with a shift for
// each channel.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "match/match.h"
#include "support/network_builder.h"

namespace heddle {
namespace {

Matches matches_of(bool with_shifts) {
  Result<Soc> soc = load_soc(std::string(HEDDLE_SOURCE_DIR) + "/rules/soc/diana.toml");
  HEDDLE_CHECK(soc.ok(), format_diagnostics(soc.errors()));
  soc->accelerators.resize(1);  // the digital core
  NetworkBuilder builder;
  const ValueId x = builder.input({1, 4});
  const ValueId sum = builder.node("dense", {x, builder.constant(Tensor(DType::int8, {3, 4}))}, {});
  std::vector<ValueId> operands{sum};
  if (with_shifts) {
    operands.resize(3);
    operands.push_back(builder.constant(Tensor::of(DType::int8, {3}, {0, 1, 2})));
  }
  const int64_t lo = -128, hi = 127, shift = 4, axis = 1;
  builder.graph.outputs = {builder.node("requant", operands,
                                        {{"lo", lo}, {"hi", hi}, {"shift", shift}, {"axis", axis},
                                         {"rounding", std::string("shift")}})};
  return match_rules(builder.graph, *soc, {});
}

int on_units(const std::vector<Match>& matches) {
  return static_cast<int>(std::count_if(matches.begin(), matches.end(),
                                        [](const Match& match) { return match.target >= 0; }));
}

TEST(Constants, ThatAJobIsNotGivenRefuseTheLayer) {
  EXPECT_EQ(on_units(matches_of(false).accepted), 1);
  const Matches matches = matches_of(true);
  EXPECT_EQ(on_units(matches.accepted), 0);
  ASSERT_EQ(on_units(matches.refused), 1);
  const auto refused = std::find_if(matches.refused.begin(), matches.refused.end(),
                                    [](const Match& match) { return match.target >= 0; });
  ASSERT_EQ(refused->failed.size(), 1u);
  EXPECT_EQ(refused->failed[0].condition, "no `shifts`");
  EXPECT_EQ(refused->failed[0].why, "a job is not given the constant `shifts`");
  EXPECT_EQ(refused->failed[0].values, "`shifts` has the shape [3]");
}

}  // namespace
}  // namespace heddle
