// The reference of accelerators, libraries and CPU flavours, printed from their rules.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "rules/rules.h"

namespace heddle {

// Markdown. `seen_from` is the folder that links start at; empty: they are absolute.
std::string document_targets(std::span<const Target> targets, const std::filesystem::path& seen_from);

}  // namespace heddle
