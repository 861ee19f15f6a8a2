// What the DMA moves for each tile of an accelerator's layer.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "emit/accelerator_layer_writer.h"
#include "ops/check.h"

namespace heddle {

void AcceleratorLayerWriter::add_transfers(JobOperand& moved) {
  const RegionOperand& operand = *moved.operand;
  moved.constant = layer_.constant + "_" + upper_case(moved.name);
  moved.doubled = tiling_.buffer(operand.name).copies > 1;
  moved.tile_base = network_.memory_base(target_of(*network_.soc, match_), operand.memory) + " + " +
                    moved.constant;
  int64_t loads = 0;
  for (size_t t = 0; t < boxes_.size(); ++t) {
    moved.transfers.push_back(transfers_of(region_, operand, boxes_[t]));
    const bool moves =
        operand.output || loads_at(region_, operand, tiling_, static_cast<int64_t>(t));
    if (moves) ++loads;
    moved.moves.push_back(moves);
    moved.copies.push_back(loads - 1);
  }
  HEDDLE_CHECK(loads == 1 || moved.doubled,
               "an operand that changes between tiles has one buffer: " + operand.name);
}

// Where the tile's copy of the operand is, relative to its first copy.
std::string AcceleratorLayerWriter::copy_of(const JobOperand& moved) {
  if (!moved.doubled || moved.copies.back() == 0) return "0u";
  const std::string count = forms_.form(moved.name + "_copy", moved.copies);
  return fmt::format("({} & 1u) * {}_BYTES", parenthesised(count), moved.constant);
}

void AcceleratorLayerWriter::write_transfer(CWriter& out, const JobOperand& moved, size_t index, bool load) {
  const std::string variable =
      index == 0 ? moved.name : fmt::format("{}_{}", moved.name, index + 1);
  const auto form = [&](const char* what, int64_t Transfer::*member) {
    std::vector<int64_t> values;
    for (const std::vector<Transfer>& transfers : moved.transfers) {
      values.push_back(index < transfers.size() ? transfers[index].*member : 0);
    }
    return forms_.form(variable + "_" + what, values);
  };
  const std::string copy = copy_of(moved);
  const std::string main = address(moved.main_base, form("main_offset", &Transfer::main_offset));
  const std::string tile =
      address(address(moved.tile_base, copy), form("tile_offset", &Transfer::tile_offset));
  const char* from = load ? "source_" : "destination_";
  const char* to = load ? "destination_" : "source_";
  std::map<std::string, std::string> texts;
  texts["source"] = load ? main : tile;
  texts["destination"] = load ? tile : main;
  texts["row_bytes"] = form("row_bytes", &Transfer::row_bytes);
  texts["rows"] = form("rows", &Transfer::rows);
  texts["planes"] = form("planes", &Transfer::planes);
  texts[fmt::format("{}row_stride", from)] = form("main_row_stride", &Transfer::main_row_stride);
  texts[fmt::format("{}plane_stride", from)] =
      form("main_plane_stride", &Transfer::main_plane_stride);
  texts[fmt::format("{}row_stride", to)] = form("tile_row_stride", &Transfer::tile_row_stride);
  texts[fmt::format("{}plane_stride", to)] =
      form("tile_plane_stride", &Transfer::tile_plane_stride);
  const Job& job = *network_.soc->dma->target.transfer;
  out.open(fmt::format("const {} {} =", job.struct_name, variable));
  for (const JobField& field : job.fields) {
    const bool bare = field.expr.op == ExprOp::name;
    const std::string text = print_c(field.expr, [&](std::string_view name) {
      const std::string& value = texts.at(std::string(name));
      return bare ? value : parenthesised(value);
    });
    out.line(fmt::format(".{} = {},", field.name, text));
  }
  out.close(";");
  out.line(fmt::format("{}(&{});", job.call, variable));
  out.line(fmt::format("{}();", job.wait));
}

// All transfers of one operand, under the conditions that it moves at all, and that there is such a
// transfer.
void AcceleratorLayerWriter::write_transfers(CWriter& out, const JobOperand& moved, bool load) {
  const std::string changed = forms_.condition(moved.moves);
  out.open(changed.empty() ? "" : fmt::format("if ({})", changed));
  size_t most = 0;
  for (const std::vector<Transfer>& transfers : moved.transfers)
    most = std::max(most, transfers.size());
  for (size_t i = 0; i < most; ++i) {
    std::vector<bool> present;
    for (const std::vector<Transfer>& transfers : moved.transfers)
      present.push_back(i < transfers.size());
    const std::string condition = forms_.condition(present);
    if (!condition.empty()) out.open(fmt::format("if ({})", condition));
    write_transfer(out, moved, i, load);
    if (!condition.empty()) out.close();
  }
  out.close();
}

}  // namespace heddle
