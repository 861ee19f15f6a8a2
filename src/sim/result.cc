#include "sim/result.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sim/fields.h"

namespace heddle::sim {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<const char*, 4> kEnds = {"passed", "failed", "hazard", "limit"};
constexpr std::array<const char*, 3> kEvents = {"layer", "wait", "job"};

template <size_t N>
size_t choice(const Fields& fields, const char* key, const std::array<const char*, N>& names) {
  const std::string text = fields.text(key);
  const auto found = std::find(names.begin(), names.end(), text);
  if (found != names.end()) return static_cast<size_t>(found - names.begin());
  if (fields.has(key)) fields.report(key, "holds a word that this Heddle does not know");
  return 0;
}

Json json_of(const CycleSplit& split) {
  Json json = {{"cycles", split.cycles},
               {"compute", split.compute},
               {"driver", split.driver},
               {"waiting", split.waiting},
               {"instructions", split.instructions}};
  json["units"] = Json::array();
  for (const UnitUse& use : split.units)
    json["units"].push_back({{"busy_cycles", use.cycles}, {"jobs", use.jobs}});
  return json;
}

CycleSplit split_of(const Fields& fields) {
  CycleSplit split;
  split.cycles = fields.count("cycles");
  split.compute = fields.count("compute");
  split.driver = fields.count("driver");
  split.waiting = fields.count("waiting");
  split.instructions = fields.count("instructions");
  for (const Fields& unit : fields.list("units"))
    split.units.push_back({unit.count("busy_cycles"), unit.count("jobs")});
  return split;
}

Json json_of(const Hazard& hazard) {
  return {{"kind", name_of(hazard.kind)},
          {"layer", hazard.layer},
          {"cycle", hazard.cycle},
          {"unit", hazard.unit},
          {"address", hazard.region.address},
          {"bytes", hazard.region.bytes},
          {"pc", hazard.pc},
          {"function", hazard.function},
          {"text", hazard.text},
          {"remedy", hazard.remedy}};
}

Hazard hazard_of(const Fields& fields) {
  Hazard hazard;
  const Result<HazardKind> kind = hazard_kind_of(fields.text("kind"));
  if (kind.ok()) {
    hazard.kind = *kind;
  } else {
    fields.report("kind", "names no hazard");
  }
  hazard.layer = fields.text("layer");
  hazard.cycle = fields.count("cycle");
  hazard.unit = fields.text("unit");
  hazard.region = {fields.address("address"), fields.address("bytes")};
  hazard.pc = fields.address("pc");
  hazard.function = fields.text("function");
  hazard.text = fields.text("text");
  hazard.remedy = fields.text("remedy");
  return hazard;
}

Json json_of(const SampleResult& sample) {
  Json json = {{"start", sample.start},
               {"total", json_of(sample.total)},
               {"outside", json_of(sample.outside)}};
  json["layers"] = Json::array();
  for (const LayerResult& layer : sample.layers) {
    Json entry = {{"name", layer.name},
                  {"target", layer.target},
                  {"rule", layer.rule},
                  {"macs", layer.macs},
                  {"modelled_cycles", layer.modelled_cycles},
                  {"tiles", layer.tiles},
                  {"start", layer.start}};
    entry.update(json_of(layer.split));
    json["layers"].push_back(std::move(entry));
  }
  return json;
}

SampleResult sample_of(const Fields& fields) {
  constexpr int64_t kAny = std::numeric_limits<int64_t>::max();
  SampleResult sample;
  sample.start = fields.count("start");
  sample.total = split_of(fields.table("total"));
  sample.outside = split_of(fields.table("outside"));
  for (const Fields& entry : fields.list("layers")) {
    LayerResult layer;
    layer.name = entry.text("name");
    layer.target = entry.text("target");
    layer.rule = entry.text("rule");
    layer.macs = entry.integer("macs", 0, kAny);
    layer.modelled_cycles = entry.integer("modelled_cycles", 0, kAny);
    layer.tiles = entry.integer("tiles", 0, kAny);
    layer.start = entry.count("start");
    layer.split = split_of(entry);
    sample.layers.push_back(std::move(layer));
  }
  return sample;
}

Json json_of(const Footprint& f) {
  return {{"code", f.code},
          {"constants", f.constants},
          {"data", f.data},
          {"zeros", f.zeros},
          {"arena", f.arena},
          {"stack_reserved", f.stack_reserved},
          {"stack_peak", f.stack_peak},
          {"bench", f.bench},
          {"rom", f.rom()},
          {"ram", f.ram()}};
}

Json json_of(const EnergyDescription& energy) {
  Json json = {{"source", energy.source}, {"cpu_pj_per_cycle", energy.cpu_pj_per_cycle}};
  json["units"] = Json::object();
  for (const auto& [name, pj] : energy.units) json["units"][name] = pj;
  return json;
}

EnergyDescription energy_of(const Fields& fields) {
  EnergyDescription energy{fields.text("source"), fields.number("cpu_pj_per_cycle"), {}};
  const Fields units = fields.table("units");
  for (const std::string& name : units.keys())
    energy.units.emplace_back(name, units.number(name.c_str()));
  return energy;
}

}  // namespace

std::optional<double> microjoules(const SimulationResult& result, const CycleSplit& split) {
  if (!result.energy) return std::nullopt;
  double picojoules = result.energy->cpu_pj_per_cycle * static_cast<double>(split.cycles);
  for (size_t u = 0; u < split.units.size() && u < result.units.size(); ++u) {
    for (const auto& [name, pj] : result.energy->units) {
      if (name == result.units[u].first)
        picojoules += pj * static_cast<double>(split.units[u].cycles);
    }
  }
  return picojoules / 1e6;
}

UnitUse use_of(const SimulationResult& result, const CycleSplit& split, UnitKind kind) {
  UnitUse sum;
  for (size_t u = 0; u < split.units.size() && u < result.units.size(); ++u) {
    if (result.units[u].second != kind) continue;
    sum.cycles += split.units[u].cycles;
    sum.jobs += split.units[u].jobs;
  }
  return sum;
}

std::string to_json(const SimulationResult& result) {
  Json json = {{"schema", 1},
               {"network", result.network},
               {"soc", result.soc},
               {"clock_hz", result.clock_hz},
               {"isa", result.isa}};
  json["cpu_cycles"] = Json::object();
  for (const auto& [name, cycles] : result.cpu_cycles) json["cpu_cycles"][name] = cycles;
  json["cycles_source"] = result.cycles_source;
  json["units"] = Json::array();
  for (const auto& [name, kind] : result.units)
    json["units"].push_back(
        {{"name", name}, {"kind", kind == UnitKind::dma ? "dma" : "accelerator"}});
  json["end"] = kEnds[static_cast<size_t>(result.end)];
  json["exit_code"] = result.exit_code;
  if (result.hazard) json["hazard"] = json_of(*result.hazard);
  json["console"] = result.console;
  json["cycles"] = result.cycles;
  json["instructions"] = result.instructions;
  json["setup"] = {{"cycles", result.setup_cycles}, {"instructions", result.setup_instructions}};
  json["exact_samples"] = result.exact_samples;
  json["samples"] = Json::array();
  for (const SampleResult& sample : result.samples) json["samples"].push_back(json_of(sample));
  json["memory"] = json_of(result.footprint);
  if (result.energy) json["energy"] = json_of(*result.energy);
  json["events"] = Json::array();
  for (const TimelineEvent& event : result.events) {
    json["events"].push_back({{"kind", kEvents[static_cast<size_t>(event.kind)]},
                              {"unit", event.unit},
                              {"start", event.start},
                              {"end", event.end},
                              {"layer", event.layer},
                              {"tile", event.tile},
                              {"label", event.label}});
  }
  if (result.host)
    json["host"] = {{"wall_seconds", result.host->wall_seconds}, {"mips", result.host->mips}};
  return json.dump(1, ' ', true, Json::error_handler_t::replace) + "\n";
}

Result<SimulationResult> result_from_json(const std::string& text, const std::string& file) {
  const Result<Json> json = parse_json(text, file, "");
  if (!json.ok()) return json.errors();
  Diagnostics errors;
  const Fields fields(*json, file, "", errors);
  SimulationResult result;
  result.network = fields.text("network");
  result.soc = fields.text("soc");
  result.clock_hz = fields.integer("clock_hz", 1, int64_t{1} << 40);
  result.isa = fields.text("isa");
  const Fields cycles = fields.table("cpu_cycles");
  for (const std::string& name : cycles.keys())
    result.cpu_cycles.emplace_back(name, cycles.integer(name.c_str(), 0, 1 << 20));
  result.cycles_source = fields.text("cycles_source");
  for (const Fields& unit : fields.list("units")) {
    constexpr std::array<const char*, 2> kKinds = {"dma", "accelerator"};
    result.units.emplace_back(unit.text("name"),
                              static_cast<UnitKind>(choice(unit, "kind", kKinds)));
  }
  result.end = static_cast<RunEnd>(choice(fields, "end", kEnds));
  result.exit_code = fields.integer("exit_code", 0, UINT32_MAX);
  if (fields.has("hazard")) result.hazard = hazard_of(fields.table("hazard"));
  result.console = fields.text("console");
  result.cycles = fields.count("cycles");
  result.instructions = fields.count("instructions");
  const Fields setup = fields.table("setup");
  result.setup_cycles = setup.count("cycles");
  result.setup_instructions = setup.count("instructions");
  result.exact_samples = fields.integer("exact_samples", 0, INT64_MAX);
  for (const Fields& sample : fields.list("samples")) result.samples.push_back(sample_of(sample));
  const Fields memory = fields.table("memory");
  result.footprint = {memory.count("code"),       memory.count("constants"),
                      memory.count("data"),       memory.count("zeros"),
                      memory.count("arena"),      memory.count("stack_reserved"),
                      memory.count("stack_peak"), memory.count("bench")};
  if (fields.has("energy")) result.energy = energy_of(fields.table("energy"));
  for (const Fields& event : fields.list("events")) {
    result.events.push_back({static_cast<EventKind>(choice(event, "kind", kEvents)),
                             static_cast<int>(event.integer("unit", -1, 1000)),
                             event.count("start"), event.count("end"),
                             static_cast<int>(event.integer("layer", -1, INT32_MAX)),
                             event.integer("tile", -1, INT64_MAX), event.text("label")});
  }
  if (fields.has("host")) {
    const Fields host = fields.table("host");
    result.host = {host.number("wall_seconds"), host.number("mips")};
  }
  if (!errors.empty()) return errors;
  return result;
}

}  // namespace heddle::sim
