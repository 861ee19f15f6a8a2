#include "match/spine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace heddle {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<size_t> lengths(const std::string& pattern, const std::string& ops) {
  Result<Pattern> parsed = parse_pattern(pattern, in_file("test"));
  EXPECT_TRUE(parsed.ok()) << pattern;
  std::vector<std::string> words;
  std::istringstream stream(ops);
  for (std::string word; stream >> word;) words.push_back(word);
  return SpinePattern(*parsed).matching_lengths(words);
}

TEST(Spine, OptionalOperatorsAndRepetition) {
  EXPECT_THAT(lengths("conv2d bias_add? requant relu?", "conv2d bias_add requant relu max_pool"),
              ElementsAre(4, 3));
  EXPECT_THAT(lengths("conv2d bias_add? requant relu?", "conv2d requant add"), ElementsAre(2));
  EXPECT_THAT(lengths("conv2d bias_add? requant relu?", "conv2d bias_add relu"), IsEmpty());
  EXPECT_THAT(lengths("mac map*", "dense bias_add requant flatten"), ElementsAre(3, 2, 1));
  EXPECT_THAT(lengths("any", "i_softmax requant"), ElementsAre(1));
}

TEST(Spine, AlternativesAndClasses) {
  EXPECT_THAT(lengths("(conv2d | dense) requant", "dense requant"), ElementsAre(2));
  EXPECT_THAT(lengths("(conv2d | dense) requant", "depthwise_conv2d requant"), IsEmpty());
  EXPECT_THAT(lengths("(pool | view) requant?", "flatten requant"), ElementsAre(2, 1));
}

// Names are whole words: `conv2d` is no suffix of `depthwise_conv2d`, `add` none of `bias_add`.
TEST(Spine, NamesAreWholeWords) {
  EXPECT_THAT(lengths("conv2d", "depthwise_conv2d"), IsEmpty());
  EXPECT_THAT(lengths("dense add", "dense bias_add"), IsEmpty());
}

// Every operator belongs to one item; an earlier item takes as many as it can.
TEST(Spine, ItemsOfAMatch) {
  const auto items = [](const std::string& pattern, std::vector<std::string> ops) {
    return SpinePattern(*parse_pattern(pattern, in_file("test"))).items_of(ops);
  };
  EXPECT_THAT(items("conv2d bias_add? requant relu?", {"conv2d", "requant", "relu"}),
              ElementsAre(0, 2, 3));
  EXPECT_THAT(items("matmul requant? i_softmax matmul requant",
                    {"matmul", "i_softmax", "matmul", "requant"}),
              ElementsAre(0, 2, 3, 4));
  EXPECT_THAT(items("conv2d map* requant relu?", {"conv2d", "add", "requant", "requant"}),
              ElementsAre(0, 1, 1, 2));
}

TEST(Spine, StartsWithLooksPastOptionalOperators) {
  const SpinePattern pattern(*parse_pattern("pad? conv2d requant", in_file("test")));
  EXPECT_TRUE(pattern.starts_with("pad"));
  EXPECT_TRUE(pattern.starts_with("conv2d"));
  EXPECT_FALSE(pattern.starts_with("requant"));
}

TEST(FullMatch, ComparesWholeNames) {
  const std::vector<std::string> names = {"conv1", "conv10", "res_conv1", ""};
  EXPECT_THAT(*full_match("conv1", names, in_file("test")), ElementsAre(true, false, false, false));
  EXPECT_THAT(*full_match("(res_)?conv1.?", names, in_file("test")),
              ElementsAre(true, true, true, false));
  EXPECT_THAT(*full_match(".*", names, in_file("test")), ElementsAre(true, true, true, true));
}

TEST(FullMatch, SaysWhereAnExpressionIsWrong) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"conv(", "at character 6"},     {"(a)b)(", "at character 5"}, {"a)", "at character 2"},
      {"conv[0-", "at character 5"},   {"ab**", "at character 3"},   {"*a", "at character 1"},
      {R"(conv\y)", "at character 5"}, {"a{2000}", "at character 2"}};
  for (const auto& [regex, where] : wrong) {
    const Result<std::vector<bool>> matched =
        full_match(regex, std::vector<std::string>{"a"}, Place{"policy.toml", 3, 11, "", ""});
    ASSERT_FALSE(matched.ok()) << regex;
    const Diagnostic& error = matched.errors().front();
    EXPECT_THAT(error.message, testing::HasSubstr(where)) << regex;
    EXPECT_EQ(std::to_string(error.place.column - 10), where.substr(where.rfind(' ') + 1)) << regex;
  }
}

}  // namespace
}  // namespace heddle
