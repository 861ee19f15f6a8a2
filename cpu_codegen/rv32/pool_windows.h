// Which part of the image the windows of a pool see.
#pragma once

#include <optional>
#include <string>
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

// floor(sum / count + 1/2) without a division, which takes an RV32 tens of cycles: as
// ((sum + add) * factor >> shift) - less, where the sum in parentheses is not negative and its
// product fits 32 bits without a sign.
struct Quotient {
  int64_t add = 0, factor = 0, shift = 0, less = 0;
};

// None where no factor is exact for every sum of the range. Precondition: count > 0.
std::optional<Quotient> quotient_of(const Range& sums, int64_t count);

// What a mean of `count` elements in the image and the padding around them is divided by.
int64_t count_of(const Pool& pool, int64_t count);

// The mean in C, of the sum `value`.
std::string mean_of(const Pool& pool, int64_t count);

}  // namespace heddle::rv32
