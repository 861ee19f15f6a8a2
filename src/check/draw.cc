#include "check/draw.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <set>

#include "base/checked.h"
#include "match/spine.h"
#include "ops/op.h"

namespace heddle {
namespace {

constexpr int64_t kUsualMacs = 200'000, kMostMacs = 4'000'000;
constexpr int64_t kUsualElements = 30'000;
constexpr int kAttempts = 100, kRepairs = 60, kMostWork = 4000;

void texts_in(const Expr& expr, std::set<std::string>& texts) {
  if (expr.op == ExprOp::text) texts.insert(expr.text);
  for (const Expr& child : expr.children) texts_in(child, texts);
}

// Both sides of every comparison of integers.
void sides_of(const Expr& expr, const Environment& environment,
              std::vector<std::pair<int64_t, int64_t>>& sides) {
  const bool comparison = expr.op == ExprOp::eq || expr.op == ExprOp::ne || expr.op == ExprOp::lt ||
                          expr.op == ExprOp::le || expr.op == ExprOp::gt || expr.op == ExprOp::ge;
  if (comparison) {
    const auto a = evaluate_int(expr.children[0], environment);
    const auto b = evaluate_int(expr.children[1], environment);
    if (a.index() == 0 && b.index() == 0) sides.emplace_back(std::get<0>(a), std::get<0>(b));
    return;
  }
  for (const Expr& child : expr.children) sides_of(child, environment, sides);
}

// How far a condition is from holding: 0 if it holds; the bits of the difference for a comparison, so
// that every step towards it counts.
int64_t distance_of(const Expr& expr, const Environment& environment) {
  const auto holds = evaluate_int(expr, environment);
  if (holds.index() == 0 && std::get<0>(holds) != 0) return 0;
  if (expr.op == ExprOp::logical_and)
    return distance_of(expr.children[0], environment) + distance_of(expr.children[1], environment);
  if (expr.op == ExprOp::logical_or)
    return std::min(distance_of(expr.children[0], environment),
                    distance_of(expr.children[1], environment));
  if (expr.children.size() != 2 || holds.index() != 0) return 12;
  const auto a = evaluate_int(expr.children[0], environment);
  const auto b = evaluate_int(expr.children[1], environment);
  if (a.index() != 0 || b.index() != 0) return 12;
  const uint64_t x = static_cast<uint64_t>(std::get<0>(a)), y = static_cast<uint64_t>(std::get<0>(b));
  return 3 + std::bit_width(std::get<0>(a) > std::get<0>(b) ? x - y : y - x);
}

// A size of a dimension; other choices have a dot in their names.
bool is_size(const std::string& name) { return name.find('.') == std::string::npos; }

bool has_image(const std::string& op) {
  const std::vector<std::string_view>& dims = find_op(op)->operands[0].dims;
  return std::count(dims.begin(), dims.end(), "iy") > 0;
}

}  // namespace

Soc with_one_rule(const Soc& soc, int target, int rule) {
  Soc one = soc;
  one.cpu.rules.clear();
  SocUnit unit = one.accelerators[static_cast<size_t>(target)];
  unit.target.rules = {unit.target.rules[static_cast<size_t>(rule)]};
  one.accelerators = {std::move(unit)};
  return one;
}

LayerSource::LayerSource(const Soc& soc, int target, int rule, uint64_t seed)
    : soc_(with_one_rule(soc, target, rule)),
      rule_(soc_.accelerators[0].target.rules[0]),
      hints_(hints_of(rule_, machine_environment(soc_, soc_.accelerators[0].target))),
      random_(seed) {
  std::set<std::string> undrawable;
  for (const PatternItem& item : rule_.pattern.items) {
    for (const OpDef* op : all_ops())
      if (accepts(item, op->name) && !can_draw(op->name)) undrawable.emplace(op->name);
  }
  undrawable_.assign(undrawable.begin(), undrawable.end());
}

std::vector<std::string> LayerSource::draw_ops() {
  std::vector<std::string> ops;
  for (const PatternItem& item : rule_.pattern.items) {
    std::vector<std::string> all;
    for (const OpDef* op : all_ops())
      if (accepts(item, op->name) && can_draw(op->name)) all.emplace_back(op->name);
    int64_t times = 1;
    if (item.repeat == PatternItem::Repeat::optional) times = random_.chance(60) ? 1 : 0;
    if (item.repeat == PatternItem::Repeat::star) times = random_.pick(0, 2);
    if (all.empty() && item.repeat == PatternItem::Repeat::once) return {};
    for (; times > 0 && !all.empty(); --times) ops.push_back(random_.of(all));
  }
  return ops;
}

LayerSource::Judgement LayerSource::judge(LayerChoices& choices) {
  Judgement now;
  ++work_;
  Result<Graph> graph = build_layer(hints_, choices, random_);
  if (!graph.ok() || macs_of(*graph) > kMostMacs) return now;
  now.graph = std::move(*graph);
  Matches matches = match_rules(now.graph, soc_, {});
  for (Match& match : matches.accepted) {
    if (match.nodes.size() != choices.ops.size()) continue;
    now.built = true;
    now.distance = 0;
    now.match = std::move(match);
    return now;
  }
  for (Match& match : matches.refused) {
    if (match.nodes.size() != choices.ops.size()) continue;
    for (const FailedCondition& failed : match.failed) {
      for (size_t i = 0; i < rule_.when.size(); ++i)
        if (rule_.when[i].text == failed.condition) now.failed.push_back(i);
    }
    now.built = now.failed.size() == match.failed.size();
    now.match = std::move(match);
    const Environment environment = layer_environment(now.graph, soc_, now.match);
    now.distance = 0;
    for (const size_t i : now.failed) now.distance += distance_of(rule_.when[i].expr, environment);
    return now;
  }
  return now;
}

std::vector<LayerSource::Change> LayerSource::changes_for(const Condition& condition,
                                                          const LayerChoices& choices,
                                                          const Judgement& now, bool everything) {
  const std::vector<std::string> names = names_in(condition.expr);
  const auto concerns = [&](const std::string& choice) {
    if (everything) return true;
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      const std::string owner = name.substr(0, name.find('.') + 1);
      if (name == "y.bits" || name == "y.signed" || name == "y.dtype" || name == "y.lo" || name == "y.hi")
        return choice.starts_with(occurrence_name(choices.ops, choices.ops.size() - 1) + ".") || choice == "y.dtype";
      return choice == name || (find_op(owner.substr(0, owner.size() - 1)) == nullptr &&
                                owner.size() > 1 && choice.starts_with(owner));
    });
  };
  const std::vector<int64_t> constants = integers_in(condition.expr);
  std::set<std::string> texts;
  texts_in(condition.expr, texts);
  std::vector<std::pair<int64_t, int64_t>> sides;
  sides_of(condition.expr, layer_environment(now.graph, soc_, now.match), sides);

  std::vector<Change> changes;
  for (const auto& [name, value] : choices.values) {
    if (!concerns(name)) continue;
    if (std::holds_alternative<std::string>(value)) {
      std::set<std::string> wanted = texts;
      if (name.ends_with(".dtype"))
        wanted = {"int8", "uint8", "int16", "uint16", "int32", "int64", "float32"};
      for (const std::string& text : wanted)
        if (ExprValue(text) != value) changes.push_back({name, text, false});
      continue;
    }
    const int64_t* const current = std::get_if<int64_t>(&value);
    if (current == nullptr) continue;
    std::set<int64_t> wanted{*current - 1, *current + 1, *current / 2}, said;
    const bool named = std::count(names.begin(), names.end(), name) > 0;
    for (const int64_t c : constants) {
      wanted.insert({c - 1, c, c + 1});
      if (c < 2) continue;
      wanted.insert({floor_div(*current, c) * c, (floor_div(*current, c) + 1) * c});
    }
    for (const auto& [a, b] : sides) {
      const std::optional<int64_t> difference = checked_sub(b, a);
      if (!difference || std::abs(*difference) > INT32_MAX) continue;
      wanted.insert({*current + *difference, *current - *difference, b, a, a + 1, b + 1, a - 1, b - 1});
      if (named) said.insert({a, b, *current + *difference, *current - *difference});
    }
    for (const int64_t number : wanted) {
      const bool possible = number >= (is_size(name) ? 1 : INT32_MIN) && number <= UINT32_MAX;
      if (possible && number != *current) changes.push_back({name, number, said.contains(number)});
    }
  }
  for (size_t i = changes.size(); i > 1; --i)
    std::swap(changes[i - 1], changes[static_cast<size_t>(random_.pick(0, static_cast<int64_t>(i) - 1))]);
  std::stable_partition(changes.begin(), changes.end(), [](const Change& change) { return change.likely; });
  return changes;
}

// Takes the best of the first `most` changes, if it is better than the layer is, or, `sideways`, not
// much worse.
bool LayerSource::improve(LayerChoices& choices, Judgement& now, const std::vector<Change>& changes,
                          size_t most, bool sideways) {
  std::optional<LayerChoices> best;
  Judgement best_judgement;
  for (size_t i = 0; i < std::min(most, changes.size()); ++i) {
    LayerChoices other = choices;
    other.values[changes[i].name] = changes[i].value;
    Judgement judgement = judge(other);
    if (!judgement.built) continue;
    if (best && judgement.distance >= best_judgement.distance) continue;
    best = std::move(other);
    best_judgement = std::move(judgement);
    if (best_judgement.distance < now.distance) break;
  }
  if (!best || best_judgement.distance >= now.distance + (sideways ? 14 : 0)) return false;
  choices = std::move(*best);
  now = std::move(best_judgement);
  return true;
}

bool LayerSource::repair(LayerChoices& choices, Judgement& now) {
  for (int step = 0; step < kRepairs && work_ < kMostWork && now.built && !now.failed.empty(); ++step) {
    const Condition& condition = rule_.when[random_.of(now.failed)];
    if (improve(choices, now, changes_for(condition, choices, now, false), 40, false)) continue;
    improve(choices, now, changes_for(condition, choices, now, true), 150, true);
  }
  for (const size_t failed : now.failed) ++refused_by_[rule_.when[failed].text];
  return now.built && now.failed.empty();
}

// Halves the largest sizes until the layer is one of many that run in a second.
void LayerSource::make_small(LayerChoices& choices, Judgement& now) {
  for (int i = 0; i < 16; ++i) {
    if (macs_of(now.graph) <= kUsualMacs && elements_in(now.graph) <= kUsualElements) return;
    std::string largest;
    int64_t size = 4;
    for (const auto& [name, value] : choices.values) {
      const int64_t* const integer = std::get_if<int64_t>(&value);
      if (integer == nullptr || !is_size(name) || *integer <= size) continue;
      size = *integer;
      largest = name;
    }
    if (largest.empty()) return;
    LayerChoices smaller = choices;
    smaller.values[largest] = size / 2 + random_.pick(0, 1);
    Judgement judgement = judge(smaller);
    if (judgement.distance > now.distance) return;
    choices = std::move(smaller);
    now = std::move(judgement);
  }
}

std::optional<DrawnLayer> LayerSource::draw() {
  work_ = 0;
  for (int attempt = 0; attempt < kAttempts && work_ < kMostWork; ++attempt) {
    LayerChoices choices{draw_ops(), {}, random_.next()};
    if (choices.ops.empty()) continue;
    if (has_image(choices.ops[0]) && random_.chance(50)) {
      // Few channels and many rows: what is cut along its rows, with padding at the edges only.
      const std::pair<const char*, int64_t> tall[] = {{"c", random_.pick(1, 5)},
                                                      {"iy", random_.pick(12, 36)},
                                                      {"ix", random_.pick(5, 40)}};
      for (const auto& [name, value] : tall)
        if (hints_.of(name).accepts(value)) choices.values[name] = value;
    }
    Judgement now = judge(choices);
    if (!now.built) continue;
    make_small(choices, now);
    if (!repair(choices, now)) continue;
    make_small(choices, now);
    const Status status = verify_graph(now.graph);
    HEDDLE_CHECK(status.ok(), "a drawn layer is no graph");
    return DrawnLayer{std::move(choices), std::move(now.graph)};
  }
  return std::nullopt;
}

std::optional<DrawnLayer> LayerSource::accepted(LayerChoices choices) {
  Judgement now = judge(choices);
  if (!now.built || !now.failed.empty()) return std::nullopt;
  return DrawnLayer{std::move(choices), std::move(now.graph)};
}

std::optional<DrawnLayer> LayerSource::changed(const DrawnLayer& layer, const std::string& name,
                                               int64_t value) {
  LayerChoices choices = layer.choices;
  choices.values[name] = value;
  return accepted(std::move(choices));
}

std::vector<DrawnLayer> LayerSource::shortened(const DrawnLayer& layer) {
  std::vector<DrawnLayer> shorter;
  for (size_t i = 1; i < layer.choices.ops.size(); ++i) {
    LayerChoices choices = layer.choices;
    choices.ops.erase(choices.ops.begin() + static_cast<std::ptrdiff_t>(i));
    if (std::optional<DrawnLayer> drawn = accepted(std::move(choices)))
      shorter.push_back(std::move(*drawn));
  }
  return shorter;
}

std::string LayerSource::hardest() const {
  const auto most =
      std::max_element(refused_by_.begin(), refused_by_.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == refused_by_.end() ? "" : most->first;
}

}  // namespace heddle
