// Candidates (accepted matches, tiled and costed) and the schedule: which of them cover the graph,
// in what order.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "match/match.h"
#include "schedule/in_place.h"
#include "tiler/tiling.h"

namespace heddle {

struct Legalised;  // legalise/legalise.h
class TileMemo;    // schedule/tile_memo.h

// A kernel of the CPU that a legalisation needs beside the rule's job: an explicit pad, a view.
struct Extra {
  Match match;  // nodes of the legalised graph
  int64_t cycles = 0;
  bool before = true;  // the job, or after it
};

struct Candidate {
  Match match;                   // nodes of the graph, or of the legalised one
  std::optional<Tiling> tiling;  // accelerators only
  int64_t cycles = 0;            // modelled, DMA, launches and extras included
  // Nodes of the imported graph that it computes, ascending; those of `match` where it is not
  // legalised.
  std::vector<NodeId> covers{};
  std::shared_ptr<const Legalised> legalised{};  // null: the graph as it is
  std::vector<Extra> extras{};
  // Of the policy (policy.h): what the schedule compares is this share of the cost, and the pin
  // that says that the layer belongs on this target, as the user wrote it; empty: none does.
  int64_t cost_percent = 100;
  std::string pinned{};
};

// A form of a layer that a rule does not take either, or has no tile for.
struct RefusedForm {
  std::shared_ptr<const Legalised> legalised;
  Match match;  // of its graph, with the reasons
};

// A memory that is too small for a plan (memory/plan.h).
struct Excess {
  std::string memory;
  int64_t required_bytes = 0, available_bytes = 0;
};

// A schedule that does not fit, beside the one that does.
struct Unfit {
  std::vector<Excess> excesses;                 // not empty
  int64_t arena_bytes = 0, constant_bytes = 0;  // more of them; negative: fewer
  int64_t cycles = 0;                           // fewer, modelled
};

// A job that goes because a memory is too small (compile/fit_memory.h).
struct GivenUp {
  Candidate candidate;  // that was chosen; all that do the same on its unit went with it
  Unfit with;           // the best schedule that has it, and nothing else of what is given up
};

struct ShortMemory {
  std::vector<GivenUp> jobs;  // not empty; by the first node that they cover
  Unfit with_all;             // the best schedule if no memory were short
};

struct Candidates {
  std::vector<Candidate> usable;
  // Accepted matches without a tile; `failed` holds the tiler's reason.
  std::vector<Match> untileable;
  std::vector<RefusedForm> refused_forms{};  // of the longest spine of each rule, place and kind
  // What the policy said and had no effect.
  Diagnostics notes{};
  std::optional<ShortMemory> short_memory{};  // none: all fits
};
// The match, refused for these reasons of the tiler.
Match untiled(Match match, const Diagnostics& errors);
// Error: a CPU rule whose cost cannot be computed for a layer (overflow, division by zero).
Result<Candidates> make_candidates(const Graph& graph, const Soc& soc, const Matches& matches);

// The modelled cycles of a candidate that is kept as it is (its tiles too), under the costs of this
// SoC, whose constants may differ from those that it was chosen with; `storage` is the schedule's.
// Error: a cost that cannot be computed.
Result<int64_t> modelled_cycles(const Graph& graph, const Soc& soc, const Candidate& candidate,
                                const StorageOf& storage);

// The cycles that a run spends outside of all layers: inputs are copied into the arena, outputs out
// of it (boundary.h). A value without a storage is dense.
int64_t copy_cycles(const Graph& graph, const Soc& soc, const StorageOf& storage);

struct Margin {
  int64_t more = 0;
  int64_t switches = 0;   // more of them; under fewest_switches only, where they count first
  std::string runner_up;  // "generic/conv"
};

// What the choice was made by, and how sure it is.
struct Proof {
  std::string unit;         // of costs: "cycles", "pJ", "points"
  // Of the chosen steps, conversions, and copies at the boundary, the policy's shares included.
  int64_t cost = 0;
  int64_t switches = 0;     // between targets; under fewest_switches only
  bool optimal = false;     // over all covers, storages and conversions
  int64_t lower_bound = 0;  // of `cost`; equals it when optimal
  int64_t states = 0;       // of the search
};

// One region of code: a job or kernel. A legalised candidate gives one step for each extra and one
// for the job; all of them have its `covers`.
struct Step {
  Candidate candidate;        // `match` speaks of Schedule::graph
  std::string name;           // of the layer: the anchor's node name, foreign text
  int64_t cycles_on_cpu = 0;  // what the same nodes cost on the CPU alone
  std::string why;            // one line: why here
  // The least that another schedule costs more which computes the layer's first operator otherwise
  // (another target, rule or extent), in the schedule's unit, and by what; none: nothing else can,
  // or the policy did not compare.
  std::optional<Margin> margin{};
  // Multiply-accumulates of the imported nodes: of a form, without the zeros that it adds, and all on
  // its job's step.
  int64_t macs = 0;
};

struct Schedule {
  // The imported graph with the chosen legalisations and layout conversions in place. Everything
  // from here on (memory, emit, sim) reads this one; the imported one is what the reference
  // computes.
  Graph graph;
  std::vector<Step> steps;            // execution order; every node of `graph` is in exactly one
  StorageOf storage;                  // of every value that exists in a memory
  std::vector<ValueId> materialised;  // values that exist in main memory or are resident, ascending
                                      // (region outputs and graph inputs)
  Aliases aliases;                    // those that lie inside another one of them
  int64_t copy_cycles = 0;            // outside of all steps
  int64_t cycles = 0;                 // all of them
  Proof proof;
};

// How every value would be stored: padded as a device that works on it in place wants, else as the
// device that produces it wants, or, for graph inputs and CPU results, as its first accelerator
// consumer wants; dense otherwise.
StorageOf choose_storage(const Graph& graph, const Soc& soc,
                         const std::vector<const Match*>& chosen);

// The best cover, storage of every value and set of layout conversions under the policy, all at
// once (assign.h, model.h); under first_match the cover is that of the first accelerators that
// match, and nothing is resident. Errors: a node that nothing covers; a policy about energy for a
// SoC that has none. `matches` gives the reasons of those that were refused (Step::why); `memo` keeps
// the tilings for another schedule on this SoC.
Result<Schedule> make_schedule(const Graph& graph, const Soc& soc, const Policy& policy,
                               const Matches& matches, const Candidates& candidates,
                               TileMemo& memo);
Result<Schedule> make_schedule(const Graph& graph, const Soc& soc, const Policy& policy,
                               const Matches& matches, const Candidates& candidates);

std::string dump(const Graph& graph, const Soc& soc, const Candidates& candidates);
std::string dump(const Graph& graph, const Soc& soc, const Schedule& schedule);

}  // namespace heddle
