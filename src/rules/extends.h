// One SoC as another with some values changed.
#pragma once

#include <filesystem>

#include "rules/toml.h"

namespace heddle {

inline constexpr int kMaxExtends = 8;  // files in a chain

// The root table of `file`, with what the file that it `extends` (beside it; and so on, kMaxExtends
// files at most) says and it does not. Tables are merged key by key; of lists of tables, those with
// the same `name`, else the same last part of `unit`, are merged and the others appended; any other
// value replaces the inherited one. A file that names a `cpu.flavour` does not inherit
// `cpu.constants`. Each value keeps the place where it was written, so folders are relative to the
// file that names them. `schema`, `name` and `summary` are the file's own. Errors: a file cannot be
// read or parsed, or the chain is a circle or too long.
Result<TomlValue> read_extended(const std::filesystem::path& file);

}  // namespace heddle
