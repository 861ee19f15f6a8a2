// A search, not a proof: layers of a lattice from small to large, each one built, accepted by the
// matcher and given to the tiler; where no tile fits, every size is then made as small as it can be.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "check/prove.h"
#include "check/questions.h"
#include "ops/op.h"
#include "schedule/schedule.h"
#include "tiler/problem.h"

namespace heddle {
namespace {

constexpr size_t kMostLayers = 200;       // of a rule's lattice
constexpr int64_t kMostElements = 1 << 22;  // of an operand

using Sizes = std::map<std::string, int64_t>;

// What is tried of each size; the first is the least.
const std::map<std::string, std::vector<int64_t>>& lattice() {
  static const std::map<std::string, std::vector<int64_t>> all = {
      {"c", {1, 16, 128, 1024, 4096}}, {"k", {1, 16, 256, 4096}}, {"iy", {8, 64, 1024}},
      {"ix", {8, 64, 1024}},           {"oy", {1, 64, 1024}},     {"ox", {1, 64, 1024}},
      {"fy", {1, 3, 7}},               {"fx", {1, 3, 7}}};
  return all;
}

// No bytes that anything is allocated with: only an order.
int64_t weight_of(const Sizes& sizes) {
  const auto size = [&](const char* name) {
    const auto found = sizes.find(name);
    return found == sizes.end() ? 1 : found->second;
  };
  const int64_t image = std::max(size("iy") * size("ix"), size("oy") * size("ox"));
  return (size("c") + size("k")) * image + size("k") * size("c") * size("fy") * size("fx");
}

enum class Fit : uint8_t { fits, memory, constraints };

// Whether one of some tiles fits: of each axis the smallest ones, one in the middle, the whole.
Fit quick_fit(const Example& example, const Match& match, const StorageOf& storage) {
  Problem problem(example.graph, example.soc, match, storage);
  Fit result = Fit::constraints;
  std::vector<std::vector<int>> choices;
  for (const SearchAxis& axis : problem.axes) {
    const int last = static_cast<int>(axis.sizes.size()) - 1;
    std::set<int> some = {last, 0, std::min(1, last), last / 2};
    choices.emplace_back(some.begin(), some.end());
  }
  std::vector<size_t> at(choices.size(), 0);
  for (bool more = true; more;) {
    for (const LoopOrder order : problem.orders) {
      Point point{{}, order};
      for (size_t a = 0; a < choices.size(); ++a) point.index.push_back(choices[a][at[a]]);
      const Evaluation evaluation = problem.evaluate(point, 0);
      if (evaluation.failed >= 0) continue;
      result = Fit::memory;
      bool fits = true;
      for (size_t m = 0; m < problem.memories.size(); ++m)
        fits = fits && evaluation.memory_bytes[m] <= problem.memories[m].free_bytes();
      if (fits) return Fit::fits;
    }
    more = false;
    for (size_t a = 0; a < at.size() && !more; ++a) {
      more = ++at[a] < choices[a].size();
      if (!more) at[a] = 0;
    }
  }
  return result;
}

class TileSearch {
 public:
  TileSearch(ConditionSolver& solver, const Soc& soc, int target, int rule)
      : solver_(solver),
        soc_(soc),
        target_(target),
        index_(rule),
        rule_(soc.accelerators[static_cast<size_t>(target)].target.rules[static_cast<size_t>(rule)]) {
    // The host's rules have no say here.
    soc_.cpu.rules.clear();
  }

  std::optional<Finding> run() {
    for (const Spine& spine : spines_of(rule_.pattern, mentioned_operators(rule_)).list) {
      space_ = layer_space(spine, {&rule_});
      wanted_ = {{exprs_of(conditions_on(rule_, spine)), Wanted::How::hold}};
      fix_machine();
      if (ask(solver_, space_, wanted_).kind != Answer::Kind::possible) continue;
      return search();  // what else a spine has changes no sizes
    }
    return std::nullopt;
  }

 private:
  struct Layer {
    Answer answer;
    Example example;
    Match match;
    StorageOf storage;
  };

  // Memory sizes and constants are this SoC's.
  void fix_machine() {
    for (Variable& variable : space_.variables) {
      const auto set = [&](const std::string& name, int64_t value) {
        if (variable.name == name) variable.range = {value, value};
      };
      const Target& own = soc_.accelerators[static_cast<size_t>(target_)].target;
      for (const Memory& memory : soc_.memories) set("memory." + memory.name + ".bytes", memory.bytes);
      for (const Memory& memory : own.memories) set("memory." + memory.name + ".bytes", memory.bytes);
      for (const auto& [name, memory] : own.uses)
        set("memory." + name + ".bytes", soc_.find_memory(memory)->bytes);
      for (const auto& [key, value] : own.constants) set("unit." + key, value);
      for (const auto& [key, value] : soc_.cpu_constants) set("cpu." + key, value);
    }
  }

  // The layer with these sizes, accepted by the rule, if there is one.
  std::optional<Layer> layer_of(const Sizes& sizes) {
    LayerSpace space = space_;
    // The other sizes follow from these.
    std::erase_if(space.small, [](const std::string& name) { return name.find('.') == std::string::npos; });
    for (Variable& variable : space.variables) {
      const auto found = sizes.find(variable.name);
      if (found == sizes.end()) continue;
      if (found->second < variable.range.lo || found->second > variable.range.hi)
        return std::nullopt;
      variable.range = {found->second, found->second};
    }
    Answer answer = ask(solver_, space, wanted_);
    if (answer.kind != Answer::Kind::possible) return std::nullopt;
    // Sizes that no condition names.
    for (const auto& [name, value] : sizes) answer.values.emplace(name, value);
    std::optional<Example> example = example_of(soc_, target_, space.spine, answer.values);
    if (!example) return std::nullopt;
    std::optional<Match> match = match_of(*example, target_, index_);
    if (!match || !match->accepted()) return std::nullopt;
    StorageOf storage = choose_storage(example->graph, example->soc, {&*match});
    return Layer{std::move(answer), std::move(*example), std::move(*match), std::move(storage)};
  }

  // nullopt: no layer has these sizes, or the rule refuses it.
  std::optional<Fit> fit_of(const Sizes& sizes) {
    const std::optional<Layer> layer = layer_of(sizes);
    if (!layer) return std::nullopt;
    const Status sound = check_region(layer->example.graph, layer->example.soc, layer->match, layer->storage);
    if (!sound.ok()) return Fit::constraints;
    return quick_fit(layer->example, layer->match, layer->storage);
  }

  bool has_size(std::string_view name) const {
    const OpDef& anchor = *find_op(space_.spine.front());
    const auto has = [&](const std::vector<std::string_view>& names) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    return has(anchor.axes) || std::any_of(anchor.operands.begin(), anchor.operands.end(),
                                           [&](const OperandDef& operand) { return has(operand.dims); });
  }

  std::vector<Sizes> points() const {
    std::vector<Sizes> all(1);
    for (const auto& [name, values] : lattice()) {
      const bool follows = (name == "oy" || name == "ox") && has_size("iy");
      if (!has_size(name) || follows) continue;
      std::vector<Sizes> longer;
      for (const Sizes& sizes : all) {
        for (const int64_t value : values) {
          Sizes next = sizes;
          next[name] = value;
          // Square kernels only.
          if (name == "fy" && next.contains("fx") && next["fx"] != value) continue;
          longer.push_back(std::move(next));
        }
      }
      all = std::move(longer);
    }
    std::erase_if(all, [](const Sizes& sizes) { return weight_of(sizes) > kMostElements; });
    std::stable_sort(all.begin(), all.end(), [](const Sizes& a, const Sizes& b) {
      return weight_of(a) < weight_of(b);
    });
    return all;
  }

  std::optional<Finding> search() {
    size_t tried = 0;
    for (const Sizes& sizes : points()) {
      if (tried == kMostLayers) break;
      const std::optional<Fit> fit = fit_of(sizes);
      if (!fit) continue;
      ++tried;
      if (*fit == Fit::fits) continue;
      const Sizes least = smallest(sizes);
      const std::optional<Layer> layer = layer_of(least);
      if (!layer) continue;
      const Result<Tiling> tiling =
          solve_tiling(layer->example.graph, layer->example.soc, layer->match, layer->storage);
      if (!tiling.ok()) return finding(*layer, tiling.errors(), fit_of(least) == Fit::constraints);
    }
    if (tried == 0) return std::nullopt;
    return Finding{Finding::Kind::proven, rule_.place,
                   fmt::format("rule `{}`: each of {} accepted layers that were tried has a tile that fits",
                               rule_.name, tried),
                   "", {}};
  }

  // Every size as small as it can be while no tile fits.
  Sizes smallest(Sizes sizes) {
    for (bool smaller = true; smaller;) {
      smaller = false;
      for (auto& [name, value] : sizes) {
        for (int64_t step = value / 2; step > 0;) {
          Sizes less = sizes;
          less[name] = value - step;
          const std::optional<Fit> fit = less[name] > 0 ? fit_of(less) : std::nullopt;
          if (fit && *fit != Fit::fits) {
            value -= step;
            smaller = true;
          } else {
            step /= 2;
          }
        }
      }
    }
    return sizes;
  }

  Finding finding(const Layer& layer, const Diagnostics& errors, bool constraints) const {
    int64_t bytes = 0;
    for (const auto& [operand, value] : layer.match.bound) {
      const TensorType& type = layer.example.graph.value(value).type;
      bytes += elements_of(type.shape) * bytes_of(type.dtype);
    }
    std::vector<std::string> values = {
        fmt::format("{} bytes: {}", thousands(bytes), describe(space_.spine, layer.answer.values))};
    for (const Diagnostic& error : errors) values.push_back(error.message);
    const std::string text =
        constraints
            ? fmt::format("rule `{}` accepts a layer that it allows no tile of", rule_.name)
            : fmt::format("rule `{}` accepts layers that the memories of soc `{}` are too small for; "
                          "they stay on the CPU",
                          rule_.name, soc_.name);
    return {constraints ? Finding::Kind::warning : Finding::Kind::proven, rule_.place, text,
            constraints ? "loosen `require` and `dims`, or say in `when` what they need" : "",
            std::move(values)};
  }

  ConditionSolver& solver_;
  Soc soc_;
  int target_;
  int index_;
  Rule rule_;
  LayerSpace space_{};
  std::vector<Wanted> wanted_;
};

}  // namespace

std::vector<Finding> prove_tiles(const Soc& soc, int target) {
  std::vector<Finding> findings;
  if (target < 0) return findings;  // a CPU's kernels work on whole layers
  ConditionSolver solver;
  const Target& own = soc.accelerators[static_cast<size_t>(target)].target;
  for (size_t rule = 0; rule < own.rules.size(); ++rule) {
    if (std::optional<Finding> finding =
            TileSearch(solver, soc, target, static_cast<int>(rule)).run())
      findings.push_back(std::move(*finding));
  }
  return findings;
}

}  // namespace heddle
