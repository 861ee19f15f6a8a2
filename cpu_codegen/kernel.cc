#include "cpu_codegen/kernel.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cpu_codegen/copy.h"
#include "cpu_codegen/kernel_builder.h"
#include "ops/check.h"

namespace heddle {

KernelBuilder::KernelBuilder(const Graph& graph, const Match& match, const StorageOf& storage)
    : graph_(graph), match_(match), storage_(storage), anchor_(graph.node(match.nodes.front())) {
  const OpDef& op = op_of(anchor_);
  nest_ = op.loops({graph_, anchor_});
  body_ = op.c_body({graph_, anchor_});
  if (body_.block.empty()) merge_axes();
  for (size_t i = 0; i < nest_.axes.size(); ++i) {
    Axis& axis = nest_.axes[i];
    if (!axis.name.empty()) axis.name = names_.take(axis.name);
    if (axis.extent == 1) continue;
    if (!axis.reduction) ++parallel_;
    loops_.push_back({static_cast<int>(i), "0", fmt::format("{}", axis.extent)});
  }
  for (const char* name : {"acc", "value", "count"}) names_.take(name);
  at_depth_.resize(loops_.size() + 1);
}

// Fills the holes of a loop body of the anchor.
std::string KernelBuilder::fill_loops(const std::string& text) {
  return fill_holes(text, [&](const std::string& name) -> std::string {
    if (name == "acc" || name == "value" || name == "count") return name;
    if (name.starts_with("n_")) {
      for (const Axis& axis : nest_.axes) {
        if (axis.name == name.substr(2)) return fmt::format("{}", axis.extent);
      }
    }
    return operand_hole(name);
  });
}

// A map operator on `value_`. Its operand on the spine may be the second one: the first then takes
// the second's role where the operator is commutative, else both are put in their places first.
void KernelBuilder::add_map(const Node& node, ValueId spine, std::vector<std::string>& statements) {
  const OpDef& op = op_of(node);
  const LoopNest nest = op.loops({graph_, node});
  const CBody body = op.c_body({graph_, node});
  HEDDLE_CHECK(!body.map.empty(), "an operator that is no map follows an anchor: " + node.op);
  HEDDLE_CHECK(
      &node == &anchor_ || graph_.value(node.output).type.shape == graph_.value(spine).type.shape,
      "a fused operator broadcasts its first operand: " + node.op);
  const bool swapped = node.inputs[0] != spine;
  const bool exchange = swapped && !op.commutative;
  const std::string& map = swapped && !body.map_swapped.empty() ? body.map_swapped : body.map;
  std::map<std::string, std::string> texts;
  const auto element = [&](size_t input, const std::string& name) {
    Access index;
    for (const DimAccess& dim : nest.inputs[input]) index.push_back(composed(dim, nest_.output));
    return access(node.inputs[input], index, name, false, false);
  };
  std::string on_spine = value_;
  if (exchange) {
    on_spine = names_.take("other");
    const bool real = graph_.value(spine).type.dtype == DType::float32;
    statements.push_back(
        fmt::format("const {} {} = {};", real ? "float" : "int32_t", on_spine, value_));
    statements.push_back(
        fmt::format("{} = {};", value_, element(0, std::string(op.operands[0].name))));
  }
  for (size_t i = 1; i < op.operands.size(); ++i) {
    const std::string name(op.operands[i].name);
    if (!holes_in(map).contains(name)) continue;
    const size_t input = swapped && !exchange && node.inputs[i] == spine ? 0 : i;
    if (node.inputs[input] == spine) {
      texts[name] = on_spine;
      continue;
    }
    if (op.operands[i].whole) {
      texts[name] = array(node.inputs[input], name);
      continue;
    }
    texts[name] = element(input, name);
  }
  std::string result = value_;
  if (!body.result_type.empty()) {
    result = names_.take(body.result_type == "float" ? "real" : "integer");
    statements.push_back(fmt::format("{} {};", body.result_type, result));
  }
  statements.push_back(fill_holes(map, [&](const std::string& name) -> std::string {
    if (name == "value") return value_;
    if (name == "result") return result;
    const auto text = texts.find(name);
    HEDDLE_CHECK(text != texts.end(), "a map has an unknown hole: " + name);
    return text->second;
  }));
  value_ = result;
}

void KernelBuilder::print_accumulation(CWriter& out) {
  const std::string init = fill_loops(body_.init);
  const std::string assignment = "acc = ";
  if (init.starts_with(assignment) && init.find('\n') == std::string::npos) {
    out.line(fmt::format("{} {}", body_.accumulator, init));
  } else {
    out.line(fmt::format("{} acc;", body_.accumulator));
    out.lines(init);
  }
}

std::string KernelBuilder::cast(DType dtype, const std::string& text) const {
  if (dtype == DType::int32 || dtype == DType::float32) return text;
  const std::string atom = text.find(' ') == std::string::npos ? text : "(" + text + ")";
  return fmt::format("({}){}", c_name_of(dtype), atom);
}

// From the first loop to the last brace; `store` is the text of the output's element.
void KernelBuilder::print_body(CWriter& out, const std::string& store) {
  const ValueId result = match_.output(graph_);
  const bool is_map = !body_.map.empty();
  const bool accumulates = !body_.accumulator.empty();
  const std::string first =
      is_map ? operand_hole(std::string(op_of(anchor_).operands[0].name)) : "";
  const std::string update = is_map ? "" : fill_loops(body_.update);
  const std::string value = is_map ? first : fill_loops(body_.result);
  const int64_t copies = is_map && !loops_.empty() ? copies_of(loops_.back()) : 1;
  for (size_t depth = 0; depth <= loops_.size(); ++depth) {
    if (copies > 1 && depth == loops_.size()) break;  // they stand in every copy
    for (const std::string& line : at_depth_[depth]) out.line(line);
    if (depth == parallel_ && accumulates) {
      if (!counts_.empty())
        out.line(fmt::format("const int32_t count = {};", fmt::join(counts_, " * ")));
      print_accumulation(out);
    }
    if (depth == loops_.size()) break;
    const std::string& name = nest_.axes[static_cast<size_t>(loops_[depth].axis)].name;
    const bool steps_inside = copies > 1 && depth + 1 == loops_.size();
    out.open(fmt::format("for (int32_t {0} = {1}; {0} < {2};{3})", name, loops_[depth].begin,
                         loops_[depth].end, steps_inside ? "" : " ++" + name));
  }
  if (accumulates) {
    if (!guards_.empty()) out.open(fmt::format("if ({})", fmt::join(guards_, " && ")));
    out.lines(update);
    if (!guards_.empty()) out.close();
  }
  for (size_t depth = loops_.size(); depth > parallel_; --depth) out.close();
  const DType dtype = graph_.value(result).type.dtype;
  for (int64_t copy = 0; copy < copies; ++copy) {
    if (copies > 1) {
      out.open("");
      for (const std::string& line : at_depth_.back()) out.line(line);
    }
    if (maps_.empty()) {
      out.line(fmt::format("{} = {};", store, is_map || accumulates ? cast(dtype, value) : value));
    } else {
      const ValueId start = is_map ? anchor_.inputs[0] : anchor_.output;
      const bool real = graph_.value(start).type.dtype == DType::float32;
      out.line(fmt::format("{} value = {};", real ? "float" : "int32_t", value));
      for (const std::string& statements : maps_) out.lines(statements);
      out.line(fmt::format("{} = {};", store, cast(dtype, value_)));
    }
    if (copies > 1) {
      out.close();
      out.line(fmt::format("++{};", nest_.axes[static_cast<size_t>(loops_.back().axis)].name));
    }
  }
  for (size_t depth = parallel_; depth > 0; --depth) out.close();
}

// How many elements a turn of the innermost loop computes.
int64_t KernelBuilder::copies_of(const Loop& loop) const {
  const int64_t extent = nest_.axes[static_cast<size_t>(loop.axis)].extent;
  for (const int64_t copies : {4, 5, 3, 2}) {
    if (unrolled_ && extent % copies == 0) return copies;
  }
  return 1;
}

// An operator that computes a whole row (the innermost dimension) at once.
void KernelBuilder::print_block(CWriter& out) {
  HEDDLE_CHECK(match_.nodes.size() == 1, "operators are fused after one that computes a row");
  const OpDef& op = op_of(anchor_);
  const int row_axis = static_cast<int>(graph_.value(anchor_.output).type.shape.size()) - 1;
  std::erase_if(loops_, [&](const Loop& loop) {
    return loop.axis == row_axis || nest_.axes[static_cast<size_t>(loop.axis)].reduction;
  });
  const auto row = [&](ValueId value, std::string_view name, bool output) {
    const std::string pointer = names_.take(name);
    arguments_.push_back({pointer, graph_.value(value).type.dtype, value, output});
    const Shape& shape = graph_.value(value).type.shape;
    std::vector<StridedIndex> dims;
    for (size_t d = 0; d + 1 < shape.size(); ++d) {
      if (shape[d] != 1)
        dims.push_back({{{{static_cast<int>(d), 1}}, 0}, storage_of(value).strides[d]});
    }
    if (dims.empty()) return pointer;
    const std::string name_of_row = names_.take(pointer + "_row");
    at_depth_[loops_.size()].push_back(fmt::format(
        "{}{} *{} = {} + {};", output ? "" : "const ", c_name_of(graph_.value(value).type.dtype),
        name_of_row, pointer, print_index(dims, nest_.axes)));
    return name_of_row;
  };
  std::map<std::string, std::string> pointers;
  for (size_t i = 0; i < op.operands.size(); ++i) {
    const std::string name(op.operands[i].name);
    if (holes_in(body_.block).contains(name)) pointers[name] = row(anchor_.inputs[i], name, false);
  }
  pointers["y"] = row(anchor_.output, "y", true);
  for (const Loop& loop : loops_) {
    const Axis& axis = nest_.axes[static_cast<size_t>(loop.axis)];
    out.open(fmt::format("for (int32_t {0} = 0; {0} < {1}; ++{0})", axis.name, axis.extent));
  }
  for (const std::string& line : at_depth_[loops_.size()]) out.line(line);
  out.lines(fill_holes(body_.block, [&](const std::string& name) -> std::string {
    for (const Axis& axis : nest_.axes) {
      if (name == "n_" + axis.name) return fmt::format("{}", axis.extent);
    }
    const auto pointer = pointers.find(name);
    HEDDLE_CHECK(pointer != pointers.end(), "a block has an unknown hole: " + name);
    return pointer->second;
  }));
  for (size_t i = 0; i < loops_.size(); ++i) out.close();
}

Kernel KernelBuilder::build(const std::string& function, bool unrolled) {
  unrolled_ = unrolled;
  CWriter body;
  body.indent();
  if (!body_.block.empty()) {
    print_block(body);
    return wrap_kernel(function, body.take(), std::move(arguments_));
  }
  bound_reductions();
  if (holes_in(body_.init + body_.update + body_.result).contains("count")) {
    for (const Loop& loop : loops_) {
      if (!nest_.axes[static_cast<size_t>(loop.axis)].reduction) continue;
      counts_.push_back(loop.begin == "0" ? loop.end
                                          : fmt::format("({} - {})", loop.end, loop.begin));
    }
    if (counts_.empty()) counts_.push_back("1");
    if (!guards_.empty())
      counts_.push_back(fmt::format("({} ? 1 : 0)", fmt::join(guards_, " && ")));
  }
  const OpDef& op = op_of(anchor_);
  const std::set<std::string> holes = holes_in(body_.init + body_.update + body_.result);
  // Parameters in the order of the operands, whatever the order in which the body reads them.
  for (size_t i = 0; i < op.operands.size(); ++i) {
    const std::string name(op.operands[i].name);
    if (holes.contains(name) || (i == 0 && !body_.map.empty())) operand_hole(name);
  }
  ValueId spine = anchor_.inputs[0];
  for (const NodeId id : match_.nodes) {
    const Node& node = graph_.node(id);
    if (id != match_.nodes.front() || !body_.map.empty()) add_map(node, spine, maps_);
    spine = node.output;
  }
  const std::string store = access(spine, nest_.output, "y", true, false);
  print_body(body, store);
  return wrap_kernel(function, body.take(), std::move(arguments_));
}

void add_math(const Graph& graph, const Match& match, Kernel& kernel) {
  const bool uses_math = std::any_of(match.nodes.begin(), match.nodes.end(), [&](NodeId id) {
    return op_of(graph.node(id)).c_body({graph, graph.node(id)}).uses_math;
  });
  if (uses_math) kernel.headers.emplace_back("heddle_math.h");
}

Kernel make_unrolled_map(const Graph& graph, const Match& match, const StorageOf& storage,
                         const std::string& function) {
  Kernel kernel = KernelBuilder(graph, match, storage).build(function, true);
  add_math(graph, match, kernel);
  return kernel;
}

Kernel make_kernel(const Graph& graph, const Match& match, const StorageOf& storage,
                   const std::string& function, const std::set<ValueId>& in_place) {
  const Node& anchor = graph.node(match.nodes.front());
  const CBody form = op_of(anchor).c_body({graph, anchor});
  const bool alone = form.parts || (form.result.empty() && form.map.empty() && form.block.empty());
  if (!alone) {
    Kernel kernel = KernelBuilder(graph, match, storage).build(function);
    add_math(graph, match, kernel);
    return kernel;
  }
  HEDDLE_CHECK(match.nodes.size() == 1, "operators are fused after a copy: " + anchor.op);
  if (form.parts) return make_concat(graph, anchor, storage, function, in_place);
  const TensorType& x = graph.value(anchor.inputs[0]).type;
  const TensorType& y = graph.value(anchor.output).type;
  HEDDLE_CHECK(x.dtype == y.dtype, "a view changes the element type");
  const auto storage_of = [&](ValueId value, const TensorType& type) {
    const auto found = storage.find(value);
    return found == storage.end() ? dense_storage(type) : found->second;
  };
  Kernel kernel = make_copy(x.dtype, x.shape, storage_of(anchor.inputs[0], x), y.shape,
                            storage_of(anchor.output, y), function);
  kernel.arguments[0].value = anchor.inputs[0];
  kernel.arguments[1].value = anchor.output;
  return kernel;
}

std::string operators_of(const Graph& graph, const Match& match) {
  std::string text;
  for (const NodeId id : match.nodes) text += (text.empty() ? "" : ", ") + graph.node(id).op;
  return text;
}

}  // namespace heddle
