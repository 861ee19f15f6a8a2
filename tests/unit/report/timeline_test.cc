// Time lines of a small result that is written down here; its trace and its picture are golden
// files, written anew with HEDDLE_REWRITE=1.
#include "report/timeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/files.h"

namespace heddle {
namespace {

using sim::EventKind;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr int kDma = 0, kArray = 1;

// A layer of three tiles that overlaps with its transfers, one on the CPU, and what surrounds them.
sim::SimulationResult small_result() {
  sim::SimulationResult result;
  result.network = "net";
  result.soc = "soc";
  result.clock_hz = 250'000'000;
  result.units = {{"mover", sim::UnitKind::dma}, {"array", sim::UnitKind::accelerator}};
  sim::SampleResult sample;
  sample.start = 5'000;
  sample.total.cycles = 4'000;
  sample.layers = {{"conv </title> & \"1\"", "array", "conv2d", 0, 0, 3, 5'100, {}},
                   {"flatten", "cpu", "any", 0, 0, 0, 0, {}},
                   {"pool", "cpu", "pool", 0, 0, 0, 8'000, {}}};
  result.samples = {sample, sample};
  const auto job = [&](int unit, uint64_t start, uint64_t end, int64_t tile, const char* label) {
    result.events.push_back({EventKind::job, unit, start, end, 0, tile, label});
  };
  const auto wait = [&](uint64_t start, uint64_t end) {
    result.events.push_back({EventKind::wait, -1, start, end, 0, -1, "wait"});
  };
  result.events.push_back({EventKind::layer, -1, 5'100, 7'900, 0, -1, "conv </title> & \"1\""});
  job(kDma, 5'150, 5'450, 0, "load x");
  wait(5'160, 5'450);
  job(kArray, 5'500, 6'100, 0, "conv2d");
  job(kDma, 5'550, 5'850, 1, "load x");
  wait(5'860, 6'100);
  job(kArray, 6'150, 6'750, 1, "conv2d");
  job(kDma, 6'200, 6'400, 0, "store y");
  job(kDma, 6'450, 6'750, 2, "load x");
  wait(6'460, 6'750);
  job(kArray, 6'800, 7'100, 2, "conv2d");
  job(kDma, 6'850, 7'050, 1, "store y");
  wait(7'060, 7'100);
  job(kDma, 7'150, 7'350, 2, "store y");
  wait(7'160, 7'350);
  result.events.push_back({EventKind::layer, -1, 8'000, 8'900, 2, -1, "pool"});
  return result;
}

void expect_golden(const std::string& name, const std::string& got) {
  const std::filesystem::path file =
      std::filesystem::path(HEDDLE_SOURCE_DIR) / "tests/unit/report" / name;
  if (std::getenv("HEDDLE_REWRITE") != nullptr) std::ofstream(file) << got;
  const Result<std::string> expected = read_file(file);
  ASSERT_TRUE(expected.ok()) << format_diagnostics(expected.errors());
  EXPECT_EQ(got, *expected);
}

TEST(Timeline, TheCpuIsAlwaysDoingSomething) {
  const Timeline timeline = make_timeline(small_result());
  EXPECT_EQ(timeline.begin, 5'000u);
  EXPECT_EQ(timeline.end, 9'000u);
  ASSERT_EQ(timeline.lanes.size(), 3u);
  EXPECT_EQ(timeline.lanes[0].name, "CPU");
  uint64_t now = timeline.begin;
  uint64_t waiting = 0;
  for (const TimelineBar& bar : timeline.lanes[0].bars) {
    EXPECT_EQ(bar.begin, now);
    now = bar.end;
    if (bar.activity == Activity::waiting) waiting += bar.end - bar.begin;
    const bool accelerated = bar.begin >= 5'100 && bar.end <= 7'900;
    EXPECT_EQ(bar.activity == Activity::compute, !accelerated) << bar.begin;
  }
  EXPECT_EQ(now, timeline.end);
  EXPECT_EQ(waiting, 290u + 240 + 290 + 40 + 190);
  ASSERT_EQ(timeline.layers.size(), 2u);  // `flatten` has no code
  EXPECT_THAT(timeline.layers[0].tiles, ElementsAre(5'500, 6'150, 6'800));
  EXPECT_THAT(timeline.layers[1].tiles, ElementsAre());
}

TEST(Timeline, TraceForPerfetto) {
  const std::string trace = chrome_trace(make_timeline(small_result()));
  expect_golden("timeline.json", trace);
  // Spans of one thread nest: one that starts inside of another ends there too.
  const nlohmann::json json = nlohmann::json::parse(trace);
  struct Span {
    int thread;
    uint64_t begin, end;
  };
  std::vector<Span> spans;
  for (const auto& event : json["traceEvents"]) {
    if (event["ph"] != "X") continue;
    const uint64_t begin = event["ts"], length = event["dur"];
    EXPECT_EQ(event["args"]["cycles"], length);
    spans.push_back({event["tid"], begin, begin + length});
  }
  ASSERT_EQ(spans.size(), 2u + 3 + 5 + 9 + 3);
  for (const Span& a : spans) {
    for (const Span& b : spans) {
      if (a.thread != b.thread || a.begin > b.begin || b.begin >= a.end) continue;
      EXPECT_TRUE(b.end <= a.end || a.begin == b.begin) << a.begin << " and " << b.begin;
    }
  }
}

TEST(Timeline, Picture) {
  const std::string svg = timeline_svg(make_timeline(small_result()));
  expect_golden("timeline.svg", svg);
  EXPECT_THAT(svg, HasSubstr("conv &lt;/title&gt; &amp; &quot;1&quot;"));
  EXPECT_THAT(svg, Not(HasSubstr("</title> &")));
  EXPECT_THAT(svg, Not(HasSubstr("<script")));
}

TEST(Timeline, ZoomsToLayers) {
  const Timeline whole = make_timeline(small_result());
  const Result<Timeline> one = zoomed(whole, "pool");
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->begin, 8'000u);
  EXPECT_EQ(one->end, 8'900u);
  EXPECT_EQ(one->lanes[0].bars.size(), 1u);
  EXPECT_TRUE(one->lanes[1].bars.empty());
  const Result<Timeline> both = zoomed(whole, "conv </title> & \"1\"..pool");
  ASSERT_TRUE(both.ok());
  EXPECT_EQ(both->begin, 5'100u);
  EXPECT_EQ(both->end, 8'900u);
  const Result<Timeline> none = zoomed(whole, "pol");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(format_diagnostics(none.errors()),
            "--timeline-layer pol: error: no layer `pol` runs; did you mean `pool`?\n"
            "  help: name a layer, or FIRST..LAST, as the report writes them\n");
}

// Ten thousand tiles do not make ten thousand bars of a pixel each.
TEST(Timeline, WhatIsTooNarrowIsDrawnTogether) {
  sim::SimulationResult result = small_result();
  result.events.clear();
  result.samples[0].total.cycles = 2'000'000;
  for (uint64_t t = 0; t < 10'000; ++t) {
    const uint64_t start = 5'000 + 200 * t;
    result.events.push_back(
        {EventKind::job, kArray, start, start + 150, 0, static_cast<int64_t>(t), "conv2d"});
    result.events.push_back({EventKind::wait, -1, start + 20, start + 150, 0, -1, "wait"});
  }
  const Timeline timeline = make_timeline(result);
  EXPECT_EQ(timeline.lanes[2].bars.size(), 10'000u);
  const std::string svg = timeline_svg(timeline);
  EXPECT_LT(svg.size(), 700'000u);
  EXPECT_THAT(svg, HasSubstr("bars, mostly job: cycles 0 to "));
  EXPECT_EQ(svg, timeline_svg(timeline));
}

// Units at zero cycles.
TEST(Timeline, JobsWithoutTimeAreSeen) {
  sim::SimulationResult result = small_result();
  result.events = {{EventKind::job, kDma, 5'150, 5'150, 0, 0, "load x"},
                   {EventKind::job, kDma, 5'150, 5'150, 0, 1, "load x"},
                   {EventKind::job, kDma, 5'151, 5'151, 0, 2, "load x"}};
  const Timeline timeline = make_timeline(result);
  ASSERT_EQ(timeline.lanes[1].bars.size(), 2u);
  EXPECT_EQ(timeline.lanes[1].bars[0].end, 5'151u);
}

TEST(Timeline, NothingHasRun) {
  sim::SimulationResult result;
  result.network = "net";
  const Timeline timeline = make_timeline(result);
  EXPECT_THAT(timeline_svg(timeline), HasSubstr("</svg>"));
  EXPECT_THAT(chrome_trace(timeline), HasSubstr("traceEvents"));
}

}  // namespace
}  // namespace heddle
