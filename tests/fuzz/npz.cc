// NumPy arrays and archives: read or refused, then bound to a network with two inputs.
#include <string_view>

#include "import/npz.h"

namespace heddle {
namespace {

Graph two_inputs() {
  Graph graph;
  for (const char* const name : {"image", "scale"}) {
    Value value;
    value.name = name;
    value.type = {DType::int8, name[0] == 'i' ? Shape{1, 2, 3} : Shape{4}, {-128, 127}};
    graph.inputs.push_back(graph.add_value(value));
  }
  graph.outputs = graph.inputs;
  return graph;
}

}  // namespace
}  // namespace heddle

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace heddle;
  static const Graph graph = two_inputs();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Result<Arrays> arrays = parse_arrays(bytes, "fuzz.npz");
  if (!arrays.ok()) return 0;
  (void)match_inputs(graph, *arrays, "fuzz.npz").ok();
  (void)match_outputs(graph, *arrays, "fuzz.npz").ok();
  return 0;
}
