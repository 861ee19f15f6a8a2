#include "schedule/splice.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "legalise/legalise.h"
#include "schedule/turn.h"

namespace heddle {
namespace {

size_t at(ValueId id) { return static_cast<size_t>(id.index); }

// Adds `reshape` to the same shape: the same elements, in a storage of their own.
NodeId add_copy(Graph& graph, ValueId x, const Storage& from, const Storage& to) {
  const std::optional<Turn> turn = turn_between(graph.value(x).type, from, to);
  Value value = graph.value(x);
  value.name += " (copy)";
  value.producer = {};
  value.consumers.clear();
  value.quantisation.reset();
  Node node{value.name, "reshape", {{"shape", value.type.shape}}, {x}, {}};
  if (turn) node.attributes["turn"] = int64_t{turn->words ? 4 : 1};
  node.output = graph.add_value(std::move(value));
  return graph.add_node(std::move(node));
}

// A condition asks whether a copy is a turn.
bool is_for_turns(const Rule& rule) {
  return std::any_of(rule.when.begin(), rule.when.end(), [](const Condition& condition) {
    const std::vector<std::string> names = names_in(condition.expr);
    return std::find(names.begin(), names.end(), "reshape.turn") != names.end();
  });
}

class Splicer {
 public:
  Splicer(const Graph& from, const Soc& soc, const std::vector<const Candidate*>& chosen,
          const std::vector<Conversion>& conversions)
      : from_(from), soc_(soc), chosen_(chosen), conversions_(conversions) {
    result_.values.resize(from.values.size());
    result_.copies.resize(conversions.size());
  }

  Result<Spliced> run() {
    Graph& graph = result_.graph;
    graph.name = from_.name;
    graph.dialect = from_.dialect;
    graph.notes = from_.notes;
    add_kept_values();
    for (const ValueId id : from_.inputs) graph.inputs.push_back(value(id));
    for (size_t c = 0; c < chosen_.size(); ++c) {
      for (size_t i = 0; i < conversions_.size(); ++i) {
        if (conversions_[i].readers.empty() || conversions_[i].readers.front() != c) continue;
        if (Status status = add_conversion(i); !status.ok()) return status.errors();
      }
      if (chosen_[c]->legalised != nullptr) {
        add_form(c);
      } else {
        add_as_it_is(c);
      }
    }
    for (const ValueId id : from_.outputs) graph.outputs.push_back(value(id));
    for (const State& state : from_.states)
      graph.states.push_back({value(state.input), value(state.output)});
    return std::move(result_);
  }

 private:
  // Where ids of the graph that a match speaks of have come to.
  struct Renumbering {
    std::map<NodeId, NodeId> nodes;
    std::map<ValueId, ValueId> values;

    Match match(Match match) const {
      for (NodeId& node : match.nodes) node = nodes.at(node);
      match.anchor = nodes.at(match.anchor);
      for (auto& [name, value] : match.bound) value = values.at(value);
      return match;
    }
  };

  ValueId value(ValueId imported) const { return result_.values[at(imported)]; }
  // What a candidate reads in place of an imported value.
  ValueId read(size_t candidate, ValueId imported) const {
    for (size_t i = 0; i < conversions_.size(); ++i) {
      const std::vector<size_t>& readers = conversions_[i].readers;
      if (conversions_[i].value == imported &&
          std::find(readers.begin(), readers.end(), candidate) != readers.end())
        return result_.copies[i];
    }
    return value(imported);
  }

  // Everything but what the legalised layers have inside, and constants that they alone read.
  void add_kept_values() {
    std::set<ValueId> kept(from_.inputs.begin(), from_.inputs.end());
    for (const Candidate* const candidate : chosen_) {
      if (candidate->legalised != nullptr) {
        for (const auto& [own, imported] : candidate->legalised->inputs) kept.insert(imported);
        kept.insert(candidate->legalised->output);
        continue;
      }
      for (const NodeId id : candidate->match.nodes) {
        const Node& node = from_.node(id);
        for (const ValueId input : node.inputs) {
          if (input.valid()) kept.insert(input);
        }
        kept.insert(node.output);
      }
    }
    for (const ValueId id : kept) {
      Value value = from_.value(id);
      value.producer = {};
      value.consumers.clear();
      result_.values[at(id)] = result_.graph.add_value(std::move(value));
    }
  }

  void add_step(const Candidate& candidate, Match match, std::optional<Tiling> tiling,
                int64_t cycles) {
    Step step;
    step.name = result_.graph.node(match.anchor).name;
    step.candidate = candidate;
    step.candidate.match = std::move(match);
    step.candidate.tiling = std::move(tiling);
    step.candidate.cycles = cycles;
    step.candidate.extras.clear();
    result_.steps.push_back(std::move(step));
  }

  // The nodes of `graph` with their inputs and outputs as `renumbering` says.
  void add_node(Node node, NodeId id, Renumbering& renumbering) {
    for (ValueId& input : node.inputs) {
      if (input.valid()) input = renumbering.values.at(input);
    }
    node.output = renumbering.values.at(node.output);
    renumbering.nodes[id] = result_.graph.add_node(std::move(node));
  }

  void add_as_it_is(size_t c) {
    const Candidate& candidate = *chosen_[c];
    Renumbering renumbering;
    for (const NodeId id : candidate.match.nodes) {
      const Node& node = from_.node(id);
      for (const ValueId input : node.inputs) {
        if (input.valid()) renumbering.values.emplace(input, read(c, input));
      }
      renumbering.values[node.output] = value(node.output);
    }
    for (const NodeId id : candidate.match.nodes) add_node(from_.node(id), id, renumbering);
    add_step(candidate, renumbering.match(candidate.match), candidate.tiling, candidate.cycles);
  }

  void add_form(size_t c) {
    const Candidate& candidate = *chosen_[c];
    const Legalised& form = *candidate.legalised;
    Renumbering renumbering;
    for (const auto& [own, imported] : form.inputs) renumbering.values[own] = read(c, imported);
    renumbering.values[form.graph.outputs.front()] = value(form.output);
    for (size_t v = 0; v < form.graph.values.size(); ++v) {
      const ValueId own{static_cast<int32_t>(v)};
      if (renumbering.values.contains(own)) continue;
      Value inner = form.graph.value(own);
      inner.producer = {};
      inner.consumers.clear();
      renumbering.values[own] = result_.graph.add_value(std::move(inner));
    }
    for (size_t n = 0; n < form.graph.nodes.size(); ++n) {
      const NodeId id{static_cast<int32_t>(n)};
      add_node(form.graph.node(id), id, renumbering);
    }
    int64_t job = candidate.cycles;
    for (const Extra& extra : candidate.extras) job -= extra.cycles;
    const auto add_extras = [&](bool before) {
      for (const Extra& extra : candidate.extras) {
        if (extra.before == before)
          add_step(candidate, renumbering.match(extra.match), std::nullopt, extra.cycles);
      }
    };
    add_extras(true);
    add_step(candidate, renumbering.match(candidate.match), candidate.tiling, job);
    add_extras(false);
  }

  Status add_conversion(size_t i) {
    const ValueId x = value(conversions_[i].value);
    const Storage &from = conversions_[i].from, &to = conversions_[i].to;
    Result<Extra> kernel = copy_kernel(soc_, from_.value(conversions_[i].value).type, from, to);
    if (!kernel.ok()) return kernel.errors();
    const NodeId id = add_copy(result_.graph, x, from, to);
    const ValueId copy = result_.graph.node(id).output;
    result_.copies[i] = copy;
    const Renumbering renumbering{{{NodeId{0}, id}}, {{ValueId{0}, x}, {ValueId{1}, copy}}};
    add_step({}, renumbering.match(kernel->match), std::nullopt, kernel->cycles);
    return Unit{};
  }

  const Graph& from_;
  const Soc& soc_;
  const std::vector<const Candidate*>& chosen_;
  const std::vector<Conversion>& conversions_;
  Spliced result_;
};

}  // namespace

Result<Spliced> splice(const Graph& graph, const Soc& soc,
                       const std::vector<const Candidate*>& chosen,
                       const std::vector<Conversion>& conversions) {
  const bool something =
      !conversions.empty() || std::any_of(chosen.begin(), chosen.end(), [](const Candidate* each) {
        return each->legalised != nullptr;
      });
  if (something) return Splicer(graph, soc, chosen, conversions).run();
  Spliced spliced;
  spliced.graph = graph;
  for (size_t v = 0; v < graph.values.size(); ++v)
    spliced.values.push_back(ValueId{static_cast<int32_t>(v)});
  for (const Candidate* const candidate : chosen)
    spliced.steps.push_back({*candidate, graph.node(candidate->match.anchor).name, 0, ""});
  return spliced;
}

Result<Extra> copy_kernel(const Soc& soc, const TensorType& type, const Storage& from,
                          const Storage& to) {
  Graph graph;
  Value x;
  x.type = type;
  graph.inputs = {graph.add_value(std::move(x))};
  graph.outputs = {graph.node(add_copy(graph, graph.inputs.front(), from, to)).output};
  std::optional<Extra> best;
  for (const Match& match : match_rules(graph, soc, Policy{}).accepted) {
    // A kernel generator may refuse what its rule accepts, unless the rule asks for turns; the generic one takes
    // everything.
    if (match.target >= 0 || (!rule_of(soc, match).kernel.empty() && !is_for_turns(rule_of(soc, match))))
      continue;
    const Result<int64_t> cycles = modelled_cycles(graph, soc, {match, std::nullopt, 0}, {});
    if (!cycles.ok()) return cycles.errors();
    if (!best || *cycles < best->cycles) best = Extra{match, *cycles, true};
  }
  if (best) return *best;
  return error_at({}, fmt::format("no rule of CPU flavour `{}` copies a value", soc.cpu.name),
                  "add a last rule `any` to it");
}

}  // namespace heddle
