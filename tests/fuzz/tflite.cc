// TFLite files: imported or refused; what is imported verifies and stays within its proven ranges.
#include <string_view>

#include "graph_properties.h"
#include "import/import.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace heddle;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Result<Graph> graph = import_tflite(bytes, "fuzz.tflite", {});
  if (graph.ok()) fuzz::check_graph(*graph);
  if (!graph.ok()) fuzz::require(!graph.errors().empty());
  return 0;
}
