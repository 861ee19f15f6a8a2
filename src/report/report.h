// What the user sees of a compiled network: one row a layer, and totals.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "memory/plan.h"
#include "schedule/schedule.h"

namespace heddle {

struct LayerReport {
  std::string layer;      // escaped for the terminal
  std::string operators;  // "conv2d bias_add requant"
  std::string where;      // "diana_digital/conv2d"
  std::string why;
  std::string tile;      // "k 16 x oy 14", "whole", or "-" on the CPU
  int64_t tiles = 0;     // 0 on the CPU
  int64_t l1_bytes = 0;  // shared memories other than main: tile buffers, and values at home there
  int64_t l2_bytes = 0;  // main memory: the activations that the layer reads and writes
  int64_t macs = 0;
  int64_t cycles = 0;         // modelled
  int64_t cycles_on_cpu = 0;  // the same operators on the CPU alone, modelled
  bool proven = false;        // the tile is proven optimal
};

// A job that a layer does without because a memory is too small.
struct GivenUpReport {
  std::string layer;  // escaped for the terminal
  std::string job;    // "diana_digital/conv2d with explicit pad [0, 0, 1, 1]"
  Unfit with;
};

struct Report {
  std::string network;
  std::string dialect;
  std::string soc;
  std::string policy;
  int64_t clock_hz = 0;
  std::vector<LayerReport> layers;
  int64_t copy_cycles = 0;  // of inputs and outputs, outside of all layers
  int64_t cycles = 0;
  int64_t cycles_on_cpu = 0;
  int64_t macs = 0;
  int64_t accelerated_macs = 0;
  int64_t arena_bytes = 0;
  int64_t arena_lower_bound_bytes = 0;
  int64_t constant_bytes = 0;
  int64_t required_bytes = 0;  // of main memory
  int64_t available_bytes = 0;
  std::string main_memory;
  std::vector<GivenUpReport> given_up;
  Unfit with_all;  // the best schedule, if no memory were short
};

Report make_report(const std::string& network, const Graph& graph, const Soc& soc,
                   const Policy& policy, const Schedule& schedule, const MemoryPlan& plan);
// Adds what was given up; `graph` is the imported one.
void report_given_up(const Graph& graph, const Soc& soc, const Candidates& candidates, Report& report);
std::string percent(int64_t part, int64_t whole);  // "99.6"; "0.0" of nothing
std::string report_text(const Report& report);     // fits 88 columns
std::string report_json(const Report& report);

}  // namespace heddle
