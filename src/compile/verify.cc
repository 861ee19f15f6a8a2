#include "compile/verify.h"

#include <fmt/format.h>

#include "base/text.h"

namespace heddle {
namespace {

Shape unflatten(int64_t flat, const Shape& shape) {
  Shape index(shape.size());
  for (size_t d = shape.size(); d-- > 0;) {
    index[d] = flat % shape[d];
    flat /= shape[d];
  }
  return index;
}

const Tensor& value_of(const std::vector<Tensor>& values, ValueId id) {
  return values[static_cast<size_t>(id.index)];
}

// Counts a sample as exact if no divergence was found, and keeps the first one.
void count(Comparison& comparison, std::optional<Divergence> divergence) {
  ++comparison.samples;
  if (!divergence) {
    ++comparison.exact;
  } else if (!comparison.first) {
    comparison.first = std::move(divergence);
  }
}

std::string output_name(const Graph& graph, size_t output) {
  return "output " + terminal_text(graph.value(graph.outputs[output]).name);
}

}  // namespace

std::string to_string(const Divergence& d) {
  if (d.index.empty())
    return fmt::format("{}: sample {} has {} elements, {} expected", d.layer, d.sample, d.got,
                       d.expected);
  return fmt::format("{}: sample {}, element {}: {} expected, got {}", d.layer, d.sample,
                     to_string(d.index), d.expected, d.got);
}

std::optional<Divergence> compare(const std::string& layer, int64_t sample, const Tensor& expected,
                                  const Tensor& got) {
  if (expected.elements() != got.elements())
    return Divergence{layer, sample, {}, expected.elements(), got.elements()};
  for (int64_t i = 0; i < expected.elements(); ++i) {
    if (expected.at(i) == got.at(i)) continue;
    const Shape index = expected.shape().empty() ? Shape{0} : unflatten(i, expected.shape());
    return Divergence{layer, sample, index, expected.at(i), got.at(i)};
  }
  return std::nullopt;
}

Result<ReferenceRun> run_reference(const Graph& graph, const std::vector<Sample>& samples) {
  ReferenceRun runs;
  for (const Sample& sample : samples) {
    Result<std::vector<Tensor>> values = interpret(graph, sample);
    if (!values.ok()) return values.errors();
    runs.push_back(std::move(*values));
  }
  return runs;
}

Comparison compare_outputs(const Graph& graph, const ReferenceRun& reference,
                           const std::vector<Sample>& expected) {
  Comparison comparison{"reference against the expected outputs", 0, 0, std::nullopt};
  for (size_t s = 0; s < reference.size(); ++s) {
    std::optional<Divergence> divergence;
    for (size_t o = 0; o < graph.outputs.size() && !divergence; ++o) {
      divergence = compare(output_name(graph, o), static_cast<int64_t>(s), expected[s][o],
                           value_of(reference[s], graph.outputs[o]));
    }
    count(comparison, std::move(divergence));
  }
  return comparison;
}

ActivationCheck check_activations(const ReferenceRun& reference, const Arrays& arrays) {
  ActivationCheck check;
  for (const auto& [key, array] : arrays) {
    ++check.arrays;
    bool found = false;
    for (const Tensor& value : reference.front())
      found = found || (value.elements() > 0 && !compare("", 0, array, value));
    if (!found) check.unmatched.push_back(terminal_text(key));
  }
  return check;
}

Comparison compare_emitted(const Compilation& c, const ReferenceRun& reference,
                           const EmittedRun& emitted) {
  Comparison comparison{"emitted C on SoC " + c.soc.name + " against the reference", 0, 0,
                        std::nullopt};
  for (size_t s = 0; s < reference.size(); ++s) {
    std::optional<Divergence> divergence;
    for (size_t i = 0; i < c.schedule.steps.size() && !divergence; ++i) {
      const Step& step = c.schedule.steps[i];
      const std::string layer = "layer " + terminal_text(step.name) + " on " +
                                target_of(c.soc, step.candidate.match).name;
      divergence = compare(layer, static_cast<int64_t>(s),
                           value_of(reference[s], step.candidate.match.output(c.graph)),
                           emitted.layers[s][i]);
    }
    for (size_t o = 0; o < c.graph.outputs.size() && !divergence; ++o) {
      divergence = compare(output_name(c.graph, o), static_cast<int64_t>(s),
                           value_of(reference[s], c.graph.outputs[o]), emitted.outputs[s][o]);
    }
    count(comparison, std::move(divergence));
  }
  return comparison;
}

}  // namespace heddle
