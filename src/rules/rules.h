// Rule folders, SoCs and policies as data, read from TOML. rules/SCHEMA.md explains every key; it
// is printed from the loader's own table (schema.h).
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "expr/expr.h"

namespace heddle {

// `conv2d bias_add? requant relu?`, `(conv2d | dense) map*`, `add(residual) requant`: a regular
// expression over operator names and classes along a dataflow spine.
struct PatternItem {
  std::vector<std::string> alternatives;  // operator names or classes
  std::string bound;  // operand off the spine bound by name: add(residual); may be empty
  enum class Repeat : uint8_t { once, optional, star } repeat = Repeat::once;
};
struct Pattern {
  std::string text;
  std::vector<PatternItem> items;
};

struct Condition {
  Expr expr;
  std::string text;
  std::string why;  // the reject message
  Place place;
};

// The order of an activation's dimensions in memory, outermost first. `channels_first`: as in its
// shape (N, C, H, W). `channels_last`: the second dimension is the innermost one (N, H, W, C).
enum class DimOrder : uint8_t { channels_first, channels_last };

// One activation buffer as the device wants it, in every memory: the innermost dimension's pitch is
// a multiple of `row` elements, the last two dimensions together a multiple of `plane` bytes; last
// and innermost in the order of memory.
struct BufferLayout {
  int64_t row = 1;
  int64_t plane = 1;
  DimOrder order = DimOrder::channels_first;
  bool operator==(const BufferLayout&) const = default;
};

// Constants packed for the device: blocks of `block_size` along `block_axis` (padded with zeros to
// `block_pad`), each block the parts one after the other. `order` lists axes outermost first;
// "c/16" and "c%16" split an axis (padded to a multiple of 16), "c>=64" walks 64 indices of it at
// least (zeros beyond), "byte" walks the bytes of an element, least significant first.
struct PackPart {
  std::string operand;  // "weights", "bias"
  int64_t element_bytes = 1;
  std::vector<std::string> order;  // {"c", "fy", "fx", "k"}
  // 1, 2 or 4: elements of so many bits, in two's complement, least significant bits of a byte
  // first; 0: whole bytes.
  int64_t element_bits = 0;
  int64_t absent = 0;      // each element where the operand is absent
  int64_t fill_bytes = 1;  // the part takes a multiple of this many bytes, filled up with zeros
  int64_t bits() const { return element_bits > 0 ? element_bits : 8 * element_bytes; }
};
struct Packing {
  std::string name;        // the operand the rule's expressions see: "weights"
  std::string block_axis;  // "k"
  int64_t block_size = 16;
  int64_t block_pad = 16;
  std::vector<PackPart> parts;
};

// Where an operand of one job lives while the job runs: "l1" or a private memory of the
// accelerator, into which the DMA moves tiles; or the memory where it lies anyway (the SoC's main
// memory, for packed constants its constant memory), where the job works on it in place.
struct OperandPlacement {
  std::string operand;  // "x", "residual", "y", or a Packing's name
  std::string memory;
};

struct TileDomain {
  std::string axis;         // "k"
  bool full = false;        // only the whole axis
  bool one = false;         // one index of it a tile: groups of a convolution
  int64_t multiple_of = 1;  // "multiple of 16 or full"
};

struct Preference {  // subtracts `weight * expr` in a tie between tiles of equal latency; lower is
                     // better
  Expr expr;
  int64_t weight = 1;
  std::string why;
};

struct JobField {
  std::string name;  // member of the job's struct
  Expr expr;
};
struct Job {
  std::string call;  // starts the job, does not wait: void call(const struct *)
  std::string wait;  // returns when the unit is idle: void wait(void)
  std::string struct_name;
  std::vector<JobField> fields;
};

// In which other form a rule may be offered a layer that it does not take as it is
// (src/legalise/legalise.h): `legalise = ["pads", "depthwise/16", "dense", "channels/16"]`.
struct Legalise {
  bool pads = false;            // pads become an operator of their own, on the CPU
  bool dense = false;           // a dense layer as a 1x1 convolution
  int64_t depthwise_width = 0;  // a depthwise convolution as one in groups of up to this many channels
  int64_t channel_multiple = 0;  // input and output channels padded to a multiple of this
  bool operator==(const Legalise&) const = default;
};

struct Rule {
  bool packs(std::string_view operand) const;  // a Packing has this name

  std::string name;
  Pattern pattern;
  std::vector<Condition> when;
  Expr launch;   // cycles of one job before it computes
  Expr compute;  // cycles of one job; sizes are those of one tile
  std::string kernel{};  // CPU targets: name of a kernel generator (cpu_codegen); empty: the generic one
  // The rest is absent for rules of a CPU target.
  std::optional<BufferLayout> layout;
  Legalise legalise{};
  std::vector<OperandPlacement> operands;
  std::vector<Packing> packings;
  std::vector<TileDomain> domains;
  // Memory and alignment constraints on a tile; `why` says what for.
  std::vector<Condition> require;
  std::vector<Preference> prefer;
  std::optional<Job> job;
  Place place;
};

struct Memory {
  std::string name;  // "l1", "l2", "weights"
  int64_t bytes = 0;
  uint32_t base = 0;  // bus address; a private memory's is set by the SoC
  // Cycles that a CPU's access takes beyond its instruction's own.
  int64_t load_cycles = 0, store_cycles = 0, fetch_cycles = 0;
};

// Of a SoC, the DMA included. Unit i interrupts with bit 16 + i of `mip`: the bits that RISC-V
// leaves to the platform.
inline constexpr size_t kMaxUnits = 16;
inline constexpr int kFirstInterrupt = 16;

// A library is a folder of hand-written kernels that the CPU runs: its rules are those of an
// accelerator that works in place, its driver a plain call, and there is no device.
enum class TargetKind : uint8_t { cpu, accelerator, dma, library };

// What `heddle run --option UNIT.NAME=VALUE` may set: a register of the unit's model, which is written
// before a run and starts with `standard`. No silicon has it.
struct UnitOption {
  std::string name;
  int64_t register_offset = 0;
  int64_t standard = 0;    // 0 to 0x7FFFFFFF, like both bounds
  int64_t lo = 0, hi = 0;  // inclusive
  std::string why;         // what it does, for help and messages
};
struct UnitSetting {  // of one run
  std::string unit;
  int64_t register_offset = 0;
  int64_t value = 0;
};

// One folder: accelerators/<name>/, or a CPU flavour in cpu_codegen/<name>/.
struct Target {
  std::string name;
  std::string summary;
  TargetKind kind = TargetKind::accelerator;
  std::filesystem::path folder;
  std::vector<Memory> memories;  // private ones
  // `unit.<key>` in the unit's expressions and NAME_KEY in heddle_soc.h; a SoC may set others.
  std::vector<std::pair<std::string, int64_t>> constants;
  // Names of memories in the unit's rules that stand for one of the SoC's: {"data", "ram"}. The
  // placements of `rules` are resolved already.
  std::vector<std::pair<std::string, std::string>> uses;
  int64_t register_bytes = 0;  // size of the register window; 0 for a CPU
  int64_t wait_register = -1;  // offset; a load from it stalls until the unit is idle; -1: none
  // File names in the folder, copied into the bundle.
  std::vector<std::string> headers, sources, models;
  // Macro of driver.h that the bundle defines as the base of the register window.
  std::string base_macro;
  std::vector<Rule> rules;
  // dma only: the transfer's call, in terms of `source`, `destination`, `row_bytes`, `rows`,
  // `planes`, `source_row_stride`, `source_plane_stride`, `destination_row_stride`,
  // `destination_plane_stride` (bytes).
  std::optional<Job> transfer;
  std::optional<Expr> transfer_cycles;
  int64_t transfer_unit_bytes = 1;  // row_bytes must be a multiple of it
  std::vector<UnitOption> options{};  // of accelerators and DMAs
};

struct SocUnit {
  Target target;
  uint32_t base = 0;  // of the register window
};

// Instructions by what they cost, `[cpu.cycles]` of a SoC: the name of a class, its cycles where
// the SoC does not say, and which instructions it holds.
struct CycleClass {
  std::string_view name;
  std::string_view fallback;  // as TOML has it
  std::string_view doc;
};
inline constexpr std::array<CycleClass, 13> kCycleClasses = {{
    {"alu", "1", "arithmetic, logic, shifts, `lui`, `auipc`"},
    {"load", "1", "a load"},
    {"store", "1", "a store"},
    {"mul", "1", "`mul`"},
    {"mulh", "1", "`mulh`, `mulhu`, `mulhsu`"},
    {"div", "35", "`div`, `divu`, `rem`, `remu`"},
    {"branch", "1", "a branch that is not taken"},
    {"branch_taken", "1", "a branch that is taken, in all"},
    {"jump", "1", "`jal`, `jalr`"},
    {"csr", "1", "access to a control and status register"},
    {"system", "1", "`ecall`, `ebreak`, `mret`, `wfi`, `fence`"},
    {"misaligned", "1", "more for a load or store across a word's border"},
    {"load_use", "1", "more for an instruction that uses what the one before it loaded"},
}};

enum class Isa : uint8_t { rv32imc, rv32imc_xpulpv2, cortex_m4, cortex_m55 };
inline constexpr std::array<std::string_view, 4> kIsaNames = {"rv32imc", "rv32imc_xpulpv2",
                                                              "cortex-m4", "cortex-m55"};
inline std::string_view name_of(Isa isa) { return kIsaNames[static_cast<size_t>(isa)]; }
inline bool is_cortex_m(Isa isa) { return isa == Isa::cortex_m4 || isa == Isa::cortex_m55; }

// The test bench around a SoC that runs a bundle's firmware.
struct Firmware {
  int64_t stack_bytes = 8192;  // of main memory
  uint32_t uart = 0;  // RV32: a 16550's transmit register, a byte; Cortex-M: a CMSDK UART's base
  uint32_t finisher = 0;  // SiFive's test finisher, a word; unused on Cortex-M (semihosting)
  // Golden vectors lie outside of the SoC's memories.
  uint32_t vectors_base = 0;
  int64_t vectors_bytes = 0;
};

struct Energy {  // picojoules
  std::string source;
  int64_t cpu_pj_per_cycle = 0;
  std::vector<std::pair<std::string, int64_t>> units;  // a busy cycle of each unit named
};

struct Soc {
  std::string name;
  std::string summary;
  std::filesystem::path file;
  int64_t clock_hz = 0;
  std::vector<Memory> memories;        // shared ones: l2, l1, flash
  std::string main_memory = "l2";      // arena lives here
  std::string constant_memory = "l2";  // constants live here: main memory, or flash
  std::string program_memory = "l2";   // code
  int64_t reserved_bytes = 0;          // of main memory: program, stack
  Target cpu;
  Isa isa = Isa::rv32imc;  // what firmware is compiled for
  // One for each of kCycleClasses, in their order.
  std::vector<std::pair<std::string, int64_t>> cpu_cycles;
  std::string cpu_cycles_source;  // where the numbers are from
  Firmware firmware;
  std::optional<Energy> energy;
  // `cpu.<key>` in CPU cost expressions.
  std::vector<std::pair<std::string, int64_t>> cpu_constants;
  std::optional<SocUnit> dma;  // moves between main_memory and every other memory; may be absent
                               // where all units work in place
  std::vector<SocUnit> accelerators;  // libraries too

  const Memory* find_memory(std::string_view memory_name) const;  // shared ones; null if absent
  // Whether a job finds the operand where it lies, so that nothing is moved. `packed`: a Packing.
  bool in_place(const OperandPlacement& placement, bool packed) const {
    return placement.memory == (packed ? constant_memory : main_memory);
  }
  // Cycles that the CPU spends on one call of a driver with this job: filling in the struct, writing
  // the registers, noticing the end. `driver_call + members * driver_field` of the CPU's constants;
  // 0 where the SoC has them not.
  int64_t driver_cycles(const Job& job) const;
};

enum class Objective : uint8_t { latency, energy, weighted, fewest_switches, first_match };

// Which layers a pin or a preference speaks of; a layer is the node that a rule's pattern begins at.
// What is left empty selects all.
struct LayerSelector {
  std::string layers;       // RE2, matched against whole names
  std::string kind;         // RE2, matched against the whole name of the operator or of one of its classes
  std::string accepted_by;  // a target: only layers that one of its rules accepts
  std::string index;        // "first", "last", or a number from 0: of those that the rest selects
};

struct Pin {
  LayerSelector select;
  std::string target;  // the name of an accelerator or library, or "cpu"
  std::string text;    // as the user wrote it, for messages
  Place place;
  // Not an order but a default: it has those of its layers that no other pin has and that the target
  // takes, and it may find none.
  bool optional = false;
};

// The schedule counts `percent` of the cost that these layers have on the target.
struct TargetPreference {
  LayerSelector select;
  std::string target;
  int64_t percent = 100;
  Place place;
};

struct Policy {
  std::string name;
  std::string summary;
  Objective objective = Objective::latency;
  std::vector<std::string> avoid;  // targets that must not be used, or rules of them, "unit/rule"
  // weighted: latency_weight * cycles + energy_weight * nanojoules
  int64_t latency_weight = 1, energy_weight = 0;
  // Targets, best first: decides under first_match and between equal costs; absent ones follow in the
  // order of the SoC, the CPU last.
  std::vector<std::string> target_order{};
  std::vector<TargetPreference> preferences{};
  std::vector<Pin> pins{};
  // RE2s of layer names: layers run in this order where the dataflow allows it; others keep theirs.
  std::vector<std::string> execution_order{};
  bool residents = true;  // values may stay in memories that units share; never under first_match
  bool legalise = true;   // rules may take layers in other forms
};

// A SoC's TOML names its folders relative to itself; `search` are further folders that may hold
// accelerators.
Result<Soc> load_soc(const std::filesystem::path& file,
                     const std::vector<std::filesystem::path>& search = {});
Result<Target> load_target(const std::filesystem::path& folder);
Result<Policy> load_policy(const std::filesystem::path& file);
Result<Pattern> parse_pattern(std::string_view text, const Place& place);

// Deterministic text of what was read, paths left out.
std::string dump(const Soc& soc);

}  // namespace heddle
