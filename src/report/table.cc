#include "report/table.h"

#include <algorithm>

namespace heddle {
namespace {

std::string cut(const std::string& text, size_t width) {
  return text.size() <= width ? text : text.substr(0, width - 3) + "...";
}

std::string padded(const std::string& text, size_t width, bool right) {
  const std::string spaces(width - text.size(), ' ');
  return right ? spaces + text : text + spaces;
}

}  // namespace

std::string format_table(const std::vector<Column>& columns, const std::vector<Row>& rows) {
  std::vector<size_t> widths;
  for (size_t c = 0; c < columns.size(); ++c) {
    size_t width = columns[c].title.size();
    for (const Row& row : rows) width = std::max(width, row.cells[c].size());
    widths.push_back(std::max(columns[c].title.size(), std::min(width, columns[c].max_width)));
  }
  const auto line = [&](const auto& cell_of) {
    std::string text;
    for (size_t c = 0; c < columns.size(); ++c) {
      text += padded(cut(cell_of(c), widths[c]), widths[c], columns[c].right) +
              (c + 1 < columns.size() ? "  " : "");
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text + '\n';
  };
  std::string text = line([&](size_t c) { return columns[c].title; });
  for (const Row& row : rows) {
    text += line([&](size_t c) { return row.cells[c]; });
    if (!row.below.empty()) text += "    " + wrap(row.below, 84, 4) + '\n';
  }
  return text;
}

std::string wrap(const std::string& text, size_t width, size_t indent) {
  std::string result;
  size_t column = indent;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const size_t word = end - begin;
    if (column > indent && column + 1 + word > width) {
      result += '\n' + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      result += ' ';
      ++column;
    }
    result += text.substr(begin, word);
    column += word;
    begin = end + 1;
  }
  return result;
}

}  // namespace heddle
