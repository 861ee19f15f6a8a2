#include "machine.h"

#include <algorithm>

namespace heddle::device {

uint8_t* l1() { return heddle_host_memories[2].storage; }
uint8_t* weights() { return heddle_host_memories[3].storage; }

Tile make_tile(Random& random, uint32_t& offset, int64_t channels, int64_t height, int64_t width) {
  Tile tile;
  tile.offset = (offset + 15) / 16 * 16 + 16 * static_cast<uint32_t>(random.between(0, 2));
  tile.pitch = static_cast<uint32_t>((width + 15) / 16 * 16 +
                                     16 * std::max<int64_t>(0, random.between(-2, 2)));
  tile.plane = static_cast<uint32_t>(height) * tile.pitch +
               16 * static_cast<uint32_t>(std::max<int64_t>(0, random.between(-2, 2)));
  tile.channels = channels;
  tile.height = height;
  tile.width = width;
  offset = tile.offset + tile.bytes();
  return tile;
}

void fill_with_noise(Random& random) {
  for (const auto& [memory, bytes] :
       {std::pair(l1(), TEST_L1_BYTES), std::pair(weights(), TEST_WEIGHTS_BYTES)}) {
    for (uint32_t i = 0; i < bytes; ++i) memory[i] = static_cast<uint8_t>(random.byte());
  }
}

std::vector<uint8_t> expect(const std::vector<uint8_t>& before, const Tile& y,
                            const std::vector<int8_t>& values) {
  std::vector<uint8_t> after = before;
  size_t next = 0;
  for (int64_t c = 0; c < y.channels; ++c) {
    for (int64_t row = 0; row < y.height; ++row) {
      for (int64_t column = 0; column < (y.width + 15) / 16 * 16; ++column) {
        after[y.at(c, row, column)] = column < y.width ? static_cast<uint8_t>(values[next++]) : 0;
      }
    }
  }
  return after;
}

int8_t requantise(int64_t sum, int64_t shift, int64_t lo, int64_t hi) {
  const int64_t wrapped = static_cast<int32_t>(static_cast<uint32_t>(sum));
  const int64_t divisor = int64_t{1} << shift;
  int64_t floored = wrapped / divisor;
  if (floored * divisor > wrapped) --floored;
  return static_cast<int8_t>(std::min(std::max(floored, lo), hi));
}

void append_biases(std::vector<uint8_t>& packed, const std::vector<int64_t>& biases, int64_t first,
                   int64_t count, int64_t lanes) {
  for (int byte = 0; byte < 4; ++byte) {
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const int64_t bias = lane < count ? biases[static_cast<size_t>(first + lane)] : 0;
      packed.push_back(static_cast<uint8_t>(static_cast<uint32_t>(bias) >> (8 * byte)));
    }
  }
}

Counters counters_of(const std::string& unit) {
  return {heddle_host_unit_cycles(unit.c_str()), heddle_host_unit_jobs(unit.c_str())};
}

}  // namespace heddle::device
