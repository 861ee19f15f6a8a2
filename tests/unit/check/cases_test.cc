// Cases against a rule of our own: what is as said, and what is told where something is not.
#include "check/cases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"

namespace heddle {
namespace {

using testing::HasSubstr;

// The layer's lines stand under `[case.layer]`; the case's above it.
std::string file_of(const std::string& head, const std::string& layer) {
  return "schema = 1\n[[case]]\nname = \"one\"\nwhy = \"a test\"\n" + head + "\n[case.layer]\n" + layer + "\n";
}

class Cases : public testing::Test {
 protected:
  // What DIANA's cores make of it: "as said", or the findings as text.
  std::string judge(const std::string& head, const std::string& layer, int unit = 0) {
    const TemporaryFolder folder;
    std::filesystem::create_directory(folder.path() / "cases");
    EXPECT_TRUE(write_file(folder.path() / "cases/one.toml", file_of(head, layer)).ok());
    Result<std::vector<LayerCase>> cases = load_cases(folder.path());
    EXPECT_TRUE(cases.ok()) << format_diagnostics(cases.errors());
    if (!cases.ok()) return "";
    cases_ = std::move(*cases);
    judged_ = judge_cases(soc_, unit, cases_);
    EXPECT_EQ(judged_.as_said + (judged_.findings.empty() ? 0 : 1), judged_.cases);
    std::string text = judged_.findings.empty() ? "as said" : "";
    for (const Finding& finding : judged_.findings) text += to_string(finding);
    return text;
  }

  Soc soc_ = load_soc(std::string(HEDDLE_SOURCE_DIR) + "/rules/soc/diana.toml").value();
  std::vector<LayerCase> cases_;
  JudgedCases judged_;
};

const char* const kDense = "operators = \"dense requant\"\n";
const char* const kPlain = "c = 5\nk = 3\nrequant.rounding = \"shift\"\nrequant.shift = 4\n";

TEST_F(Cases, AreAsSaid) {
  const std::string accepted = std::string(kDense) + "accepted = \"dense\"";
  EXPECT_EQ(judge(accepted, kPlain), "as said");
  ASSERT_EQ(judged_.accepted.size(), 1u);
  EXPECT_EQ(judged_.accepted[0].said, &cases_[0]);
  EXPECT_THAT(describe_layer(judged_.accepted[0].layer.graph), HasSubstr("x [1, 5] int8, weights [3, 5] int8"));
  // By the text of a condition, and by its reason; all that fail, and only those.
  EXPECT_EQ(judge(std::string(kDense) + "rule = \"dense\"\nrefused = [\"n == 1\", \"the output stage adds no zero point\"]",
                  std::string(kPlain) + "n = 2\nrequant.zero_point = 1"), "as said");
  EXPECT_TRUE(judged_.accepted.empty());
}

TEST_F(Cases, HoldTheirElements) {
  EXPECT_EQ(judge("operators = \"conv2d requant requant\"\naccepted = \"conv2d\"",
                  "c = 2\nk = 4\niy = 3\nix = 3\nfy = 1\nfx = 1\nx = { lo = -64, hi = 63 }\nweights.values = [-1, 0, 1]\n"
                  "requant = { rounding = \"shift\", shift = 2, lo = -32, hi = 31 }\nrequant_2 = { rounding = \"floor\", shift = 5 }\n"
                  "mul_2 = { min = -128, max = 127 }\nadd_2.values = [-32768, 5]", 1), "as said");
  const Graph& graph = judged_.accepted.at(0).layer.graph;
  std::string operands;
  for (const Value& value : graph.values) {
    if (!value.constant) continue;
    std::set<int64_t> all;
    for (int64_t i = 0; i < value.constant->elements(); ++i) all.insert(value.constant->at(i));
    operands += value.name + " " + std::to_string(*all.begin()) + " to " + std::to_string(*all.rbegin()) + ", ";
  }
  EXPECT_EQ(operands, "weights -1 to 1, mul_2 -128 to 127, add_2 -32768 to 5, ");
}

TEST_F(Cases, SayWhatIsOtherwise) {
  const std::string accepted = std::string(kDense) + "accepted = \"dense\"";
  const auto refused = [](const std::string& why) {
    return std::string(kDense) + "rule = \"dense\"\nrefused = [\"" + why + "\"]";
  };
  const struct {
    std::string head, layer, said;
  } table[] = {
      {accepted, std::string(kPlain) + "n = 2", "rule `dense` refuses the layer\n"},
      {accepted, std::string(kPlain) + "n = 2", "a job computes one vector: n is 2"},
      {refused("a job computes one vector"), kPlain, "rule `dense` accepts the layer\n"},
      {refused("a job computes one vector"), kPlain, "holds: n == 1: n 1"},
      {refused("a job computes one vector"), std::string(kPlain) + "requant.zero_point = 1",
       "fails: the output stage adds no zero point: requant.zero_point is 1"},
      {refused("a job computes one vectors"), std::string(kPlain) + "n = 2",
       "no condition of the rule says `a job computes one vectors`; did you mean `a job"},
      {std::string(kDense) + "accepted = \"dens\"", kPlain, "the unit has no rule `dens`; did you mean `dense`?"},
      {std::string(kDense) + "accepted = \"add\"", kPlain, "the pattern of rule `add` does not take these operators"},
      {accepted, "c = 5\nrequant = { rounding = \"shift\", shift = 4 }", "the case does not say `k`"},
      {accepted, std::string(kPlain) + "requant.zero_pont = 1",
       "the layer has no `requant.zero_pont`; did you mean `requant.zero_point`?"},
      {accepted, std::string(kPlain) + "x.lo = -300", "`x.lo` is -128 of the layer, not -300"},
      {accepted, std::string(kPlain) + "macs = 16", "`macs` is 15 of the layer, not 16"},
      {accepted, std::string(kPlain) + "x.dtype = \"int9\"", "there is no type `int9`"},
      {accepted, std::string(kPlain) + "n = \"one\"", "`n` is a number of a layer"},
      {accepted, std::string(kPlain) + "weights.values = [-1, 200]", "`int8` does not hold all of these"},
      {accepted + "\nmemory = { l9 = 64 }", kPlain, "SoC `diana` has no memory `l9`"},
      {accepted + "\nmemory = { l2 = 64 }", kPlain, "memory `l2` holds the network itself"},
      {accepted + "\nmemory = { l1 = 99999999 }", kPlain, "memory `l1` of SoC `diana` has only"},
      {accepted + "\nmemory = { l1 = 4 }", kPlain, "no tile of the layer fits"},
      {accepted + "\ncut = [\"k\"]", kPlain, "the layer is cut along nothing, not along `k`"},
  };
  for (const auto& row : table) {
    const std::string said = judge(row.head, row.layer);
    EXPECT_THAT(said, HasSubstr(row.said));
    EXPECT_THAT(said, HasSubstr("cases/one.toml:"));
    EXPECT_THAT(said, HasSubstr("error: case `one`: "));
  }
}

}  // namespace
}  // namespace heddle
