// Text tables: columns as wide as their content, numbers to the right, cells cut so that a row fits
// the terminal.
#pragma once

#include <string>
#include <vector>

namespace heddle {

struct Column {
  std::string title;
  bool right = false;       // numbers
  size_t max_width = 1000;  // longer cells end in "..."
};

struct Row {
  std::vector<std::string> cells;
  std::string below;  // one indented line under the row; may be empty
};

// Foreign text must have passed terminal_text() already.
std::string format_table(const std::vector<Column>& columns, const std::vector<Row>& rows);

// Breaks text at spaces so that no line is longer than `width`; every line but the first starts
// with `indent` spaces.
std::string wrap(const std::string& text, size_t width, size_t indent);

}  // namespace heddle
