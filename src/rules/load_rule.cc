// One [[rule]] of an accelerator or a CPU flavour.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"
#include "rules/reading.h"

namespace heddle {
namespace {

std::vector<std::string> listed(const std::set<std::string>& names) {
  return {names.begin(), names.end()};
}

// Operators whose result is no truth value for sure.
bool is_arithmetic(ExprOp op) {
  switch (op) {
    case ExprOp::integer:
    case ExprOp::text:
    case ExprOp::add:
    case ExprOp::sub:
    case ExprOp::mul:
    case ExprOp::div:
    case ExprOp::mod:
    case ExprOp::neg:
    case ExprOp::ceil_div:
      return true;
    default:
      return false;
  }
}

std::vector<Condition> read_conditions(const TomlValue& table, std::string_view key,
                                       const RuleNames& names, Scope scope, Reading& reading) {
  std::vector<Condition> conditions;
  for (const TomlValue& item : items_at(table, key)) {
    const TomlValue* expr = text_at(item, "expr");
    if (expr == nullptr) continue;
    Condition condition;
    condition.text = expr->text;
    condition.why = string_at(item, "why");
    condition.place = expr->place;
    const size_t errors = reading.errors.size();
    condition.expr = read_expr(*expr, names, scope, reading);
    if (errors == reading.errors.size() && is_arithmetic(condition.expr.op)) {
      report(reading, expr->place,
             "a condition must be true or false, but this is a number or a text",
             "compare it with something");
    }
    conditions.push_back(std::move(condition));
  }
  return conditions;
}

Expr expr_at(const TomlValue& table, std::string_view key, const RuleNames& names, Scope scope,
             Reading& reading) {
  const TomlValue* value = text_at(table, key);
  return value == nullptr ? Expr{} : read_expr(*value, names, scope, reading);
}

void check_axis(const std::string& axis, const Place& place, const RuleNames& names,
                Reading& reading) {
  if (names.sizes.contains(axis)) return;
  report(reading, place,
         fmt::format("unknown axis `{}`{}", terminal_text(axis),
                     did_you_mean(axis, listed(names.sizes))));
}

// "full", "any", "one", "multiple of N or full".
TileDomain read_domain(const TomlMember& member, const RuleNames& names, Reading& reading) {
  TileDomain domain;
  domain.axis = member.key;
  check_axis(member.key, member.key_place, names, reading);
  const std::string& text = member.value.text;
  domain.full = text == "full";
  if (!domain.full && names.sizes.contains(member.key) && !names.axes.contains(member.key)) {
    report(reading, member.key_place,
           fmt::format("`{}` is no axis of the result: it cannot be cut", member.key),
           "leave it out, or write `full`");
  }
  domain.one = text == "one";
  if (domain.full || domain.one || text == "any" || text.empty()) return domain;
  constexpr std::string_view kPrefix = "multiple of ";
  constexpr std::string_view kSuffix = " or full";
  int64_t multiple = 0;
  if (text.starts_with(kPrefix) && text.ends_with(kSuffix) &&
      text.size() > kPrefix.size() + kSuffix.size()) {
    const char* begin = text.data() + kPrefix.size();
    const char* end = text.data() + text.size() - kSuffix.size();
    const auto [stop, error] = std::from_chars(begin, end, multiple);
    if (error != std::errc() || stop != end) multiple = 0;
  }
  if (multiple < 1 || multiple > (1 << 20)) {
    report(reading, member.value.place, fmt::format("unknown domain `{}`", terminal_text(text)),
           "a domain is `full`, `any`, `one`, or `multiple of N or full`");
    return domain;
  }
  domain.multiple_of = multiple;
  return domain;
}

void check_order(const TomlValue& entry, const RuleNames& names, Reading& reading) {
  const std::string& text = entry.text;
  if (text.empty() || text == "byte") return;
  const size_t mark = text.find_first_of("/%>");
  check_axis(text.substr(0, mark), entry.place, names, reading);
  if (mark == std::string::npos) return;
  int64_t divisor = 0;
  const bool at_least = text.compare(mark, 2, ">=") == 0;
  const char* const begin = text.data() + mark + (at_least ? 2 : 1);
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(begin, end, divisor);
  if ((text[mark] == '>' && !at_least) || error != std::errc() || stop != end || divisor < 1 ||
      divisor > (1 << 20)) {
    report(reading, entry.place, fmt::format("`{}` does not split an axis", terminal_text(text)),
           "a split is an axis, `/` or `%`, and a number: `c/16`, `c%16`; `c>=16` walks 16 indices or "
           "more");
  }
}

// How one element is stored, and what there is where the operand is absent.
void read_elements(const TomlValue& item, PackPart& part, Reading& reading) {
  part.element_bits = integer_at(item, "element_bits", 0);
  part.absent = integer_at(item, "absent", 0);
  part.fill_bytes = integer_at(item, "fill_bytes", 1);
  const Place bits = part.element_bits > 0 ? place_at(item, "element_bits") : item.place;
  if (part.element_bits > 0 && 8 % part.element_bits != 0) {
    report(reading, bits, fmt::format("elements of {} bits do not fill a byte", part.element_bits),
           "write 1, 2 or 4, or `element_bytes`");
  }
  if (part.element_bits > 0 && part.element_bytes != 1) {
    report(reading, bits, "an element has both `element_bits` and `element_bytes`",
           "leave one of them out");
  }
  if (part.element_bits > 0 &&
      std::find(part.order.begin(), part.order.end(), "byte") != part.order.end()) {
    report(reading, bits, "`byte` walks the bytes of an element, and this one has bits",
           "leave `byte` out, or write `element_bytes`");
  }
  const int64_t half = int64_t{1} << (std::min<int64_t>(part.bits(), 62) - 1);
  if (part.absent < -half || part.absent >= 2 * half) {
    report(reading, place_at(item, "absent"),
           fmt::format("{} bits do not hold {}", part.bits(), part.absent));
  }
}

Packing read_packing(const TomlValue& table, const RuleNames& names, Reading& reading) {
  const std::vector<std::string> constants = listed(names.constants);
  const auto check_constant = [&](const TomlValue* value) {
    if (value == nullptr || names.constants.contains(value->text)) return;
    report(reading, value->place,
           fmt::format("the pattern has no constant operand `{}`{}", terminal_text(value->text),
                       did_you_mean(value->text, constants)));
  };
  Packing packing;
  packing.name = string_at(table, "name");
  check_constant(text_at(table, "name"));
  if (const TomlValue* block = table_at(table, "block")) {
    packing.block_axis = string_at(*block, "axis");
    if (!packing.block_axis.empty()) {
      check_axis(packing.block_axis, place_at(*block, "axis"), names, reading);
    }
    packing.block_size = integer_at(*block, "size", 1);
    packing.block_pad = integer_at(*block, "pad", packing.block_size);
    if (packing.block_pad < packing.block_size) {
      report(reading, place_at(*block, "pad"),
             fmt::format("a block of {} indices has no room in {}", packing.block_size,
                         packing.block_pad));
    }
  }
  for (const TomlValue& item : items_at(table, "parts")) {
    PackPart part;
    part.operand = string_at(item, "operand");
    check_constant(text_at(item, "operand"));
    part.element_bytes = integer_at(item, "element_bytes", 1);
    for (const TomlValue& entry : items_at(item, "order")) {
      check_order(entry, names, reading);
      part.order.push_back(entry.text);
    }
    read_elements(item, part, reading);
    packing.parts.push_back(std::move(part));
  }
  return packing;
}

// Which operand lives where. Every activation and every packing needs a memory.
void read_placements(const TomlValue& table, const RuleNames& names, Rule& rule, Reading& reading) {
  const TomlValue* operands = table_at(table, "operands");
  if (operands == nullptr) return;
  std::set<std::string> placeable = names.packed;
  for (const std::string& name : names.operands) {
    if (!names.constants.contains(name)) placeable.insert(name);
  }
  for (const TomlMember& member : operands->members) {
    if (!placeable.contains(member.key)) {
      report(reading, member.key_place,
             fmt::format("the rule has no operand `{}` to place{}", terminal_text(member.key),
                         did_you_mean(member.key, listed(placeable))),
             names.constants.contains(member.key) ? "a constant needs a `[[rule.pack]]`" : "");
    }
    if (member.value.text.empty()) continue;
    rule.operands.push_back({member.key, member.value.text});
    reading.outside.push_back(
        {OutsideName::Kind::memory, member.value.text, member.value.text, member.value.place});
  }
  std::set<std::string> needed = names.required;
  needed.insert(names.packed.begin(), names.packed.end());
  for (const std::string& name : needed) {
    if (names.placed.contains(name)) continue;
    report(reading, operands->place, fmt::format("`operands` gives `{}` no memory", name));
  }
}

void read_tile(const TomlValue& table, const RuleNames& names, Rule& rule, Reading& reading) {
  const TomlValue* tile = table_at(table, "tile");
  if (tile == nullptr) return;
  if (const TomlValue* dims = table_at(*tile, "dims")) {
    for (const TomlMember& member : dims->members) {
      rule.domains.push_back(read_domain(member, names, reading));
    }
  }
  rule.require = read_conditions(*tile, "require", names, Scope::tile, reading);
  for (const TomlValue& item : items_at(*tile, "prefer")) {
    if (item.kind != TomlKind::table) continue;
    Preference preference;
    preference.expr = expr_at(item, "expr", names, Scope::tile, reading);
    preference.weight = integer_at(item, "weight", 1);
    preference.why = string_at(item, "why");
    rule.prefer.push_back(std::move(preference));
  }
}

// "pads", "depthwise/16", "dense", "channels/16".
void read_legalise(const TomlValue& table, Legalise& legalise, Reading& reading) {
  for (const TomlValue& item : items_at(table, "legalise")) {
    if (item.kind != TomlKind::text) continue;
    const std::string& text = item.text;
    const size_t mark = text.find('/');
    const std::string name = text.substr(0, mark);
    int64_t number = 0;
    if (mark != std::string::npos) {
      const char* end = text.data() + text.size();
      const auto [stop, error] = std::from_chars(text.data() + mark + 1, end, number);
      if (error != std::errc() || stop != end || number < 1 || number > (1 << 16)) number = -1;
    }
    if (text == "pads") {
      legalise.pads = true;
    } else if (text == "dense") {
      legalise.dense = true;
    } else if (name == "depthwise" && number > 0) {
      legalise.depthwise_width = number;
    } else if (name == "channels" && number > 0) {
      legalise.channel_multiple = number;
    } else {
      report(reading, item.place, fmt::format("unknown legalisation `{}`", terminal_text(text)),
             "the legalisations are `pads`, `dense`, `depthwise/N` and `channels/N`");
    }
  }
}

void read_accelerator_part(const TomlValue& table, RuleNames& names, Rule& rule, Reading& reading) {
  rule.layout = BufferLayout{};
  read_legalise(table, rule.legalise, reading);
  if (const TomlValue* layout = table_at(table, "layout")) {
    if (string_at(*layout, "order") == "channels_last")
      rule.layout->order = DimOrder::channels_last;
    rule.layout->row = integer_at(*layout, "row", 1);
    rule.layout->plane = integer_at(*layout, "plane", 1);
  }
  for (const TomlValue& item : items_at(table, "pack")) {
    if (item.kind != TomlKind::table) continue;
    rule.packings.push_back(read_packing(item, names, reading));
    if (!names.packed.insert(rule.packings.back().name).second) {
      report(reading, place_at(item, "name"),
             fmt::format("two packings are called `{}`", terminal_text(rule.packings.back().name)));
    }
  }
  names.packed.erase("");
  if (const TomlValue* operands = table_at(table, "operands")) {
    for (const TomlMember& member : operands->members) names.placed.insert(member.key);
  }
  read_placements(table, names, rule, reading);
  rule.launch = expr_at(table, "launch", names, Scope::tile, reading);
  rule.compute = expr_at(table, "compute", names, Scope::tile, reading);
  read_tile(table, names, rule, reading);
  if (const TomlValue* job = table_at(table, "job")) {
    rule.job = read_job(*job, names, Scope::job, reading);
  }
}

// Addresses are pointers in a library's job: no number is made of them.
void check_pointers(const TomlValue& table, const Rule& rule, Reading& reading) {
  const TomlValue* job = table_at(table, "job");
  const TomlValue* fields = job == nullptr ? nullptr : table_at(*job, "fields");
  if (fields == nullptr || !rule.job) return;
  for (const JobField& field : rule.job->fields) {
    if (field.expr.op == ExprOp::name) continue;
    for (const std::string& name : names_in(field.expr)) {
      if (!name.ends_with(".address")) continue;
      report(reading, place_at(*fields, field.name),
             fmt::format("the field `{}` computes with `{}`, which is a pointer in a library's job",
                         terminal_text(field.name), name),
             "give the pointer and the offset fields of their own");
    }
  }
}

}  // namespace

void report(Reading& reading, const Place& place, std::string message, std::string remedy) {
  reading.errors.push_back(error_at(place, std::move(message), std::move(remedy)));
}

std::string identifier_at(const TomlValue& table, std::string_view key, Reading& reading) {
  const TomlValue* value = text_at(table, key);
  if (value == nullptr) return "";
  if (is_c_identifier(value->text) && value->text.size() <= 63) return value->text;
  report(
      reading, value->place,
      fmt::format("`{}` must be a C identifier, but it is `{}`", key, terminal_text(value->text)),
      fmt::format("for example `{}`", c_identifier(value->text)));
  return "";
}

Expr read_expr(const TomlValue& value, const RuleNames& names, Scope scope, Reading& reading) {
  Result<Expr> expr = parse_expr(value.text, value.place);
  if (!expr.ok()) {
    reading.errors.insert(reading.errors.end(), expr.errors().begin(), expr.errors().end());
    return {};
  }
  check_names(*expr, value.text, value.place, names, scope, reading.errors, reading.outside);
  return *std::move(expr);
}

namespace {

// Whether a field's value can stand in C: as an expression, or, of a job's field without an address,
// as the numbers that it has for each tile.
bool is_writable(const Expr& expr, Scope scope) {
  if (has_c_form(expr)) return true;
  const std::vector<std::string> names = names_in(expr);
  return scope == Scope::job && expr.op != ExprOp::text &&
         std::none_of(names.begin(), names.end(),
                      [](const std::string& name) { return name.ends_with(".address"); });
}

}  // namespace

Job read_job(const TomlValue& table, const RuleNames& names, Scope scope, Reading& reading) {
  Job job;
  job.call = identifier_at(table, "call", reading);
  job.wait = identifier_at(table, "wait", reading);
  job.struct_name = identifier_at(table, "struct", reading);
  const TomlValue* fields = table_at(table, "fields");
  if (fields == nullptr) return job;
  for (const TomlMember& member : fields->members) {
    if (!is_c_identifier(member.key) || member.key.size() > 63) {
      report(
          reading, member.key_place,
          fmt::format("a field must be a C identifier, but it is `{}`", terminal_text(member.key)),
          fmt::format("for example `{}`", c_identifier(member.key)));
    }
    if (member.value.kind != TomlKind::text || member.value.text.empty()) continue;
    const size_t errors = reading.errors.size();
    JobField field{member.key, read_expr(member.value, names, scope, reading)};
    if (errors == reading.errors.size() && !is_writable(field.expr, scope)) {
      report(reading, member.value.place,
             fmt::format("the field `{}` cannot be written in C: it is a text, or holds one beside an "
                         "address, or `min`, `max` and `ceil_div` are nested too deeply",
                         terminal_text(member.key)));
    }
    job.fields.push_back(std::move(field));
  }
  return job;
}

Rule read_rule(const TomlValue& table, TargetKind kind, Reading& reading) {
  Rule rule;
  rule.place = table.place;
  rule.name = identifier_at(table, "name", reading);
  const TomlValue* pattern = text_at(table, "pattern");
  if (pattern == nullptr) return rule;
  Result<Pattern> parsed = parse_pattern(pattern->text, pattern->place);
  if (!parsed.ok()) {
    // Without a pattern nothing is known about names: the rest of the rule waits.
    reading.errors.insert(reading.errors.end(), parsed.errors().begin(), parsed.errors().end());
    return rule;
  }
  rule.pattern = *std::move(parsed);
  RuleNames names = names_of(rule.pattern);
  names.layout = kind != TargetKind::cpu;
  rule.when = read_conditions(table, "when", names, Scope::layer, reading);
  if (kind == TargetKind::accelerator || kind == TargetKind::library) {
    read_accelerator_part(table, names, rule, reading);
    if (kind == TargetKind::library) check_pointers(table, rule, reading);
  } else {
    rule.launch = expr_at(table, "launch", names, Scope::layer, reading);
    rule.compute = expr_at(table, "compute", names, Scope::layer, reading);
    if (text_at(table, "kernel") != nullptr) rule.kernel = identifier_at(table, "kernel", reading);
  }
  return rule;
}

}  // namespace heddle
