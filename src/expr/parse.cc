// Recursive descent over a token list. The grammar, loosest first:
//
//   or         = and { "or" and }
//   and        = not { "and" not }
//   not        = "not" not | comparison
//   comparison = sum [ ("==" | "!=" | "<" | "<=" | ">" | ">=") sum | ["not"] "in" list ]
//   sum        = product { ("+" | "-") product }
//   product    = unary { ("*" | "/" | "mod") unary }
//   unary      = "-" unary | primary
//   primary    = integer | text | name | function "(" or { "," or } ")" | "(" or ")"
//   list       = "[" constant { "," constant } "]"
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "expr/expr.h"
#include "expr/lexer.h"

namespace heddle {
namespace {

constexpr size_t kMaxLength = 2000;
constexpr int kMaxDepth = 64;

struct Function {
  std::string_view name;
  ExprOp op;
  size_t least;  // arguments
  size_t most;
};
constexpr std::array kFunctions = {
    Function{"ceil_div", ExprOp::ceil_div, 2, 2},
    Function{"max", ExprOp::max, 2, 8},
    Function{"min", ExprOp::min, 2, 8},
};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  // On failure the tree is meaningless and failure() says why.
  Expr parse() {
    if (text_.size() > kMaxLength) {
      fail(0, fmt::format("the expression has {} characters, at most {} are allowed",
                          thousands(static_cast<int64_t>(text_.size())), thousands(kMaxLength)));
      return {};
    }
    if (const std::optional<SyntaxError> error = tokenise(text_, tokens_)) {
      fail(error->offset, error->message, error->remedy);
      return {};
    }
    if (peek().kind == TokenKind::end) {
      fail(0, "the expression is empty");
      return {};
    }
    Expr expr = parse_or();
    if (ok() && peek().kind != TokenKind::end) unexpected_after();
    return expr;
  }
  bool ok() const { return !failed_; }
  const SyntaxError& failure() const { return failure_; }

 private:
  // The first failure counts; the rest of the parser runs into the end token and returns.
  void fail(size_t offset, std::string message, std::string remedy = "") {
    if (failed_) return;
    failed_ = true;
    failure_ = {offset, std::move(message), std::move(remedy)};
    Token end;
    end.offset = text_.size();
    tokens_ = {end};
    next_ = 0;
  }

  const Token& peek(size_t ahead = 0) const {
    return tokens_[std::min(next_ + ahead, tokens_.size() - 1)];
  }
  Token take() {
    Token token = peek();
    if (next_ + 1 < tokens_.size()) ++next_;
    return token;
  }
  bool at(std::string_view symbol) const {
    return peek().kind == TokenKind::symbol && peek().text == symbol;
  }
  static std::string describe(const Token& token) {
    if (token.kind == TokenKind::end) return "the end of the expression";
    if (token.kind == TokenKind::text)
      return fmt::format("the text `{}`", terminal_text(token.text, 40));
    return fmt::format("`{}`", terminal_text(token.text, 40));
  }
  void expected(std::string_view what) {
    fail(peek().offset, fmt::format("expected {}, found {}", what, describe(peek())));
  }
  void unexpected_after() {
    if (at(")") || at("]")) {
      fail(peek().offset, fmt::format("`{}` closes nothing", peek().text));
    } else {
      expected("an operator or the end of the expression");
    }
  }

  Expr node(ExprOp op, size_t offset, std::vector<Expr> children = {}) {
    Expr expr;
    expr.op = op;
    expr.column = static_cast<int>(offset) + 1;
    expr.children = std::move(children);
    return expr;
  }
  Expr binary(ExprOp op, const Token& token, Expr left, Expr right) {
    std::vector<Expr> children;
    children.push_back(std::move(left));
    children.push_back(std::move(right));
    return node(op, token.offset, std::move(children));
  }

  // Counts the levels of brackets and prefixes; the other levels of the grammar add a bounded
  // number of calls to each.
  template <class Parse>
  Expr nested(Parse parse) {
    if (depth_ == kMaxDepth) {
      fail(peek().offset, fmt::format("more than {} levels of nesting", kMaxDepth));
      return {};
    }
    ++depth_;
    Expr expr = parse();
    --depth_;
    return expr;
  }

  Expr parse_or() {
    Expr left = parse_and();
    while (at("or")) {
      const Token token = take();
      left = binary(ExprOp::logical_or, token, std::move(left), parse_and());
    }
    return left;
  }

  Expr parse_and() {
    Expr left = parse_not();
    while (at("and")) {
      const Token token = take();
      left = binary(ExprOp::logical_and, token, std::move(left), parse_not());
    }
    return left;
  }

  Expr parse_not() {
    if (!at("not")) return parse_comparison();
    const Token token = take();
    std::vector<Expr> child;
    child.push_back(nested([&] { return parse_not(); }));
    return node(ExprOp::logical_not, token.offset, std::move(child));
  }

  // Two comparisons in a row are refused: `1 < k < 16` would compare a truth value.
  Expr parse_comparison() {
    Expr left = parse_sum();
    if (!at_comparison()) return left;
    const Token token = take();
    if (token.text == "not") {
      if (!at("in")) {
        expected("`in` after `not`");
        return left;
      }
      take();
      left = binary(ExprOp::not_in, token, std::move(left), parse_list());
    } else if (token.text == "in") {
      left = binary(ExprOp::in, token, std::move(left), parse_list());
    } else {
      left = binary(comparison_of(token.text), token, std::move(left), parse_sum());
    }
    if (at_comparison()) {
      fail(peek().offset, "comparisons cannot be chained",
           "join them with `and`: 1 < k and k < 16");
    }
    return left;
  }

  bool at_comparison() const {
    return peek().kind == TokenKind::symbol &&
           (at("in") || at("not") || comparison_of(peek().text) != ExprOp::integer);
  }

  static ExprOp comparison_of(std::string_view symbol) {
    if (symbol == "==") return ExprOp::eq;
    if (symbol == "!=") return ExprOp::ne;
    if (symbol == "<") return ExprOp::lt;
    if (symbol == "<=") return ExprOp::le;
    if (symbol == ">") return ExprOp::gt;
    if (symbol == ">=") return ExprOp::ge;
    return ExprOp::integer;  // none of them
  }

  Expr parse_sum() {
    Expr left = parse_product();
    while (at("+") || at("-")) {
      const Token token = take();
      const ExprOp op = token.text == "+" ? ExprOp::add : ExprOp::sub;
      left = binary(op, token, std::move(left), parse_product());
    }
    return left;
  }

  Expr parse_product() {
    Expr left = parse_unary();
    while (at("*") || at("/") || at("mod")) {
      const Token token = take();
      const ExprOp op = token.text == "*"   ? ExprOp::mul
                        : token.text == "/" ? ExprOp::div
                                            : ExprOp::mod;
      left = binary(op, token, std::move(left), parse_unary());
    }
    return left;
  }

  Expr parse_unary() {
    if (!at("-")) return parse_primary();
    if (peek(1).kind == TokenKind::integer) return parse_integer();
    const Token token = take();
    std::vector<Expr> child;
    child.push_back(nested([&] { return parse_unary(); }));
    return node(ExprOp::neg, token.offset, std::move(child));
  }

  // "-128" is one constant, so that the smallest integer can be written.
  Expr parse_integer() {
    const bool negative = at("-");
    const size_t offset = peek().offset;
    if (negative) take();
    const Token token = take();
    if (token.huge && !negative) {
      fail(token.offset, fmt::format("`{}` does not fit into 64 bits", token.text));
    }
    Expr expr = node(ExprOp::integer, offset);
    expr.integer = negative && !token.huge ? -token.integer : token.integer;
    return expr;
  }

  Expr parse_primary() {
    const Token& token = peek();
    if (token.kind == TokenKind::integer) return parse_integer();
    if (token.kind == TokenKind::text || token.kind == TokenKind::name) {
      if (token.kind == TokenKind::name && peek(1).kind == TokenKind::symbol &&
          peek(1).text == "(") {
        return parse_call();
      }
      const Token leaf = take();
      Expr expr = node(leaf.kind == TokenKind::text ? ExprOp::text : ExprOp::name, leaf.offset);
      expr.text = leaf.text;
      return expr;
    }
    if (at("(")) {
      take();
      Expr expr = nested([&] { return parse_or(); });
      close(")");
      return expr;
    }
    if (at("[")) {
      fail(token.offset, "a list stands only right of `in`");
    } else {
      expected("a number, a name, a text or `(`");
    }
    return {};
  }

  void close(std::string_view bracket) {
    if (at(bracket)) {
      take();
    } else {
      expected(fmt::format("`{}`", bracket));
    }
  }

  Expr parse_call() {
    const Token name = take();
    const auto function = std::find_if(kFunctions.begin(), kFunctions.end(),
                                       [&](const Function& f) { return f.name == name.text; });
    if (function == kFunctions.end()) {
      std::vector<std::string> known;
      for (const Function& f : kFunctions) known.emplace_back(f.name);
      fail(name.offset,
           fmt::format("unknown function `{}`{}", terminal_text(name.text),
                       did_you_mean(name.text, known)),
           fmt::format("the functions are {}", "`ceil_div`, `max` and `min`"));
      return {};
    }
    take();  // the bracket
    std::vector<Expr> arguments;
    if (!at(")")) arguments.push_back(nested([&] { return parse_or(); }));
    while (at(",")) {
      take();
      arguments.push_back(nested([&] { return parse_or(); }));
    }
    close(")");
    if (arguments.size() < function->least || arguments.size() > function->most) {
      fail(name.offset, fmt::format("`{}` takes {} arguments, here are {}", name.text,
                                    function->least == function->most
                                        ? fmt::format("{}", function->least)
                                        : fmt::format("{} to {}", function->least, function->most),
                                    arguments.size()));
    }
    return node(function->op, name.offset, std::move(arguments));
  }

  Expr parse_list() {
    if (!at("[")) {
      expected("a list right of `in`, like `[1, 2]`");
      return {};
    }
    Expr list = node(ExprOp::set, take().offset);
    while (true) {
      const bool negative = at("-") && peek(1).kind == TokenKind::integer;
      if (!negative && peek().kind != TokenKind::integer && peek().kind != TokenKind::text) {
        expected("a constant (a number or a text) in the list");
        return {};
      }
      const Token first = peek();
      Expr constant = first.kind == TokenKind::text ? parse_primary() : parse_integer();
      if (!list.children.empty() && list.children[0].op != constant.op) {
        fail(first.offset, "a list holds either numbers or texts, not both");
      }
      list.children.push_back(std::move(constant));
      if (!at(",")) break;
      take();
    }
    close("]");
    return list;
  }

  std::string_view text_;
  std::vector<Token> tokens_;
  size_t next_ = 0;
  int depth_ = 0;
  bool failed_ = false;
  SyntaxError failure_;
};

}  // namespace

Result<Expr> parse_expr(std::string_view text, const Place& place) {
  Parser parser(text);
  Expr expr = parser.parse();
  if (parser.ok()) return expr;
  const SyntaxError& failure = parser.failure();
  return error_at(place_within(place, text, failure.offset), failure.message, failure.remedy);
}

}  // namespace heddle
