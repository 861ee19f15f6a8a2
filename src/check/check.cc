#include "check/check.h"

#include <algorithm>

#include "check/cases.h"
#include "check/machine.h"
#include "check/prove.h"
#include "compile/resources.h"
#include "rules/toml.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;

void append(std::vector<Finding>& to, std::vector<Finding> from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

std::string kind_of(TargetKind kind) {
  switch (kind) {
    case TargetKind::cpu:
      return "CPU flavour";
    case TargetKind::accelerator:
      return "accelerator";
    case TargetKind::dma:
      return "DMA";
    case TargetKind::library:
      break;
  }
  return "library";
}

// A SoC has a processor; a policy has none.
void check_file(const fs::path& file, const CheckOptions& options, PathCheck& check) {
  const Result<TomlValue> root = read_toml(file);
  if (!root.ok()) return append(check.findings, findings_of(root.errors()));
  if (root->find("cpu") == nullptr && root->find("memory") == nullptr) {
    check.what = "policy";
    const Result<Policy> policy = load_policy(file);
    if (!policy.ok()) append(check.findings, findings_of(policy.errors()));
    return;
  }
  check.what = "SoC";
  const Result<Soc> soc = load_soc(file, accelerator_folders(options.accelerators));
  if (!soc.ok()) append(check.findings, findings_of(soc.errors()));
}

void check_folder(const fs::path& folder, const CheckOptions& options, PathCheck& check) {
  const Result<Target> target = load_target(folder);
  if (!target.ok()) return append(check.findings, findings_of(target.errors()));
  check.what = kind_of(target->kind);
  if (target->kind == TargetKind::dma || target->kind == TargetKind::cpu) return;
  const Result<CheckMachine> machine = machine_for(*target, options.soc, options.accelerators);
  if (!machine.ok()) return append(check.findings, findings_of(machine.errors()));
  check.machine = machine->soc.name;
  check.made = machine->made;
  if (options.conform.progress) options.conform.progress(target->name + ": what can be proven");
  append(check.findings, prove(machine->soc, machine->unit));
  const Result<std::vector<LayerCase>> cases = load_cases(folder);
  if (!cases.ok()) return append(check.findings, findings_of(cases.errors()));
  JudgedCases judged = judge_cases(machine->soc, machine->unit, *cases);
  check.cases = judged.cases;
  check.cases_as_said = judged.as_said;
  append(check.findings, std::move(judged.findings));
  if (options.statically) return;
  Conformance conformance =
      conform(machine->soc, machine->unit, options.conform, std::move(judged.accepted));
  check.rules = std::move(conformance.rules);
  check.cases_as_said -= conformance.wrong_cases;
  append(check.findings, std::move(conformance.findings));
}

}  // namespace

size_t PathCheck::failures() const {
  return static_cast<size_t>(std::count_if(findings.begin(), findings.end(), is_failure));
}

bool CheckReport::passed() const {
  return std::all_of(paths.begin(), paths.end(),
                     [](const PathCheck& check) { return check.failures() == 0; });
}

CheckReport check_paths(const CheckOptions& options) {
  CheckReport report;
  for (const fs::path& path : options.paths) {
    PathCheck& check = report.paths.emplace_back();
    check.path = path.string();
    std::error_code ignored;
    if (fs::is_regular_file(path, ignored)) {
      check_file(path, options, check);
    } else {
      check_folder(path, options, check);
    }
  }
  return report;
}

}  // namespace heddle
