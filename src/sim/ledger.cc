#include "sim/ledger.h"

#include <algorithm>

namespace heddle::sim {
namespace {

void add(CycleSplit& sum, const CycleSplit& part) {
  sum.cycles += part.cycles;
  sum.compute += part.compute;
  sum.driver += part.driver;
  sum.waiting += part.waiting;
  sum.instructions += part.instructions;
  for (size_t u = 0; u < part.units.size(); ++u) {
    sum.units[u].cycles += part.units[u].cycles;
    sum.units[u].jobs += part.units[u].jobs;
  }
}

}  // namespace

CycleSplit Ledger::new_split() const {
  CycleSplit split;
  split.units.resize(soc_.units.size());
  return split;
}

CycleSplit* Ledger::current() {
  if (layer_) return &layer_->split;
  return run_ ? &run_->split : nullptr;
}

void Ledger::enter_run(Clock now) {
  if (run_) leave_run(now);
  if (!first_run_) first_run_ = now;
  run_ = Span{0, now, new_split()};
  inside_ = new_split();
  poll_.reset();
  SampleResult sample;
  sample.start = now.cycles;
  for (const LayerDescription& layer : soc_.layers) {
    sample.layers.push_back({layer.name, layer.target, layer.rule, layer.macs,
                             layer.modelled_cycles, layer.tiles, 0, new_split()});
  }
  samples_.push_back(std::move(sample));
}

// What is not waiting is driver or compute; `inside` belongs to others.
void Ledger::close(Span& span, Clock now, bool driver, Clock inside) {
  CycleSplit& split = span.split;
  split.cycles = now.cycles - span.start.cycles - inside.cycles;
  split.instructions = now.instructions - span.start.instructions - inside.instructions;
  (driver ? split.driver : split.compute) = split.cycles - split.waiting;
}

void Ledger::leave_run(Clock now) {
  if (!run_) return;
  if (layer_) leave_layer(now);
  close(*run_, now, false, {inside_.cycles, inside_.instructions});
  SampleResult& sample = samples_.back();
  sample.outside = run_->split;
  sample.total = inside_;
  add(sample.total, sample.outside);
  run_.reset();
  poll_.reset();
}

void Ledger::enter_layer(size_t layer, Clock now) {
  if (!run_) return;
  if (layer_) leave_layer(now);
  layer_ = Span{layer, now, new_split()};
  jobs_in_layer_ = 0;
  tile_of_buffer_[layer].assign(soc_.layers[layer].buffers.size(), -1);
  poll_.reset();
}

void Ledger::leave_layer(Clock now) {
  if (!layer_) return;
  const LayerDescription& described = soc_.layers[layer_->index];
  close(*layer_, now, !soc_.on_cpu(described), {});
  if (recording())
    events_.push_back({EventKind::layer, -1, layer_->start.cycles, now.cycles,
                       static_cast<int>(layer_->index), -1, described.name});
  LayerResult& result = samples_.back().layers[layer_->index];
  result.start = layer_->start.cycles;
  result.split = std::move(layer_->split);
  add(inside_, result.split);
  layer_.reset();
  poll_.reset();
}

// [from, to) is waiting, of which `counted` cycles, at its end or inside, are counted already.
void Ledger::wait(uint64_t from, uint64_t to, uint64_t counted) {
  CycleSplit* const split = current();
  if (split == nullptr || from == to) return;
  split->waiting += to - from - counted;
  if (!recording()) return;
  const int layer = layer_ ? static_cast<int>(layer_->index) : -1;
  // Pieces that are inside this one, or end where it starts, become one bar with it.
  while (!events_.empty() && events_.back().kind == EventKind::wait &&
         events_.back().layer == layer && events_.back().end >= from) {
    from = std::min(from, events_.back().start);
    events_.pop_back();
  }
  events_.push_back({EventKind::wait, -1, from, to, layer, -1, "wait"});
}

void Ledger::loaded(int unit, uint32_t offset, bool busy, uint64_t now) {
  const bool again = poll_ && poll_->unit == unit && poll_->offset == offset;
  if (again) wait(poll_->since, now, poll_->slept);
  poll_.reset();
  if (busy) poll_ = Poll{unit, offset, now, 0};
}

void Ledger::stored() { poll_.reset(); }

void Ledger::stood_still(uint64_t from, uint64_t to) {
  wait(from, to, 0);
  if (poll_) poll_->slept += to - from;
}

// Which tile a transfer or job belongs to, and what it is called.
std::string Ledger::label_and_tile(size_t unit, const Job& job, int64_t* tile) {
  *tile = -1;
  if (!layer_) return soc_.units[unit].kind == UnitKind::dma ? "transfer" : "job";
  const LayerDescription& layer = soc_.layers[layer_->index];
  std::vector<int64_t>& tiles = tile_of_buffer_[layer_->index];
  const auto touches = [](const Regions& regions, const Region& buffer) {
    return first_common(regions, buffer.address, buffer.bytes).bytes > 0;
  };
  if (soc_.units[unit].kind == UnitKind::accelerator) {
    *tile = jobs_in_layer_++;
    for (size_t b = 0; b < layer.buffers.size(); ++b) {
      if (touches(job.writes, layer.buffers[b].region)) tiles[b] = *tile;
    }
    return layer.rule;
  }
  for (size_t b = 0; b < layer.buffers.size(); ++b) {
    if (!touches(job.writes, layer.buffers[b].region)) continue;
    *tile = jobs_in_layer_;  // of the job that comes next
    return "load " + layer.buffers[b].operand;
  }
  for (size_t b = 0; b < layer.buffers.size(); ++b) {
    if (!touches(job.reads, layer.buffers[b].region)) continue;
    *tile = tiles[b];
    return "store " + layer.buffers[b].operand;
  }
  return "transfer";
}

void Ledger::started(size_t unit, const Job& job) {
  CycleSplit* const split = current();
  if (split == nullptr) return;
  split->units[unit].cycles += job.end - job.start;
  ++split->units[unit].jobs;
  int64_t tile = -1;
  std::string label = label_and_tile(unit, job, &tile);
  if (!recording()) return;
  events_.push_back({EventKind::job, static_cast<int>(unit), job.start, job.end,
                     layer_ ? static_cast<int>(layer_->index) : -1, tile, std::move(label)});
}

void Ledger::finish(Clock now, SimulationResult& result) {
  leave_run(now);
  const Clock setup = first_run_.value_or(now);
  result.setup_cycles = setup.cycles;
  result.setup_instructions = setup.instructions;
  result.samples = std::move(samples_);
  // A layer is known at its end, but stands before what happens in it.
  std::stable_sort(events_.begin(), events_.end(), [](const auto& a, const auto& b) {
    return std::pair(a.start, a.kind) < std::pair(b.start, b.kind);
  });
  result.events = std::move(events_);
}

}  // namespace heddle::sim
