// Four columns for the truth: each layer on the CPU alone, with accelerators and DMA at no cycles,
// as the cost model says, and as the virtual SoC measures it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "report/accuracy.h"
#include "report/report.h"
#include "sim/result.h"

namespace heddle {

// What a layer's cycles consist of, as modelled and as measured; on the CPU only `compute`.
struct LayerTerms {
  int64_t compute = 0;               // the kernel on the CPU
  int64_t driver = 0;                // the CPU's work for units
  int64_t accelerator = 0, dma = 0;  // busy cycles, which overlap
  bool operator==(const LayerTerms&) const = default;
};

struct LayerColumns {
  std::string layer, where;  // for the terminal
  // Layers of the CPU-only network whose anchor lies in this one; 0 where there is none: an
  // operator that the CPU fuses with one of another layer.
  int64_t cpu_only = 0;
  int64_t free_units = 0;
  int64_t modelled = 0;
  int64_t measured = 0;
  LayerTerms modelled_terms, measured_terms;
  // The term that is off most where the whole is off by more than 5 %, else empty: "driver:
  // modelled 120, measured 340 cycles".
  std::string off;
};

struct Columns {
  std::string network, soc, policy;
  int64_t clock_hz = 1;
  std::vector<LayerColumns> layers;  // the last one: what runs outside of all layers
  LayerColumns total;
  std::string main_memory;  // which needs so many bytes of those that are there
  int64_t required_bytes = 0, available_bytes = 0;
  uint64_t rom_bytes = 0;            // of the firmware, without its test bench
  std::optional<Accuracy> accuracy;  // where there are labels
};

// Both schedules are of one graph; all three runs came to their end.
Columns make_columns(const Report& report, const Schedule& schedule, const Schedule& cpu_schedule,
                     const sim::SampleResult& cpu_only, const sim::SampleResult& free_units,
                     const sim::SimulationResult& measured);

std::string columns_text(const Columns& columns);  // fits 100 columns
std::string columns_json(const Columns& columns);
std::string columns_csv(const Columns& columns);

}  // namespace heddle
