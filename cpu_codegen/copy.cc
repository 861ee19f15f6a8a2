// Copies between storages, and the function around a finished body.
#include <fmt/format.h>

#include <algorithm>

#include "cpu_codegen/affine.h"
#include "cpu_codegen/copy.h"
#include "ops/check.h"
#include "schedule/boundary.h"

namespace heddle {

Kernel wrap_kernel(const std::string& function, const std::string& body,
                   std::vector<KernelArgument> arguments) {
  std::vector<std::string> parameters;
  for (const KernelArgument& argument : arguments) {
    parameters.push_back(argument.scratch
                             ? "uint32_t *" + argument.name
                             : fmt::format("{}{} *{}", argument.output ? "" : "const ",
                                           c_name_of(argument.dtype), argument.name));
  }
  CWriter out;
  out.call("static void " + function, parameters, " {");
  out.raw(body);
  out.line("}");
  return {out.take(), std::move(arguments)};
}

bool is_flat(const Shape& shape, const Storage& storage) {
  int64_t dense = 1;
  for (size_t d = shape.size(); d-- > 0;) {
    if (shape[d] != 1 && storage.strides[d] != dense) return false;
    dense *= shape[d];
  }
  return true;
}

void print_copy(CWriter& out, const CopySide& source, const CopySide& target_side) {
  const auto& [x, from_dtype, from_shape, from, from_offset] = source;
  const auto& [y, to_dtype, to_shape, to, to_offset] = target_side;
  HEDDLE_CHECK(elements_of(from_shape) == elements_of(to_shape), "a copy between different sizes");
  // Loops run over one of the shapes, its dimensions of one element left out; dimensions that lie
  // one after the other in both storages are one loop.
  const bool same = from_shape == to_shape;
  const bool loop_over_to = !same && is_flat(from_shape, from);
  const Shape& shape = loop_over_to ? to_shape : from_shape;
  struct Dim {
    int64_t extent, from, to;
  };
  std::vector<Dim> dims;
  int64_t flat = elements_of(shape);
  for (size_t d = 0; d < shape.size(); ++d) {
    flat /= std::max<int64_t>(shape[d], 1);
    if (shape[d] == 1) continue;
    const Dim dim{shape[d], loop_over_to ? flat : from.strides[d],
                  same || loop_over_to ? to.strides[d] : flat};
    if (!dims.empty() && dims.back().from == dim.from * dim.extent &&
        dims.back().to == dim.to * dim.extent) {
      dims.back() = {dims.back().extent * dim.extent, dim.from, dim.to};
    } else {
      dims.push_back(dim);
    }
  }
  const bool scattered = !same && !loop_over_to && !is_flat(to_shape, to);

  std::vector<Axis> axes;
  std::vector<StridedIndex> source_index, destination;
  for (size_t d = 0; d < dims.size(); ++d) {
    axes.push_back({dims.size() == 1 ? "i" : fmt::format("i{}", d), dims[d].extent});
    source_index.push_back({{{{static_cast<int>(d), 1}}, 0}, dims[d].from});
    destination.push_back({{{{static_cast<int>(d), 1}}, 0}, dims[d].to});
  }
  source_index.push_back({{{}, from_offset}, 1});
  if (!scattered) destination.push_back({{{}, to_offset}, 1});
  for (const Axis& axis : axes) {
    out.open(fmt::format("for (int32_t {0} = 0; {0} < {1}; ++{0})", axis.name, axis.extent));
  }
  std::string target = print_index(destination, axes);
  if (scattered) {
    // Both have gaps, and at different places: the row-major position is taken apart again.
    out.line(fmt::format("const int32_t flat = {};", target));
    std::vector<std::string> terms;
    int64_t inner = elements_of(to_shape);
    for (size_t d = 0; d < to_shape.size(); ++d) {
      inner /= std::max<int64_t>(to_shape[d], 1);
      if (to_shape[d] != 1)
        terms.push_back(fmt::format("flat / {} % {} * {}", inner, to_shape[d], to.strides[d]));
    }
    if (to_offset != 0) terms.push_back(fmt::format("{}", to_offset));
    target = fmt::format("{}", fmt::join(terms, " + "));
  }
  const std::string cast =
      from_dtype == to_dtype ? "" : fmt::format("({})", c_name_of(to_dtype));
  out.line(
      fmt::format("{}[{}] = {}{}[{}];", y, target, cast, x, print_index(source_index, axes)));
  for (size_t d = 0; d < axes.size(); ++d) out.close();
}

Kernel make_copy(DType dtype, const Shape& from_shape, const Storage& from, const Shape& to_shape,
                 const Storage& to, const std::string& function) {
  CWriter body;
  body.indent();
  print_copy(body, {"x", dtype, from_shape, from, 0}, {"y", dtype, to_shape, to, 0});
  return wrap_kernel(function, body.take(), {{"x", dtype, {}, false}, {"y", dtype, {}, true}});
}

Kernel make_boundary_copy(const TensorType& type, const Storage& stored, bool in,
                          const std::string& function) {
  const Storage dense = dense_storage(type);
  const CopyRuns runs = copy_runs(type, stored);
  if (runs.run_bytes == 0)
    return make_copy(type.dtype, type.shape, in ? dense : stored, type.shape, in ? stored : dense,
                     function);
  CWriter body;
  body.indent();
  std::vector<Axis> axes;
  std::vector<StridedIndex> x, y;
  for (size_t d = 0; d < runs.loops.size(); ++d) {
    const CopyRuns::Loop& loop = runs.loops[d];
    const StridedIndex index{{{{static_cast<int>(d), 1}}, 0}, 1};
    axes.push_back({runs.loops.size() == 1 ? "i" : fmt::format("i{}", d), loop.extent});
    x.push_back({index.index, in ? loop.dense : loop.stored});
    y.push_back({index.index, in ? loop.stored : loop.dense});
    body.open(fmt::format("for (int32_t {0} = 0; {0} < {1}; ++{0})", axes[d].name, loop.extent));
  }
  const auto address = [&](const char* pointer, const std::vector<StridedIndex>& index) {
    return axes.empty() ? std::string(pointer)
                        : fmt::format("&{}[{}]", pointer, print_index(index, axes));
  };
  body.line(fmt::format("heddle_copy({}, {}, {}u);", address("y", y), address("x", x), runs.run_bytes));
  for (size_t d = 0; d < axes.size(); ++d) body.close();
  Kernel kernel = wrap_kernel(function, body.take(),
                              {{"x", type.dtype, {}, false}, {"y", type.dtype, {}, true}});
  kernel.headers = {"heddle_copy.h"};
  return kernel;
}

void print_fill(CWriter& out, const CopySide& target, const std::string& literal) {
  std::vector<Axis> axes;
  std::vector<StridedIndex> index;
  for (size_t d = 0; d < target.shape.size(); ++d) {
    if (target.shape[d] == 1) continue;
    index.push_back({{{{static_cast<int>(axes.size()), 1}}, 0}, target.storage.strides[d]});
    axes.push_back({fmt::format("i{}", axes.size()), target.shape[d]});
  }
  index.push_back({{{}, target.offset}, 1});
  for (const Axis& axis : axes)
    out.open(fmt::format("for (int32_t {0} = 0; {0} < {1}; ++{0})", axis.name, axis.extent));
  out.line(fmt::format("{}[{}] = {};", target.pointer, print_index(index, axes), literal));
  for (size_t d = 0; d < axes.size(); ++d) out.close();
}

Kernel make_concat(const Graph& graph, const Node& node, const StorageOf& storage,
                   const std::string& function, const std::set<ValueId>& in_place) {
  const LoopNest nest = op_of(node).loops({graph, node});
  const auto storage_of = [&](ValueId value) {
    const auto found = storage.find(value);
    return found == storage.end() ? dense_storage(graph.value(value).type) : found->second;
  };
  const TensorType& y = graph.value(node.output).type;
  const Storage& whole = storage_of(node.output);
  std::vector<KernelArgument> arguments;
  CWriter body;
  body.indent();
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const Value& x = graph.value(node.inputs[i]);
    if (in_place.contains(node.inputs[i])) continue;
    CopySide target{"y", y.dtype, x.type.shape, whole, 0};
    for (size_t d = 0; d < y.shape.size(); ++d)
      target.offset -= nest.inputs[i][d].offset * whole.strides[d];
    if (x.constant && x.type.shape == Shape(y.shape.size(), 1)) {
      const std::string literal = y.dtype == DType::float32 ? c_literal(x.constant->float_at(0))
                                                            : c_literal(x.constant->at(0));
      body.line(fmt::format("y[{}] = {};", target.offset, literal));
      continue;
    }
    const std::string name = fmt::format("x{}", i);
    arguments.push_back({name, x.type.dtype, node.inputs[i], false});
    print_copy(body, {name, x.type.dtype, x.type.shape, storage_of(node.inputs[i]), 0}, target);
  }
  arguments.push_back({"y", y.dtype, node.output, true});
  return wrap_kernel(function, body.take(), std::move(arguments));
}

}  // namespace heddle
