#include "cpu_codegen/rv32/clip.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>

namespace heddle::rv32 {
namespace {

// "if (NAME < BOUND) NAME = BOUND;", or with `>`.
struct Clamp {
  std::string_view indent, name, bound;
  bool below = false;
};

bool is_integer(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::optional<Clamp> clamp_in(std::string_view line, Isa isa) {
  Clamp clamp;
  const size_t begin = line.find_first_not_of(' ');
  if (begin == std::string_view::npos || !line.substr(begin).starts_with("if ("))
    return std::nullopt;
  const size_t middle = line.find(' ', begin + 4), end = line.find(") ");
  if (middle == std::string_view::npos || end == std::string_view::npos || end < middle + 4)
    return std::nullopt;
  const std::string_view left = line.substr(begin + 4, middle - begin - 4);
  const std::string_view op = line.substr(middle, 3), right = line.substr(middle + 3, end - middle - 3);
  clamp.indent = line.substr(0, begin);
  clamp.below = op == " < ";
  if (!clamp.below && op != " > ") return std::nullopt;
  const std::string_view then = line.substr(end + 2);
  if (then == fmt::format("{} = {};", left, right) && is_integer(right) &&
      (left == "value" || left.starts_with("integer"))) {
    clamp.name = left;
    clamp.bound = right;
    return clamp;
  }
  // The greatest element: "if (x > value) value = x;".
  if (isa == Isa::rv32imc_xpulpv2 && !clamp.below && then == fmt::format("{} = {};", right, left) &&
      left.find(' ') == std::string_view::npos && !is_integer(right)) {
    clamp.name = right;
    clamp.bound = left;
    clamp.below = true;
    return clamp;
  }
  return std::nullopt;
}

// The bounds are [-hi - 1, hi].
bool is_symmetric(std::string_view lo, std::string_view hi) {
  if (!is_integer(lo) || !is_integer(hi) || lo.size() > 10 || hi.size() > 9) return false;
  return std::stoll(std::string(lo)) == -std::stoll(std::string(hi)) - 1;
}

}  // namespace

Kernel with_clips(Kernel kernel, Isa isa) {
  if (is_cortex_m(isa)) return kernel;  // which have conditional instructions
  std::string text;
  bool any = false;
  std::string_view rest = kernel.text;
  const auto next = [&] {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return line;
  };
  while (!rest.empty()) {
    const std::string_view line = next();
    const std::optional<Clamp> clamp = clamp_in(line, isa);
    if (!clamp) {
      text.append(line).push_back('\n');
      continue;
    }
    any = true;
    const std::string_view after = rest;
    const std::optional<Clamp> second =
        clamp->below && !rest.empty() ? clamp_in(next(), isa) : std::nullopt;
    if (second && !second->below && second->name == clamp->name &&
        is_symmetric(clamp->bound, second->bound)) {
      text += fmt::format("{0}{1} = heddle_rv32_clip({1}, {2});\n", clamp->indent, clamp->name,
                          second->bound);
      continue;
    }
    rest = after;
    text += fmt::format("{0}{1} = heddle_rv32_{2}({1}, {3});\n", clamp->indent, clamp->name,
                        clamp->below ? "at_least" : "at_most", clamp->bound);
  }
  if (!any) return kernel;
  kernel.text = std::move(text);
  kernel.headers.insert(kernel.headers.end(), {"heddle_rv32.h", "heddle_rv32_clip.h"});
  return kernel;
}

}  // namespace heddle::rv32
