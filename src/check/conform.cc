#include "check/conform.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "base/text.h"
#include "check/trial.h"
#include "match/spine.h"

namespace heddle {
namespace {

class Conformer {
 public:
  Conformer(const Soc& soc, int unit, const ConformOptions& options, std::vector<Trial> cases)
      : soc_(soc),
        unit_(unit),
        options_(options),
        target_(soc.accelerators[static_cast<size_t>(unit)].target),
        has_model_(!target_.models.empty()),
        folder_(soc, unit, options.keep),
        cases_(std::move(cases)) {}

  Conformance run();

 private:
  void say(const std::string& line) const {
    if (options_.progress) options_.progress(line);
  }
  void draw(int rule);
  void judge(size_t rule);
  void judge_case(const Trial& trial);
  void add(Finding finding) { result_.findings.push_back(std::move(finding)); }
  void report_trouble(size_t rule, Trouble trouble);

  const Soc& soc_;
  int unit_;
  const ConformOptions& options_;
  const Target& target_;
  bool has_model_;
  ProgramFolder folder_;
  std::vector<std::unique_ptr<LayerSource>> sources_;  // one for each of result_.rules
  std::vector<int> indices_;                           // of them, in the target
  std::vector<Trial> cases_;
  std::vector<Trial> trials_;  // drawn ones, then cases
  Conformance result_;
};

const Rule& rule_at(const Target& target, int index) { return target.rules[static_cast<size_t>(index)]; }

void Conformer::draw(int index) {
  const Rule& rule = rule_at(target_, index);
  uint64_t seed = options_.seed;
  for (const char c : rule.name) seed = seed * 31 + static_cast<unsigned char>(c);
  Random random(seed);
  LayerSource& source =
      *sources_.emplace_back(std::make_unique<LayerSource>(soc_, unit_, index, random.next()));
  indices_.push_back(index);
  RuleConformance& row = result_.rules.emplace_back();
  row.rule = rule.name;
  row.wanted = options_.shapes;
  std::optional<DrawnLayer> no_tile;
  int64_t without_tile = 0, failures = 0;
  Diagnostics no_tile_errors, errors;
  for (int64_t attempt = 0; row.run < row.wanted && attempt < 2 * row.wanted && failures < 20; ++attempt) {
    if (attempt % 10 == 0)
      say(fmt::format("{}/{}: {} of {} layers", target_.name, rule.name, row.run, row.wanted));
    std::optional<DrawnLayer> layer = source.draw();
    if (!layer) {
      ++failures;
      continue;
    }
    const DrawnLayer kept = *layer;
    Compiled compiled = compile_layer(soc_, unit_, index, std::move(*layer), random.next());
    if (compiled.untileable) {
      ++without_tile;
      if (no_tile && elements_in(no_tile->graph) <= elements_in(kept.graph)) continue;
      no_tile = kept;
      no_tile_errors = compiled.errors;
    } else if (!compiled.trial) {
      errors = compiled.errors;
      ++failures;
    } else {
      std::optional<Trial> in_tiles;
      if (random.chance(60)) in_tiles = cut(soc_, unit_, *compiled.trial, random);
      trials_.push_back(std::move(in_tiles ? *in_tiles : *compiled.trial));
      ++row.run;
      row.tiles += trials_.back().tiles();
      row.tiled += trials_.back().tiles() > 1 ? 1 : 0;
    }
  }
  if (without_tile > 0) {
    const Diagnostic& why = no_tile_errors.front();
    add({Finding::Kind::error, rule.place,
         fmt::format("rule `{}` accepts layers that no tile fits: {} of those that were drawn", rule.name,
                     without_tile),
         "let `when` refuse them, or let `tile` cut more axes",
         {fmt::format("the smallest: {}", describe_layer(no_tile->graph)), why.message, why.remedy}});
  }
  if (row.run >= row.wanted) return;
  std::vector<std::string> values;
  if (!source.hardest().empty()) values.push_back("the hardest condition: " + source.hardest());
  for (const Diagnostic& error : errors) values.push_back(error.message);
  std::string undrawable;
  for (const std::string& op : source.undrawable()) undrawable += " " + op;
  if (!undrawable.empty()) values.push_back("operators of the pattern that no layer is drawn with:" + undrawable);
  add({Finding::Kind::warning, rule.place,
       fmt::format("rule `{}`: {} of {} layers could be drawn and compiled", rule.name, row.run, row.wanted),
       "see whether its conditions can hold together", std::move(values)});
}

void Conformer::report_trouble(size_t at, Trouble trouble) {
  const Rule& rule = rule_at(target_, indices_[at]);
  const Trial* small = nullptr;
  int64_t count = 0;
  for (const Trial& trial : trials_) {
    if (trial.said != nullptr || trial.rule != indices_[at] || trial.trouble != trouble) continue;
    ++count;
    if (small == nullptr || trial.size() < small->size()) small = &trial;
  }
  if (small == nullptr) return;
  say(fmt::format("{}/{}: looking for a smaller layer", target_.name, rule.name));
  const Trial found = smallest(*sources_[at], folder_, unit_, *small, has_model_);
  const int64_t run = result_.rules[at].run;
  std::string text, remedy;
  switch (trouble) {
    case Trouble::differs:
      text = fmt::format("rule `{}`: {} of {} layers differ from the reference", rule.name, count, run);
      remedy = "correct driver, model or the job's fields, or let `when` refuse such layers";
      break;
    case Trouble::refused:
      text = fmt::format("rule `{}`: {} of {} layers do not run", rule.name, count, run);
      remedy = "let `when` or `require` refuse what the unit cannot do";
      break;
    default:
      text = fmt::format("rule `{}`: {} of {} layers cost other cycles than the model charges", rule.name,
                         count, run);
      remedy = "`launch` + `compute` must be what model.c charges for a job";
  }
  add({Finding::Kind::error, rule.place, std::move(text), std::move(remedy), explain_trial(found)});
}

void Conformer::judge(size_t at) {
  RuleConformance& row = result_.rules[at];
  for (const Trial& trial : trials_) {
    if (trial.said != nullptr || trial.rule != indices_[at]) continue;
    if (trial.trouble == Trouble::none || trial.trouble == Trouble::cost) ++row.exact;
    if (!has_model_ || trial.trouble == Trouble::refused) continue;
    const int64_t error = std::abs(trial.charged - trial.modelled);
    if (row.cost && error <= std::abs(row.cost->charged - row.cost->modelled)) continue;
    row.cost = CostError{trial.modelled, trial.charged, describe_layer(trial.layer.graph)};
  }
  for (const Trouble trouble : {Trouble::differs, Trouble::refused, Trouble::cost})
    report_trouble(at, trouble);
}

void Conformer::judge_case(const Trial& trial) {
  if (trial.said == nullptr || trial.trouble == Trouble::none) return;
  ++result_.wrong_cases;
  const char* const what = trial.trouble == Trouble::differs   ? "differs from the reference"
                           : trial.trouble == Trouble::refused ? "does not run"
                                                               : "costs other cycles than the model charges";
  add({Finding::Kind::error, trial.said->place, fmt::format("case `{}`: the layer {}", trial.said->name, what),
       "correct driver, model or rule", explain_trial(trial)});
}

Conformance Conformer::run() {
  std::vector<std::string> names;
  for (const Rule& rule : target_.rules) names.push_back(rule.name);
  const std::string wanted = options_.rules.empty() ? ".*" : options_.rules;
  const Result<std::vector<bool>> chosen = full_match(wanted, names, in_file("--rule"));
  for (size_t r = 0; chosen.ok() && r < names.size(); ++r)
    if ((*chosen)[r]) draw(static_cast<int>(r));
  for (Trial& trial : cases_)
    if (chosen.ok() && (*chosen)[static_cast<size_t>(trial.rule)]) trials_.push_back(std::move(trial));
  if (trials_.empty()) return std::move(result_);
  say(fmt::format("{}: building and running {} layers", target_.name, trials_.size()));
  if (Status ran = run_trials(folder_, trials_, has_model_); !ran.ok()) {
    for (Finding& finding : findings_of(ran.errors())) add(std::move(finding));
    for (RuleConformance& row : result_.rules) row.run = row.tiled = row.tiles = 0;
    return std::move(result_);
  }
  for (size_t at = 0; at < result_.rules.size(); ++at) judge(at);
  for (const Trial& trial : trials_) judge_case(trial);
  return std::move(result_);
}

}  // namespace

Conformance conform(const Soc& soc, int unit, const ConformOptions& options, std::vector<Trial> cases) {
  return Conformer(soc, unit, options, std::move(cases)).run();
}

}  // namespace heddle
