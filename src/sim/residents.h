// Values at home in memories that units share: nobody but their own layers may write them while they
// live, and nobody reads them before.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/description.h"
#include "sim/hazard.h"

namespace heddle::sim {

class Residents {
 public:
  struct Wrong {
    HazardKind kind = HazardKind::overwritten;
    Region region;
    std::string text, remedy;
  };

  // The description outlives this object.
  explicit Residents(const Description& soc)
      : soc_(soc), written_(soc.residents.size(), false) {}

  void enter_run() { written_.assign(soc_.residents.size(), false), position_.reset(); }
  void enter_layer(size_t layer) { position_ = layer, in_layer_ = true; }
  void leave_layer() { in_layer_ = false; }

  // What a unit's job reads and writes, or the CPU (`unit` is empty); to be called in the order of
  // their starts.
  std::optional<Wrong> access(const std::string& unit, const Regions& reads, const Regions& writes);

 private:
  bool may_write(const ResidentDescription& resident, const std::string& unit) const;

  const Description& soc_;
  std::vector<bool> written_;  // since the run began
  std::optional<size_t> position_;  // the last layer that was entered
  bool in_layer_ = false;
};

}  // namespace heddle::sim
