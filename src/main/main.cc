// The command line: options in, one command out. Exit status: 0 fine, 1 the user's input, 2 a bug
// of ours.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>

#include "base/text.h"
#include "main/commands.h"
#include "sim/child.h"

namespace {

using heddle::CommandOptions;

constexpr const char* kFooter = R"(Examples:
  heddle compile models/digits/digits.onnx --soc diana -o out/digits
  heddle run models/digits/digits.onnx --soc diana --inputs models/digits/sample.npz
  heddle why models/digits/digits.onnx --soc diana

SoCs and policies are TOML files, or names in rules/soc and rules/policy of this installation or of the folders in
HEDDLE_PATH. Exit status: 0 fine, 1 something is wrong with the input (a divergence included), 2 a bug of ours.)";

// What the importer is to know beside the file.
void add_import(CLI::App& command, CommandOptions& options) {
  command.add_option(
      "--input-type", options.input_types,
      "type of a graph input that the file leaves open, e.g. image=uint8; float32: real numbers "
      "(repeatable)");
  command.add_option("--bind", options.bindings,
                     "size of a symbolic dimension, e.g. batch=1 (repeatable)");
  command.add_option("--state", options.states,
                     "an output that is an input of the next run, IN=OUT, or auto (repeatable)");
  command
      .add_option("--rounding", options.compile.import.rounding,
                  "how requantisations round, instead of as the file says")
      ->check(CLI::IsMember({"half_up", "floor", "shift", "tflite_double", "float"}));
}

void add_model(CLI::App& command, CommandOptions& options,
               const char* what = "the network: an ONNX or TFLite file") {
  command.add_option("MODEL", options.compile.model, what)->required();
  add_import(command, options);
}

void add_raw(CLI::App& command, CommandOptions& options) {
  command
      .add_option_function<std::string>(
          "--raw", [&options](const std::string& kind) { options.raw = heddle::raw_kind_of(kind); },
          "elements of raw input files, which then hold any number of samples (default: by their "
          "size)")
      ->check(CLI::IsMember({"float32", "int8", "uint8"}));
}

// Where the samples come from.
void add_samples(CLI::App& command, CommandOptions& options, const char* what) {
  command.add_option("--inputs", options.inputs, what);
  add_raw(command, options);
}

void add_machine(CLI::App& command, CommandOptions& options) {
  command.add_option("--soc", options.compile.soc, "the SoC: a TOML file or a name, e.g. diana")
      ->capture_default_str();
  command
      .add_option("--policy", options.compile.policy,
                  "what the schedule is to optimise: a TOML file or a name")
      ->capture_default_str();
  command
      .add_option("--place", options.compile.places,
                  "layers that must run on one target, e.g. 'conv.*=cpu': a regular expression (RE2) of "
                  "whole names (repeatable)")
      ->allow_extra_args(false);
  command.add_option("--accelerators", options.compile.accelerators,
                     "folders to look for accelerator folders in");
  command.add_option("--name", options.compile.name,
                     "prefix of the C identifiers (default: the model file's name)");
}

// Where `run` runs, and what it is to do on the virtual SoC.
void add_virtual_soc(CLI::App& command, CommandOptions& options) {
  command
      .add_option("--on", options.on,
                  "the emitted C on this host, or the firmware on the virtual SoC, or on QEMU")
      ->check(CLI::IsMember({"host", "soc", "qemu"}))
      ->capture_default_str();
  command
      .add_option("--max-cycles", options.max_cycles,
                  "soc: end after this many cycles of its clock")
      ->check(CLI::Range(int64_t{1}, std::numeric_limits<int64_t>::max()));
  command.add_option("--trace", options.trace, "soc: write what the CPU does to this file");
  command
      .add_option_function<std::string>(
          "--trace-kind",
          [&options](const std::string& kind) {
            options.trace_kind = heddle::sim::trace_kind_of(kind);
          },
          "soc: every instruction, every access to memory, or all of both (default)")
      ->check(CLI::IsMember(heddle::sim::trace_kinds()));
  command.add_option("--gdb", options.gdb_port, "soc: wait for a debugger at this port of 127.0.0.1")
      ->check(CLI::Range(1, 65535));
  command.add_option(
      "--timeline", options.timeline,
      "soc: write the first sample's time line, as FILE.svg (a picture) or FILE.json "
      "(for Perfetto)");
  command.add_option("--timeline-layer", options.timeline_layer,
                     "soc: only this layer of it, or FIRST..LAST");
  command.add_option("--measured", options.measured,
                     "soc: write the cycles of its layers as CSV, for `heddle calibrate`");
}

CLI::App* add_command(CLI::App& app, const char* name, const char* summary,
                      CommandOptions& options) {
  CLI::App* const command = app.add_subcommand(name, summary);
  command->add_flag("--json", options.json, "print JSON instead of text");
  return command;
}

int run(int argc, char** argv) {
  CommandOptions options;
  CLI::App app{"Heddle compiles quantised neural networks to C for TinyML SoCs with accelerators.",
               "heddle"};
  app.footer(kFooter);
  app.set_version_flag("--version", "heddle " HEDDLE_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  int (*chosen)(const CommandOptions&) = nullptr;
  const auto on = [&](CLI::App* command, int (*action)(const CommandOptions&)) {
    command->callback([&chosen, action] { chosen = action; });
  };

  CLI::App* const compile =
      add_command(app, "compile", "compile a network into a C project", options);
  add_model(*compile, options);
  add_machine(*compile, options);
  compile->add_option("-o,--output", options.output,
                      "folder to write; one that exists must be a bundle of Heddle's");
  compile->add_option("--inputs", options.inputs,
                      "npz, npy or raw files whose samples become the golden test vectors");
  std::string stages;
  for (const std::string& stage : heddle::stage_names())
    stages += (stages.empty() ? "" : ", ") + stage;
  compile
      ->add_option("--dump-after", options.dump_after,
                   "print what a stage gives, and stop: " + stages)
      ->check(CLI::IsMember(heddle::stage_names()));
  on(compile, heddle::compile_command);

  CLI::App* const execute =
      add_command(app, "run", "compile, build and run, beside the reference", options);
  add_model(*execute, options, "the network, or the folder of a compiled bundle");
  add_machine(*execute, options);
  add_samples(*execute, options, "samples: npz, npy or raw files (default: three random ones)");
  execute->add_option("--labels", options.labels,
                      "right classes: npy, or npz with an array `labels`; prints the accuracy");
  execute
      ->add_option("--noise", options.noise,
                   "... and its mean and spread with noise of this standard deviation, in steps of the "
                   "units' converters (two decimals count)")
      ->check(CLI::Range(0.0, 1e6));
  execute->add_option("--draws", options.draws, "... over the seeds 1 to N (default: 10)")
      ->check(CLI::Range(int64_t{1}, int64_t{100'000}));
  execute
      ->add_option("--option", options.unit_options,
                   "set an option of a unit's model, UNIT.NAME=VALUE; outputs then need not equal the "
                   "reference (repeatable)")
      ->allow_extra_args(false);
  execute->add_option("-o,--output", options.output, "keep the bundle in this folder");
  add_virtual_soc(*execute, options);
  on(execute, heddle::run_command);

  CLI::App* const inspect =
      add_command(app, "inspect", "show what the importer made of a network", options);
  add_model(*inspect, options);
  inspect->add_option("--emit-onnx", options.emit_onnx,
                      "write the normalised network to this file, as ONNX of standard operators");
  on(inspect, heddle::inspect_command);

  CLI::App* const verify = add_command(
      app, "verify", "hold reference, emitted C and accelerator models against expected outputs",
      options);
  add_model(*verify, options);
  add_machine(*verify, options);
  add_samples(*verify, options, "samples: npz, npy or raw files");
  verify->add_option("--expected", options.expected,
                     "their outputs, paired in order: npz, npy or raw files");
  verify->add_option("--activations", options.activations,
                     "npz of inner tensors; each must equal a value of the reference");
  verify->add_option("--random", options.random, "add N random samples")
      ->check(CLI::Range(int64_t{0}, int64_t{1'000'000}));
  verify->add_option("--seed", options.seed, "of the first random sample");
  verify
      ->add_option("--max-lsb", options.criterion.max_lsb,
                   "accept expected integers that are up to N steps away")
      ->check(CLI::NonNegativeNumber);
  verify
      ->add_option("--max-fraction", options.criterion.max_fraction,
                   "... on at most this share of all elements, e.g. 0.001")
      ->check(CLI::Range(0.0, 1.0))
      ->default_str("1");
  verify
      ->add_option("--tolerance", options.criterion.tolerance,
                   "accept |a - b| <= T * max|b| for expected real numbers b")
      ->check(CLI::NonNegativeNumber);
  verify->add_option("-o,--output", options.output, "keep the bundle in this folder");
  on(verify, heddle::verify_command);

  CLI::App* const why = add_command(
      app, "why", "say what keeps layers off the accelerators, what that costs, and the nearest fix", options);
  add_model(*why, options);
  why->add_option("LAYER", options.layer, "all rules for this layer, a name or a part of one");
  why->add_flag("--all", options.all_layers, "... for all layers");
  add_machine(*why, options);
  on(why, heddle::why_command);

  CLI::App* const check = add_command(
      app, "check", "hold rule folders, drivers and models against each other", options);
  check->add_option("PATH", options.check.paths,
                    "folders of accelerators, DMAs and CPU flavours; TOML files of SoCs and policies")
      ->required();
  check->add_flag("--static", options.check.statically, "run nothing: schema and proofs only");
  check->add_option("--soc", options.check.soc,
                    "check on this SoC, a TOML file or a name (default: soc.toml in the folder, else the first in rules/soc that "
                    "has the unit, else one made from its rules)");
  check->add_option("--rule", options.check.conform.rules,
                    "run only rules whose whole name matches this regular expression");
  check->add_option("--shapes", options.check.conform.shapes, "layers to draw for each rule")
      ->check(CLI::Range(int64_t{1}, int64_t{10'000}))
      ->capture_default_str();
  check->add_option("--seed", options.seed, "draw other layers");
  check->add_option("--keep", options.check.conform.keep,
                    "leave the program that was built and run in this folder");
  check->add_option("--accelerators", options.compile.accelerators,
                    "folders to look for accelerator folders in");
  check->footer(heddle::kCheckFooter);
  on(check, heddle::check_command);

  CLI::App* const calibrate = add_command(
      app, "calibrate", "fit the constants of a SoC's cost model to measured cycles", options);
  calibrate
      ->add_option("MEASURED,--fit", options.calibrate.fit,
                   "CSV files `layer,tile,cycles` to fit on: MODEL=FILE, or a FILE that says `# "
                   "model: MODEL`")
      ->required();
  calibrate->add_option("--check", options.calibrate.check,
                        "... of other networks, to hold the fitted constants against");
  calibrate->add_option("--soc", options.calibrate.soc,
                        "the SoC: a TOML file or a name (default: as the files say)");
  calibrate->add_option("--policy", options.calibrate.policy,
                        "the policy that was measured (default: as the files say, or latency)");
  calibrate->add_option("--rule", options.calibrate.rule,
                        "only layers of this rule, e.g. mac or generic/mac");
  add_import(*calibrate, options);
  calibrate->add_option("--accelerators", options.compile.accelerators,
                        "folders to look for accelerator folders in");
  calibrate->add_option("-o,--output", options.output,
                        "write the SoC's file with the fitted constants here");
  on(calibrate, heddle::calibrate_command);

  CLI::App* const requantize = add_command(
      app, "requantize", "turn a network into the dialect that a SoC's accelerators accept", options);
  add_model(*requantize, options, "the network: TFLite, or ONNX (QDQ, QOperator, integers, float32)");
  requantize->add_option("--for", options.requantize.soc, "the SoC: a TOML file or a name, e.g. diana")->required();
  requantize
      ->add_option("--calibration", options.requantize.calibration,
                   "samples that scales are chosen on: npz, npy or raw files");
  requantize->add_option("--evaluate", options.requantize.evaluate,
                         "samples to judge by (default: those of the calibration, which flatter)");
  requantize->add_option("--ternary", options.requantize.ternary,
                         "convolutions that get weights of -1, 0 and 1 and an analog array's converter: a regular "
                         "expression (RE2) of whole names");
  add_raw(*requantize, options);
  requantize->add_option("--labels", options.labels,
                         "right classes of the samples to judge by: npy, or npz with an array `labels`");
  requantize->add_option("--accelerators", options.compile.accelerators,
                         "folders to look for accelerator folders in");
  requantize->add_option("-o,--output", options.output, "the ONNX file to write")->required();
  requantize->footer(heddle::kRequantizeFooter);
  on(requantize, heddle::requantize_command);

  CLI::App* const report = add_command(
      app, "report",
      "each layer on the CPU, with accelerators at no cycles, as modelled and as measured",
      options);
  add_model(*report, options);
  add_machine(*report, options);
  report->add_option("--inputs", options.inputs,
                     "npz, npy or raw files; the first sample is measured (default: a random one)");
  report->add_option("--labels", options.labels,
                     "right classes of all of them: npy, or npz with an array `labels`; adds the accuracy");
  report->add_flag("--csv", options.csv, "print CSV instead of text");
  on(report, heddle::report_command);

  CLI::App* const docs = app.add_subcommand(
      "docs", "print the reference of accelerators, libraries and CPU kernels from their rules");
  docs->add_option("FOLDER", options.docs.folders, "their folders (default: all that are installed)");
  const CLI::Option* const schema =
      docs->add_option("--schema", options.docs.kind,
                       "print a JSON Schema (draft 4) of this kind of TOML file, or of all")
          ->expected(0, 1);
  docs->add_option("-o,--output", options.output, "write this file");
  on(docs, heddle::docs_command);

  CLI::App* const fresh = app.add_subcommand(
      "new-accelerator", "write a folder with a small accelerator that compiles, checks and runs");
  fresh->add_option("NAME", options.fresh.name, "of the accelerator, for example my_unit")->required();
  fresh->add_option("--kind", options.fresh.kind, "a unit with registers, or kernels of the CPU by hand")
      ->check(CLI::IsMember({"accelerator", "library"}))
      ->capture_default_str();
  fresh->add_option("-o,--output", options.output, "folder to write (default: NAME)");
  on(fresh, heddle::new_accelerator_command);

  // What `run --on soc` starts as a child; for nobody else.
  if (argc == 3 && std::string(argv[1]) == "simulate")
    return heddle::sim::simulate_command(argv[2]);

  // CLI11 would only say that a subcommand is missing.
  std::vector<std::string> commands;
  for (const CLI::App* const command : app.get_subcommands({}))
    commands.push_back(command->get_name());
  const std::string first = argc > 1 ? argv[1] : "-";
  if (!first.starts_with('-') &&
      std::find(commands.begin(), commands.end(), first) == commands.end()) {
    fmt::print(stderr,
               "heddle: error: no command `{}`{}\n  help: `heddle --help` lists the commands\n",
               heddle::terminal_text(first), heddle::did_you_mean(first, commands));
    return 1;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  }
  options.docs.schema = schema->count() > 0;
  return chosen(options);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "heddle: this is a bug of ours, please report it: {}\n", error.what());
    return 2;
  }
}
