#include "cpu_codegen/writer.h"

#include <fmt/format.h>

#include "base/diagnostic.h"
#include "base/text.h"

namespace heddle {
namespace {

constexpr size_t kColumns = 100;

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// The hole that starts at `at` (a '$'): its name, empty if there is none.
std::string_view hole_at(std::string_view body, size_t at) {
  size_t end = at + 1;
  while (end < body.size() && is_word(body[end])) ++end;
  return body.substr(at + 1, end - at - 1);
}

}  // namespace

void CWriter::line(std::string_view text) {
  if (!text.empty()) text_.append(static_cast<size_t>(depth_) * 2, ' ').append(text);
  text_ += '\n';
}

void CWriter::raw(std::string_view text) { text_.append(text); }

void CWriter::lines(std::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    line(text.substr(0, end));
    text = end == std::string_view::npos ? "" : text.substr(end + 1);
  }
}

void CWriter::open(std::string_view head) {
  line(head.empty() ? "{" : fmt::format("{} {{", head));
  ++depth_;
}

void CWriter::close(std::string_view tail) {
  HEDDLE_CHECK(depth_ > 0, "a brace is closed that was never opened");
  --depth_;
  line(fmt::format("}}{}", tail));
}

void CWriter::reopen(std::string_view head) {
  HEDDLE_CHECK(depth_ > 0, "a brace is closed that was never opened");
  --depth_;
  line(fmt::format("}} {} {{", head));
  ++depth_;
}

void CWriter::comment(const std::vector<std::string>& entries) {
  HEDDLE_CHECK(!entries.empty(), "an empty comment");
  if (entries.size() == 1) return line(fmt::format("/* {} */", entries[0]));
  for (size_t i = 0; i < entries.size(); ++i) {
    const char* start = i == 0 ? "/*" : " *";
    line(entries[i].empty() ? start : fmt::format("{} {}", start, entries[i]));
  }
  line(" */");
}

void CWriter::call(std::string_view head, const std::vector<std::string>& arguments,
                   std::string_view tail) {
  const std::string indent(static_cast<size_t>(depth_) * 2, ' ');
  const std::string whole = fmt::format("{}({}){}", head, fmt::join(arguments, ", "), tail);
  if (indent.size() + whole.size() <= kColumns) return line(whole);
  line(fmt::format("{}(", head));
  for (size_t i = 0; i < arguments.size(); ++i) {
    line(fmt::format("    {}{}", arguments[i],
                     i + 1 == arguments.size() ? fmt::format("){}", tail) : ","));
  }
}

std::string fill_holes(std::string_view body,
                       const std::function<std::string(const std::string&)>& resolve) {
  std::string text;
  for (size_t i = 0; i < body.size();) {
    if (body[i] != '$') {
      text += body[i++];
      continue;
    }
    const std::string_view name = hole_at(body, i);
    HEDDLE_CHECK(!name.empty(), "a kernel body has a `$` without a name");
    text += resolve(std::string(name));
    i += 1 + name.size();
  }
  return text;
}

std::set<std::string> holes_in(std::string_view body) {
  std::set<std::string> names;
  for (size_t i = body.find('$'); i != std::string_view::npos; i = body.find('$', i + 1)) {
    names.emplace(hole_at(body, i));
  }
  return names;
}

}  // namespace heddle
