#include "unit/cpu_codegen/program.h"

#include <fmt/format.h>

#include <fstream>

#include "base/files.h"
#include "base/process.h"
#include "cpu_codegen/copy.h"
#include "cpu_codegen/generators.h"
#include "ops/check.h"

namespace heddle::test {
namespace {

constexpr int64_t kPoison = 0x55;  // fits every type; gaps must keep it

// Position of every element, in row-major order.
std::vector<int64_t> positions(const Shape& shape, const Storage& storage) {
  std::vector<int64_t> result;
  for (int64_t flat = 0; flat < elements_of(shape); ++flat) {
    int64_t rest = flat, position = 0;
    for (size_t d = shape.size(); d-- > 0;) {
      position += rest % shape[d] * storage.strides[d];
      rest /= shape[d];
    }
    result.push_back(position);
  }
  return result;
}

// The literals of all cells of the storage, in C.
std::vector<std::string> stored(const Tensor& dense, const Storage& storage, bool output) {
  std::vector<std::string> cells(static_cast<size_t>(storage.bytes / bytes_of(dense.dtype())),
                                 fmt::format("{}", kPoison));
  const std::vector<int64_t> at = positions(dense.shape(), storage);
  const bool real = dense.dtype() == DType::float32;
  for (size_t i = 0; i < at.size() && !output; ++i) {
    const int64_t flat = static_cast<int64_t>(i);
    cells[static_cast<size_t>(at[i])] =
        real ? c_literal(dense.float_at(flat)) : c_literal(dense.at(flat));
  }
  return cells;
}

constexpr const char* kMain = R"(
static int failures;
static void differ(const char *what, int index, double want, double got) {
  if (failures++ < 20) printf("%s: [%d] is %.9g, not %.9g\n", what, index, got, want);
}
)";

}  // namespace

Storage random_storage(Random& random, const TensorType& type) {
  Storage storage;
  storage.strides.assign(type.shape.size(), 1);
  int64_t stride = 1;
  const bool dense = random.between(0, 2) == 0;
  for (size_t d = type.shape.size(); d-- > 0;) {
    storage.strides[d] = stride;
    stride = stride * type.shape[d] + (dense ? 0 : random.between(0, 3));
  }
  storage.bytes = stride * bytes_of(type.dtype);
  return storage;
}

StorageOf random_storages(Random& random, const Graph& graph) {
  StorageOf storage;
  for (const ValueId id : graph.inputs) storage[id] = random_storage(random, graph.value(id).type);
  for (const ValueId id : graph.outputs) storage[id] = random_storage(random, graph.value(id).type);
  return storage;
}

Storage image_storage(Random& random, const TensorType& type) {
  const Shape& shape = type.shape;
  if (random.between(0, 2) != 0 || (shape.size() != 4 && shape.size() != 2))
    return random_storage(random, type);
  Storage storage = dense_storage(type);
  if (shape.size() == 2) {
    storage.strides = {1, shape[0]};
    return storage;
  }
  storage.strides = {shape[1] * shape[2] * shape[3], 1, shape[3] * shape[1], shape[1]};
  return storage;
}

StorageOf image_storages(Random& random, const Graph& graph) {
  StorageOf storage;
  for (const ValueId id : graph.inputs) storage[id] = image_storage(random, graph.value(id).type);
  for (const ValueId id : graph.outputs) storage[id] = image_storage(random, graph.value(id).type);
  return storage;
}

void append(Graph& graph, const std::string& op, Attributes attributes, std::vector<Value> others,
            bool second) {
  Node node{.name = op,
            .op = op,
            .attributes = std::move(attributes),
            .inputs = {graph.nodes.back().output},
            .output = {}};
  for (Value& other : others) {
    node.inputs.push_back(graph.add_value(other));
    if (!other.constant) graph.inputs.push_back(node.inputs.back());
  }
  if (second) std::swap(node.inputs[0], node.inputs[1]);
  node.output =
      graph.add_value({.name = "y", .type = {}, .constant = {}, .producer = {}, .consumers = {}});
  graph.outputs = {node.output};
  const NodeId id = graph.add_node(std::move(node));
  const Result<TensorType> type = op_of(graph.node(id)).infer({graph, graph.node(id)});
  if (!type.ok()) internal_error(__FILE__, __LINE__, errors_of(type));
  graph.value(graph.outputs[0]).type = *type;
}

void append_random_maps(Random& r, Graph& graph) {
  const auto shape = [&] { return graph.value(graph.outputs[0]).type.shape; };
  const int64_t axis = r.between(0, std::ssize(shape()) - 1);
  const Shape channels{shape()[static_cast<size_t>(axis)]};
  const Attributes int8{{"axis", axis}, {"lo", int64_t{-128}}, {"hi", int64_t{127}}};
  if (graph.value(graph.outputs[0]).type.dtype == DType::float32)
    append(graph, "quantize", int8, {r.scale_of(channels)});
  append(graph, "requant",
         {{"axis", axis},
          {"rounding", std::string("half_up")},
          {"shift", int64_t{7}},
          {"lo", int64_t{-128}},
          {"hi", int64_t{127}}},
         {r.constant_of(channels, {1, 90}), r.constant_of(channels, {-999, 999})});
  if (r.coin())
    append(graph, "bias_add", {{"axis", axis}}, {r.constant_of(channels, {-1000, 1000})});
  if (r.coin()) {
    Shape residual = shape();
    residual[static_cast<size_t>(r.between(0, std::ssize(residual) - 1))] = 1;
    append(graph, "add", {}, {activation(r.coin() ? residual : shape(), r.range())},
           r.coin());
  }
  if (r.coin()) append(graph, "relu", {}, {});
  if (r.coin()) append(graph, "clip", {{"lo", int64_t{-5}}, {"hi", int64_t{100}}}, {});
  if (r.coin()) {  // to float32 and perhaps back
    append(graph, "dequantize", {{"axis", axis}, {"zero_point", r.between(-9, 9)}},
           {r.scale_of(channels)});
    if (r.coin()) append(graph, "quantize", int8, {r.scale_of({})});
  }
}

Match whole_match(const Graph& graph) {
  Match match;
  for (size_t n = 0; n < graph.nodes.size(); ++n)
    match.nodes.push_back(NodeId{static_cast<int32_t>(n)});
  match.anchor = match.nodes.front();
  return match;
}

std::string Program::declare(const std::string& name, const Tensor& dense, const Storage& storage,
                             bool output) {
  const std::vector<std::string> cells = stored(dense, storage, output);
  return fmt::format("static {}{} {}[{}] = {{{}}};\n", output ? "" : "const ",
                     c_name_of(dense.dtype()), name, cells.size(), fmt::join(cells, ","));
}

// Every cell, gaps included. The bits of a NaN are nobody's business.
std::string Program::compare(const std::string& name, const std::string& what, const Tensor& dense,
                             const Storage& storage) {
  const std::vector<std::string> cells = stored(dense, storage, false);
  const std::string both_nan = dense.dtype() == DType::float32
                                   ? fmt::format(" && (want[i] == want[i] || {0}[i] == {0}[i])", name)
                                   : "";
  return fmt::format(
      "  {{\n    static const {0} want[] = {{{1}}};\n    for (int i = 0; i < {2}; ++i) if ({3}[i] != "
      "want[i]{5}) differ(\"{4}\", i, want[i], {3}[i]);\n  }}\n",
      c_name_of(dense.dtype()), fmt::join(cells, ","), cells.size(), name, what, both_nan);
}

std::string Program::next_function() const { return fmt::format("kernel_{}", cases_); }

void Program::add(Random& random, const Graph& graph, const StorageOf& storage) {
  add(make_kernel(graph, whole_match(graph), storage, next_function()), graph, storage,
      random_inputs(random, graph));
}

void Program::add(const Kernel& kernel, const Graph& graph, const StorageOf& storage,
                  const std::vector<Tensor>& inputs) {
  const Result<std::vector<Tensor>> values = interpret(graph, inputs);
  if (!values.ok()) internal_error(__FILE__, __LINE__, errors_of(values));
  const std::string function = next_function();
  functions_ += kernel.text;
  std::string arguments, check;
  for (size_t i = 0; i < kernel.arguments.size(); ++i) {
    const KernelArgument& argument = kernel.arguments[i];
    const std::string name = fmt::format("case_{}_{}", cases_, i);
    arguments += (i == 0 ? "" : ", ") + name;
    if (argument.scratch) {  // of just the size that it asked for
      functions_ += fmt::format("static uint32_t {}[{}];\n", name, kernel.scratch_bytes / 4);
      continue;
    }
    if (argument.table >= 0) {
      const Tensor& table = kernel.tables[static_cast<size_t>(argument.table)].tensor;
      functions_ += declare(name, table, dense_storage({table.dtype(), table.shape(), {}}), false);
      continue;
    }
    const Value& value = graph.value(argument.value);
    const Tensor& tensor =
        value.constant ? *value.constant : (*values)[static_cast<size_t>(argument.value.index)];
    const Storage& layout = value.constant ? dense_storage(value.type) : storage.at(argument.value);
    functions_ += declare(name, tensor, layout, argument.output);
    std::string what = fmt::format("case {}:", cases_);
    for (const Node& node : graph.nodes) what += ' ' + node.op;
    if (argument.output) check = compare(name, what, tensor, layout);
  }
  main_ += fmt::format("  {}({});\n{}", function, arguments, check);
  ++cases_;
}

void Program::add_copy(Random& random, DType dtype, const Shape& from, const Shape& to) {
  const TensorType x{dtype, from, range_of(dtype)}, y{dtype, to, range_of(dtype)};
  const Storage x_storage = random_storage(random, x), y_storage = random_storage(random, y);
  const Tensor tensor = random.tensor({dtype, from, {-100, 100}});
  const std::string name = fmt::format("copy_{}", cases_);
  functions_ += make_copy(dtype, from, x_storage, to, y_storage, name).text;
  functions_ += declare(name + "_x", tensor, x_storage, false) +
                declare(name + "_y", tensor.reshaped(to), y_storage, true);
  main_ += fmt::format("  {0}({0}_x, {0}_y);\n", name) +
           compare(name + "_y", name, tensor.reshaped(to), y_storage);
  ++cases_;
}

void Program::add_boundary_copies(Random& random, const TensorType& type, const Storage& storage) {
  const Tensor tensor = random.tensor({type.dtype, type.shape, {-100, 100}});
  for (const bool in : {true, false}) {
    const std::string name = fmt::format("boundary_{}", cases_);
    const Storage dense = dense_storage(type);
    functions_ += make_boundary_copy(type, storage, in, name).text;
    functions_ += declare(name + "_x", tensor, in ? dense : storage, false) +
                  declare(name + "_y", tensor, in ? storage : dense, true);
    main_ += fmt::format("  {0}({0}_x, {0}_y);\n", name) +
             compare(name + "_y", name, tensor, in ? storage : dense);
    ++cases_;
  }
}

std::string Program::run() const {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "kernels.c") << "#include <stdint.h>\n#include <stdio.h>\n"
                                             << "#include \"heddle_math.h\"\n#include \"heddle_rv32_dense.h\"\n#include \"heddle_rv32_dot.h\"\n"
                                             << "#include \"heddle_rv32_turn.h\"\n"
                                             << "#include \"heddle_xpulp.h\"\n#include \"heddle_copy.h\"\n"
                                             << kMain << functions_ << "int main(void) {\n"
                                             << main_ << "  return failures != 0;\n}\n";
  const Result<ProcessOutcome> compiled = run_process(
      {"cc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror",
       "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-ffp-contract=off",
       "-I" HEDDLE_SOURCE_DIR "/cpu_codegen/runtime", "-I" HEDDLE_SOURCE_DIR "/cpu_codegen/rv32/runtime",
       "-o", "kernels", "kernels.c", HEDDLE_SOURCE_DIR "/cpu_codegen/runtime/heddle_math.c",
       HEDDLE_SOURCE_DIR "/cpu_codegen/runtime/heddle_copy.c",
       HEDDLE_SOURCE_DIR "/cpu_codegen/rv32/runtime/heddle_rv32_dense.c",
       HEDDLE_SOURCE_DIR "/cpu_codegen/rv32/runtime/heddle_rv32_dot.c",
       HEDDLE_SOURCE_DIR "/cpu_codegen/rv32/runtime/heddle_rv32_turn.c",
       HEDDLE_SOURCE_DIR "/cpu_codegen/rv32/runtime/heddle_xpulp.c"},
      folder.path());
  if (!compiled.ok() || compiled->exit_status != 0)
    return "the compiler: " + (compiled.ok() ? compiled->err : errors_of(compiled));
  ProcessLimits limits;
  limits.memory_bytes = int64_t{1} << 46;  // AddressSanitizer reserves its shadow
  const Result<ProcessOutcome> ran =
      run_process({(folder.path() / "kernels").string()}, folder.path(), limits);
  if (!ran.ok()) return errors_of(ran);
  return ran->exit_status == 0
             ? ran->out
             : fmt::format("exit status {}: {}{}", ran->exit_status, ran->out, ran->err);
}

std::string add_kernel(Program& program, Random& random, std::string_view name,
                       const Graph& graph, const std::vector<Tensor>& inputs) {
  const KernelGenerator* const generator = find_generator(name);
  HEDDLE_CHECK(generator != nullptr, "no generator " + std::string(name));
  const Match match = whole_match(graph);
  std::string reasons;
  for (const FailedCondition& failed : generator->refusals(graph, match))
    reasons += failed.condition + ": " + failed.why + ": " + failed.values + "\n";
  if (!reasons.empty()) return reasons;
  const StorageOf storage = image_storages(random, graph);
  program.add(generator->make(graph, match, storage, program.next_function()), graph, storage,
              inputs);
  return "";
}

std::vector<Tensor> extreme_inputs(const Graph& graph, bool highest) {
  std::vector<Tensor> inputs;
  for (const ValueId id : graph.inputs) {
    const TensorType& type = graph.value(id).type;
    Tensor tensor(type.dtype, type.shape);
    for (int64_t i = 0; i < tensor.elements() && type.dtype != DType::float32; ++i)
      tensor.set(i, highest ? type.range.hi : type.range.lo);
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

Graph random_conv(Random& r) {
  const Range ranges[] = {{-128, 127}, {0, 255}, {-128, 0}, {-3, 4}, {-128, 255}, {17, 90}};
  const Range x = ranges[r.between(0, 5)];
  const int64_t kernel_h = r.between(1, 4), kernel_w = r.between(1, 4);
  const bool pointwise = r.between(0, 3) == 0;
  const int64_t fy = pointwise ? 1 : kernel_h, fx = pointwise ? 1 : kernel_w;
  const int64_t channels = r.between(1, 9), outputs = r.between(1, 7);
  Attributes attributes = {
      {"stride_h", r.between(1, 2)},   {"stride_w", r.between(1, 3)},
      {"dilation_h", r.between(1, 2)}, {"dilation_w", r.between(1, 2)},
      {"pad_top", r.between(0, 2)},    {"pad_left", r.between(0, 3)},
      {"pad_bottom", r.between(0, 2)}, {"pad_right", r.between(0, 3)},
      {"group", int64_t{1}},           {"x_zero_point", r.between(x.lo, x.hi)}};
  if (pointwise && r.coin()) attributes = with(conv_group(), {{"x_zero_point", x.lo}});
  Shape shape{r.between(1, 2), channels, r.between(8, 12),
              r.between(0, 2) == 0 ? r.between(30, 70) : r.between(8, 20)};
  if (r.between(0, 4) == 0) {  // an output of one column
    attributes = with(conv(r.between(1, 2)), {{"group", int64_t{1}}});
    shape = {1, channels, r.between(5, 40), fx};
  }
  const int64_t most = r.between(1, 127);
  return inferred(graph_of(
      "conv2d", attributes,
      {activation(shape, x),
       constant({outputs, channels, fy, fx},
                      r.values(outputs * channels * fy * fx, {-most - r.between(0, 1), most}))}));
}

}  // namespace heddle::test
