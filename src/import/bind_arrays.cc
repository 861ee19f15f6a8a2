// Which array of a file is which input or output of a graph.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "graph/quantise.h"
#include "import/npz.h"

namespace heddle {
namespace {

std::string ticked(const std::string& text) { return "`" + terminal_text(text) + "`"; }

const Tensor* find_key(const Arrays& arrays, const std::string& key) {
  for (const auto& [name, tensor] : arrays) {
    if (name == key) return &tensor;
  }
  return nullptr;
}

// By name first; then the conventional keys; a lone .npy is the lone value.
const Tensor* find_array(const Arrays& arrays, const std::string& name, const std::string& kind,
                         size_t index, size_t count) {
  std::vector<std::string> keys = {name, fmt::format("{}_{}", kind, index)};
  if (count == 1) keys.insert(keys.end(), {kind, kind + "s"});
  keys.push_back(fmt::format("arr_{}", index));
  for (const std::string& key : keys) {
    if (const Tensor* tensor = find_key(arrays, key)) return tensor;
  }
  return count == 1 && arrays.size() == 1 && arrays[0].first.empty() ? &arrays[0].second : nullptr;
}

// How many samples the array holds for a value of this shape; 0: it does not fit. `tiled` is set
// where it is short.
int64_t samples_in(const Shape& array, const Shape& shape, bool* tiled) {
  *tiled = false;
  if (array.size() == shape.size() + 1 && std::equal(shape.begin(), shape.end(), array.begin() + 1))
    return array[0];
  if (array.size() == shape.size() && !shape.empty() && shape[0] == 1 &&
      std::equal(shape.begin() + 1, shape.end(), array.begin() + 1)) {
    return array[0];
  }
  int64_t have = elements_of(array);
  int64_t want = elements_of(shape);
  if (have == want) return 1;
  *tiled = have > 0 && have < want && want % have == 0;
  return *tiled ? 1 : 0;
}

struct Binding {
  const Tensor* array = nullptr;
  int64_t samples = 0;
};

// Fills `tensor` with elements of the array from `begin` on, again from the start where it is
// short.
template <class Convert>
void fill(Tensor& tensor, int64_t available, int64_t begin, Convert convert) {
  for (int64_t e = 0; e < tensor.elements(); ++e) convert(e, begin + e % available);
}

// One tensor in the input's type.
Result<Tensor> to_input(const Value& value, const Tensor& array, int64_t begin,
                        const std::string& file) {
  const TensorType& type = value.type;
  Tensor tensor(type.dtype, type.shape);
  Diagnostics errors;  // the first one only: others are alike
  const auto fail = [&](int64_t from, const std::string& what, const std::string& remedy) {
    if (!errors.empty()) return;
    errors.push_back(error_at(
        in_file(file), fmt::format("element {} for input {} is {}", from, ticked(value.name), what),
        remedy));
  };
  const bool floats = array.dtype() == DType::float32;
  fill(tensor, std::min(array.elements(), tensor.elements()), begin, [&](int64_t e, int64_t from) {
    if (type.dtype == DType::float32) {
      tensor.set_float(e, floats ? array.float_at(from) : static_cast<float>(array.at(from)));
      return;
    }
    int64_t integer = 0;
    if (floats) {
      const float real = array.float_at(from);
      if (std::isnan(real) || (!value.quantisation && real != std::floor(real))) {
        return fail(from, fmt::format("{}, which is no integer", real),
                    "the input has no scale: quantise the array first");
      }
      if (!value.quantisation && !(std::fabs(real) < 9.2e18f))
        return fail(from, fmt::format("{}", real), "");
      integer = value.quantisation ? quantise(real, *value.quantisation, type.range)
                                   : static_cast<int64_t>(real);
    } else {
      integer = array.at(from);
    }
    if (integer < type.range.lo || integer > type.range.hi) {
      return fail(
          from,
          fmt::format("{}, outside its range [{}, {}]", integer, type.range.lo, type.range.hi), "");
    }
    tensor.set(e, integer);
  });
  if (!errors.empty()) return errors;
  return tensor;
}

// One tensor of an expected output: int64 or float32, see npz.h.
Tensor to_expected(const Value& value, const Tensor& array, int64_t begin) {
  Tensor tensor(array.dtype(), value.type.shape);
  fill(tensor, std::min(array.elements(), tensor.elements()), begin, [&](int64_t e, int64_t from) {
    if (array.dtype() == DType::float32) {
      tensor.set_float(e, array.float_at(from));
    } else {
      tensor.set(e, array.at(from));
    }
  });
  if (value.type.dtype == DType::float32 || value.quantisation) return tensor;
  return as_integers(tensor).value_or(tensor);
}

bool same(const Tensor& constant, const Tensor& extra) {
  if (constant.elements() != extra.elements()) return false;
  if (constant.dtype() == DType::float32) {
    return extra.dtype() == DType::float32 && constant.bytes() == extra.bytes();
  }
  const std::optional<Tensor> integers = as_integers(extra);
  return integers && constant.to_ints() == integers->to_ints();
}

// Whether an input (or output) of the graph has this very name.
bool is_named(const Graph& graph, const std::string& kind, const std::string& key) {
  const std::vector<ValueId>& values = kind == "input" ? graph.inputs : graph.outputs;
  return std::any_of(values.begin(), values.end(),
                     [&](ValueId id) { return graph.value(id).name == key; });
}

// Extra `arr_1`, `input_1` are what some exporters feed for a weight: fine where a constant of the
// graph equals them.
void check_extra(const Graph& graph, const Arrays& arrays, size_t count, const std::string& kind,
                 const std::string& file, Diagnostics* errors) {
  for (size_t i = count; i < count + arrays.size(); ++i) {
    for (const std::string& key : {fmt::format("arr_{}", i), fmt::format("{}_{}", kind, i)}) {
      const Tensor* extra = find_key(arrays, key);
      if (extra == nullptr || is_named(graph, kind, key)) continue;
      if (extra->elements() == 0) continue;  // empty inputs are left out
      bool constant = std::any_of(
          graph.values.begin(), graph.values.end(),
          [&](const Value& value) { return value.constant && same(*value.constant, *extra); });
      if (!constant) {
        errors->push_back(error_at(
            in_file(file), fmt::format("array {} belongs to no {} of the graph, which has {}",
                                       ticked(key), kind, count)));
      }
    }
  }
}

Result<std::vector<Sample>> bind_arrays(const Graph& graph, const Arrays& arrays,
                                 const std::vector<ValueId>& ids, const std::string& kind,
                                 const std::string& file) {
  Diagnostics errors;
  std::vector<Binding> bindings;
  int64_t samples = 1;
  for (size_t i = 0; i < ids.size(); ++i) {
    const Value& value = graph.value(ids[i]);
    const Tensor* array = find_array(arrays, value.name, kind, i, ids.size());
    if (array == nullptr) {
      std::string keys;
      for (const auto& [key, tensor] : arrays) keys += (keys.empty() ? "" : ", ") + ticked(key);
      errors.push_back(
          error_at(in_file(file),
                   fmt::format("no array for {} {}; the file has {}", kind, ticked(value.name),
                               keys.empty() ? "none" : keys),
                   fmt::format("name it {}, `{}_{}` or `arr_{}`", ticked(value.name), kind, i, i)));
      continue;
    }
    bool tiled = false;
    int64_t held = samples_in(array->shape(), value.type.shape, &tiled);
    if (held == 0) {
      errors.push_back(error_at(
          in_file(file),
          fmt::format("the array for {} {} has shape {}, which does not fit {}", kind,
                      ticked(value.name), to_string(array->shape()), to_string(value.type.shape)),
          fmt::format(
              "give {} elements, a multiple of them with a leading batch dimension, or a divisor",
              elements_of(value.type.shape))));
      continue;
    }
    if (held != 1 && samples != 1 && held != samples) {
      errors.push_back(error_at(
          in_file(file), fmt::format("the array for {} {} holds {} samples, another one {}", kind,
                                     ticked(value.name), held, samples)));
    }
    samples = std::max(samples, held);
    bindings.push_back({array, held});
  }
  check_extra(graph, arrays, ids.size(), kind, file, &errors);
  if (!errors.empty()) return errors;

  std::vector<Sample> result;
  for (int64_t s = 0; s < samples; ++s) {
    Sample sample;
    for (size_t i = 0; i < ids.size(); ++i) {
      const Value& value = graph.value(ids[i]);
      const Tensor& array = *bindings[i].array;
      const int64_t begin = bindings[i].samples == 1 ? 0 : s * elements_of(value.type.shape);
      if (kind == "output") {
        sample.push_back(to_expected(value, array, begin));
        continue;
      }
      Result<Tensor> tensor = to_input(value, array, begin, file);
      if (!tensor.ok()) return tensor.errors();
      sample.push_back(std::move(*tensor));
    }
    result.push_back(std::move(sample));
  }
  return result;
}

}  // namespace

Result<std::vector<Sample>> match_inputs(const Graph& graph, const Arrays& arrays,
                                         const std::string& file) {
  return bind_arrays(graph, arrays, graph.given_inputs(), "input", file);
}

Result<std::vector<Sample>> match_outputs(const Graph& graph, const Arrays& arrays,
                                          const std::string& file) {
  return bind_arrays(graph, arrays, graph.returned_outputs(), "output", file);
}

}  // namespace heddle
