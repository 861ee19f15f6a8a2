#include "match/spine.h"

#include <re2/re2.h>

#include <algorithm>

namespace heddle {
namespace {

// "conv2d bias_add? requant" becomes "(?:conv2d )(?:bias_add )?(?:requant )"; a class becomes all
// its operators.
std::string regex_of(const PatternItem& item) {
  std::string alternatives;
  for (const OpDef* op : all_ops()) {
    if (!accepts(item, op->name)) continue;
    if (!alternatives.empty()) alternatives += '|';
    alternatives += std::string(op->name) + ' ';
  }
  static constexpr const char* kRepeat[] = {"", "?", "*"};
  return "(?:" + alternatives + ")" + kRepeat[static_cast<size_t>(item.repeat)];
}

}  // namespace

bool accepts(const PatternItem& item, std::string_view op) {
  const OpDef* def = find_op(op);
  return std::any_of(
      item.alternatives.begin(), item.alternatives.end(), [&](const std::string& wanted) {
        return wanted == op || wanted == "any" || (def != nullptr && in_class(*def, wanted));
      });
}

struct SpinePattern::Compiled {
  std::vector<PatternItem> items;
  re2::RE2 whole;
};

SpinePattern::SpinePattern(const Pattern& pattern) {
  std::string text;
  for (const PatternItem& item : pattern.items) text += regex_of(item);
  compiled_.reset(new Compiled{pattern.items, re2::RE2(text)});
  HEDDLE_CHECK(compiled_->whole.ok(),
               "a parsed pattern gives a regular expression that RE2 refuses: " + text);
}
SpinePattern::~SpinePattern() = default;
SpinePattern::SpinePattern(SpinePattern&&) noexcept = default;

bool SpinePattern::starts_with(std::string_view op) const {
  for (const PatternItem& item : compiled_->items) {
    if (accepts(item, op)) return true;
    if (item.repeat == PatternItem::Repeat::once) return false;
  }
  return false;
}

std::vector<size_t> SpinePattern::matching_lengths(std::span<const std::string> ops) const {
  std::vector<size_t> lengths;
  std::string text;
  for (size_t n = 1; n <= ops.size(); ++n) {
    text += ops[n - 1] + ' ';
    if (re2::RE2::FullMatch(text, compiled_->whole)) lengths.push_back(n);
  }
  std::reverse(lengths.begin(), lengths.end());
  return lengths;
}

}  // namespace heddle
