#include "report/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "report/layer_json.h"
#include "report/table.h"
#include "schedule/why_here.h"

namespace heddle {
namespace {

std::string operators_of(const Graph& graph, const std::vector<NodeId>& nodes) {
  std::string text;
  for (const NodeId id : nodes) text += (text.empty() ? "" : " ") + graph.node(id).op;
  return text;
}

std::string tile_text(const Tiling& tiling) {
  std::string text;
  for (const TileAxis& axis : tiling.axes) {
    if (axis.count() == 1) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : " x ", axis.axis, axis.tile);
  }
  return text.empty() ? "whole" : text;
}

int64_t main_bytes(const Graph& graph, const Schedule& schedule, const Match& match) {
  std::vector<ValueId> values{match.output(graph)};
  for (const NodeId id : match.nodes) {
    for (const ValueId input : graph.node(id).inputs) {
      const bool stored =
          std::binary_search(schedule.materialised.begin(), schedule.materialised.end(), input);
      if (stored && std::find(values.begin(), values.end(), input) == values.end())
        values.push_back(input);
    }
  }
  int64_t bytes = 0;
  for (const ValueId value : values) {
    const Storage& storage = schedule.storage.at(value);
    if (storage.memory.empty()) bytes += storage.bytes;
  }
  return bytes;
}

// Of memories that units share, while the step runs; what lies in another value counts with that.
int64_t shared_bytes(const MemoryPlan& plan, int step) {
  int64_t bytes = 0;
  for (const SharedMemory& memory : plan.shared) {
    for (const Buffer& buffer : memory.placement.buffers) {
      const bool live = buffer.first <= step && step <= buffer.last;
      if (live && buffer.shares < 0) bytes += buffer.bytes;
    }
  }
  return bytes;
}

LayerReport layer_report(const Graph& graph, const Soc& soc, const Schedule& schedule,
                         const MemoryPlan& plan, size_t index) {
  const Step& step = schedule.steps[index];
  const Match& match = step.candidate.match;
  LayerReport layer;
  layer.layer = terminal_text(step.name);
  layer.operators = operators_of(graph, match.nodes);
  layer.where = target_of(soc, match).name + "/" + rule_of(soc, match).name;
  layer.why = step.why;
  layer.tile = "-";
  layer.l1_bytes = shared_bytes(plan, static_cast<int>(index));
  layer.l2_bytes = main_bytes(graph, schedule, match);
  layer.macs = step.macs;
  layer.cycles = step.candidate.cycles;
  layer.cycles_on_cpu = step.cycles_on_cpu;
  if (const std::optional<Tiling>& tiling = step.candidate.tiling) {
    layer.tile = tile_text(*tiling);
    layer.tiles = tiling->tiles();
    layer.proven = tiling->proof.optimal;
  }
  return layer;
}

std::string fewer_cycles(int64_t cycles) {
  return cycles > 0 ? fmt::format(": {} cycles fewer", thousands(cycles)) : "";
}

std::string given_up_text(const Report& report) {
  if (report.given_up.empty()) return "";
  std::string text = wrap(fmt::format("memory is short: {} for the best schedule{}; given up for it:",
                                      lack_of(report.with_all), fewer_cycles(report.with_all.cycles)),
                          88, 2) +
                     '\n';
  for (const GivenUpReport& gone : report.given_up) {
    text += "  " + wrap(fmt::format("{}: {}, {}{}", gone.layer, gone.job, lack_of(gone.with),
                                    fewer_cycles(gone.with.cycles)),
                        88, 4) + '\n';
  }
  return text + "  `heddle why MODEL LAYER` has the bytes\n";
}

// Milliseconds with three decimals, in integers.
std::string milliseconds(int64_t cycles, int64_t clock_hz) {
  const int64_t micro = static_cast<int64_t>(static_cast<__int128>(cycles) * 1'000'000 / clock_hz);
  return fmt::format("{}.{:03}", micro / 1000, micro % 1000);
}

}  // namespace

nlohmann::ordered_json to_json(const LayerReport& layer) {
  return {{"layer", layer.layer},
          {"operators", layer.operators},
          {"where", layer.where},
          {"why", layer.why},
          {"tile", layer.tile},
          {"tiles", layer.tiles},
          {"l1_bytes", layer.l1_bytes},
          {"l2_bytes", layer.l2_bytes},
          {"macs", layer.macs},
          {"cycles", layer.cycles},
          {"cycles_on_cpu", layer.cycles_on_cpu},
          {"proven_optimal", layer.proven}};
}

nlohmann::ordered_json to_json(const Unfit& unfit) {
  nlohmann::ordered_json json = {{"cycles_fewer", unfit.cycles},
                                 {"arena_bytes_more", unfit.arena_bytes},
                                 {"constant_bytes_more", unfit.constant_bytes},
                                 {"memories", nlohmann::ordered_json::array()}};
  for (const Excess& excess : unfit.excesses) {
    json["memories"].push_back({{"memory", excess.memory},
                                {"required_bytes", excess.required_bytes},
                                {"available_bytes", excess.available_bytes}});
  }
  return json;
}

void report_given_up(const Graph& graph, const Soc& soc, const Candidates& candidates, Report& report) {
  if (!candidates.short_memory) return;
  for (const GivenUp& gone : candidates.short_memory->jobs) {
    report.given_up.push_back({terminal_text(graph.node(gone.candidate.covers.front()).name),
                               job_name(soc, gone.candidate), gone.with});
  }
  report.with_all = candidates.short_memory->with_all;
}

Report make_report(const std::string& network, const Graph& graph, const Soc& soc,
                   const Policy& policy, const Schedule& schedule, const MemoryPlan& plan) {
  Report report;
  report.network = network;
  report.dialect = graph.dialect;
  report.soc = soc.name;
  report.policy = policy.name;
  report.clock_hz = soc.clock_hz;
  for (size_t s = 0; s < schedule.steps.size(); ++s) {
    const Step& step = schedule.steps[s];
    report.layers.push_back(layer_report(graph, soc, schedule, plan, s));
    const LayerReport& layer = report.layers.back();
    report.cycles += layer.cycles;
    report.cycles_on_cpu += layer.cycles_on_cpu;
    report.macs += layer.macs;
    if (step.candidate.match.target >= 0) report.accelerated_macs += layer.macs;
  }
  report.copy_cycles = schedule.copy_cycles;
  report.cycles += report.copy_cycles;
  report.cycles_on_cpu += report.copy_cycles;
  report.arena_bytes = plan.main.peak_bytes;
  report.arena_lower_bound_bytes = plan.main.lower_bound_bytes;
  report.constant_bytes = plan.constant_bytes;
  report.required_bytes = plan.required_bytes;
  report.available_bytes = plan.available_bytes;
  report.main_memory = soc.main_memory;
  return report;
}

std::string percent(int64_t part, int64_t whole) {
  // To the nearest; 100.0 % is all of it.
  const int64_t tenths = whole == 0      ? 0
                         : part == whole ? 1000
                                         : std::min<int64_t>((part * 1000 + whole / 2) / whole, 999);
  return fmt::format("{}.{}", tenths / 10, tenths % 10);
}

std::string report_text(const Report& report) {
  const std::vector<Column> columns = {
      {"layer", false, 20}, {"where", false, 24}, {"tile", false, 16}, {"L1 B", true},
      {"L2 B", true},       {"MACs", true},       {"cycles", true}};
  std::vector<Row> rows;
  for (const LayerReport& layer : report.layers) {
    rows.push_back({{layer.layer, layer.where, layer.tile, thousands(layer.l1_bytes),
                     thousands(layer.l2_bytes), thousands(layer.macs), thousands(layer.cycles)},
                    layer.operators + ": " + layer.why});
  }
  std::string text = fmt::format("{} on SoC {}, policy {} ({})\n\n", report.network, report.soc,
                                 report.policy, report.dialect);
  text += format_table(columns, rows);
  if (report.copy_cycles > 0)
    text += fmt::format("\ncopies of inputs and outputs: {} cycles", thousands(report.copy_cycles));
  text += fmt::format("\n{} modelled cycles, {} ms at {} MHz; on the CPU alone {} cycles\n",
                      thousands(report.cycles), milliseconds(report.cycles, report.clock_hz),
                      report.clock_hz / 1'000'000, thousands(report.cycles_on_cpu));
  text += fmt::format("{} of {} MACs accelerated ({} %)\n", thousands(report.accelerated_macs),
                      thousands(report.macs), percent(report.accelerated_macs, report.macs));
  text += fmt::format("arena {} B (lower bound {}), constants {} B; {} needs {} of {} B\n",
                      thousands(report.arena_bytes), thousands(report.arena_lower_bound_bytes),
                      thousands(report.constant_bytes), report.main_memory,
                      thousands(report.required_bytes), thousands(report.available_bytes));
  return text + given_up_text(report);
}

std::string report_json(const Report& report) {
  nlohmann::ordered_json json = {{"network", report.network},
                                 {"dialect", report.dialect},
                                 {"soc", report.soc},
                                 {"policy", report.policy},
                                 {"clock_hz", report.clock_hz},
                                 {"copy_cycles", report.copy_cycles},
                                 {"cycles", report.cycles},
                                 {"cycles_on_cpu", report.cycles_on_cpu},
                                 {"macs", report.macs},
                                 {"accelerated_macs", report.accelerated_macs},
                                 {"arena_bytes", report.arena_bytes},
                                 {"arena_lower_bound_bytes", report.arena_lower_bound_bytes},
                                 {"constant_bytes", report.constant_bytes},
                                 {"main_memory", report.main_memory},
                                 {"required_bytes", report.required_bytes},
                                 {"available_bytes", report.available_bytes},
                                 {"layers", nlohmann::ordered_json::array()}};
  for (const LayerReport& layer : report.layers) json["layers"].push_back(to_json(layer));
  if (!report.given_up.empty()) {
    json["given_up"] = {{"with_all", to_json(report.with_all)}, {"jobs", nlohmann::ordered_json::array()}};
    for (const GivenUpReport& gone : report.given_up) {
      json["given_up"]["jobs"].push_back(
          {{"layer", gone.layer}, {"job", gone.job}, {"with", to_json(gone.with)}});
    }
  }
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

}  // namespace heddle
