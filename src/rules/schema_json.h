// The schema table as JSON Schema (draft 4), for editors: `#:schema FILE` in the first line of a TOML
// file, as Taplo reads it.
#pragma once

#include <string>

#include "rules/schema.h"

namespace heddle {

// "soc", "policy", "accelerator" ...: what `heddle docs --schema` and rules/schema/ call it.
std::string schema_name(const Schema& schema);

// One JSON object. It knows keys, types, choices and ranges; what expressions and patterns mean, the
// loader alone checks.
std::string json_schema(const Schema& schema);

}  // namespace heddle
