// The commands behind the command line. Each prints to stdout, errors to stderr, and returns the
// exit status.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "check/check.h"
#include "compile/compare.h"
#include "compile/compile.h"
#include "import/samples.h"
#include "sim/child.h"

namespace heddle {

struct CalibrateOptions {
  std::vector<std::string> fit, check;  // "MODEL=MEASURED.csv" or "MEASURED.csv"
  std::string soc, policy;              // empty: as the measured files say
  std::string rule;
};

struct DocsOptions {
  std::vector<std::filesystem::path> folders;  // empty: all of the installation
  bool schema = false;
  std::string kind;  // of the schema; empty: all
};

struct NewOptions {
  std::string name, kind = "accelerator";
};

struct RequantizeArguments {
  std::string soc;  // --for
  std::vector<std::filesystem::path> calibration, evaluate;
  std::string ternary;  // RE2 of whole names of layers; empty: none
};

struct CommandOptions {
  CompileOptions compile;
  std::vector<std::string> input_types;  // "NAME=uint8"
  std::vector<std::string> bindings;     // "batch=1"
  std::vector<std::string> states;       // "IN=OUT"
  std::string layer;                     // why: name of one layer
  bool all_layers = false;               // why: every rule for every layer
  std::filesystem::path output;          // -o
  RawKind raw = RawKind::by_size;        // of raw --inputs
  int64_t random = 0;                    // number of random samples
  uint64_t seed = 0;                     // of the first of them
  Criterion criterion;                   // verify
  CalibrateOptions calibrate;
  DocsOptions docs;
  NewOptions fresh;
  RequantizeArguments requantize;
  CheckOptions check;
  std::vector<std::filesystem::path> inputs, expected, activations;
  std::filesystem::path labels;
  std::optional<double> noise;  // run: of the units' converters, in their steps
  int64_t draws = 0;            // 0: as many as there are by default
  std::filesystem::path emit_onnx;  // inspect: where the normalised graph goes
  std::string dump_after;
  std::vector<std::string> unit_options;  // run: "UNIT.NAME=VALUE"
  // run: where, and what of the virtual SoC
  std::string on = "host";
  int64_t max_cycles = 0;       // 0: the virtual SoC's own limit
  std::filesystem::path trace;  // empty: none
  sim::TraceKind trace_kind = sim::TraceKind::all;
  int gdb_port = 0;  // 0: no debugger
  std::filesystem::path timeline;  // .svg or .json; empty: none
  std::string timeline_layer;      // "NAME" or "FIRST..LAST"; empty: all
  std::filesystem::path measured;  // report, run: CSV of the layers' cycles; empty: none
  bool csv = false;                // report
  bool json = false;
};

int calibrate_command(const CommandOptions& options);
int docs_command(const CommandOptions& options);
int new_accelerator_command(const CommandOptions& options);
extern const char* const kCheckFooter;  // examples and meanings, for the help
int check_command(const CommandOptions& options);
int compile_command(const CommandOptions& options);
int run_command(const CommandOptions& options);
int run_firmware(const CommandOptions& options);  // run --on soc, run --on qemu
int report_command(const CommandOptions& options);
int inspect_command(const CommandOptions& options);
int verify_command(const CommandOptions& options);
extern const char* const kRequantizeFooter;
int requantize_command(const CommandOptions& options);
int why_command(const CommandOptions& options);

}  // namespace heddle
