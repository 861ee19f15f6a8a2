#include "match/spine.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "base/text.h"

namespace heddle {
namespace {

// "conv2d bias_add? requant" becomes "(conv2d )((?:bias_add )?)(requant )", a group for each item; a
// class becomes all its operators.
std::string regex_of(const PatternItem& item) {
  std::string alternatives;
  for (const OpDef* op : all_ops()) {
    if (!accepts(item, op->name)) continue;
    if (!alternatives.empty()) alternatives += '|';
    alternatives += std::string(op->name) + ' ';
  }
  static constexpr const char* kRepeat[] = {"", "?", "*"};
  return "((?:" + alternatives + ")" + kRepeat[static_cast<size_t>(item.repeat)] + ")";
}

re2::RE2::Options quiet() {
  re2::RE2::Options options;
  options.set_log_errors(false);
  return options;
}

// Where an expression goes wrong. RE2 says which part it is, but of a parenthesis only that there is one.
size_t offset_of_error(std::string_view regex, const re2::RE2& refused) {
  if (refused.error_code() == re2::RE2::ErrorMissingParen ||
      refused.error_code() == re2::RE2::ErrorUnexpectedParen) {
    // One that closes nothing ends the first prefix that it spoils; an open one shows at the end.
    const auto fine = [&](size_t n) {
      return re2::RE2(re2::StringPiece(regex.data(), n), quiet()).ok();
    };
    for (size_t n = 1; n <= regex.size(); ++n) {
      if (regex[n - 1] == ')' && !fine(n) && fine(n - 1)) return n - 1;
    }
    return regex.size();
  }
  const size_t found = regex.find(refused.error_arg());
  return found == std::string_view::npos ? 0 : found;
}

}  // namespace

Result<std::vector<bool>> full_match(std::string_view regex, std::span<const std::string> texts,
                                     const Place& place) {
  const re2::RE2 compiled(re2::StringPiece(regex.data(), regex.size()), quiet());
  if (!compiled.ok()) {
    const size_t offset = offset_of_error(regex, compiled);
    const std::string said = compiled.error().substr(0, compiled.error().find(": "));
    return error_at(place_within(place, regex, offset),
                    fmt::format("`{}` is no regular expression: {} at character {}",
                                terminal_text(regex), terminal_text(said), offset + 1),
                    "write a regular expression as RE2 has it, e.g. `conv[0-9]+`; `.` stands for any "
                    "character, and `.*` for any text");
  }
  std::vector<bool> matched;
  for (const std::string& text : texts) matched.push_back(re2::RE2::FullMatch(text, compiled));
  return matched;
}


bool accepts(const PatternItem& item, std::string_view op) {
  const OpDef* def = find_op(op);
  return std::any_of(
      item.alternatives.begin(), item.alternatives.end(), [&](const std::string& wanted) {
        return wanted == op || wanted == "any" || (def != nullptr && in_class(*def, wanted));
      });
}

// It is made when it is first asked, since most patterns are turned away by the first operator, and kept
// for all patterns of this text, since every form of a layer is matched anew.
std::shared_ptr<const re2::RE2> expression_of(const std::vector<PatternItem>& items) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const re2::RE2>> made;
  std::string text;
  for (const PatternItem& item : items) text += regex_of(item);
  const std::lock_guard<std::mutex> lock(mutex);
  std::shared_ptr<const re2::RE2>& known = made[text];
  if (known == nullptr) known = std::make_shared<const re2::RE2>(text);
  HEDDLE_CHECK(known->ok(),
               "a parsed pattern gives a regular expression that RE2 refuses: " + text);
  return known;
}

struct SpinePattern::Compiled {
  std::vector<PatternItem> items;
  std::shared_ptr<const re2::RE2> made;

  const re2::RE2& whole() {
    if (made == nullptr) made = expression_of(items);
    return *made;
  }
};

SpinePattern::SpinePattern(const Pattern& pattern) : compiled_(new Compiled{pattern.items, {}}) {}
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
    if (re2::RE2::FullMatch(text, compiled_->whole())) lengths.push_back(n);
  }
  std::reverse(lengths.begin(), lengths.end());
  return lengths;
}

std::vector<size_t> SpinePattern::items_of(std::span<const std::string> ops) const {
  std::string text;
  for (const std::string& op : ops) text += op + ' ';
  std::vector<std::string> groups(compiled_->items.size());
  std::vector<re2::RE2::Arg> arguments;
  for (std::string& group : groups) arguments.emplace_back(&group);
  std::vector<const re2::RE2::Arg*> pointers;
  for (const re2::RE2::Arg& argument : arguments) pointers.push_back(&argument);
  HEDDLE_CHECK(re2::RE2::FullMatchN(text, compiled_->whole(), pointers.data(),
                                    static_cast<int>(pointers.size())),
               "the items of operators that are no match");
  std::vector<size_t> items;
  for (size_t i = 0; i < groups.size(); ++i)
    items.insert(items.end(), static_cast<size_t>(std::count(groups[i].begin(), groups[i].end(), ' ')), i);
  return items;
}

}  // namespace heddle
