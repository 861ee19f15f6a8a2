#include "rules/extends.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "rules/schema.h"

namespace heddle {
namespace fs = std::filesystem;
namespace {

// What tells the tables of a list apart; empty: nothing.
std::string identity(const TomlValue& item) {
  if (item.kind != TomlKind::table) return "";
  if (const TomlValue* name = text_at(item, "name")) return name->text;
  const TomlValue* unit = text_at(item, "unit");
  if (unit == nullptr) return "";
  const fs::path folder = fs::path(unit->text).lexically_normal();
  return (folder.has_filename() ? folder : folder.parent_path()).filename().string();
}

void merge(TomlValue& base, TomlValue&& own);

void merge_lists(TomlValue& base, TomlValue&& own) {
  for (TomlValue& item : own.items) {
    const std::string name = identity(item);
    const auto same = std::find_if(
        base.items.begin(), base.items.end(),
        [&](const TomlValue& other) { return !name.empty() && identity(other) == name; });
    if (same == base.items.end()) {
      base.items.push_back(std::move(item));
    } else {
      std::erase_if(item.members, [](const TomlMember& m) { return m.key == "unit"; });
      merge(*same, std::move(item));
    }
  }
}

bool holds_tables(const TomlValue& value) {
  return value.kind == TomlKind::list && !value.items.empty() &&
         value.items.front().kind == TomlKind::table;
}

void merge(TomlValue& base, TomlValue&& own) {
  base.place = own.place;
  for (TomlMember& member : own.members) {
    const auto same = std::find_if(base.members.begin(), base.members.end(),
                                   [&](const TomlMember& m) { return m.key == member.key; });
    if (same == base.members.end()) {
      base.members.push_back(std::move(member));
      continue;
    }
    same->key_place = member.key_place;
    if (same->value.kind == TomlKind::table && member.value.kind == TomlKind::table) {
      merge(same->value, std::move(member.value));
    } else if (holds_tables(same->value) && holds_tables(member.value)) {
      merge_lists(same->value, std::move(member.value));
    } else {
      same->value = std::move(member.value);
    }
  }
}

// What the CPU's kernels cost belongs to their flavour: with another one it is not inherited.
void drop_costs_of_another_flavour(TomlValue& base, const TomlValue& own) {
  const TomlValue* cpu = table_at(own, "cpu");
  if (cpu == nullptr || cpu->find("flavour") == nullptr) return;
  for (TomlMember& member : base.members) {
    if (member.key != "cpu") continue;
    std::erase_if(member.value.members,
                  [](const TomlMember& inner) { return inner.key == "constants"; });
  }
}

Result<TomlValue> read_chain(const fs::path& file, int length) {
  Result<TomlValue> own = read_toml(file);
  if (!own.ok()) return own;
  const TomlValue* named = text_at(*own, "extends");
  if (named == nullptr) return own;
  if (length == kMaxExtends) {
    return Diagnostics{
        error_at(named->place,
                 fmt::format("a chain of more than {} files that extend one another, or a circle",
                             kMaxExtends))};
  }
  const fs::path other = (file.parent_path() / named->text).lexically_normal();
  std::error_code ignored;
  if (!fs::is_regular_file(other, ignored)) {
    return Diagnostics{error_at(named->place,
                                fmt::format("there is no file `{}`", terminal_text(named->text)),
                                "name it relative to this file")};
  }
  Result<TomlValue> base = read_chain(other, length + 1);
  if (!base.ok()) return base;
  for (const std::string_view key : {"schema", "name", "summary", "extends"})
    std::erase_if(base->members, [&](const TomlMember& member) { return member.key == key; });
  drop_costs_of_another_flavour(*base, *own);
  merge(*base, *std::move(own));
  return base;
}

}  // namespace

Result<TomlValue> read_extended(const fs::path& file) { return read_chain(file, 1); }

}  // namespace heddle
