// Windows that leave their image: bounds of loops, and conditions.
#include <fmt/format.h>

#include <algorithm>

#include "cpu_codegen/kernel_builder.h"

namespace heddle {

// index = base + coefficient * axis must lie in [0, extent): the bounds of the loop over `axis`,
// each only where padding can occur. Truncating division serves: where a numerator is negative the
// loop runs over nothing either way.
void KernelBuilder::bound_axis(int axis, const DimAccess& index, const Range& range,
                               int64_t extent) {
  Loop& loop = loops_[static_cast<size_t>(depth_of(axis))];
  const Axis& a = nest_.axes[static_cast<size_t>(axis)];
  DimAccess base{{}, 0};
  int64_t coefficient = 1;
  for (const AffineTerm& term : index.terms) {
    if (term.axis == axis) {
      coefficient = term.coefficient;
    } else {
      base.terms.push_back(term);
    }
  }
  HEDDLE_CHECK(coefficient > 0, "a window that runs backwards");
  std::vector<std::string>& lines = at_depth_[static_cast<size_t>(deepest(base) + 1)];
  const std::string terms = print_affine(base, nest_.axes);
  const auto quotient = [&](int64_t constant) {  // ceil((constant - base) / coefficient)
    const int64_t numerator = constant + coefficient - 1;
    if (coefficient == 1)
      return fmt::format("{} - {}", numerator, base.terms.size() > 1 ? "(" + terms + ")" : terms);
    return fmt::format("({} - ({})) / {}", numerator, terms, coefficient);
  };
  if (range.lo < 0) {
    const int64_t constant = -index.offset;
    loop.begin =
        base.terms.empty()
            ? fmt::format("{}", std::max<int64_t>(0, (constant + coefficient - 1) / coefficient))
            : names_.take(a.name + "_begin");
    if (!base.terms.empty()) {
      lines.push_back(fmt::format("const int32_t {} = {} < {} ? {} : 0;", loop.begin, terms,
                                  constant, quotient(constant)));
    }
  }
  if (range.hi >= extent) {
    const int64_t constant = extent - index.offset;
    const int64_t last_start = constant - 1 - coefficient * (a.extent - 1);
    if (base.terms.empty()) {
      loop.end = fmt::format(
          "{}",
          std::max<int64_t>(0, std::min(a.extent, (constant + coefficient - 1) / coefficient)));
    } else {
      loop.end = names_.take(a.name + "_end");
      lines.push_back(fmt::format("const int32_t {} = {} > {} ? {} : {};", loop.end, terms,
                                  last_start, quotient(constant), a.extent));
    }
  }
}

// Every dimension that can be left narrows the loop over its reduction axis; where there is none,
// or it is narrowed already, a condition around the update does.
void KernelBuilder::bound_reductions() {
  std::vector<int> bounded;
  for (size_t i = 0; i < nest_.inputs.size(); ++i) {
    for (size_t d = 0; d < nest_.inputs[i].size(); ++d) {
      const DimAccess index = simplified(nest_.inputs[i][d], nest_.axes);
      const int64_t extent = graph_.value(anchor_.inputs[i]).type.shape[d];
      const Range range = index_range(index, nest_.axes);
      const bool joined = index.terms.size() == 1 && joined_.contains(index.terms[0].axis);
      if (joined || (range.lo >= 0 && range.hi < extent)) continue;
      std::vector<int> reductions;
      for (const AffineTerm& term : index.terms) {
        if (nest_.axes[static_cast<size_t>(term.axis)].reduction) reductions.push_back(term.axis);
      }
      if (reductions.size() == 1 &&
          std::count(bounded.begin(), bounded.end(), reductions[0]) == 0) {
        bounded.push_back(reductions[0]);
        bound_axis(reductions[0], index, range, extent);
        continue;
      }
      HEDDLE_CHECK(reductions.empty() || !holes_in(body_.init + body_.result).contains("count"),
                   "elements are counted under a condition that changes with a reduction axis");
      const std::string terms = print_affine({index.terms, 0}, nest_.axes);
      if (range.lo < 0) guards_.push_back(fmt::format("{} >= {}", terms, -index.offset));
      if (range.hi >= extent)
        guards_.push_back(fmt::format("{} < {}", terms, extent - index.offset));
    }
  }
}

}  // namespace heddle
