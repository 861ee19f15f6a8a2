#include "rules/edit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/files.h"
#include "base/text.h"
#include "rules/toml.h"

namespace heddle {
namespace fs = std::filesystem;
namespace {

struct Edit {
  int line = 1;       // 1-based
  size_t offset = 0;  // in the line
  size_t length = 0;
  std::string text;
};

bool is_number_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '+' || c == '-';
}

Edit edit_number(const TomlValue& value, int64_t number) {
  const std::string& line = value.place.source_line;
  Edit edit{value.place.line, static_cast<size_t>(value.place.column - 1), 0,
            fmt::to_string(number)};
  while (edit.offset + edit.length < line.size() &&
         is_number_character(line[edit.offset + edit.length]))
    ++edit.length;
  return edit;
}

// The text between its quotes, which stand in one line and hold no escape.
std::optional<Edit> edit_text(const TomlValue& value, std::string text) {
  const std::string& line = value.place.source_line;
  const size_t offset = static_cast<size_t>(value.place.column - 1);
  if (line.compare(offset, value.text.size(), value.text) != 0 ||
      text.find_first_of("\"'\\\n") != std::string::npos)
    return std::nullopt;
  return Edit{value.place.line, offset, value.text.size(), std::move(text)};
}

const TomlValue* find(const TomlValue* table, std::string_view key, TomlKind kind) {
  const TomlValue* const value = table == nullptr ? nullptr : table->find(key);
  return value != nullptr && value->kind == kind ? value : nullptr;
}

// Texts that name folders relative to the file.
std::vector<const TomlValue*> folders_in(const TomlValue& root) {
  std::vector<const TomlValue*> found = {
      find(find(&root, "cpu", TomlKind::table), "flavour", TomlKind::text),
      find(find(&root, "dma", TomlKind::table), "unit", TomlKind::text)};
  if (const TomlValue* const list = find(&root, "accelerator", TomlKind::list)) {
    for (const TomlValue& item : list->items) found.push_back(find(&item, "unit", TomlKind::text));
  }
  std::erase(found, nullptr);
  return found;
}

// Behind the table's last member: on a line of its own, if that is too.
Edit add_member(const TomlValue& table, const std::string& key, int64_t number) {
  const TomlMember& last = table.members.back();
  Edit edit = edit_number(last.value, last.value.integer);
  const std::string& line = last.key_place.source_line;
  const size_t before = static_cast<size_t>(last.key_place.column - 1);
  edit.offset += edit.length;
  edit.length = 0;
  if (line.find_first_not_of(" \t") != before) {
    edit.text = fmt::format(", {} = {}", key, number);
  } else {
    edit.offset = last.value.place.source_line.size();
    edit.text = fmt::format("\n{} = {}", key, number);
  }
  return edit;
}

std::string apply(const std::string& text, std::vector<Edit> edits) {
  std::stable_sort(edits.begin(), edits.end(), [](const Edit& a, const Edit& b) {
    return std::pair(a.line, a.offset) < std::pair(b.line, b.offset);
  });
  std::string result;
  size_t copied = 0, line_begin = 0;
  int line = 1;
  for (const Edit& edit : edits) {
    for (; line < edit.line; ++line) line_begin = text.find('\n', line_begin) + 1;
    const size_t begin = line_begin + edit.offset;
    result += text.substr(copied, begin - copied) + edit.text;
    copied = begin + edit.length;
  }
  return result + text.substr(copied);
}

}  // namespace

Result<std::string> soc_with_constants(
    const fs::path& file, const std::vector<std::pair<std::string, int64_t>>& constants,
    const fs::path& folder) {
  const Result<std::string> text = read_file(file);
  if (!text.ok()) return text.errors();
  const Result<TomlValue> root = parse_toml(*text, file.string());
  if (!root.ok()) return root.errors();
  const TomlValue* const table =
      find(find(&*root, "cpu", TomlKind::table), "constants", TomlKind::table);
  std::vector<Edit> edits;
  Diagnostics errors;
  for (const auto& [key, number] : constants) {
    const TomlValue* const value = find(table, key, TomlKind::integer);
    if (value == nullptr && table != nullptr && !table->members.empty()) {
      edits.push_back(add_member(*table, key, number));
      continue;
    }
    if (value == nullptr) {
      errors.push_back(error_at(in_file(file.string()), "the SoC has no `[cpu.constants]`",
                                fmt::format("add the table, with `{} = {}`", key, number)));
      continue;
    }
    if (value->integer != number) edits.push_back(edit_number(*value, number));
  }
  const auto absolute = [](const fs::path& path) {
    return fs::absolute(path.empty() ? fs::path(".") : path).lexically_normal();
  };
  const fs::path from = absolute(file.parent_path());
  const fs::path to = absolute(folder);
  if (from != to && from / "" != to / "") {
    for (const TomlValue* const value : folders_in(*root)) {
      if (fs::path(value->text).is_absolute()) continue;
      const fs::path target = (from / value->text).lexically_normal();
      std::error_code ignored;
      // One that is not there is looked for in other places by its last part: that goes on.
      if (!fs::is_directory(target, ignored)) continue;
      std::optional<Edit> edit = edit_text(*value, target.lexically_relative(to).generic_string());
      if (!edit) {
        errors.push_back(error_at(value->place, "the folder cannot be named from another folder",
                                  "write its name without escapes, or write the file beside the "
                                  "SoC's own"));
        continue;
      }
      edits.push_back(std::move(*edit));
    }
  }
  if (!errors.empty()) return errors;
  return apply(*text, std::move(edits));
}

}  // namespace heddle
