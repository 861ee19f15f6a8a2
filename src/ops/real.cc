#include "ops/real.h"

namespace heddle {

Tensor broadcast_reals(const OpView& op, std::span<const Tensor* const> inputs,
                       float (*f)(float, float)) {
  const Shape& shape = op.output().shape;
  const std::vector<int64_t> x = broadcast_places(inputs[0]->shape(), shape);
  const std::vector<int64_t> w = broadcast_places(inputs[1]->shape(), shape);
  std::vector<float> y;
  for (size_t i = 0; i < x.size(); ++i)
    y.push_back(f(inputs[0]->float_at(x[i]), inputs[1]->float_at(w[i])));
  return Tensor::of_floats(shape, y);
}

}  // namespace heddle
