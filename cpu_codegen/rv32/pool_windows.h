// Which part of the image the windows of a pool see.
#pragma once

#include <vector>

#include "ops/window.h"

namespace heddle::rv32 {

struct Part {  // indices [begin, end)
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
  bool operator==(const Part&) const = default;
};

// Neighbouring rows of outputs whose windows have the same rows [part) inside the image.
struct Band {
  Part rows, part;
};

struct Pool {
  Window window;
  Shape in, out;
  bool most = false;       // the greatest element, not a sum
  bool average = false;    // a sum to be divided
  bool away = false;       // its halves are rounded away from zero
  bool all_count = false;  // and the padding counts
  int64_t zero_point = 0;  // subtracted from every element
  Range x;

  bool global() const { return out[2] == 1 && out[3] == 1; }
  // Rows (columns) of the image under output o.
  Part rows(int64_t o) const;
  Part columns(int64_t o) const;
  // The outputs of a row whose windows have all their columns inside.
  Part interior() const;
  std::vector<Band> bands() const;
};

// Precondition: a pool of integers.
Pool pool_of(const OpView& op);

}  // namespace heddle::rv32
