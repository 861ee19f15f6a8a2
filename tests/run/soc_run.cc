#include "run/soc_run.h"

namespace heddle {
namespace {

const fs::path kSource = HEDDLE_SOURCE_DIR;
constexpr ProcessLimits kLimits{.cpu_seconds = 600, .memory_bytes = 0};

}  // namespace

ProcessOutcome run(const std::vector<std::string>& command, const fs::path& folder) {
  Result<ProcessOutcome> outcome = run_process(command, folder, kLimits);
  HEDDLE_CHECK(outcome.ok(), format_diagnostics(outcome.errors()));
  return *outcome;
}

bool is_missing(const std::string& program) {
  return !run_process({program, "--version"}, {}).ok();
}

void SocRun::SetUp() {
  if (is_missing("riscv64-unknown-elf-gcc"))
    GTEST_SKIP() << "skipped: riscv64-unknown-elf-gcc is absent";
}

ProcessOutcome SocRun::heddle(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), HEDDLE_TOOL);
  return run(arguments, temporary_.path());
}

void SocRun::compile(const std::string& model, const std::string& soc) const {
  const ProcessOutcome outcome = heddle(
      {"compile", (kSource / "models" / model).string(), "--soc", soc, "-o", bundle().string()});
  ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
}

ProcessOutcome SocRun::run_on_soc(std::vector<std::string> options) const {
  options.insert(options.begin(), {"run", bundle().string(), "--on", "soc"});
  return heddle(options);
}

sim::SimulationResult SocRun::result() const {
  const ProcessOutcome outcome = run_on_soc({"--json"});
  EXPECT_EQ(outcome.exit_status, 0) << outcome.err;
  Result<sim::SimulationResult> read = sim::result_from_json(outcome.out, "result");
  HEDDLE_CHECK(read.ok(), format_diagnostics(read.errors()) + outcome.err);
  return *read;
}

std::string SocRun::altered_soc(const std::string& name, const std::string& from, const std::string& to) const {
  std::string text = *read_file(kSource / "rules/soc" / (name + ".toml"));
  const size_t at = text.find(from);
  HEDDLE_CHECK(at != std::string::npos, name + ".toml has no " + from);
  text.replace(at, from.size(), to);
  const fs::path folder = temporary_.path() / "rules/soc";
  fs::create_directories(folder);
  for (const char* const used : {"accelerators", "cpu_codegen"}) {
    if (!fs::exists(temporary_.path() / used))
      fs::create_directory_symlink(kSource / used, temporary_.path() / used);
  }
  HEDDLE_CHECK(write_file(folder / "altered.toml", text).ok(), "a file");
  return (folder / "altered.toml").string();
}

void SocRun::replace(const std::string& file, const std::string& from, const std::string& to) const {
  std::string text = *read_file(bundle() / file);
  size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos) << file << " has no " << from;
  for (; at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  ASSERT_TRUE(write_file(bundle() / file, text).ok());
}

}  // namespace heddle
