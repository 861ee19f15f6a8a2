#include "emit/tile_form.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/diagnostic.h"
#include "ops/check.h"

namespace heddle {
namespace {

int64_t tiles_of(const std::vector<TileLoop>& loops) {
  int64_t tiles = 1;
  for (const TileLoop& loop : loops) tiles *= loop.count;
  return tiles;
}

// values[first..last] = values[first] + slope * (i - first)?
bool is_affine(const std::vector<int64_t>& values, size_t first, size_t last, int64_t& slope) {
  slope = last > first ? values[first + 1] - values[first] : 0;
  for (size_t i = first; i <= last; ++i) {
    if (values[i] != values[first] + slope * static_cast<int64_t>(i - first)) return false;
  }
  return true;
}

std::string print_affine(const std::string& index, int64_t slope, int64_t constant) {
  if (slope == 0) return unsigned_literal(constant);
  const std::string scaled = slope == 1 || slope == -1
                                 ? index
                                 : fmt::format("{} * {}u", index, slope < 0 ? -slope : slope);
  if (slope < 0) return fmt::format("{} - {}", unsigned_literal(constant), scaled);
  if (constant == 0) return scaled;
  return fmt::format("{} {} {}u", scaled, constant < 0 ? '-' : '+',
                     constant < 0 ? -constant : constant);
}

}  // namespace

std::string parenthesised(const std::string& text) {
  return text.find(' ') == std::string::npos ? text : "(" + text + ")";
}

std::string unsigned_literal(int64_t value) {
  return value < 0 ? c_literal(value) : fmt::format("{}u", value);
}

std::string TileForms::use(const TileLoop& loop) {
  for (size_t i = 0; i < loops_.size(); ++i) {
    if (loops_[i].index == loop.index) used_[i] = true;
  }
  return loop.index;
}

std::string TileForms::table(const std::string& name, const std::string& index,
                             const std::vector<int64_t>& values) {
  const bool negative = std::any_of(values.begin(), values.end(), [](int64_t v) { return v < 0; });
  std::string numbers;
  for (const int64_t value : values)
    numbers +=
        (numbers.empty() ? "" : ", ") + (negative ? c_literal(value) : unsigned_literal(value));
  tables_.push_back(fmt::format("static const {} {}_of[{}] = {{{}}};",
                                negative ? "int32_t" : "uint32_t", name, values.size(), numbers));
  return fmt::format("{}_of[{}]", name, index);
}

// One number for each tile of one loop.
std::string TileForms::sequence(const std::string& name, const TileLoop& loop,
                                const std::vector<int64_t>& values) {
  const size_t n = values.size();
  const std::string i = use(loop);
  if (std::any_of(values.begin(), values.end(), [](int64_t v) { return v < 0; }))
    return table(name, i, values);
  int64_t slope = 0;
  const auto rest = [&](size_t first) {
    return print_affine(i, slope, values[first] - slope * static_cast<int64_t>(first));
  };
  if (is_affine(values, 0, n - 1, slope) && (n > 2 || values[0] == 0)) return rest(0);
  // The last tile of an axis is smaller, the first one has padding in front of it. Two points are
  // always on a line; that alone is no reason to draw it.
  const auto last_differs = [&] {
    return fmt::format("{} < {}u ? {} : {}u", i, n - 1, rest(0), values[n - 1]);
  };
  if (is_affine(values, 0, n - 2, slope) && slope == 0) return last_differs();
  if (is_affine(values, 1, n - 1, slope)) {
    return fmt::format("{} == 0u ? {}u : {}", i, values[0], rest(1));
  }
  if (is_affine(values, 0, n - 2, slope) && n > 3) return last_differs();
  if (n > 3 && is_affine(values, 1, n - 2, slope) && (slope == 0 || n > 4)) {
    return fmt::format("{0} == 0u ? {1}u : {0} < {2}u ? {3} : {4}u", i, values[0], n - 1, rest(1),
                       values[n - 1]);
  }
  return table(name, i, values);
}

std::string TileForms::form(const std::string& name, const std::vector<int64_t>& values) {
  HEDDLE_CHECK(static_cast<int64_t>(values.size()) == tiles_of(loops_), "not one value a tile");
  if (std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == values[0]; }))
    return unsigned_literal(values[0]);
  // Along each loop, the others at their first tile.
  std::vector<std::vector<int64_t>> along(loops_.size());
  int64_t inner = static_cast<int64_t>(values.size());
  for (size_t l = 0; l < loops_.size(); ++l) {
    inner /= loops_[l].count;
    for (int64_t i = 0; i < loops_[l].count; ++i)
      along[l].push_back(values[static_cast<size_t>(i * inner)]);
  }
  bool additive = true;
  for (size_t t = 0; t < values.size() && additive; ++t) {
    int64_t sum = values[0];
    int64_t rest = static_cast<int64_t>(t);
    for (size_t l = loops_.size(); l-- > 0;) {
      sum += along[l][static_cast<size_t>(rest % loops_[l].count)] - values[0];
      rest /= loops_[l].count;
    }
    additive = sum == values[t];
  }
  if (!additive) return table(name, "t", values);
  std::vector<size_t> involved;
  for (size_t l = 0; l < loops_.size(); ++l) {
    if (std::any_of(along[l].begin(), along[l].end(), [&](int64_t v) { return v != values[0]; }))
      involved.push_back(l);
  }
  if (involved.size() == 1) return sequence(name, loops_[involved[0]], along[involved[0]]);
  std::string sum = values[0] == 0 ? "" : unsigned_literal(values[0]);
  for (const size_t l : involved) {
    for (int64_t& value : along[l]) value -= values[0];
    if (std::any_of(along[l].begin(), along[l].end(), [](int64_t v) { return v < 0; }))
      return table(name, "t", values);
  }
  for (const size_t l : involved) {
    const std::string term = sequence(name + "_" + loops_[l].index, loops_[l], along[l]);
    sum += (sum.empty() ? "" : " + ") +
           (term.find('?') == std::string::npos ? term : "(" + term + ")");
  }
  return sum;
}

std::string TileForms::condition(const std::vector<bool>& values) {
  if (std::all_of(values.begin(), values.end(), [](bool v) { return v; })) return "";
  // True exactly where the indices of some of the loops are 0?
  for (size_t subset = 1; subset < size_t{1} << loops_.size(); ++subset) {
    bool equal = true;
    for (size_t t = 0; t < values.size() && equal; ++t) {
      bool zero = true;
      int64_t rest = static_cast<int64_t>(t);
      for (size_t l = loops_.size(); l-- > 0;) {
        if ((subset >> l & 1) != 0) zero = zero && rest % loops_[l].count == 0;
        rest /= loops_[l].count;
      }
      equal = zero == values[t];
    }
    if (!equal) continue;
    if (subset + 1 == size_t{1} << loops_.size()) return "t == 0u";
    std::string text;
    for (size_t l = 0; l < loops_.size(); ++l) {
      if ((subset >> l & 1) != 0) text += (text.empty() ? "" : " && ") + use(loops_[l]) + " == 0u";
    }
    return text;
  }
  return form("loads", std::vector<int64_t>(values.begin(), values.end())) + " != 0u";
}

std::vector<std::string> TileForms::take_declarations() {
  std::vector<std::string> lines;
  int64_t inner = tiles_of(loops_);
  for (size_t l = 0; l < loops_.size(); ++l) {
    inner /= loops_[l].count;
    if (!used_[l] || loops_[l].index == "t") continue;
    std::string text = inner == 1 ? "t" : fmt::format("t / {}u", inner);
    if (l > 0) text = fmt::format("{} % {}u", text, loops_[l].count);
    lines.push_back(fmt::format("const uint32_t {} = {};", loops_[l].index, text));
  }
  lines.insert(lines.end(), tables_.begin(), tables_.end());
  tables_.clear();
  used_.assign(loops_.size(), false);
  return lines;
}

}  // namespace heddle
