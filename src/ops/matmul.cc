#include <fmt/format.h>

#include <algorithm>

#include "ops/map.h"
#include "ops/product.h"
#include "ops/window.h"

namespace heddle {
namespace {

struct Sizes {
  Shape batch;  // of the result
  int64_t rows = 0, length = 0, columns = 0;
};

Shape batch_of(const Shape& shape) { return {shape.begin(), shape.end() - 2}; }

Result<Sizes> sizes_of(const OpView& op) {
  for (size_t operand : {0, 1}) {
    if (Status status = check_map_rank(op, operand); !status.ok()) return status.errors();
    const Shape& shape = op.input(operand).shape;
    if (shape.size() >= 2) continue;
    return node_error(op, fmt::format("`{}` has shape {}, two dimensions are needed at least",
                                      op_of(op.node).operands[operand].name, to_string(shape)));
  }
  const Shape& x = op.input(0).shape;
  const Shape& w = op.input(1).shape;
  if (x.back() != w[w.size() - 2]) {
    return node_error(
        op, fmt::format("the shapes {} and {} do not multiply: {} columns against {} rows",
                        to_string(x), to_string(w), x.back(), w[w.size() - 2]));
  }
  Result<Shape> batch = broadcast_shape(op, batch_of(x), batch_of(w));
  if (!batch.ok()) return batch.errors();
  return Sizes{std::move(*batch), x[x.size() - 2], x.back(), w.back()};
}

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  const Result<Sizes> sizes = sizes_of(op);
  if (!sizes.ok()) return sizes.errors();
  Shape shape = sizes->batch;
  shape.insert(shape.end(), {sizes->rows, sizes->columns});
  if (checked_elements(shape) < 0) {
    return node_error(
        op, fmt::format("the output would have the impossible shape {}", to_string(shape)));
  }
  const Result<Range> x = centred_range(op, 0, "x_zero_point");
  if (!x.ok()) return x.errors();
  const Result<Range> w = centred_range(op, 1, "w_zero_point");
  if (!w.ok()) return w.errors();
  if (op.is_real()) return TensorType{DType::float32, std::move(shape), {}};
  const Result<Range> product = prove_product(op, *x, *w);
  if (!product.ok()) return product.errors();
  const Range partial = with_zero(*product);
  const Result<Range> fits = prove_int32(op, "accumulator", Wide{partial.lo} * sizes->length,
                                         Wide{partial.hi} * sizes->length);
  if (!fits.ok()) return fits.errors();
  return TensorType{
      DType::int32, std::move(shape), {product->lo * sizes->length, product->hi * sizes->length}};
}

// Calls product(index in x, index in w) for every index of the sum, and at the end done(index in
// y).
template <class Product, class Done>
void for_each_sum(const OpView& op, Product product, Done done) {
  const Shape& x = op.input(0).shape;
  const Shape& w = op.input(1).shape;
  const int64_t rows = x[x.size() - 2], length = x.back(), columns = w.back();
  const Shape batch = batch_of(op.output().shape);
  const std::vector<int64_t> x_places = broadcast_places(batch_of(x), batch);
  const std::vector<int64_t> w_places = broadcast_places(batch_of(w), batch);
  int64_t flat = 0;
  for (size_t b = 0; b < x_places.size(); ++b) {
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t column = 0; column < columns; ++column) {
        const int64_t left = (x_places[b] * rows + row) * length;
        const int64_t right = w_places[b] * length * columns + column;
        for (int64_t c = 0; c < length; ++c) product(left + c, right + c * columns);
        done(flat++);
      }
    }
  }
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const Tensor& x = *inputs[0];
  const Tensor& w = *inputs[1];
  Tensor y(op.output().dtype, op.output().shape);
  if (op.is_real()) {
    float sum = 0.0f;
    for_each_sum(
        op, [&](int64_t a, int64_t b) { sum += x.float_at(a) * w.float_at(b); },
        [&](int64_t flat) {
          y.set_float(flat, sum);
          sum = 0.0f;
        });
    return y;
  }
  const int64_t x_zero = op.attribute("x_zero_point"), w_zero = op.attribute("w_zero_point");
  const std::vector<int64_t> left = x.to_ints(), right = w.to_ints();
  int64_t sum = 0;
  for_each_sum(
      op,
      [&](int64_t a, int64_t b) {
        sum += (left[static_cast<size_t>(a)] - x_zero) * (right[static_cast<size_t>(b)] - w_zero);
      },
      [&](int64_t flat) {
        y.set(flat, sum);
        sum = 0;
      });
  return y;
}

LoopNest loops(const OpView& op) {
  const Shape& out = op.output().shape;
  const int64_t length = op.input(0).shape.back();
  const Shape batch = batch_of(out);
  LoopNest nest;
  for (size_t i = 0; i < batch.size(); ++i)
    nest.axes.push_back({fmt::format("b{}", i), batch[i], false});
  const int n = static_cast<int>(batch.size());
  nest.axes.insert(
      nest.axes.end(),
      {{"n", out[batch.size()], false}, {"k", out.back(), false}, {"c", length, true}});
  Access x = broadcast_access(batch_of(op.input(0).shape), batch);
  x.insert(x.end(), {along(n), along(n + 2)});
  Access w = broadcast_access(batch_of(op.input(1).shape), batch);
  w.insert(w.end(), {along(n + 2), along(n + 1)});
  nest.inputs = {std::move(x), std::move(w)};
  for (int i = 0; i <= n + 1; ++i) nest.output.push_back(along(i));
  nest.macs = elements_of(out) * length;
  return nest;
}

CBody c_body(const OpView& op) {
  CBody body;
  body.accumulator = op.is_real() ? "float" : "int32_t";
  body.init = op.is_real() ? "$acc = 0.0f;" : "$acc = 0;";
  body.update = op.is_real()
                    ? "$acc += $x * $w;"
                    : fmt::format("$acc += {} * {};", c_centred("$x", op.attribute("x_zero_point")),
                                  c_centred("$w", op.attribute("w_zero_point")));
  body.result = "$acc";
  return body;
}

}  // namespace

const OpDef& matmul_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "matmul";
    d.summary =
        "Matrix product of two activations: y[.., n, k] = sum over c of (x[.., n, c] - "
        "x_zero_point) * (w[.., c, k] - w_zero_point); further dimensions broadcast like NumPy.";
    d.classes = {"mac"};
    d.operands = {{.name = "x", .doc = "[.., N, C]", .dims = {}, .numbers = Numbers::either},
                  {.name = "w", .doc = "[.., C, K]", .dims = {}, .numbers = Numbers::either}};
    d.attributes = {zero_point_attribute("x", "x_zero_point"),
                    zero_point_attribute("w", "w_zero_point")};
    d.output_doc =
        "int32 accumulators, proven not to overflow in any order of summation; or float32, summed "
        "in the order of c";
    d.output_dims = {};
    d.axes = {"b0", "b1", "b2", "b3", "b4", "b5", "n", "k", "c"};
    d.infer = infer;
    d.reference = reference;
    d.loops = loops;
    d.c_body = c_body;
    return d;
  }();
  return def;
}

}  // namespace heddle
