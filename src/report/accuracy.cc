#include "report/accuracy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "report/report.h"

namespace heddle {
namespace {

double percent_of(int64_t part, int64_t whole) {
  return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

double rounded(double value) { return std::round(1000 * value) / 1000; }

}  // namespace

double Accuracy::percent() const { return percent_of(right, samples); }

int64_t arg_max(const Tensor& scores) {
  int64_t best = 0;
  for (int64_t i = 1; i < scores.elements(); ++i) {
    const bool larger = scores.dtype() == DType::float32
                            ? scores.float_at(i) > scores.float_at(best)
                            : scores.at(i) > scores.at(best);
    if (larger) best = i;
  }
  return best;
}

Result<Accuracy> count_right(std::span<const std::vector<Tensor>> outputs,
                             std::span<const int64_t> labels, const std::string& file) {
  HEDDLE_CHECK(outputs.size() == labels.size(), "one label a sample");
  Accuracy accuracy{0, static_cast<int64_t>(labels.size())};
  Diagnostics errors;
  for (size_t s = 0; s < labels.size(); ++s) {
    const Tensor& scores = outputs[s].front();
    if (labels[s] < 0 || labels[s] >= scores.elements()) {
      errors.push_back(error_at(in_file(file),
                                fmt::format("the label of sample {} is {}, but the network has {} classes",
                                            s, labels[s], scores.elements()),
                                "labels count the elements of the first output, from 0"));
      continue;
    }
    accuracy.right += arg_max(scores) == labels[s];
  }
  if (!errors.empty()) return errors;
  return accuracy;
}

double NoisyAccuracy::mean() const {
  int64_t sum = 0;
  for (const int64_t count : right) sum += count;
  return percent_of(sum, samples * static_cast<int64_t>(right.size()));
}

double NoisyAccuracy::deviation() const {
  if (right.size() < 2) return 0;
  double squares = 0;
  for (const int64_t count : right) squares += std::pow(percent_of(count, samples) - mean(), 2);
  return std::sqrt(squares / static_cast<double>(right.size() - 1));
}

double NoisyAccuracy::least() const {
  return percent_of(*std::min_element(right.begin(), right.end()), samples);
}

double NoisyAccuracy::most() const {
  return percent_of(*std::max_element(right.begin(), right.end()), samples);
}

std::string accuracy_text(const Accuracy& accuracy) {
  return fmt::format("{} of {} right ({} %)", accuracy.right, accuracy.samples,
                     percent(accuracy.right, accuracy.samples));
}

std::string accuracy_text(const NoisyAccuracy& draws) {
  return fmt::format("mean {:.2f} %, standard deviation {:.2f}, least {:.2f}, most {:.2f}",
                     draws.mean(), draws.deviation(), draws.least(), draws.most());
}

nlohmann::ordered_json to_json(const Accuracy& accuracy) {
  return {{"right", accuracy.right},
          {"samples", accuracy.samples},
          {"percent", rounded(accuracy.percent())}};
}

nlohmann::ordered_json to_json(const NoisyAccuracy& draws) {
  return {{"noise", draws.noise},
          {"draws", draws.right.size()},
          {"samples", draws.samples},
          {"mean_percent", rounded(draws.mean())},
          {"deviation_percent", rounded(draws.deviation())},
          {"least_percent", rounded(draws.least())},
          {"most_percent", rounded(draws.most())},
          {"right", draws.right}};
}

}  // namespace heddle
