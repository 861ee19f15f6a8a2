#include "emit/accelerator_layer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "cpu_codegen/writer.h"
#include "emit/tile_form.h"
#include "ops/check.h"
#include "tiler/geometry.h"

namespace heddle {
namespace {

// An operand in every tile.
struct JobOperand {
  const RegionOperand* operand = nullptr;
  std::string name;                   // "x", a C identifier
  std::string main_base;  // "arena + AT_LAYER_02", "HEDDLE_MEMORY_L1_BASE + L1_AT_LAYER_02"
  std::vector<int64_t> main_offsets;  // [tile] from there
  // The rest is of operands that are moved.
  std::string constant;   // "LAYER_03_X"
  std::string tile_base;  // "HEDDLE_MEMORY_L1_BASE + LAYER_03_X"
  bool doubled = false;
  std::vector<std::vector<Transfer>> transfers;  // [tile]
  std::vector<bool> moves;                       // [tile] loads; every tile for the output
  std::vector<int64_t>
      copies;  // [tile] how often it was loaded before this load: its parity is the copy

  bool pointer = false;  // of a library, which the CPU runs: no bus addresses

  bool moved() const { return !operand->in_place; }
  // The function's parameter that its place in main memory is reckoned from; none of a resident.
  const char* parameter() const {
    return operand->resident ? "" : operand->packed ? "constants" : "arena";
  }
};

class LayerWriter {
 public:
  LayerWriter(const Network& network, size_t step)
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

  Result<AcceleratorLayer> write();

 private:
  static std::vector<TileLoop> tile_loops(const Tiling& tiling);
  void add_operand(const RegionOperand& operand, const std::string& name);
  void add_transfers(JobOperand& moved);
  std::vector<std::string> parameters_of(bool (*which)(const JobOperand&)) const;
  std::string typed(const std::string& parameter) const;
  bool waits() const { return !rule_.job->wait.empty(); }
  std::string job_address(const JobOperand& operand);
  std::string address(const std::string& base, const std::string& offset) const;
  std::string copy_of(const JobOperand& moved);
  void write_enum(CWriter& out);
  void write_transfers(CWriter& out, const JobOperand& moved, bool load);
  void write_transfer(CWriter& out, const JobOperand& moved, size_t index, bool load);
  Status write_job(CWriter& out);
  Result<std::string> field_text(const JobField& field,
                                 std::map<std::string, std::string>& variables);
  std::string name_text(const std::string& name, std::map<std::string, std::string>& variables);
  std::vector<int64_t> values_of(const std::string& name) const;

  const Network& network_;
  const LayerNames& layer_;
  const Step& step_;
  const Tiling& tiling_;
  const Match& match_;
  const Rule& rule_;
  Region region_;
  TileForms forms_;
  size_t step_index_;
  std::vector<TileBox> boxes_;
  std::vector<JobOperand> operands_;
};

// One loop a tiled axis; with a single loop its index is the tile's.
std::vector<TileLoop> LayerWriter::tile_loops(const Tiling& tiling) {
  std::vector<TileLoop> loops;
  for (const TileAxis& axis : tiling.axes) {
    if (axis.count() > 1) loops.push_back({axis.axis + "_tile", axis.count()});
  }
  if (loops.size() == 1) loops[0].index = "t";
  return loops;
}

void LayerWriter::add_operand(const RegionOperand& operand, const std::string& name) {
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

void LayerWriter::add_transfers(JobOperand& moved) {
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

std::string LayerWriter::address(const std::string& base, const std::string& offset) const {
  if (offset == "0u") return base;
  return base + " + " + (offset.find('?') == std::string::npos ? offset : "(" + offset + ")");
}

// Where the tile's copy of the operand is, relative to its first copy.
std::string LayerWriter::copy_of(const JobOperand& moved) {
  if (!moved.doubled || moved.copies.back() == 0) return "0u";
  const std::string count = forms_.form(moved.name + "_copy", moved.copies);
  return fmt::format("({} & 1u) * {}_BYTES", parenthesised(count), moved.constant);
}

// Where a job finds the operand's tile.
std::string LayerWriter::job_address(const JobOperand& operand) {
  if (operand.moved()) return address(operand.tile_base, copy_of(operand));
  const std::string place =
      address(operand.main_base, forms_.form(operand.name + "_offset", operand.main_offsets));
  if (!operand.pointer) return place;
  return fmt::format("({}void *)({})", operand.operand->output ? "" : "const ", place);
}

// A parameter of the layer's functions with its type.
std::string LayerWriter::typed(const std::string& parameter) const {
  if (operands_.empty() || !operands_.front().pointer) return "uint32_t " + parameter;
  return (parameter == "arena" ? "uint8_t *" : "const uint8_t *") + parameter;
}

// "arena", "constants": what a function needs that handles these operands.
std::vector<std::string> LayerWriter::parameters_of(bool (*which)(const JobOperand&)) const {
  std::vector<std::string> parameters;
  for (const char* const parameter : {"arena", "constants"}) {
    const auto needs = [&](const JobOperand& operand) {
      return which(operand) && operand.parameter() == std::string_view(parameter);
    };
    if (std::any_of(operands_.begin(), operands_.end(), needs)) parameters.emplace_back(parameter);
  }
  return parameters;
}

void LayerWriter::write_enum(CWriter& out) {
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

void LayerWriter::write_transfer(CWriter& out, const JobOperand& moved, size_t index, bool load) {
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
void LayerWriter::write_transfers(CWriter& out, const JobOperand& moved, bool load) {
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

// Of one name for every tile; empty if it is no number.
std::vector<int64_t> LayerWriter::values_of(const std::string& name) const {
  std::vector<int64_t> values;
  for (const TileBox& box : boxes_) {
    const std::optional<ExprValue> value = tile_environment(region_, box)(name);
    if (!value || !std::holds_alternative<int64_t>(*value)) return {};
    values.push_back(std::get<int64_t>(*value));
  }
  return values;
}

// The C text of a name in a job's field: an address, a number, or a variable that holds it for this
// tile.
std::string LayerWriter::name_text(const std::string& name,
                                   std::map<std::string, std::string>& variables) {
  for (const JobOperand& operand : operands_) {
    if (name == operand.operand->name + ".address") return job_address(operand);
  }
  const std::vector<int64_t> values = values_of(name);
  const std::string identifier = c_identifier(name);
  const std::string text = forms_.form(identifier, values);
  if (text.find_first_not_of("0123456789u-") == std::string::npos) return text;
  const bool negative = std::any_of(values.begin(), values.end(), [](int64_t v) { return v < 0; });
  variables[identifier] =
      fmt::format("const {} {} = {};", negative ? "int32_t" : "uint32_t", identifier, text);
  return identifier;
}

// Whether it holds a comparison, whose value is a signed 0 or 1 in C.
bool decides(const Expr& expr) {
  const bool itself = expr.op >= ExprOp::eq && expr.op <= ExprOp::logical_not;
  return itself || std::any_of(expr.children.begin(), expr.children.end(), decides);
}

Result<std::string> LayerWriter::field_text(const JobField& field,
                                            std::map<std::string, std::string>& variables) {
  const auto refuse = [&](const std::string& why) {
    return error_at(rule_.place,
                    fmt::format("field `{}` of rule `{}` has no value for layer `{}`: {}",
                                field.name, rule_.name, terminal_text(step_.name), why),
                    "use the names that the rule's tile expressions may use");
  };
  const std::vector<std::string> names = names_in(field.expr);
  bool has_address = false;
  bool negative = false, has_text = false;
  for (const std::string& name : names) {
    if (name.ends_with(".address")) {
      has_address = true;
      const bool known = std::any_of(
          operands_.begin(), operands_.end(),
          [&](const JobOperand& operand) { return name == operand.operand->name + ".address"; });
      if (!known) return refuse(fmt::format("`{}` is no operand of a job", terminal_text(name)));
      continue;
    }
    const std::optional<ExprValue> value = tile_environment(region_, boxes_[0])(name);
    if (!value) return refuse(fmt::format("`{}` is not known here", terminal_text(name)));
    if (!std::holds_alternative<int64_t>(*value)) {
      has_text = true;  // texts are those of the layer, the same for every tile
      continue;
    }
    const std::vector<int64_t> values = values_of(name);
    negative =
        negative || std::any_of(values.begin(), values.end(), [](int64_t v) { return v < 0; });
  }
  if (has_address && (has_text || !has_c_form(field.expr)))
    return refuse("its expression has no C form");
  if (!has_address) {
    std::vector<int64_t> results;
    for (const TileBox& box : boxes_) {
      const auto result = evaluate_int(field.expr, tile_environment(region_, box));
      if (const ExprError* error = std::get_if<ExprError>(&result)) return refuse(error->message);
      results.push_back(std::get<int64_t>(result));
      if (results.back() < INT32_MIN || results.back() > UINT32_MAX)
        return refuse(fmt::format("{} does not fit 32 bits", results.back()));
    }
    const bool constant =
        std::all_of(results.begin(), results.end(), [&](int64_t v) { return v == results[0]; });
    if (constant)
      return results[0] > INT32_MAX ? unsigned_literal(results[0]) : c_literal(results[0]);
    // Division prints as C's, which is the language's for what is not negative; of a decision only
    // what comes out of it is worth reading.
    if (negative || has_text || decides(field.expr) || !has_c_form(field.expr))
      return forms_.form(field.name, results);
  }
  const bool bare = field.expr.op == ExprOp::name;
  return print_c(field.expr, [&](std::string_view name) {
    const std::string text = name_text(std::string(name), variables);
    return bare ? text : parenthesised(text);
  });
}

// The job of the tile, as a designated initialiser, and its start.
Status LayerWriter::write_job(CWriter& out) {
  std::map<std::string, std::string> variables;
  std::vector<std::string> lines;
  for (const JobField& field : rule_.job->fields) {
    Result<std::string> text = field_text(field, variables);
    if (!text.ok()) return text.errors();
    lines.push_back(fmt::format(".{} = {},", field.name, *text));
  }
  for (const auto& [name, declaration] : variables) out.line(declaration);
  out.open(fmt::format("const {} job =", rule_.job->struct_name));
  for (const std::string& line : lines) out.line(line);
  out.close(";");
  out.line(fmt::format("{}(&job);", rule_.job->call));
  return Unit{};
}

Result<AcceleratorLayer> LayerWriter::write() {
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

}  // namespace

Result<AcceleratorLayer> emit_accelerator_layer(const Network& network, size_t step) {
  HEDDLE_CHECK(network.schedule->steps[step].candidate.tiling.has_value(),
               "a step on an accelerator without a tiling");
  return LayerWriter(network, step).write();
}

}  // namespace heddle
