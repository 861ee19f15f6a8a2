#include "rules/schema.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/diagnostic.h"
#include "rules/rules.h"

namespace heddle {
namespace {

constexpr int64_t kMaxAddress = 0xFFFFFFFF;
constexpr int64_t kMaxBytes = int64_t{1} << 32;
constexpr int64_t kMaxCount = 1 << 20;
constexpr int64_t kMaxConstant = 0x7FFFFFFF;
constexpr bool kRequired = true;
constexpr bool kOptional = false;

std::vector<KeyDef> identity(std::string_view what, std::string_view kinds = "") {
  std::vector<KeyDef> keys = {
      {"schema", KeyType::integer, kRequired, "version of this format: 1", "", 1, kSchemaVersion},
      {"name", KeyType::text, kRequired, what},
  };
  if (!kinds.empty()) {
    KeyDef kind{"kind", KeyType::text, kRequired, "what this folder describes"};
    kind.choices = kinds;
    keys.push_back(kind);
  }
  keys.push_back({"summary", KeyType::text, kRequired, "one line for tables and reports"});
  return keys;
}

std::vector<KeyDef> unit_keys() {
  return {
      {"registers", KeyType::integer, kRequired, "bytes of the register window", "", 4, kMaxCount},
      {"wait_register", KeyType::integer, kOptional,
       "offset of a register whose load stalls the processor until the unit is idle; -1: none", "-1",
       -1, kMaxCount},
      {"base_macro", KeyType::text, kRequired,
       "C macro of `driver.h` that the bundle defines as the window's bus address"},
      {"headers", KeyType::text_list, kRequired,
       "C headers in this folder, copied into the bundle"},
      {"sources", KeyType::text_list, kRequired, "C files of the driver, compiled into firmware"},
      {"models", KeyType::text_list, kRequired,
       "C files of the unit's model (`heddle_model.h`), for the host only"},
      {"constants", KeyType::integer_map, kOptional,
       "numbers that expressions see as `unit.<key>` and C files as the macro `NAME_KEY` in "
       "capitals, with their values where the SoC sets no others",
       "", 0, kMaxConstant},
  };
}

// What is set for a run of the unit's model.
std::vector<KeyDef> option_keys() {
  return {
      {"option", KeyType::table_list, kOptional,
       "what `heddle run --option UNIT.NAME=VALUE` may set: registers of the model, which no silicon "
       "has; a run with one of them is not held against the reference"},
      {"option[].name", KeyType::text, kRequired, "an identifier, distinct in the file"},
      {"option[].register", KeyType::integer, kRequired,
       "offset of the model's register that is written after reset", "", 4, kMaxCount},
      {"option[].default", KeyType::integer, kRequired, "the register's value after reset", "", 0,
       kMaxConstant},
      {"option[].lo", KeyType::integer, kRequired, "the least value", "", 0, kMaxConstant},
      {"option[].hi", KeyType::integer, kRequired, "the greatest value", "", 0, kMaxConstant},
      {"option[].why", KeyType::text, kRequired, "what it does, and in which unit its number is"},
  };
}

std::vector<KeyDef> call_keys(std::string_view table) {
  static const std::vector<KeyDef> job = {
      {"rule[].job.call", KeyType::text, kRequired,
       "driver function that starts a job and does not wait: `void call(const struct *)`"},
      {"rule[].job.wait", KeyType::text, kRequired,
       "driver function that returns when the unit is idle: `void wait(void)`"},
      {"rule[].job.struct", KeyType::text, kRequired,
       "C type of the job, from the driver's header"},
      {"rule[].job.fields", KeyType::expression_map, kRequired,
       "members of the job and their values; names of a job"},
  };
  static const std::vector<KeyDef> transfer = {
      {"transfer.call", KeyType::text, kRequired,
       "driver function that starts a transfer and does not wait: `void call(const struct *)`"},
      {"transfer.wait", KeyType::text, kRequired,
       "driver function that returns when the unit is idle: `void wait(void)`"},
      {"transfer.struct", KeyType::text, kRequired,
       "C type of the transfer, from the driver's header"},
      {"transfer.fields", KeyType::expression_map, kRequired,
       "members of the transfer and their values; names of a transfer"},
  };
  return table == "transfer" ? transfer : job;
}

std::vector<KeyDef> rule_keys(bool accelerator) {
  std::vector<KeyDef> keys = {
      {"rule", KeyType::table_list, kRequired, "what the unit can do, one table for each pattern"},
      {"rule[].name", KeyType::text, kRequired, "an identifier, distinct in the file"},
      {"rule[].pattern", KeyType::pattern, kRequired, "operators that one job computes"},
      {"rule[].when", KeyType::table_list, kOptional,
       "conditions on the layer; each one that does not hold is reported"},
      {"rule[].when[].expr", KeyType::expression, kRequired, "must be 1; names of a layer"},
      {"rule[].when[].why", KeyType::text, kRequired,
       "the reason, a sentence in present tense: it is the message of a refusal"},
      {"rule[].launch", KeyType::expression, kRequired, "cycles of one job before it computes"},
      {"rule[].compute", KeyType::expression, kRequired,
       accelerator ? "cycles of one job; names of a tile"
                   : "cycles of the kernel; names of a layer"},
  };
  if (!accelerator) {
    keys.push_back({"rule[].kernel", KeyType::text, kOptional,
                    "the kernel generator of the tool that writes its C; absent: the generic one, from "
                    "the operators' records"});
    return keys;
  }
  KeyDef order{"rule[].layout.order", KeyType::text, kOptional,
               "the order of dimensions: `channels_first` as in the shape (N, C, H, W), or `channels_last` "
               "(N, H, W, C); `row` and `plane` speak of this order",
               "channels_first"};
  order.choices = "channels_first channels_last";
  const std::vector<KeyDef> more = {
      {"rule[].legalise", KeyType::text_list, kOptional,
       "other forms in which the rule may take a layer, where that pays: `pads`, padding is an "
       "operator of its own on the CPU; `depthwise/16`, a depthwise convolution as a dense one in "
       "groups of up to 16 channels; `dense`, a dense layer as a 1x1 convolution; `channels/16`, channels "
       "padded to a multiple of 16"},
      {"rule[].layout", KeyType::table, kRequired,
       "how activations lie in memory while the unit works on them"},
      order,
      {"rule[].layout.row", KeyType::integer, kOptional,
       "the innermost dimension's pitch is a multiple of this many elements", "1", 1, kMaxCount},
      {"rule[].layout.plane", KeyType::integer, kOptional,
       "the last two dimensions together take a multiple of this many bytes", "1", 1, kMaxCount},
      {"rule[].operands", KeyType::text_map, kRequired,
       "the memory of each operand of a job: one of the SoC's, or a private one; in the SoC's main "
       "memory (packed constants: in its constant memory) the job works on the operand in place"},
      {"rule[].pack", KeyType::table_list, kOptional, "constants packed for the unit"},
      {"rule[].pack[].name", KeyType::text, kRequired, "the operand that the expressions see"},
      {"rule[].pack[].block", KeyType::table, kRequired,
       "the buffer is a row of blocks along an axis"},
      {"rule[].pack[].block.axis", KeyType::text, kRequired, "the axis"},
      {"rule[].pack[].block.size", KeyType::integer, kRequired, "indices of a block", "", 1,
       kMaxCount},
      {"rule[].pack[].block.pad", KeyType::integer, kOptional,
       "indices that a block has room for, filled up with zeros; `size` if absent", "", 1,
       kMaxCount},
      {"rule[].pack[].parts", KeyType::table_list, kRequired,
       "what a block holds, one part after the other"},
      {"rule[].pack[].parts[].operand", KeyType::text, kRequired,
       "a constant operand; `absent` says what is packed where it is absent"},
      {"rule[].pack[].parts[].element_bytes", KeyType::integer, kOptional,
       "bytes of an element; 4 for float32: the words of IEEE 754",
       "1", 1, 8},
      {"rule[].pack[].parts[].element_bits", KeyType::integer, kOptional,
       "instead of `element_bytes`: 1, 2 or 4 bits of an element, in two's complement; the first "
       "element of a byte has its least significant bits",
       "", 1, 4},
      {"rule[].pack[].parts[].absent", KeyType::integer, kOptional,
       "each element where the operand is absent: 1 for the multipliers of a requantisation", "0",
       -kMaxCount, kMaxCount},
      {"rule[].pack[].parts[].fill_bytes", KeyType::integer, kOptional,
       "the part takes a multiple of this many bytes, filled up with zeros", "1", 1, kMaxCount},
      {"rule[].pack[].parts[].order", KeyType::text_list, kRequired,
       "axes, outermost first; `c/16` and `c%16` split an axis, `c>=64` walks 64 indices of it at "
       "least (zeros beyond), `byte` walks the bytes of an element, least significant first"},
      {"rule[].tile", KeyType::table, kRequired, "how a layer may be cut into jobs"},
      {"rule[].tile.dims", KeyType::text_map, kOptional,
       "the sizes an axis may take: `full`, `any`, `one` (a job for each index: the groups `g` of a "
       "convolution), or `multiple of N or full`; an axis that is not named stays whole"},
      {"rule[].tile.require", KeyType::table_list, kOptional, "constraints on a tile"},
      {"rule[].tile.require[].expr", KeyType::expression, kRequired, "must be 1; names of a tile"},
      {"rule[].tile.require[].why", KeyType::text, kRequired, "the reason, for reports"},
      {"rule[].tile.prefer", KeyType::table_list, kOptional,
       "decides between tiles of equal latency: the least sum of `weight * expr` wins"},
      {"rule[].tile.prefer[].expr", KeyType::expression, kRequired, "names of a tile"},
      {"rule[].tile.prefer[].weight", KeyType::integer, kOptional, "its factor", "1", -kMaxCount,
       kMaxCount},
      {"rule[].tile.prefer[].why", KeyType::text, kRequired, "the reason, for reports"},
      {"rule[].job", KeyType::table, kRequired, "the call that the generated C makes"},
  };
  keys.insert(keys.end(), more.begin(), more.end());
  const std::vector<KeyDef> call = call_keys("job");
  keys.insert(keys.end(), call.begin(), call.end());
  return keys;
}

// A library has no device: neither registers nor a model, and its call has done the job when it returns.
std::vector<KeyDef> library_keys() {
  std::vector<KeyDef> keys;
  for (const KeyDef& key : unit_keys()) {
    if (key.path == "headers" || key.path == "sources" || key.path == "constants")
      keys.push_back(key);
  }
  for (KeyDef key : rule_keys(true)) {
    if (key.path == "rule[].job.wait") continue;
    if (key.path == "rule[].job.call")
      key.doc = "function of the library that does the job: `void call(const struct *)`";
    if (key.path == "rule[].operands")
      key.doc = "the memory of each operand of a job: the SoC's main memory, for packed constants its "
                "constant memory; addresses are C pointers";
    if (key.path == "rule[].layout" || key.path == "rule[].tile") key.required = kOptional;
    keys.push_back(key);
  }
  return keys;
}

// Where firmware runs: what a core's instructions cost, the test bench, energy.
std::vector<KeyDef> bench_keys() {
  std::vector<KeyDef> keys = {
      {"cpu.cycles", KeyType::table, kOptional,
       "cycles of the core's instructions, for the virtual SoC"},
      {"cpu.cycles.source", KeyType::text, kRequired, "where the numbers are from"},
  };
  static const std::vector<std::string> paths = [] {
    std::vector<std::string> names;
    for (const CycleClass& c : kCycleClasses) names.push_back("cpu.cycles." + std::string(c.name));
    return names;
  }();
  for (size_t i = 0; i < kCycleClasses.size(); ++i) {
    keys.push_back({paths[i], KeyType::integer, kOptional, kCycleClasses[i].doc,
                    kCycleClasses[i].fallback, 0, kMaxCount});
  }
  static const std::string stack_bytes = std::to_string(Firmware{}.stack_bytes);
  const std::vector<KeyDef> rest = {
      {"firmware", KeyType::table, kOptional, "the test bench around the SoC"},
      {"firmware.stack_bytes", KeyType::integer, kOptional, "the stack, in main memory",
       stack_bytes, 256, kMaxBytes},
      {"firmware.uart", KeyType::integer, kOptional,
       "bus address that firmware prints to: a 16550's transmit register, or, of a Cortex-M, a "
       "CMSDK UART; an address that is free if absent",
       "", 0, kMaxAddress},
      {"firmware.finisher", KeyType::integer, kOptional,
       "bus address of SiFive's test finisher, which ends the run; not for a Cortex-M, which ends "
       "by "
       "semihosting; an address that is free if absent",
       "", 0, kMaxAddress},
      {"firmware.vectors", KeyType::table, kOptional,
       "where golden vectors lie, outside of the SoC's memories; 16 MiB that are free if absent"},
      {"firmware.vectors.base", KeyType::integer, kRequired, "bus address", "", 0, kMaxAddress},
      {"firmware.vectors.bytes", KeyType::integer, kRequired, "its size", "", 1, kMaxBytes},
      {"energy", KeyType::table, kOptional, "what reports make of cycles"},
      {"energy.source", KeyType::text, kRequired, "where the numbers are from"},
      {"energy.cpu_pj_per_cycle", KeyType::integer, kRequired,
       "picojoules of a cycle of the processor, memories included", "", 0, kMaxCount},
      {"energy.units", KeyType::integer_map, kOptional, "picojoules of a busy cycle of each unit"},
  };
  keys.insert(keys.end(), rest.begin(), rest.end());
  return keys;
}

std::vector<KeyDef> soc_keys() {
  static const std::string isas = fmt::format("{}", fmt::join(kIsaNames, " "));
  KeyDef isa{"cpu.isa", KeyType::text, kOptional, "what firmware is compiled for", kIsaNames[0]};
  isa.choices = isas;
  return {
      {"extends", KeyType::text, kOptional,
       "another SoC's file, relative to this one, whose values hold where this file says nothing; tables are "
       "merged, and so are those of lists that have the same `name` or `unit`"},
      {"clock_hz", KeyType::integer, kRequired, "cycles a second", "", 1, int64_t{1} << 40},
      {"main_memory", KeyType::text, kRequired, "the memory that holds activations (the arena)"},
      {"constant_memory", KeyType::text, kRequired,
       "the memory that holds constants: main memory, or flash"},
      {"program_memory", KeyType::text, kOptional,
       "the memory that holds code; `constant_memory` if absent"},
      {"reserved_bytes", KeyType::integer, kOptional,
       "bytes of main memory that the program and its stack take", "0", 0, kMaxBytes},
      {"memory", KeyType::table_list, kRequired, "the memories that units share"},
      {"memory[].name", KeyType::text, kRequired, "an identifier"},
      {"memory[].bytes", KeyType::integer, kRequired, "its size", "", 1, kMaxBytes},
      {"memory[].base", KeyType::integer, kRequired, "its bus address", "", 0, kMaxAddress},
      {"memory[].load_cycles", KeyType::integer, kOptional,
       "cycles of a load by the processor beyond the instruction's own", "0", 0, kMaxCount},
      {"memory[].store_cycles", KeyType::integer, kOptional, "likewise of a store", "0", 0,
       kMaxCount},
      {"memory[].fetch_cycles", KeyType::integer, kOptional, "likewise of fetching an instruction",
       "0", 0, kMaxCount},
      {"cpu", KeyType::table, kRequired, "the processor"},
      {"cpu.flavour", KeyType::text, kRequired, "folder with a `cpu.toml`, relative to this file"},
      isa,
      {"cpu.constants", KeyType::integer_map, kOptional,
       "what cost expressions see as `cpu.<key>`. Of the tool's own meaning: `driver_call` and "
       "`driver_field`, cycles of the CPU for a call of a driver and for each member of its struct, and "
       "for the copies of the network's inputs and outputs `copy_call`, cycles of each, `copy_row`, of a run of elements that lie in "
       "one piece, `copy_step_x10`, tenths of a cycle of each of its words, or bytes where they are not "
       "aligned, and `copy_x10`, tenths of a cycle of an element that is copied alone (of every element, if "
       "the two before are absent)"},
      {"dma", KeyType::table, kOptional,
       "moves data between main memory and every other memory; accelerators need it unless they "
       "work in place"},
      {"dma.unit", KeyType::text, kRequired, "folder with a `dma.toml`, relative to this file"},
      {"dma.base", KeyType::integer, kRequired, "bus address of its registers", "", 0, kMaxAddress},
      {"dma.constants", KeyType::integer_map, kOptional,
       "other values for some of the unit's constants", "", 0, kMaxConstant},
      {"accelerator", KeyType::table_list, kOptional, "the accelerators, in order of preference"},
      {"accelerator[].unit", KeyType::text, kRequired,
       "folder with an `accelerator.toml`, relative to this file"},
      {"accelerator[].base", KeyType::integer, kRequired, "bus address of its registers", "", 0,
       kMaxAddress},
      {"accelerator[].memory", KeyType::integer_map, kOptional,
       "bus address of each private memory"},
      {"accelerator[].constants", KeyType::integer_map, kOptional,
       "other values for some of the unit's constants", "", 0, kMaxConstant},
      {"accelerator[].uses", KeyType::text_map, kOptional,
       "the SoC's memory behind a name of a memory in the unit's rules"},
      {"library", KeyType::table_list, kOptional,
       "kernels by hand, which the processor runs; after the accelerators in order of preference"},
      {"library[].unit", KeyType::text, kRequired,
       "folder with a `library.toml`, relative to this file"},
      {"library[].constants", KeyType::integer_map, kOptional,
       "other values for some of the library's constants", "", 0, kMaxConstant},
      {"library[].uses", KeyType::text_map, kOptional,
       "the SoC's memory behind a name of a memory in the library's rules"},
  };
}

// Which layers an entry of `list` speaks of, and the target that it names.
std::vector<KeyDef> selector_keys(bool pin) {
  const auto path = [&](std::string_view of_prefer, std::string_view of_pin) {
    return pin ? of_pin : of_prefer;
  };
  return {
      {path("prefer[].layers", "pin[].layers"), KeyType::text, kOptional,
       "a regular expression (RE2) that must match a layer's whole name"},
      {path("prefer[].kind", "pin[].kind"), KeyType::text, kOptional,
       "a regular expression that must match the layer's operator or one of its classes: "
       "`depthwise_conv2d`, `mac`, `.*conv2d`"},
      {path("prefer[].accepted_by", "pin[].accepted_by"), KeyType::text, kOptional,
       "only layers that a rule of this target accepts"},
      {path("prefer[].index", "pin[].index"), KeyType::text, kOptional,
       "only one of those that the rest selects: `first`, `last`, or its number from 0"},
      {path("prefer[].target", "pin[].target"), KeyType::text, kRequired,
       "the name of an accelerator or library, or `cpu`"},
  };
}

std::vector<KeyDef> policy_keys() {
  KeyDef objective{"objective", KeyType::text, kRequired,
                   "`latency`: fewest modelled cycles; `energy`: fewest picojoules, by the SoC's "
                   "`[energy]`; `weighted`: the least sum of both; `fewest_switches`: fewest changes "
                   "between targets, then fewest cycles; `first_match`: the first accelerator that "
                   "accepts, longest pattern first"};
  objective.choices = "latency energy weighted fewest_switches first_match";
  std::vector<KeyDef> keys = {
      objective,
      {"weights", KeyType::table, kOptional, "of the objective `weighted`"},
      {"weights.latency", KeyType::integer, kRequired, "of a cycle", "", 0, kMaxCount},
      {"weights.energy", KeyType::integer, kRequired, "of a nanojoule", "", 0, kMaxCount},
      {"avoid", KeyType::text_list, kOptional,
       "accelerators that must not be used, or rules of them (`unit/rule`); `*` stands for all"},
      {"residents", KeyType::boolean, kOptional,
       "whether values may stay in memories that units share, from one layer to the next; under "
       "`first_match` they never do", "true"},
      {"legalise", KeyType::boolean, kOptional,
       "whether rules may take layers in the other forms that they allow", "true"},
      {"target_order", KeyType::text_list, kOptional,
       "targets, best first: decides under `first_match` and between equal costs; those left out "
       "follow in the order of the SoC, the CPU last"},
      {"execution_order", KeyType::text_list, kOptional,
       "regular expressions of layer names: these layers run in this order where the dataflow "
       "allows it, others keep theirs"},
      {"prefer", KeyType::table_list, kOptional,
       "costs that the schedule sees smaller or larger than they are; layers are nodes that a "
       "rule's pattern begins at"},
  };
  const std::vector<KeyDef> prefer = selector_keys(false), pin = selector_keys(true);
  keys.insert(keys.end(), prefer.begin(), prefer.end());
  keys.push_back({"prefer[].percent", KeyType::integer, kRequired,
                  "what the schedule counts of the cost that these layers have on the target", "",
                  1, 10'000});
  keys.push_back({"pin", KeyType::table_list, kOptional,
                  "layers that must run on one target; `--place` adds to them"});
  keys.insert(keys.end(), pin.begin(), pin.end());
  keys.push_back({"pin[].optional", KeyType::boolean, kOptional,
                  "not an order but a default, for policies that fit any network: it has those of its "
                  "layers that no other pin has and that the target accepts; if there are none, that "
                  "is noted", "false"});
  return keys;
}

std::vector<KeyDef> joined(std::vector<std::vector<KeyDef>> groups) {
  std::vector<KeyDef> keys;
  for (const std::vector<KeyDef>& group : groups)
    keys.insert(keys.end(), group.begin(), group.end());
  return keys;
}

std::vector<Schema> make_schemas() {
  const std::vector<KeyDef> memories = {
      {"memory", KeyType::table_list, kOptional, "private memories; the SoC says where they lie"},
      {"memory[].name", KeyType::text, kRequired, "an identifier"},
      {"memory[].bytes", KeyType::integer, kRequired, "its size", "", 1, kMaxBytes},
  };
  const std::vector<KeyDef> transfer = {
      {"transfer", KeyType::table, kRequired, "a strided transfer: planes x rows x row_bytes"},
      {"transfer.unit_bytes", KeyType::integer, kOptional,
       "`row_bytes` is always a multiple of this many bytes", "1", 1, 4096},
      {"transfer.cycles", KeyType::expression, kRequired, "its cycles; names of a transfer"},
  };
  const std::string_view name = "an identifier; policies and options call the unit by it";
  return {
      {FileKind::soc, "rules/soc/*.toml",
       "A system on chip: memories, processor, DMA and accelerators. Folders are named relative to "
       "the "
       "file; a folder that is not there is looked for by its last part in the folders of "
       "`--accelerators` and `HEDDLE_PATH`.",
       joined({identity("an identifier"), soc_keys(), bench_keys()})},
      {FileKind::policy, "rules/policy/*.toml", "What the schedule aims at.",
       joined({identity("an identifier"), policy_keys()})},
      {FileKind::accelerator, "accelerator.toml",
       "An accelerator: a folder with this file, the driver and the model.",
       joined({identity(name, "accelerator"), unit_keys(), option_keys(), memories, rule_keys(true)})},
      {FileKind::dma, "dma.toml", "A DMA: a folder with this file, the driver and the model.",
       joined({identity(name, "dma"), unit_keys(), option_keys(), transfer, call_keys("transfer")})},
      {FileKind::library, "library.toml",
       "Kernels by hand: a folder with this file and C code that the processor runs, in place.",
       joined({identity(name, "library"), library_keys()})},
      {FileKind::cpu, "cpu.toml",
       "A flavour of the processor's kernels. Its last rule must accept every operator.",
       joined({identity(name, "cpu"),
               {{"constants", KeyType::integer_map, kOptional,
                 "`cpu.<key>` where a SoC does not say otherwise in its `[cpu.constants]`"}},
               rule_keys(false)})},
      {FileKind::cases, "accelerators/*/cases/*.toml",
       "Layers of which their author says what a rule must make of them; `heddle check` holds the folder "
       "against them, and runs those that are accepted.",
       case_keys()},
  };
}

}  // namespace

const std::vector<Schema>& all_schemas() {
  static const std::vector<Schema> schemas = make_schemas();
  return schemas;
}

const Schema& schema_of(FileKind kind) {
  for (const Schema& schema : all_schemas()) {
    if (schema.kind == kind) return schema;
  }
  internal_error(__FILE__, __LINE__, "a kind of file without a schema");
}

}  // namespace heddle
