#include "schedule/boundary.h"

#include <algorithm>

#include "base/checked.h"

namespace heddle {
namespace {

constexpr int64_t kLeastRun = 8;  // bytes: below it a call costs more than it saves

int64_t constant_of(const Soc& soc, std::string_view key) {
  for (const auto& [name, value] : soc.cpu_constants) {
    if (name == key) return value;
  }
  return 0;
}

int64_t tenths(int64_t count, int64_t each) { return checked_mul(count, each).value_or(0) / 10; }

}  // namespace

CopyRuns copy_runs(const TensorType& type, const Storage& stored) {
  CopyRuns runs;
  const int64_t bytes = bytes_of(type.dtype);
  int64_t dense = elements_of(type.shape);
  for (size_t d = 0; d < type.shape.size(); ++d) {
    const int64_t extent = type.shape[d];
    dense /= std::max<int64_t>(extent, 1);
    if (extent == 1) continue;
    // Dimensions that lie one after the other in both are one loop.
    const bool merges = !runs.loops.empty() && runs.loops.back().dense == dense * extent &&
                        runs.loops.back().stored == stored.strides[d] * extent;
    if (merges) {
      runs.loops.back() = {runs.loops.back().extent * extent, dense, stored.strides[d]};
    } else {
      runs.loops.push_back({extent, dense, stored.strides[d]});
    }
  }
  const bool in_one_piece =
      !runs.loops.empty() && runs.loops.back().dense == 1 && runs.loops.back().stored == 1;
  if (!in_one_piece || runs.loops.back().extent * bytes < kLeastRun) return runs;
  runs.run_bytes = runs.loops.back().extent * bytes;
  runs.loops.pop_back();
  runs.words = std::all_of(runs.loops.begin(), runs.loops.end(), [&](const CopyRuns::Loop& loop) {
    return loop.dense * bytes % 4 == 0 && loop.stored * bytes % 4 == 0;
  });
  return runs;
}

int64_t copy_cycles(const Soc& soc, const TensorType& type, const Storage& stored) {
  const CopyRuns runs = copy_runs(type, stored);
  const int64_t call = constant_of(soc, "copy_call");
  const int64_t row = constant_of(soc, "copy_row"), step = constant_of(soc, "copy_step_x10");
  if (runs.run_bytes == 0 || (row == 0 && step == 0))
    return call + tenths(elements_of(type.shape), constant_of(soc, "copy_x10"));
  int64_t count = 1;
  for (const CopyRuns::Loop& loop : runs.loops) count *= loop.extent;
  const int64_t steps = runs.words ? (runs.run_bytes + 3) / 4 : runs.run_bytes;
  return call + checked_mul(count, row).value_or(0) + tenths(count * steps, step);
}

}  // namespace heddle
