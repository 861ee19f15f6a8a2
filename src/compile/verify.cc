#include "compile/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace heddle {
namespace {

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
  return "output " + terminal_text(graph.value(graph.returned_outputs()[output]).name);
}

bool close(const Tensor& expected, const Tensor& got, double tolerance) {
  double scale = 0;
  for (int64_t i = 0; i < expected.elements(); ++i)
    scale = std::max(scale, std::fabs(static_cast<double>(expected.float_at(i))));
  for (int64_t i = 0; i < expected.elements(); ++i) {
    const double difference = static_cast<double>(got.float_at(i)) - expected.float_at(i);
    if (!(std::fabs(difference) <= tolerance * scale)) return false;
  }
  return true;
}

// As compare(), and equal too if a tolerance says so.
std::optional<Divergence> compare_activation(const std::string& layer, const Tensor& expected,
                                             const Tensor& got, std::optional<double> tolerance) {
  if (expected.elements() != got.elements()) return compare(layer, 0, expected, got);
  const bool floats = expected.dtype() == DType::float32 && got.dtype() == DType::float32;
  if (floats && tolerance && close(expected, got, *tolerance)) return std::nullopt;
  return compare(layer, 0, expected, got);
}

// Whether the graph that is compiled has forms of layers or copies that the imported one has not.
bool is_spliced(const Schedule& schedule) {
  return std::any_of(schedule.steps.begin(), schedule.steps.end(), [](const Step& step) {
    return step.candidate.legalised != nullptr || step.candidate.covers.empty();
  });
}

// The reference of one sample on the graph that is compiled, from its inputs (states too) in the
// reference's run on the imported one.
std::vector<Tensor> spliced_values(const Compilation& c, const std::vector<Tensor>& reference) {
  std::vector<Tensor> inputs;
  for (const ValueId id : c.graph.inputs) inputs.push_back(value_of(reference, id));
  Result<std::vector<Tensor>> values = interpret(c.schedule.graph, inputs);
  HEDDLE_CHECK(values.ok(), "the compiled graph takes other inputs than the imported one");
  return std::move(*values);
}

}  // namespace

Result<ReferenceRun> run_reference(const Graph& graph, const std::vector<Sample>& samples) {
  return interpret_all(graph, samples);
}

std::vector<std::vector<Tensor>> outputs_of(const Graph& graph, const ReferenceRun& run) {
  std::vector<std::vector<Tensor>> outputs;
  for (const std::vector<Tensor>& values : run) {
    outputs.emplace_back();
    for (const ValueId id : graph.returned_outputs()) outputs.back().push_back(value_of(values, id));
  }
  return outputs;
}

ActivationCheck check_activations(const Graph& graph, const ReferenceRun& reference,
                                  const Arrays& arrays, std::optional<double> tolerance) {
  const std::vector<Tensor>& values = reference.front();
  ActivationCheck check;
  std::optional<size_t> first;
  for (const auto& [key, array] : arrays) {
    ++check.arrays;
    bool named = false, found = false;
    for (size_t v = 0; v < values.size() && !named; ++v) {
      if (graph.values[v].name != key || values[v].elements() != array.elements()) continue;
      named = true;
      std::optional<Divergence> divergence =
          compare_activation("value " + terminal_text(key), array, values[v], tolerance);
      found = !divergence;
      if (found || (first && *first < v)) continue;
      first = v;
      check.first = std::move(divergence);
    }
    check.named += named;
    for (size_t v = 0; v < values.size() && !named && !found; ++v)
      found = values[v].elements() > 0 && !compare_activation("", array, values[v], tolerance);
    if (!found) check.unmatched.push_back(terminal_text(key));
  }
  return check;
}

Comparison compare_emitted(const Compilation& c, const ReferenceRun& reference,
                           const EmittedRun& emitted) {
  Result<Comparison> outputs =
      compare_outputs(c.graph, emitted.outputs, outputs_of(c.graph, reference));
  HEDDLE_CHECK(outputs.ok(), "an exact comparison needs nothing");
  Comparison comparison;
  comparison.what = "emitted C on SoC " + c.soc.name + " against the reference";
  comparison.outputs = std::move(outputs->outputs);
  for (size_t s = 0; s < reference.size(); ++s) {
    std::optional<Divergence> divergence;
    std::vector<Tensor> spliced;
    if (is_spliced(c.schedule)) spliced = spliced_values(c, reference[s]);
    const std::vector<Tensor>& layers = spliced.empty() ? reference[s] : spliced;
    for (size_t i = 0; i < c.schedule.steps.size() && !divergence; ++i) {
      const Step& step = c.schedule.steps[i];
      const std::string layer = "layer " + terminal_text(step.name) + " on " +
                                target_of(c.soc, step.candidate.match).name;
      divergence = compare(layer, static_cast<int64_t>(s),
                           value_of(layers, step.candidate.match.output(c.schedule.graph)),
                           emitted.layers[s][i]);
    }
    const std::vector<ValueId> returned = c.graph.returned_outputs();
    for (size_t o = 0; o < returned.size() && !divergence; ++o) {
      divergence = compare(output_name(c.graph, o), static_cast<int64_t>(s),
                           value_of(reference[s], returned[o]), emitted.outputs[s][o]);
    }
    count(comparison, std::move(divergence));
  }
  comparison.met = comparison.exact == comparison.samples;
  return comparison;
}

}  // namespace heddle
