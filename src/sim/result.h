// What a run on the virtual SoC gives: the struct that reports are made from, and its JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "sim/description.h"
#include "sim/hazard.h"

namespace heddle::sim {

// Of one unit within a layer, from the jobs that were started in it. Busy cycles of different
// units, and those of the CPU, overlap.
struct UnitUse {
  uint64_t cycles = 0;
  uint64_t jobs = 0;
  bool operator==(const UnitUse&) const = default;
};

// Cycles of the CPU's clock. cycles == compute + driver + waiting, to the cycle:
//   waiting  the CPU polls a busy unit, stalls at a wait register, or sleeps in wfi
//   driver   what else it does in a layer of an accelerator
//   compute  what else it does in a layer of the CPU, or outside of all layers
struct CycleSplit {
  uint64_t cycles = 0;
  uint64_t compute = 0, driver = 0, waiting = 0;
  uint64_t instructions = 0;
  std::vector<UnitUse> units;  // in the order of SimulationResult::units
  bool operator==(const CycleSplit&) const = default;
};

struct LayerResult {
  std::string name;    // foreign text
  std::string target;  // "cpu", a library or a unit
  std::string rule;
  int64_t macs = 0;
  int64_t modelled_cycles = 0;
  int64_t tiles = 1;
  uint64_t start = 0;  // cycle since reset; 0 of a layer without code
  CycleSplit split;
  bool operator==(const LayerResult&) const = default;
};

// One call of NAME_run().
struct SampleResult {
  uint64_t start = 0;               // cycle since reset
  CycleSplit total;                 // layers and outside
  CycleSplit outside;               // NAME_run() itself, between its layers
  std::vector<LayerResult> layers;  // all of layers.json, in its order
  bool operator==(const SampleResult&) const = default;
};

enum class EventKind : uint8_t { layer, wait, job };

// A bar of the time line, of the first sample.
struct TimelineEvent {
  EventKind kind = EventKind::job;
  int unit = -1;                // index in SimulationResult::units; -1: the CPU's lane
  uint64_t start = 0, end = 0;  // cycles since reset
  int layer = -1;               // index in layers; -1: outside
  int64_t tile = -1;            // -1: none
  std::string label;            // "conv1", "wait", "load x", "store y", "conv2d"
  bool operator==(const TimelineEvent&) const = default;
};

// Bytes of the firmware's sections.
struct Footprint {
  uint64_t code = 0;       // instructions of network, drivers, start-up and C library
  uint64_t constants = 0;  // weights, tables, and other data that never changes
  uint64_t data = 0;       // initialised variables; their values are in ROM too
  uint64_t zeros = 0;      // other variables, the arena apart
  uint64_t arena = 0;
  uint64_t stack_reserved = 0;
  uint64_t stack_peak = 0;  // measured: from the top to the lowest stack pointer
  uint64_t bench = 0;       // the test bench: golden vectors, its main, its variables
  uint64_t rom() const { return code + constants + data; }
  uint64_t ram() const { return data + zeros + arena + stack_peak; }
  bool operator==(const Footprint&) const = default;
};

enum class RunEnd : uint8_t {
  passed,  // the finisher said pass
  failed,  // ... or fail, with exit_code
  hazard,
  limit,  // max_cycles or max_instructions were reached
};

// The only fields that differ from run to run and host to host.
struct HostSpeed {
  double wall_seconds = 0;  // of the simulation, without building
  double mips = 0;
};

struct SimulationResult {
  std::string network, soc, isa;
  int64_t clock_hz = 1;
  std::vector<std::pair<std::string, int64_t>> cpu_cycles;  // the cost model, by class
  std::string cycles_source;
  std::vector<std::pair<std::string, UnitKind>> units;

  RunEnd end = RunEnd::passed;
  int64_t exit_code = 0;
  std::optional<Hazard> hazard;
  std::string console;                                // what firmware printed
  uint64_t cycles = 0, instructions = 0;              // reset to end, test bench included
  uint64_t setup_cycles = 0, setup_instructions = 0;  // reset to the first NAME_run()
  std::vector<SampleResult> samples;
  int64_t exact_samples = 0;  // as firmware's console says
  std::vector<TimelineEvent> events;
  Footprint footprint;
  std::optional<EnergyDescription> energy;
  std::optional<HostSpeed> host;

  bool passed() const { return end == RunEnd::passed && !hazard; }
};

// Microjoules of what is counted; nullopt without [energy].
std::optional<double> microjoules(const SimulationResult& result, const CycleSplit& split);

// Of a unit's kind: the sums over its units, for columns "DMA busy" and "accelerator busy".
UnitUse use_of(const SimulationResult& result, const CycleSplit& split, UnitKind kind);

std::string to_json(const SimulationResult& result);
Result<SimulationResult> result_from_json(const std::string& text, const std::string& file);

}  // namespace heddle::sim
