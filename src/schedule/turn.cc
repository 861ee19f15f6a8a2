#include "schedule/turn.h"

#include <algorithm>

namespace heddle {

std::optional<Turn> turn_between(const TensorType& type, const Storage& from, const Storage& to) {
  if (type.shape.size() != 4 || bytes_of(type.dtype) != 1) return std::nullopt;
  Turn turn;
  std::vector<Turn::Loop>& loops = turn.loops;
  for (size_t d = 0; d < type.shape.size(); ++d) {
    const Turn::Loop loop{type.shape[d], from.strides[d], to.strides[d]};
    if (loop.extent == 1) continue;
    // Dimensions that lie one after the other on both sides are one loop.
    if (!loops.empty() && loops.back().from == loop.from * loop.extent &&
        loops.back().to == loop.to * loop.extent) {
      loops.back() = {loops.back().extent * loop.extent, loop.from, loop.to};
    } else {
      loops.push_back(loop);
    }
  }
  const auto columns = std::find_if(loops.begin(), loops.end(),
                                    [](const Turn::Loop& loop) { return loop.from == 1; });
  const auto rows = std::find_if(loops.begin(), loops.end(),
                                 [](const Turn::Loop& loop) { return loop.to == 1; });
  if (columns == loops.end() || rows == loops.end() || rows == columns) return std::nullopt;
  turn.rows = rows->extent;
  turn.from_stride = rows->from;
  turn.columns = columns->extent;
  turn.to_stride = columns->to;
  loops.erase(std::max(rows, columns));
  loops.erase(std::min(rows, columns));
  const auto whole = [](const Turn::Loop& loop) { return loop.from % 4 == 0 && loop.to % 4 == 0; };
  turn.words = turn.from_stride % 4 == 0 && turn.to_stride % 4 == 0 &&
               std::all_of(loops.begin(), loops.end(), whole);
  return turn;
}

}  // namespace heddle
