// What the recipes of operators (layer_recipes.cc) draw with.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "check/layer.h"

namespace heddle {

class LayerBuilder {
 public:
  LayerBuilder(const Hints& hints, LayerChoices& choices, Random& random)
      : hints_(hints), choices_(choices), random_(random) {}

  // A choice by its name: as it was made, else drawn, and moved to where the hints want it.
  int64_t number(const std::string& name, const std::function<int64_t()>& draw);
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

  const Hints& hints_;
  LayerChoices& choices_;
  Random& random_;
};

// Adds the operator to the spine, with the operands and attributes that it needs.
using Recipe = bool (*)(LayerBuilder& builder, const std::string& op);
Recipe recipe_of(std::string_view op);  // null: there is none

}  // namespace heddle
