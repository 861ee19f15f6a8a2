// What an operator is. One record per operator, one file per record (ops/<name>.cc); all other code
// reads the table.
//
// From a record follow: shape inference, the reference interpreter, the generic C kernel, the box
// of each operand that a tile touches (hence DMA boxes, bytes, halos), MAC counts, the names a rule
// may use, and the documentation.
#pragma once

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

// index = offset + sum of coefficient * axis, each axis at most once. Outside [0, extent of the
// dimension) lies padding: such elements are skipped by the kernel (they contribute the operator's
// neutral element).
struct AffineTerm {
  int axis = 0;  // into LoopNest::axes
  int64_t coefficient = 1;
};
struct DimAccess {
  std::vector<AffineTerm> terms;  // empty: always `offset` (broadcast)
  int64_t offset = 0;
  // Set: the index is not affine but an element of this operand, counted from the end where it is
  // negative (gather); it lies inside, and any index of the dimension may be read.
  int operand = -1;
};
using Access = std::vector<DimAccess>;  // one entry per dimension of the operand

struct LoopNest {
  // Parallel axes first, in the order of the output's dimensions, then reductions.
  std::vector<Axis> axes;
  std::vector<Access> inputs;  // one per Node::inputs (empty for an absent operand)
  Access output;
  int64_t macs = 0;  // multiply-accumulates of the whole operator
};

// The scalar body of one output element in C, as text with holes. One statement a line, no trailing
// newline. An operator is one of six forms, told apart by what is set:
//
// loops: `accumulator` is set (conv2d, max_pool, pad). For every output element: `init`; `update`
//   for every index of the reduction axes whose elements all lie inside their operands; `result` is
//   the element. Without reduction axes (pad) `update` runs at most once.
// map: `map` is set (add, requant). Statements that change the int32_t variable `$value` in place.
//   It starts as the element of the first operand, in a fused region as the anchor's `result`.
//   Blocks `{ ... }` keep temporaries local: maps of a region may follow each other in one scope.
// block: `block` is set (i_softmax). Statements, in braces, that compute one row, i.e. the innermost
//   dimension of x and y; they run once for every index of the other parallel axes. `$x[i]` and
//   `$y[i]` are elements of the row: fill in array names or parenthesised pointers to its start.
// move: only `result` is set (transpose, slice, gather). It is the element; nothing is accumulated.
// parts: `parts` is set (concat). Each operand in turn fills the part of y whose indices lie inside
//   it: `result` is the element, with `$x` for that operand.
// view: nothing is set and the loop nest is empty (flatten, reshape). Codegen copies x to y in
//   row-major order, or lets both share their memory.
//
// Holes: `$x`, `$weights` ... the element of that operand at the current indices, in its storage
// type, read only; `$acc` the accumulator; `$value` see map; `$count` (int32_t) how often `update`
// runs for this output element; `$n_<axis>` the extent of an axis. Attributes, and constants of one
// element, are literals already. Temporaries are called `wide` or begin with `row_`: generated code
// must use no such name elsewhere.
//
// Values are int32_t, or float where the tensors are float32: `$value`, `result` and `$acc` then have
// type float. A map between the two (quantize, dequantize) sets `result_type`, reads `$value` and
// assigns the new variable `$result`.
//
// All integers of the network are proven to fit int32_t, and so is every intermediate of that type.
// `>>` of a negative number must shift arithmetically: C99 leaves it to the implementation, every
// compiler we target does.
struct CBody {
  std::string accumulator;  // C type of $acc: "int32_t"
  std::string init;         // "$acc = 0;"
  std::string update;       // "$acc += (int32_t)$x * (int32_t)$weights;"
  std::string result;       // an expression of type int32_t: "$acc"
  std::string map;          // "$value += $bias;"
  std::string block;
  bool parts = false;
  // Of a commutative map that treats its operands differently (zero points of their own): the
  // statements where `$value` starts as the second operand, and that operand's hole is the first.
  std::string map_swapped{};
  std::string result_type{};  // of `$result`, where a map changes the type: "float"
  bool uses_math = false;     // calls functions of cpu_codegen/runtime/heddle_math.h
};

// What an operand's elements are. `either`: all operands of the node declared so are float32, or none
// is; the operator is then the same formula in float32, every step rounded to nearest even.
// `any`: an integer or float32, whatever the others are.
enum class Numbers : uint8_t { integers, reals, either, any };

struct OperandDef {
  std::string_view name;  // "x", "weights", "bias", "residual", "mul", "add"
  std::string_view doc;
  std::vector<std::string_view> dims;  // names of the box sizes for rules: {"n", "c", "iy", "ix"}
  bool constant = false;               // must be a constant
  bool optional = false;
  Numbers numbers = Numbers::integers;
  bool wide = false;      // may exceed int32
  bool variadic = false;  // the last operand: one or more of it
  // A constant that a map indexes itself: its hole is the array, its elements row-major.
  bool whole = false;
};

struct AttributeDef {
  std::string_view name;
  std::string_view doc;
  bool text = false;    // a string,
  bool vector = false;  // or a list of integers,
  bool real = false;    // or a double,
  bool number = false;  // or an integer for integer operands and a double for float32; else an integer
  std::optional<Attribute> otherwise{};  // mandatory where there is no default
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
  // With the record's default where the node does not say.
  const Attribute& any_attribute(const std::string& name) const;
  int64_t attribute(const std::string& name) const;
  double real(const std::string& name) const;  // of `real` and `number` attributes
  const std::string& text(const std::string& name) const;
  bool is_real() const { return input(0).dtype == DType::float32; }
};

struct OpDef {
  std::string_view name;     // "conv2d"
  std::string_view summary;  // one sentence with the formula
  // For patterns: "mac", "pool", "map", "view"; every operator is also "any".
  std::vector<std::string_view> classes;
  std::vector<OperandDef> operands;
  std::vector<AttributeDef> attributes;
  std::string_view output_doc;
  std::vector<std::string_view> output_dims;  // box sizes of the output: {"n", "k", "oy", "ox"}
  // Every axis name that loops() may use, whatever the rank: what rules may name.
  std::vector<std::string_view> axes;
  // The first two operands may change places. A fused spine may enter through either of them: the
  // hole of the second then stands for the operand that is off the spine.
  bool commutative = false;

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

// Checks attributes, operands and types of every node; the invariants of graph.h.
Status verify_graph(const Graph& graph);

// Runs the network on dense inputs (order of graph.inputs); returns one tensor per value (empty for
// unused ones). Errors: wrong count, shape, or an element outside the input's proven range.
Result<std::vector<Tensor>> interpret(const Graph& graph, std::span<const Tensor> inputs);

// Runs it on one sample after the other, with the states carried along: at first initial_state(),
// then what the run before left. Each sample has the given inputs only (Graph::given_inputs).
Result<std::vector<std::vector<Tensor>>> interpret_all(
    const Graph& graph, std::span<const std::vector<Tensor>> samples);

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
