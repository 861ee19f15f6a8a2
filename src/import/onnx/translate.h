// The state of one translation from ONNX to canonical operators, and what the handlers of single
// operators share.
//
// A tensor of the model is `Known` as one of three: a constant, a value with a chain of scalings
// that is not a node yet (chain.h), or broken: an error was reported at its origin, and its
// consumers stay quiet.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "import/builder.h"
#include "import/chain.h"
#include "import/import.h"
#include "import/integerise.h"
#include "import/onnx/dialect.h"
#include "import/onnx/raw_model.h"

namespace heddle {

struct Known {
  bool broken = false;
  std::optional<RawTensor> constant;
  Chain chain;
  bool shared = false;  // several nodes read the tensor, or it is an output: it must exist as it is
};

struct Translation {
  Builder builder;
  Dialect dialect = Dialect::integers;
  bool real = false;     // tensors of a float type are float32 values; there are no chains
  int64_t opset = 0;     // of the default domain
  std::string rounding;  // of every integer requantisation; empty: as the file says
  std::map<std::string, Known> tensors;
  std::map<std::string, int64_t> uses;           // by nodes and as outputs
  std::map<std::string, std::string> fractions;  // constants already reported as fractional
  std::set<ValueId> assumed_inputs;              // float-typed inputs without a stated range
  bool pulp = false;              // the model has RequantShift or another operator of that dialect
  int64_t integer_divisions = 0;  // Div of integers, read as floor
  QuantisedConstants quantised_constants;
  std::vector<std::string> notes;
};

using Handler = void (*)(Translation&, const RawNode&);

// Handlers, by operator type. `any_domain`: custom operators are matched whatever domain they are
// in.
struct OperatorEntry {
  std::string_view op;
  Handler handler;
  bool any_domain = false;
  bool refused = false;  // the handler only says why
};
std::vector<OperatorEntry>
layer_operators();  // layers.cc: convolutions, matrix products, batch norm
std::vector<OperatorEntry> pool_operators();         // pools.cc: pools and means
std::vector<OperatorEntry> transformer_operators();  // transformer.cc: PULP's integer transformers
std::vector<OperatorEntry> map_operators();          // maps.cc: arithmetic, clips, requantisation
std::vector<OperatorEntry> move_operators();         // moves.cc: operators that move elements
std::vector<OperatorEntry> view_operators();  // views.cc: shapes, pads, identities; of both modes
// Of real mode: real_layers.cc, real_maps.cc, real_norms.cc; see real.h.
std::vector<OperatorEntry> real_operators();

// bind.cc. Gives every open dimension of the graph inputs its size, before add_inputs.
void bind_dimensions(Translation& t, RawModel& model, const ImportOptions& options);

// inputs.cc. Initialisers may be listed as inputs too, and must be known already.
void add_inputs(Translation& t, const RawModel& model, const ImportOptions& options);
void add_outputs(Translation& t, const RawModel& model);
// Ranges that nobody stated are a guess that the user must see.
void note_assumptions(Translation& t);

// Whether fold_constants knows the operator.
bool may_fold(const RawNode& node);
// Evaluates a node whose operands are all constants; false: not one of those that are evaluated
// here.
bool fold_constants(Translation& t, const RawNode& node);

void fail(Translation& t, const RawNode& node, std::string message, std::string remedy = "");

bool has_operand(const RawNode& node, size_t i);
// Null where the operand is absent (an error then) or broken.
Known* operand(Translation& t, const RawNode& node, size_t i);
// As a value of the graph; nothing after an error.
std::optional<ValueId> value_operand(Translation& t, const RawNode& node, size_t i);
// A constant, of integers or (`Translation::real`) of fractions too; an error where it is none.
const RawTensor* constant_operand(Translation& t, const RawNode& node, size_t i,
                                  std::string_view what);
// A constant of integers in every dialect; an error where it is none.
const RawTensor* integer_operand(Translation& t, const RawNode& node, size_t i,
                                 std::string_view what);
std::optional<std::vector<int64_t>> ints_operand(Translation& t, const RawNode& node, size_t i,
                                                 std::string_view what);

// Attributes; a wrong kind is an error and gives the default. Single-element tensors and floats
// count as integers.
double real_of(Translation& t, const RawNode& node, const std::string& name, double otherwise);
int64_t int_of(Translation& t, const RawNode& node, const std::string& name, int64_t otherwise);
std::optional<int64_t> maybe_int(Translation& t, const RawNode& node, const std::string& name);
std::optional<std::vector<int64_t>> maybe_ints(Translation& t, const RawNode& node,
                                               const std::string& name);
std::string text_of(const RawNode& node, const std::string& name, const std::string& otherwise);

// The outcome of a node: its first output.
void set_chain(Translation& t, const RawNode& node, Chain chain, bool inherits_shared = false);
void set_value(Translation& t, const RawNode& node, ValueId value);
void set_constant(Translation& t, const RawNode& node, RawTensor constant);
void set_alias(Translation& t, const RawNode& node,
               const Known& source);  // the same tensor under another name

// Appends an operator named after the node, whose value has the name of the node's output unless
// given.
ValueId emit(Translation& t, const RawNode& node, std::string op, std::vector<ValueId> inputs,
             Attributes attributes);
ValueId emit_named(Translation& t, std::string name, std::string value_name, std::string op,
                   std::vector<ValueId> inputs, Attributes attributes);
// bias_add along `axis`, unless all zero.
ValueId emit_bias(Translation& t, const RawNode& node, ValueId x, const std::vector<int64_t>& bias,
                  int64_t axis);

// Reads "[-1, 0, 64]" against a shape; nothing and an error where it does not fit.
std::optional<Shape> resolve_reshape(Translation& t, const RawNode& node, const Shape& from,
                                     const std::vector<int64_t>& wanted, bool zero_copies);

}  // namespace heddle
