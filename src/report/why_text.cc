// The answers to `heddle why` as text of at most 88 columns.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "base/text.h"
#include "report/table.h"
#include "report/why.h"

namespace heddle {
namespace {

constexpr size_t kWidth = 88;
constexpr size_t kMostNames = 4;   // of a group of layers
constexpr size_t kMostConditions = 12;
constexpr size_t kMostSets = 6;

// Layers of which the summary says the same.
struct Group {
  const LayerWhy* first = nullptr;
  std::vector<std::string> names;
  int64_t macs = 0, cycles = 0, lost = 0, gain = 0;
};

std::vector<Group> groups_of(const std::vector<LayerWhy>& layers) {
  using Key = std::tuple<std::string, std::string, std::string, std::string>;
  std::map<Key, size_t> known;
  std::vector<Group> groups;
  for (const LayerWhy& why : layers) {
    const std::string fix = why.fix ? why.fix->kind + why.fix->rule : "";
    const std::string what = why.fix ? why.fix->what : "";
    const auto [entry, fresh] =
        known.try_emplace({why.layer.where, why.layer.operators, fix, what}, groups.size());
    if (fresh) groups.push_back({&why, {}});
    Group& group = groups[entry->second];
    group.names.push_back(terminal_text(why.layer.layer, 40));
    group.macs += why.layer.macs;
    group.cycles += why.cycles;
    group.lost += why.cycles_lost;
    group.gain += why.fix ? why.fix->gain : 0;
  }
  return groups;
}

std::string names_of(const Group& group) {
  std::string text;
  for (size_t i = 0; i < std::min(group.names.size(), kMostNames); ++i)
    text += (i == 0 ? "" : ", ") + group.names[i];
  if (group.names.size() > kMostNames)
    text += fmt::format(" and {} more", group.names.size() - kMostNames);
  return text;
}

std::string fix_of(const Group& group) {
  if (!group.first->fix) return group.first->layer.why;
  if (group.names.size() == 1) return group.first->fix->text;
  const NearestFix& fix = *group.first->fix;
  const std::string gain = group.gain > 0 ? fmt::format("gains {} cycles", thousands(group.gain))
                                          : fmt::format("does not pay, by {} cycles", thousands(-group.gain));
  if (fix.kind == "allowed") return fmt::format("{} accepts them: {}", fix.rule, gain);
  if (fix.kind == "legalisation") return fmt::format("{} with {}: {}", fix.what, fix.rule, gain);
  return fmt::format("without these conditions of {}: {}: {}", fix.rule, fix.what, gain);
}

std::string cycles_text(const RuleVerdict& verdict) {
  if (!verdict.cycles) return "-";
  return verdict.hypothetical() ? fmt::format("({})", thousands(*verdict.cycles))
                                : thousands(*verdict.cycles);
}

std::string margin_text(const LayerWhy& why) {
  std::string text = "margin: ";
  if (why.margin->switches != 0)
    text += fmt::format("{} more switches and ", thousands(why.margin->switches));
  return text + fmt::format("{} {} before the best schedule that computes it otherwise, by {}", thousands(why.margin->more),
                            why.unit, why.margin->runner_up);
}

std::string layer_text(const LayerWhy& why) {
  std::string text = wrap(fmt::format("{} ({})", why.layer.layer, why.layer.operators), kWidth, 2) +
                     "\n  " +
                     wrap(fmt::format("-> {}: {}", why.layer.where, why.layer.why), kWidth - 2, 4) + '\n';
  const std::string cycles = thousands(why.cycles) + (why.cycles == 1 ? " cycle" : " cycles");
  text += "  " + cycles;
  if (why.cycles_lost > 0)
    text += fmt::format(", {} of them lost by staying on the CPU", thousands(why.cycles_lost));
  text += '\n';
  if (why.fix) text += "  " + wrap("nearest fix: " + why.fix->text, kWidth - 2, 4) + '\n';
  if (why.margin) text += "  " + wrap(margin_text(why), kWidth - 2, 4) + '\n';
  std::vector<Row> rows;
  for (const RuleVerdict& verdict : why.verdicts) {
    const bool applies = verdict.verdict != "does not apply";
    const std::string takes = !verdict.form.empty() ? verdict.form
                              : applies             ? verdict.operators
                                                    : verdict.failed.front().condition;
    rows.push_back({{"  " + verdict.rule, verdict.verdict, cycles_text(verdict), takes}, ""});
  }
  const std::vector<Column> columns = {
      {"  rule", false, 36}, {"verdict", false}, {"cycles", true}, {"takes", false, 30}};
  if (!rows.empty()) text += format_table(columns, rows);
  for (const RuleVerdict& verdict : why.verdicts) {
    if (verdict.failed.empty() || verdict.verdict == "does not apply") continue;
    text += fmt::format("  {} {}{}:\n", verdict.rule, verdict.verdict,
                        verdict.form.empty() ? "" : ", with " + verdict.form);
    for (const FailedCondition& failed : verdict.failed) {
      text += "    - " + wrap(failed.why, kWidth, 6) + '\n';
      text += "      " + wrap(failed.condition + ": " + failed.values, kWidth, 8) + '\n';
    }
  }
  return text;
}

std::string conditions_text(const NetworkWhy& why) {
  if (why.conditions.empty()) return "";
  std::vector<Row> rows;
  for (size_t i = 0; i < std::min(why.conditions.size(), kMostConditions); ++i) {
    const ConditionCost& c = why.conditions[i];
    const std::string most = c.bound ? "<= " : "";
    rows.push_back({{thousands(c.alone.layers), thousands(c.alone.macs), most + thousands(c.alone.cycles),
                     thousands(c.others.layers), thousands(c.others.macs), thousands(c.others.cycles)},
                    c.target + ": " + c.why});
  }
  std::string text =
      "\nwhat keeps layers on the CPU: conditions by the cycles that they cost, alone and among others\n";
  text += format_table({{"alone", true}, {"MACs", true}, {"cycles", true}, {"among", true},
                        {"MACs", true}, {"cycles", true}},
                       rows);
  if (why.conditions.size() > kMostConditions)
    text += fmt::format("and {} more\n", why.conditions.size() - kMostConditions);
  size_t shown = 0;
  for (const ConditionSet& set : why.sets) {
    if (set.whys.size() < 2 || ++shown > kMostSets) continue;
    if (shown == 1) text += "\nwhat would have to go together\n";
    std::string all;
    for (const std::string& one : set.whys) all += (all.empty() ? "" : "; ") + one;
    text += "  " +
            wrap(fmt::format("{} layer{}, {} MACs, {} cycles: {}: {}", set.sum.layers,
                             set.sum.layers == 1 ? "" : "s",
                             thousands(set.sum.macs), thousands(set.sum.cycles), set.target, all),
                 kWidth, 4) +
            '\n';
  }
  return text;
}

}  // namespace

std::string network_text(const NetworkWhy& why) {
  std::vector<Row> rows;
  for (const Group& group : groups_of(why.layers)) {
    rows.push_back({{thousands(static_cast<int64_t>(group.names.size())), group.first->layer.operators,
                     group.first->layer.where, thousands(group.macs), thousands(group.cycles),
                     thousands(group.lost)},
                    names_of(group) + ": " + fix_of(group)});
  }
  const std::vector<Column> columns = {{"layers", true},     {"operators", false, 26},
                                       {"where", false, 22}, {"MACs", true},
                                       {"cycles", true},     {"lost", true}};
  return wrap(why.heading, kWidth, 2) + "\n\n" + format_table(columns, rows) + conditions_text(why) +
         "\n`heddle why MODEL LAYER` has every rule's verdict on a layer, `--all` on all of them\n";
}

std::string layers_text(const std::vector<LayerWhy>& layers) {
  std::string text;
  for (const LayerWhy& why : layers) text += (text.empty() ? "" : "\n") + layer_text(why);
  return text;
}

}  // namespace heddle
