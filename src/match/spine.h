// Which prefixes of a dataflow spine a pattern accepts. RE2 is hidden behind spine.cc.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ops/op.h"
#include "rules/rules.h"

namespace heddle {

// A pattern compiled to one RE2 expression over operator names, each followed by a space.
class SpinePattern {
 public:
  explicit SpinePattern(const Pattern& pattern);
  ~SpinePattern();
  SpinePattern(SpinePattern&&) noexcept;

  bool starts_with(std::string_view op) const;  // some match begins with this operator
  // Lengths n such that ops[0..n) is a match, longest first.
  std::vector<size_t> matching_lengths(std::span<const std::string> ops) const;
  // Which item of the pattern each operator of a match belongs to; an earlier item takes as many as it
  // can.
  std::vector<size_t> items_of(std::span<const std::string> ops) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

// Which of `texts` a regular expression of RE2 matches as a whole. Error: at `place`, whose column is
// that of the expression's first character, what is wrong with it and at which of its characters.
Result<std::vector<bool>> full_match(std::string_view regex, std::span<const std::string> texts,
                                     const Place& place);

// True where `item` of a pattern accepts the operator, by name or by class.
bool accepts(const PatternItem& item, std::string_view op);

}  // namespace heddle
