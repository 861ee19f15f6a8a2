// The time line as SVG. Lengths are integers: hundredths of a pixel, printed with two decimals.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "report/timeline.h"

namespace heddle {
namespace {

constexpr int64_t kPixel = 100;
constexpr int64_t kWidth = 1200 * kPixel;
constexpr int64_t kLeft = 112 * kPixel;  // names of lanes
constexpr int64_t kRight = 20 * kPixel;  // half of the last tick's label
constexpr int64_t kPlot = kWidth - kLeft - kRight;
constexpr int64_t kNamesTop = 56 * kPixel, kNamesHeight = 20 * kPixel;
constexpr int64_t kLanesTop = kNamesTop + kNamesHeight + 6 * kPixel;
constexpr int64_t kLaneHeight = 26 * kPixel, kLaneStep = 34 * kPixel;
constexpr int64_t kCharacter = 6 * kPixel + 20;  // of the small text, on the generous side
constexpr int64_t kVisible = 60;                 // narrower bars are drawn together

constexpr const char* kStyle = R"(  <style>
    text { font: 11px system-ui, "DejaVu Sans", sans-serif; fill: #1f2328 }
    .title { font-size: 14px; font-weight: 600 }
    .lane { font-size: 12px }
    .dim { fill: #59636e }
    .in { fill: #1f2328 }
    .middle { text-anchor: middle }
    .end { text-anchor: end }
    .page { fill: #ffffff }
    .even { fill: #f3f5f8 }
    .odd { fill: #e6eaf0 }
    .axis { stroke: #818b98; stroke-width: 1 }
    .grid { stroke: #818b98; stroke-width: 1; stroke-opacity: .25 }
    .compute { fill: #7fb0f5 }
    .driver { fill: #f5cf5b }
    .waiting { fill: #c3c9d1 }
    .load { fill: #74c69d }
    .store { fill: #bf9bf0 }
    .transfer { fill: #8fd3d9 }
    .job { fill: #f29b7f }
    .second { fill-opacity: .62 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      .dim { fill: #9da7b3 }
      .in { fill: #1f2328 }
      .page { fill: #0d1117 }
      .even { fill: #161b22 }
      .odd { fill: #212830 }
      .second { fill-opacity: .78 }
    }
  </style>
)";

std::string px(int64_t hundredths) {
  if (hundredths % kPixel == 0) return fmt::to_string(hundredths / kPixel);
  return fmt::format("{}.{:02}", hundredths / kPixel, hundredths % kPixel);
}

// Cut to `room` at characters, not bytes; nothing where not even three of them fit.
std::string fitted(const std::string& text, int64_t room) {
  const int64_t characters = room / kCharacter;
  const auto is_start = [](char c) { return (c & 0xC0) != 0x80; };
  if (std::count_if(text.begin(), text.end(), is_start) <= characters) return text;
  if (characters < 4) return "";
  std::string cut;
  int64_t count = 0;
  for (const char c : text) {
    count += is_start(c);
    if (count >= characters) break;
    cut += c;
  }
  return cut + "\xE2\x80\xA6";
}

// The least 1, 2 or 5 times a power of ten that gives at most `most` steps in `span`.
int64_t round_step(int64_t span, int64_t most) {
  for (int64_t power = 1;; power *= 10) {
    for (const int64_t digit : {1, 2, 5}) {
      if (span / (digit * power) <= most) return digit * power;
    }
  }
}

// "12.5" for 12,500 thousandths.
std::string decimal(int64_t thousandths) {
  std::string text = thousands(thousandths / 1000);
  if (thousandths % 1000 == 0) return text;
  text += fmt::format(".{:03}", thousandths % 1000);
  text.erase(text.find_last_not_of('0') + 1);
  return text;
}

// A bar, or several that are too narrow to be told apart.
struct Drawn {
  int64_t x = 0, end = 0;
  Activity activity = Activity::job;
  const TimelineBar* bar = nullptr;  // the first one
  int64_t bars = 0;
  uint64_t busy = 0, begin_cycle = 0, end_cycle = 0;
  std::array<uint64_t, 7> by_activity{};
};

class Picture {
 public:
  explicit Picture(const Timeline& timeline)
      : timeline_(timeline),
        span_(std::max<uint64_t>(1, timeline.end - timeline.begin)),
        bottom_(kLanesTop + static_cast<int64_t>(timeline.lanes.size()) * kLaneStep -
                (kLaneStep - kLaneHeight) + 6 * kPixel) {}

  std::string draw() {
    const int64_t height = bottom_ + 84 * kPixel;
    out_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
        "height=\"{1}\" role=\"img\">\n",
        px(kWidth), px(height));
    const std::string title = fmt::format("{} on {}", timeline_.network, timeline_.soc);
    out_ += fmt::format("  <title>{}</title>\n{}", html_text(title + ": time line"), kStyle);
    out_ += fmt::format("  <rect class=\"page\" width=\"{}\" height=\"{}\"/>\n", px(kWidth),
                        px(height));
    text(12 * kPixel, 24 * kPixel, "title", title);
    text(12 * kPixel, 43 * kPixel, "dim", subtitle());
    bands();
    axis_of_cycles();
    axis_of_time();
    for (size_t l = 0; l < timeline_.lanes.size(); ++l) lane(l);
    legend(height - 14 * kPixel);
    return out_ + "</svg>\n";
  }

 private:
  int64_t x_of(uint64_t cycle) const {
    const unsigned __int128 offset = cycle - timeline_.begin;
    return kLeft + static_cast<int64_t>(offset * static_cast<uint64_t>(kPlot) / span_);
  }

  int64_t nanoseconds(uint64_t cycles) const {
    return static_cast<int64_t>(static_cast<unsigned __int128>(cycles) * 1'000'000'000 /
                                static_cast<uint64_t>(timeline_.clock_hz));
  }

  std::string subtitle() const {
    std::string what = "one inference";
    if (timeline_.layers.size() == 1) {
      const TimelineLayer& layer = timeline_.layers.front();
      what = fmt::format("layer {} ({}/{})", terminal_text(layer.name), layer.target, layer.rule);
      if (layer.tiles.size() > 1) what += fmt::format(", {} tiles", layer.tiles.size());
    }
    return fmt::format("{}: {} cycles, {} \u00B5s at {} MHz", what,
                       thousands(static_cast<int64_t>(span_)), decimal(nanoseconds(span_)),
                       decimal(timeline_.clock_hz / 1000));
  }

  std::string cycles_text(uint64_t begin, uint64_t end) const {
    return fmt::format("cycles {} to {} ({})",
                       thousands(static_cast<int64_t>(begin - timeline_.begin)),
                       thousands(static_cast<int64_t>(end - timeline_.begin)),
                       thousands(static_cast<int64_t>(end - begin)));
  }

  void text(int64_t x, int64_t y, const char* classes, const std::string& content) {
    out_ += fmt::format("  <text x=\"{}\" y=\"{}\" class=\"{}\">{}</text>\n", px(x), px(y), classes,
                        html_text(content));
  }

  void rectangle(int64_t x, int64_t y, int64_t width, int64_t height, const std::string& classes,
                 const std::string& title) {
    out_ += fmt::format(
        "  <rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" class=\"{}\"><title>{}</title>"
        "</rect>\n",
        px(x), px(y), px(width), px(height), classes, html_text(title));
  }

  void bands() {
    bool odd = false;
    for (const TimelineLayer& layer : timeline_.layers) {
      const int64_t x = x_of(layer.begin);
      const int64_t width = std::max(x_of(layer.end) - x, kVisible / 2);
      rectangle(x, kNamesTop, width, bottom_ - kNamesTop, odd ? "odd" : "even",
                fmt::format("{} ({}/{}): {}", terminal_text(layer.name), layer.target, layer.rule,
                            cycles_text(layer.begin, layer.end)));
      odd = !odd;
      const std::string name = fitted(terminal_text(layer.name), width - 6 * kPixel);
      if (!name.empty()) text(x + width / 2, kNamesTop + 14 * kPixel, "middle", name);
    }
  }

  void tick(int64_t x, int64_t y, const std::string& label) {
    out_ += fmt::format("  <line x1=\"{0}\" y1=\"{1}\" x2=\"{0}\" y2=\"{2}\" class=\"axis\"/>\n",
                        px(x), px(y), px(y + 4 * kPixel));
    text(x, y + 15 * kPixel, "dim middle", label);
  }

  void axis(int64_t y, const char* unit) {
    out_ += fmt::format("  <line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" class=\"axis\"/>\n",
                        px(kLeft), px(y), px(kWidth - kRight), px(y));
    text(kLeft - 10 * kPixel, y + 15 * kPixel, "dim end", unit);
  }

  void axis_of_cycles() {
    axis(bottom_, "cycles");
    const uint64_t step = static_cast<uint64_t>(round_step(static_cast<int64_t>(span_), 11));
    for (uint64_t cycle = 0; cycle <= span_; cycle += step) {
      const int64_t x = x_of(timeline_.begin + cycle);
      out_ += fmt::format("  <line x1=\"{0}\" y1=\"{1}\" x2=\"{0}\" y2=\"{2}\" class=\"grid\"/>\n",
                          px(x), px(kNamesTop + kNamesHeight), px(bottom_));
      tick(x, bottom_, thousands(static_cast<int64_t>(cycle)));
    }
  }

  void axis_of_time() {
    const int64_t y = bottom_ + 24 * kPixel;
    axis(y, "\u00B5s");
    const int64_t whole = nanoseconds(span_);
    const int64_t step = round_step(whole, 11);
    for (int64_t ns = 0; ns <= whole; ns += step) {
      const unsigned __int128 hundredths = static_cast<unsigned __int128>(ns) *
                                           static_cast<uint64_t>(timeline_.clock_hz) *
                                           static_cast<uint64_t>(kPlot) / span_ / 1'000'000'000;
      tick(kLeft + static_cast<int64_t>(hundredths), y, decimal(ns));
    }
  }

  void lane(size_t index) {
    const TimelineLane& lane = timeline_.lanes[index];
    const int64_t y = kLanesTop + static_cast<int64_t>(index) * kLaneStep;
    text(kLeft - 10 * kPixel, y + 17 * kPixel, "lane end",
         fitted(terminal_text(lane.name), kLeft - 16 * kPixel));
    Drawn pending;
    for (const TimelineBar& bar : lane.bars) {
      const Drawn drawn = drawn_of(bar);
      const bool joins = pending.bars > 0 && pending.bar->layer == bar.layer &&
                         drawn.x - pending.end < kVisible && drawn.end - drawn.x < kVisible &&
                         pending.end - pending.x < 4 * kVisible;
      if (joins) {
        pending.end = drawn.end;
        pending.end_cycle = bar.end;
        ++pending.bars;
        pending.busy += drawn.busy;
        pending.by_activity[static_cast<size_t>(bar.activity)] += drawn.busy;
        continue;
      }
      draw_bar(pending, y);
      pending = drawn;
      if (drawn.end - drawn.x < kVisible) continue;
      draw_bar(pending, y);
      pending = {};
    }
    draw_bar(pending, y);
  }

  Drawn drawn_of(const TimelineBar& bar) const {
    Drawn drawn{x_of(bar.begin),     x_of(bar.end), bar.activity, &bar, 1,
                bar.end - bar.begin, bar.begin,     bar.end,      {}};
    drawn.by_activity[static_cast<size_t>(bar.activity)] = drawn.busy;
    return drawn;
  }

  std::string layer_name(int index) const {
    for (const TimelineLayer& layer : timeline_.layers)
      if (layer.index == index) return terminal_text(layer.name) + ", ";
    return "";
  }

  void draw_bar(const Drawn& drawn, int64_t y) {
    if (drawn.bars == 0) return;
    const TimelineBar& bar = *drawn.bar;
    const int64_t width = std::max(drawn.end - drawn.x, kVisible / 2);
    if (drawn.bars > 1) {
      const auto most = std::max_element(drawn.by_activity.begin(), drawn.by_activity.end());
      const Activity activity = static_cast<Activity>(most - drawn.by_activity.begin());
      rectangle(drawn.x, y, width, kLaneHeight, std::string(name_of(activity)),
                fmt::format("{}{} bars, mostly {}: {}, {} of them busy", layer_name(bar.layer),
                            drawn.bars, name_of(activity),
                            cycles_text(drawn.begin_cycle, drawn.end_cycle),
                            thousands(static_cast<int64_t>(drawn.busy))));
      return;
    }
    std::string what = terminal_text(bar.label);
    std::string longer = what, shorter;
    if (bar.activity <= Activity::waiting) {
      what = longer = name_of(bar.activity);
    } else if (bar.tile >= 0) {
      what += fmt::format(", tile {}", bar.tile);
      const size_t space = longer.find(' ');
      const std::string operand = space == std::string::npos ? longer : longer.substr(space + 1);
      longer = fmt::format("{} {}", bar.activity == Activity::job ? "tile" : longer, bar.tile);
      shorter = bar.activity == Activity::job ? fmt::to_string(bar.tile)
                                              : fmt::format("{} {}", operand, bar.tile);
    }
    // Tiles alternate between two shades, as they do between two buffers.
    const bool second = bar.activity > Activity::waiting && bar.tile % 2 == 1;
    rectangle(
        drawn.x, y, width, kLaneHeight,
        fmt::format("{}{}", name_of(bar.activity), second ? " second" : ""),
        fmt::format("{}{}: {}", layer_name(bar.layer), what, cycles_text(bar.begin, bar.end)));
    const int64_t room = width - 2 * kPixel;
    const auto fits = [&](const std::string& label) {
      return !label.empty() && static_cast<int64_t>(label.size()) * kCharacter <= room;
    };
    const std::string shortest = shorter.substr(0, shorter.find(' '));
    const std::string& label = fits(longer) ? longer : fits(shorter) ? shorter : shortest;
    if (fits(label)) text(drawn.x + width / 2, y + 17 * kPixel, "middle in", label);
  }

  void legend(int64_t y) {
    constexpr std::array<std::pair<Activity, const char*>, 7> kAll = {
        {{Activity::compute, "CPU computes"},
         {Activity::driver, "CPU drives units"},
         {Activity::waiting, "CPU waits"},
         {Activity::load, "transfer into a tile buffer"},
         {Activity::store, "transfer back"},
         {Activity::transfer, "other transfer"},
         {Activity::job, "accelerator's job"}}};
    int64_t x = kLeft;
    for (const auto& [activity, what] : kAll) {
      const Activity sought = activity;
      const bool occurs = std::any_of(
          timeline_.lanes.begin(), timeline_.lanes.end(), [&](const TimelineLane& lane) {
            return std::any_of(lane.bars.begin(), lane.bars.end(),
                               [&](const TimelineBar& bar) { return bar.activity == sought; });
          });
      if (!occurs) continue;
      out_ += fmt::format(
          "  <rect x=\"{}\" y=\"{}\" width=\"11\" height=\"11\" rx=\"2\" class=\"{}\"/>\n", px(x),
          px(y - 10 * kPixel), name_of(activity));
      text(x + 17 * kPixel, y, "dim", what);
      x += 17 * kPixel + static_cast<int64_t>(std::string_view(what).size()) * kCharacter +
           18 * kPixel;
    }
  }

  const Timeline& timeline_;
  uint64_t span_;
  int64_t bottom_;  // of the lanes
  std::string out_;
};

}  // namespace

std::string timeline_svg(const Timeline& timeline) { return Picture(timeline).draw(); }

}  // namespace heddle
