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
#include <charconv>
#include <limits>
#include <utility>

#include "base/text.h"
#include "expr/expr.h"

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
    Function{"max", ExprOp::max, 2, 100},
    Function{"min", ExprOp::min, 2, 100},
};

constexpr std::array<std::string_view, 5> kWords = {"and", "in", "mod", "not", "or"};

// What people write from habit.
struct Foreign {
  std::string_view symbol;
  std::string_view ours;
};
constexpr std::array kForeign = {
    Foreign{"&&", "and"}, Foreign{"||", "or"}, Foreign{"%", "mod"},
    Foreign{"!", "not"},  Foreign{"=", "=="},
};

enum class TokenKind { integer, text, name, symbol, end };

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;     // without the quotes; of words and symbols as written
  int64_t integer = 0;  // magnitude 2^63 is stored as INT64_MIN with `huge`
  bool huge = false;    // 9223372036854775808: only right after a minus sign
  size_t offset = 0;
};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name(char c) { return is_name_start(c) || is_digit(c); }

// The place of a character of the expression. Its text may span lines of the file.
Place place_at(const Place& start, std::string_view text, size_t offset) {
  Place place = start;
  const std::string_view before = text.substr(0, offset);
  const size_t newline = before.rfind('\n');
  if (newline == std::string_view::npos) {
    if (place.column > 0) place.column += static_cast<int>(offset);
    return place;
  }
  if (place.line > 0)
    place.line += static_cast<int>(std::count(before.begin(), before.end(), '\n'));
  if (place.column > 0) place.column = static_cast<int>(offset - newline);
  const size_t end = std::min(text.find('\n', offset), text.size());
  place.source_line = std::string(text.substr(newline + 1, end - newline - 1));
  return place;
}

struct Failure {
  size_t offset = 0;
  std::string message;
  std::string remedy;
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
    if (!tokenise()) return {};
    if (peek().kind == TokenKind::end) {
      fail(0, "the expression is empty");
      return {};
    }
    Expr expr = parse_or();
    if (ok() && peek().kind != TokenKind::end) unexpected_after();
    return expr;
  }
  bool ok() const { return !failed_; }
  const Failure& failure() const { return failure_; }

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

  bool tokenise() {
    size_t i = 0;
    while (true) {
      while (i < text_.size() && is_space(text_[i])) ++i;
      Token token;
      token.offset = i;
      if (i == text_.size()) {
        tokens_.push_back(token);
        return true;
      }
      if (is_digit(text_[i])) {
        i = read_number(token, i);
      } else if (is_name_start(text_[i])) {
        i = read_name(token, i);
      } else if (text_[i] == '\'' || text_[i] == '"') {
        i = read_text(token, i);
      } else {
        i = read_symbol(token, i);
      }
      if (failed_) return false;
      tokens_.push_back(std::move(token));
    }
  }

  size_t read_number(Token& token, size_t i) {
    size_t end = i;
    while (end < text_.size() && is_name(text_[end])) ++end;
    std::string_view digits = text_.substr(i, end - i);
    token.text = digits;
    token.kind = TokenKind::integer;
    int base = 10;
    if (digits.starts_with("0x")) {
      digits.remove_prefix(2);
      base = 16;
    }
    uint64_t value = 0;
    const auto [stop, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    constexpr uint64_t kLimit = uint64_t{1} << 63;
    if (error == std::errc::result_out_of_range || (error == std::errc() && value > kLimit)) {
      fail(i, fmt::format("`{}` does not fit into 64 bits", terminal_text(token.text)));
    } else if (error != std::errc() || stop != digits.data() + digits.size()) {
      fail(i, fmt::format("`{}` is not an integer", terminal_text(token.text)));
    } else if (end < text_.size() && text_[end] == '.') {
      fail(i, "there are no fractions, only integers", "scale the numbers, for example to tenths");
    }
    token.huge = value == kLimit;
    token.integer = static_cast<int64_t>(value);
    return end;
  }

  size_t read_name(Token& token, size_t i) {
    size_t end = i;
    while (end < text_.size() && is_name(text_[end])) {
      ++end;
      if (end + 1 < text_.size() && text_[end] == '.' && is_name_start(text_[end + 1])) ++end;
    }
    token.text = text_.substr(i, end - i);
    const bool word = std::find(kWords.begin(), kWords.end(), token.text) != kWords.end();
    token.kind = word ? TokenKind::symbol : TokenKind::name;
    if (end < text_.size() && text_[end] == '.') {
      fail(end, fmt::format("a name cannot end with a dot: `{}.`", terminal_text(token.text)));
    }
    return end;
  }

  size_t read_text(Token& token, size_t i) {
    const size_t end = text_.find(text_[i], i + 1);
    if (end == std::string_view::npos) {
      fail(i, fmt::format("this text has no closing {}", text_[i]));
      return i;
    }
    token.kind = TokenKind::text;
    token.text = text_.substr(i + 1, end - i - 1);
    return end + 1;
  }

  size_t read_symbol(Token& token, size_t i) {
    token.kind = TokenKind::symbol;
    const std::string_view rest = text_.substr(i);
    for (const std::string_view symbol : {"==", "!=", "<=", ">="}) {
      if (rest.starts_with(symbol)) {
        token.text = symbol;
        return i + 2;
      }
    }
    for (const Foreign& foreign : kForeign) {
      if (rest.starts_with(foreign.symbol)) {
        fail(i, fmt::format("`{}` is not an operator here", foreign.symbol),
             fmt::format("write `{}`", foreign.ours));
        return i;
      }
    }
    token.text = rest.substr(0, 1);
    if (std::string_view("+-*/<>()[],").find(rest[0]) == std::string_view::npos) {
      size_t length = 1;  // the whole character of a UTF-8 text
      while (length < rest.size() && (rest[length] & 0xC0) == 0x80) ++length;
      fail(i, fmt::format("unexpected character `{}`", terminal_text(rest.substr(0, length))));
    }
    return i + 1;
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
      fail(name.offset,
           fmt::format("`{}` takes {} arguments, here are {}", name.text,
                       function->least == function->most ? fmt::format("{}", function->least)
                                                         : "two or more",
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
  Failure failure_;
};

}  // namespace

Result<Expr> parse_expr(std::string_view text, const Place& place) {
  Parser parser(text);
  Expr expr = parser.parse();
  if (parser.ok()) return expr;
  const Failure& failure = parser.failure();
  return error_at(place_at(place, text, failure.offset), failure.message, failure.remedy);
}

}  // namespace heddle
