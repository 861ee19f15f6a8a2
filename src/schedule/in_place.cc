#include "schedule/in_place.h"

#include <algorithm>
#include <set>

#include "ops/move.h"
#include "schedule/views.h"

namespace heddle {
namespace {

struct Place {
  Storage storage;
  int64_t offset_bytes = 0;  // from its host
  int64_t from_start = 0;    // from the memory that the host lies in
};

class Placer {
 public:
  Placer(const Graph& graph, const std::vector<const Match*>& steps, StorageOf& storage)
      : graph_(graph), steps_(steps), storage_(storage), readers_(graph.values.size()) {
    for (const Match* match : steps) {
      index_[match] = static_cast<int>(index_.size());
      writers_[match->output(graph)] = match;
      for (const NodeId id : match->nodes) {
        for (const ValueId input : graph.node(id).inputs) {
          if (!input.valid()) continue;
          std::vector<const Match*>& readers = readers_[static_cast<size_t>(input.index)];
          if (readers.empty() || readers.back() != match) readers.push_back(match);
        }
      }
    }
  }

  Aliases run() {
    // The last concat first: its parts may be concats themselves.
    for (size_t s = steps_.size(); s-- > 0;) {
      const Node* node = alone(*steps_[s]);
      if (node != nullptr && node->op == "concat") place_parts(*steps_[s], *node);
    }
    for (const Match* match : steps_) {
      const Node* node = alone(*match);
      if (node != nullptr && in_class(op_of(*node), "view")) place_view(*match, *node);
    }
    for (const State& state : graph_.states) place_state(state);
    return std::move(aliases_);
  }

 private:
  // The node of a CPU step of one node whose first operand is computed or given.
  const Node* alone(const Match& match) const {
    if (match.target >= 0 || match.nodes.size() != 1) return nullptr;
    return &graph_.node(match.nodes.front());
  }
  const TensorType& type(ValueId id) const { return graph_.value(id).type; }
  bool in_memory(ValueId id) const {
    return !graph_.value(id).constant && storage_.contains(id) &&
           (writers_.contains(id) || !graph_.value(id).producer.valid());
  }
  bool hosts(ValueId id) const { return hosts_.contains(id); }

  bool is_kept(ValueId id) const {
    return std::any_of(graph_.states.begin(), graph_.states.end(),
                       [&](const State& state) { return state.output == id; });
  }
  std::vector<ValueId> inside(ValueId host) const {  // the value itself too
    std::vector<ValueId> values{host};
    for (const auto& [value, alias] : aliases_) {
      if (resolved(aliases_, value).host == host) values.push_back(value);
    }
    return values;
  }

  // Whether the concat shifts a ring buffer: its first part is a later part of the state that it
  // makes. Copied from the front to the back, into the same memory, no element is overwritten before
  // it is read, if no other part needs the old elements and none is written early.
  bool shifts_ring(const Node& concat) const {
    const Node* slice = producer_of(concat.inputs[0]);
    if (concat.op != "concat" || slice == nullptr || slice->op != "slice") return false;
    const std::vector<int64_t>& steps = list_attribute({graph_, *slice}, "steps");
    const ValueId in = slice->inputs[0];
    return std::all_of(steps.begin(), steps.end(), [](int64_t step) { return step > 0; }) &&
           type(in).dtype == type(concat.output).dtype &&
           std::none_of(concat.inputs.begin() + 1, concat.inputs.end(),
                        [&](ValueId part) {
                          return part == concat.inputs[0] || resolved(aliases_, part).host == in;
                        }) &&
           std::any_of(graph_.states.begin(), graph_.states.end(), [&](const State& state) {
             return state.input == in && state.output == concat.output &&
                    type(in).shape == type(concat.output).shape;
           });
  }
  const Node* producer_of(ValueId id) const {
    const NodeId producer = graph_.value(id).producer;
    return producer.valid() ? &graph_.node(producer) : nullptr;
  }

  // A state of equal shapes is one memory if all that reads the old elements is done before the
  // first new one is written.
  void place_state(const State& state) {
    const ValueId in = state.input, out = state.output;
    if (aliases_.contains(in) || aliases_.contains(out) || type(in).shape != type(out).shape) return;
    int last_read = -1, first_write = static_cast<int>(steps_.size());
    for (const ValueId value : inside(in)) {
      if (graph_.is_output(value)) return;  // read at the very end
      for (const Match* reader : readers_[static_cast<size_t>(value.index)])
        last_read = std::max(last_read, index_.at(reader));
    }
    for (const ValueId value : inside(out)) {
      const auto writer = writers_.find(value);
      first_write = std::min(first_write, writer == writers_.end() ? -1 : index_.at(writer->second));
    }
    Place place{storage_.at(out), 0, 0};
    const bool same =
        same_places(type(in).shape, storage_.at(in).strides, place.storage.strides);
    const Match* writer = writers_.contains(out) ? writers_.at(out) : nullptr;
    const Node* node = writer == nullptr ? nullptr : alone(*writer);
    if (node != nullptr && shifts_ring(*node) && last_read == first_write) --last_read;
    if (last_read < first_write && (same || !hosts(in)) && fits(in, out, place, nullptr))
      set(in, out, place);
  }

  // Whether the step can read or write the value at such a place.
  bool accepts(const Match& match, ValueId value, const Place& place) const {
    if (match.target >= 0) {
      const Storage& chosen = storage_.at(value);
      return place.from_start == 0 && place.storage.bytes == chosen.bytes &&
             same_places(type(value).shape, place.storage.strides, chosen.strides);
    }
    const Node& anchor = graph_.node(match.nodes.front());
    if (op_of(anchor).c_body({graph_, anchor}).block.empty()) return true;
    const Shape& shape = type(value).shape;
    return shape.empty() || shape.back() == 1 || place.storage.strides.back() == 1;
  }
  // `but`: the step that the place is meant to spare.
  bool fits(ValueId value, ValueId host, Place& place, const Match* but) const {
    place.from_start = resolved(aliases_, host).offset_bytes + place.offset_bytes;
    const auto writer = writers_.find(value);
    if (writer != writers_.end() && writer->second != but && !accepts(*writer->second, value, place))
      return false;
    const std::vector<const Match*>& readers = readers_[static_cast<size_t>(value.index)];
    return std::all_of(readers.begin(), readers.end(), [&](const Match* reader) {
      return reader == but || accepts(*reader, value, place);
    });
  }
  void set(ValueId value, ValueId host, const Place& place) {
    Storage& storage = storage_[value];
    const bool same = same_places(type(value).shape, storage.strides, place.storage.strides);
    if (!same || storage.bytes != place.storage.bytes) storage = place.storage;
    aliases_[value] = {host, place.offset_bytes};
    hosts_.insert(host);
  }

  void place_parts(const Match& match, const Node& node) {
    if (shifts_ring(node)) return;
    const LoopNest nest = op_of(node).loops({graph_, node});
    const std::vector<int64_t>& strides = storage_.at(node.output).strides;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId part = node.inputs[i];
      if (!in_memory(part) || aliases_.contains(part) || hosts(part) || is_kept(part) ||
          type(part).dtype != type(node.output).dtype ||
          std::count(node.inputs.begin(), node.inputs.end(), part) != 1)
        continue;
      Place place{strided(type(part), strides), 0, 0};
      for (size_t d = 0; d < strides.size(); ++d)
        place.offset_bytes -= nest.inputs[i][d].offset * strides[d] * bytes_of(type(part).dtype);
      if (fits(part, node.output, place, &match)) set(part, node.output, place);
    }
  }

  void place_view(const Match& match, const Node& node) {
    const ValueId x = node.inputs[0], y = node.output;
    if (!in_memory(x) || !in_memory(y)) return;
    // What a state keeps is memory of its own.
    if (!aliases_.contains(y) && !hosts(y) && !is_kept(y)) {
      const std::optional<Seen> seen = seen_through(graph_, node, storage_.at(x));
      Place place = seen ? Place{seen->storage, seen->offset_bytes, 0} : Place{};
      if (seen && fits(y, x, place, &match)) return set(y, x, place);
    }
    // The other way round: the operand is written where its view must lie.
    if (aliases_.contains(x) || hosts(x) || is_kept(x)) return;
    const std::optional<Storage> wanted = wanted_behind(graph_, node, storage_.at(y));
    Place place = wanted ? Place{*wanted, 0, 0} : Place{};
    if (wanted && fits(x, y, place, &match)) set(x, y, place);
  }

  const Graph& graph_;
  const std::vector<const Match*>& steps_;
  StorageOf& storage_;
  std::map<ValueId, const Match*> writers_;
  std::map<const Match*, int> index_;  // into steps_
  std::vector<std::vector<const Match*>> readers_;  // by value
  Aliases aliases_;
  std::set<ValueId> hosts_;
};

}  // namespace

Alias resolved(const Aliases& aliases, ValueId value) {
  Alias at{value, 0};
  for (auto next = aliases.find(value); next != aliases.end(); next = aliases.find(at.host))
    at = {next->second.host, at.offset_bytes + next->second.offset_bytes};
  return at;
}

Aliases place_in_others(const Graph& graph, const std::vector<const Match*>& steps,
                        StorageOf& storage) {
  return Placer(graph, steps, storage).run();
}

KeptPlace kept_place(const Graph& graph, const Aliases& aliases, const StorageOf& storage,
                     const State& state) {
  const TensorType& in = graph.value(state.input).type;
  const TensorType& out = graph.value(state.output).type;
  const std::vector<int64_t>& strides = storage.at(state.output).strides;
  KeptPlace kept;
  for (size_t d = 0; d < strides.size(); ++d)
    kept.first_element += (out.shape[d] - in.shape[d]) * strides[d];
  const Alias from = resolved(aliases, state.output), to = resolved(aliases, state.input);
  const bool stays =
      from.host == to.host &&
      from.offset_bytes + kept.first_element * bytes_of(out.dtype) == to.offset_bytes &&
      same_places(in.shape, strides, storage.at(state.input).strides);
  kept.bytes_moved = stays ? 0 : elements_of(in.shape) * bytes_of(in.dtype);
  return kept;
}

bool needs_no_code(const Graph& graph, const Aliases& aliases, const Match& match) {
  if (match.target >= 0 || match.nodes.size() != 1) return false;
  const Node& node = graph.node(match.nodes.front());
  const auto lies_in = [&](ValueId value, ValueId host) {
    const auto found = aliases.find(value);
    return found != aliases.end() && found->second.host == host;
  };
  if (in_class(op_of(node), "view"))
    return lies_in(node.output, node.inputs[0]) || lies_in(node.inputs[0], node.output);
  return node.op == "concat" &&
         std::all_of(node.inputs.begin(), node.inputs.end(),
                     [&](ValueId part) { return lies_in(part, node.output); });
}

}  // namespace heddle
