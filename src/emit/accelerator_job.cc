// The job of a tile of an accelerator's layer: its fields as C.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "emit/accelerator_layer_writer.h"
#include "ops/check.h"

namespace heddle {

// Where a job finds the operand's tile.
std::string AcceleratorLayerWriter::job_address(const JobOperand& operand) {
  if (operand.moved()) return address(operand.tile_base, copy_of(operand));
  const std::string place =
      address(operand.main_base, forms_.form(operand.name + "_offset", operand.main_offsets));
  if (!operand.pointer) return place;
  return fmt::format("({}void *)({})", operand.operand->output ? "" : "const ", place);
}

// Of one name for every tile; empty if it is no number.
std::vector<int64_t> AcceleratorLayerWriter::values_of(const std::string& name) const {
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
std::string AcceleratorLayerWriter::name_text(const std::string& name,
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

namespace {

// Whether it holds a comparison, whose value is a signed 0 or 1 in C.
bool decides(const Expr& expr) {
  const bool itself = expr.op >= ExprOp::eq && expr.op <= ExprOp::logical_not;
  return itself || std::any_of(expr.children.begin(), expr.children.end(), decides);
}

}  // namespace

Result<std::string> AcceleratorLayerWriter::field_text(const JobField& field,
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
Status AcceleratorLayerWriter::write_job(CWriter& out) {
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

}  // namespace heddle
