// Whether what an assignment keeps in shared memories really fits there, offsets and all.
#pragma once

#include <optional>
#include <vector>

#include "schedule/model.h"

namespace heddle {

// The steps, first and last, of residents and blocks of tile buffers that no placement was found
// for in their memory, though the sum of their bytes fits at every step; none: all of them have a
// place.
struct Misfit {
  size_t first = 0, last = 0;
};
std::optional<Misfit> misfit(const ScheduleModel& model, const Soc& soc,
                             const Assignment& assignment);

}  // namespace heddle
