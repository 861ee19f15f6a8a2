// What travels between simulate_bundle() and its child, both ways as JSON files.
#pragma once

#include <filesystem>
#include <string>

#include "sim/child.h"

namespace heddle::sim {

struct Request {
  std::filesystem::path bundle, result;  // absolute
  SimulateOptions options;               // but tool and process
};

std::string to_json(const Request& request);
Result<Request> request_from_json(const std::string& text, const std::string& file);

// Instead of a result: why there is none.
std::string to_json(const Diagnostics& errors);

// What the child wrote: a result, or its errors.
Result<SimulationResult> answer_from_json(const std::string& text, const std::string& file);

// Before the name of the model that was at work, on stderr of a child that ends by it.
inline constexpr const char* kModelEnded = "heddle: ended within the model of ";

}  // namespace heddle::sim
