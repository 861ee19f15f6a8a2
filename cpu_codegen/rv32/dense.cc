#include "cpu_codegen/rv32/dense.h"

#include <fmt/format.h>

#include "cpu_codegen/fused_maps.h"
#include "cpu_codegen/rv32/anchor.h"
#include "cpu_codegen/writer.h"
#include "ops/check.h"

namespace heddle::rv32 {
namespace {

constexpr int64_t kBlock = 8;  // outputs that heddle_rv32_dense() computes at a time

// Blocks of 8 outputs, in each tap after tap; then the outputs that are left, one after the other.
std::vector<int64_t> in_blocks(const std::vector<int64_t>& weights, int64_t outputs, int64_t taps) {
  std::vector<int64_t> result;
  for (int64_t k = 0; k < outputs;) {
    const int64_t block = k + kBlock <= outputs ? kBlock : 1;
    for (int64_t tap = 0; tap < taps; ++tap) {
      for (int64_t i = 0; i < block; ++i)
        result.push_back(weights[static_cast<size_t>((k + i) * taps + tap)]);
    }
    k += block;
  }
  return result;
}

std::vector<FailedCondition> refusals(const Graph& graph, const Match& match) {
  std::vector<FailedCondition> failed = refusals_of_sums(graph, match, "dense");
  if (!failed.empty()) return failed;
  const Range x = int8_sums(graph, match).x;
  if (!Range{-128, 127}.contains(x)) {
    return {{"x of 8 bits", "the kernel reads bytes",
             fmt::format("x in [{}, {}] about its middle", x.lo, x.hi)}};
  }
  return {};
}

Kernel make(const Graph& graph, const Match& match, const StorageOf& storage,
            const std::string& function) {
  const Node& node = graph.node(match.nodes.front());
  const OpView op{graph, node};
  const Int8Sums sums = int8_sums(graph, match);
  const int64_t rows = op.output().shape[0], outputs = op.output().shape[1];
  const int64_t taps = op.input(1).shape[1];
  const Storage x = stored_as(graph, storage, node.inputs[0]);
  const bool copied = op.input(0).dtype != DType::int8 || sums.offset != 0 || x.strides[1] != 1;

  UniqueNames names;
  for (const char* name : {"x", "weights", "bias", "scratch", "sums", "bytes", "c"})
    names.take(name);
  const FusedMaps maps =
      fuse_maps(graph, match, storage, sums.first_map, {{"n", rows}, {"k", outputs}},
                {{{{0, 1}}, 0}, {{{1, 1}}, 0}}, names);
  CWriter out;
  out.indent();
  const auto lines = [&](size_t depth) {
    for (const std::string& line : maps.at_depth[depth]) out.line(line);
  };
  out.line("int32_t *const sums = (int32_t *)scratch;");
  if (copied) out.line(fmt::format("int8_t *const bytes = (int8_t *)(scratch + {});", outputs));
  lines(0);
  if (rows > 1) out.open(fmt::format("for (int32_t n = 0; n < {}; ++n)", rows));
  lines(1);
  const std::string row = rows > 1 ? fmt::format("x + n * {}", x.strides[0]) : "x";
  if (copied) {
    out.open(fmt::format("for (int32_t c = 0; c < {}; ++c)", taps));
    const std::string index = x.strides[1] == 1 ? "c" : fmt::format("c * {}", x.strides[1]);
    const std::string element = rows > 1 ? fmt::format("n * {} + {}", x.strides[0], index) : index;
    out.line(sums.offset == 0 ? fmt::format("bytes[c] = (int8_t)x[{}];", element)
                              : fmt::format("bytes[c] = (int8_t)((int32_t)x[{}]{});", element,
                                            c_plus(-sums.offset)));
    out.close();
  }
  out.call("heddle_rv32_dense",
           {copied ? "bytes" : row, fmt::format("{}", taps), "weights", "bias",
            fmt::format("{}", outputs), "sums"},
           ";");
  out.open(fmt::format("for (int32_t k = 0; k < {}; ++k)", outputs));
  lines(2);
  out.line("int32_t value = sums[k];");
  for (const std::string& statement : maps.statements) out.lines(statement);
  out.line(maps.store);
  out.close();
  if (rows > 1) out.close();

  std::vector<KernelArgument> arguments = {{"x", op.input(0).dtype, node.inputs[0], false},
                                           {"weights", DType::int8, {}, false, 0},
                                           {"bias", DType::int32, {}, false, 1},
                                           {"scratch", DType::int32, {}, false, -1, true}};
  arguments.insert(arguments.end(), maps.arguments.begin(), maps.arguments.end());
  Kernel kernel = wrap_kernel(function, out.take(), std::move(arguments));
  kernel.tables.push_back(
      {"weights", Tensor::of(DType::int8, {outputs * taps},
                             in_blocks(op.constant(1)->to_ints(), outputs, taps))});
  kernel.tables.push_back({"bias", Tensor::of(DType::int32, {outputs}, wrapped(sums.bias))});
  kernel.scratch_bytes = 4 * (outputs + (copied ? (taps + 3) / 4 : 0));
  kernel.headers = {"heddle_rv32.h", "heddle_rv32_dense.h"};
  add_math(graph, match, kernel);
  return kernel;
}

}  // namespace

const KernelGenerator dense = {"rv32_dense", "dense, 8 outputs in registers", refusals, make};

}  // namespace heddle::rv32
