// Many networks as one program: one runtime, one driver, one model; each network with a prefix of its
// own. Built with the strictness of a bundle, run in a child process under limits.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "compile/compile.h"

namespace heddle {

// The files of runtime/, by name; from the build.
const std::map<std::string, std::string>& check_files();

// A network that is compiled up to its memory plan, and what it is run on.
struct ProgramNetwork {
  Compilation compilation;
  std::vector<std::vector<Tensor>> samples;  // [sample][input]; as many as every other's
};

// How a run of one sample ended.
struct ProgramRun {
  std::string error;  // empty: well. Else what the model said, or how the process died
  Tensor output;
  int64_t cycles = 0;  // that the unit's model charged
  int64_t jobs = 0;
};

struct ProgramResult {
  std::vector<std::vector<ProgramRun>> runs;  // [network][sample]
};

// A folder in which programs of the same unit are built one after the other; what they share is
// compiled once.
class ProgramFolder {
 public:
  // The unit is an accelerator of the SoC, whose memories are at least as large as those of any network's;
  // `kept`: where the files stay, or empty.
  ProgramFolder(const Soc& soc, int unit, std::filesystem::path kept);

  // Errors: what cannot be emitted or does not compile.
  Result<ProgramResult> run(const std::vector<ProgramNetwork>& networks);

 private:
  const Soc& soc_;
  std::string unit_;
  std::filesystem::path kept_;
  TemporaryFolder temporary_;
  int programs_ = 0;
};

}  // namespace heddle
