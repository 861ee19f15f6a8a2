#include "schedule/residents.h"

#include <algorithm>
#include <map>

#include "place/place.h"

namespace heddle {
namespace {

size_t at(int index) { return static_cast<size_t>(index); }

// Lives of the residents of one memory, and the blocks of tile buffers beside them.
std::vector<Buffer> buffers_in(const ScheduleModel& model, const Soc& soc,
                               const Assignment& assignment, size_t memory) {
  std::vector<Buffer> buffers;
  std::map<int, size_t> buffer_of;  // resident value of the problem -> its buffer
  for (size_t s = 0; s < assignment.steps.size(); ++s) {
    const AssignStep& step = assignment.steps[s];
    const int now = static_cast<int>(s);
    const AssignItem& item = model.problem.items[at(step.choice.item)];
    for (const AssignOperand& read : item.reads) {
      const auto found = buffer_of.find(read.value);
      if (found != buffer_of.end()) buffers[found->second].last = now;
    }
    const size_t made = at(item.result.value);
    if (step.choice.result >= 0 &&
        model.problem.values[made].forms[at(step.choice.result)].memory ==
            static_cast<int>(memory)) {
      buffer_of[item.result.value] = buffers.size();
      buffers.push_back({"", model.values[made],
                         model.problem.values[made].forms[at(step.choice.result)].bytes,
                         tile_alignment(soc), now, now});
    }
    const Tiling* const tiling = model.tiling(step.choice, step.taken);
    const int64_t block = tiling == nullptr ? 0 : tiling->bytes_in(model.memories[memory]);
    if (block > 0) buffers.push_back({"", ValueId{}, block, tile_alignment(soc), now, now});
  }
  return buffers;
}

}  // namespace

std::optional<Misfit> misfit(const ScheduleModel& model, const Soc& soc,
                             const Assignment& assignment) {
  for (size_t m = 0; m < model.memories.size(); ++m) {
    const std::vector<Buffer> buffers = buffers_in(model, soc, assignment, m);
    const auto resident = [](const Buffer& buffer) { return buffer.value.valid(); };
    if (std::none_of(buffers.begin(), buffers.end(), resident)) continue;
    const Placement placement = place(buffers);
    if (placement.peak_bytes <= model.problem.memory_bytes[m]) continue;
    // What lies over the end, all that lives beside it, and so on.
    const auto over =
        std::find_if(placement.buffers.begin(), placement.buffers.end(), [&](const Buffer& buffer) {
          return buffer.offset + buffer.bytes > model.problem.memory_bytes[m];
        });
    int first = over->first, last = over->last;
    for (bool grown = true; grown;) {
      grown = false;
      for (const Buffer& buffer : buffers) {
        if (buffer.last < first || buffer.first > last) continue;
        grown = grown || buffer.first < first || buffer.last > last;
        first = std::min(first, buffer.first);
        last = std::max(last, buffer.last);
      }
    }
    return Misfit{at(first), at(last)};
  }
  return std::nullopt;
}

}  // namespace heddle
