// Evaluates nodes whose operands are constants: the shape arithmetic and weight layouts that
// exporters leave behind. What the canonical operators can compute (Conv, Clip, Relu ... of
// constants) is folded by their own references instead.
#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "import/onnx/translate.h"

namespace heddle {
namespace {

constexpr int64_t kMaxFolded = int64_t{1} << 24;  // elements of a result

RawTensor integers(const RawTensor& like, Tensor values) {
  return {.name = {}, .type = like.type, .values = std::move(values), .fraction = {}};
}

// Any rearrangement keeps fractions, though their first element may move.
RawTensor rearranged(const RawTensor& from, const Shape& shape,
                     const std::vector<int64_t>& source) {
  RawTensor result{.name = {},
                   .type = from.type,
                   .values = Tensor(from.values.dtype(), shape),
                   .fraction = from.fraction};
  for (size_t i = 0; i < source.size(); ++i) {
    int64_t flat = static_cast<int64_t>(i);
    if (from.values.dtype() == DType::float32) {
      result.values.set_float(flat, from.values.float_at(source[i]));
    } else {
      result.values.set(flat, from.values.at(source[i]));
    }
  }
  return result;
}

std::optional<RawTensor> transpose(Translation& t, const RawNode& node, const RawTensor& x) {
  const Shape& from = x.values.shape();
  int64_t rank = static_cast<int64_t>(from.size());
  std::vector<int64_t> perm;
  for (int64_t d = rank; d-- > 0;) perm.push_back(d);
  if (std::optional<std::vector<int64_t>> given = maybe_ints(t, node, "perm")) perm = *given;
  std::vector<int64_t> sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  bool fine = static_cast<int64_t>(sorted.size()) == rank;
  for (int64_t d = 0; fine && d < rank; ++d) fine = sorted[static_cast<size_t>(d)] == d;
  if (!fine)
    return fail(t, node,
                fmt::format("`perm` {} is no order of {} dimensions", to_string(perm), rank)),
           std::nullopt;
  Shape shape;
  for (int64_t d : perm) shape.push_back(from[static_cast<size_t>(d)]);
  std::vector<int64_t> strides(from.size(), 1);
  for (size_t d = from.size(); d-- > 1;) strides[d - 1] = strides[d] * from[d];
  std::vector<int64_t> source(static_cast<size_t>(x.values.elements()));
  for (size_t i = 0; i < source.size(); ++i) {
    int64_t rest = static_cast<int64_t>(i);
    for (size_t d = shape.size(); d-- > 0;) {
      source[i] += rest % shape[d] * strides[static_cast<size_t>(perm[d])];
      rest /= shape[d];
    }
  }
  return rearranged(x, shape, source);
}

// Element-wise with NumPy's broadcasting, for shape arithmetic and biases.
std::optional<RawTensor> arithmetic(Translation& t, const RawNode& node, const RawTensor& a,
                                    const RawTensor& b) {
  size_t rank = std::max(a.values.shape().size(), b.values.shape().size());
  auto padded = [&](Shape shape) {
    shape.insert(shape.begin(), rank - shape.size(), 1);
    return shape;
  };
  Shape left = padded(a.values.shape());
  Shape right = padded(b.values.shape());
  Shape shape;
  for (size_t d = 0; d < rank; ++d) {
    if (left[d] != right[d] && left[d] != 1 && right[d] != 1) {
      return fail(t, node,
                  fmt::format("shapes {} and {} do not broadcast", to_string(a.values.shape()),
                              to_string(b.values.shape()))),
             std::nullopt;
    }
    shape.push_back(left[d] == 1 ? right[d] : left[d]);
  }
  int64_t count = checked_elements(shape);
  if (count < 0 || count > kMaxFolded)
    return fail(t, node, fmt::format("its constant result {} is too large", to_string(shape))),
           std::nullopt;
  auto at = [&](const Tensor& tensor, const Shape& own, int64_t flat) {
    int64_t index = 0;
    int64_t stride = 1;
    for (size_t d = rank; d-- > 0;) {
      if (own[d] != 1) index += flat % shape[d] * stride;
      stride *= own[d];
      flat /= shape[d];
    }
    return tensor.at(index);
  };
  Tensor result(DType::int64, shape);
  for (int64_t i = 0; i < count; ++i) {
    int64_t x = at(a.values, left, i);
    int64_t y = at(b.values, right, i);
    std::optional<int64_t> value;
    if (node.op == "Add") value = checked_add(x, y);
    if (node.op == "Sub") value = checked_sub(x, y);
    if (node.op == "Mul") value = checked_mul(x, y);
    if (node.op == "Div" && y != 0 && !(y == -1 && x == INT64_MIN) && x % y == 0) value = x / y;
    if (!value)
      return fail(t, node, fmt::format("{} and {} have no integer result of 64 bits", x, y)),
             std::nullopt;
    result.set(i, *value);
  }
  return integers(a, std::move(result));
}

// Gather along axis 0 and Concat of vectors: how exporters compute shapes.
std::optional<RawTensor> gather(Translation& t, const RawNode& node, const RawTensor& x,
                                const RawTensor& indices) {
  if (x.values.shape().size() != 1 || int_of(t, node, "axis", 0) != 0) return std::nullopt;
  std::vector<int64_t> source = indices.values.to_ints();
  for (int64_t& i : source) {
    i += i < 0 ? x.values.elements() : 0;
    if (i < 0 || i >= x.values.elements())
      return fail(t, node, fmt::format("index {} is outside {} elements", i, x.values.elements())),
             std::nullopt;
  }
  return rearranged(x, indices.values.shape(), source);
}

std::optional<RawTensor> concat(const std::vector<const RawTensor*>& parts) {
  std::vector<int64_t> all;
  for (const RawTensor* part : parts) {
    if (part->values.shape().size() != 1 || part->fraction) return std::nullopt;
    std::vector<int64_t> values = part->values.to_ints();
    all.insert(all.end(), values.begin(), values.end());
    if (static_cast<int64_t>(all.size()) > kMaxFolded) return std::nullopt;
  }
  return integers(*parts[0], Tensor::of(DType::int64, {static_cast<int64_t>(all.size())}, all));
}

// Views of constants keep fractions: whether they matter is their reader's business.
std::optional<RawTensor> view(Translation& t, const RawNode& node, const RawTensor& x,
                              const std::vector<const RawTensor*>& operands) {
  const Shape& from = x.values.shape();
  std::optional<Shape> shape;
  if (node.op == "Reshape") {
    std::optional<std::vector<int64_t>> wanted =
        operands.size() > 1 ? operands[1]->values.to_ints() : maybe_ints(t, node, "shape");
    if (wanted)
      shape = resolve_reshape(t, node, from, *wanted, int_of(t, node, "allowzero", 0) == 0);
  } else if (node.op == "Flatten") {
    int64_t axis = int_of(t, node, "axis", 1);
    axis += axis < 0 ? static_cast<int64_t>(from.size()) : 0;
    if (axis >= 0 && axis <= static_cast<int64_t>(from.size())) {
      int64_t head = elements_of(Shape(from.begin(), from.begin() + axis));
      shape = Shape{head, head == 0 ? 0 : x.values.elements() / head};
    }
  } else {
    std::optional<std::vector<int64_t>> axes =
        operands.size() > 1 ? operands[1]->values.to_ints() : maybe_ints(t, node, "axes");
    bool squeeze = node.op == "Squeeze";
    if (!axes && !squeeze) return std::nullopt;
    size_t rank = squeeze ? from.size() : from.size() + axes->size();
    if (rank > 32) return std::nullopt;
    Shape made;
    size_t next = 0;
    for (size_t d = 0; d < rank; ++d) {
      auto is_axis = [&](int64_t a) {
        return (a < 0 ? a + static_cast<int64_t>(rank) : a) == static_cast<int64_t>(d);
      };
      bool listed = axes && std::any_of(axes->begin(), axes->end(), is_axis);
      if (squeeze && !(axes ? listed : from[d] == 1)) made.push_back(from[d]);
      if (!squeeze) made.push_back(listed || next >= from.size() ? 1 : from[next++]);
    }
    if (elements_of(made) == x.values.elements()) shape = made;
  }
  if (!shape) return std::nullopt;
  RawTensor result = x;
  result.values = x.values.reshaped(*shape);
  return result;
}

bool is_view_op(const std::string& op) {
  return op == "Reshape" || op == "Flatten" || op == "Squeeze" || op == "Unsqueeze";
}

}  // namespace

bool may_fold(const RawNode& node) {
  static constexpr std::string_view kOthers[] = {"Add",       "Sub",    "Mul",    "Div",
                                                 "Transpose", "Gather", "Concat", "Shape"};
  const bool standard = node.domain.empty() || node.domain == "ai.onnx";
  return standard && (is_view_op(node.op) || std::find(std::begin(kOthers), std::end(kOthers),
                                                       node.op) != std::end(kOthers));
}

bool fold_constants(Translation& t, const RawNode& node) {
  if (!may_fold(node) || node.inputs.empty()) return false;
  const bool is_view = is_view_op(node.op);

  // The shape of a computed tensor is a constant too.
  if (node.op == "Shape") {
    auto found = t.tensors.find(node.inputs[0]);
    if (found == t.tensors.end() || found->second.broken || node.attributes.contains("start") ||
        node.attributes.contains("end"))
      return false;
    const Shape& shape = found->second.constant
                             ? found->second.constant->values.shape()
                             : type_of(t.builder, found->second.chain.base).shape;
    set_constant(t, node,
                 {.name = {},
                  .type = kOnnxInt64,
                  .values = Tensor::of(DType::int64, {static_cast<int64_t>(shape.size())}, shape),
                  .fraction = {}});
    return true;
  }
  std::vector<const RawTensor*> operands;
  for (const std::string& input : node.inputs) {
    if (input.empty()) continue;
    auto found = t.tensors.find(input);
    if (found == t.tensors.end() || found->second.broken || !found->second.constant) return false;
    operands.push_back(&*found->second.constant);
  }
  if (operands.empty()) return false;
  bool fractional = std::any_of(operands.begin() + (is_view ? 1 : 0), operands.end(),
                                [](const RawTensor* x) { return x->fraction.has_value(); });
  if (fractional && node.op != "Transpose") return false;  // the operator's handler reports it

  static constexpr std::string_view kArithmetic[] = {"Add", "Sub", "Mul", "Div"};
  const bool arithmetic_op =
      std::find(std::begin(kArithmetic), std::end(kArithmetic), node.op) != std::end(kArithmetic);
  // Real arithmetic is the operator's.
  if (t.real && arithmetic_op && is_float_type(operands[0]->type)) return false;

  size_t errors = t.builder.errors.size();
  std::optional<RawTensor> result;
  if (is_view) {
    result = view(t, node, *operands[0], operands);
  } else if (node.op == "Transpose") {
    result = transpose(t, node, *operands[0]);
  } else if (node.op == "Gather" && operands.size() == 2) {
    result = gather(t, node, *operands[0], *operands[1]);
  } else if (node.op == "Concat") {
    result = concat(operands);
  } else if (operands.size() == 2) {
    result = arithmetic(t, node, *operands[0], *operands[1]);
  }
  if (result) set_constant(t, node, std::move(*result));
  return result.has_value() || t.builder.errors.size() > errors;
}

}  // namespace heddle
