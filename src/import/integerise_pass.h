// What the rules of integerise() share.
#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "import/builder.h"
#include "import/integerise.h"
#include "ops/op.h"

namespace heddle::integerising {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Real;
using RealPtr = std::shared_ptr<const Real>;

// A float32 value of the old graph that is not computed in float32.
struct Real {
  enum class Kind : uint8_t {
    linear,  // (integers - zero_point) * scale + addend
    table,   // table[integers - (least of their range)]
    sum,     // parts[0] + parts[1], or their difference
    moved,   // `node` moves or chooses elements of the parts
  };
  Kind kind = Kind::linear;
  ValueId integers{};           // in the new graph
  std::vector<float> scale{};   // one, or one for each index of dimension `axis`
  std::vector<float> addend{};  // none, or as many as that dimension has
  int64_t axis = 0;
  int64_t zero_point = 0;
  std::vector<float> table{};
  std::vector<RealPtr> parts{};
  bool difference = false;
  const Node* node = nullptr;
  int64_t depth = 0;      // of parts within parts
  float lo = -kInfinity;  // finally clamped to [lo, hi]
  float hi = kInfinity;
};

// round(x / scale) + zero_point, clamped: a `quantize` node.
struct Quantiser {
  std::vector<float> scale;
  int64_t axis = 0;
  int64_t zero_point = 0;
  int64_t lo = 0;
  int64_t hi = 0;
};

struct Pass {
  const Graph& from;
  const QuantisedConstants& constants;
  const std::string& rounding;
  Rebuild rebuild;
  std::vector<RealPtr>
      reals;             // by old value id; null: the value exists in the new graph, or not yet
  int64_t replaced = 0;  // float multipliers that became integer ones
};

// A rule returns false where it does not apply; the node stays as it is then.
using Rule = bool (*)(Pass&, const Node&);
struct RuleEntry {
  std::string_view op;
  Rule rule;
};
std::vector<RuleEntry> layer_rules();        // products, biases: integerise_layers.cc
std::vector<RuleEntry> elementwise_rules();  // sums, clips, tables: integerise_maps.cc
std::vector<RuleEntry> pool_rules();         // pools, means, moves: integerise_pools.cc

// ---- reading

RealPtr real_of(const Pass& pass, ValueId old);
bool is_plain(const Real& real);  // linear, neither addend nor clamps
bool per_tensor(const Real& real);
// The value as plain and per tensor, if need be by a clip of its integers; null where it is not.
RealPtr plain_operand(Pass& pass, ValueId old);
const Tensor* float_constant(const Pass& pass, ValueId old);
const TensorType& old_type(const Pass& pass, ValueId old);
Quantiser quantiser_of(const Pass& pass, const Node& quantize);
// The constant as an integer multiple of scales that the model knows, one or one for each index of
// `axis`.
struct GridConstant {
  Tensor integers;  // in the narrowest type
  std::vector<float> scale;
};
std::optional<GridConstant> on_grid(const Pass& pass, const Tensor& reals, int64_t axis);
// All elements of a constant that broadcasts to `shape` and changes along one dimension at most.
struct ChannelConstant {
  int64_t axis = 0;
  std::vector<float> values;  // one, or as many as the dimension has
};
std::optional<ChannelConstant> channel_constant(const Tensor& reals, const Shape& shape);

// ---- writing

void set_real(Pass& pass, const Node& node, Real real);
// x + sign * c of a constant, as a bias; in integerise_layers.cc.
bool add_constant_to(Pass& pass, const Node& node, size_t operand, const Tensor& constant,
                     float sign);
// The value in the new graph, with everything that it needs.
ValueId materialise(Pass& pass, ValueId old);
// Invalid, and no error, where the operator refuses its operands.
ValueId try_operator(Pass& pass, NewNode node);
NewNode named_after(const Pass& pass, const Node& node, std::string op);
// The quantised value in the new graph; invalid where it is no integer function.
ValueId quantise(Pass& pass, const Real& real, const Quantiser& to, const Node& named);
// The same for rounding 'floor' and two results: a comparison; in integerise_signs.cc.
ValueId quantise_sign(Pass& pass, const Real& real, const Quantiser& to, const Node& named);
int64_t quantised(float value, const Quantiser& to);  // per tensor

// The result of an elementwise float32 node on these operands.
std::optional<Tensor> evaluate(const Node& node, const std::vector<Tensor>& operands);
// All values of a function of at most 256 integers; nothing where it is none.
std::optional<std::vector<float>> table_of(const Pass& pass, const Real& real);

}  // namespace heddle::integerising
