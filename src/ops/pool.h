// What the pooling operators share: windows of one channel without weights.
#pragma once

#include "ops/check.h"
#include "ops/window.h"

namespace heddle {

// infer() of a pool with kernel attributes up to the proven range: operands, window, output shape.
Result<Shape> pool_shape(const OpView& op);
// Axes n k oy ox / fy fx.
LoopNest pool_loops(const OpView& op);

// Averages of integers are floor(sum / count + 1/2). Their sum of `count` elements must stay within int32.
Status check_average(const OpView& op, int64_t count);
// The body; `count` elements always, or (`varies`) up to `count`, as many as `$count` says. `away`:
// halves are rounded away from zero instead of up.
CBody average_body(const Range& x, int64_t count, bool varies, bool away = false);
// Of float32: sum / count.
CBody real_average_body(int64_t count, bool varies);

}  // namespace heddle
