#include "check/finding.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "report/table.h"

namespace heddle {
namespace {

constexpr size_t kLongestLine = 2000, kWidth = 98, kIndent = 14;

}  // namespace

bool is_failure(const Finding& finding) {
  return finding.kind == Finding::Kind::error || finding.kind == Finding::Kind::warning;
}

std::string_view name_of(Finding::Kind kind) {
  static constexpr std::array<std::string_view, 4> kNames = {"error", "warning", "undecided",
                                                             "proven"};
  return kNames[static_cast<size_t>(kind)];
}

std::vector<Finding> findings_of(const Diagnostics& diagnostics) {
  std::vector<Finding> findings;
  for (const Diagnostic& diagnostic : diagnostics) {
    const Finding::Kind kind = diagnostic.severity == Severity::error     ? Finding::Kind::error
                               : diagnostic.severity == Severity::warning ? Finding::Kind::warning
                                                                          : Finding::Kind::proven;
    findings.push_back({kind, diagnostic.place, diagnostic.message, diagnostic.remedy});
  }
  return findings;
}

std::string to_string(const Finding& finding) {
  Diagnostic diagnostic{Severity::note, finding.place, finding.text, ""};
  if (finding.kind == Finding::Kind::error) diagnostic.severity = Severity::error;
  if (finding.kind == Finding::Kind::warning) diagnostic.severity = Severity::warning;
  if (finding.kind == Finding::Kind::undecided)
    diagnostic.message = "undecided: " + diagnostic.message;
  if (finding.kind == Finding::Kind::proven) diagnostic.place.source_line.clear();
  std::string text = format_diagnostic(diagnostic);
  for (const std::string& line : finding.values) {
    const std::string shown = terminal_text(line, kLongestLine);
    const size_t lead = std::min(shown.find_first_not_of(' '), shown.size());  // wrap() drops it
    text += "  " + shown.substr(0, lead) + wrap(shown.substr(lead), kWidth, kIndent) + "\n";
  }
  if (!finding.remedy.empty()) text += fmt::format("  help: {}\n", terminal_text(finding.remedy, 1000));
  return text;
}

}  // namespace heddle
