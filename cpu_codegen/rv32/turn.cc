#include "cpu_codegen/rv32/turn.h"

#include <fmt/format.h>

#include "cpu_codegen/affine.h"
#include "cpu_codegen/rv32/anchor.h"
#include "cpu_codegen/writer.h"
#include "schedule/turn.h"

namespace heddle::rv32 {
namespace {

std::vector<FailedCondition> refusals(const Graph& graph, const Match& match) {
  const OpView op{graph, graph.node(match.nodes.front())};
  if (op.node.op != "reshape")
    return {{"a layout conversion", "it moves nothing else", "the anchor is " + op.node.op}};
  const TensorType& x = op.input(0);
  if (bytes_of(x.dtype) != 1) {
    return {{"x.bits == 8", "the kernel moves bytes",
             fmt::format("x is of type {}", name_of(x.dtype))}};
  }
  if (x.shape != op.output().shape) {
    return {{"a layout conversion", "x and y have one shape",
             fmt::format("y is {} of {}", to_string(op.output().shape), to_string(x.shape))}};
  }
  return {};
}

Kernel make(const Graph& graph, const Match& match, const StorageOf& storage,
            const std::string& function) {
  const Node& node = graph.node(match.nodes.front());
  const TensorType& type = graph.value(node.output).type;
  const std::optional<Turn> turn = turn_between(type, stored_as(graph, storage, node.inputs[0]),
                                                stored_as(graph, storage, node.output));
  if (!turn) return make_kernel(graph, match, storage, function);
  CWriter out;
  out.indent();
  std::vector<Axis> axes;
  std::vector<StridedIndex> x, y;
  for (size_t d = 0; d < turn->loops.size(); ++d) {
    const Turn::Loop& loop = turn->loops[d];
    axes.push_back({turn->loops.size() == 1 ? "i" : fmt::format("i{}", d), loop.extent});
    x.push_back({{{{static_cast<int>(d), 1}}, 0}, loop.from});
    y.push_back({{{{static_cast<int>(d), 1}}, 0}, loop.to});
    out.open(fmt::format("for (int32_t {0} = 0; {0} < {1}; ++{0})", axes[d].name, loop.extent));
  }
  const auto address = [&](const char* pointer, const std::vector<StridedIndex>& index) {
    return axes.empty() ? std::string(pointer)
                        : fmt::format("&{}[{}]", pointer, print_index(index, axes));
  };
  out.call("heddle_rv32_turn",
           {address("y", y), address("x", x), fmt::format("{}", turn->rows),
            fmt::format("{}", turn->columns), fmt::format("{}", turn->to_stride),
            fmt::format("{}", turn->from_stride)},
           ";");
  for (size_t d = 0; d < axes.size(); ++d) out.close();
  Kernel kernel = wrap_kernel(function, out.take(),
                              {{"x", type.dtype, node.inputs[0], false}, {"y", type.dtype, node.output, true}});
  kernel.headers = {"heddle_rv32_turn.h"};
  return kernel;
}

}  // namespace

const KernelGenerator turn = {"rv32_turn", "images of bytes, from rows to pixels or back, by words",
                              refusals, make};

}  // namespace heddle::rv32
