// NAME.c: the layers and what a run does with them.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/text.h"
#include "cpu_codegen/copy.h"
#include "cpu_codegen/writer.h"
#include "emit/accelerator_layer.h"
#include "emit/places.h"
#include "emit/writers.h"
#include "ops/check.h"

namespace heddle {
namespace {

// "x [1, 16, 28, 28] int8, values in [-128, 127], at 0 of the arena, strides [...]"
std::string operand_comment(const Network& network, const std::string& name, ValueId id) {
  const Value& value = network.graph->value(id);
  std::string text = fmt::format("{}: {}", name, describe(value.type));
  const auto offset = network.arena_offset.find(id);
  if (offset == network.arena_offset.end()) return text;
  const Storage& storage = network.schedule->storage.at(id);
  const std::string& home = network.resident_in(id);
  text += fmt::format(", at {} of {}", offset->second, home.empty() ? "the arena" : c_comment(home));
  if (!is_flat(value.type.shape, storage))
    text += fmt::format(", strides {}", to_string(storage.strides));
  return text;
}

std::vector<std::string> layer_comment(const Network& network, size_t s) {
  const Step& step = network.schedule->steps[s];
  const Match& match = step.candidate.match;
  const Rule& rule = rule_of(*network.soc, match);
  std::vector<std::string> lines;
  lines.push_back(fmt::format("Layer {}, \"{}\": {}.", s, c_comment(step.name),
                              operators_of(*network.graph, match)));
  for (const auto& [name, value] : match.bound) {
    const bool activation = !network.graph->value(value).constant;
    if (activation) lines.push_back("  " + operand_comment(network, c_comment(name), value));
  }
  for (const auto& [name, value] : match.bound) {
    if (!network.graph->value(value).constant) continue;
    const TensorType& type = network.graph->value(value).type;
    lines.push_back(fmt::format("  {}: constant {} {}", c_comment(name), to_string(type.shape),
                                name_of(type.dtype)));
  }
  if (step.candidate.tiling) {
    const Tiling& tiling = *step.candidate.tiling;
    std::string text = fmt::format("Tiles: {}", tiling.tiles());
    for (const TileAxis& axis : tiling.axes) {
      text += fmt::format(", {} {}{}", c_comment(axis.axis), axis.tile,
                          axis.tile == axis.extent ? "" : fmt::format(" of {}", axis.extent));
    }
    lines.push_back(text + (tiling.proof.optimal ? "; no tile is faster in the model."
                                                 : "; not proven optimal."));
    lines.push_back(fmt::format(
        "Modelled cycles: {} ({} compute, {} DMA, {} to start them); on the CPU {}.",
        thousands(step.candidate.cycles), thousands(tiling.cost.compute),
        thousands(tiling.cost.dma), thousands(tiling.cost.driver), thousands(step.cycles_on_cpu)));
  } else {
    lines.push_back(fmt::format("Modelled cycles: {}.", thousands(step.candidate.cycles)));
  }
  lines.push_back(fmt::format("Rule {}/{}: {}", c_comment(network.where(step)),
                              c_comment(rule.name), c_comment(step.why)));
  return lines;
}

std::string include_path(const std::string& folder, const std::string& file) {
  return fmt::format("#include \"../drivers/{}/{}\"", folder, file);
}

// The layer's function marked as one that firmware keeps; helpers may stand before it.
std::string as_layer(std::string text, const std::string& function) {
  const size_t at = text.find("static void " + function + "(");
  HEDDLE_CHECK(at != std::string::npos, "a layer without its function: " + function);
  return text.insert(at, "HEDDLE_LAYER\n");
}

// A copy between the caller's dense tensor and the arena.
struct BoundaryCopy {
  std::string function;
  Kernel kernel;
};

// Fills a state with its first value.
Kernel state_reset(const Network& network, const State& state, const std::string& function) {
  const TensorType& type = network.graph->value(state.input).type;
  const Tensor initial = initial_state(*network.graph, state);
  const std::string literal = type.dtype == DType::float32 ? c_literal(initial.float_at(0))
                                                           : c_literal(initial.at(0));
  CWriter body;
  body.indent();
  print_fill(body, {"y", type.dtype, type.shape, network.schedule->storage.at(state.input), 0},
             literal);
  return wrap_kernel(function, body.take(), {{"y", type.dtype, state.input, true}});
}

// Moves the last elements of a state's output to where its input will be read, from the front to the
// back: they may overlap, and the input never lies behind them. Nothing where they are there.
Kernel state_move(const Network& network, const State& state, const std::string& function) {
  const Schedule& schedule = *network.schedule;
  const KeptPlace kept =
      kept_place(*network.graph, schedule.aliases, schedule.storage, state);
  if (kept.bytes_moved == 0) return {};
  const TensorType& type = network.graph->value(state.input).type;
  CWriter body;
  body.indent();
  print_copy(body,
             {"x", type.dtype, type.shape,
              {schedule.storage.at(state.output).strides, 0}, kept.first_element},
             {"y", type.dtype, type.shape, schedule.storage.at(state.input), 0});
  return wrap_kernel(function, body.take(), {{"x", type.dtype, state.output, false},
                                             {"y", type.dtype, state.input, true}});
}

void write_reset(CWriter& out, const Network& network) {
  if (network.states.empty()) return;
  for (size_t i = 0; i < network.states.size(); ++i) {
    const State& state = network.graph->states[i];
    out.comment({fmt::format("State \"{}\" before the first run.",
                             c_comment(network.graph->value(state.input).name))});
    out.raw(state_reset(network, state, network.prefix + "_reset_" + network.states[i]).text + "\n");
  }
  out.open(fmt::format("int {}_reset(void *arena)", network.prefix));
  out.line("if (arena == NULL) return HEDDLE_ERROR_ARGUMENT;");
  out.line(fmt::format(
      "if ((uintptr_t)arena % {}_ARENA_ALIGNMENT != 0u) return HEDDLE_ERROR_ARGUMENT;",
      network.upper));
  out.line("uint8_t *const base = (uint8_t *)arena;");
  for (size_t i = 0; i < network.states.size(); ++i) {
    out.call(network.prefix + "_reset_" + network.states[i],
             {pointer_to(network, network.graph->states[i].input, true)}, ";");
  }
  out.line("return HEDDLE_OK;");
  out.close();
  out.line("");
}

struct RunParts {
  std::vector<BoundaryCopy> inputs, outputs;  // no text for an input that nothing reads
  std::vector<BoundaryCopy> states;           // no text for a state that is where it must be
  std::vector<AcceleratorLayer> accelerator;  // one a step, empty on the CPU
};

bool holds_identifier(const std::string& text, const std::string& name) {
  const auto joins = [&](size_t at) {
    return at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) || text[at] == '_');
  };
  for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
    if (!joins(at - 1) && !joins(at + name.size())) return true;
  }
  return false;
}

// What a run does, step by step.
void write_steps(CWriter& out, const Network& network, const RunParts& parts) {
  const Graph& graph = *network.graph;
  const auto by_library = [&](const Match& match) {
    return target_of(*network.soc, match).kind == TargetKind::library;
  };
  for (size_t i = 0; i < network.given.size(); ++i) {
    if (parts.inputs[i].kernel.text.empty()) continue;
    out.call(parts.inputs[i].function,
             {"inputs->" + network.inputs[i], pointer_to(network, network.given[i], true)}, ";");
  }
  for (size_t s = 0; s < network.layers.size(); ++s) {
    const Match& match = network.schedule->steps[s].candidate.match;
    std::vector<std::string> arguments;
    if (match.target >= 0 && by_library(match)) {
      for (const std::string& name : parts.accelerator[s].arguments)
        arguments.push_back(name == "arena" ? "base" : network.prefix + "_packed");
      out.call(network.layers[s].function, arguments, ";");
    } else if (match.target >= 0) {
      for (const std::string& name : parts.accelerator[s].arguments)
        arguments.push_back(name + "_bus");
      out.call(network.layers[s].function, arguments, ";");
      out.line("if (heddle_status() != HEDDLE_OK) return HEDDLE_ERROR_BUS;");
    } else if (network.kernels[s].text.empty()) {
      const bool view = in_class(op_of(graph.node(match.nodes.front())), "view");
      out.line(fmt::format("/* {}: {}. */", network.layers[s].id,
                           view ? "the same bytes under another shape"
                                : "its parts were written where they belong"));
    } else {
      for (const KernelArgument& argument : network.kernels[s].arguments)
        arguments.push_back(argument_of(network, s, argument));
      out.call(network.layers[s].function, arguments, ";");
    }
    out.line(layer_done(network, s));
  }
  for (size_t i = 0; i < network.returned.size(); ++i) {
    out.call(parts.outputs[i].function,
             {pointer_to(network, network.returned[i], false), "outputs->" + network.outputs[i]}, ";");
  }
  for (size_t i = 0; i < parts.states.size(); ++i) {
    if (parts.states[i].kernel.text.empty()) continue;
    out.call(parts.states[i].function,
             {pointer_to(network, graph.states[i].output, false),
              pointer_to(network, graph.states[i].input, true)},
             ";");
  }
}

void write_run(CWriter& out, const Network& network, const RunParts& parts) {
  const std::string& upper = network.upper;
  out.line(
      fmt::format("int {0}_run(void *arena, const {0}_inputs *inputs, {0}_outputs *outputs) {{",
                  network.prefix));
  out.indent();
  out.line("if (arena == NULL || inputs == NULL || outputs == NULL) return HEDDLE_ERROR_ARGUMENT;");
  out.line(fmt::format(
      "if ((uintptr_t)arena % {}_ARENA_ALIGNMENT != 0u) return HEDDLE_ERROR_ARGUMENT;", upper));
  for (const std::string& member : network.inputs)
    out.line(fmt::format("if (inputs->{} == NULL) return HEDDLE_ERROR_ARGUMENT;", member));
  for (const std::string& member : network.outputs)
    out.line(fmt::format("if (outputs->{} == NULL) return HEDDLE_ERROR_ARGUMENT;", member));
  CWriter steps;
  steps.indent();
  write_steps(steps, network, parts);
  const std::string body = steps.take();
  const auto uses = [&](const char* name) { return holds_identifier(body, name); };
  if (uses("base")) out.line("uint8_t *const base = (uint8_t *)arena;");
  if (uses("arena_bus")) {
    out.line(fmt::format(
        "const uint32_t arena_bus = heddle_bus_address(arena, {}_ARENA_BYTES, HEDDLE_MAIN_MEMORY);",
        upper));
    out.line("if (arena_bus == 0u) return HEDDLE_ERROR_BUS;");
  }
  if (uses("constants_bus")) {
    out.call("const uint32_t constants_bus = heddle_bus_address",
             {network.prefix + "_packed", upper + "_PACKED_BYTES", "HEDDLE_CONSTANT_MEMORY"}, ";");
    out.line("if (constants_bus == 0u) return HEDDLE_ERROR_BUS;");
  }
  out.line("");
  out.raw(body);
  out.line("return HEDDLE_OK;");
  out.close();
}

}  // namespace

Result<std::string> emit_source(const Network& network) {
  const Graph& graph = *network.graph;
  CWriter out;
  out.comment({fmt::format("The layers of network \"{}\" on SoC {}, generated by Heddle.",
                           c_comment(graph.name), c_comment(network.soc->name))});
  out.raw(fmt::format("#include \"../include/{}.h\"\n\n", network.prefix));
  if (!network.units.empty()) {
    for (const UnitFiles& unit : network.units) {
      for (const std::string& header : unit.unit->target.headers)
        out.line(include_path(unit.folder, header));
    }
  }
  for (const std::string& header : network.headers())
    out.line(fmt::format("#include \"{}\"", header));
  out.line("#include \"heddle_runtime.h\"");
  if (!network.units.empty() || network.has_residents()) out.line("#include \"heddle_soc.h\"");
  out.line(fmt::format("#include \"{}_weights.h\"", network.prefix));
  out.line("");
  write_offsets(out, network);
  write_layer_done(out, network);

  RunParts parts;
  Diagnostics errors;
  for (size_t i = 0; i < network.given.size(); ++i) {
    BoundaryCopy copy;
    if (network.arena.contains(network.given[i])) {
      const std::string function = fmt::format("{}_load_{}", network.prefix, network.inputs[i]);
      copy = {function, network.boundary_copy(network.given[i], true, function)};
      out.comment({fmt::format("Input \"{}\" into the arena.",
                               c_comment(graph.value(network.given[i]).name))});
      out.raw(copy.kernel.text + "\n");
    }
    parts.inputs.push_back(std::move(copy));
  }
  for (size_t s = 0; s < network.layers.size(); ++s) {
    AcceleratorLayer layer;
    std::string text = network.kernels[s].text;
    if (network.schedule->steps[s].candidate.match.target >= 0) {
      Result<AcceleratorLayer> emitted = emit_accelerator_layer(network, s);
      if (!emitted.ok()) {
        errors.insert(errors.end(), emitted.errors().begin(), emitted.errors().end());
        parts.accelerator.emplace_back();
        continue;
      }
      layer = std::move(*emitted);
      text = layer.text;
    }
    parts.accelerator.push_back(std::move(layer));
    if (text.empty()) continue;
    out.comment(layer_comment(network, s));
    out.raw(as_layer(std::move(text), network.layers[s].function) + "\n");
  }
  if (!errors.empty()) return errors;
  for (size_t i = 0; i < network.returned.size(); ++i) {
    const std::string function = fmt::format("{}_store_{}", network.prefix, network.outputs[i]);
    parts.outputs.push_back({function, network.boundary_copy(network.returned[i], false, function)});
    out.comment({fmt::format("Output \"{}\" to the caller.",
                             c_comment(graph.value(network.returned[i]).name))});
    out.raw(parts.outputs.back().kernel.text + "\n");
  }
  for (size_t i = 0; i < network.states.size(); ++i) {
    const std::string function = network.prefix + "_keep_" + network.states[i];
    parts.states.push_back({function, state_move(network, graph.states[i], function)});
    if (parts.states.back().kernel.text.empty()) continue;
    out.comment({fmt::format("What the next run reads as \"{}\".",
                             c_comment(graph.value(graph.states[i].input).name))});
    out.raw(parts.states.back().kernel.text + "\n");
  }
  write_reset(out, network);
  write_run(out, network, parts);
  return out.take();
}

}  // namespace heddle
