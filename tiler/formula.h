// An expression made ready for many evaluations: what is the same for all tiles is folded, names
// are slots of an array.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "expr/expr.h"

namespace heddle {

class Formula {
 public:
  Formula() = default;  // 0
  // `slot` gives the array index of a name (-1: it is not one). Expects a folded expression of
  // integers: everything that does not mention a slot is a constant, lists of constants aside.
  Formula(const Expr& expr, const std::function<int(std::string_view)>& slot);

  // The same result as evaluate_int(); nullopt where that gives an error.
  std::optional<int64_t> evaluate(std::span<const int64_t> slots) const;

 private:
  struct Step {
    ExprOp op = ExprOp::integer;
    int64_t integer = 0;
    int slot = -1;
    std::vector<int> children;
    std::vector<int64_t> list;
  };
  int add(const Expr& expr, const std::function<int(std::string_view)>& slot);
  std::optional<int64_t> evaluate(const Step& step, std::span<const int64_t> slots) const;
  std::vector<Step> steps_;  // children before parents; the last one is the whole
};

// Replaces every part that mentions no name for which `varies` holds by its value, where that is an
// integer.
Expr fold(const Expr& expr, const Environment& constants,
          const std::function<bool(std::string_view)>& varies);

}  // namespace heddle
