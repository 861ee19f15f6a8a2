#include "check/cases.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.h"

namespace heddle {
namespace {

// A condition that fails: of `when`, or, of a layer that no tile fits, what the tiler says.
struct FoundReason {
  std::string why, expr, values;
  bool is(const CaseText& said) const { return said.text == why || (!expr.empty() && said.text == expr); }
};

std::string listed(const std::vector<std::string>& names) {
  return names.empty() ? "nothing" : fmt::format("`{}`", fmt::join(names, "`, `"));
}

class Judge {
 public:
  Judge(const Soc& soc, int unit, const LayerCase& said, JudgedCases& result)
      : soc_(soc), unit_(unit), target_(soc.accelerators[static_cast<size_t>(unit)].target), said_(said),
        result_(result) {}

  void run();

 private:
  void find(const Place& place, std::string text, std::string remedy, std::vector<std::string> values = {});
  void find(const Diagnostics& errors);
  bool find_rule();
  bool build();
  bool match();
  bool check_names(const Environment& environment);
  bool shrink_memories();
  void judge_accepted();
  void judge_refused();
  void compare_reasons(const std::vector<FoundReason>& reasons, bool conditions);

  const Soc& soc_;
  int unit_;
  const Target& target_;
  const LayerCase& said_;
  JudgedCases& result_;
  int index_ = -1;  // of the rule
  SaidLayer layer_;
  Graph graph_;
  Soc alone_;   // the rule alone
  Match match_;
  Soc small_;   // with the memories that the case says
};

void Judge::find(const Place& place, std::string text, std::string remedy, std::vector<std::string> values) {
  result_.findings.push_back({Finding::Kind::error, place, fmt::format("case `{}`: {}", said_.name, text),
                              std::move(remedy), std::move(values)});
}

void Judge::find(const Diagnostics& errors) {
  for (const Diagnostic& error : errors)
    find(error.place.line == 0 ? said_.place : error.place, error.message, error.remedy);
}

bool Judge::find_rule() {
  std::vector<std::string> names;
  for (const Rule& rule : target_.rules) names.push_back(rule.name);
  const auto found = std::find(names.begin(), names.end(), said_.rule.text);
  index_ = static_cast<int>(found - names.begin());
  if (found != names.end()) return true;
  find(said_.rule.place,
       fmt::format("the unit has no rule `{}`{}", terminal_text(said_.rule.text),
                   did_you_mean(said_.rule.text, names)),
       fmt::format("it has {}", listed(names)));
  return false;
}

bool Judge::build() {
  layer_.choices.ops = said_.operators;
  for (const char c : said_.name) layer_.choices.seed = layer_.choices.seed * 31 + static_cast<unsigned char>(c);
  layer_.place = said_.place;
  for (const CaseName& name : said_.layer) {
    layer_.places[name.name] = name.place;
    if (const IntSet* const set = std::get_if<IntSet>(&name.value)) {
      const std::string operand = name.name.substr(0, name.name.find('.'));
      layer_.palettes[operand] = {set->begin(), set->end()};
    } else {
      layer_.choices.values[name.name] = name.value;
    }
  }
  Result<Graph> graph = build_layer(layer_);
  if (!graph.ok()) {
    find(graph.errors());
    return false;
  }
  graph_ = std::move(*graph);
  return true;
}

bool Judge::match() {
  alone_ = with_one_rule(soc_, unit_, index_);
  const Matches matches = match_rules(graph_, alone_, {});
  for (const std::vector<Match>* list : {&matches.accepted, &matches.refused})
    for (const Match& match : *list) {
      if (match.nodes.size() != said_.operators.size()) continue;
      match_ = match;
      return true;
    }
  find(said_.rule.place, fmt::format("the pattern of rule `{}` does not take these operators", said_.rule.text),
       fmt::format("it is `{}`", target_.rules[static_cast<size_t>(index_)].pattern.text),
       {fmt::format("operators of the case: {}", fmt::join(said_.operators, " "))});
  return false;
}

// What is said of names that the layer was not built of must hold; what was not understood is a mistake.
bool Judge::check_names(const Environment& environment) {
  const size_t before = result_.findings.size();
  for (const CaseName& name : said_.layer) {
    const std::optional<ExprValue> found = environment(name.name);
    if (found && *found != name.value) {
      find(name.place, fmt::format("`{}` is {} of the layer, not {}", terminal_text(name.name), to_string(*found),
                                   to_string(name.value)),
           "correct the case");
    } else if (!found && !layer_.asked.contains(name.name)) {
      const std::vector<std::string> known(layer_.asked.begin(), layer_.asked.end());
      find(name.place, fmt::format("the layer has no `{}`{}", terminal_text(name.name),
                                   did_you_mean(name.name, known)),
           "names are those of conditions (rules/SCHEMA.md)");
    }
  }
  return result_.findings.size() == before;
}

bool Judge::shrink_memories() {
  small_ = soc_;
  const size_t before = result_.findings.size();
  for (const CaseName& wanted : said_.memory) {
    const int64_t bytes = std::get<int64_t>(wanted.value);
    std::string name = wanted.name;
    for (const auto& [used, memory] : target_.uses)
      if (used == wanted.name) name = memory;
    Memory* memory = nullptr;
    for (std::vector<Memory>* memories :
         {&small_.memories, &small_.accelerators[static_cast<size_t>(unit_)].target.memories})
      for (Memory& each : *memories)
        if (each.name == name) memory = &each;
    if (memory == nullptr) {
      find(wanted.place, fmt::format("SoC `{}` has no memory `{}`", soc_.name, terminal_text(wanted.name)),
           "name a memory that the rules name");
    } else if (name == soc_.main_memory || name == soc_.constant_memory) {
      find(wanted.place, fmt::format("memory `{}` holds the network itself", terminal_text(wanted.name)),
           "only memories that jobs are cut for can be smaller");
    } else if (bytes > memory->bytes) {
      find(wanted.place, fmt::format("memory `{}` of SoC `{}` has only {} bytes", terminal_text(wanted.name),
                                     soc_.name, memory->bytes), "say fewer bytes");
    } else {
      memory->bytes = bytes;
    }
  }
  return result_.findings.size() == before;
}

void Judge::judge_accepted() {
  const std::string rule = said_.rule.text;
  if (!match_.accepted()) {
    std::vector<std::string> values;
    for (const FailedCondition& failed : stated(match_))
      values.push_back(fmt::format("{}: {}", failed.why, failed.values));
    return find(said_.rule.place, fmt::format("rule `{}` refuses the layer", rule),
                "the case says that it is accepted: correct the rule, or the case", std::move(values));
  }
  Compiled compiled = compile_layer(small_, unit_, index_, {layer_.choices, graph_}, layer_.choices.seed);
  if (!compiled.trial) {
    std::vector<std::string> values;
    for (const Diagnostic& error : compiled.errors)
      values.push_back(error.message + (error.remedy.empty() ? "" : ": " + error.remedy));
    return find(said_.rule.place,
                compiled.untileable ? "no tile of the layer fits" : "the layer cannot be compiled",
                "the case says that it is accepted: correct the rule, or the case", std::move(values));
  }
  std::vector<std::string> wanted, cut;
  for (const CaseText& axis : said_.cut) wanted.push_back(axis.text);
  if (const std::optional<Tiling>& tiling = compiled.trial->step().candidate.tiling)
    for (const TileAxis& axis : tiling->axes)
      if (axis.tile < axis.extent) cut.push_back(axis.axis);
  std::sort(wanted.begin(), wanted.end());
  std::sort(cut.begin(), cut.end());
  if (!wanted.empty() && wanted != cut) {
    return find(said_.cut[0].place, fmt::format("the layer is cut along {}, not along {}", listed(cut), listed(wanted)),
                "correct the rule's tiles, or the case");
  }
  ++result_.as_said;
  compiled.trial->said = &said_;
  result_.accepted.push_back(std::move(*compiled.trial));
}

// Each reason that is said must be found, and no other one.
void Judge::compare_reasons(const std::vector<FoundReason>& reasons, bool conditions) {
  const Rule& rule = target_.rules[static_cast<size_t>(index_)];
  std::vector<std::string> values;
  const CaseText* wrong = nullptr;
  for (const CaseText& said : said_.refused) {
    if (std::any_of(reasons.begin(), reasons.end(), [&](const FoundReason& reason) { return reason.is(said); })) continue;
    if (wrong == nullptr) wrong = &said;
    const auto is_said = [&](const Condition& condition) {
      return condition.why == said.text || condition.text == said.text;
    };
    const auto condition = std::find_if(rule.when.begin(), rule.when.end(), is_said);
    std::vector<std::string> known;
    for (const Condition& each : rule.when) known.insert(known.end(), {each.why, each.text});
    if (condition != rule.when.end()) {
      values.push_back(fmt::format("holds: {}: {}", condition->text,
                                   values_in(condition->expr, layer_environment(graph_, alone_, match_))));
    } else if (conditions) {
      values.push_back(fmt::format("no condition of the rule says `{}`{}", terminal_text(said.text, 300),
                                   did_you_mean(said.text, known)));
    } else {
      values.push_back(fmt::format("not found: {}", said.text));
    }
  }
  for (const FoundReason& reason : reasons) {
    if (std::any_of(said_.refused.begin(), said_.refused.end(), [&](const CaseText& said) { return reason.is(said); }))
      continue;
    values.push_back(fmt::format("fails: {}: {}", reason.why, reason.values));
  }
  if (values.empty()) {
    ++result_.as_said;
    return;
  }
  find(wrong == nullptr ? said_.refused[0].place : wrong->place,
       fmt::format("rule `{}` refuses the layer for other reasons than the case says", said_.rule.text),
       "correct the rule, or the case", std::move(values));
}

void Judge::judge_refused() {
  std::vector<FoundReason> reasons;
  if (!match_.accepted()) {
    for (const FailedCondition& failed : stated(match_)) reasons.push_back({failed.why, failed.condition, failed.values});
    return compare_reasons(reasons, true);
  }
  const Compiled compiled = compile_layer(small_, unit_, index_, {layer_.choices, graph_}, layer_.choices.seed);
  if (compiled.untileable) {
    for (const Diagnostic& error : compiled.errors) reasons.push_back({error.message, "", error.remedy});
    return compare_reasons(reasons, false);
  }
  const Rule& rule = target_.rules[static_cast<size_t>(index_)];
  const Environment environment = layer_environment(graph_, alone_, match_);
  std::vector<std::string> values;
  for (const CaseText& said : said_.refused) {
    for (const Condition& condition : rule.when)
      if (condition.why == said.text || condition.text == said.text)
        values.push_back(fmt::format("holds: {}: {}", condition.text, values_in(condition.expr, environment)));
  }
  for (std::string& line : explain_layer(graph_)) values.push_back(std::move(line));
  find(said_.refused[0].place, fmt::format("rule `{}` accepts the layer", said_.rule.text),
       "the case says that it is refused: correct the rule, or the case", std::move(values));
}

void Judge::run() {
  if (!find_rule() || !build() || !match() || !check_names(layer_environment(graph_, alone_, match_)) ||
      !shrink_memories())
    return;
  if (said_.accepted) return judge_accepted();
  judge_refused();
}

}  // namespace

JudgedCases judge_cases(const Soc& soc, int unit, const std::vector<LayerCase>& cases) {
  JudgedCases result;
  for (const LayerCase& each : cases) {
    ++result.cases;
    Judge(soc, unit, each, result).run();
  }
  return result;
}

}  // namespace heddle
