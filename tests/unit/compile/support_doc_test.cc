#include "report/support_doc.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "base/files.h"
#include "compile/resources.h"
#include "import/import.h"

namespace heddle {
namespace {

// HEDDLE_REWRITE=1 writes it anew.
TEST(SupportDoc, IsUpToDate) {
  const FormatOperators formats[] = {
      {"ONNX, integers typed as float", onnx_operator_names(false)},
      {"ONNX: float32, QDQ, QOperator, QONNX", onnx_operator_names(true)},
      {"TFLite", tflite_operator_names()}};
  std::vector<Soc> socs;
  for (const char* name : {"cpu_only", "diana"}) {
    Result<Soc> soc = load_soc(std::string(HEDDLE_SOURCE_DIR "/rules/soc/") + name + ".toml",
                               {HEDDLE_SOURCE_DIR "/accelerators"});
    ASSERT_TRUE(soc.ok()) << format_diagnostics(soc.errors());
    socs.push_back(std::move(*soc));
  }
  const std::string text = document_support(formats, socs);
  const char* path = HEDDLE_SOURCE_DIR "/docs/operators.md";
  if (std::getenv("HEDDLE_REWRITE") != nullptr) std::ofstream(path) << text;
  const Result<std::string> committed = read_file(path);
  ASSERT_TRUE(committed.ok());
  EXPECT_TRUE(*committed == text) << "run again with HEDDLE_REWRITE=1";
}

}  // namespace
}  // namespace heddle
