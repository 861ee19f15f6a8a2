// Random expression trees for the property tests.
#pragma once

#include <random>
#include <string>

#include "expr/expr.h"

namespace heddle {

struct RandomExprs {
  std::mt19937_64 random;
  bool texts = true;      // text constants and comparisons of texts
  int64_t largest = 100;  // of constants, in magnitude; rarely the ends of 64 bits where `texts`

  explicit RandomExprs(uint64_t seed) : random(seed) {}
  int64_t below(int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); }

  int64_t constant() {
    if (texts && below(20) == 0) return below(2) == 0 ? INT64_MIN : INT64_MAX;
    return below(2 * largest + 1) - largest;
  }
  Expr leaf() {
    Expr expr;
    if (below(2) == 0) {
      expr.op = ExprOp::name;
      static const std::string names[] = {"a", "b", "layer.k", "x.bits", "conv2d.stride_h"};
      expr.text = names[below(5)];
      return expr;
    }
    if (texts && below(6) == 0) {
      expr.op = ExprOp::text;
      static const std::string values[] = {"int8", "it's", "say \"x\"", "", "a b"};
      expr.text = values[below(5)];
      return expr;
    }
    expr.integer = constant();
    return expr;
  }
  Expr list() {
    Expr expr;
    expr.op = ExprOp::set;
    const bool words = texts && below(3) == 0;
    for (int64_t i = below(4); i >= 0; --i) {
      Expr item;
      item.op = words ? ExprOp::text : ExprOp::integer;
      if (words) item.text = below(2) == 0 ? "int8" : "uint8";
      if (!words) item.integer = constant();
      expr.children.push_back(item);
    }
    return expr;
  }
  Expr tree(int depth) {
    if (depth == 0 || below(8) == 0) return leaf();
    Expr expr;
    const ExprOp ops[] = {
        ExprOp::add, ExprOp::sub,    ExprOp::mul,         ExprOp::div,        ExprOp::mod,
        ExprOp::neg, ExprOp::min,    ExprOp::max,         ExprOp::ceil_div,   ExprOp::eq,
        ExprOp::ne,  ExprOp::lt,     ExprOp::le,          ExprOp::gt,         ExprOp::ge,
        ExprOp::in,  ExprOp::not_in, ExprOp::logical_and, ExprOp::logical_or, ExprOp::logical_not};
    expr.op = ops[below(20)];
    int64_t count = 2;
    if (expr.op == ExprOp::neg || expr.op == ExprOp::logical_not) count = 1;
    if (expr.op == ExprOp::min || expr.op == ExprOp::max) count = 2 + below(2);
    for (int64_t i = 0; i < count; ++i) expr.children.push_back(tree(depth - 1));
    if (expr.op == ExprOp::in || expr.op == ExprOp::not_in) expr.children[1] = list();
    return expr;
  }
};

inline bool same_tree(const Expr& a, const Expr& b) {
  if (a.op != b.op || a.integer != b.integer || a.text != b.text) return false;
  if (a.children.size() != b.children.size()) return false;
  for (size_t i = 0; i < a.children.size(); ++i) {
    if (!same_tree(a.children[i], b.children[i])) return false;
  }
  return true;
}

}  // namespace heddle
