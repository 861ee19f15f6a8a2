// The test machine's memories, tiles in them, and the device's packed weights written as README.md
// describes them.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "heddle_host.h"
#include "heddle_runtime.h"
#include "heddle_soc.h"

namespace heddle::device {

// Deterministic on every platform, unlike the distributions of <random>.
class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(engine_() % static_cast<uint64_t>(high - low + 1));
  }
  int8_t byte() { return static_cast<int8_t>(between(-128, 127)); }
  int64_t one_of(std::initializer_list<int64_t> values) {
    return values.begin()[between(0, static_cast<int64_t>(values.size()) - 1)];
  }

 private:
  std::mt19937_64 engine_;
};

uint8_t* l1();       // TEST_L1_BYTES
uint8_t* weights();  // TEST_WEIGHTS_BYTES

// A tile in L1, C-y-x.
struct Tile {
  uint32_t offset = 0;  // in L1
  uint32_t pitch = 0;
  uint32_t plane = 0;
  int64_t channels = 0, height = 0, width = 0;

  uint32_t address() const { return TEST_L1_BASE + offset; }
  uint32_t bytes() const { return static_cast<uint32_t>(channels) * plane; }
  uint32_t at(int64_t c, int64_t y, int64_t x) const {
    return offset + static_cast<uint32_t>(c) * plane + static_cast<uint32_t>(y) * pitch +
           static_cast<uint32_t>(x);
  }
};

// A tile behind `offset`, with a pitch and a plane that are now and then larger than they must be;
// `offset` moves on.
Tile make_tile(Random& random, uint32_t& offset, int64_t channels, int64_t height, int64_t width);

void fill_with_noise(Random& random);  // L1 and the weight memory, pads and slack included

// What L1 must hold after a job: `values` in the tile, zeros up to the next multiple of 16 columns,
// the rest as it was.
std::vector<uint8_t> expect(const std::vector<uint8_t>& before, const Tile& y,
                            const std::vector<int8_t>& values);

// clip(lo, hi, floor(sum / 2^shift)), the sum taken modulo 2^32.
int8_t requantise(int64_t sum, int64_t shift, int64_t lo, int64_t hi);

// Biases of `lanes` lanes, byte 0 of all of them first.
void append_biases(std::vector<uint8_t>& packed, const std::vector<int64_t>& biases, int64_t first,
                   int64_t count, int64_t lanes);

struct Counters {
  uint64_t cycles = 0, jobs = 0;
};
Counters counters_of(const std::string& unit);

}  // namespace heddle::device
