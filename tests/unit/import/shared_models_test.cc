// Real networks with reference vectors: outputs and every stored activation, bit for bit, through
// the reference interpreter.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "import/import.h"
#include "import/npz.h"
#include "ops/op.h"

namespace heddle {
namespace {

const std::filesystem::path kModels = std::filesystem::path(HEDDLE_SOURCE_DIR) / "models";
const std::filesystem::path kShared =
    std::filesystem::path(HEDDLE_SOURCE_DIR).parent_path() / "shared" / "models";

#define SKIP_WITHOUT_SHARED() \
  if (!std::filesystem::exists(kShared)) GTEST_SKIP() << "skipped: ../shared is absent"

// The value, or a failed test that shows the errors.
template <class T>
T must(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(format_diagnostics(result.errors()));
  return std::move(result).value();
}

std::string refusal(const std::filesystem::path& file) {
  Result<Graph> graph = import_model(file, {});
  return graph.ok() ? "imported" : format_diagnostics(graph.errors());
}

// Runs the graph on every sample of the inputs and compares all of its outputs.
void expect_exact(const Graph& graph, const std::filesystem::path& inputs,
                  const std::filesystem::path& outputs, size_t samples) {
  std::vector<Sample> given = must(match_inputs(graph, must(read_arrays(inputs)), inputs.string()));
  std::vector<Sample> expected =
      must(match_outputs(graph, must(read_arrays(outputs)), outputs.string()));
  ASSERT_EQ(given.size(), samples);
  ASSERT_EQ(expected.size(), samples);
  for (size_t s = 0; s < samples; ++s) {
    std::vector<Tensor> values = must(interpret(graph, given[s]));
    for (size_t o = 0; o < graph.outputs.size(); ++o) {
      EXPECT_EQ(values[static_cast<size_t>(graph.outputs[o].index)].to_ints(),
                expected[s][o].to_ints())
          << "sample " << s;
    }
  }
}

struct Network {
  const char* name;
  size_t activations;
  size_t requants;
};

class SharedNetwork : public testing::TestWithParam<Network> {};

TEST_P(SharedNetwork, OutputsAndActivationsAreExact) {
  SKIP_WITHOUT_SHARED();
  std::filesystem::path folder = kShared / "integer_onnx" / GetParam().name;
  Graph graph = must(import_model(folder / "network.onnx", {}));
  expect_exact(graph, folder / "inputs.npz", folder / "outputs.npz", 1);

  Arrays inputs = must(read_arrays(folder / "inputs.npz"));
  std::vector<Tensor> values =
      must(interpret(graph, must(match_inputs(graph, inputs, "inputs"))[0]));
  std::vector<std::vector<int64_t>> tensors;
  for (const Tensor& value : values) tensors.push_back(value.to_ints());
  Arrays activations = must(read_arrays(folder / "activations.npz"));
  EXPECT_EQ(activations.size(), GetParam().activations);
  for (const auto& [key, activation] : activations) {
    EXPECT_NE(std::find(tensors.begin(), tensors.end(), as_integers(activation)->to_ints()), tensors.end())
        << "no tensor equals " << key;
  }
}

TEST_P(SharedNetwork, MatrixLayersKeepTheirDialect) {
  SKIP_WITHOUT_SHARED();
  Graph graph = must(import_model(kShared / "integer_onnx" / GetParam().name / "network.onnx", {}));
  size_t requants = 0;
  for (const Node& node : graph.nodes) {
    if (node.op != "requant") continue;
    ++requants;
    const std::string& below = graph.node(graph.value(node.inputs[0]).producer).op;
    if (below == "conv2d" || below == "depthwise_conv2d" || below == "dense" ||
        below == "bias_add") {
      EXPECT_EQ(string_attribute(node, "rounding"), "half_up") << node.name;
    }
  }
  EXPECT_EQ(requants, GetParam().requants);
  EXPECT_EQ(graph.dialect, "integer ONNX, half_up (RequantShift)");
}

INSTANTIATE_TEST_SUITE_P(IntegerOnnx, SharedNetwork,
                         testing::Values(Network{"ImageClassification", 25, 14},
                                         Network{"KeywordSpotting", 21, 10},
                                         Network{"AnomalyDetection", 20, 10}),
                         [](const testing::TestParamInfo<Network>& test) {
                           return test.param.name;
                         });

class SharedKernel : public testing::TestWithParam<const char*> {};

TEST_P(SharedKernel, OutputsAreExact) {
  SKIP_WITHOUT_SHARED();
  std::filesystem::path folder = kShared / "integer_onnx" / "kernels" / GetParam();
  Graph graph = must(import_model(folder / "network.onnx", {}));
  expect_exact(graph, folder / "inputs.npz", folder / "outputs.npz", 1);
}

INSTANTIATE_TEST_SUITE_P(IntegerOnnx, SharedKernel,
                         testing::Values("Add_Regular_RQ", "Conv_DW_2D_RQ", "Conv_Regular_2D_RQ",
                                         "Conv_StriddedPadded_2D_RQ", "GEMM_Regular_RQPerColumn",
                                         "Softmax_Regular"),
                         [](const testing::TestParamInfo<const char*>& test) {
                           return test.param;
                         });

TEST(Digits, TwoHundredSamplesAreExact) {
  Graph graph = must(import_model(kModels / "digits" / "digits.onnx", {}));
  expect_exact(graph, kModels / "digits" / "sample.npz", kModels / "digits" / "sample.npz", 200);
}

TEST(Digits, IsInShiftDialect) {
  Graph graph = must(import_model(kModels / "digits" / "digits.onnx", {}));
  std::string ops;
  for (const Node& node : graph.nodes) {
    ops += (ops.empty() ? "" : " ") + node.op;
    if (node.op == "requant") {
      EXPECT_EQ(string_attribute(node, "rounding"), "shift");
    }
  }
  EXPECT_EQ(ops,
            "conv2d bias_add requant max_pool conv2d bias_add requant conv2d bias_add requant "
            "conv2d bias_add requant add requant "
            "max_pool flatten dense bias_add requant");
  EXPECT_EQ(graph.value(graph.inputs[0]).type, (TensorType{DType::int8, {1, 1, 28, 28}, {0, 127}}));
  EXPECT_EQ(graph.value(graph.outputs[0]).name, "dense_clip");
}

TEST(Nemo, KeywordSpottingImports) {
  SKIP_WITHOUT_SHARED();
  Graph graph = must(import_model(kShared / "nemo_onnx" / "keyword_spotting.onnx", {}));
  std::string ops;
  for (const Node& node : graph.nodes) ops += (ops.empty() ? "" : " ") + node.op;
  EXPECT_EQ(
      ops,
      "conv2d requant depthwise_conv2d requant conv2d requant depthwise_conv2d requant conv2d "
      "requant depthwise_conv2d requant "
      "conv2d requant depthwise_conv2d requant conv2d requant max_pool flatten dense bias_add");
  EXPECT_EQ(graph.value(graph.inputs[0]).type.dtype, DType::uint8);
}

TEST(Refused, EightBitsWithoutScales) {
  SKIP_WITHOUT_SHARED();
  EXPECT_NE(refusal(kShared / "hostile" / "int8_without_scales.onnx")
                .find("10 layers multiply 8-bit tensors, but the model has neither scales "
                      "(QuantizeLinear, QLinear operators) nor "
                      "requantisation"),
            std::string::npos);
}

TEST(Refused, AllUnsupportedOperatorsAtOnce) {
  SKIP_WITHOUT_SHARED();
  std::string errors = refusal(kShared / "integer_onnx" / "ICCT" / "network.onnx");
  for (const char* op : {"Transpose", "iLayerNorm", "ITAMax", "iGELU", "Gather"}) {
    EXPECT_NE(errors.find(std::string("operator `") + op + "` is not supported ("),
              std::string::npos)
        << op << errors;
  }
  EXPECT_NE(errors.find("`_Transpose` of [1, 128, 8, 8]"), std::string::npos) << errors;
}

}  // namespace
}  // namespace heddle
