// Integers are Z3's unbounded ones, with the ends of int64 as explicit conditions where bounds_of()
// cannot show that they are kept. Products and quotients of two names are hard for Z3; where one of
// them has few values, they become a choice between linear terms. To have few values is what most
// conditions say ("stride in [1, 2]"), so ranges are tightened first.
#include "check/expr_z3.h"

#include <z3++.h>

#include <algorithm>
#include <optional>
#include <set>

#include "check/tighten.h"

namespace heddle {
namespace {

constexpr int64_t kFew = 8;

// An expression in Z3. `truth`: value is a Boolean; `text`: the index of a text; `none`: nothing can be
// said but that it cannot be evaluated.
struct Term {
  enum class Kind : uint8_t { integer, truth, text, set, none } kind;
  z3::expr value;
  z3::expr defined;
};

class Translation {
 public:
  Translation(z3::context& context, const std::vector<Variable>& variables,
              const std::vector<Wanted>& wanted)
      : context_(context), variables_(variables) {
    std::set<std::string> texts;
    for (const Variable& variable : variables) {
      texts.insert(variable.texts.begin(), variable.texts.end());
      if (variable.kind == Variable::Kind::integer) bounds_[variable.name] = variable.range;
    }
    for (const Wanted& each : wanted) {
      for (const Expr* expr : each.exprs) collect_texts(*expr, texts);
    }
    texts_.assign(texts.begin(), texts.end());  // sorted: indices compare as the texts do
  }

  z3::expr as_wanted(const Wanted& wanted) {
    z3::expr all = yes();
    for (const Expr* expr : wanted.exprs) {
      const Term term = term_of(*expr);
      const z3::expr holds = is_number(term) ? term.defined && truth_of(term) : no();
      all = all && (wanted.how == Wanted::How::evaluate ? term.defined : holds);
    }
    return wanted.how == Wanted::How::refuse ? !all : all;
  }

  z3::expr in_ranges() {
    z3::expr all = yes();
    for (const Variable& variable : variables_) {
      const z3::expr value = constant(variable.name);
      if (variable.kind == Variable::Kind::integer) {
        all = all && value >= number(variable.range.lo) && value <= number(variable.range.hi);
      } else if (variable.kind == Variable::Kind::text) {
        z3::expr one = no();
        for (const std::string& text : variable.texts) one = one || value == text_index(text);
        all = all && one;
      } else {
        all = all && least(variable.name) <= most(variable.name);
      }
    }
    return all;
  }

  // Of every variable. nullopt: not a number of 64 bits.
  std::optional<std::map<std::string, ExprValue>> values_in(const z3::model& model) {
    std::map<std::string, ExprValue> values;
    for (const Variable& variable : variables_) {
      if (variable.kind == Variable::Kind::set) {
        const std::optional<int64_t> lo = value_in(model, least(variable.name));
        const std::optional<int64_t> hi = value_in(model, most(variable.name));
        if (!lo || !hi) return std::nullopt;
        values[variable.name] = IntSet{*lo, *hi};
        continue;
      }
      const std::optional<int64_t> value = value_in(model, constant(variable.name));
      if (!value) return std::nullopt;
      if (variable.kind == Variable::Kind::text) {
        if (*value < 0 || *value >= std::ssize(texts_)) return std::nullopt;
        values[variable.name] = texts_[static_cast<size_t>(*value)];
      } else {
        values[variable.name] = *value;
      }
    }
    return values;
  }

 private:
  static void collect_texts(const Expr& expr, std::set<std::string>& texts) {
    if (expr.op == ExprOp::text) texts.insert(expr.text);
    for (const Expr& child : expr.children) collect_texts(child, texts);
  }

  z3::expr yes() { return context_.bool_val(true); }
  z3::expr no() { return context_.bool_val(false); }
  z3::expr number(int64_t value) { return context_.int_val(value); }
  z3::expr constant(const std::string& name) { return context_.int_const(("v:" + name).c_str()); }
  z3::expr text_index(const std::string& text) {
    return number(std::lower_bound(texts_.begin(), texts_.end(), text) - texts_.begin());
  }
  // "P.values" -> the variable "P.min"; one of its own where there is none.
  z3::expr least(const std::string& set) { return constant(stem_of(set) + ".min"); }
  z3::expr most(const std::string& set) { return constant(stem_of(set) + ".max"); }
  static std::string stem_of(const std::string& set) { return set.substr(0, set.rfind('.')); }

  static std::optional<int64_t> value_in(const z3::model& model, const z3::expr& constant) {
    const z3::expr value = model.eval(constant, true);
    int64_t result = 0;
    if (!value.is_numeral_i64(result)) return std::nullopt;
    return result;
  }

  std::optional<Bounds> bounds(const Expr& expr) {
    return bounds_of(expr, [&](std::string_view name) -> std::optional<Bounds> {
      const auto found = bounds_.find(std::string(name));
      if (found == bounds_.end()) return std::nullopt;
      return found->second;
    });
  }

  Term undefined() { return {Term::Kind::none, number(0), no()}; }
  Term truth(z3::expr value, z3::expr defined) {
    return {Term::Kind::truth, std::move(value), std::move(defined)};
  }
  z3::expr truth_of(const Term& term) {
    return term.kind == Term::Kind::truth ? term.value : term.value != 0;
  }
  z3::expr integer_of(const Term& term) {
    return term.kind == Term::Kind::truth ? z3::ite(term.value, number(1), number(0)) : term.value;
  }
  static bool is_number(const Term& term) {
    return term.kind == Term::Kind::integer || term.kind == Term::Kind::truth;
  }

  Term term_of(const Expr& expr) {
    switch (expr.op) {
      case ExprOp::integer:
        return {Term::Kind::integer, number(expr.integer), yes()};
      case ExprOp::text:
        return {Term::Kind::text, text_index(expr.text), yes()};
      case ExprOp::name:
        return name_term(expr.text);
      case ExprOp::set:
        return undefined();
      case ExprOp::in:
      case ExprOp::not_in:
        return membership(expr);
      case ExprOp::eq:
      case ExprOp::ne:
      case ExprOp::lt:
      case ExprOp::le:
      case ExprOp::gt:
      case ExprOp::ge:
        return comparison(expr);
      case ExprOp::logical_and:
      case ExprOp::logical_or:
      case ExprOp::logical_not:
        return logic(expr);
      default:
        return arithmetic(expr);
    }
  }

  Term name_term(const std::string& name) {
    for (const Variable& variable : variables_) {
      if (variable.name != name) continue;
      if (variable.kind == Variable::Kind::set) return {Term::Kind::set, number(0), yes()};
      if (variable.kind == Variable::Kind::text) return {Term::Kind::text, constant(name), yes()};
      const bool fixed = variable.range.lo == variable.range.hi;
      return {Term::Kind::integer, fixed ? number(variable.range.lo) : constant(name), yes()};
    }
    return undefined();
  }

  Term membership(const Expr& expr) {
    const Term left = term_of(expr.children[0]);
    const Expr& list = expr.children[1];
    const bool texts = !list.children.empty() && list.children[0].op == ExprOp::text;
    const bool wanted = expr.op == ExprOp::in;
    const auto listed = [&](const z3::expr& value) {
      z3::expr found = no();
      for (const Expr& each : list.children)
        found = found || value == (texts ? text_index(each.text) : number(each.integer));
      return wanted ? found : !found;
    };
    if (left.kind == Term::Kind::set) {
      if (texts) return undefined();
      // What the values between the ends say is anything: one Boolean for each distinct condition.
      const std::string& name = expr.children[0].text;
      const z3::expr others = context_.bool_const(("s:" + print_text(expr)).c_str());
      return truth(listed(least(name)) && listed(most(name)) && others, left.defined);
    }
    if (left.kind == Term::Kind::none || texts != (left.kind == Term::Kind::text)) return undefined();
    return truth(listed(is_number(left) ? integer_of(left) : left.value), left.defined);
  }

  Term comparison(const Expr& expr) {
    const Term a = term_of(expr.children[0]);
    const Term b = term_of(expr.children[1]);
    const bool texts = a.kind == Term::Kind::text && b.kind == Term::Kind::text;
    if (!texts && !(is_number(a) && is_number(b))) return undefined();
    const z3::expr defined = a.defined && b.defined;
    if (const std::optional<Bounds> known = bounds(expr); known && known->lo == known->hi)
      return truth(context_.bool_val(known->lo == 1), defined);
    const bool truths = a.kind == Term::Kind::truth && b.kind == Term::Kind::truth;
    const z3::expr x = truths ? a.value : integer_of(a);
    const z3::expr y = truths ? b.value : integer_of(b);
    if (expr.op == ExprOp::eq) return truth(x == y, defined);
    if (expr.op == ExprOp::ne) return truth(x != y, defined);
    const z3::expr p = integer_of(a), q = integer_of(b);
    if (expr.op == ExprOp::lt) return truth(p < q, defined);
    if (expr.op == ExprOp::le) return truth(p <= q, defined);
    if (expr.op == ExprOp::gt) return truth(p > q, defined);
    return truth(p >= q, defined);
  }

  Term logic(const Expr& expr) {
    const Term a = term_of(expr.children[0]);
    if (!is_number(a)) return undefined();
    const z3::expr first = a.defined && is_truth(a);
    if (expr.op == ExprOp::logical_not) return truth(!truth_of(a), first);
    const bool conjunction = expr.op == ExprOp::logical_and;
    const z3::expr decided = conjunction ? !truth_of(a) : truth_of(a);
    const Term b = term_of(expr.children[1]);
    // A right side that is no number is an error only where it is looked at.
    const z3::expr second = is_number(b) ? b.defined && is_truth(b) : no();
    const z3::expr right = is_number(b) ? truth_of(b) : no();
    return truth(conjunction ? truth_of(a) && right : truth_of(a) || right,
                 first && (decided || second));
  }
  z3::expr is_truth(const Term& term) {
    if (term.kind == Term::Kind::truth) return yes();
    return term.value == 0 || term.value == 1;
  }

  Term arithmetic(const Expr& expr) {
    std::vector<Term> terms;
    z3::expr defined = yes();
    for (const Expr& child : expr.children) {
      terms.push_back(term_of(child));
      if (!is_number(terms.back())) return undefined();
      defined = defined && terms.back().defined;
    }
    if (expr.op == ExprOp::neg) {
      const z3::expr value = -integer_of(terms[0]);
      return {Term::Kind::integer, value, defined && in_64_bits(bounds(expr), value)};
    }
    z3::expr value = integer_of(terms[0]);
    std::optional<Bounds> range = bounds(expr.children[0]);
    for (size_t i = 1; i < terms.size(); ++i) {
      const z3::expr right = integer_of(terms[i]);
      const std::optional<Bounds> right_range = bounds(expr.children[i]);
      const bool divides =
          expr.op == ExprOp::div || expr.op == ExprOp::mod || expr.op == ExprOp::ceil_div;
      if (divides) defined = defined && right != 0;
      value = combined(expr.op, value, range, right, right_range);
      range = terms.size() == 2 ? bounds(expr) : std::nullopt;
      if (expr.op != ExprOp::min && expr.op != ExprOp::max)
        defined = defined && in_64_bits(range, value);
    }
    return {Term::Kind::integer, value, defined};
  }

  z3::expr in_64_bits(const std::optional<Bounds>& known, const z3::expr& value) {
    if (known) return yes();
    return value >= number(INT64_MIN) && value <= number(INT64_MAX);
  }

  static bool few(const std::optional<Bounds>& range) {
    if (!range) return false;
    const __int128 span = static_cast<__int128>(range->hi) - range->lo;
    return span < kFew;
  }

  z3::expr combined(ExprOp op, const z3::expr& a, const std::optional<Bounds>& a_range,
                    const z3::expr& b, const std::optional<Bounds>& b_range) {
    switch (op) {
      case ExprOp::add:
        return a + b;
      case ExprOp::sub:
        return a - b;
      case ExprOp::min:
        return z3::ite(a <= b, a, b);
      case ExprOp::max:
        return z3::ite(a >= b, a, b);
      case ExprOp::mul:
        if (few(b_range)) return choice(b, *b_range, [&](int64_t v) { return a * number(v); });
        if (few(a_range)) return choice(a, *a_range, [&](int64_t v) { return b * number(v); });
        return a * b;
      default:
        break;
    }
    if (few(b_range)) {
      return choice(b, *b_range, [&](int64_t v) {
        return v == 0 ? number(0) : quotient(op, a, number(v), Bounds{v, v});
      });
    }
    return quotient(op, a, b, b_range);
  }

  template <class Make>
  z3::expr choice(const z3::expr& value, const Bounds& range, Make make) {
    z3::expr result = make(range.hi);
    for (int64_t v = range.hi; v-- > range.lo;) result = z3::ite(value == number(v), make(v), result);
    return result;
  }

  // Z3's remainder is never negative; ours has the sign of the divisor.
  z3::expr quotient(ExprOp op, const z3::expr& a, const z3::expr& b,
                    const std::optional<Bounds>& b_range) {
    const auto up = [&](const z3::expr& x, const z3::expr& y) {
      if (op == ExprOp::div) return x / y;
      if (op == ExprOp::ceil_div) return -((-x) / y);
      return z3::mod(x, y);
    };
    const auto down = [&](const z3::expr& x, const z3::expr& y) {
      return op == ExprOp::mod ? -up(-x, -y) : up(-x, -y);
    };
    if (b_range && b_range->lo > 0) return up(a, b);
    if (b_range && b_range->hi < 0) return down(a, b);
    return z3::ite(b > 0, up(a, b), down(a, b));
  }

  z3::context& context_;
  const std::vector<Variable>& variables_;
  std::map<std::string, Bounds> bounds_;
  std::vector<std::string> texts_;
};

bool is_as_wanted(const Wanted& wanted, const Environment& environment) {
  const auto good = [&](const Expr* expr) {
    const std::variant<ExprValue, ExprError> value = evaluate(*expr, environment);
    const ExprValue* const found = std::get_if<ExprValue>(&value);
    if (wanted.how == Wanted::How::evaluate || found == nullptr) return found != nullptr;
    const int64_t* const number = std::get_if<int64_t>(found);
    return number != nullptr && *number != 0;
  };
  const bool all = std::all_of(wanted.exprs.begin(), wanted.exprs.end(), good);
  return all != (wanted.how == Wanted::How::refuse);
}

}  // namespace

struct ConditionSolver::Context {
  z3::context z3{};
};

ConditionSolver::ConditionSolver() : context_(std::make_unique<Context>()) {}
ConditionSolver::~ConditionSolver() = default;

Answer ConditionSolver::solve(const std::vector<Variable>& variables,
                              const std::vector<Wanted>& wanted, unsigned resources) {
  const std::optional<std::vector<Variable>> tight = tightened(variables, wanted);
  if (!tight) return {Answer::Kind::impossible};
  z3::context& context = context_->z3;
  z3::solver solver(context, z3::solver::simple());
  z3::params params(context);
  params.set("random_seed", 1u);
  params.set("rlimit", resources);
  solver.set(params);
  Translation translation(context, *tight, wanted);
  solver.add(translation.in_ranges());
  for (const Wanted& each : wanted) solver.add(translation.as_wanted(each));
  const z3::check_result result = solver.check();
  if (result == z3::unsat) return {Answer::Kind::impossible};
  if (result == z3::unknown) return {};
  const auto values = translation.values_in(solver.get_model());
  if (!values) return {};
  const Environment environment = environment_of(*values);
  const bool sets = std::any_of(variables.begin(), variables.end(), [](const Variable& variable) {
    return variable.kind == Variable::Kind::set;
  });
  for (const Wanted& each : wanted) {
    if (!is_as_wanted(each, environment)) return {Answer::Kind::unknown, {}, !sets};
  }
  return {Answer::Kind::possible, *values};
}

}  // namespace heddle
