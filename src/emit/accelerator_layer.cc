#include "emit/accelerator_layer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "emit/accelerator_layer_writer.h"
#include "ops/check.h"

namespace heddle {

AcceleratorLayerWriter::AcceleratorLayerWriter(const Network& network, size_t step)
    : network_(network),
      layer_(network.layers[step]),
      step_(network.schedule->steps[step]),
      tiling_(*step_.candidate.tiling),
      match_(step_.candidate.match),
      rule_(rule_of(*network.soc, match_)),
      region_(region_of(*network.graph, *network.soc, match_, network.schedule->storage)),
      forms_(tile_loops(tiling_)),
      step_index_(step) {
  for (int64_t t = 0; t < tiling_.tiles(); ++t) boxes_.push_back(box_of(region_, tiling_, t));
  UniqueNames names;
  for (const RegionOperand& operand : region_.operands)
    add_operand(operand, names.take(c_identifier(operand.name)));
}

// One loop a tiled axis; with a single loop its index is the tile's.
std::vector<TileLoop> AcceleratorLayerWriter::tile_loops(const Tiling& tiling) {
  std::vector<TileLoop> loops;
  for (const TileAxis& axis : tiling.axes) {
    if (axis.count() > 1) loops.push_back({axis.axis + "_tile", axis.count()});
  }
  if (loops.size() == 1) loops[0].index = "t";
  return loops;
}

void AcceleratorLayerWriter::add_operand(const RegionOperand& operand, const std::string& name) {
  JobOperand moved;
  moved.operand = &operand;
  moved.name = name;
  moved.pointer = target_of(*network_.soc, match_).kind == TargetKind::library;
  if (operand.packed) {
    for (const PackedBuffer& packed : network_.packed) {
      if (packed.step == step_index_ && packed.packing->name == operand.name)
        moved.main_base = "constants + " + packed.constant;
    }
  } else if (operand.resident) {
    moved.main_base = network_.memory_base(target_of(*network_.soc, match_), operand.memory) +
                      " + " + network_.arena.at(operand.value);
    if (moved.pointer) {
      moved.main_base = fmt::format("(uint8_t *)heddle_memory({}, {}u)", moved.main_base,
                                    operand.storage.bytes);
    }
  } else {
    moved.main_base = "arena + " + network_.arena.at(operand.value);
  }
  for (const TileBox& box : boxes_)
    moved.main_offsets.push_back(main_offset_of(region_, operand, box));
  if (moved.moved()) add_transfers(moved);
  operands_.push_back(std::move(moved));
}

std::string AcceleratorLayerWriter::address(const std::string& base, const std::string& offset) const {
  if (offset == "0u") return base;
  return base + " + " + (offset.find('?') == std::string::npos ? offset : "(" + offset + ")");
}

// A parameter of the layer's functions with its type.
std::string AcceleratorLayerWriter::typed(const std::string& parameter) const {
  if (operands_.empty() || !operands_.front().pointer) return "uint32_t " + parameter;
  return (parameter == "arena" ? "uint8_t *" : "const uint8_t *") + parameter;
}

// "arena", "constants": what a function needs that handles these operands.
std::vector<std::string> AcceleratorLayerWriter::parameters_of(bool (*which)(const JobOperand&)) const {
  std::vector<std::string> parameters;
  for (const char* const parameter : {"arena", "constants"}) {
    const auto needs = [&](const JobOperand& operand) {
      return which(operand) && operand.parameter() == std::string_view(parameter);
    };
    if (std::any_of(operands_.begin(), operands_.end(), needs)) parameters.emplace_back(parameter);
  }
  return parameters;
}

void AcceleratorLayerWriter::write_enum(CWriter& out) {
  if (boxes_.size() == 1 && tiling_.buffers.empty()) return;
  out.open("enum");
  if (boxes_.size() > 1) out.line(fmt::format("{}_TILES = {},", layer_.constant, boxes_.size()));
  for (const JobOperand& moved : operands_) {
    if (!moved.moved()) continue;
    const TileBuffer& buffer = tiling_.buffer(moved.operand->name);
    const int64_t offset =
        buffer.offset + network_.plan->block_offset(target_of(*network_.soc, match_).memories,
                                                    buffer.memory, step_index_);
    out.line(fmt::format("{} = {}, /* of {}: {} at {} in {}{} */", moved.constant, offset,
                         c_comment(buffer.operand), buffer.bytes, offset,
                         c_comment(buffer.memory), moved.doubled ? ", two copies" : ""));
    if (moved.doubled) out.line(fmt::format("{}_BYTES = {},", moved.constant, buffer.bytes));
  }
  out.close(";");
  out.line("");
}

Result<AcceleratorLayer> AcceleratorLayerWriter::write() {
  const auto is_load = [](const JobOperand& operand) {
    return operand.moved() && !operand.operand->output;
  };
  const auto is_store = [](const JobOperand& operand) {
    return operand.moved() && operand.operand->output;
  };
  const auto is_in_place = [](const JobOperand& operand) { return !operand.moved(); };
  const auto transfers = [&](CWriter& body, bool (*which)(const JobOperand&)) {
    for (const JobOperand& operand : operands_) {
      if (which(operand)) write_transfers(body, operand, !operand.operand->output);
    }
  };
  const auto all_typed = [&](std::vector<std::string> names) {
    for (std::string& name : names) name = typed(name);
    return names;
  };
  AcceleratorLayer result;
  result.arguments = parameters_of([](const JobOperand&) { return true; });
  CWriter out;
  write_enum(out);

  if (boxes_.size() == 1) {
    CWriter body;
    body.indent();
    transfers(body, is_load);
    body.open("");
    if (Status status = write_job(body); !status.ok()) return status.errors();
    if (waits()) body.line(fmt::format("{}();", rule_.job->wait));
    body.close();
    transfers(body, is_store);
    out.call("static void " + layer_.function, all_typed(result.arguments), " {");
    out.raw(body.take());
    out.line("}");
    result.text = out.take();
    return result;
  }

  // A function of tile t; its call for another tile. Both are empty where there is nothing to do.
  struct Part {
    std::vector<std::string> arguments;
    std::string name;
    std::string call(const std::string& tile) const {
      std::vector<std::string> all = arguments;
      all.push_back(tile);
      return fmt::format("{}({});", name, fmt::join(all, ", "));
    }
  };
  const auto part = [&](const std::string& suffix, bool (*which)(const JobOperand&),
                        CWriter& body) {
    const Part made{parameters_of(which), layer_.function + suffix};
    std::vector<std::string> parameters = all_typed(made.arguments);
    parameters.push_back("uint32_t t");
    out.call("static void " + made.name, parameters, " {");
    CWriter declarations;
    declarations.indent();
    for (const std::string& line : forms_.take_declarations()) declarations.line(line);
    out.raw(declarations.take());
    out.raw(body.take());
    out.line("}");
    out.line("");
    return made;
  };
  const auto moving = [&](const std::string& suffix,
                          bool (*which)(const JobOperand&)) -> std::optional<Part> {
    if (std::none_of(operands_.begin(), operands_.end(), which)) return std::nullopt;
    CWriter body;
    body.indent();
    transfers(body, which);
    return part(suffix, which, body);
  };
  const std::optional<Part> load = moving("_load", is_load);
  CWriter job;
  job.indent();
  if (Status status = write_job(job); !status.ok()) return status.errors();
  const Part start = part("_start", is_in_place, job);
  const std::optional<Part> store = moving("_store", is_store);

  const std::string tiles = layer_.constant + "_TILES";
  out.call("static void " + layer_.function, all_typed(result.arguments), " {");
  out.indent();
  if (load) out.line(load->call("0u"));
  out.open(fmt::format("for (uint32_t t = 0; t < {}; ++t)", tiles));
  out.line(start.call("t"));
  if (store) out.line("if (t > 0u) " + store->call("t - 1u"));
  if (load) out.line(fmt::format("if (t + 1u < {}) {}", tiles, load->call("t + 1u")));
  if (waits()) out.line(fmt::format("{}();", rule_.job->wait));
  out.close();
  if (store) out.line(store->call(tiles + " - 1"));
  out.close();
  result.text = out.take();
  return result;
}

Result<AcceleratorLayer> emit_accelerator_layer(const Network& network, size_t step) {
  HEDDLE_CHECK(network.schedule->steps[step].candidate.tiling.has_value(),
               "a step on an accelerator without a tiling");
  return AcceleratorLayerWriter(network, step).write();
}

}  // namespace heddle
