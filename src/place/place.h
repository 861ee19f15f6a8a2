// Static placement of buffers by lifetime. Addresses are offsets in one memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"

namespace heddle {

// Live from step `first` to step `last`, both inclusive.
struct Buffer {
  std::string name;
  ValueId value;  // invalid: the scratch memory of step `first`
  int64_t bytes = 0;
  int64_t alignment = 16;  // a power of two
  int first = 0;
  int last = 0;
  int64_t offset = -1;  // set by place()
  // Index of the buffer in whose memory this one lies: a view that is read in place, a part of a
  // concat. Nothing is moved.
  int shares = -1;
  int64_t share_offset = 0;  // from the start of that buffer
};

struct Placement {
  std::vector<Buffer> buffers;
  int64_t peak_bytes = 0;
  int64_t lower_bound_bytes = 0;  // largest sum of live bytes at one step
  int peak_step = 0;
};

// Hill climbing over placement orders until the lower bound is met or 2,000 tries pass;
// deterministic (fixed seed). A buffer that shares lives where the other one does, which stays for
// the longer of both.
Placement place(std::vector<Buffer> buffers);

// Independent of place(): empty if no two live buffers overlap (those that share aside) and offsets
// are aligned, else what is wrong.
std::vector<std::string> check_placement(const Placement& placement);

}  // namespace heddle
