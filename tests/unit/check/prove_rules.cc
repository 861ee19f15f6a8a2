#include "unit/check/prove_rules.h"

#include <fmt/format.h>

#include <map>
#include <sstream>

namespace heddle {
namespace {

Expr parsed(const std::string& text) {
  Result<Expr> expr = parse_expr(text, Place{});
  HEDDLE_CHECK(expr.ok(), text + "\n" + format_diagnostics(expr.errors()));
  return *expr;
}

}  // namespace

const Soc& shipped_soc(const std::string& name) {
  static std::map<std::string, Soc> loaded;
  const auto found = loaded.find(name);
  if (found != loaded.end()) return found->second;
  Result<Soc> soc = load_soc(fmt::format("{}/rules/soc/{}.toml", HEDDLE_SOURCE_DIR, name));
  HEDDLE_CHECK(soc.ok(), format_diagnostics(soc.errors()));
  return loaded.emplace(name, *soc).first->second;
}

Soc soc_with_rules(const std::string& text) {
  Soc soc = shipped_soc("diana");
  std::vector<Rule>& rules = soc.accelerators[0].target.rules;
  rules.clear();
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const size_t first = line.find_first_not_of(' ');
    if (first == std::string::npos) continue;
    line = line.substr(first);
    Place place = in_file("rules.toml");
    place.line = number;
    if (line.starts_with("rule ")) {
      const size_t colon = line.find(':');
      Rule rule;
      rule.name = line.substr(5, colon - 5);
      Result<Pattern> pattern = parse_pattern(line.substr(colon + 2), place);
      HEDDLE_CHECK(pattern.ok(), line);
      rule.pattern = *pattern;
      rule.place = place;
      rule.launch = parsed("0");
      rule.compute = parsed("macs");
      rules.push_back(std::move(rule));
    } else if (line.starts_with("cost ")) {
      rules.back().compute = parsed(line.substr(5));
    } else {
      rules.back().when.push_back({parsed(line), line, "why", place});
    }
  }
  return soc;
}

std::string text_of(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    text += fmt::format("{} {}: {}", name_of(finding.kind), finding.place.line, finding.text);
    for (const std::string& value : finding.values)
      text += fmt::format(" [{}]", value.starts_with("line ") ? value : value.substr(0, value.find(':')));
    text += '\n';
  }
  return text;
}

}  // namespace heddle
