// Copies between storages, and the function around a finished body.
#include <fmt/format.h>

#include <algorithm>

#include "cpu_codegen/affine.h"
#include "cpu_codegen/kernel.h"
#include "cpu_codegen/writer.h"

namespace heddle {

Kernel wrap_kernel(const std::string& function, const std::string& body,
                   std::vector<KernelArgument> arguments) {
  std::vector<std::string> parameters;
  for (const KernelArgument& argument : arguments) {
    parameters.push_back(fmt::format("{}{} *{}", argument.output ? "" : "const ",
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

Kernel make_copy(DType dtype, const Shape& from_shape, const Storage& from, const Shape& to_shape,
                 const Storage& to, const std::string& function) {
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
  std::vector<StridedIndex> source, destination;
  for (size_t d = 0; d < dims.size(); ++d) {
    axes.push_back({dims.size() == 1 ? "i" : fmt::format("i{}", d), dims[d].extent});
    source.push_back({{{{static_cast<int>(d), 1}}, 0}, dims[d].from});
    destination.push_back({{{{static_cast<int>(d), 1}}, 0}, dims[d].to});
  }
  CWriter body;
  body.indent();
  for (const Axis& axis : axes) {
    body.open(fmt::format("for (int32_t {0} = 0; {0} < {1}; ++{0})", axis.name, axis.extent));
  }
  std::string target = print_index(destination, axes);
  if (scattered) {
    // Both have gaps, and at different places: the row-major position is taken apart again.
    body.line(fmt::format("const int32_t flat = {};", target));
    std::vector<std::string> terms;
    int64_t inner = elements_of(to_shape);
    for (size_t d = 0; d < to_shape.size(); ++d) {
      inner /= std::max<int64_t>(to_shape[d], 1);
      if (to_shape[d] != 1)
        terms.push_back(fmt::format("flat / {} % {} * {}", inner, to_shape[d], to.strides[d]));
    }
    target = fmt::format("{}", fmt::join(terms, " + "));
  }
  body.line(fmt::format("y[{}] = x[{}];", target, print_index(source, axes)));
  for (size_t d = 0; d < axes.size(); ++d) body.close();
  return wrap_kernel(function, body.take(), {{"x", dtype, {}, false}, {"y", dtype, {}, true}});
}

}  // namespace heddle
