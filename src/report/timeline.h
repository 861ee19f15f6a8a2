// The time line of a run on the virtual SoC, of its first sample: one lane for the CPU, one for
// each unit, in cycles of the CPU's clock.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "sim/result.h"

namespace heddle {

// What the CPU does in a span, or what a unit's job is.
enum class Activity : uint8_t { compute, driver, waiting, load, store, transfer, job };
std::string_view name_of(Activity activity);

struct TimelineBar {
  uint64_t begin = 0, end = 0;  // cycles since reset, begin < end
  Activity activity = Activity::job;
  int layer = -1;     // index in SampleResult::layers; -1: outside of all
  int64_t tile = -1;  // -1: none
  std::string label;  // foreign text: "load x", "conv2d"
};

struct TimelineLane {
  std::string name;               // "CPU", or the unit's
  std::vector<TimelineBar> bars;  // by begin, not overlapping
};

struct TimelineLayer {
  std::string name;  // foreign text
  std::string target, rule;
  uint64_t begin = 0, end = 0;
  int index = 0;  // in SampleResult::layers
  // In accelerated layers: where the CPU turns to the next tile, ascending; tile t lasts from [t]
  // to [t + 1], the last one to `end`. Before the first one the first loads run.
  std::vector<uint64_t> tiles;
};

// The events of a result put in order: what the CPU does when it does not wait, which layer it is
// in.
struct Timeline {
  std::string network, soc;
  int64_t clock_hz = 1;
  uint64_t begin = 0, end = 0;  // of the sample, or of the layers that are shown
  std::vector<TimelineLayer> layers;
  std::vector<TimelineLane> lanes;  // the CPU first
};
Timeline make_timeline(const sim::SimulationResult& result);

// Only some layers: "NAME", or "FIRST..LAST", as the report writes them. Error: no such layer.
Result<Timeline> zoomed(Timeline timeline, const std::string& layers);

// Trace events for Perfetto or chrome://tracing: complete ("X") events whose microseconds are
// cycles, a thread for each lane; on the CPU's lane layers hold their tiles, and tiles what the CPU
// does.
std::string chrome_trace(const Timeline& timeline);

// A picture that needs nothing else: no script, no font; colours for light and dark surroundings;
// texts on hovering. Bars too narrow to see are drawn together.
std::string timeline_svg(const Timeline& timeline);

}  // namespace heddle
