// What the recipes of operators (layer_recipes.cc) draw with.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "check/layer.h"

namespace heddle {

class LayerBuilder {
 public:
  LayerBuilder(const Hints& hints, LayerChoices& choices, Random& random, SaidLayer* said = nullptr)
      : hints_(hints), choices_(choices), random_(random), said_(said) {}

  // What the next recipe asks for belongs to this operator: "_2" of the second `requant`.
  void begin(std::string suffix) { suffix_ = std::move(suffix); }
  // The name by which conditions call it: "mul.max" is "mul_2.max" in the second `requant`.
  std::string named(const std::string& name) const;
  // A choice by its name: as it was made, else drawn, and moved to where the hints want it. Of a layer
  // that is said it is `plain`, else what plain_value() knows, else an error.
  int64_t number(const std::string& name, const std::function<int64_t()>& draw,
                 std::optional<int64_t> plain = std::nullopt);
  bool is_chosen(const std::string& name) const { return choices_.values.contains(named(name)); }
  // An operand that an operator may lack; of a layer that is said it is there if a name speaks of it.
  bool some(const std::string& operand, int64_t percent);
  std::string text(const std::string& name, const std::vector<std::string>& usual);
  // Of a dimension: mostly up to `most`.
  int64_t size(const std::string& name, int64_t most, int64_t least = 1);
  DType dtype(const std::string& operand, const std::vector<DType>& usual);

  ValueId activation(const std::string& operand, Shape shape, const std::vector<DType>& usual);
  ValueId constant(const std::string& operand, Shape shape, const std::vector<DType>& usual,
                   int64_t lo, int64_t hi);
  ValueId constant_of(const std::string& operand, Tensor tensor);
  // The next of the spine; false: `errors` says why the operator refuses it.
  bool node(const std::string& op, std::vector<ValueId> inputs, Attributes attributes);

  bool started() const { return spine.valid(); }
  const TensorType& type() const { return graph.value(spine).type; }  // of the spine's value
  bool chance(int64_t percent) { return random_.chance(percent); }
  int64_t pick(int64_t lo, int64_t hi) { return random_.pick(lo, hi); }
  const Hints& hints() const { return hints_; }

  Graph graph;
  ValueId spine;  // the value that the next operator works on; invalid before the first
  Diagnostics errors;

 private:
  Range range(const std::string& operand, DType type, int64_t usual);
  void complain(const std::string& name, const std::string& what);
  void fill(Tensor& tensor, const std::string& operand, const std::vector<int64_t>& palette, Random& elements);

  const Hints& hints_;
  LayerChoices& choices_;
  Random& random_;
  SaidLayer* said_;  // null: the layer is drawn
  std::string suffix_{};
};

// What a choice is where nobody says anything: strides of 1, no pads. nullopt: it has to be said.
std::optional<int64_t> plain_value(const std::string& name);

// Adds the operator to the spine, with the operands and attributes that it needs.
using Recipe = bool (*)(LayerBuilder& builder, const std::string& op);
Recipe recipe_of(std::string_view op);  // null: there is none

}  // namespace heddle
