// Has make build what a bundle's Makefile knows: firmware by a cross compiler, models by the
// host's.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/process.h"
#include "base/result.h"

namespace heddle::sim {

// Errors: a compiler is missing (and which package has it), something does not build, or firmware
// does not fit into the SoC's memories.
Status build_in(const std::filesystem::path& bundle, const std::vector<std::string>& targets,
                const ProcessLimits& limits = {});

// "exit status 3", or the signal or limit that ended the process.
std::string how_it_ended(const ProcessOutcome& outcome);
// The line of `text` that holds position `at`.
std::string line_at(const std::string& text, size_t at);
// Of what make and compilers print, the line that tells most.
std::string telling_line(const std::string& text);

}  // namespace heddle::sim
