#include "report/columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "report/calibrate.h"
#include "report/table.h"

namespace heddle {
namespace {

constexpr double kTolerated = 5;  // percent

int64_t signed_of(uint64_t cycles) { return static_cast<int64_t>(cycles); }

LayerTerms measured_terms(const sim::SimulationResult& result, const sim::CycleSplit& split) {
  return {signed_of(split.compute), signed_of(split.driver),
          signed_of(use_of(result, split, sim::UnitKind::accelerator).cycles),
          signed_of(use_of(result, split, sim::UnitKind::dma).cycles)};
}

LayerTerms modelled_terms(const Step& step, bool library) {
  if (!step.candidate.tiling || library) return {step.candidate.cycles, 0, 0, 0};
  const TilingCost& cost = step.candidate.tiling->cost;
  return {0, cost.driver, cost.compute, cost.dma};
}

// Percent, "+1.2"; empty where there is nothing to compare.
std::string off_text(const LayerColumns& layer) {
  if (layer.measured == 0) return layer.modelled == 0 ? "" : "?";
  const double tenths = std::round(10 * percent_off(layer.modelled, layer.measured));
  return fmt::format("{:+.1f}", tenths == 0 ? 0.0 : tenths / 10);
}

bool is_off(const LayerColumns& layer) {
  if (layer.measured == 0) return layer.modelled != 0;
  return std::abs(percent_off(layer.modelled, layer.measured)) > kTolerated;
}

std::string term_that_is_off(const LayerColumns& layer) {
  if (!is_off(layer)) return "";
  const LayerTerms& model = layer.modelled_terms;
  const LayerTerms& real = layer.measured_terms;
  struct Term {
    const char* name;
    int64_t modelled, measured;
  };
  std::vector<Term> terms = {{"CPU kernel", model.compute, real.compute},
                             {"driver on the CPU", model.driver, real.driver},
                             {"accelerator", model.accelerator, real.accelerator},
                             {"DMA", model.dma, real.dma}};
  // What is neither: the CPU waits for units more or less than the pipeline says.
  const auto waiting = [](int64_t whole, const LayerTerms& t) {
    return whole - t.compute - t.driver;
  };
  const bool units = real.accelerator + real.dma > 0;
  if (units)
    terms.push_back(
        {"waiting for units", waiting(layer.modelled, model), waiting(layer.measured, real)});
  const auto worst = std::max_element(terms.begin(), terms.end(), [](const Term& a, const Term& b) {
    return std::abs(a.modelled - a.measured) < std::abs(b.modelled - b.measured);
  });
  return fmt::format("{}: modelled {}, measured {} cycles", worst->name, thousands(worst->modelled),
                     thousands(worst->measured));
}

void add(LayerTerms& sum, const LayerTerms& terms) {
  sum.compute += terms.compute;
  sum.driver += terms.driver;
  sum.accelerator += terms.accelerator;
  sum.dma += terms.dma;
}

// The step of `schedule` that holds the node.
size_t step_of(const Schedule& schedule, NodeId node) {
  const auto holds = [&](const Step& step) {
    const std::vector<NodeId>& nodes = step.candidate.match.nodes;
    return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
  };
  const auto found = std::find_if(schedule.steps.begin(), schedule.steps.end(), holds);
  HEDDLE_CHECK(found != schedule.steps.end(), "a node in no step");
  return static_cast<size_t>(found - schedule.steps.begin());
}

std::string milliseconds(int64_t cycles, int64_t clock_hz) {
  return fmt::format("{:.3f}", static_cast<double>(cycles) * 1e3 / static_cast<double>(clock_hz));
}

nlohmann::ordered_json to_json(const LayerTerms& terms) {
  return {{"compute", terms.compute},
          {"driver", terms.driver},
          {"accelerator", terms.accelerator},
          {"dma", terms.dma}};
}

nlohmann::ordered_json to_json(const LayerColumns& layer) {
  nlohmann::ordered_json json = {{"layer", layer.layer},       {"where", layer.where},
                                 {"cpu_only", layer.cpu_only}, {"free_units", layer.free_units},
                                 {"modelled", layer.modelled}, {"measured", layer.measured}};
  if (layer.measured > 0)
    json["percent_off"] = std::round(100 * percent_off(layer.modelled, layer.measured)) / 100;
  json["modelled_terms"] = to_json(layer.modelled_terms);
  json["measured_terms"] = to_json(layer.measured_terms);
  if (!layer.off.empty()) json["off"] = layer.off;
  return json;
}

}  // namespace

Columns make_columns(const Report& report, const Schedule& schedule, const Schedule& cpu_schedule,
                     const sim::SampleResult& cpu_only, const sim::SampleResult& free_units,
                     const sim::SimulationResult& measured) {
  const sim::SampleResult& real = measured.samples.front();
  const size_t count = schedule.steps.size();
  HEDDLE_CHECK(real.layers.size() == count && free_units.layers.size() == count &&
                   cpu_only.layers.size() == cpu_schedule.steps.size(),
               "a run of another schedule");
  Columns columns;
  columns.network = report.network;
  columns.soc = report.soc;
  columns.policy = report.policy;
  columns.clock_hz = report.clock_hz;
  columns.main_memory = report.main_memory;
  columns.required_bytes = report.required_bytes;
  columns.available_bytes = report.available_bytes;
  columns.rom_bytes = measured.footprint.rom();
  for (size_t s = 0; s < count; ++s) {
    LayerColumns layer;
    layer.layer = report.layers[s].layer;
    layer.where = report.layers[s].where;
    layer.free_units = signed_of(free_units.layers[s].split.cycles);
    layer.modelled = schedule.steps[s].candidate.cycles;
    layer.measured = signed_of(real.layers[s].split.cycles);
    // A library's job is the CPU's own work, and counted so.
    const bool library = real.layers[s].split.compute > 0;
    layer.modelled_terms = modelled_terms(schedule.steps[s], library);
    layer.measured_terms = measured_terms(measured, real.layers[s].split);
    columns.layers.push_back(std::move(layer));
  }
  for (size_t s = 0; s < cpu_schedule.steps.size(); ++s) {
    const NodeId anchor = cpu_schedule.steps[s].candidate.match.anchor;
    columns.layers[step_of(schedule, anchor)].cpu_only +=
        signed_of(cpu_only.layers[s].split.cycles);
  }
  LayerColumns outside;
  outside.layer = "(outside)";
  outside.where = "copies of in/outputs";
  outside.cpu_only = signed_of(cpu_only.outside.cycles);
  outside.free_units = signed_of(free_units.outside.cycles);
  outside.modelled = schedule.copy_cycles;
  outside.modelled_terms.compute = schedule.copy_cycles;
  outside.measured = signed_of(real.outside.cycles);
  outside.measured_terms = measured_terms(measured, real.outside);
  columns.layers.push_back(std::move(outside));

  columns.total.layer = "total";
  for (LayerColumns& layer : columns.layers) {
    layer.off = term_that_is_off(layer);
    columns.total.cpu_only += layer.cpu_only;
    columns.total.free_units += layer.free_units;
    columns.total.modelled += layer.modelled;
    columns.total.measured += layer.measured;
    add(columns.total.modelled_terms, layer.modelled_terms);
    add(columns.total.measured_terms, layer.measured_terms);
  }
  columns.total.off = term_that_is_off(columns.total);
  return columns;
}

std::string columns_text(const Columns& columns) {
  std::vector<Row> rows;
  const auto add_row = [&](const LayerColumns& layer) {
    rows.push_back(
        {{layer.layer, layer.where, thousands(layer.cpu_only), thousands(layer.free_units),
          thousands(layer.modelled), thousands(layer.measured), off_text(layer)},
         layer.off});
  };
  for (const LayerColumns& layer : columns.layers) add_row(layer);
  add_row(columns.total);
  const LayerColumns& total = columns.total;
  std::vector<std::string> cells = {"ms", ""};
  for (const int64_t cycles : {total.cpu_only, total.free_units, total.modelled, total.measured})
    cells.push_back(milliseconds(cycles, columns.clock_hz));
  cells.emplace_back("");
  rows.push_back({std::move(cells), ""});
  std::string text =
      fmt::format("{} on SoC {}, policy {}: cycles at {:g} MHz\n\n", terminal_text(columns.network),
                  columns.soc, columns.policy, static_cast<double>(columns.clock_hz) / 1e6);
  text += format_table({{"layer", false, 17},
                        {"where", false, 21},
                        {"CPU only", true},
                        {"free units", true},
                        {"modelled", true},
                        {"measured", true},
                        {"% off", true}},
                       rows);
  const auto off = std::count_if(columns.layers.begin(), columns.layers.end(),
                                 [](const LayerColumns& layer) { return !layer.off.empty(); });
  text += '\n';
  text += wrap(
              "CPU only, free units (accelerators and DMA take no time) and measured: firmware on "
              "the virtual SoC; % off: modelled against measured",
              98, 0) +
          '\n';
  text += off == 0 ? std::string("all layers are modelled within 5 %\n")
                   : fmt::format(
                         "{} of {} layers are off by more than 5 %: the term below each of "
                         "them\n",
                         off, columns.layers.size());
  text += fmt::format("{} ms; {} needs {} of {} B; code and constants {} B\n",
                      milliseconds(total.measured, columns.clock_hz), columns.main_memory,
                      thousands(columns.required_bytes), thousands(columns.available_bytes),
                      thousands(signed_of(columns.rom_bytes)));
  if (columns.accuracy) text += "accuracy: " + accuracy_text(*columns.accuracy) + '\n';
  return text;
}

std::string columns_json(const Columns& columns) {
  nlohmann::ordered_json json = {{"network", columns.network},
                                 {"soc", columns.soc},
                                 {"policy", columns.policy},
                                 {"clock_hz", columns.clock_hz}};
  json["layers"] = nlohmann::ordered_json::array();
  for (const LayerColumns& layer : columns.layers) json["layers"].push_back(to_json(layer));
  json["total"] = to_json(columns.total);
  json["memory"] = {{"main", columns.main_memory},
                    {"required_bytes", columns.required_bytes},
                    {"available_bytes", columns.available_bytes},
                    {"rom_bytes", columns.rom_bytes}};
  if (columns.accuracy) json["accuracy"] = to_json(*columns.accuracy);
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

std::string columns_csv(const Columns& columns) {
  std::string text = "layer,where,cpu_only,free_units,modelled,measured\n";
  const auto field = [](const std::string& name) {
    if (name.find_first_of("\",") == std::string::npos) return name;
    std::string quoted = "\"";
    for (const char c : name) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    return quoted + '"';
  };
  for (const LayerColumns& layer : columns.layers) {
    text += fmt::format("{},{},{},{},{},{}\n", field(layer.layer), field(layer.where),
                        layer.cpu_only, layer.free_units, layer.modelled, layer.measured);
  }
  return text;
}

}  // namespace heddle
