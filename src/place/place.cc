// Static placement: hill climbing over the order in which buffers take the lowest free offset, and
// its checker.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/checked.h"
#include "base/diagnostic.h"
#include "place/place.h"

namespace heddle {
namespace {

constexpr int kMaxTries = 2000;

// Numerical Recipes' generator: the same numbers on every machine, which the standard library does
// not promise.
class Random {
 public:
  size_t below(size_t bound) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<size_t>(state_ >> 33) % bound;
  }

 private:
  uint64_t state_ = 20231024;
};

bool overlap_in_time(const Buffer& a, const Buffer& b) {
  return a.first <= b.last && b.first <= a.last;
}

struct Layout {
  std::vector<int64_t> offsets;  // by buffer
  int64_t peak = 0;
};

// Each buffer in turn takes the lowest aligned offset at which it meets no buffer placed before and
// live with it. `neighbours` lists for each buffer those that are live with it.
Layout first_fit(const std::vector<Buffer>& buffers,
                 const std::vector<std::vector<size_t>>& neighbours,
                 const std::vector<size_t>& order) {
  Layout layout{std::vector<int64_t>(buffers.size(), -1), 0};
  std::vector<std::pair<int64_t, int64_t>> taken;
  for (const size_t b : order) {
    taken.clear();
    for (const size_t n : neighbours[b]) {
      if (layout.offsets[n] >= 0)
        taken.emplace_back(layout.offsets[n], layout.offsets[n] + buffers[n].bytes);
    }
    std::sort(taken.begin(), taken.end());
    int64_t offset = 0;
    for (const auto& [begin, end] : taken) {
      if (begin >= offset + buffers[b].bytes) break;
      offset = std::max(offset, round_up(end, buffers[b].alignment));
    }
    layout.offsets[b] = offset;
    layout.peak = std::max(layout.peak, offset + buffers[b].bytes);
  }
  return layout;
}

// The largest sum of live bytes at one step, each buffer rounded up to the least alignment of all:
// no two live buffers can share such a unit.
std::pair<int64_t, int> most_live(const std::vector<Buffer>& buffers) {
  int64_t unit = buffers.empty() ? 1 : buffers[0].alignment;
  for (const Buffer& buffer : buffers) unit = std::min(unit, buffer.alignment);
  std::pair<int64_t, int> most{0, 0};
  for (const Buffer& at : buffers) {  // a sum can only be largest where a buffer begins
    int64_t bytes = 0, end = 0;
    for (const Buffer& other : buffers) {
      if (other.first > at.first || other.last < at.first) continue;
      bytes += round_up(other.bytes, unit);
      end = std::max(end, round_up(other.bytes, unit) - other.bytes);
    }
    bytes -= end;  // the last one need not be rounded up
    if (bytes > most.first || (bytes == most.first && at.first < most.second))
      most = {bytes, at.first};
  }
  return most;
}

// Buffers whose upper end is the peak: moving one of them is the only way down.
std::vector<size_t> at_the_peak(const std::vector<Buffer>& buffers, const Layout& layout) {
  std::vector<size_t> top;
  for (size_t b = 0; b < buffers.size(); ++b) {
    if (layout.offsets[b] + buffers[b].bytes == layout.peak) top.push_back(b);
  }
  return top;
}

// The buffer in whose memory this one lies in the end, and where.
struct Owner {
  size_t buffer = 0;
  int64_t offset = 0;
};
Owner owner_of(const std::vector<Buffer>& buffers, size_t b) {
  Owner owner{b, 0};
  while (buffers[owner.buffer].shares >= 0) {
    owner.offset += buffers[owner.buffer].share_offset;
    owner.buffer = static_cast<size_t>(buffers[owner.buffer].shares);
  }
  return owner;
}

}  // namespace

Placement place(std::vector<Buffer> all) {
  // Owners alone are placed, each alive for as long as any view of it.
  std::vector<Buffer> buffers;
  std::vector<Owner> owners(all.size());
  std::vector<size_t> position(all.size());
  for (size_t b = 0; b < all.size(); ++b) {
    HEDDLE_CHECK(all[b].alignment > 0 && all[b].bytes >= 0, "a buffer without a size or alignment");
    HEDDLE_CHECK(
        all[b].shares < static_cast<int>(all.size()) && all[b].shares != static_cast<int>(b),
        "a view of nothing");
    owners[b] = owner_of(all, b);
    if (owners[b].buffer != b) continue;
    position[b] = buffers.size();
    buffers.push_back(all[b]);
  }
  for (size_t b = 0; b < all.size(); ++b) {
    Buffer& owner = buffers[position[owners[b].buffer]];
    owner.first = std::min(owner.first, all[b].first);
    owner.last = std::max(owner.last, all[b].last);
    owner.bytes = std::max(owner.bytes, owners[b].offset + all[b].bytes);
    owner.alignment = std::max(owner.alignment, all[b].alignment);
  }
  Placement placement;
  std::tie(placement.lower_bound_bytes, placement.peak_step) = most_live(buffers);
  std::vector<std::vector<size_t>> neighbours(buffers.size());
  for (size_t a = 0; a < buffers.size(); ++a) {
    for (size_t b = 0; b < buffers.size(); ++b) {
      if (a != b && overlap_in_time(buffers[a], buffers[b])) neighbours[a].push_back(b);
    }
  }
  // The first order: large buffers first, then long-lived ones.
  std::vector<size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const int life_a = buffers[a].last - buffers[a].first,
              life_b = buffers[b].last - buffers[b].first;
    return std::tie(buffers[b].bytes, life_b) < std::tie(buffers[a].bytes, life_a);
  });
  Layout best = first_fit(buffers, neighbours, order);
  Random random;
  for (int tries = 1; tries < kMaxTries && best.peak > placement.lower_bound_bytes; ++tries) {
    // Move a buffer at the peak, or one that is live with it, to another place of the order;
    // sometimes any two.
    std::vector<size_t> changed = order;
    const std::vector<size_t> top = at_the_peak(buffers, best);
    const size_t peak = top[random.below(top.size())];
    const std::vector<size_t>& near = neighbours[peak];
    const size_t moved =
        near.empty() || random.below(2) == 0 ? peak : near[random.below(near.size())];
    const auto from = std::find(changed.begin(), changed.end(), moved);
    changed.erase(from);
    changed.insert(changed.begin() + static_cast<std::ptrdiff_t>(random.below(changed.size() + 1)),
                   moved);
    if (random.below(4) == 0)
      std::swap(changed[random.below(changed.size())], changed[random.below(changed.size())]);
    Layout layout = first_fit(buffers, neighbours, changed);
    if (layout.peak > best.peak) continue;  // sideways moves are taken: plateaus are wide
    best = std::move(layout);
    order = std::move(changed);
  }
  for (size_t b = 0; b < all.size(); ++b)
    all[b].offset = best.offsets[position[owners[b].buffer]] + owners[b].offset;
  placement.peak_bytes = best.peak;
  placement.buffers = std::move(all);
  return placement;
}

std::vector<std::string> check_placement(const Placement& placement) {
  std::vector<std::string> wrong;
  int64_t peak = 0;
  for (const Buffer& buffer : placement.buffers) {
    if (buffer.offset < 0) wrong.push_back(fmt::format("buffer `{}` has no offset", buffer.name));
    if (buffer.alignment <= 0 || buffer.offset % buffer.alignment != 0) {
      wrong.push_back(fmt::format("buffer `{}` at {} is not aligned to {}", buffer.name,
                                  buffer.offset, buffer.alignment));
    }
    peak = std::max(peak, buffer.offset + buffer.bytes);
  }
  if (peak != placement.peak_bytes) {
    wrong.push_back(
        fmt::format("the peak is {} bytes, but {} are claimed", peak, placement.peak_bytes));
  }
  if (peak < placement.lower_bound_bytes) {
    wrong.push_back(fmt::format("the peak of {} bytes is below its lower bound {}", peak,
                                placement.lower_bound_bytes));
  }
  for (size_t a = 0; a < placement.buffers.size(); ++a) {
    for (size_t b = a + 1; b < placement.buffers.size(); ++b) {
      const Buffer& one = placement.buffers[a];
      const Buffer& two = placement.buffers[b];
      const Owner owner_a = owner_of(placement.buffers, a), owner_b = owner_of(placement.buffers, b);
      if (owner_a.buffer == owner_b.buffer && one.offset - owner_a.offset == two.offset - owner_b.offset)
        continue;
      const bool apart_in_time = one.last < two.first || two.last < one.first;
      const bool apart_in_space =
          one.offset + one.bytes <= two.offset || two.offset + two.bytes <= one.offset;
      if (apart_in_time || apart_in_space) continue;
      wrong.push_back(fmt::format("buffers `{}` [{}, {}) and `{}` [{}, {}) overlap in step {}",
                                  one.name, one.offset, one.offset + one.bytes, two.name,
                                  two.offset, two.offset + two.bytes,
                                  std::max(one.first, two.first)));
    }
  }
  return wrong;
}

}  // namespace heddle
