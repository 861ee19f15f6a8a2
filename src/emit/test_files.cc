// The network as heddle_test_main.c sees it, and its golden vectors.
#include <fmt/format.h>

#include "base/text.h"
#include "cpu_codegen/writer.h"
#include "emit/tables.h"
#include "emit/writers.h"

namespace heddle {
namespace {

std::string golden_name(const Network& network, const char* kind, size_t vector, size_t tensor) {
  return fmt::format("{}_golden_{}_{}_{}", network.prefix, vector, kind, tensor);
}

// Calls `use(name, tensor)` for every tensor of every vector, in the order of
// heddle_network::golden.
template <class Use>
void for_each_golden(const Network& network, std::span<const GoldenVector> golden, Use use) {
  for (size_t v = 0; v < golden.size(); ++v) {
    for (size_t i = 0; i < golden[v].inputs.size(); ++i)
      use(golden_name(network, "input", v, i), golden[v].inputs[i]);
    for (size_t i = 0; i < golden[v].outputs.size(); ++i)
      use(golden_name(network, "output", v, i), golden[v].outputs[i]);
  }
}

void write_tensors(CWriter& out, const Network& network, const std::vector<ValueId>& values,
                   const char* name) {
  out.open(fmt::format("static const heddle_tensor {}[] =", name));
  for (const ValueId id : values) {
    const Value& value = network.graph->value(id);
    out.line(fmt::format("{{{}, {}u, {}u, {}, {}}},", c_string(terminal_text(value.name)),
                         elements_of(value.type.shape), bytes_of(value.type.dtype),
                         is_signed(value.type.dtype) ? 1 : 0,
                         value.type.dtype == DType::float32 ? 1 : 0));
  }
  if (values.empty()) out.line("{\"\", 0u, 1u, 1, 0},");
  out.close(";");
  out.line("");
}

}  // namespace

std::string emit_golden_header(const Network& network, std::span<const GoldenVector> golden) {
  CWriter out;
  out.comment({"Golden vectors: inputs, and what Heddle's reference interpreter makes of them."});
  out.raw("#ifndef HEDDLE_GOLDEN_H\n#define HEDDLE_GOLDEN_H\n\n#include <stdint.h>\n\n");
  out.line(fmt::format("enum {{ {}_GOLDEN_VECTORS = {} }};", network.upper, golden.size()));
  for_each_golden(network, golden, [&](const std::string& name, const Tensor& tensor) {
    out.line(fmt::format("extern const {} {}[{}];", c_name_of(tensor.dtype()), name,
                         std::max<int64_t>(tensor.elements(), 1)));
  });
  out.raw("\n#endif\n");
  return out.take();
}

std::string emit_golden_source(const Network& network, std::span<const GoldenVector> golden) {
  std::string text = "#include \"golden.h\"\n";
  for_each_golden(network, golden, [&](const std::string& name, const Tensor& tensor) {
    text += '\n' + print_table("", name, tensor);
  });
  return text;
}

std::string emit_test_network(const Network& network, std::span<const GoldenVector> golden) {
  const Graph& graph = *network.graph;
  CWriter out;
  out.comment({"The network as heddle_test_main.c sees it."});
  out.raw(
      fmt::format("#include \"heddle_network.h\"\n\n#include <stddef.h>\n\n#include "
                  "\"../include/{}.h\"\n#include \"golden.h\"\n\n",
                  network.prefix));
  out.line("extern const heddle_layer heddle_network_layers[];");
  out.line("");
  write_tensors(out, network, network.given, "input_tensors");
  write_tensors(out, network, network.returned, "output_tensors");
  out.open("static const void *const golden_tensors[] =");
  size_t tensors = 0;
  for_each_golden(network, golden, [&](const std::string& name, const Tensor&) {
    out.line(name + ",");
    ++tensors;
  });
  if (tensors == 0) out.line("NULL,");
  out.close(";");
  out.line("");
  out.open("static int run(void *arena, const void *const *inputs, void *const *outputs)");
  const auto bind = [&](const std::vector<std::string>& members, const char* kind,
                        const char* qualifier) {
    out.line(
        fmt::format("{}{}_{} {};", qualifier, network.prefix, kind, kind[0] == 'i' ? "in" : "out"));
    for (size_t i = 0; i < members.size(); ++i)
      out.line(fmt::format("{}.{} = {}[{}];", kind[0] == 'i' ? "in" : "out", members[i], kind, i));
    if (members.empty())
      out.line(fmt::format("{}.unused = NULL;\n  (void){};", kind[0] == 'i' ? "in" : "out", kind));
  };
  bind(network.inputs, "inputs", "");
  bind(network.outputs, "outputs", "");
  out.line(fmt::format("return {}_run(arena, &in, &out);", network.prefix));
  out.close();
  out.line("");
  out.open("const heddle_network heddle_network_under_test =");
  out.line(fmt::format("{},", c_string(network.prefix)));
  out.line(fmt::format("{0}_ARENA_BYTES, {0}_ARENA_ALIGNMENT,", network.upper));
  out.line(fmt::format("{}u, input_tensors,", network.given.size()));
  out.line(fmt::format("{}u, output_tensors,", network.returned.size()));
  out.line(fmt::format("{}u, heddle_network_layers,", network.layers.size()));
  out.line("run,");
  out.line(graph.states.empty() ? "NULL," : network.prefix + "_reset,");
  out.line(fmt::format("{}u, golden_tensors,", golden.size()));
  out.close(";");
  return out.take();
}

std::string emit_test_layers(const Network& network) {
  CWriter out;
  out.comment({"What every layer leaves in the arena."});
  out.raw(
      "#include <stddef.h>\n\n#include \"heddle_network.h\"\n\nextern const heddle_layer "
      "heddle_network_layers[];\n\n");
  std::vector<std::string> rows;
  for (size_t s = 0; s < network.layers.size(); ++s) {
    const Step& step = network.schedule->steps[s];
    const ValueId id = step.candidate.match.output(*network.graph);
    const TensorType& type = network.graph->value(id).type;
    const Storage& storage = network.schedule->storage.at(id);
    std::string dims = "NULL", strides = "NULL";
    if (!type.shape.empty()) {
      dims = fmt::format("dims_{}", s);
      strides = fmt::format("strides_{}", s);
      out.line(
          fmt::format("static const uint32_t {}[] = {{{}}};", dims, fmt::join(type.shape, ", ")));
      out.line(fmt::format("static const uint32_t {}[] = {{{}}};", strides,
                           fmt::join(storage.strides, ", ")));
    }
    rows.push_back(fmt::format("{{{}, {}, {}u, {}u, {}, {}}},", c_string(terminal_text(step.name)),
                               c_string(network.where(step)), bytes_of(type.dtype),
                               type.shape.size(), dims, strides));
  }
  if (rows.empty()) rows.push_back("{\"\", \"\", 1u, 0u, NULL, NULL},");
  out.line("");
  out.open("const heddle_layer heddle_network_layers[] =");
  for (const std::string& row : rows) out.line(row);
  out.close(";");
  return out.take();
}

}  // namespace heddle
