// What tests of `heddle run --on soc` share: a network compiled to a bundle in a temporary folder, altered, and run.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/files.h"
#include "base/process.h"
#include "sim/result.h"

namespace heddle {

namespace fs = std::filesystem;

ProcessOutcome run(const std::vector<std::string>& command, const fs::path& folder);
bool is_missing(const std::string& program);

class SocRun : public testing::Test {
 protected:
  void SetUp() override;  // skipped without the cross compiler

  fs::path bundle() const { return temporary_.path() / "bundle"; }

  ProcessOutcome heddle(std::vector<std::string> arguments) const;
  void compile(const std::string& model, const std::string& soc) const;
  ProcessOutcome run_on_soc(std::vector<std::string> options = {}) const;
  sim::SimulationResult result() const;

  // A SoC of rules/soc with one text in it replaced.
  std::string altered_soc(const std::string& name, const std::string& from, const std::string& to) const;

  // DIANA with 8 KiB of L1, so that layers of `digits` need several tiles.
  std::string small_soc() const { return altered_soc("diana", "bytes = 262144", "bytes = 8192"); }

  // In a file of the bundle, everywhere.
  void replace(const std::string& file, const std::string& from, const std::string& to) const;

  TemporaryFolder temporary_;
};

}  // namespace heddle
