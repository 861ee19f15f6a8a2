#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "ops/map.h"
#include "ops/op.h"

namespace heddle {
namespace {

std::string code_list(const std::vector<std::string_view>& names) {
  std::string text;
  for (std::string_view name : names) text += fmt::format("{}`{}`", text.empty() ? "" : ", ", name);
  return text.empty() ? "none" : text;
}

std::string code_call(std::string_view name, const std::vector<std::string_view>& dims) {
  if (dims.empty()) return fmt::format("`{}`", name);
  return fmt::format("`{}` ({})", name, fmt::join(dims, ", "));
}

std::string axes_text(const OpDef& op) {
  std::vector<std::string_view> own = op.axes;
  const std::vector<std::string_view> by_rank = all_map_axes();
  if (own.size() < by_rank.size() || !std::equal(by_rank.begin(), by_rank.end(), own.begin())) {
    return code_list(own);
  }
  own.erase(own.begin(), own.begin() + std::ssize(by_rank));
  return own.empty() ? "by rank" : "by rank, " + code_list(own);
}

const char* numbers_text(Numbers numbers) {
  return numbers == Numbers::reals    ? "; float32"
         : numbers == Numbers::either ? "; integers or float32"
                                      : "";
}

std::string default_text(const Attribute& attribute) {
  if (const int64_t* number = std::get_if<int64_t>(&attribute)) return fmt::format("{}", *number);
  if (const double* number = std::get_if<double>(&attribute)) return fmt::format("{}", *number);
  if (const std::string* text = std::get_if<std::string>(&attribute)) return "'" + *text + "'";
  return to_string(*std::get_if<std::vector<int64_t>>(&attribute));
}

std::string document_op(const OpDef& op) {
  std::string text = fmt::format("## {}\n\n{}\n\n", op.name, op.summary);
  text += fmt::format("Classes: {}. Axes: {}.{}\n\n", code_list(op.classes), axes_text(op),
                      op.commutative ? " The first two operands may change places." : "");
  text += "| operand | what it is |\n|---|---|\n";
  for (const OperandDef& operand : op.operands) {
    text += fmt::format("| {} | {}{}{}{}{} |\n", code_call(operand.name, operand.dims), operand.doc,
                        operand.constant ? "; constant" : "", operand.optional ? "; optional" : "",
                        numbers_text(operand.numbers), operand.variadic ? "; one or more" : "");
  }
  text += fmt::format("| {} | result: {} |\n", code_call("y", op.output_dims), op.output_doc);
  if (op.attributes.empty()) return text + "\n";
  text += "\n| attribute | meaning |\n|---|---|\n";
  for (const AttributeDef& attribute : op.attributes) {
    text += fmt::format("| `{}` | {}{}{} |\n", attribute.name, attribute.doc,
                        attribute.text     ? " (text)"
                        : attribute.vector ? " (list of integers)"
                        : attribute.real   ? " (real)"
                        : attribute.number ? " (real for float32)"
                                           : "",
                        attribute.otherwise ? "; default " + default_text(*attribute.otherwise) : "");
  }
  return text + "\n";
}

}  // namespace

std::string document_ops() {
  std::string text = R"(# Canonical operators

Generated from the records in `src/ops`: `HEDDLE_REWRITE=1 scripts/test` writes it anew. Images are
NCHW, weights OIHW, values integers where float32 is not mentioned. In brackets: the names that rules use for the sizes of each
dimension. Axes are the loops of the operator; those that index the result can be tiled. Elementwise
operators name theirs by rank: `n k oy ox`, `n k ox`, `n k`, `k`, else `d0 d1 ...`; their sizes are
named for rank 4. Every operator is also of class `any`.

)";
  for (const OpDef* op : all_ops()) text += document_op(*op);
  text.pop_back();
  return text;
}

}  // namespace heddle
