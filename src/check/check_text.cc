#include <fmt/format.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "check/check.h"
#include "report/table.h"

namespace heddle {
namespace {

using Json = nlohmann::ordered_json;

std::string cost_text(const RuleConformance& rule) {
  if (!rule.cost) return "-";
  const int64_t error = rule.cost->modelled - rule.cost->charged;
  if (error == 0) return "none";
  return fmt::format("{}{} of {}", error > 0 ? "+" : "-", thousands(std::abs(error)),
                     thousands(rule.cost->charged));
}

std::string table_of(const std::vector<RuleConformance>& rules) {
  std::vector<Row> rows;
  for (const RuleConformance& rule : rules) {
    const bool wrong = rule.cost && rule.cost->modelled != rule.cost->charged;
    rows.push_back({{terminal_text(rule.rule), thousands(rule.run), thousands(rule.tiled),
                     thousands(rule.tiles), thousands(rule.exact), cost_text(rule)},
                    wrong ? "worst cost: " + rule.cost->layer : ""});
  }
  return format_table({{"rule", false, 30},
                       {"layers", true},
                       {"cut", true},
                       {"tiles", true},
                       {"bit-exact", true},
                       {"worst cost error", true}},
                      rows);
}

Json json_of(const Finding& finding) {
  Json json = {{"kind", name_of(finding.kind)},
               {"file", finding.place.file},
               {"line", finding.place.line},
               {"column", finding.place.column},
               {"text", finding.text}};
  if (!finding.values.empty()) json["values"] = finding.values;
  if (!finding.remedy.empty()) json["remedy"] = finding.remedy;
  return json;
}

Json json_of(const RuleConformance& rule) {
  Json json = {{"rule", rule.rule}, {"layers_wanted", rule.wanted}, {"layers", rule.run},
               {"cut", rule.tiled}, {"tiles", rule.tiles},          {"bit_exact", rule.exact}};
  if (rule.cost) {
    json["worst_cost"] = {{"modelled", rule.cost->modelled},
                          {"charged", rule.cost->charged},
                          {"layer", rule.cost->layer}};
  }
  return json;
}

}  // namespace

std::string check_text(const CheckReport& report) {
  std::string text;
  for (const PathCheck& check : report.paths) {
    if (!text.empty()) text += "\n";
    text += terminal_text(check.path, 200);
    if (!check.what.empty()) text += ": " + check.what;
    if (!check.machine.empty())
      text += fmt::format(", on SoC {}{}", terminal_text(check.machine),
                          check.made ? ", made for this check" : "");
    text += "\n";
    if (!check.rules.empty()) text += table_of(check.rules);
    if (check.cases > 0) text += fmt::format("cases: {} of {} as said\n", check.cases_as_said, check.cases);
    size_t proven = 0;
    for (const Finding& finding : check.findings) {
      if (finding.kind == Finding::Kind::proven) {
        ++proven;
      } else {
        text += to_string(finding);
      }
    }
    text += fmt::format("{}: {}{}\n", terminal_text(check.path, 200),
                        check.failures() == 0   ? "no findings"
                        : check.failures() == 1 ? "1 finding"
                                                : fmt::format("{} findings", check.failures()),
                        proven == 0 ? "" : fmt::format(", {} proven", proven));
  }
  return text;
}

std::string check_json(const CheckReport& report) {
  Json json = {{"schema", 1}, {"passed", report.passed()}, {"checked", Json::array()}};
  for (const PathCheck& check : report.paths) {
    Json path = {{"path", check.path}, {"kind", check.what}};
    if (!check.machine.empty()) {
      path["soc"] = check.machine;
      path["soc_was_made"] = check.made;
    }
    path["rules"] = Json::array();
    for (const RuleConformance& rule : check.rules) path["rules"].push_back(json_of(rule));
    path["cases"] = check.cases;
    path["cases_as_said"] = check.cases_as_said;
    path["findings"] = Json::array();
    for (const Finding& finding : check.findings) path["findings"].push_back(json_of(finding));
    json["checked"].push_back(std::move(path));
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace heddle
