#include "cpu_codegen/affine.h"

#include <fmt/format.h>

#include <algorithm>

namespace heddle {
namespace {

// Appends "+ text" or "- text" to a sum.
void add_term(std::string& sum, bool negative, const std::string& text) {
  if (sum.empty()) {
    sum = negative ? "-" + text : text;
  } else {
    sum += (negative ? " - " : " + ") + text;
  }
}

void add_constant(std::string& sum, int64_t value) {
  if (value != 0) add_term(sum, value < 0, fmt::format("{}", value < 0 ? -value : value));
}

std::string product(const std::string& name, int64_t factor) {
  return factor == 1 ? name : fmt::format("{} * {}", name, factor);
}

}  // namespace

DimAccess simplified(const DimAccess& access, std::span<const Axis> axes) {
  DimAccess result{{}, access.offset};
  for (const AffineTerm& term : access.terms) {
    if (axes[static_cast<size_t>(term.axis)].extent == 1 || term.coefficient == 0) continue;
    const auto same = std::find_if(result.terms.begin(), result.terms.end(),
                                   [&](const AffineTerm& t) { return t.axis == term.axis; });
    if (same == result.terms.end()) {
      result.terms.push_back(term);
    } else {
      same->coefficient += term.coefficient;
    }
  }
  return result;
}

DimAccess composed(const DimAccess& outer, std::span<const DimAccess> inner) {
  DimAccess result{{}, outer.offset};
  for (const AffineTerm& term : outer.terms) {
    const DimAccess& index = inner[static_cast<size_t>(term.axis)];
    result.offset += term.coefficient * index.offset;
    for (const AffineTerm& t : index.terms) {
      result.terms.push_back({t.axis, t.coefficient * term.coefficient});
    }
  }
  return result;
}

Range index_range(const DimAccess& access, std::span<const Axis> axes) {
  Range range{access.offset, access.offset};
  for (const AffineTerm& term : access.terms) {
    const int64_t far = term.coefficient * (axes[static_cast<size_t>(term.axis)].extent - 1);
    (far < 0 ? range.lo : range.hi) += far;
  }
  return range;
}

std::string print_affine(const DimAccess& access, std::span<const Axis> axes) {
  std::string sum;
  for (const AffineTerm& term : access.terms) {
    const int64_t factor = term.coefficient < 0 ? -term.coefficient : term.coefficient;
    add_term(sum, term.coefficient < 0, product(axes[static_cast<size_t>(term.axis)].name, factor));
  }
  add_constant(sum, access.offset);
  return sum.empty() ? "0" : sum;
}

std::string print_index(const std::vector<StridedIndex>& dims, std::span<const Axis> axes) {
  std::string sum;
  int64_t constant = 0;
  for (const StridedIndex& dim : dims) {
    if (dim.index.terms.empty()) {
      constant += dim.index.offset * dim.stride;
    } else if (dim.stride == 1) {
      constant += dim.index.offset;
      const std::string text = print_affine({dim.index.terms, 0}, axes);
      const bool negative = text.starts_with('-');
      add_term(sum, negative, negative ? text.substr(1) : text);
    } else if (dim.index.terms.size() == 1 && dim.index.offset == 0) {
      const AffineTerm& term = dim.index.terms.front();
      const int64_t factor = term.coefficient * dim.stride;
      add_term(sum, factor < 0,
               product(axes[static_cast<size_t>(term.axis)].name, factor < 0 ? -factor : factor));
    } else {
      add_term(sum, false, product("(" + print_affine(dim.index, axes) + ")", dim.stride));
    }
  }
  add_constant(sum, constant);
  return sum.empty() ? "0" : sum;
}

}  // namespace heddle
