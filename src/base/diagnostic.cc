#include "base/diagnostic.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace heddle {
namespace {

constexpr size_t kMaxMessage = 4000;
constexpr size_t kWindow = 96;  // bytes of a source line that are shown

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::error:
      return "error";
    case Severity::warning:
      return "warning";
    case Severity::note:
      return "note";
  }
  return "error";
}

// Characters, not bytes: continuation bytes of UTF-8 take no room on the screen.
size_t width_of(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// Two lines: the source and the caret below it. Of a long line only the part around the caret is
// shown.
std::string excerpt(const Place& place) {
  std::string line = place.source_line;
  std::replace(line.begin(), line.end(), '\t', ' ');
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  size_t caret = static_cast<size_t>(std::max(place.column, 1) - 1);
  caret = std::min(caret, line.size());

  size_t begin = 0;
  size_t end = line.size();
  if (line.size() > kWindow) {
    begin = caret > kWindow / 2 ? caret - kWindow / 2 : 0;
    end = std::min(line.size(), begin + kWindow);
    begin = end - std::min(end, kWindow);
    // Cut between characters.
    while (begin < caret && (line[begin] & 0xC0) == 0x80) ++begin;
    while (end < line.size() && end > caret && (line[end] & 0xC0) == 0x80) --end;
  }
  const std::string_view shown = std::string_view(line).substr(begin, end - begin);
  const std::string lead = begin > 0 ? "..." : "";
  const std::string before = lead + terminal_text(shown.substr(0, caret - begin), kMaxMessage);
  const std::string after = terminal_text(shown.substr(caret - begin), kMaxMessage);
  std::string text = fmt::format("  | {}{}{}\n", before, after, end < line.size() ? "..." : "");
  if (place.column > 0) text += fmt::format("  | {}^\n", std::string(width_of(before), ' '));
  return text;
}

}  // namespace

std::string format_diagnostic(const Diagnostic& diagnostic) {
  const Place& place = diagnostic.place;
  std::string text;
  if (!place.file.empty()) {
    text += terminal_text(place.file, kMaxMessage);
    if (place.line > 0) text += fmt::format(":{}", place.line);
    if (place.line > 0 && place.column > 0) text += fmt::format(":{}", place.column);
    text += ": ";
  }
  if (!place.node.empty()) text += fmt::format("{}: ", terminal_text(place.node, 160));
  text += fmt::format("{}: {}\n", name_of(diagnostic.severity),
                      terminal_text(diagnostic.message, kMaxMessage));
  if (place.line > 0 && !place.source_line.empty()) text += excerpt(place);
  if (!diagnostic.remedy.empty()) {
    text += fmt::format("  help: {}\n", terminal_text(diagnostic.remedy, kMaxMessage));
  }
  return text;
}

std::string format_diagnostics(const Diagnostics& diagnostics) {
  std::string text;
  for (const Diagnostic& diagnostic : diagnostics) text += format_diagnostic(diagnostic);
  return text;
}

Place in_file(std::string file) {
  Place place;
  place.file = std::move(file);
  return place;
}

Place at_node(const std::string& name, const std::string& op) {
  Place place;
  place.node = name + " (" + op + ")";
  return place;
}

Place place_within(const Place& start, std::string_view text, size_t offset) {
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

Diagnostic error_at(Place place, std::string message, std::string remedy) {
  return {Severity::error, std::move(place), std::move(message), std::move(remedy)};
}

void internal_error(std::string_view file, int line, std::string_view what) {
  // Only the file's name: where the source tree lay when it was built is of no use to anyone.
  const size_t slash = file.rfind('/');
  if (slash != std::string_view::npos) file.remove_prefix(slash + 1);
  throw InternalError(fmt::format("{}:{}: {}", file, line, what));
}

}  // namespace heddle
