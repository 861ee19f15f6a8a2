// Evaluates nodes whose operands are constants: the shape arithmetic and weight layouts that
// exporters leave behind. What the canonical operators can compute (Conv, Clip, Relu ... of
// constants) is folded by their own references instead.
#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/checked.h"
#include "import/onnx/translate.h"

namespace heddle {
namespace {

constexpr int64_t kMaxFolded = int64_t{1} << 24;  // elements of a result

RawTensor integers(const RawTensor& like, Tensor values) {
  return {.name = {}, .type = like.type, .values = std::move(values), .fraction = {}};
}

// One element of the result; nothing where 64 bits do not hold it or it is no integer.
std::optional<int64_t> compute(const std::string& op, const std::vector<int64_t>& x) {
  if (op == "Where") return x[0] != 0 ? x[1] : x[2];
  const int64_t a = x[0], b = x[1];
  if (op == "Add") return checked_add(a, b);
  if (op == "Sub") return checked_sub(a, b);
  if (op == "Mul") return checked_mul(a, b);
  if (op == "Equal") return a == b ? 1 : 0;
  if (op == "Less") return a < b ? 1 : 0;
  if (op == "Greater") return a > b ? 1 : 0;
  if (op == "Min") return std::min(a, b);
  if (op == "Max") return std::max(a, b);
  const bool divides = op == "Div" && b != 0 && !(b == -1 && a == INT64_MIN) && a % b == 0;
  return divides ? std::optional<int64_t>(a / b) : std::nullopt;
}

// Element-wise with NumPy's broadcasting, for shape arithmetic and biases.
std::optional<RawTensor> arithmetic(Translation& t, const RawNode& node,
                                    const std::vector<const RawTensor*>& operands) {
  size_t rank = 0;
  for (const RawTensor* x : operands) rank = std::max(rank, x->values.shape().size());
  std::vector<Shape> shapes;
  for (const RawTensor* x : operands) {
    shapes.push_back(x->values.shape());
    shapes.back().insert(shapes.back().begin(), rank - shapes.back().size(), 1);
  }
  Shape shape(rank, 1);
  for (size_t i = 0; i < shapes.size(); ++i) {
    for (size_t d = 0; d < rank; ++d) {
      if (shape[d] == 1) shape[d] = shapes[i][d];
      if (shapes[i][d] == shape[d] || shapes[i][d] == 1) continue;
      fail(t, node,
           fmt::format("shapes {} and {} do not broadcast", to_string(operands[0]->values.shape()),
                       to_string(operands[i]->values.shape())));
      return std::nullopt;
    }
  }
  int64_t count = checked_elements(shape);
  if (count < 0 || count > kMaxFolded) {
    fail(t, node, fmt::format("its constant result {} is too large", to_string(shape)));
    return std::nullopt;
  }
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
  std::vector<int64_t> x(operands.size());
  for (int64_t i = 0; i < count; ++i) {
    for (size_t o = 0; o < operands.size(); ++o) x[o] = at(operands[o]->values, shapes[o], i);
    const std::optional<int64_t> value = compute(node.op, x);
    if (!value) {
      fail(t, node, fmt::format("{} and {} have no integer result of 64 bits", x[0], x[1]));
      return std::nullopt;
    }
    result.set(i, *value);
  }
  return integers(*operands[node.op == "Where" ? 1 : 0], std::move(result));
}

// The shape of a tensor, computed or constant, from dimension `start` to `end` (opset 15); their
// product for Size.
bool fold_shape(Translation& t, const RawNode& node) {
  const auto found = t.tensors.find(node.inputs[0]);
  if (found == t.tensors.end() || found->second.broken) return false;
  const Shape& shape = found->second.constant
                           ? found->second.constant->values.shape()
                           : type_of(t.builder, found->second.chain.base).shape;
  const int64_t rank = static_cast<int64_t>(shape.size());
  const auto bounded = [&](int64_t d) { return std::clamp<int64_t>(d < 0 ? d + rank : d, 0, rank); };
  const int64_t start = bounded(int_of(t, node, "start", 0));
  const int64_t end = std::max(start, bounded(int_of(t, node, "end", rank)));
  const Shape part(shape.begin() + start, shape.begin() + end);
  Tensor values = node.op == "Size" ? Tensor::of(DType::int64, {}, {elements_of(shape)})
                                    : Tensor::of(DType::int64, {end - start}, part);
  set_constant(t, node,
               {.name = {}, .type = kOnnxInt64, .values = std::move(values), .fraction = {}});
  return true;
}

// One number, repeated; `value` is a tensor of one element, 0 where absent.
std::optional<RawTensor> filled(Translation& t, const RawNode& node, const RawTensor& wanted) {
  const Shape shape = wanted.values.to_ints();
  const int64_t count = shape.size() > 32 ? -1 : checked_elements(shape);
  if (count < 0 || count > kMaxFolded) {
    fail(t, node, fmt::format("its constant result {} is too large", to_string(shape)));
    return std::nullopt;
  }
  const auto found = node.attributes.find("value");
  const RawTensor* value =
      found == node.attributes.end() ? nullptr : std::get_if<RawTensor>(&found->second);
  if (value != nullptr && (value->values.elements() != 1 || value->fraction)) return std::nullopt;
  Tensor values(DType::int64, shape);
  for (int64_t i = 0; value != nullptr && i < count; ++i) values.set(i, value->values.at(0));
  return RawTensor{.name = {},
                   .type = value == nullptr ? kOnnxFloat : value->type,
                   .values = std::move(values),
                   .fraction = {}};
}

// start, start + delta, ... below limit.
std::optional<RawTensor> counted(Translation& t, const RawNode& node,
                                 const std::vector<const RawTensor*>& operands) {
  int64_t bounds[3];
  for (size_t i = 0; i < 3; ++i) {
    if (operands[i]->values.elements() != 1) return std::nullopt;
    bounds[i] = operands[i]->values.at(0);
  }
  const auto [start, limit, delta] = bounds;
  const std::optional<int64_t> distance = checked_sub(limit, start);
  if (!distance || delta == 0 || *distance / delta > kMaxFolded) {
    fail(t, node, fmt::format("counts from {} to {} by {}", start, limit, delta));
    return std::nullopt;
  }
  std::vector<int64_t> values;
  for (int64_t i = start; delta > 0 ? i < limit : i > limit; i += delta) values.push_back(i);
  return integers(*operands[0],
                  Tensor::of(DType::int64, {static_cast<int64_t>(values.size())}, values));
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

bool is_among(std::span<const std::string_view> names, std::string_view op) {
  return std::find(names.begin(), names.end(), op) != names.end();
}

constexpr std::string_view kViews[] = {"Reshape", "Flatten", "Squeeze", "Unsqueeze"};
constexpr std::string_view kArithmetic[] = {"Add",  "Sub",     "Mul", "Div", "Equal",
                                            "Less", "Greater", "Min", "Max", "Where"};
constexpr std::string_view kOthers[] = {"Shape", "Size", "ConstantOfShape", "Range"};

}  // namespace

bool may_fold(const RawNode& node) {
  const bool standard = node.domain.empty() || node.domain == "ai.onnx";
  return standard && (is_among(kViews, node.op) || is_among(kArithmetic, node.op) ||
                      is_among(kOthers, node.op));
}

bool fold_constants(Translation& t, const RawNode& node) {
  if (!may_fold(node) || node.inputs.empty()) return false;
  const bool is_view = is_among(kViews, node.op);
  const bool is_arithmetic = is_among(kArithmetic, node.op);
  if (node.op == "Shape" || node.op == "Size") return fold_shape(t, node);
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
  if (fractional) return false;  // the operator's handler reports it

  // Real arithmetic is the operator's.
  const size_t first = node.op == "Where" && operands.size() > 1 ? 1 : 0;
  if (t.real && is_arithmetic && is_float_type(operands[first]->type)) return false;

  size_t errors = t.builder.errors.size();
  std::optional<RawTensor> result;
  if (is_view) {
    result = view(t, node, *operands[0], operands);
  } else if (node.op == "ConstantOfShape") {
    result = filled(t, node, *operands[0]);
  } else if (node.op == "Range" && operands.size() == 3) {
    result = counted(t, node, operands);
  } else if (operands.size() == (node.op == "Where" ? 3u : 2u)) {
    result = arithmetic(t, node, operands);
  }
  if (result) set_constant(t, node, std::move(*result));
  return result.has_value() || t.builder.errors.size() > errors;
}

}  // namespace heddle
