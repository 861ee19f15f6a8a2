// What an operator is. One record per operator, one file per record (ops/<name>.cc); all other code
// reads the table.
//
// From a record follow: shape inference, the reference interpreter, the generic C kernel, the box
// of each operand that a tile touches (hence DMA boxes, bytes, halos), MAC counts, the names a rule
// may use, and the documentation.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace heddle {

// One loop of the operator. Parallel axes index the output; reduction axes are summed over (or
// maximised, ...).
struct Axis {
  std::string name;  // "n", "k", "oy", "ox", "c", "fy", "fx": names that rules use
  int64_t extent = 1;
  bool reduction = false;
};

// index = offset + sum of coefficient * axis. Outside [0, extent of the dimension) lies padding:
// such elements are skipped by the kernel (they contribute the operator's neutral element).
struct AffineTerm {
  int axis = 0;  // into LoopNest::axes
  int64_t coefficient = 1;
};
struct DimAccess {
  std::vector<AffineTerm> terms;  // empty: always `offset` (broadcast)
  int64_t offset = 0;
};
using Access = std::vector<DimAccess>;  // one entry per dimension of the operand

struct LoopNest {
  std::vector<Axis>
      axes;  // parallel axes first, in the order of the output's dimensions, then reductions
  std::vector<Access> inputs;  // one per Node::inputs (empty for an absent operand)
  Access output;
  int64_t macs = 0;  // multiply-accumulates of the whole operator
};

// The scalar body of one output element in C, as text with holes. One statement a line, no trailing
// newline.
//
// An operator is one of four forms, told apart by what is set:
//  * loops (conv2d, max_pool, pad ...): `accumulator` is set. For every output element: init; then
//  update for every
//    index of the reduction axes whose elements all lie inside their operands; then `result` is the
//    element. Without reduction axes (pad) update runs at most once.
//  * map: `map` is set. Statements that change the int32_t variable `$value` in place. `$value`
//  starts as the element
//    of the first operand (of `result` of the anchor in a fused region). Blocks `{ ... }` keep
//    their temporaries local, so the maps of a region can follow each other in one scope.
//  * block (softmax): `block` is set. Statements that compute one row, i.e. the innermost dimension
//  of x and y, and run
//    once for every index of the other parallel axes. Wrapped in braces; `$x[i]` and `$y[i]` are
//    elements of the row.
//  * view (flatten, reshape): nothing is set and the loop nest is empty; codegen copies x to y in
//  row-major order, or
//    lets both share their memory.
//
// Holes: `$x`, `$weights`, ... the element of that operand at the current indices, in its storage
// type, read only;
// `$acc` the accumulator; `$value` see map; `$count` (int32_t) how often update runs for this
// output element;
// `$n_<axis>` the extent of an axis. Attributes and constants of one element are literals already.
//
// Temporaries in a body are called `wide` or begin with `row_`; generated code uses such names
// nowhere else. Values of the network are proven to fit int32_t, and so is every intermediate of
// type int32_t.
// `>>` of a negative number shifts arithmetically (implementation-defined in C99; every compiler we
// target does).
struct CBody {
  std::string accumulator;  // C type of $acc: "int32_t"
  std::string init;         // "$acc = 0;"
  std::string update;       // "$acc += (int32_t)$x * (int32_t)$weights;"
  std::string result;       // an expression of type int32_t: "$acc"
  std::string map;          // "$value += $bias;"
  std::string block;
};

struct OperandDef {
  std::string_view name;  // "x", "weights", "bias", "residual", "mul", "add"
  std::string_view doc;
  std::vector<std::string_view>
      dims;               // names of the box sizes a rule may use, e.g. {"n", "c", "iy", "ix"}
  bool constant = false;  // must be a constant
  bool optional = false;
};

struct AttributeDef {
  std::string_view name;
  std::string_view doc;
  bool text = false;    // a string,
  bool vector = false;  // or a list of integers, else an integer; all attributes are mandatory
};

// A node in its graph; what every function of a record gets.
struct OpView {
  const Graph& graph;
  const Node& node;
  const TensorType& input(size_t i) const { return graph.value(node.inputs[i]).type; }
  bool has(size_t i) const { return i < node.inputs.size() && node.inputs[i].valid(); }
  const std::optional<Tensor>& constant(size_t i) const {
    return graph.value(node.inputs[i]).constant;
  }
  const TensorType& output() const { return graph.value(node.output).type; }
  int64_t attribute(const std::string& name) const { return int_attribute(node, name); }
};

struct OpDef {
  std::string_view name;     // "conv2d"
  std::string_view summary;  // one sentence with the formula
  std::vector<std::string_view>
      classes;  // for patterns: "mac", "pool", "map", "view"; every operator is also "any"
  std::vector<OperandDef> operands;
  std::vector<AttributeDef> attributes;
  std::string_view output_doc;
  std::vector<std::string_view>
      output_dims;  // names of the output's box sizes, e.g. {"n", "k", "oy", "ox"}
  std::vector<std::string_view>
      axes;  // every axis name that loops() may use: what rules may name; depends on the rank
  bool commutative =
      false;  // the first two operands may change places: a spine may enter through either; the
              // hole of the second one then stands for the operand that is off the spine

  // Shape, proven range and type of the output; error messages name the values that clash. Never
  // trusts its input.
  Result<TensorType> (*infer)(const OpView&);
  // Bit-exact reference; inputs in operand order, null where absent. Independent of c_body on
  // purpose.
  Tensor (*reference)(const OpView&, std::span<const Tensor* const> inputs);
  LoopNest (*loops)(const OpView&);
  CBody (*c_body)(const OpView&);
};

// All operators, sorted by name.
std::span<const OpDef* const> all_ops();
const OpDef* find_op(std::string_view name);  // null if unknown
const OpDef& op_of(const Node& node);         // a bug if unknown
bool in_class(const OpDef& op, std::string_view cls);

// "$x + $weights" with {"x", "a"}, {"weights", "b"} gives "a + b"; a hole without a text is a bug.
std::string fill_holes(std::string_view body, const std::map<std::string, std::string>& holes);

// Checks attributes, operands and types of every node; the invariants of graph.h.
Status verify_graph(const Graph& graph);

// Runs the network on dense inputs (order of graph.inputs); returns one tensor per value (empty for
// unused ones). Errors: wrong count, shape, or an element outside the input's proven range.
Result<std::vector<Tensor>> interpret(const Graph& graph, std::span<const Tensor> inputs);

// Half-open box of an operand, clipped to its shape, that a box of axes touches.
struct Interval {
  int64_t begin = 0;
  int64_t end = 0;  // exclusive
  int64_t size() const { return end - begin; }
};
// `before`/`after`: how far the unclipped interval reaches outside [0, extent): the padding the
// tile needs.
struct ClippedInterval : Interval {
  int64_t before = 0;
  int64_t after = 0;
};
ClippedInterval touched(const DimAccess& access, std::span<const Interval> axes, int64_t extent);

// Generated reference of every operator, in Markdown (docs/operators.md).
std::string document_ops();

}  // namespace heddle
