// What was read, as text: one line a fact, in the order of the files, without paths.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <iterator>

#include "base/text.h"
#include "rules/rules.h"

namespace heddle {
namespace {

using Out = std::back_insert_iterator<std::string>;

std::string text_of(const TileDomain& domain) {
  if (domain.full) return "full";
  if (domain.one) return "one";
  if (domain.multiple_of == 1) return "any";
  return fmt::format("multiple of {} or full", domain.multiple_of);
}

std::string_view text_of(TargetKind kind) {
  switch (kind) {
    case TargetKind::cpu:
      return "cpu";
    case TargetKind::accelerator:
      return "accelerator";
    case TargetKind::dma:
      return "dma";
    case TargetKind::library:
      return "library";
  }
  return "target";
}

std::string text_of(const PatternItem& item) {
  std::string text = fmt::format("{}", fmt::join(item.alternatives, " | "));
  if (item.alternatives.size() > 1) text = fmt::format("({})", text);
  if (!item.bound.empty()) text += fmt::format("({})", item.bound);
  if (item.repeat == PatternItem::Repeat::optional) text += "?";
  if (item.repeat == PatternItem::Repeat::star) text += "*";
  return text;
}

std::string text_of(const Pattern& pattern) {
  std::vector<std::string> items;
  for (const PatternItem& item : pattern.items) items.push_back(text_of(item));
  return fmt::format("{}", fmt::join(items, " "));
}

void write_job(Out out, std::string_view what, const Job& job) {
  fmt::format_to(out, "    {} {}(struct {}){}\n", what, job.call, job.struct_name,
                 job.wait.empty() ? "" : fmt::format(" then {}()", job.wait));
  for (const JobField& field : job.fields) {
    fmt::format_to(out, "      .{} = {}\n", field.name, print_text(field.expr));
  }
}

void write_conditions(Out out, std::string_view what, const std::vector<Condition>& conditions) {
  for (const Condition& condition : conditions) {
    fmt::format_to(out, "    {} {} -- {}\n", what, print_text(condition.expr),
                   terminal_text(condition.why, 200));
  }
}

void write_rule(Out out, const Rule& rule) {
  fmt::format_to(out, "  rule {}: {}\n", rule.name, text_of(rule.pattern));
  write_conditions(out, "when", rule.when);
  fmt::format_to(out, "    launch {}\n", print_text(rule.launch));
  fmt::format_to(out, "    compute {}\n", print_text(rule.compute));
  if (!rule.kernel.empty()) fmt::format_to(out, "    kernel {}\n", rule.kernel);
  if (rule.layout)
    fmt::format_to(out, "    layout {}row {} plane {}\n",
                   rule.layout->order == DimOrder::channels_last ? "channels_last " : "",
                   rule.layout->row, rule.layout->plane);
  if (rule.legalise != Legalise{})
    fmt::format_to(out, "    legalise pads {} dense {} depthwise {} channels {}\n",
                   rule.legalise.pads, rule.legalise.dense, rule.legalise.depthwise_width,
                   rule.legalise.channel_multiple);
  for (const OperandPlacement& operand : rule.operands) {
    fmt::format_to(out, "    operand {} in {}\n", operand.operand, operand.memory);
  }
  for (const Packing& packing : rule.packings) {
    fmt::format_to(out, "    pack {} in blocks of {} {}, padded to {}\n", packing.name,
                   packing.block_size, packing.block_axis, packing.block_pad);
    for (const PackPart& part : packing.parts) {
      const bool bits = part.element_bits > 0;
      fmt::format_to(out, "      {} as {} {}: {}", part.operand,
                     bits ? part.element_bits : part.element_bytes, bits ? "bits" : "bytes",
                     fmt::join(part.order, " "));
      if (part.absent != 0) fmt::format_to(out, ", {} if absent", part.absent);
      if (part.fill_bytes > 1) fmt::format_to(out, ", filled to {} bytes", part.fill_bytes);
      fmt::format_to(out, "\n");
    }
  }
  for (const TileDomain& domain : rule.domains) {
    fmt::format_to(out, "    tile {}: {}\n", domain.axis, text_of(domain));
  }
  write_conditions(out, "require", rule.require);
  for (const Preference& preference : rule.prefer) {
    fmt::format_to(out, "    prefer {} * ({}) -- {}\n", preference.weight,
                   print_text(preference.expr), terminal_text(preference.why, 200));
  }
  if (rule.job) write_job(out, "job", *rule.job);
}

void write_memory(Out out, std::string_view what, const Memory& memory) {
  fmt::format_to(out, "  {} {}: {} bytes at 0x{:08X}\n", what, memory.name, memory.bytes,
                 memory.base);
  if (memory.load_cycles + memory.store_cycles + memory.fetch_cycles > 0) {
    fmt::format_to(out, "    CPU: {} cycles more a load, {} a store, {} a fetch\n",
                   memory.load_cycles, memory.store_cycles, memory.fetch_cycles);
  }
}

void write_target(Out out, const Target& target) {
  fmt::format_to(out, "{} {}: {}\n", text_of(target.kind), target.name,
                 terminal_text(target.summary, 200));
  if (target.kind == TargetKind::library)
    fmt::format_to(out, "  files: {} | {}\n", fmt::join(target.headers, " "),
                   fmt::join(target.sources, " "));
  if (target.kind == TargetKind::accelerator || target.kind == TargetKind::dma) {
    fmt::format_to(out, "  registers: {} bytes, base macro {}\n", target.register_bytes,
                   target.base_macro);
    fmt::format_to(out, "  files: {} | {} | {}\n", fmt::join(target.headers, " "),
                   fmt::join(target.sources, " "), fmt::join(target.models, " "));
  }
  for (const Memory& memory : target.memories) write_memory(out, "private memory", memory);
  for (const auto& [key, value] : target.constants)
    fmt::format_to(out, "  unit.{} = {}\n", key, value);
  for (const UnitOption& option : target.options)
    fmt::format_to(out, "  option {} at {}: {} in [{}, {}] -- {}\n", option.name,
                   option.register_offset, option.standard, option.lo, option.hi,
                   terminal_text(option.why, 200));
  for (const auto& [name, memory] : target.uses)
    fmt::format_to(out, "  {} is memory {}\n", name, memory);
  for (const Rule& rule : target.rules) write_rule(out, rule);
  if (!target.transfer) return;
  fmt::format_to(out, "    unit {} bytes\n", target.transfer_unit_bytes);
  if (target.transfer_cycles)
    fmt::format_to(out, "    cycles {}\n", print_text(*target.transfer_cycles));
  write_job(out, "transfer", *target.transfer);
}

void write_unit(Out out, const SocUnit& unit) {
  write_target(out, unit.target);
  if (unit.target.kind != TargetKind::library)
    fmt::format_to(out, "  at 0x{:08X}\n", unit.base);
}

}  // namespace

std::string dump(const Soc& soc) {
  std::string text;
  const Out out = std::back_inserter(text);
  fmt::format_to(out, "soc {}: {}\n", soc.name, terminal_text(soc.summary, 200));
  fmt::format_to(out, "  clock {} Hz\n", soc.clock_hz);
  for (const Memory& memory : soc.memories) write_memory(out, "memory", memory);
  fmt::format_to(out, "  activations in {}, constants in {}, {} bytes reserved\n", soc.main_memory,
                 soc.constant_memory, soc.reserved_bytes);
  fmt::format_to(out, "  program in {}, isa {}, stack of {} bytes, vectors: {} bytes at 0x{:08X}\n",
                 soc.program_memory, name_of(soc.isa), soc.firmware.stack_bytes,
                 soc.firmware.vectors_bytes, soc.firmware.vectors_base);
  fmt::format_to(out, "  uart 0x{:08X}, finisher 0x{:08X}\n", soc.firmware.uart,
                 soc.firmware.finisher);
  for (const auto& [key, value] : soc.cpu_cycles)
    fmt::format_to(out, "  cycles.{} = {}\n", key, value);
  if (soc.energy) {
    fmt::format_to(out, "  energy: {} pJ a cycle of the CPU\n", soc.energy->cpu_pj_per_cycle);
    for (const auto& [key, value] : soc.energy->units)
      fmt::format_to(out, "  energy: {} pJ a busy cycle of {}\n", value, key);
  }
  for (const auto& [key, value] : soc.cpu_constants)
    fmt::format_to(out, "  cpu.{} = {}\n", key, value);
  write_target(out, soc.cpu);
  if (soc.dma) write_unit(out, *soc.dma);
  for (const SocUnit& unit : soc.accelerators) write_unit(out, unit);
  return text;
}

}  // namespace heddle
