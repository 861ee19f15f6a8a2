// Who spent the cycles: keeps the account of a run by samples, layers and units, and its time line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/description.h"
#include "sim/result.h"
#include "sim/unit.h"

namespace heddle::sim {

class Ledger {
 public:
  // The CPU's counters at a moment.
  struct Clock {
    uint64_t cycles = 0, instructions = 0;
  };

  // The description outlives the ledger.
  explicit Ledger(const Description& soc) : soc_(soc), tile_of_buffer_(soc.layers.size()) {}

  void enter_run(Clock now);
  void leave_run(Clock now);
  void enter_layer(size_t layer, Clock now);
  void leave_layer(Clock now);
  bool in_run() const { return run_.has_value(); }
  bool in_layer() const { return layer_.has_value(); }
  // Foreign text; empty: outside.
  std::string layer_name() const { return layer_ ? soc_.layers[layer_->index].name : ""; }

  // The CPU has loaded a unit's register at `now`, or stored to it or to another device (unit -1).
  void loaded(int unit, uint32_t offset, bool busy, uint64_t now);
  void stored();
  // The CPU stood still, in wfi or at a wait register.
  void stood_still(uint64_t from, uint64_t to);
  void started(size_t unit, const Job& job);

  // Leaves what is open, as a hazard within a layer needs it, and gives everything.
  void finish(Clock now, SimulationResult& result);

 private:
  struct Span {
    size_t index = 0;
    Clock start;
    CycleSplit split;
  };
  struct Poll {
    int unit;
    uint32_t offset;
    uint64_t since;
    uint64_t slept;  // counted already
  };

  CycleSplit new_split() const;
  CycleSplit* current();
  void wait(uint64_t from, uint64_t to, uint64_t counted);
  void close(Span& span, Clock now, bool driver, Clock inside);
  std::string label_and_tile(size_t unit, const Job& job, int64_t* tile);
  bool recording() const { return samples_.size() == 1 && run_.has_value(); }

  const Description& soc_;
  std::vector<SampleResult> samples_;
  std::vector<TimelineEvent> events_;
  std::optional<Clock> first_run_;
  std::optional<Span> run_, layer_;
  CycleSplit inside_;  // of the layers of the run so far
  std::optional<Poll> poll_;
  int64_t jobs_in_layer_ = 0;  // of accelerators
  // For each layer's buffers: the accelerator job that wrote them last.
  std::vector<std::vector<int64_t>> tile_of_buffer_;
};

}  // namespace heddle::sim
