#include "schedule/tile_memo.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "tiler/best_tiling.h"

namespace heddle {
namespace {

std::string text_of(const Attribute& attribute) {
  return std::visit([](const auto& value) { return fmt::format("{}", value); }, attribute);
}

std::string text_of(const ExprValue& value) {
  return std::visit([](const auto& v) { return fmt::format("{}", v); }, value);
}

// How the operands lie.
std::string stored_text(const Graph& graph, const Match& match, const StorageOf& storage) {
  std::string text;
  for (const auto& [operand, id] : match.bound) {
    const auto stored = graph.value(id).constant ? storage.end() : storage.find(id);
    text += '\n';
    if (stored == storage.end()) continue;
    text += fmt::format("at {} {} {}", fmt::join(stored->second.strides, ","),
                        stored->second.bytes, stored->second.memory);
  }
  return text;
}

int64_t held(const Taken& taken, const std::string& memory) {
  const auto found = taken.find(memory);
  return found == taken.end() ? 0 : found->second;
}

// Whether what was found with `less` taken is the answer with `more` too.
bool holds(const Soc& soc, const Match& match, const StorageOf& storage, const Taken& less,
           const std::optional<Tiling>& tiling, const Taken& more) {
  for (const Memory& memory : soc.memories) {
    if (held(less, memory.name) > held(more, memory.name)) return false;
    if (!tiling || held(more, memory.name) == held(less, memory.name)) continue;
    int64_t bytes = held(more, memory.name) + tiling->bytes_in(memory.name);
    std::set<ValueId> own;
    for (const auto& [operand, value] : match.bound) {
      const auto stored = storage.find(value);
      if (stored != storage.end() && stored->second.memory == memory.name &&
          own.insert(value).second)
        bytes += resident_bytes(soc, stored->second);
    }
    if (bytes > memory.bytes) return false;
  }
  return true;
}

}  // namespace

// The first operator and its sizes, what the operands are, and what the rule's expressions ask of the
// rest.
std::string TileMemo::signature(const Graph& graph, const Soc& soc, const Match& match) {
  const Rule& rule = rule_of(soc, match);
  const Node& anchor = graph.node(match.anchor);
  std::string text = fmt::format("{}/{} {}", match.target, match.rule, anchor.op);
  for (const auto& [name, value] : anchor.attributes)
    text += fmt::format(" {}={}", name, text_of(value));
  for (const ValueId input : anchor.inputs) {
    text +=
        input.valid() ? fmt::format(" {}", fmt::join(graph.value(input).type.shape, "x")) : " -";
  }
  for (size_t o = 0; o < match.bound.size(); ++o) {
    const auto& [operand, id] = match.bound[o];
    const Value& value = graph.value(id);
    size_t first = 0;  // operands may be one value
    while (match.bound[first].second != id) ++first;
    text += fmt::format("\n{} {} {} {}", operand, first, name_of(value.type.dtype),
                        fmt::join(value.type.shape, "x"));
  }
  std::set<std::string> names;
  const auto ask = [&](const Expr& expr) {
    for (const std::string& name : names_in(expr))
      names.insert(name.starts_with("layer.") ? name.substr(6) : name);
  };
  ask(rule.launch);
  ask(rule.compute);
  for (const Condition& condition : rule.require) ask(condition.expr);
  for (const Preference& preference : rule.prefer) ask(preference.expr);
  const Environment environment = layer_environment(graph, soc, match);
  for (const std::string& name : names) {
    if (const std::optional<ExprValue> value = environment(name))
      text += fmt::format("\n{}={}", name, text_of(*value));
  }
  return text;
}

int64_t resident_bytes(const Soc& soc, const Storage& storage) {
  const int64_t unit = tile_alignment(soc);
  return (storage.bytes + unit - 1) / unit * unit;
}

const Tiling* TileMemo::find(const Graph& graph, const Soc& soc, const Match& match,
                             const StorageOf& storage, const Taken& taken) {
  return find(signature(graph, soc, match), graph, soc, match, storage, taken);
}

const Tiling* TileMemo::find(const std::string& signed_as, const Graph& graph, const Soc& soc,
                             const Match& match, const StorageOf& storage, const Taken& taken) {
  std::vector<std::unique_ptr<Entry>>& entries =
      known_[signed_as + stored_text(graph, match, storage)];
  // With nothing taken first: that often settles all.
  for (const Taken& solve : {Taken{}, taken}) {
    for (const std::unique_ptr<Entry>& entry : entries) {
      if (holds(soc, match, storage, entry->taken, entry->tiling, taken))
        return entry->tiling ? &*entry->tiling : nullptr;
    }
    const bool asked = std::any_of(entries.begin(), entries.end(),
                                   [&](const auto& entry) { return entry->taken == solve; });
    if (asked) continue;
    ++solved_;
    entries.push_back(
        std::make_unique<Entry>(Entry{solve, best_tiling(graph, soc, match, storage, solve)}));
  }
  const Entry& last = *entries.back();
  return last.tiling ? &*last.tiling : nullptr;
}

void TileMemo::add(const Graph& graph, const Soc& soc, const Match& match, const StorageOf& storage,
                   const Tiling& tiling) {
  std::vector<std::unique_ptr<Entry>>& entries =
      known_[signature(graph, soc, match) + stored_text(graph, match, storage)];
  const bool known =
      std::any_of(entries.begin(), entries.end(), [](const auto& e) { return e->taken.empty(); });
  if (!known) entries.push_back(std::make_unique<Entry>(Entry{{}, tiling}));
}

}  // namespace heddle
