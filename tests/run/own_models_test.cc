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
  bool emitted = true;  // false: the reference alone is held against the oracle
};

const std::vector<Own> kOwn = {
    {"digits/digits_int8.tflite", "TFLite int8", 100, false},
    {"integer/floor.onnx", "floor", 5},
    {"mlperf_tiny/ad_int8.tflite", "TFLite int8", 5},
    {"mlperf_tiny/ic_int8.tflite", "TFLite int8", 5, false},
    {"mlperf_tiny/kws_int8.tflite", "TFLite int8", 5},
    {"mlperf_tiny/vww_int8.tflite", "TFLite int8", 3, false},
    {"qonnx/mixed.onnx", "QONNX", 5},
    {"tflite/float_edges.tflite", "TFLite int8", 5, false},
    {"tflite/int16x8.tflite", "TFLite int16x8", 5, false},
    {"tflite/uint8_edges.tflite", "TFLite uint8 and int8", 5, false},
};

class OwnModel : public testing::TestWithParam<Own> {
 protected:
  static ProcessOutcome verify(const Own& own, const std::string& soc) {
    const fs::path model = kModels / own.file;
    const std::string vectors = fs::path(model).replace_extension(".npz").string();
    std::vector<std::string> arguments = {HEDDLE_TOOL, "verify", model.string(),
                                          "--inputs",  vectors,  "--expected",
                                          vectors,     "--soc",  soc};
    Result<ProcessOutcome> outcome = run_process(arguments, kModels, kLimits);
    HEDDLE_CHECK(outcome.ok(), format_diagnostics(outcome.errors()));
    return *outcome;
  }
};

TEST_P(OwnModel, EqualsItsOracle) {
  const Own& own = GetParam();
  const std::string all = fmt::format("{0} of {0} samples bit-exact", own.samples);
  for (const char* soc : {"cpu_only", "diana"}) {
    const ProcessOutcome run = verify(own, soc);
    EXPECT_THAT(run.out, HasSubstr("reference against the expected outputs: " + all)) << run.err;
    if (!own.emitted) break;  // the reference is the same for every SoC
    EXPECT_EQ(run.exit_status, 0) << own.file << " on " << soc << "\n" << run.out;
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
