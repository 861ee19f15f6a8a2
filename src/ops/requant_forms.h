// The families of `requant`, told apart by `rounding`; each proves, computes and prints its formula.
//   integer: 'shift', 'floor', 'half_up'       ((x * mul + add + r) >> s) + zero_point
//   gemmlowp: 'tflite_double'                   divide(high(x << left, mul), right) + zero_point
//   real: 'float'                               nearest((x - x_zero_point) * mul) + zero_point
// and then clamps to [lo, hi]. s is `shift` + `shifts[k]`.
#pragma once

#include <functional>

#include "ops/check.h"

namespace heddle::requant {

enum Operand : size_t { X, MUL, ADD, SHIFTS };

// The result before the clamp, for an element of x and its channel.
using Formula = std::function<int64_t(int64_t x, size_t channel)>;

struct Family {
  Status (*check)(const OpView&);
  Range (*result)(const OpView&);  // proven, before the clamp
  Formula (*formula)(const OpView&);
  std::string (*c_body)(const OpView&);
};
extern const Family integer_family;
extern const Family gemmlowp_family;
extern const Family real_family;

Range bounds_of(const OpView& op);
// The element of a constant operand for a channel; `otherwise` where the operand is absent.
// all_channels(): for every one of channels_of().
int64_t at_channel(const OpView& op, Operand operand, int64_t channel, int64_t otherwise);
std::vector<int64_t> all_channels(const OpView& op, Operand operand, int64_t otherwise);
int64_t channels_of(const OpView& op);  // 1 where no operand is per channel
bool per_channel(const OpView& op, Operand operand);
// The shift of channel k; in C, `less` than that.
int64_t shift_of(const OpView& op, int64_t channel);
std::string c_shift(const OpView& op, int64_t less = 0);
std::string indented(const std::string& lines);  // by two blanks

}  // namespace heddle::requant
