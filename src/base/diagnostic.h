// What went wrong, where, and what the user can do about it. Every loader collects these.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace heddle {

// A place in a text file (line and column count from 1; 0 means "the whole file"), or a node of a
// model.
struct Place {
  std::string file;         // as the user wrote it
  int line = 0;             // 1-based
  int column = 0;           // 1-based, in bytes
  std::string source_line;  // text of that line, for the caret
  std::string node;         // a model's node, e.g. "conv1 (Conv)"
};

Place in_file(std::string file);
Place at_node(const std::string& name, const std::string& op);  // "conv1 (Conv)"

enum class Severity { error, warning, note };

// `message` is lower case, without a full stop, the situation first; `remedy` says what to do and
// may be empty.
struct Diagnostic {
  Severity severity = Severity::error;
  Place place;
  std::string message;
  std::string remedy;
};

using Diagnostics = std::vector<Diagnostic>;

// "file:line:col: error: message\n  | source\n  |   ^\n  help: remedy\n"; foreign control
// characters are escaped.
std::string format_diagnostic(const Diagnostic& diagnostic);
std::string format_diagnostics(const Diagnostics& diagnostics);

// The place of a character of `text`, an expression for example, that starts at `start`; it may
// span lines of the file.
Place place_within(const Place& start, std::string_view text, size_t offset);

Diagnostic error_at(Place place, std::string message, std::string remedy = "");

// A bug of ours; main() turns it into exit status 2. The user's errors travel in Result, never as
// exceptions.
class InternalError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

[[noreturn]] void internal_error(std::string_view file, int line, std::string_view what);

#define HEDDLE_CHECK(condition, what)                                     \
  do {                                                                    \
    if (!(condition)) ::heddle::internal_error(__FILE__, __LINE__, what); \
  } while (false)

}  // namespace heddle
