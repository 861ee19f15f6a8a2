// Writes indented C; its calls read like the C they write.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace heddle {

class CWriter {
 public:
  void line(std::string_view text);   // at the current indentation; "" is an empty line
  void raw(std::string_view text);    // as it is, for preprocessor lines and finished functions
  void lines(std::string_view text);  // every line of `text` at the current indentation
  void open(std::string_view head);   // "head {", then one level deeper
  void close(std::string_view tail = "");  // "}tail" one level up
  void reopen(std::string_view head);      // "} else {"
  void indent() { ++depth_; }
  // A comment block, one entry a line; foreign text in it must have passed c_comment().
  void comment(const std::vector<std::string>& entries);
  // `head(a, b, c)tail` on one line if it fits in 100 columns, else one argument a line.
  void call(std::string_view head, const std::vector<std::string>& arguments,
            std::string_view tail);
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
  int depth_ = 0;
};

// Replaces each `$name` of a kernel body by what `resolve` says.
std::string fill_holes(std::string_view body,
                       const std::function<std::string(const std::string&)>& resolve);
std::set<std::string> holes_in(std::string_view body);

}  // namespace heddle
