// pattern = item { item };  item = (name | "(" name { "|" name } ")") [ "(" operand ")" ] [ "?" |
// "*" ] A bracket right after a name or a group binds an operand; one after a blank opens a group.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "ops/op.h"
#include "rules/rules.h"

namespace heddle {
namespace {

constexpr size_t kMaxLength = 500;
constexpr size_t kMaxItems = 32;

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name(char c) { return is_name_start(c) || (c >= '0' && c <= '9'); }

std::vector<std::string> known_alternatives() {
  std::set<std::string> names = {"any"};
  for (const OpDef* op : all_ops()) {
    names.emplace(op->name);
    for (const std::string_view cls : op->classes) names.emplace(cls);
  }
  return {names.begin(), names.end()};
}

class PatternParser {
 public:
  PatternParser(std::string_view text, const Place& start) : text_(text), start_(start) {}

  Result<Pattern> parse() {
    Pattern pattern;
    pattern.text = text_;
    if (text_.size() > kMaxLength) {
      error(0, fmt::format("the pattern has {} characters, at most {} are allowed", text_.size(),
                           kMaxLength));
      return errors_;
    }
    skip_blanks();
    while (at_ < text_.size() && !broken_) {
      pattern.items.push_back(parse_item());
      skip_blanks();
    }
    if (!broken_) check(pattern);
    if (!errors_.empty()) return errors_;
    return pattern;
  }

 private:
  void error(size_t offset, std::string message, std::string remedy = "") {
    errors_.push_back(
        error_at(place_within(start_, text_, offset), std::move(message), std::move(remedy)));
  }
  // After a syntax error nothing more is read; unknown names do not stop the parser.
  void broken(size_t offset, std::string message, std::string remedy = "") {
    if (!broken_) error(offset, std::move(message), std::move(remedy));
    broken_ = true;
  }

  bool next_is(char c) const { return at_ < text_.size() && text_[at_] == c; }
  void skip_blanks() {
    while (next_is(' ') || next_is('\t') || next_is('\n') || next_is('\r')) ++at_;
  }
  std::string found() const {
    if (at_ >= text_.size()) return "the end of the pattern";
    return fmt::format("`{}`", terminal_text(text_.substr(at_, 1)));
  }

  std::string parse_name(std::string_view what) {
    const size_t begin = at_;
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
    if (at_ == begin || !is_name_start(text_[begin])) {
      at_ = begin;
      broken(begin, fmt::format("expected {}, found {}", what, found()));
    }
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::string parse_alternative() {
    const size_t begin = at_;
    std::string name = parse_name("an operator or a class");
    const std::vector<std::string> known = known_alternatives();
    if (!broken_ && std::find(known.begin(), known.end(), name) == known.end()) {
      error(begin,
            fmt::format("unknown operator `{}`{}", terminal_text(name), did_you_mean(name, known)),
            "the operators are listed in docs/operators.md, the classes are `mac`, `pool`, `map`, "
            "`view` and `any`");
    }
    return name;
  }

  void refuse_bare_alternatives() {
    if (next_is('|')) broken(at_, "alternatives need brackets", "write `(conv2d | dense)`");
  }

  PatternItem parse_item() {
    PatternItem item;
    refuse_bare_alternatives();
    if (broken_) return item;
    if (next_is('(')) {
      const size_t open = at_++;
      do {
        skip_blanks();
        item.alternatives.push_back(parse_alternative());
        skip_blanks();
      } while (!broken_ && next_is('|') && ++at_ > 0);
      if (!broken_ && !next_is(')')) {
        if (at_ >= text_.size()) {
          broken(open, "this bracket is not closed");
        } else {
          broken(at_, fmt::format("expected `|` or `)`, found {}", found()));
        }
      }
      ++at_;
    } else {
      item.alternatives.push_back(parse_alternative());
    }
    if (!broken_ && next_is('(')) parse_binding(item);
    if (next_is('?') || next_is('*')) {
      item.repeat = next_is('?') ? PatternItem::Repeat::optional : PatternItem::Repeat::star;
      ++at_;
    }
    if (!broken_ && next_is('+')) {
      broken(at_, "a pattern has no `+`", "write the item twice, the second time with `*`");
    } else if (!broken_ && (next_is('?') || next_is('*'))) {
      broken(at_, fmt::format("{} follows another repetition", found()));
    } else if (!broken_ && at_ < text_.size() && next_is(')')) {
      broken(at_, "`)` closes nothing");
    }
    return item;
  }

  void parse_binding(PatternItem& item) {
    ++at_;
    skip_blanks();
    const size_t begin = at_;
    item.bound = parse_name("the name of an operand");
    if (broken_) return;
    skip_blanks();
    if (!next_is(')')) {
      broken(at_, fmt::format("expected `)`, found {}", found()),
             "an operator binds one operand: add(residual)");
      return;
    }
    ++at_;
    // As in the operator's record, or a name of the rule's own, which must not be a slip of the pen.
    std::set<std::string> known;
    for (const OpDef* op : all_ops()) {
      const bool meant = std::any_of(
          item.alternatives.begin(), item.alternatives.end(),
          [&](const std::string& name) { return name == op->name || in_class(*op, name); });
      if (!meant || op->operands.size() < 2) continue;
      for (size_t i = 1; i < op->operands.size(); ++i) known.emplace(op->operands[i].name);
    }
    const std::vector<std::string> names(known.begin(), known.end());
    const bool own = !known.contains(item.bound);
    if (own && (known.empty() || !did_you_mean(item.bound, names).empty())) {
      error(begin, fmt::format("`{}` has no operand `{}` off the spine{}",
                               fmt::join(item.alternatives, " | "), terminal_text(item.bound),
                               did_you_mean(item.bound, names)));
    } else if (!bound_.insert(item.bound).second) {
      error(begin, fmt::format("the operand `{}` is bound twice", item.bound));
    } else if (own) {
      own_names_.emplace_back(item.bound, begin);
    }
  }

  // Names of the rule's own must mean nothing else in its expressions.
  void check_own_names(const Pattern& pattern) {
    std::set<std::string> taken = {"x",    "y",      "memory", "cpu", "unit",  "soc",
                                   "layer", "layout", "last",   "pad", "inside"};
    for (const OpDef* op : all_ops()) {
      taken.emplace(op->name);
      for (const PatternItem& item : pattern.items) {
        const bool meant = std::any_of(
            item.alternatives.begin(), item.alternatives.end(),
            [&](const std::string& name) { return name == op->name || in_class(*op, name); });
        if (!meant) continue;
        for (const OperandDef& operand : op->operands) taken.emplace(operand.name);
      }
    }
    for (const auto& [name, begin] : own_names_) {
      if (!taken.contains(name)) continue;
      error(begin, fmt::format("`{}` means something else already", name),
            "choose another name for the operand off the spine");
    }
  }

  void check(const Pattern& pattern) {
    check_own_names(pattern);
    if (pattern.items.empty()) {
      error(0, "the pattern is empty");
    } else if (std::all_of(pattern.items.begin(), pattern.items.end(), [](const PatternItem& item) {
                 return item.repeat != PatternItem::Repeat::once;
               })) {
      error(0, "the pattern matches nothing at all", "drop a `?` or a `*`");
    } else if (pattern.items.size() > kMaxItems) {
      error(0, fmt::format("the pattern has {} items, at most {} are allowed", pattern.items.size(),
                           kMaxItems));
    }
    for (const PatternItem& item : pattern.items) {
      if (!item.bound.empty() && item.repeat == PatternItem::Repeat::star) {
        error(0, fmt::format("a repeated operator cannot bind an operand: `{}`", item.bound));
      }
    }
  }

  std::string_view text_;
  const Place& start_;
  size_t at_ = 0;
  bool broken_ = false;
  std::set<std::string> bound_;
  std::vector<std::pair<std::string, size_t>> own_names_;  // and where they stand
  Diagnostics errors_;
};

}  // namespace

Result<Pattern> parse_pattern(std::string_view text, const Place& place) {
  return PatternParser(text, place).parse();
}

}  // namespace heddle
