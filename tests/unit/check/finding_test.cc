#include "check/finding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace heddle {
namespace {

Place place() { return {"unit/accelerator.toml", 7, 3, "  when = []", ""}; }

TEST(Finding, IsPrintedLikeALoadersErrorWithItsValuesBeforeTheHelp) {
  EXPECT_EQ(to_string({Finding::Kind::error, place(), "rule `r` is wrong", "correct it",
                       {"k 3", "oy 4"}}),
            "unit/accelerator.toml:7:3: error: rule `r` is wrong\n"
            "  |   when = []\n"
            "  |   ^\n"
            "  k 3\n"
            "  oy 4\n"
            "  help: correct it\n");
}

TEST(Finding, ThatIsProvenTakesALine) {
  EXPECT_EQ(to_string({Finding::Kind::proven, place(), "some tile fits every shape", "", {}}),
            "unit/accelerator.toml:7:3: note: some tile fits every shape\n");
}

TEST(Finding, OfWhatIsWrongFailsAndTheRestInforms) {
  EXPECT_TRUE(is_failure({Finding::Kind::error, {}, "", ""}));
  EXPECT_TRUE(is_failure({Finding::Kind::warning, {}, "", ""}));
  EXPECT_FALSE(is_failure({Finding::Kind::undecided, {}, "", ""}));
  EXPECT_FALSE(is_failure({Finding::Kind::proven, {}, "", ""}));
}

TEST(Finding, KeepsTheSeverityOfADiagnostic) {
  const std::vector<Finding> findings =
      findings_of({error_at(place(), "bad", "good"), {Severity::warning, {}, "odd", ""}});
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].kind, Finding::Kind::error);
  EXPECT_EQ(findings[0].place.line, 7);
  EXPECT_EQ(findings[0].remedy, "good");
  EXPECT_EQ(findings[1].kind, Finding::Kind::warning);
}

}  // namespace
}  // namespace heddle
