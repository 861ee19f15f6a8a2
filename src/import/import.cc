// Reads a model file and gives it to the front end that its first bytes name.
#include "import/import.h"

#include "base/files.h"
#include "import/states.h"

namespace heddle {
namespace {

constexpr int64_t kMaxModelBytes = int64_t{64}
                                   << 20;  // eight million float-typed weights and as much again

bool is_tflite(std::string_view bytes) { return bytes.size() >= 8 && bytes.substr(4, 4) == "TFL3"; }

}  // namespace

Result<Graph> import_model(const std::filesystem::path& file, const ImportOptions& options) {
  Result<std::string> bytes = read_file(file, kMaxModelBytes);
  if (!bytes.ok()) return bytes.errors();
  return import_with_states(options, file.string(), [&](const ImportOptions& narrowed) {
    return is_tflite(*bytes) ? import_tflite(*bytes, file.string(), narrowed)
                             : import_onnx(*bytes, file.string(), narrowed);
  });
}

}  // namespace heddle
