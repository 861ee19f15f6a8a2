// A run of Mul, Add, Div, Floor, Clip on one value, collected before it becomes a node: `clip((x *
// mul + add) >> shift)`, or divided by an odd number too, which becomes other multipliers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "import/builder.h"

namespace heddle {

struct PerChannel {
  std::vector<int64_t> values;  // one element, or one per index of dimension `axis`
  int64_t axis = 0;
};

struct Chain {
  enum class Stage { none, scaled, divided, requantised };
  ValueId base;
  Stage stage = Stage::none;
  std::vector<int64_t> mul{1};  // one element or one per channel
  std::vector<int64_t> add{0};
  int64_t axis = 0;  // of the value, where mul or add is per channel
  int64_t shift = 0;
  int64_t odd_divisor = 1;  // besides 2^shift
  std::string rounding = "floor";
  std::optional<int64_t> lo, hi;
  bool integer_division =
      false;  // a Div of integers without Floor: ONNX would truncate, the dialect means floor
  bool divided_by_one = false;  // a Div by 1: a Floor behind it makes a requantisation of the base
  bool base_shared = false;  // other nodes read the base too: it cannot be changed
  std::string name;          // of the last node in the chain
  std::string value_name;    // of the last tensor
};

Chain start_chain(ValueId base, bool shared);

// A constant as NumPy would broadcast it against `shape`: at most one dimension may vary, and it
// may not enlarge the shape.
std::optional<PerChannel> per_channel(const Shape& shape, const Shape& constant_shape,
                                      const std::vector<int64_t>& values);
// The rule of RequantShift: [] or [1]; [C, 1, 1] is dimension 1; [C] the last one; else as NumPy.
std::optional<PerChannel> requant_channel(const Shape& shape, const Shape& constant_shape,
                                          const std::vector<int64_t>& values);

int64_t divisor_of(const Chain& chain);  // with the shift's; it fits 63 bits
bool is_pure_add(const Chain& chain);    // scaled, by no multiplier other than 1

// x * mul, x + add. False where the two axes differ or 64 bits do not suffice: make a node of the
// chain first.
bool scale_chain(Chain& chain, const PerChannel& mul);
bool offset_chain(Chain& chain, const PerChannel& add);
void clip_chain(Chain& chain, std::optional<int64_t> lo, std::optional<int64_t> hi);

// What the chain's value can be before its bounds; int64 bounds where it can be more.
Range chain_range(const Graph& graph, const Chain& chain);

// The node(s) that compute the chain. `node` is named in messages. Invalid after an error.
ValueId finish_chain(Builder& builder, const Chain& chain, const std::string& node);

// A requant node in its plainest form: uniform vectors as scalars, no mul of 1, no add of 0,
// 'floor' without both is 'shift'.
struct RequantForm {
  std::vector<int64_t> mul{1};
  std::vector<int64_t> add{0};
  int64_t axis = 1;
  int64_t shift = 0;
  std::string rounding;
  int64_t lo = 0;
  int64_t hi = 0;
  bool wide_add = false;  // of 64 bits where it must be; not plain then
};
// Whether that form says all there is: an integer dialect without zero points or shifts per channel.
bool is_plain_requant(const Graph& graph, const Node& node);
RequantForm requant_form(const Graph& graph, const Node& node);
ValueId add_requant(Builder& builder, const std::string& name, const std::string& value_name,
                    ValueId x, RequantForm form);

bool is_mac(const std::string& op);  // of the operator table's class "mac"

}  // namespace heddle
