// Rule folders, SoCs and policies as data, read from TOML. rules/SCHEMA.md explains every key; it
// is printed from the loader's own table (schema.h).
#pragma once

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

// One activation buffer as the device wants it, in every memory: the innermost dimension's pitch is
// a multiple of `row` elements, the last two dimensions together a multiple of `plane` bytes.
struct BufferLayout {
  int64_t row = 1;
  int64_t plane = 1;
  bool operator==(const BufferLayout&) const = default;
};

// Constants packed for the device: blocks of `block_size` along `block_axis` (padded with zeros to
// `block_pad`), each block the parts one after the other. `order` lists axes outermost first;
// "c/16" and "c%16" split an axis (padded to a multiple of 16), "byte" walks the bytes of an
// element, least significant first.
struct PackPart {
  std::string operand;  // "weights", "bias"; an absent bias packs as zeros of `bytes` bytes each
  int64_t element_bytes = 1;
  std::vector<std::string> order;  // {"c", "fy", "fx", "k"}
};
struct Packing {
  std::string name;        // the operand the rule's expressions see: "weights"
  std::string block_axis;  // "k"
  int64_t block_size = 16;
  int64_t block_pad = 16;
  std::vector<PackPart> parts;
};

// Where an operand of one job lives while the job runs: "l1" or a private memory of the
// accelerator.
struct OperandPlacement {
  std::string operand;  // "x", "residual", "y", or a Packing's name
  std::string memory;
};

struct TileDomain {
  std::string axis;         // "k"
  bool full = false;        // only the whole axis
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

struct Rule {
  std::string name;
  Pattern pattern;
  std::vector<Condition> when;
  Expr launch;   // cycles of one job before it computes
  Expr compute;  // cycles of one job; sizes are those of one tile
  // The rest is absent for rules of a CPU target.
  std::optional<BufferLayout> layout;
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
};

enum class TargetKind : uint8_t { cpu, accelerator, dma };

// One folder: accelerators/<name>/, or a CPU flavour in cpu_codegen/<name>/.
struct Target {
  std::string name;
  std::string summary;
  TargetKind kind = TargetKind::accelerator;
  std::filesystem::path folder;
  std::vector<Memory> memories;  // private ones
  int64_t register_bytes = 0;    // size of the register window; 0 for a CPU
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
};

struct SocUnit {
  Target target;
  uint32_t base = 0;  // of the register window
};

struct Soc {
  std::string name;
  std::string summary;
  std::filesystem::path file;
  int64_t clock_hz = 0;
  std::vector<Memory> memories;        // shared ones: l2, l1, flash
  std::string main_memory = "l2";      // arena lives here
  std::string constant_memory = "l2";  // constants live here: main memory, or flash
  int64_t reserved_bytes = 0;          // of main memory: program, stack
  Target cpu;
  // `cpu.<key>` in CPU cost expressions.
  std::vector<std::pair<std::string, int64_t>> cpu_constants;
  std::optional<SocUnit> dma;  // moves between main_memory and every other memory
  std::vector<SocUnit> accelerators;

  const Memory* find_memory(std::string_view memory_name) const;  // shared ones; null if absent
};

enum class Objective : uint8_t { latency, first_match };
struct Policy {
  std::string name;
  std::string summary;
  Objective objective = Objective::latency;
  std::vector<std::string> avoid;  // targets that must not be used
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
