// Whether expressions can hold together, decided by Z3: the fifth reader of the expression language.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "expr/bounds.h"
#include "expr/expr.h"

namespace heddle {

// A name that expressions may use. One that is in no list is unknown: what mentions it cannot be
// evaluated.
struct Variable {
  enum class Kind : uint8_t {
    integer,
    text,  // one of `texts`
    set,   // all values of a constant: between those of `P.min` and `P.max`, where its name is `P.values`
  };
  std::string name;
  Kind kind = Kind::integer;
  Bounds range{INT64_MIN, INT64_MAX};
  std::vector<std::string> texts{};
};

// What is asked of some expressions. A rule's condition holds where it can be evaluated and is not 0, and
// refuses the layer everywhere else.
struct Wanted {
  enum class How : uint8_t {
    hold,      // every one of them
    refuse,    // at least one
    evaluate,  // every one of them has a value
  };
  std::vector<const Expr*> exprs;
  How how = How::hold;
};

struct Answer {
  enum class Kind : uint8_t {
    possible,    // `values` is an example; evaluate() agreed
    impossible,  // for all values in the ranges
    unknown,     // the limit was reached
  };
  Kind kind = Kind::unknown;
  std::map<std::string, ExprValue> values{};  // of every variable
  // A bug of the translation: Z3's example is none for evaluate(). Its kind is unknown.
  bool mismatch = false;
};

class ConditionSolver {
 public:
  ConditionSolver();
  ~ConditionSolver();

  // Whether all of them can be as wanted for some values of the variables. Division floors, arithmetic
  // is that of 64 bits with overflow as an error, `and` and `or` look at their right side only if they
  // must: exactly evaluate(). `resources` limits Z3 (its rlimit), so that a solver that is asked the same
  // questions gives the same answers everywhere. Values of a set that the expressions say different
  // things about are only approximated from above: "impossible" is sound, "possible" has the set
  // {min, max}.
  Answer solve(const std::vector<Variable>& variables, const std::vector<Wanted>& wanted,
               unsigned resources);

 private:
  // One for all questions: to delete a context takes Z3 longer than most answers.
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace heddle
