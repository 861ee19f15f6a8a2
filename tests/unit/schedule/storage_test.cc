// Where values live: schedules of small networks against every cover and every storage of every
// value, tiled one by one; residents that share an L1 too small for all of them.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "unit/schedule/diana_networks.h"

namespace heddle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Policy kLatency{"latency", "", Objective::latency, {}};

Soc diana_with_l1(int64_t bytes) {
  Soc soc = load_diana();
  for (Memory& memory : soc.memories) {
    if (memory.name == "l1") memory.bytes = bytes;
  }
  return soc;
}

// The least cycles of all covers and storages, conversions apart: a value that DIANA's core makes
// lies in its rule's layout, in L2 or, if no graph output, in L1; others dense or in that layout in
// L2.
class Exhaustive {
 public:
  Exhaustive(const Graph& graph, const Soc& soc, const Candidates& candidates)
      : graph_(graph), soc_(soc), candidates_(candidates) {
    cover(0);
  }
  int64_t best = INT64_MAX;

 private:
  void cover(int32_t node) {
    while (covered_.contains(NodeId{node})) ++node;
    if (node == static_cast<int32_t>(graph_.nodes.size())) return run();
    for (const Candidate& candidate : candidates_.usable) {
      const std::vector<NodeId>& nodes = candidate.match.nodes;
      if (nodes.front() != NodeId{node} ||
          std::any_of(nodes.begin(), nodes.end(), [&](NodeId n) { return covered_.contains(n); }))
        continue;
      covered_.insert(nodes.begin(), nodes.end());
      chosen_.push_back(&candidate);
      cover(node + 1);
      chosen_.pop_back();
      for (const NodeId n : nodes) covered_.erase(n);
    }
  }
  void run() {
    steps_ = chosen_;
    std::sort(steps_.begin(), steps_.end(), [](const Candidate* a, const Candidate* b) {
      return a->match.nodes.back() < b->match.nodes.back();
    });
    made_.clear();
    last_.clear();
    for (const ValueId input : graph_.inputs) made_[input] = -1;
    for (size_t s = 0; s < steps_.size(); ++s) {
      made_[steps_[s]->match.output(graph_)] = static_cast<int>(s);
      for (const NodeId node : steps_[s]->match.nodes) {
        for (const ValueId input : graph_.node(node).inputs) last_[input] = static_cast<int>(s);
      }
    }
    storages(made_.begin());
  }
  void storages(std::map<ValueId, int>::const_iterator value) {
    if (value == made_.end()) return evaluate();
    const TensorType& type = graph_.value(value->first).type;
    const Candidate* writer =
        value->second < 0 ? nullptr : steps_[static_cast<size_t>(value->second)];
    const auto next = [&](Storage storage) {
      storage_[value->first] = std::move(storage);
      storages(std::next(value));
    };
    const bool by_unit = writer != nullptr && writer->match.target >= 0;
    const Storage padded = padded_storage(type, {16, 32});
    if (!by_unit) next(dense_storage(type));
    next(padded);
    if (!by_unit || graph_.is_output(value->first)) return;
    Storage resident = padded;
    resident.memory = "l1";
    next(resident);
  }
  void evaluate() {
    int64_t cycles = copy_cycles(graph_, soc_, storage_);
    for (size_t s = 0; s < steps_.size() && cycles < best; ++s) {
      const Match& match = steps_[s]->match;
      Taken taken;
      for (const auto& [value, made] : made_) {
        const int now = static_cast<int>(s);
        const bool own =
            std::any_of(match.bound.begin(), match.bound.end(),
                        [&, v = value](const auto& bound) { return bound.second == v; });
        if (storage_[value].memory.empty()) continue;
        if (match.target < 0 && own) return;  // the CPU has no access
        if (made <= now && now <= last_[value] && !own)
          taken["l1"] += (storage_[value].bytes + 31) / 32 * 32;
      }
      if (match.target < 0) {
        cycles += steps_[s]->cycles;
        continue;
      }
      std::string key = fmt::format("{} {}", static_cast<const void*>(steps_[s]), taken["l1"]);
      for (const auto& [operand, value] : match.bound) {
        if (!graph_.value(value).constant)
          key += fmt::format(" {}{}", storage_[value].memory, storage_[value].strides[1]);
      }
      const auto [entry, is_new] = tilings_.try_emplace(key, INT64_MAX);
      if (is_new) {
        const Result<Tiling> tiling =
            solve_tiling_exhaustively(graph_, soc_, match, storage_, taken);
        if (tiling.ok()) entry->second = tiling->cost.total;
      }
      if (entry->second == INT64_MAX) return;
      cycles += entry->second;
    }
    best = std::min(best, cycles);
  }

  const Graph& graph_;
  const Soc& soc_;
  const Candidates& candidates_;
  std::set<NodeId> covered_;
  std::vector<const Candidate*> chosen_, steps_;
  std::map<ValueId, int> made_, last_;  // steps; -1: from outside
  StorageOf storage_;
  std::map<std::string, int64_t> tilings_;
};

// Convolutions one after the other, with additions of earlier results and pools between them.
Graph random_network(uint32_t seed) {
  std::mt19937 random(seed);
  SmallNetwork network;
  std::vector<ValueId> values{network.conv(network.input({1, 16, 16, 16}), 16, 1)};
  const int layers = 1 + static_cast<int>(random() % 2);
  for (int l = 0; l < layers; ++l) {
    const ValueId x = values.back();
    const size_t before = random() % values.size();
    switch (random() % 4) {
      case 0:
        values.push_back(network.shape(values[before]) == network.shape(x)
                             ? network.add(x, values[before])
                             : network.conv(x, 16, 1));
        break;
      case 1:
        values.push_back(network.pool(x));
        break;
      default:
        values.push_back(network.conv(x, 16, random() % 2 == 0 ? 1 : 3));
    }
  }
  network.graph.outputs = {values.back()};
  return network.graph;
}

TEST(Storage, SchedulesEqualEveryCoverAndStorageTriedOut) {
  int residents = 0, on_cpu = 0;
  for (uint32_t seed = 0; seed < 8; ++seed) {
    const Graph graph = random_network(seed);
    for (const int64_t l1 : {6144, 10240, 262144}) {
      SCOPED_TRACE(fmt::format("seed {}, {} bytes", seed, l1));
      const Soc soc = diana_with_l1(l1);
      const Matches matches = match_rules(graph, soc, kLatency);
      const Result<Candidates> candidates = make_candidates(graph, soc, matches);
      ASSERT_TRUE(candidates.ok());
      const Result<Schedule> found = make_schedule(graph, soc, kLatency, matches, *candidates);
      ASSERT_TRUE(found.ok()) << format_diagnostics(found.errors());
      EXPECT_TRUE(found->proof.optimal);
      EXPECT_EQ(found->proof.cost, Exhaustive(graph, soc, *candidates).best);
      EXPECT_EQ(found->proof.cost, found->cycles);
      for (const ValueId value : found->materialised)
        residents += found->storage.at(value).memory == "l1";
      for (const Step& step : found->steps) on_cpu += step.candidate.match.target < 0;
    }
  }
  EXPECT_GT(residents, 10);
  EXPECT_GT(on_cpu, 3);
}

TEST(Storage, WhatStaysOnTheUnitNeedsNoTransfers) {
  const Soc soc = load_diana();
  SmallNetwork network;
  const ValueId a = network.conv(network.input({1, 16, 16, 16}), 16);
  const ValueId b = network.conv(a, 16);
  const ValueId c = network.add(a, b);
  const ValueId d = network.pool(c);
  network.graph.outputs = {d};
  const Result<Schedule> schedule = schedule_of(network.graph, soc, kLatency);
  ASSERT_TRUE(schedule.ok()) << format_diagnostics(schedule.errors());
  EXPECT_EQ(schedule->storage.at(a).memory, "l1");
  EXPECT_EQ(schedule->storage.at(b).memory, "l1");
  EXPECT_EQ(schedule->storage.at(c).memory, "");  // a pool of the CPU reads it
  EXPECT_EQ(schedule->storage.at(d).memory, "");
  EXPECT_THAT(schedule->steps[0].why, HasSubstr("x fewer cycles than the CPU; y in l1"));
  EXPECT_THAT(schedule->steps[1].why, HasSubstr("; x, y in l1"));
  EXPECT_THAT(schedule->steps[2].why, HasSubstr("; x, residual in l1"));
  ASSERT_TRUE(schedule->steps[0].margin);
  EXPECT_GT(schedule->steps[0].margin->more, 0);
  EXPECT_THAT(schedule->steps[0].margin->runner_up, HasSubstr("generic/conv"));
  EXPECT_EQ(schedule->steps[3].margin->runner_up, "generic/any");  // only the CPU has a pool
  const std::string text = dump(schedule->graph, soc, *schedule);
  EXPECT_THAT(text, HasSubstr("proven best of "));
  EXPECT_EQ(text, dump(schedule->graph, soc, *schedule_of(network.graph, soc, kLatency)));
}

// Less L1, more cycles: residents go first, then layers.
TEST(Storage, ASmallerL1HoldsFewerResidents) {
  SmallNetwork network;
  ValueId x = network.input({1, 16, 16, 16});
  std::vector<ValueId> values;
  for (int i = 0; i < 3; ++i) values.push_back(x = network.conv(x, 16));
  network.graph.outputs = {network.add(values[2], values[0])};
  std::vector<int64_t> cycles, residents;
  for (const int64_t l1 : {262144, 20480, 14336, 8192, 2048}) {
    const Soc soc = diana_with_l1(l1);
    const Result<Schedule> schedule = schedule_of(network.graph, soc, kLatency);
    ASSERT_TRUE(schedule.ok()) << format_diagnostics(schedule.errors());
    cycles.push_back(schedule->cycles);
    residents.push_back(
        std::count_if(schedule->materialised.begin(), schedule->materialised.end(),
                      [&](ValueId value) { return schedule->storage.at(value).memory == "l1"; }));
  }
  EXPECT_TRUE(std::is_sorted(cycles.begin(), cycles.end()));
  EXPECT_LT(cycles.front(), cycles.back());
  EXPECT_TRUE(std::is_sorted(residents.rbegin(), residents.rend()));
  EXPECT_EQ(residents.front(), 3);
  EXPECT_EQ(residents.back(), 0);
}

TEST(Storage, APolicyMayForbidResidents) {
  SmallNetwork network;
  network.graph.outputs = {network.conv(network.conv(network.input({1, 16, 16, 16}), 16), 16)};
  for (const bool allowed : {true, false}) {
    Policy policy = kLatency;
    policy.residents = allowed;
    const Result<Schedule> schedule = schedule_of(network.graph, load_diana(), policy);
    ASSERT_TRUE(schedule.ok());
    EXPECT_TRUE(schedule->proof.optimal);
    EXPECT_EQ(allowed, std::any_of(schedule->materialised.begin(), schedule->materialised.end(),
                                   [&](ValueId value) {
                                     return schedule->storage.at(value).memory == "l1";
                                   }));
  }
}

TEST(Storage, FirstMatchKeepsNothing) {
  const Soc soc = load_diana();
  SmallNetwork network;
  network.graph.outputs = {network.conv(network.conv(network.input({1, 16, 16, 16}), 16), 16)};
  const Result<Schedule> first =
      schedule_of(network.graph, soc, {"", "", Objective::first_match, {}});
  ASSERT_TRUE(first.ok());
  for (const ValueId value : first->materialised) EXPECT_EQ(first->storage.at(value).memory, "");
  EXPECT_FALSE(first->proof.optimal);
  EXPECT_FALSE(first->steps[0].margin);
}

TEST(Storage, ObjectivesDecideDifferently) {
  Soc soc = load_diana();
  SmallNetwork network;
  const ValueId x = network.conv(network.input({1, 16, 8, 8}), 16);
  network.graph.outputs = {network.conv(network.pool(x), 16)};
  const auto found = [&](Policy policy) {
    const Result<Schedule> schedule = schedule_of(network.graph, soc, policy);
    HEDDLE_CHECK(schedule.ok(), format_diagnostics(schedule.errors()));
    return *schedule;
  };
  const std::string conv = "conv2d requant on diana_digital/conv2d";
  EXPECT_THAT(steps(soc, found(kLatency)), ElementsAre(conv, "average_pool on generic/pool", conv));
  // All on the CPU: no switch at all.
  Policy policy{"", "", Objective::fewest_switches, {}};
  const Schedule quiet = found(policy);
  EXPECT_EQ(quiet.proof.switches, 0);
  for (const Step& step : quiet.steps) EXPECT_LT(step.candidate.match.target, 0);
  // A unit that wastes energy loses its layers.
  policy.objective = Objective::energy;
  const Result<Schedule> none = schedule_of(network.graph, soc, policy);
  ASSERT_FALSE(none.ok());
  EXPECT_THAT(none.errors()[0].message, HasSubstr("does not say what energy a cycle takes"));
  soc.energy = Energy{"a test", 1, {{"diana_digital", 1}, {"diana_dma", 1}}};
  EXPECT_EQ(found(policy).steps[0].candidate.match.target, 0);
  EXPECT_EQ(found(policy).proof.unit, "pJ");
  soc.energy = Energy{"a test", 1, {{"diana_digital", 1'000'000}}};
  EXPECT_LT(found(policy).steps[0].candidate.match.target, 0);
  // Both together, by their weights.
  policy.objective = Objective::weighted;
  policy.latency_weight = 1000;
  EXPECT_EQ(found(policy).steps[0].candidate.match.target, 0);
  policy.energy_weight = 1000;
  EXPECT_LT(found(policy).steps[0].candidate.match.target, 0);
}

}  // namespace
}  // namespace heddle
