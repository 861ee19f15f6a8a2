// Policies. Regular expressions are checked where they are used (match/spine.h), names of targets
// against the SoC (schedule/policy.h).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "rules/reading.h"

namespace heddle {
namespace {

constexpr std::array<std::pair<std::string_view, Objective>, 5> kObjectives = {
    {{"latency", Objective::latency},
     {"energy", Objective::energy},
     {"weighted", Objective::weighted},
     {"fewest_switches", Objective::fewest_switches},
     {"first_match", Objective::first_match}}};

Objective objective_at(const TomlValue& root) {
  const std::string text = string_at(root, "objective");
  for (const auto& [name, objective] : kObjectives) {
    if (name == text) return objective;
  }
  return Objective::latency;  // the schema has reported it
}

void read_weights(const TomlValue& root, Policy& policy, Reading& reading) {
  const TomlValue* const weights = table_at(root, "weights");
  const bool weighted = policy.objective == Objective::weighted;
  if (weighted && weights == nullptr) {
    report(reading, place_at(root, "objective"), "the objective `weighted` has no `weights`",
           "add `weights = { latency = 1, energy = 1 }`");
  }
  if (weights == nullptr) return;
  if (!weighted) {
    report(reading, weights->place,
           fmt::format("`weights` are of the objective `weighted`, but this is `{}`",
                       terminal_text(string_at(root, "objective"))),
           "write `objective = \"weighted\"`, or leave `weights` out");
  }
  policy.latency_weight = integer_at(*weights, "latency");
  policy.energy_weight = integer_at(*weights, "energy");
  const bool both = weights->find("latency") != nullptr && weights->find("energy") != nullptr;
  if (both && policy.latency_weight == 0 && policy.energy_weight == 0) {
    report(reading, weights->place, "both weights are 0, so that every schedule costs the same",
           "give at least one of them a weight");
  }
}

// "unit/rule"
bool is_rule(std::string_view text) {
  const size_t slash = text.find('/');
  return slash != std::string_view::npos && is_c_identifier(text.substr(0, slash)) &&
         is_c_identifier(text.substr(slash + 1));
}

// A boolean that is true unless the file says otherwise.
bool true_at(const TomlValue& root, std::string_view key) {
  return root.find(key) == nullptr || boolean_at(root, key);
}

// Names of targets, each once; `star`: what `*` stands for, or "" where it is no name, and rules are
// none either.
std::vector<std::string> read_targets(const TomlValue& root, std::string_view key,
                                      std::string_view star, Reading& reading) {
  std::vector<std::string> names;
  for (const TomlValue& item : items_at(root, key)) {
    if (item.kind != TomlKind::text || item.text.empty()) continue;
    const bool all = item.text == "*" && !star.empty();
    if (!all && !is_c_identifier(item.text) && (star.empty() || !is_rule(item.text))) {
      report(reading, item.place,
             fmt::format("`{}` cannot be the name of {}", terminal_text(item.text),
                         star.empty() ? "a target" : "an accelerator"),
             star.empty()
                 ? "name an accelerator or a library, or write `cpu`"
                 : fmt::format("name an accelerator or one of its rules, `unit/rule`, or write `*` "
                               "for {}", star));
    } else if (std::find(names.begin(), names.end(), item.text) != names.end()) {
      report(reading, item.place, fmt::format("`{}` is in `{}` twice", item.text, key),
             "leave one out");
    }
    names.push_back(item.text);
  }
  return names;
}

std::string target_at(const TomlValue& table, std::string_view key, Reading& reading) {
  const TomlValue* const value = text_at(table, key);
  if (value == nullptr) return "";
  if (!is_c_identifier(value->text)) {
    report(reading, value->place,
           fmt::format("`{}` cannot be the name of a target", terminal_text(value->text)),
           "name an accelerator or a library, or write `cpu`");
  }
  return value->text;
}

LayerSelector read_selector(const TomlValue& table, Reading& reading) {
  LayerSelector select;
  select.layers = string_at(table, "layers");
  select.kind = string_at(table, "kind");
  select.accepted_by = target_at(table, "accepted_by", reading);
  const TomlValue* const index = text_at(table, "index");
  if (index == nullptr) return select;
  select.index = index->text;
  const bool number = select.index.size() <= 6 && std::all_of(select.index.begin(), select.index.end(),
                                                              [](char c) { return c >= '0' && c <= '9'; });
  if (!number && select.index != "first" && select.index != "last") {
    report(reading, index->place,
           fmt::format("`index` cannot be `{}`", terminal_text(select.index)),
           "write \"first\", \"last\", or a number of up to six digits, counted from 0");
  }
  return select;
}

// Where an error about the entry is shown: its first regular expression, so that one in it has a caret.
const Place& place_of_selector(const TomlValue& table) {
  for (const char* key : {"layers", "kind", "accepted_by", "index", "target"}) {
    if (const TomlValue* value = text_at(table, key)) return value->place;
  }
  return table.place;
}

// "`[[pin]] layers = conv.*, index = first, target = cpu`"
std::string text_of(const TomlValue& table) {
  std::string text;
  for (const char* key : {"layers", "kind", "accepted_by", "index", "target"}) {
    if (const TomlValue* value = text_at(table, key)) {
      text += fmt::format("{}{} = {}", text.empty() ? "" : ", ", key, terminal_text(value->text));
    }
  }
  return "`[[pin]] " + text + "`";
}

}  // namespace

Result<Policy> load_policy(const std::filesystem::path& file) {
  Result<TomlValue> read = read_toml(file);
  if (!read.ok()) return read.errors();
  TomlValue& root = *read;
  Reading reading;
  if (!check_against(schema_of(FileKind::policy), root, reading.errors)) return reading.errors;
  Policy policy;
  policy.name = identifier_at(root, "name", reading);
  policy.summary = string_at(root, "summary");
  policy.objective = objective_at(root);
  read_weights(root, policy, reading);
  policy.avoid = read_targets(root, "avoid", "all", reading);
  policy.residents = true_at(root, "residents");
  policy.legalise = true_at(root, "legalise");
  policy.target_order = read_targets(root, "target_order", "", reading);
  for (const TomlValue& item : items_at(root, "execution_order")) {
    if (item.kind == TomlKind::text && !item.text.empty()) policy.execution_order.push_back(item.text);
  }
  for (const TomlValue& item : items_at(root, "prefer")) {
    if (item.kind != TomlKind::table) continue;
    policy.preferences.push_back({read_selector(item, reading), target_at(item, "target", reading),
                                  integer_at(item, "percent", 100), place_of_selector(item)});
  }
  for (const TomlValue& item : items_at(root, "pin")) {
    if (item.kind != TomlKind::table) continue;
    policy.pins.push_back({read_selector(item, reading), target_at(item, "target", reading),
                           text_of(item), place_of_selector(item),
                           boolean_at(item, "optional")});
  }
  if (!reading.errors.empty()) return reading.errors;
  return policy;
}

}  // namespace heddle
