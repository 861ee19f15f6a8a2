// The models of models/, one for each dialect at least, against the outputs of their oracles: the
// reference, the emitted C of a CPU alone, and with accelerators.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/process.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const fs::path kModels = fs::path(HEDDLE_SOURCE_DIR) / "models";
constexpr ProcessLimits kLimits{.cpu_seconds = 300, .memory_bytes = 0};

struct Own {
  const char* file;  // the vectors are beside it
  const char* dialect;
  int samples;
  int exact;                // samples that equal the oracle's bit for bit
  bool diana = false;       // its emitted C too
  const char* tolerance{};  // where the outputs are float32 sums: how near all of them are
  const char* only{};       // on this SoC alone (and on cpu_only, which verify adds)
};
void PrintTo(const Own& own, std::ostream* out) { *out << own.file; }

// Float32 sums depend on their order.
constexpr const char* kFloat = "1e-5";
constexpr const char* kMixed = "diana_rv32";

const std::vector<Own> kOwn = {
    {"diana/ad.onnx", "shift", 5, 5, true},
    {"diana/ad_analog.onnx", "floor", 2, 2, true, nullptr, kMixed},
    {"diana/ad_mixed.onnx", "floor", 2, 2, true, nullptr, kMixed},
    {"diana/ic.onnx", "shift", 5, 5, true},
    {"diana/ic_analog.onnx", "floor", 2, 2, true, nullptr, kMixed},
    {"diana/ic_mixed.onnx", "floor", 2, 2, true, nullptr, kMixed},
    {"diana/kws.onnx", "shift", 5, 5, true},
    {"diana/kws_analog.onnx", "floor", 2, 2, true, nullptr, kMixed},
    {"diana/kws_mixed.onnx", "floor", 2, 2, true, nullptr, kMixed},
    {"diana/vww.onnx", "shift", 5, 5, true},
    {"diana/vww_analog.onnx", "floor", 2, 2, true, nullptr, kMixed},
    {"diana/vww_mixed.onnx", "floor", 2, 2, true, nullptr, kMixed},
    {"digits/digits_int8.tflite", "TFLite int8", 100, 100, true},
    {"digits/digits_qdq.onnx", "QDQ ONNX", 100, 100},
    {"digits_mixed/digits_mixed.onnx", "floor", 200, 200, true, nullptr, kMixed},
    {"float32/cnn.onnx", "float32 ONNX", 5, 0, false, kFloat},
    {"float32/encoder.onnx", "float32 ONNX", 5, 0, false, kFloat},
    {"integer/decoder.onnx", "half_up", 5, 5},
    {"integer/encoder.onnx", "half_up", 5, 5},
    {"integer/floor.onnx", "floor", 5, 5, true},
    {"integer/half_up.onnx", "half_up", 5, 5},
    {"mlperf_tiny/ad_int8.tflite", "TFLite int8", 5, 5},
    {"mlperf_tiny/ad_qdq.onnx", "QDQ ONNX", 5, 5},
    {"mlperf_tiny/ic_int8.tflite", "TFLite int8", 5, 5, true},
    {"mlperf_tiny/ic_qdq.onnx", "QDQ ONNX", 5, 4},  // a step of the softmax's grid
    {"mlperf_tiny/kws_int8.tflite", "TFLite int8", 5, 5},
    {"mlperf_tiny/kws_qdq.onnx", "QDQ ONNX", 5, 4},  // likewise
    {"qdq/qdq_encoder.onnx", "QDQ ONNX", 5, 5},
    {"qdq/qdq_int4.onnx", "QDQ ONNX", 5, 5},
    {"qdq/qdq_s8s8_tensor.onnx", "QDQ ONNX", 5, 5, true},
    {"qdq/qdq_u8s8.onnx", "QDQ ONNX", 5, 5},
    {"qdq/qdq_u8u8_tensor.onnx", "QDQ ONNX", 5, 5},
    {"qdq/qoperator_s8s8.onnx", "QOperator ONNX", 5, 5},
    {"qdq/qoperator_u8s8.onnx", "QOperator ONNX", 5, 5},
    {"qdq/qoperator_u8u8.onnx", "QOperator ONNX", 5, 5},
    {"qonnx/binary.onnx", "QONNX", 5, 0, true, kFloat},
    {"qonnx/mixed.onnx", "QONNX", 5, 5, true},
    {"qonnx/ternary.onnx", "QONNX", 5, 0, true, kFloat},
    {"tflite/branches.tflite", "TFLite int8", 5, 0},  // differs by 1
    {"tflite/float_edges.tflite", "TFLite int8", 5, 5},
    {"tflite/int16x8.tflite", "TFLite int16x8", 5, 5},
    {"tflite/int4.tflite", "TFLite", 5, 1},         // by 1
    {"tflite/sound.tflite", "TFLite int8", 5, 0},   // by at most 2
    {"tflite/uint8.tflite", "TFLite uint8", 5, 4},  // one element, by 1
    {"tflite/uint8_edges.tflite", "TFLite uint8 and int8", 5, 5},
};

class OwnModel : public testing::TestWithParam<Own> {
 protected:
  static ProcessOutcome verify(const Own& own, const std::string& soc) {
    const fs::path model = kModels / own.file;
    const std::string vectors = fs::path(model).replace_extension(".npz").string();
    std::vector<std::string> arguments = {HEDDLE_TOOL, "verify", model.string(),
                                          "--inputs",  vectors,  "--expected",
                                          vectors,     "--soc",  soc};
    if (own.tolerance != nullptr) {
      arguments.emplace_back("--tolerance");
      arguments.emplace_back(own.tolerance);
    }
    Result<ProcessOutcome> outcome = run_process(arguments, kModels, kLimits);
    HEDDLE_CHECK(outcome.ok(), format_diagnostics(outcome.errors()));
    return *outcome;
  }
};

TEST_P(OwnModel, EqualsItsOracle) {
  const Own& own = GetParam();
  const std::string oracle =
      fmt::format("expected outputs: {} of {} samples bit-exact", own.exact, own.samples);
  const std::string reference =
      fmt::format("against the reference: {0} of {0} samples bit-exact", own.samples);
  for (const char* soc : {"cpu_only", "cpu_only_rv32", "diana"}) {
    if (own.only != nullptr) soc = own.only;
    const ProcessOutcome run = verify(own, soc);
    if (own.tolerance == nullptr) {
      EXPECT_THAT(run.out, HasSubstr(oracle)) << run.err;
    }
    EXPECT_THAT(run.out, HasSubstr(reference)) << own.file << " on " << soc;
    if (own.exact == own.samples || own.tolerance != nullptr) {
      EXPECT_EQ(run.exit_status, 0) << own.file << " on " << soc << "\n" << run.out << run.err;
    }
    if (own.only != nullptr || (!own.diana && std::string_view(soc) == "cpu_only_rv32")) break;
  }
}

TEST_P(OwnModel, IsRecognised) {
  Result<ProcessOutcome> run =
      run_process({HEDDLE_TOOL, "inspect", (kModels / GetParam().file).string()}, kModels, kLimits);
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->exit_status, 0) << run->err;
  EXPECT_THAT(run->out, HasSubstr(GetParam().dialect));
}

std::string test_name(const testing::TestParamInfo<Own>& info) {
  std::string name;
  for (const char c : std::string(info.param.file))
    name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Models, OwnModel, testing::ValuesIn(kOwn), test_name);

}  // namespace
}  // namespace heddle
