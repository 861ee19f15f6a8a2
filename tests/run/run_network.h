// A compiled network, run every way there is.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compile/verify.h"

namespace heddle {

// What a series of networks has exercised.
struct Exercised {
  int accelerated = 0, tiled = 0, on_cpu = 0;
  std::map<std::string, int> rules;  // of accelerators
  std::map<std::string, int> cpu_rules;
};

Soc load(const std::string& name);  // of rules/soc

// The emitted C, drivers and models run under both sanitizers. AddressSanitizer reserves far more
// addresses than memory, so the child has no limit on them.
Result<EmittedRun> run_sanitized(const Compilation& compilation,
                                 const std::filesystem::path& folder,
                                 const std::vector<Sample>& samples);

// What is compiled runs as emitted C and equals the reference, every layer bit for bit, and the
// schedule's cycles are what the models count.
void expect_exact(const Compilation& compiled, uint32_t seed, Exercised& seen);

// Compiles graph, SoC and policy, and expects: emitted C with drivers and accelerator models equals
// the reference, every layer bit for bit, and the schedule's cycles are what the models count.
void run_against_reference(Compilation compilation, uint32_t seed, Exercised& seen);

}  // namespace heddle
