#include <fmt/format.h>

#include "check/check.h"
#include "main/common.h"
#include "match/spine.h"

namespace heddle {

const char* const kCheckFooter = R"(What is checked, in this order:
  schema       every key of every file, all errors at once
  proofs       conditions that exclude each other or say nothing
  cases        layers in cases/*.toml of the folder, of which it says what a rule must make of them; those that are
               accepted run with the conformance
  conformance  for each rule, layers drawn from its own pattern and conditions are compiled as any network is, many of
               them in tiles; emitted C, driver and model must equal the reference interpreter bit for bit, and the
               rule's launch + compute the cycles that the model charges. A divergence is shown with a small layer.

Examples:
  heddle check accelerators/*
  heddle check my_unit --rule 'conv.*' --shapes 1000 --seed 7
  heddle check my_unit --soc my_soc.toml --static

Exit status: 0 nothing found, 1 findings, 2 a bug of ours. docs/check.md shows how to read the output.)";

int check_command(const CommandOptions& options) {
  const Progress progress;
  CheckOptions check = options.check;
  if (!check.conform.rules.empty()) {
    const Result<std::vector<bool>> pattern =
        full_match(check.conform.rules, {}, in_file("--rule " + check.conform.rules));
    if (!pattern.ok()) return fail(pattern.errors());
  }
  check.accelerators = options.compile.accelerators;
  check.conform.seed = options.seed;
  check.conform.progress = [&progress](const std::string& line) { progress.show(line); };
  const CheckReport report = check_paths(check);
  progress.show("");
  fmt::print("{}", options.json ? check_json(report) : check_text(report));
  return report.passed() ? 0 : 1;
}

}  // namespace heddle
