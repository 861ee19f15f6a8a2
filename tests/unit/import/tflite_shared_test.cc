// The MLPerf Tiny networks of ../shared as TFLite: every vector, bit for bit, through the reference
// interpreter.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/files.h"
#include "import/import.h"
#include "ops/op.h"

namespace heddle {
namespace {

const std::filesystem::path kShared =
    std::filesystem::path(HEDDLE_SOURCE_DIR).parent_path() / "shared" / "models" / "mlperf_tiny";

std::vector<float> floats_of(const std::string& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

std::vector<int64_t> quantised(const std::vector<float>& values, const Quantisation& q) {
  std::vector<int64_t> result;
  for (float value : values) {
    const auto rounded = static_cast<int64_t>(std::round(value / static_cast<float>(q.scale)));
    result.push_back(std::clamp<int64_t>(rounded + q.zero_point, -128, 127));
  }
  return result;
}

// One byte an element is a pixel: the int8 input is that, less 128. Else float32.
std::vector<int64_t> input_of(const std::string& bytes, const Value& input) {
  if (bytes.size() != static_cast<size_t>(elements_of(input.type.shape)))
    return quantised(floats_of(bytes), *input.quantisation);
  std::vector<int64_t> pixels;
  for (char byte : bytes) pixels.push_back(static_cast<uint8_t>(byte) - 128);
  return pixels;
}

class TfliteVectors : public testing::TestWithParam<std::string> {};

TEST_P(TfliteVectors, AreExact) {
  if (!std::filesystem::exists(kShared)) GTEST_SKIP() << "skipped: ../shared is absent";
  const std::filesystem::path folder = kShared / GetParam();
  const Result<Graph> imported = import_model(folder / "model.tflite", {});
  ASSERT_TRUE(imported.ok()) << format_diagnostics(imported.errors());
  const Graph& graph = *imported;
  ASSERT_EQ(graph.inputs.size(), 1u);
  ASSERT_EQ(graph.outputs.size(), 1u);
  EXPECT_EQ(graph.dialect, std::string("TFLite int8, per ") +
                               (GetParam() == "ad" ? "tensor" : "channel") +
                               ", single rounding");
  const Value& input = graph.value(graph.inputs[0]);
  const Value& output = graph.value(graph.outputs[0]);
  for (int i = 0; i < 5; ++i) {
    const std::string name = std::to_string(i) + ".bin";
    const std::vector<Tensor> x{
        Tensor::of(DType::int8, input.type.shape,
                   input_of(read_file(folder / "input" / name).value(), input))};
    const Result<std::vector<Tensor>> values = interpret(graph, x);
    ASSERT_TRUE(values.ok()) << format_diagnostics(values.errors());
    EXPECT_EQ(
        (*values)[static_cast<size_t>(graph.outputs[0].index)].to_ints(),
        quantised(floats_of(read_file(folder / "expected" / name).value()), *output.quantisation))
        << name;
  }
}

INSTANTIATE_TEST_SUITE_P(MlperfTiny, TfliteVectors, testing::Values("kws", "ic", "vww", "ad"),
                         [](const auto& parameter) { return parameter.param; });

}  // namespace
}  // namespace heddle
