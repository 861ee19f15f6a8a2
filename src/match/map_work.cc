#include "match/map_work.h"

#include <algorithm>
#include <array>

#include "ops/op.h"

namespace heddle {
namespace {

int64_t count(std::string_view text, std::string_view part) {
  int64_t n = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

// Without the first branch of "if (...) {" ... "} else {" ... "}", conditions included.
std::string usual_path(std::string_view text) {
  std::string result;
  std::string close;  // the line that ends the branch that is left out
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const size_t indent = line.find_first_not_of(' ');
    if (!close.empty()) {
      if (line == close) close.clear();
      continue;
    }
    result.append(line).push_back('\n');
    if (indent == std::string_view::npos || !line.substr(indent).starts_with("if (") ||
        !line.ends_with('{'))
      continue;
    const std::string other = std::string(indent, ' ') + "} else {";
    if (text.find(other + "\n") != std::string_view::npos) close = other;
  }
  return result;
}

// Without what only numbers of a channel go into: loops over a channel's elements compute it before.
// "(high + -63 * (1 << ($shifts + 6))) >> ($shifts + 7)" is left as "(high + -63 * $) >> $".
std::string of_elements(std::string text) {
  for (const std::string_view cast : {"(int32_t)", "(int64_t)"}) {
    for (size_t at = text.find(cast); at != std::string::npos; at = text.find(cast, at))
      text.erase(at, cast.size());
  }
  for (bool again = true; again;) {
    again = false;
    size_t open = std::string::npos;
    for (size_t at = 0; at < text.size() && !again; ++at) {
      if (text[at] == '(') open = at;
      if (text[at] != ')' || open == std::string::npos) continue;
      const std::string_view inside = std::string_view(text).substr(open, at - open);
      const bool channel = inside.find("$shifts") != std::string_view::npos ||
                           inside.find("$ ") != std::string_view::npos ||
                           inside.ends_with(" $");
      if (channel && inside.find("$value") == std::string_view::npos &&
          inside.find("row_") == std::string_view::npos) {
        text.replace(open, at + 1 - open, "$");
        again = true;
      }
      open = std::string::npos;
    }
  }
  return text;
}

constexpr std::array kSteps = {" + ", " - ", " * ", " >> ", " << ", " < ",
                               " > ", " & ", " ^ ", " ? ",  " / ",  " | "};

}  // namespace

MapWork map_work(const Graph& graph, const Match& match) {
  MapWork work;
  for (const NodeId id : match.nodes) {
    const Node& node = graph.node(id);
    const OpView view{graph, node};
    const OpDef& op = op_of(node);
    if (!in_class(op, "map")) continue;
    const CBody body = op.c_body(view);
    const std::string text = usual_path(body.map);
    const std::string element = of_elements(text);
    int64_t steps = count(element, " += ") + count(element, " -= ") + count(element, " *= ");
    for (const char* step : kSteps) steps += count(element, step);
    if (view.is_real() || body.result_type == "float") {
      work.real += steps;
    } else {
      const int64_t branches = count(text, "if (");
      work.clamps += branches;
      work.steps += steps - std::min(steps, branches);  // each compares
      work.wide += count(text, "(int64_t)");
    }
    work.calls += count(text, "heddle_");
    for (size_t i = 1; i < op.operands.size(); ++i) {
      if (!view.has(i) || count(text, "$" + std::string(op.operands[i].name)) == 0) continue;
      const bool whole = op.operands[i].whole || !view.constant(i);
      if (whole) ++work.operands;
      else if (elements_of(view.input(i).shape) > 1) ++work.channel;
    }
  }
  return work;
}

std::optional<int64_t> map_work_named(const MapWork& work, std::string_view name) {
  if (name == "maps.steps") return work.steps;
  if (name == "maps.wide") return work.wide;
  if (name == "maps.clamps") return work.clamps;
  if (name == "maps.real") return work.real;
  if (name == "maps.calls") return work.calls;
  if (name == "maps.operands") return work.operands;
  if (name == "maps.channel") return work.channel;
  return std::nullopt;
}

}  // namespace heddle
