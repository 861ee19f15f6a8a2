// Tokens of the expression language.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace heddle {

enum class TokenKind : uint8_t { integer, text, name, symbol, end };

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;     // without the quotes; of words and symbols as written
  int64_t integer = 0;  // magnitude 2^63 is stored as INT64_MIN with `huge`
  bool huge = false;    // 9223372036854775808: only right after a minus sign
  size_t offset = 0;    // in the expression's text
};

// What is wrong, and at which character.
struct SyntaxError {
  size_t offset = 0;
  std::string message;
  std::string remedy;
};

// Appends all tokens and one `end`. On an error the tokens are of no use.
std::optional<SyntaxError> tokenise(std::string_view text, std::vector<Token>& tokens);

}  // namespace heddle
