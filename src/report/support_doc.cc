#include "report/support_doc.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "match/spine.h"
#include "ops/op.h"

namespace heddle {
namespace {

std::string row(const std::vector<std::string>& cells) {
  return fmt::format("| {} |\n", fmt::join(cells, " | "));
}

std::string heading(const std::vector<std::string>& cells) {
  return row(cells) + row(std::vector<std::string>(cells.size(), "---"));
}

// One column a format; formats that share no operator with the first stand in a list of their own.
std::string formats_tables(std::span<const FormatOperators> formats) {
  const std::set<std::string> first(formats[0].operators.begin(), formats[0].operators.end());
  std::vector<std::string> header{"operator"};
  std::map<std::string, std::vector<std::string>> rows;
  std::string lists;
  for (const FormatOperators& format : formats) {
    const bool shares = std::any_of(format.operators.begin(), format.operators.end(),
                                    [&](const std::string& op) { return first.contains(op); });
    if (!shares) {
      lists += fmt::format("\n**{}**: `{}`.\n", format.format, fmt::join(format.operators, "`, `"));
      continue;
    }
    header.push_back(format.format);
    for (const std::string& op : format.operators) {
      std::vector<std::string>& cells = rows[op];
      cells.resize(header.size() - 2);
      cells.push_back("yes");
    }
  }
  std::string text = heading(header);
  for (auto& [op, cells] : rows) {
    cells.resize(header.size() - 1);
    cells.insert(cells.begin(), "`" + op + "`");
    text += row(cells);
  }
  return text + lists;
}

// "conv2d, add": the rules whose pattern can hold the operator.
std::string rules_with(const Target& target, std::string_view op) {
  std::set<std::string> names;
  for (const Rule& rule : target.rules) {
    const std::vector<PatternItem>& items = rule.pattern.items;
    if (std::any_of(items.begin(), items.end(),
                    [&](const PatternItem& item) { return accepts(item, op); }))
      names.insert("`" + rule.name + "`");
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string targets_table(std::span<const Soc> socs) {
  std::map<std::string, const Target*> targets;
  for (const Soc& soc : socs) {
    for (const SocUnit& unit : soc.accelerators) targets.emplace(unit.target.name, &unit.target);
  }
  std::vector<std::string> header{"canonical operator", "numbers", "CPU"};
  for (const auto& [name, target] : targets) header.push_back("`" + name + "`, rules");
  std::string text = heading(header);
  for (const OpDef* op : all_ops()) {
    const Numbers numbers = op->operands[0].numbers;
    std::vector<std::string> cells{fmt::format("[`{0}`](canonical_operators.md#{0})", op->name),
                                   numbers == Numbers::integers ? "integers"
                                   : numbers == Numbers::reals  ? "float32"
                                                                : "both",
                                   "yes"};
    for (const auto& [name, target] : targets) cells.push_back(rules_with(*target, op->name));
    text += row(cells);
  }
  return text;
}

}  // namespace

std::string document_support(std::span<const FormatOperators> formats, std::span<const Soc> socs) {
  return fmt::format(R"(# Which operators run where

Generated from the importers' tables, the operator records and the accelerators' rules: `HEDDLE_REWRITE=1 scripts/test` writes it
anew. `heddle inspect MODEL` says what a model becomes, `heddle why MODEL --soc S` which layer goes where and what keeps it from
an accelerator.

## What is read

Custom operators count whatever domain they are in; `com.microsoft` forms are read with the standard ones. What a format allows and
Heddle does not (a dynamic shape, a computed weight) is refused with its reason.

{}
## What takes it

Every canonical operator runs on the CPU, as generated C99. An accelerator's rule has conditions beyond its pattern, such as the
rounding dialect; `why` prints each that fails, with its value.

{})",
                     formats_tables(formats), targets_table(socs));
}

}  // namespace heddle
