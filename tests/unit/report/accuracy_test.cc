// Counting right classes, and what several draws say together.
#include "report/accuracy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace heddle {
namespace {

using testing::DoubleNear;

Tensor scores(std::vector<int64_t> values) {
  return Tensor::of(DType::int8, {1, static_cast<int64_t>(values.size())}, values);
}

TEST(Accuracy, TheFirstOfEqualScoresCounts) {
  EXPECT_EQ(arg_max(scores({3, 7, 7, -2})), 1);
  EXPECT_EQ(arg_max(scores({-5})), 0);
  EXPECT_EQ(arg_max(scores({-128, -128, -127})), 2);
}

TEST(Accuracy, CountsTheFirstOutputOfEachSample) {
  const std::vector<std::vector<Tensor>> outputs = {
      {scores({1, 2, 3}), scores({9, 0, 0})}, {scores({5, 2, 3}), scores({0, 9, 0})}, {scores({0, 1, 0}), scores({9, 0, 0})}};
  const Result<Accuracy> counted = count_right(outputs, std::vector<int64_t>{2, 1, 1}, "labels.npy");
  ASSERT_TRUE(counted.ok());
  EXPECT_EQ(counted->right, 2);
  EXPECT_EQ(counted->samples, 3);
  EXPECT_EQ(accuracy_text(*counted), "2 of 3 right (66.7 %)");
  EXPECT_EQ(to_json(*counted).dump(), R"({"right":2,"samples":3,"percent":66.667})");
}

TEST(Accuracy, LabelsThatAreNoClassesAreNamedWithTheirSamples) {
  const std::vector<std::vector<Tensor>> outputs = {{scores({1, 2})}, {scores({1, 2})}, {scores({1, 2})}};
  const Result<Accuracy> counted = count_right(outputs, std::vector<int64_t>{2, 1, -1}, "labels.npy");
  ASSERT_FALSE(counted.ok());
  EXPECT_EQ(format_diagnostics(counted.errors()),
            "labels.npy: error: the label of sample 0 is 2, but the network has 2 classes\n"
            "  help: labels count the elements of the first output, from 0\n"
            "labels.npy: error: the label of sample 2 is -1, but the network has 2 classes\n"
            "  help: labels count the elements of the first output, from 0\n");
}

TEST(NoisyAccuracy, MeanDeviationLeastAndMost) {
  const NoisyAccuracy draws{0.5, 200, {196, 198, 200}};
  EXPECT_THAT(draws.mean(), DoubleNear(99, 1e-12));
  EXPECT_THAT(draws.deviation(), DoubleNear(1, 1e-12));  // of -1, 0 and 1 over n - 1
  EXPECT_EQ(accuracy_text(draws), "mean 99.00 %, standard deviation 1.00, least 98.00, most 100.00");
  EXPECT_EQ(to_json(draws).dump(),
            R"({"noise":0.5,"draws":3,"samples":200,"mean_percent":99.0,"deviation_percent":1.0,)"
            R"("least_percent":98.0,"most_percent":100.0,"right":[196,198,200]})");
}

TEST(NoisyAccuracy, OneDrawHasNoDeviation) {
  const NoisyAccuracy draws{0.25, 10, {9}};
  EXPECT_EQ(accuracy_text(draws), "mean 90.00 %, standard deviation 0.00, least 90.00, most 90.00");
}

}  // namespace
}  // namespace heddle
