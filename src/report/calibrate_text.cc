// A calibration as text and JSON.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "report/calibrate.h"
#include "report/table.h"

namespace heddle {
namespace {

using Json = nlohmann::ordered_json;

// "+1.2"; never "-0.0".
std::string signed_percent(double percent) {
  const double tenths = std::round(percent * 10);
  return fmt::format("{:+.1f}", tenths == 0 ? 0.0 : tenths / 10);
}

std::string constants_table(const Calibration& calibration) {
  std::vector<Row> rows;
  for (const FittedConstant& constant : calibration.constants) {
    // A constant that is smaller than its own error is a guess.
    std::string note = constant.kept.empty() ? "" : "kept: " + constant.kept;
    if (constant.error && *constant.error > static_cast<double>(constant.value))
      note = "hardly determined: its error is larger than itself";
    rows.push_back({{constant.key, fmt::to_string(constant.before), fmt::to_string(constant.value),
                     constant.error ? fmt::format("{:.1f}", *constant.error) : "-",
                     fmt::to_string(constant.layers), note},
                    ""});
  }
  return format_table({{"constant", false, 30},
                       {"before", true},
                       {"fitted", true},
                       {"+/-", true},
                       {"layers", true},
                       {"", false}},
                      rows);
}

std::string layers_table(const std::vector<LayerResidual>& layers) {
  std::vector<Row> rows;
  for (const LayerResidual& layer : layers) {
    rows.push_back(
        {{layer.network, layer.layer, layer.rule, thousands(layer.measured),
          thousands(layer.modelled), signed_percent(percent_off(layer.modelled, layer.measured)),
          signed_percent(percent_off(layer.before, layer.measured))},
         ""});
  }
  return format_table({{"network", false, 14},
                       {"layer", false, 20},
                       {"rule", false, 17},
                       {"measured", true},
                       {"modelled", true},
                       {"% off", true},
                       {"before", true}},
                      rows);
}

std::vector<std::string> summary_cells(const char* what, const ResidualSummary& summary) {
  return {what,
          fmt::to_string(summary.layers),
          fmt::format("{:.1f}", summary.mean),
          signed_percent(summary.worst),
          summary.worst_network + ": " + summary.worst_layer,
          thousands(summary.measured),
          thousands(summary.modelled)};
}

Json to_json(const LayerResidual& layer) {
  return {{"network", layer.network},   {"layer", layer.layer},   {"rule", layer.rule},
          {"measured", layer.measured}, {"before", layer.before}, {"modelled", layer.modelled}};
}

Json to_json(const ResidualSummary& summary) {
  return {{"layers", summary.layers},
          {"mean_percent", std::round(summary.mean * 100) / 100},
          {"worst_percent", std::round(summary.worst * 100) / 100},
          {"worst_network", summary.worst_network},
          {"worst_layer", summary.worst_layer},
          {"measured", summary.measured},
          {"modelled", summary.modelled}};
}

}  // namespace

std::string calibration_text(const Calibration& calibration) {
  std::string text = fmt::format("calibration of SoC {}\n\n", calibration.soc);
  text += constants_table(calibration) + '\n';
  if (calibration.not_linear > 0) {
    text +=
        wrap(fmt::format("the cost of {} fitted layer{} is not linear in the constants: fitted in "
                         "steps, from the SoC's own values on",
                         calibration.not_linear, calibration.not_linear == 1 ? "" : "s"),
             98, 0) +
        "\n\n";
  }
  text += "fitted\n" + layers_table(calibration.fitted) + '\n';
  if (!calibration.checked.empty()) text += "checked\n" + layers_table(calibration.checked) + '\n';
  std::vector<Row> rows = {
      {summary_cells("before, fitted layers", summary_of(calibration.fitted, true)), ""},
      {summary_cells("fitted", summary_of(calibration.fitted)), ""}};
  if (!calibration.left_out.empty())
    rows.push_back({summary_cells("fitted on the others", summary_of(calibration.left_out)), ""});
  if (!calibration.checked.empty()) {
    rows.push_back(
        {summary_cells("before, checked layers", summary_of(calibration.checked, true)), ""});
    rows.push_back({summary_cells("checked", summary_of(calibration.checked)), ""});
  }
  text += format_table({{"% off", false},
                        {"layers", true},
                        {"mean", true},
                        {"worst", true},
                        {"of", false, 24},
                        {"measured", true},
                        {"modelled", true}},
                       rows);
  if (calibration.checked.empty() && calibration.left_out.empty())
    text += "nothing checks the fit: add `--check MEASURED.csv` of another network\n";
  return text;
}

std::string calibration_json(const Calibration& calibration) {
  Json json = {{"soc", calibration.soc}};
  json["constants"] = Json::array();
  for (const FittedConstant& constant : calibration.constants) {
    Json each = {{"constant", constant.key},
                 {"before", constant.before},
                 {"fitted", constant.value},
                 {"layers", constant.layers}};
    if (constant.error) each["standard_error"] = std::round(*constant.error * 100) / 100;
    if (!constant.kept.empty()) each["kept"] = constant.kept;
    json["constants"].push_back(std::move(each));
  }
  json["not_linear_layers"] = calibration.not_linear;
  const auto add = [&](const char* key, const std::vector<LayerResidual>& layers, bool before) {
    if (layers.empty()) return;
    json[key] = {{"summary", to_json(summary_of(layers))}};
    if (before) json[key]["summary_before"] = to_json(summary_of(layers, true));
    json[key]["layers"] = Json::array();
    for (const LayerResidual& layer : layers) json[key]["layers"].push_back(to_json(layer));
  };
  add("fitted", calibration.fitted, true);
  add("checked", calibration.checked, true);
  add("left_out", calibration.left_out, false);
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace heddle
