// Real networks with reference vectors: outputs and every stored activation, bit for bit, through
// the reference interpreter.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
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

// ---- stored activations: which tensor of the graph each one is stands in activations/<Model>.txt

constexpr const char* kMaps = "/tests/unit/import/activations/";

Shape without_ones(Shape shape) {
  std::erase(shape, 1);
  return shape;
}

bool same(const Tensor& stored, const Tensor& value) {
  return without_ones(stored.shape()) == without_ones(value.shape()) &&
         as_integers(stored)->to_ints() == value.to_ints();
}

// What does not change when a transpose sinks.
std::vector<int64_t> sorted(const Tensor& tensor) {
  std::vector<int64_t> elements = tensor.to_ints();
  std::sort(elements.begin(), elements.end());
  return elements;
}

// The tensors of one run by name. Several share one where a transpose sank: they are the same in
// different orders.
std::multimap<std::string, Tensor> run_by_name(const Graph& graph, const Sample& sample) {
  std::multimap<std::string, Tensor> named;
  std::vector<Tensor> values = must(interpret(graph, sample));
  for (size_t i = 0; i < values.size(); ++i) {
    if (!graph.values[i].constant) named.emplace(graph.values[i].name, std::move(values[i]));
  }
  return named;
}

// Lines "key = tensor", by value, for a human to look at.
void write_map(const std::filesystem::path& file, const Arrays& activations,
               const std::multimap<std::string, Tensor>& tensors) {
  std::map<std::string, std::string> lines;
  for (const auto& [key, activation] : activations) {
    for (const auto& [name, tensor] : tensors) {
      if (same(activation, tensor)) lines.emplace(key, name);
    }
  }
  std::ofstream out(file);
  for (const auto& [key, name] : lines) out << key << " = " << name << "\n";
}

std::map<std::string, std::string> read_map(const std::filesystem::path& file) {
  std::map<std::string, std::string> map;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const size_t at = line.find(" = ");
    if (at != std::string::npos) map[line.substr(0, at)] = line.substr(at + 3);
  }
  return map;
}

class SharedNetwork : public testing::TestWithParam<std::string> {};

TEST_P(SharedNetwork, OutputsAndActivationsAreExact) {
  SKIP_WITHOUT_SHARED();
  std::filesystem::path folder = kShared / "integer_onnx" / GetParam();
  Graph graph = must(import_model(folder / "network.onnx", {}));
  expect_exact(graph, folder / "inputs.npz", folder / "outputs.npz", 1);
  if (!std::filesystem::exists(folder / "activations.npz")) return;

  Arrays inputs = must(read_arrays(folder / "inputs.npz"));
  const std::multimap<std::string, Tensor> tensors =
      run_by_name(graph, must(match_inputs(graph, inputs, "inputs"))[0]);
  Arrays activations = must(read_arrays(folder / "activations.npz"));
  const std::filesystem::path file = std::string(HEDDLE_SOURCE_DIR) + kMaps + GetParam() + ".txt";
  if (std::getenv("HEDDLE_REWRITE") != nullptr) write_map(file, activations, tensors);
  const std::map<std::string, std::string> map = read_map(file);
  EXPECT_EQ(map.size(), activations.size());
  for (const auto& [key, activation] : activations) {
    const auto named = map.find(key);
    if (named == map.end()) {
      ADD_FAILURE() << "no tensor for " << key << " in " << file;
      continue;
    }
    const auto [begin, end] = tensors.equal_range(named->second);
    EXPECT_NE(begin, end) << "no tensor " << named->second << " for " << key;
    bool exact = false;
    for (auto it = begin; it != end; ++it) {
      exact = exact || same(activation, it->second);
      EXPECT_EQ(sorted(*as_integers(activation)), sorted(it->second))
          << key << " differs from " << named->second;
    }
    EXPECT_TRUE(exact) << key << " is " << named->second << " in another order only";
  }
}

INSTANTIATE_TEST_SUITE_P(IntegerOnnx, SharedNetwork,
                         testing::Values("ImageClassification", "KeywordSpotting",
                                         "AnomalyDetection", "ICCT", "microLlama1",
                                         "microLlama16_parallel"),
                         [](const auto& test) { return test.param; });

struct Layered {
  const char* name;
  size_t requants;
};
void PrintTo(const Layered& layered, std::ostream* out) { *out << layered.name; }

class SharedLayers : public testing::TestWithParam<Layered> {};

TEST_P(SharedLayers, KeepTheirDialect) {
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

INSTANTIATE_TEST_SUITE_P(IntegerOnnx, SharedLayers,
                         testing::Values(Layered{"ImageClassification", 14},
                                         Layered{"KeywordSpotting", 10},
                                         Layered{"AnomalyDetection", 10}),
                         [](const auto& test) { return test.param.name; });

class SharedKernel : public testing::TestWithParam<std::string> {};

TEST_P(SharedKernel, OutputsAreExact) {
  SKIP_WITHOUT_SHARED();
  std::filesystem::path folder = kShared / "integer_onnx" / "kernels" / GetParam();
  Graph graph = must(import_model(folder / "network.onnx", {}));
  expect_exact(graph, folder / "inputs.npz", folder / "outputs.npz", 1);
}

INSTANTIATE_TEST_SUITE_P(IntegerOnnx, SharedKernel,
                         testing::Values("Add_Regular_RQ", "Conv_DW_2D_RQ", "Conv_Regular_2D_RQ",
                                         "Conv_StriddedPadded_2D_RQ", "GEMM_Regular_RQPerColumn",
                                         "Hardswish_Regular_RQ", "MatMul_Regular_RQ", "RMSNorm",
                                         "Softmax_Regular"),
                         [](const testing::TestParamInfo<std::string>& test) {
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

}  // namespace
}  // namespace heddle
