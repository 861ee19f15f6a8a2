#include "sim/request.h"

#include "sim/fields.h"

namespace heddle::sim {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& json) {
  return json.dump(1, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string to_json(const Request& request) {
  const SimulateOptions& options = request.options;
  Json settings = Json::array();
  for (const UnitSetting& setting : options.limits.settings) {
    settings.push_back({{"unit", setting.unit},
                        {"register", setting.register_offset},
                        {"value", setting.value}});
  }
  return text_of({{"schema", 1},
                  {"bundle", request.bundle.string()},
                  {"result", request.result.string()},
                  {"max_cycles", options.limits.max_cycles},
                  {"max_instructions", options.limits.max_instructions},
                  {"free_units", options.limits.free_units ? 1 : 0},
                  {"settings", settings},
                  {"trace", options.trace.string()},
                  {"trace_kind", static_cast<int>(options.trace_kind)},
                  {"gdb_port", options.gdb_port}});
}

Result<Request> request_from_json(const std::string& text, const std::string& file) {
  const Result<Json> json = parse_json(text, file, "");
  if (!json.ok()) return json.errors();
  Diagnostics errors;
  const Fields fields(*json, file, "", errors);
  Request request;
  request.bundle = fields.text("bundle");
  request.result = fields.text("result");
  request.options.limits.max_cycles = fields.count("max_cycles");
  request.options.limits.max_instructions = fields.count("max_instructions");
  request.options.limits.free_units = fields.integer("free_units", 0, 1) != 0;
  for (const Fields& setting : fields.list("settings")) {
    request.options.limits.settings.push_back(
        {setting.text("unit"), static_cast<int64_t>(setting.count("register")),
         static_cast<int64_t>(setting.count("value"))});
  }
  request.options.trace = fields.text("trace");
  request.options.trace_kind = static_cast<TraceKind>(fields.integer("trace_kind", 0, 2));
  request.options.gdb_port = static_cast<int>(fields.integer("gdb_port", 0, 65535));
  if (!errors.empty()) return errors;
  return request;
}

std::string to_json(const Diagnostics& errors) {
  Json json = {{"schema", 1}};
  json["errors"] = Json::array();
  for (const Diagnostic& error : errors) {
    json["errors"].push_back(
        {{"file", error.place.file}, {"message", error.message}, {"remedy", error.remedy}});
  }
  return text_of(json);
}

Result<SimulationResult> answer_from_json(const std::string& text, const std::string& file) {
  const Result<Json> json = parse_json(text, file, "");
  if (!json.ok()) return json.errors();
  if (!json->contains("errors")) return result_from_json(text, file);
  Diagnostics wrong, errors;
  for (const Fields& error : Fields(*json, file, "", wrong).list("errors")) {
    errors.push_back(
        error_at(in_file(error.text("file")), error.text("message"), error.text("remedy")));
  }
  if (!wrong.empty()) return wrong;
  return errors;
}

}  // namespace heddle::sim
