// Broken models must be refused or imported, never crash: seeded mutations and truncations of our
// own network.
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "base/files.h"
#include "import/import.h"

namespace heddle {
namespace {

TEST(Fuzz, MutatedDigits) {
  std::string good =
      read_file(std::filesystem::path(HEDDLE_SOURCE_DIR) / "models" / "digits" / "digits.onnx")
          .value();
  ASSERT_TRUE(import_onnx(good, "digits.onnx", {}).ok());
  std::mt19937_64 random(7);
  int refused = 0;
  for (int round = 0; round < 400; ++round) {
    std::string bytes = good;
    // The weights fill the file: half of the changes go to the structure around them.
    size_t from = round % 2 == 0 ? 0 : bytes.size() - std::min<size_t>(bytes.size(), 2000);
    size_t size = round % 2 == 0 ? std::min<size_t>(bytes.size(), 2500) : bytes.size() - from;
    for (uint64_t change = 0; change <= random() % 4; ++change) {
      size_t at = from + random() % size;
      switch (random() % 3) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << (random() % 8)));
          break;
        default:
          bytes.erase(at, 1 + random() % 3);
          break;
      }
      size = std::min(size, bytes.size() - from);
    }
    refused += !import_onnx(bytes, "mutated.onnx", {}).ok();
  }
  EXPECT_GT(refused, 100);
}

TEST(Fuzz, TruncatedDigits) {
  std::string good =
      read_file(std::filesystem::path(HEDDLE_SOURCE_DIR) / "models" / "digits" / "digits.onnx")
          .value();
  for (size_t length = 0; length < good.size(); length += 1 + good.size() / 100) {
    EXPECT_FALSE(import_onnx(std::string_view(good).substr(0, length), "cut.onnx", {}).ok())
        << length;
  }
}

// What fuzzing keeps: seeds, and inputs that once crashed. tests/fuzz runs them under sanitizers.
TEST(Fuzz, Corpora) {
  const std::filesystem::path corpora =
      std::filesystem::path(HEDDLE_SOURCE_DIR) / "tests" / "fuzz" / "corpus";
  for (const bool tflite : {false, true}) {
    int files = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(corpora / (tflite ? "tflite" : "onnx"))) {
      const std::string bytes = read_file(entry.path()).value();
      const Result<Graph> graph =
          tflite ? import_tflite(bytes, "fuzz.tflite", {}) : import_onnx(bytes, "fuzz.onnx", {});
      EXPECT_TRUE(graph.ok() || !graph.errors().empty()) << entry.path();
      ++files;
    }
    EXPECT_GT(files, 3);
  }
}

}  // namespace
}  // namespace heddle
