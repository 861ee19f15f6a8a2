// Which tensors must have one scale: the operands of a sum, what is moved, pooled or joined.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "requantize/meaning.h"

namespace heddle::requantizing {

// scale of a tensor = ratio * scale of its group.
struct Member {
  ValueId tensor;
  double ratio = 1;
};

struct ScaleGroups {
  std::vector<std::vector<Member>> groups;  // in the order of their first tensor
  std::map<ValueId, size_t> group_of;

  const Member& member(ValueId tensor) const;
};

// Errors: layers whose operands would need two scales at once.
Result<ScaleGroups> scale_groups(const RealNetwork& network, const std::string& file);

}  // namespace heddle::requantizing
