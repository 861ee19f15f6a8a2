// rules/SCHEMA.md, from the schema table and the words about the two little languages.
#include <fmt/format.h>

#include "rules/schema.h"

namespace heddle {
namespace {

constexpr std::string_view kIntroduction = R"(# Rule files

This file is printed from the loader's own table; a test compares the two.

Heddle reads TOML: a SoC names its memories and the folders of its units, a policy says what to aim at, and each folder
describes one unit: an accelerator, a DMA, or a flavour of CPU kernels. Every file starts with `schema = 1`. All errors
of a file are reported at once, each with its line and column.
)";

constexpr std::string_view kLanguages = R"(
## Expressions

64-bit integers with checked overflow, texts in quotes, and names. From loose to tight:

| operators | meaning |
|---|---|
| `or` | the right side is looked at only if the left one does not decide |
| `and` | likewise |
| `not` | |
| `==` `!=` `<` `<=` `>` `>=` | two integers, or two texts; comparisons do not chain |
| `in [1, 2]`, `not in [1, 2]` | a list of integers or of texts; a set of values on the left means every one of them |
| `+` `-` | |
| `*` `/` `mod` | `/` and `mod` round towards minus infinity |
| `-` | |
| `min(a, b)` `max(a, b)` `ceil_div(a, b)` | `min` and `max` take two to eight arguments |

A truth value is the integer 0 or 1; there is no other implicit conversion. At most 2,000 characters and 64 levels of
brackets.

### Names

The *anchor* is the first operator that a pattern matched; docs/canonical_operators.md lists the sizes of each operator.

| name | layer | tile | job | meaning |
|---|---|---|---|---|
| `k`, `oy`, `c`, `fy`, ... | x | x | x | axes of the anchor and dimensions of its operands; of a tile where there is one |
| `layer.k`, ... | | x | x | the same of the whole layer |
| `last.oy`, ... | | x | x | size of the axis in its last tile, which may be smaller |
| `inside.fy`, `inside.fx` | x | x | x | how many values of a reduction axis fall inside the image, summed over the layer's or the tile's values of the axis that shares the dimension |
| `pad.top`, `.left`, `.bottom`, `.right` | | x | x | padding that the tile needs |
| `conv2d.stride_h`, ... | x | x | x | an attribute of an operator that the pattern may match; a condition that mentions one of an absent operator holds |
| `requant.present`, ... | x | x | x | 1 if the operator was matched |
| `requant_2.shift`, `mul_2.max`, ... | x | x | x | where a pattern names an operator twice: the second one, and its operands |
| `x.bits`, `.signed`, `.lo`, `.hi`, `.elements`, `.rank`, `.dtype` | x | x | x | of an operand or the result `y`: type, proven range, shape; `.dtype` is a text like 'int8' |
| `x.d0`, ... `x.d7` | x | x | x | its sizes, as a whole, the outermost first |
| `x.bytes` | x | x | x | its size: dense of a layer, with the device's padding of a tile (one copy) |
| `bias.present`, ... | x | x | x | 1 if the match has the operand |
| `x.constant` | x | x | x | 1 if the operand is a constant |
| `weights.values`, `.min`, `.max` | x | x | x | all values of a constant of integers |
| `x.pitch`, `x.plane` | | x | x | bytes from a row, or a plane, of the tile to the next |
| `x.address` | | | x | bus address of the tile; in a library's job a C pointer |
| `memory.l1.bytes`, ... | x | x | x | size of a memory of the SoC, or of a private one |
| `memory.l1.present`, ... | x | x | x | 1 if there is such a memory, else 0 |
| `layout.order`, `.row`, `.plane` | x | x | x | the rule's own `layout`; the order is a text. What a model's file has is no matter: values are N, C, H, W until a rule's layout says how they lie in memory |
| `soc.name`, `soc.clock_hz` | x | x | x | of the SoC; the name is a text |
| `cpu.<key>` | x | x | x | a number of the SoC's `[cpu.constants]` |
| `cpu.isa` | x | x | x | the SoC's `cpu.isa`, a text like 'rv32imc' |
| `macs` | x | x | x | multiply-accumulates: of a layer those of all its operators, of a tile the anchor's |

A transfer knows `source`, `destination` (bus addresses), `row_bytes`, `rows`, `planes`, and in bytes
`source_row_stride`, `source_plane_stride`, `destination_row_stride`, `destination_plane_stride`.

## Patterns

A pattern is a regular expression over operators along a spine of the dataflow: each operator reads the result of the
one before it, and nobody else does. Every match that the conditions accept is a candidate, the longest first; the schedule
decides between those that overlap.

| piece | meaning |
|---|---|
| `conv2d` | an operator of docs/canonical_operators.md |
| `mac`, `pool`, `map`, `view`, `any` | an operator of this class |
| `(conv2d \| dense)` | one of them |
| `bias_add?` | it, or nothing |
| `map*` | any number of them |
| `add(residual)` | binds the operand off the spine to the name `residual`, one of the operator's or of your own; no blank before the bracket. Of an operator whose operands are not alike (`matmul`, `sub`) it is the second one, and the spine is the first |

Several operators may bind one operand each, by their place in the pattern:
`matmul(keys) requant (i_softmax | ita_max) matmul(values) requant` is attention, with the queries as `x`. Where the result has
another shape than that of the anchor, or an operator after it does not work element by element, nothing can be tiled: leave
out `tile.dims`, and every operand is whole.
)";

std::string_view type_text(KeyType type) {
  switch (type) {
    case KeyType::integer:
      return "integer";
    case KeyType::boolean:
      return "boolean";
    case KeyType::text:
      return "text";
    case KeyType::expression:
      return "expression";
    case KeyType::pattern:
      return "pattern";
    case KeyType::text_list:
      return "list of texts";
    case KeyType::table:
      return "table";
    case KeyType::table_list:
      return "list of tables";
    case KeyType::text_map:
      return "table of texts";
    case KeyType::expression_map:
      return "table of expressions";
    case KeyType::integer_map:
      return "table of integers";
    case KeyType::names:
      return "table of names";
  }
  return "";
}

std::string presence(const KeyDef& def) {
  if (def.required) return "required";
  if (def.fallback.empty()) return "optional";
  return fmt::format("`{}`", def.fallback);
}

std::string range(const KeyDef& def) {
  if (def.type != KeyType::integer) return "";
  if (def.least == def.most) return "";
  return fmt::format("; {} to {}", def.least, def.most);
}

}  // namespace

std::string document_schema() {
  std::string text(kIntroduction);
  for (const Schema& schema : all_schemas()) {
    text +=
        fmt::format("\n## `{}`\n\n{}\n\n| key | type | default | meaning |\n|---|---|---|---|\n",
                    schema.file, schema.summary);
    for (const KeyDef& def : schema.keys) {
      text += fmt::format("| `{}` | {} | {} | {}{} |\n", def.path, type_text(def.type),
                          presence(def), def.doc, range(def));
    }
  }
  return text + std::string(kLanguages);
}

}  // namespace heddle
