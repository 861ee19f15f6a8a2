#include <nlohmann/json.hpp>

#include "report/layer_json.h"
#include "report/why.h"

namespace heddle {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const RuleVerdict& verdict) {
  Json json = {{"rule", verdict.rule}, {"verdict", verdict.verdict}, {"operators", verdict.operators}};
  if (!verdict.form.empty()) json["form"] = verdict.form;
  if (verdict.cycles) json["cycles"] = *verdict.cycles;
  if (verdict.hypothetical()) json["hypothetical"] = true;
  json["failed"] = Json::array();
  for (const FailedCondition& failed : verdict.failed) {
    json["failed"].push_back(
        {{"condition", failed.condition}, {"why", failed.why}, {"values", failed.values}});
  }
  if (verdict.with) json["with"] = to_json(*verdict.with);
  return json;
}

Json to_json(const LayerWhy& why) {
  Json json = to_json(why.layer);
  json["all_cycles"] = why.cycles;
  json["cycles_lost"] = why.cycles_lost;
  if (why.fix) {
    json["nearest_fix"] = {{"kind", why.fix->kind},
                           {"rule", why.fix->rule},
                           {"what", why.fix->what},
                           {"extra_cycles", why.fix->extra_cycles},
                           {"cycles", why.fix->cycles},
                           {"gain", why.fix->gain},
                           {"text", why.fix->text}};
  }
  if (why.margin) {
    json["margin"] = {{"more", why.margin->more},
                      {"switches", why.margin->switches},
                      {"unit", why.unit},
                      {"runner_up", why.margin->runner_up}};
  }
  json["rules"] = Json::array();
  for (const RuleVerdict& verdict : why.verdicts) json["rules"].push_back(to_json(verdict));
  return json;
}

Json to_json(const ConditionCost::Sum& sum) {
  return {{"layers", sum.layers}, {"macs", sum.macs}, {"cycles", sum.cycles}};
}

}  // namespace

std::string why_json(const NetworkWhy& why) {
  Json json = {{"heading", why.heading}, {"layers", Json::array()}};
  for (const LayerWhy& layer : why.layers) json["layers"].push_back(to_json(layer));
  json["conditions"] = Json::array();
  for (const ConditionCost& c : why.conditions) {
    json["conditions"].push_back({{"target", c.target},
                                  {"why", c.why},
                                  {"bound", c.bound},
                                  {"alone", to_json(c.alone)},
                                  {"among_others", to_json(c.others)}});
  }
  json["sets"] = Json::array();
  for (const ConditionSet& set : why.sets) {
    Json one = {{"target", set.target}, {"whys", set.whys}};
    one.update(to_json(set.sum));
    json["sets"].push_back(std::move(one));
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace heddle
