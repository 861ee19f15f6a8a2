#include "report/timeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace heddle {
namespace {

using sim::EventKind;

constexpr size_t kCpu = 0;  // the lane

Activity activity_of(const std::string& label, sim::UnitKind kind) {
  if (kind == sim::UnitKind::accelerator) return Activity::job;
  if (label.starts_with("load ")) return Activity::load;
  return label.starts_with("store ") ? Activity::store : Activity::transfer;
}

// The CPU computes or drives in the gaps between its waits. Spans are those of layers and, between
// them, of the run itself.
void add_work(TimelineLane& cpu, const std::vector<TimelineBar>& waits, uint64_t begin,
              uint64_t end, Activity activity, int layer, const std::string& label) {
  const auto add = [&](uint64_t from, uint64_t to) {
    if (from < to) cpu.bars.push_back({from, to, activity, layer, -1, label});
  };
  for (const TimelineBar& wait : waits) {
    if (wait.end <= begin || wait.begin >= end) continue;
    add(begin, wait.begin);
    const uint64_t from = std::max(wait.begin, begin);
    const uint64_t to = std::min(wait.end, end);
    cpu.bars.push_back({from, to, Activity::waiting, layer, -1, "wait"});
    begin = to;
  }
  add(begin, end);
}

}  // namespace

std::string_view name_of(Activity activity) {
  constexpr std::array<std::string_view, 7> kNames = {"compute", "driver",   "waiting", "load",
                                                      "store",   "transfer", "job"};
  return kNames[static_cast<size_t>(activity)];
}

Timeline make_timeline(const sim::SimulationResult& result) {
  Timeline timeline;
  timeline.network = result.network;
  timeline.soc = result.soc;
  timeline.clock_hz = result.clock_hz;
  timeline.lanes.push_back({"CPU", {}});
  for (const auto& [name, kind] : result.units) timeline.lanes.push_back({name, {}});
  if (result.samples.empty()) return timeline;
  const sim::SampleResult& sample = result.samples.front();
  timeline.begin = sample.start;
  timeline.end = sample.start + sample.total.cycles;

  std::vector<TimelineBar> waits;
  for (const sim::TimelineEvent& event : result.events) {
    const uint64_t end = std::max(event.end, event.start + 1);  // a job may take no time at all
    timeline.end = std::max(timeline.end, event.end);
    if (event.kind == EventKind::wait) {
      if (event.start < event.end)
        waits.push_back({event.start, event.end, Activity::waiting, event.layer, -1, "wait"});
    } else if (event.kind == EventKind::layer) {
      const sim::LayerResult& layer = sample.layers[static_cast<size_t>(event.layer)];
      timeline.layers.push_back(
          {layer.name, layer.target, layer.rule, event.start, event.end, event.layer, {}});
    } else {
      const auto& [name, kind] = result.units[static_cast<size_t>(event.unit)];
      timeline.lanes[static_cast<size_t>(event.unit) + 1].bars.push_back(
          {event.start, end, activity_of(event.label, kind), event.layer, event.tile, event.label});
    }
  }
  const auto by_begin = [](const auto& a, const auto& b) { return a.begin < b.begin; };
  std::stable_sort(waits.begin(), waits.end(), by_begin);
  std::stable_sort(timeline.layers.begin(), timeline.layers.end(), by_begin);
  for (TimelineLane& lane : timeline.lanes) {
    std::stable_sort(lane.bars.begin(), lane.bars.end(), by_begin);
    for (size_t b = 1; b < lane.bars.size(); ++b) {  // the made-up cycle of a job without any
      TimelineBar& before = lane.bars[b - 1];
      before.end = std::min(before.end, std::max(lane.bars[b].begin, before.begin));
    }
    std::erase_if(lane.bars, [](const TimelineBar& bar) { return bar.begin >= bar.end; });
  }

  TimelineLane& cpu = timeline.lanes[kCpu];
  uint64_t now = timeline.begin;
  for (TimelineLayer& layer : timeline.layers) {
    add_work(cpu, waits, now, layer.begin, Activity::compute, -1, result.network);
    const bool on_cpu = std::none_of(
        result.units.begin(), result.units.end(),
        [&](const auto& unit) { return unit.first == layer.target; });
    add_work(cpu, waits, layer.begin, layer.end, on_cpu ? Activity::compute : Activity::driver,
             layer.index, layer.name);
    now = std::max(now, layer.end);
    for (const sim::TimelineEvent& event : result.events) {
      const bool job =
          event.kind == EventKind::job && event.layer == layer.index && event.tile >= 0 &&
          event.tile == static_cast<int64_t>(layer.tiles.size()) &&
          result.units[static_cast<size_t>(event.unit)].second == sim::UnitKind::accelerator;
      if (job) layer.tiles.push_back(event.start);
    }
  }
  add_work(cpu, waits, now, timeline.end, Activity::compute, -1, result.network);
  return timeline;
}

Result<Timeline> zoomed(Timeline timeline, const std::string& layers) {
  std::vector<std::string> names;
  for (const TimelineLayer& layer : timeline.layers) names.push_back(terminal_text(layer.name));
  const auto find = [&](const std::string& name) {
    return static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  };
  std::string first = layers, last = layers;
  const size_t dots = layers.find("..");
  if (find(layers) == names.size() && dots != std::string::npos) {
    first = layers.substr(0, dots);
    last = layers.substr(dots + 2);
  }
  for (const std::string& name : {first, last}) {
    if (find(name) < names.size()) continue;
    return error_at(
        in_file("--timeline-layer " + layers),
        fmt::format("no layer `{}` runs{}", terminal_text(name), did_you_mean(name, names)),
        "name a layer, or FIRST..LAST, as the report writes them");
  }
  const size_t a = find(first), b = find(last);
  timeline.begin = timeline.layers[std::min(a, b)].begin;
  timeline.end = timeline.layers[std::max(a, b)].end;
  const auto outside = [&](const auto& each) {
    return each.end <= timeline.begin || each.begin >= timeline.end;
  };
  std::erase_if(timeline.layers, outside);
  for (TimelineLane& lane : timeline.lanes) {
    std::erase_if(lane.bars, outside);
    for (TimelineBar& bar : lane.bars) {  // a bar may reach over the edge
      bar.begin = std::max(bar.begin, timeline.begin);
      bar.end = std::min(bar.end, timeline.end);
    }
  }
  return timeline;
}

std::string chrome_trace(const Timeline& timeline) {
  using Json = nlohmann::ordered_json;
  constexpr int kProcess = 1;
  Json events = Json::array();
  const auto describe = [&](const char* what, int thread, Json args) {
    events.push_back({{"ph", "M"},
                      {"pid", kProcess},
                      {"tid", thread},
                      {"name", what},
                      {"args", std::move(args)}});
  };
  const auto span = [&](int thread, const std::string& name, std::string_view category,
                        uint64_t begin, uint64_t end, Json args) {
    args["cycles"] = end - begin;
    events.push_back({{"ph", "X"},
                      {"pid", kProcess},
                      {"tid", thread},
                      {"ts", begin},
                      {"dur", end - begin},
                      {"name", name},
                      {"cat", category},
                      {"args", std::move(args)}});
  };
  const auto layer_name = [&](int index) -> std::string {
    for (const TimelineLayer& layer : timeline.layers)
      if (layer.index == index) return layer.name;
    return "";
  };
  describe("process_name", 0, {{"name", fmt::format("{} on {}", timeline.network, timeline.soc)}});
  for (size_t l = 0; l < timeline.lanes.size(); ++l) {
    describe("thread_name", static_cast<int>(l), {{"name", timeline.lanes[l].name}});
    describe("thread_sort_index", static_cast<int>(l), {{"sort_index", l}});
  }
  for (const TimelineLayer& layer : timeline.layers) {
    span(0, layer.name, "layer", layer.begin, layer.end,
         {{"target", layer.target}, {"rule", layer.rule}});
    for (size_t t = 0; t < layer.tiles.size(); ++t) {
      const uint64_t end = t + 1 < layer.tiles.size() ? layer.tiles[t + 1] : layer.end;
      span(0, fmt::format("tile {}", t), "tile", layer.tiles[t], end, {{"layer", layer.name}});
    }
  }
  for (size_t l = 0; l < timeline.lanes.size(); ++l) {
    for (const TimelineBar& bar : timeline.lanes[l].bars) {
      const bool cpu = l == kCpu;
      // Inside of its layer the CPU's work needs no bar of its own: what is left when it waits.
      if (cpu && bar.layer >= 0 && bar.activity != Activity::waiting) continue;
      Json args = {{"layer", layer_name(bar.layer)}};
      if (bar.tile >= 0) args["tile"] = bar.tile;
      const size_t space = bar.label.find(' ');
      const bool moves = bar.activity == Activity::load || bar.activity == Activity::store;
      if (moves && space != std::string::npos) args["operand"] = bar.label.substr(space + 1);
      span(static_cast<int>(l), bar.label, name_of(bar.activity), bar.begin, bar.end,
           std::move(args));
    }
  }
  const Json json = {{"displayTimeUnit", "ns"},
                     {"otherData",
                      {{"unit", "1 us of this trace is 1 cycle"},
                       {"clock_hz", timeline.clock_hz},
                       {"network", timeline.network},
                       {"soc", timeline.soc}}},
                     {"traceEvents", std::move(events)}};
  return json.dump(1, ' ', true, Json::error_handler_t::replace) + '\n';
}

}  // namespace heddle
