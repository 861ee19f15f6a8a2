#include "check/tighten.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/checked.h"

namespace heddle {
namespace {

constexpr int kRounds = 8;  // bounds that creep ("a < b and b < a") end in Z3

class Tightening {
 public:
  explicit Tightening(std::vector<Variable>& variables) : variables_(variables) {
    for (size_t i = 0; i < variables.size(); ++i) index_.emplace(variables[i].name, i);
  }

  bool possible() const { return possible_; }
  bool changed() const { return changed_; }
  void start_round() { changed_ = false; }

  // What follows from an expression that is true.
  void hold(const Expr& expr) {
    switch (expr.op) {
      case ExprOp::logical_and:
        hold(expr.children[0]);
        hold(expr.children[1]);
        break;
      case ExprOp::name:
        if (const Variable* variable = integer(expr)) {
          if (variable->range.lo == 0) at_least(expr, 1);
        }
        break;
      case ExprOp::logical_not:
        // Not of a truth value only: 0.
        at_least(expr.children[0], 0);
        at_most(expr.children[0], 0);
        break;
      case ExprOp::eq:
        same(expr.children[0], expr.children[1]);
        same(expr.children[1], expr.children[0]);
        break;
      case ExprOp::in:
      case ExprOp::not_in:
        listed(expr);
        break;
      case ExprOp::ne:
        keep_texts(expr.children[0], expr.children[1], false);
        break;
      case ExprOp::lt:
        less(expr.children[0], expr.children[1], 1);
        break;
      case ExprOp::le:
        less(expr.children[0], expr.children[1], 0);
        break;
      case ExprOp::gt:
        less(expr.children[1], expr.children[0], 1);
        break;
      case ExprOp::ge:
        less(expr.children[1], expr.children[0], 0);
        break;
      default:
        break;
    }
  }

 private:
  Variable* find(const Expr& expr) {
    const auto found = expr.op == ExprOp::name ? index_.find(expr.text) : index_.end();
    return found == index_.end() ? nullptr : &variables_[found->second];
  }
  Variable* integer(const Expr& expr) {
    Variable* const variable = find(expr);
    return variable != nullptr && variable->kind == Variable::Kind::integer ? variable : nullptr;
  }

  std::optional<Bounds> bounds(const Expr& expr) {
    return bounds_of(expr, [&](std::string_view name) -> std::optional<Bounds> {
      const auto found = index_.find(std::string(name));
      if (found == index_.end()) return std::nullopt;
      const Variable& variable = variables_[found->second];
      if (variable.kind != Variable::Kind::integer) return std::nullopt;
      return variable.range;
    });
  }

  void at_least(const Expr& expr, int64_t least) {
    Variable* const variable = integer(expr);
    if (variable == nullptr || variable->range.lo >= least) return;
    variable->range.lo = least;
    changed_ = true;
    if (least > variable->range.hi) possible_ = false;
  }
  void at_most(const Expr& expr, int64_t most) {
    Variable* const variable = integer(expr);
    if (variable == nullptr || variable->range.hi <= most) return;
    variable->range.hi = most;
    changed_ = true;
    if (most < variable->range.lo) possible_ = false;
  }

  void same(const Expr& name, const Expr& other) {
    keep_texts(name, other, true);
    if (const std::optional<Bounds> range = bounds(other)) {
      at_least(name, range->lo);
      at_most(name, range->hi);
    }
  }

  void less(const Expr& left, const Expr& right, int64_t gap) {
    if (const std::optional<Bounds> range = bounds(right))
      at_most(left, checked_sub(range->hi, gap).value_or(range->hi));
    if (const std::optional<Bounds> range = bounds(left))
      at_least(right, checked_add(range->lo, gap).value_or(range->lo));
  }

  void listed(const Expr& expr) {
    const Variable* const variable = find(expr.children[0]);
    if (variable == nullptr) return;
    const std::vector<Expr>& list = expr.children[1].children;
    if (variable->kind == Variable::Kind::text) {
      std::set<std::string> texts;
      for (const Expr& each : list) texts.insert(each.text);
      keep(expr.children[0], texts, expr.op == ExprOp::in);
    } else if (variable->kind == Variable::Kind::integer && expr.op == ExprOp::in) {
      std::set<int64_t> inside;
      for (const Expr& each : list) {
        if (each.op == ExprOp::integer && each.integer >= variable->range.lo &&
            each.integer <= variable->range.hi)
          inside.insert(each.integer);
      }
      if (inside.empty()) {
        possible_ = false;
        return;
      }
      at_least(expr.children[0], *inside.begin());
      at_most(expr.children[0], *inside.rbegin());
    }
  }

  void keep_texts(const Expr& name, const Expr& text, bool wanted) {
    if (text.op == ExprOp::text) keep(name, {text.text}, wanted);
  }
  void keep(const Expr& name, const std::set<std::string>& texts, bool wanted) {
    Variable* const variable = find(name);
    if (variable == nullptr || variable->kind != Variable::Kind::text) return;
    const size_t before = variable->texts.size();
    std::erase_if(variable->texts,
                  [&](const std::string& text) { return texts.contains(text) != wanted; });
    if (variable->texts.size() != before) changed_ = true;
    if (variable->texts.empty()) possible_ = false;
  }

  std::vector<Variable>& variables_;
  std::map<std::string, size_t> index_;
  bool possible_ = true;
  bool changed_ = false;
};

}  // namespace

std::optional<std::vector<Variable>> tightened(std::vector<Variable> variables,
                                               const std::vector<Wanted>& wanted) {
  Tightening tightening(variables);
  for (int round = 0; round < kRounds; ++round) {
    tightening.start_round();
    for (const Wanted& each : wanted) {
      if (each.how != Wanted::How::hold) continue;
      for (const Expr* expr : each.exprs) tightening.hold(*expr);
      if (!tightening.possible()) return std::nullopt;
    }
    if (!tightening.changed()) break;
  }
  return variables;
}

}  // namespace heddle
