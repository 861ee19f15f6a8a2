// The models of models/, one for each dialect at least, against the outputs of their oracles: the
// reference, the emitted C of a CPU alone, and with accelerators.
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
  std::vector<std::string> criterion{};  // none: bit-exact
};

const std::vector<Own> kOwn = {
    {"integer/floor.onnx", "floor"},
};

class OwnModel : public testing::TestWithParam<Own> {
 protected:
  static ProcessOutcome verify(const Own& own, const std::string& soc) {
    const fs::path model = kModels / own.file;
    const std::string vectors = fs::path(model).replace_extension(".npz").string();
    std::vector<std::string> arguments = {HEDDLE_TOOL, "verify",     model.string(), "--inputs", vectors,
                                          "--expected", vectors, "--soc",        soc};
    arguments.insert(arguments.end(), own.criterion.begin(), own.criterion.end());
    Result<ProcessOutcome> outcome = run_process(arguments, kModels, kLimits);
    HEDDLE_CHECK(outcome.ok(), format_diagnostics(outcome.errors()));
    return *outcome;
  }
};

TEST_P(OwnModel, EqualsItsOracle) {
  for (const char* soc : {"cpu_only", "diana"}) {
    const ProcessOutcome run = verify(GetParam(), soc);
    EXPECT_EQ(run.exit_status, 0) << GetParam().file << " on " << soc << "\n" << run.out << run.err;
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
