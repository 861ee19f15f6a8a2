#include "expr/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/text.h"

namespace heddle {
namespace {

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

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name(char c) { return is_name_start(c) || is_digit(c); }

class Lexer {
 public:
  Lexer(std::string_view text, std::vector<Token>& tokens) : text_(text), tokens_(tokens) {}

  std::optional<SyntaxError> run() {
    size_t i = 0;
    while (true) {
      while (i < text_.size() && is_space(text_[i])) ++i;
      Token token;
      token.offset = i;
      if (i == text_.size()) {
        tokens_.push_back(token);
        return std::nullopt;
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
      if (error_) return error_;
      tokens_.push_back(std::move(token));
    }
  }

 private:
  void fail(size_t offset, std::string message, std::string remedy = "") {
    error_ = SyntaxError{offset, std::move(message), std::move(remedy)};
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

  std::string_view text_;
  std::vector<Token>& tokens_;
  std::optional<SyntaxError> error_;
};

}  // namespace

std::optional<SyntaxError> tokenise(std::string_view text, std::vector<Token>& tokens) {
  return Lexer(text, tokens).run();
}

}  // namespace heddle
