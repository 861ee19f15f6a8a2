#include "schedule/assign.h"

#include <algorithm>
#include <array>
#include <map>

namespace heddle {
namespace {

size_t at(int index) { return static_cast<size_t>(index); }

constexpr uint32_t kAnyForm = 1u << 30;  // some main-memory form: nobody has cared yet

// After the first nodes are passed.
struct State {
  int last_target = -2;       // of the last step; only where switches count
  std::vector<int> progress;  // of each forbidden run: how many of its choices the last steps made
  std::vector<int> pending;   // passed nodes that no item covers yet, ascending
  std::vector<std::pair<int, uint32_t>> held;  // live values, ascending, and the set of their forms
  auto operator<=>(const State&) const = default;
};

struct Edge {
  int from = -1, to = -1;  // states of this node and the next
  AssignCost cost;
  AssignStep step;  // item -1: the node is left pending
};

struct Best {
  AssignCost cost;
  int edge = -1;  // into the edges that lead here
};

class Search {
 public:
  explicit Search(const AssignProblem& problem) : p_(problem), ending_(at(problem.nodes)) {
    for (size_t i = 0; i < p_.items.size(); ++i)
      ending_[at(p_.items[i].nodes.back())].push_back(static_cast<int>(i));
  }

  // False: the states that were kept have no way on, though others may have.
  bool run(size_t max_states, Assignment& result) {
    layers_.assign(at(p_.nodes) + 1, {});
    costs_.assign(at(p_.nodes) + 1, {});
    edges_.assign(at(p_.nodes) + 1, {});
    State start;
    start.progress.assign(p_.forbidden.size(), 0);
    for (size_t v = 0; v < p_.values.size(); ++v) {
      if (p_.values[v].given && !p_.values[v].consumers.empty())
        start.held.emplace_back(static_cast<int>(v), kAnyForm);
    }
    layers_[0] = {start};
    costs_[0] = {{}};
    for (const auto& [value, held] : start.held) costs_[0][0].cost += give(value, -1);
    for (node_ = 0; node_ < p_.nodes; ++node_) {
      next_.clear();
      for (size_t s = 0; s < layers_[at(node_)].size(); ++s) expand(static_cast<int>(s));
      if (next_.empty()) {
        result.uncovered = uncovered();
        return result.optimal;
      }
      keep(max_states, result);
    }
    read_back(result);
    margins(result);
    return true;
  }

 private:
  bool pending(const State& state, int node) const {
    return std::binary_search(state.pending.begin(), state.pending.end(), node);
  }

  void expand(int from) {
    const State& state = layers_[at(node_)][at(from)];
    State waits = state;
    waits.pending.push_back(node_);
    if (can_end(waits)) reach(from, std::move(waits), {}, {});
    for (const int item : ending_[at(node_)]) {
      const std::vector<int>& nodes = p_.items[at(item)].nodes;
      if (std::all_of(nodes.begin(), nodes.end() - 1, [&](int n) { return pending(state, n); }))
        read(from, item);
    }
  }

  // Whether every pending node may still be covered.
  bool can_end(const State& state) {
    return std::all_of(state.pending.begin(), state.pending.end(), [&](int open) {
      return std::any_of(covering(open).begin(), covering(open).end(), [&](int item) {
        const std::vector<int>& nodes = p_.items[at(item)].nodes;
        return nodes.back() > node_ && std::all_of(nodes.begin(), nodes.end(), [&](int n) {
                 return n > node_ || pending(state, n);
               });
      });
    });
  }

  // Every way to run the item now.
  void read(int from, int item) {
    AssignStep step;
    step.choice.item = item;
    read_next(from, layers_[at(node_)][at(from)], step, 0);
  }
  void read_next(int from, const State& state, const AssignStep& step, size_t operand) {
    const AssignItem& item = p_.items[at(step.choice.item)];
    if (operand == item.reads.size()) return write(from, state, step);
    const AssignOperand& read = item.reads[operand];
    const auto found = std::lower_bound(state.held.begin(), state.held.end(),
                                        std::make_pair(read.value, uint32_t{0}));
    if (found == state.held.end() || found->first != read.value) return;
    const size_t place = static_cast<size_t>(found - state.held.begin());
    const uint32_t held = found->second;
    if (read.any) {
      const std::vector<int> forms = main_forms(read.value);
      const bool in_main = held == kAnyForm || std::any_of(forms.begin(), forms.end(), [&](int f) {
                             return (held >> f & 1) != 0;
                           });
      if (!in_main) return;
      AssignStep extended = step;
      extended.choice.reads.push_back(-1);
      return read_next(from, state, extended, operand + 1);
    }
    for (const int form : read.forms) {
      const bool in_main = p_.values[at(read.value)].forms[at(form)].memory < 0;
      const auto take = [&](uint32_t forms, const std::optional<AssignConversion>& conversion) {
        State then = state;
        then.held[place].second = forms | 1u << form;
        AssignStep extended = step;
        extended.choice.reads.push_back(form);
        if (held == kAnyForm && p_.values[at(read.value)].given)
          extended.given_cost += give(read.value, conversion ? conversion->from : form) -
                                 give(read.value, -1);
        if (conversion) {
          extended.conversions.push_back(*conversion);
          extended.conversion_cost += *convert(read.value, conversion->from, form);
        }
        read_next(from, then, extended, operand + 1);
      };
      if (held == kAnyForm) {
        if (!in_main) continue;
        take(0, std::nullopt);
        // A form that is wanted later may be the better one to start from.
        for (const int other : main_forms(read.value)) {
          const std::optional<int64_t> there = convert(read.value, other, form);
          const std::optional<int64_t> back = convert(read.value, form, other);
          if (other != form && there && (!back || *there < *back))
            take(1u << other, AssignConversion{read.value, other, form});
        }
      } else if ((held >> form & 1) != 0) {
        take(held, std::nullopt);
      } else if (const auto conversion =
                     in_main ? cheapest(read.value, held, form) : std::nullopt) {
        take(held, conversion);
      }
    }
  }

  std::vector<int> main_forms(int value) const {
    std::vector<int> found;
    const std::vector<ValueForm>& forms = p_.values[at(value)].forms;
    for (size_t f = 0; f < forms.size(); ++f) {
      if (forms[f].memory < 0) found.push_back(static_cast<int>(f));
    }
    return found;
  }
  std::optional<AssignConversion> cheapest(int value, uint32_t held, int to) {
    std::optional<AssignConversion> best;
    for (const int form : main_forms(value)) {
      if ((held >> form & 1) == 0) continue;
      const std::optional<int64_t> cost = convert(value, form, to);
      if (cost && (!best || *cost < *convert(value, best->from, to)))
        best = AssignConversion{value, form, to};
    }
    return best;
  }

  // `state`: operands read; the result is still to come.
  void write(int from, const State& state, const AssignStep& step) {
    const AssignItem& item = p_.items[at(step.choice.item)];
    std::vector<int64_t> others(p_.memory_bytes.size(), 0), all(others);
    for (const auto& [value, held] : state.held) {
      const bool own =
          std::any_of(item.reads.begin(), item.reads.end(),
                      [&, id = value](const AssignOperand& o) { return o.value == id; });
      add_residents(value, held, all);
      if (!own) add_residents(value, held, others);
    }
    for (const int form : results(item)) {
      const uint32_t made = form < 0 ? kAnyForm : 1u << form;
      std::vector<int64_t> used = all;
      add_residents(item.result.value, made, used);
      if (!std::equal(used.begin(), used.end(), p_.memory_bytes.begin(), std::less_equal<>()))
        continue;
      AssignStep written = step;
      written.choice.result = form;
      written.taken = others;
      const std::optional<int64_t> cost = cost_of(written.choice, others);
      if (!cost) continue;
      written.cost = *cost;
      State then = state;
      if (!advance(then.progress, written.choice)) continue;
      AssignCost more{0, *cost + written.conversion_cost + written.given_cost,
                      1 + static_cast<int64_t>(written.conversions.size()), item.rank};
      if (p_.count_switches) {
        more.switches = state.last_target != -2 && state.last_target != item.target;
        then.last_target = item.target;
      }
      std::erase_if(then.pending, [&](int n) {
        return std::binary_search(item.nodes.begin(), item.nodes.end(), n);
      });
      if (!can_end(then)) continue;
      const auto place = std::lower_bound(then.held.begin(), then.held.end(),
                                          std::make_pair(item.result.value, uint32_t{0}));
      then.held.insert(place, {item.result.value, made});
      std::erase_if(then.held, [&](const auto& held) { return !live(then, held.first); });
      reach(from, std::move(then), more, std::move(written));
    }
  }

  static std::vector<int> results(const AssignItem& item) {
    return item.result.any ? std::vector<int>{-1} : item.result.forms;
  }

  void add_residents(int value, uint32_t held, std::vector<int64_t>& bytes) const {
    if (held == kAnyForm) return;
    const std::vector<ValueForm>& forms = p_.values[at(value)].forms;
    for (size_t f = 0; f < forms.size(); ++f) {
      if ((held >> f & 1) != 0 && forms[f].memory >= 0)
        bytes[at(forms[f].memory)] += forms[f].bytes;
    }
  }

  bool live(const State& state, int value) const {
    const std::vector<int>& consumers = p_.values[at(value)].consumers;
    return std::any_of(consumers.begin(), consumers.end(),
                       [&](int n) { return n > node_ || pending(state, n); });
  }

  // False: the choice completes a forbidden run. Items occur once, so a run has one place to begin.
  bool advance(std::vector<int>& progress, const AssignChoice& choice) const {
    for (size_t k = 0; k < progress.size(); ++k) {
      const std::vector<AssignChoice>& run = p_.forbidden[k];
      if (run[at(progress[k])] != choice) progress[k] = 0;
      if (run[at(progress[k])] == choice && ++progress[k] == static_cast<int>(run.size()))
        return false;
    }
    return true;
  }

  void reach(int from, State state, const AssignCost& cost, AssignStep step) {
    std::vector<Edge>& edges = edges_[at(node_)];
    const AssignCost total = costs_[at(node_)][at(from)] + cost;
    const auto [entry, is_new] =
        next_.try_emplace(std::move(state), static_cast<int>(next_.size()));
    if (is_new) reached_.resize(next_.size());
    Best& best = reached_[at(entry->second)];
    if (is_new || total < best.cost) best = {total, static_cast<int>(edges.size())};
    edges.push_back({from, entry->second, cost, std::move(step)});
  }

  // The states of the next node, the most promising ones if there are too many.
  void keep(size_t max_states, Assignment& result) {
    std::vector<std::pair<const State*, int>> states;
    for (const auto& [state, index] : next_) states.emplace_back(&state, index);
    result.states += static_cast<int64_t>(states.size());
    if (states.size() > max_states) {
      const auto promise = [&](const std::pair<const State*, int>& s) {
        return reached_[at(s.second)].cost.cost + to_come(*s.first);
      };
      std::vector<std::pair<int64_t, size_t>> order;
      for (size_t s = 0; s < states.size(); ++s) order.emplace_back(promise(states[s]), s);
      std::sort(order.begin(), order.end());
      const int64_t dropped = order[max_states].first;
      result.lower_bound = result.optimal ? dropped : std::min(result.lower_bound, dropped);
      result.optimal = false;
      order.resize(max_states);
      std::sort(order.begin(), order.end(),
                [](const auto& a, const auto& b) { return a.second < b.second; });
      std::vector<std::pair<const State*, int>> best;
      for (const auto& [bound, s] : order) best.push_back(states[s]);
      states = std::move(best);
    }
    std::vector<int> place(next_.size(), -1);
    std::vector<Best> kept;
    for (const auto& [state, index] : states) {
      place[at(index)] = static_cast<int>(kept.size());
      layers_[at(node_) + 1].push_back(*state);
      costs_[at(node_) + 1].push_back(reached_[at(index)].cost);
      kept.push_back(reached_[at(index)]);
    }
    for (Edge& edge : edges_[at(node_)]) edge.to = place[at(edge.to)];
    best_.resize(at(p_.nodes) + 1);
    best_[at(node_) + 1] = std::move(kept);
    reached_.clear();
  }

  // Nothing that is still to come costs less: every item at its cheapest, spread over its nodes.
  int64_t to_come(const State& state) {
    if (share_.empty()) {
      std::vector<int64_t> shares(at(p_.nodes), INT64_MAX);
      for (size_t i = 0; i < p_.items.size(); ++i) {
        const std::vector<int>& nodes = p_.items[i].nodes;
        const std::optional<int64_t> least = least_cost(static_cast<int>(i));
        if (!least) continue;
        for (const int n : nodes)
          shares[at(n)] = std::min(shares[at(n)], *least / static_cast<int64_t>(nodes.size()));
      }
      for (int64_t& share : shares) share = share == INT64_MAX ? 0 : share;
      rest_.assign(at(p_.nodes) + 1, 0);
      for (size_t n = at(p_.nodes); n-- > 0;) rest_[n] = rest_[n + 1] + shares[n];
      share_ = std::move(shares);
    }
    int64_t sum = rest_[at(node_) + 1];
    for (const int n : state.pending) sum += share_[at(n)];
    return sum;
  }
  std::optional<int64_t> least_cost(int index) {
    const AssignItem& item = p_.items[at(index)];
    std::optional<int64_t> least;
    const std::vector<int64_t> nothing(p_.memory_bytes.size(), 0);
    AssignChoice choice{index, {}, -1};
    const std::function<void(size_t)> each = [&](size_t operand) {
      if (operand < item.reads.size()) {
        const AssignOperand& read = item.reads[operand];
        for (const int form : read.any ? std::vector<int>{-1} : read.forms) {
          choice.reads.push_back(form);
          each(operand + 1);
          choice.reads.pop_back();
        }
        return;
      }
      for (const int form : results(item)) {
        choice.result = form;
        const std::optional<int64_t> cost = cost_of(choice, nothing);
        if (cost && (!least || *cost < *least)) least = cost;
      }
    };
    each(0);
    return least;
  }

  std::optional<int64_t> cost_of(const AssignChoice& choice, const std::vector<int64_t>& taken) {
    const auto [entry, is_new] = known_costs_.try_emplace({choice, taken});
    if (is_new) entry->second = p_.cost(choice, taken);
    return entry->second;
  }
  int64_t give(int value, int form) const { return p_.give ? p_.give(value, form) : 0; }
  std::optional<int64_t> convert(int value, int from, int to) {
    const auto [entry, is_new] = known_conversions_.try_emplace({value, from, to});
    if (is_new) entry->second = p_.convert(value, from, to);
    return entry->second;
  }

  const std::vector<int>& covering(int node) {
    if (covering_.empty()) {
      covering_.resize(at(p_.nodes));
      for (size_t i = 0; i < p_.items.size(); ++i) {
        for (const int n : p_.items[i].nodes) covering_[at(n)].push_back(static_cast<int>(i));
      }
    }
    return covering_[at(node)];
  }
  int uncovered() {
    for (int n = 0; n < p_.nodes; ++n) {
      if (covering(n).empty()) return n;
    }
    return node_;
  }

  void read_back(Assignment& result) {
    int state = 0;  // nothing is live and pending at the end, but last targets may differ
    for (size_t s = 1; s < costs_.back().size(); ++s) {
      if (costs_.back()[s] < costs_.back()[at(state)]) state = static_cast<int>(s);
    }
    result.cost = costs_.back()[at(state)];
    if (result.optimal) result.lower_bound = result.cost.cost;
    if (!result.optimal) {
      result.lower_bound = p_.count_switches ? 0 : std::min(result.lower_bound, result.cost.cost);
    }
    for (size_t n = at(p_.nodes); n > 0; --n) {
      const Edge& edge = edges_[n - 1][at(best_[n][at(state)].edge)];
      if (edge.step.choice.item >= 0) result.steps.push_back(edge.step);
      state = edge.from;
    }
    std::reverse(result.steps.begin(), result.steps.end());
    result.forms.assign(p_.values.size(), -1);
    for (const AssignStep& step : result.steps) {
      const AssignItem& item = p_.items[at(step.choice.item)];
      for (size_t r = 0; r < item.reads.size(); ++r) {
        int& form = result.forms[at(item.reads[r].value)];
        if (form >= 0) continue;
        form = step.choice.reads[r];
        for (const AssignConversion& conversion : step.conversions) {
          if (conversion.value == item.reads[r].value) form = conversion.from;
        }
      }
      result.forms[at(item.result.value)] = step.choice.result;
    }
  }

  // Forward costs are known; backward ones meet them at every edge.
  void margins(Assignment& result) {
    std::vector<std::optional<AssignCost>> least(p_.items.size());  // of a schedule with the item
    std::vector<std::optional<AssignCost>> after(costs_.back().size(), AssignCost{});
    for (size_t n = at(p_.nodes); n-- > 0;) {
      std::vector<std::optional<AssignCost>> before(costs_[n].size());
      for (const Edge& edge : edges_[n]) {
        if (edge.to < 0 || !after[at(edge.to)]) continue;
        const AssignCost rest = edge.cost + *after[at(edge.to)];
        std::optional<AssignCost>& best = before[at(edge.from)];
        if (!best || rest < *best) best = rest;
        if (edge.step.choice.item < 0) continue;
        const AssignCost whole = costs_[n][at(edge.from)] + rest;
        std::optional<AssignCost>& with = least[at(edge.step.choice.item)];
        if (!with || whole < *with) with = whole;
      }
      after = std::move(before);
    }
    for (AssignStep& step : result.steps) {
      const AssignItem& chosen = p_.items[at(step.choice.item)];
      for (const int other : covering(chosen.anchor)) {
        const std::optional<AssignCost>& with = least[at(other)];
        if (!with || p_.items[at(other)].group == chosen.group) continue;
        const AssignCost more = *with - result.cost;
        if (!step.margin || more < step.margin->more) step.margin = AssignMargin{other, more};
      }
    }
  }

  const AssignProblem& p_;
  std::vector<std::vector<int>> ending_;    // by node: items whose last one it is
  std::vector<std::vector<int>> covering_;  // by node
  int node_ = 0;
  std::vector<std::vector<State>> layers_;  // [n]: when n nodes are passed
  std::vector<std::vector<AssignCost>> costs_;
  std::vector<std::vector<Best>> best_;
  std::vector<std::vector<Edge>> edges_;  // [n]: from layer n to n + 1
  std::map<State, int> next_;
  std::vector<Best> reached_;
  std::vector<int64_t> share_, rest_;
  std::map<std::pair<AssignChoice, std::vector<int64_t>>, std::optional<int64_t>> known_costs_;
  std::map<std::array<int, 3>, std::optional<int64_t>> known_conversions_;
};

}  // namespace

AssignCost operator+(const AssignCost& a, const AssignCost& b) {
  return {a.switches + b.switches, a.cost + b.cost, a.items + b.items, a.rank + b.rank};
}
AssignCost operator-(const AssignCost& a, const AssignCost& b) {
  return {a.switches - b.switches, a.cost - b.cost, a.items - b.items, a.rank - b.rank};
}

Assignment solve_assignment(const AssignProblem& problem) {
  Search search(problem);
  // Where the states that were kept lead nowhere, more of them are.
  constexpr size_t kMaxGrowth = 64;
  const size_t few = std::max<size_t>(problem.max_states, 1);
  for (size_t limit = few;; limit *= 4) {
    Assignment result;
    if (search.run(limit, result) || limit >= few * kMaxGrowth) return result;
  }
}

}  // namespace heddle
