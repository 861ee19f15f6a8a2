#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "base/files.h"
#include "base/text.h"
#include "ops/op.h"
#include "rules/cases.h"
#include "rules/reading.h"

namespace heddle {

namespace fs = std::filesystem;

std::vector<KeyDef> case_keys() {
  constexpr bool kRequired = true, kOptional = false;
  return {
      {"schema", KeyType::integer, kRequired, "version of this format: 1", "", 1, kSchemaVersion},
      {"case", KeyType::table_list, kRequired, "the layers"},
      {"case[].name", KeyType::text, kRequired, "an identifier, distinct in the folder"},
      {"case[].why", KeyType::text, kRequired, "what the case is there for, one line"},
      {"case[].accepted", KeyType::text, kOptional,
       "the rule that takes the layer, all of it; `heddle check` then runs it, and holds its values and cycles against "
       "reference and model"},
      {"case[].rule", KeyType::text, kOptional, "the rule that `refused` speaks of"},
      {"case[].refused", KeyType::text_list, kOptional,
       "the conditions that fail, all of them, each by its `why` or its `expr`; of a layer that fits no memory those of "
       "`tile.require`, or the tiler's own words"},
      {"case[].operators", KeyType::text, kRequired, "the operators of the layer, separated by blanks"},
      {"case[].layer", KeyType::names, kRequired,
       "sizes, attributes and operands by the names of a layer, `conv2d.stride_h = 2`: what it is built of, else what "
       "must hold of it (`oy = 4`). A constant's elements are drawn between `.min` and `.max`, or from `.values`. What "
       "is not named is plain: strides of 1, no pads, int8"},
      {"case[].memory", KeyType::integer_map, kOptional,
       "bytes of memories, at most those that the SoC has, by the names that rules use", "", 1,
       int64_t{1} << 32},
      {"case[].cut", KeyType::text_list, kOptional,
       "the axes along which the layer is cut into jobs, and no others"},
  };
}

namespace {

void read_names(const TomlValue& table, const std::string& head, std::vector<CaseName>& names) {
  for (const TomlMember& member : table.members) {
    const TomlValue& value = member.value;
    const std::string name = head + member.key;
    if (value.kind == TomlKind::table) read_names(value, name + ".", names);
    if (value.kind == TomlKind::integer) names.push_back({name, value.integer, value.place});
    if (value.kind == TomlKind::text) names.push_back({name, value.text, value.place});
    if (value.kind != TomlKind::list) continue;
    IntSet all;
    for (const TomlValue& item : value.items)
      if (item.kind == TomlKind::integer) all.insert(item.integer);
    names.push_back({name, std::move(all), value.place});
  }
}

std::vector<CaseText> texts_at(const TomlValue& table, std::string_view key) {
  std::vector<CaseText> texts;
  for (const TomlValue& item : items_at(table, key))
    if (item.kind == TomlKind::text && !item.text.empty()) texts.push_back({item.text, item.place});
  return texts;
}

std::vector<std::string> read_operators(const TomlValue& table, Reading& reading) {
  std::vector<std::string> operators, known;
  const TomlValue* const text = text_at(table, "operators");
  if (text == nullptr) return operators;
  for (const OpDef* op : all_ops()) known.emplace_back(op->name);
  for (size_t at = 0; at < text->text.size();) {
    const size_t first = text->text.find_first_not_of(' ', at);
    if (first == std::string::npos) break;
    at = std::min(text->text.find(' ', first), text->text.size());
    std::string name = text->text.substr(first, at - first);
    if (find_op(name) == nullptr) {
      report(reading, place_within(text->place, text->text, first),
             fmt::format("there is no operator `{}`{}", terminal_text(name), did_you_mean(name, known)),
             "docs/canonical_operators.md lists them");
    }
    operators.push_back(std::move(name));
  }
  if (operators.empty()) report(reading, text->place, "`operators` names none");
  return operators;
}

// `whole`: the schema has found nothing, so that a key that is not there was left out.
LayerCase read_case(const TomlValue& table, bool whole, Reading& reading) {
  LayerCase read;
  read.place = table.place;
  read.name = identifier_at(table, "name", reading);
  read.why = string_at(table, "why");
  read.operators = read_operators(table, reading);
  read.refused = texts_at(table, "refused");
  read.cut = texts_at(table, "cut");
  const TomlValue* const accepted = text_at(table, "accepted");
  const TomlValue* const rule = text_at(table, "rule");
  const bool refused = table.find("refused") != nullptr;
  read.accepted = accepted != nullptr;
  if (read.accepted) read.rule = {accepted->text, accepted->place};
  if (!read.accepted && rule != nullptr) read.rule = {rule->text, rule->place};
  if (read.accepted && (refused || rule != nullptr)) {
    report(reading, accepted->place, "a case says either `accepted`, or `rule` and `refused`",
           "leave one of them out");
  } else if (!read.accepted && whole && (!refused || rule == nullptr)) {
    report(reading, table.place, "the case does not say what a rule makes of the layer",
           "add `accepted = \"a_rule\"`, or `rule = \"a_rule\"` and `refused = [\"why it refuses\"]`");
  } else if (!read.accepted && whole && items_at(table, "refused").empty()) {
    report(reading, place_at(table, "refused"), "`refused` says no reason",
           "name the `why` of each condition that fails");
  }
  if (refused && !read.cut.empty())
    report(reading, place_at(table, "cut"), "a layer that is refused is not cut", "leave `cut` out");
  if (const TomlValue* const layer = table_at(table, "layer")) read_names(*layer, "", read.layer);
  if (const TomlValue* const memory = table_at(table, "memory")) read_names(*memory, "", read.memory);
  return read;
}

void read_file_of_cases(const fs::path& file, std::vector<LayerCase>& cases, Reading& reading) {
  Result<TomlValue> root = read_toml(file);
  if (!root.ok()) {
    reading.errors.insert(reading.errors.end(), root.errors().begin(), root.errors().end());
    return;
  }
  const size_t before = reading.errors.size();
  if (!check_against(schema_of(FileKind::cases), *root, reading.errors)) return;
  const bool whole = reading.errors.size() == before;
  for (const TomlValue& table : items_at(*root, "case")) {
    if (table.kind != TomlKind::table) continue;
    LayerCase read = read_case(table, whole, reading);
    const auto same = [&](const LayerCase& other) { return !read.name.empty() && other.name == read.name; };
    if (std::any_of(cases.begin(), cases.end(), same))
      report(reading, place_at(table, "name"), fmt::format("a second case is called `{}`", read.name),
             "give each case of the folder a name of its own");
    cases.push_back(std::move(read));
  }
}

}  // namespace

Result<std::vector<LayerCase>> load_cases(const fs::path& folder) {
  std::vector<LayerCase> cases;
  std::set<fs::path> files;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder / "cases", ignored))
    if (entry.path().extension() == ".toml") files.insert(entry.path());
  Reading reading;
  for (const fs::path& file : files) read_file_of_cases(file, cases, reading);
  if (!reading.errors.empty()) return reading.errors;
  return cases;
}

}  // namespace heddle
