#include "report/simulation.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "report/report.h"
#include "report/table.h"

namespace heddle {
namespace {

using sim::CycleSplit;
using sim::SimulationResult;
using sim::UnitKind;

constexpr size_t kWidth = 100;
constexpr size_t kShortestLayer = 8;
constexpr size_t kLongestTarget = 14;

std::string number(uint64_t value) { return thousands(static_cast<int64_t>(value)); }

std::string milliseconds(const SimulationResult& result, uint64_t cycles) {
  return fmt::format("{:.3f} ms",
                     static_cast<double>(cycles) * 1e3 / static_cast<double>(result.clock_hz));
}

std::string megahertz(const SimulationResult& result) {
  return fmt::format("{:g} MHz", static_cast<double>(result.clock_hz) / 1e6);
}

Row row_of(const SimulationResult& result, const std::string& name, const std::string& target,
           const CycleSplit& split, uint64_t whole) {
  Row row{{name, target, number(split.cycles)}, ""};
  if (!result.units.empty()) {
    for (const uint64_t part :
         {split.compute, split.driver, split.waiting, use_of(result, split, UnitKind::dma).cycles,
          use_of(result, split, UnitKind::accelerator).cycles})
      row.cells.push_back(number(part));
  } else {
    row.cells.push_back(number(split.instructions));
  }
  row.cells.push_back(percent(static_cast<int64_t>(split.cycles), static_cast<int64_t>(whole)) +
                      " %");
  return row;
}

std::string table_of(const SimulationResult& result, const sim::SampleResult& sample) {
  std::vector<Column> columns = {{"layer"}, {"target", false, kLongestTarget}, {"cycles", true}};
  if (!result.units.empty()) {
    for (const char* const title : {"compute", "driver", "waiting", "DMA busy", "acc. busy"})
      columns.push_back({title, true});
  } else {
    columns.push_back({"instructions", true});
  }
  columns.push_back({"share", true});
  std::vector<Row> rows;
  const uint64_t whole = sample.total.cycles;
  for (const sim::LayerResult& layer : sample.layers)
    rows.push_back(row_of(result, terminal_text(layer.name), layer.target, layer.split, whole));
  rows.push_back(row_of(result, "(outside)", "cpu", sample.outside, whole));
  rows.push_back(row_of(result, "total", "", sample.total, whole));
  // What the numbers leave is for the names.
  size_t taken = 0;
  for (size_t c = 1; c < columns.size(); ++c) {
    size_t width = columns[c].title.size();
    for (const Row& row : rows) width = std::max(width, row.cells[c].size());
    taken += 2 + std::min(width, columns[c].max_width);
  }
  columns[0].max_width = kWidth > taken + kShortestLayer ? kWidth - taken : kShortestLayer;
  return format_table(columns, rows);
}

std::string range_of_samples(const SimulationResult& result) {
  uint64_t low = UINT64_MAX, high = 0;
  for (const sim::SampleResult& sample : result.samples) {
    low = std::min(low, sample.total.cycles);
    high = std::max(high, sample.total.cycles);
  }
  return fmt::format("samples: {}, {}", result.samples.size(),
                     low == high ? "all of as many cycles"
                                 : fmt::format("{} to {} cycles", number(low), number(high)));
}

std::string costs(const SimulationResult& result) {
  std::string text = fmt::format("cycles are modelled: {} at", result.isa);
  for (const auto& [name, cycles] : result.cpu_cycles) text += fmt::format(" {} {}", name, cycles);
  text += "; " +
          (result.cycles_source.empty() ? "[assumed]" : terminal_text(result.cycles_source, 200));
  return wrap(text, kWidth, 2) + "\n";
}

}  // namespace

std::string simulation_text(const SimulationResult& result) {
  std::string text =
      fmt::format("{} on virtual {}\n", terminal_text(result.network), terminal_text(result.soc));
  if (!result.samples.empty()) {
    const sim::SampleResult& first = result.samples.front();
    text += table_of(result, first);
    text += fmt::format("an inference: {} cycles, {} at {}; {} instructions\n",
                        number(first.total.cycles), milliseconds(result, first.total.cycles),
                        megahertz(result), number(first.total.instructions));
    text += range_of_samples(result) + "\n";
  }
  text += fmt::format("set-up: {} cycles, {}, from reset to the first inference\n",
                      number(result.setup_cycles), milliseconds(result, result.setup_cycles));
  const sim::Footprint& memory = result.footprint;
  text += fmt::format("ROM: {} bytes (code {}, constants {}, data {})\n", number(memory.rom()),
                      number(memory.code), number(memory.constants), number(memory.data));
  text +=
      fmt::format("RAM: {} bytes (data {}, arena {}, stack {} measured of {})\n",
                  number(memory.ram()), number(memory.data + memory.zeros), number(memory.arena),
                  number(memory.stack_peak), number(memory.stack_reserved));
  if (!result.samples.empty()) {
    if (const auto energy = microjoules(result, result.samples.front().total))
      text += fmt::format("energy: {:.3f} uJ an inference; {}\n", *energy,
                          terminal_text(result.energy->source, 200));
  }
  text += costs(result);
  if (result.host) {
    text += fmt::format("simulated {} instructions in {:.2f} s, {:.0f} MIPS\n",
                        number(result.instructions), result.host->wall_seconds, result.host->mips);
  }
  text += fmt::format("bit-exact with the reference: {} of {}\n", result.exact_samples,
                      result.samples.size());
  return text;
}

}  // namespace heddle
