// heddle requantize: a network in the dialect that a SoC's accelerators accept, and what that
// costs.
#include <fmt/format.h>

#include <cmath>

#include "base/files.h"
#include "base/text.h"
#include "main/common.h"
#include "match/spine.h"
#include "report/table.h"
#include "requantize/judge.h"
#include "requantize/requantize.h"

namespace heddle {

const char* const kRequantizeFooter =
    R"(Accelerators that requantise by a shift alone take no TFLite or QDQ network as it is: those scale every channel by a
multiplier of its own. `requantize` folds these scales into 8-bit weights and 32-bit biases, and writes
`clip((sum + bias) >> shift)` with one shift a tensor, as ONNX of standard operators that ONNX Runtime computes exactly.

  calibration   samples as the network will see them; some tens do. Scales, shifts and biases are chosen so that each
                layer's result is nearest to the source's on them.
  evaluation    other samples, best with labels: on its own calibration every network looks better than it is.
  the output    integer scores, in the order of the source's; a softmax at the end is left out.

Examples:
  heddle requantize models/digits/digits_int8.tflite --for diana --calibration models/digits/digits_int8.npz \
      --labels models/digits/digits_int8.npz -o digits_shift.onnx
  heddle why digits_shift.onnx --soc diana

Exit status: 0 written, 1 something is wrong with the input, or there is nothing to gain; 2 a bug of ours.
docs/requantize.md has the method and its limits.)";

namespace {

namespace fs = std::filesystem;

struct Outcome {
  Requantized network;
  Acceptance before, after;
  Agreement agreement;
  size_t calibrated = 0;
  bool evaluated = false;  // on samples of its own
};

Diagnostics check_options(const CommandOptions& options) {
  Diagnostics errors;
  if (options.requantize.calibration.empty()) {
    errors.push_back(error_at(in_file("requantize"),
                              "no calibration data: scales are chosen on samples",
                              "give `--calibration FILE...`: npz, npy or raw files of inputs"));
  }
  const fs::path folder = options.output.parent_path();
  std::error_code error;
  if (fs::is_directory(options.output, error) ||
      (!folder.empty() && !fs::is_directory(folder, error))) {
    errors.push_back(error_at(in_file(options.output.string()), "no file can be written here",
                              "give `-o` a file in a folder that exists"));
  }
  return errors;
}

Result<std::vector<Sample>> samples_from(const Graph& graph, const std::vector<fs::path>& files,
                                         RawKind raw, const char* option) {
  Result<std::vector<Sample>> samples = read_inputs(graph, files, raw);
  if (samples.ok() && samples->empty()) {
    return error_at(in_file(files[0].string()), fmt::format("`{}` holds no sample", option),
                    "give at least one, some tens are better");
  }
  return samples;
}

// The convolutions that the regular expression names.
Result<std::set<std::string>> ternary_layers(const Graph& graph, const std::string& regex) {
  if (regex.empty()) return std::set<std::string>{};
  std::vector<std::string> names;
  for (const Node& node : graph.nodes) {
    if (node.op == "conv2d") names.push_back(node.name);
  }
  const Place place = in_file("--ternary " + regex);
  const Result<std::vector<bool>> matched = full_match(regex, names, place);
  if (!matched.ok()) return matched.errors();
  std::set<std::string> layers;
  for (size_t i = 0; i < names.size(); ++i) {
    if ((*matched)[i]) layers.insert(names[i]);
  }
  if (!layers.empty()) return layers;
  return error_at(
      place, fmt::format("no convolution of the {} in the network has such a name", names.size()),
      "`heddle inspect` lists them; only convolutions of all channels (conv2d) run on analog "
      "arrays");
}

std::string share(const Acceptance& a) {
  return fmt::format("{} of {} layers, {} of {} MACs", a.accepted_layers, a.layers,
                     thousands(a.accepted_macs), thousands(a.macs));
}

Diagnostic nothing_gained(const CommandOptions& options, const Soc& soc, const Outcome& outcome) {
  const std::string where = fmt::format("the accelerators of `{}`", terminal_text(soc.name));
  if (outcome.before.accepted_layers == outcome.before.layers) {
    return error_at(in_file(options.compile.model.string()),
                    fmt::format("{} accept the model as it is ({}): there is nothing to requantise",
                                where, share(outcome.before)),
                    fmt::format("compile it: `heddle compile {} --soc {}`",
                                terminal_text(options.compile.model.string()),
                                terminal_text(options.requantize.soc)));
  }
  std::string reason;
  if (!outcome.after.refused.empty()) {
    const Acceptance::Refusal& r = outcome.after.refused[0];
    reason = fmt::format("; `{}`: {}{}{}", terminal_text(r.layer),
                         r.rule.empty() ? "" : terminal_text(r.rule) + ", ", terminal_text(r.why),
                         r.values.empty() ? "" : " (" + terminal_text(r.values, 200) + ")");
  }
  return error_at(in_file(options.compile.model.string()),
                  fmt::format("{} accept {} as it is, and {} with shifts: nothing is gained{}",
                              where, share(outcome.before), share(outcome.after), reason),
                  "`heddle why` on the model says what its layers lack");
}

Result<Outcome> work(const CommandOptions& options, const Progress& progress) {
  if (Diagnostics errors = check_options(options); !errors.empty()) return errors;
  CommandOptions loading = options;
  loading.compile.soc = options.requantize.soc;
  Result<Compilation> loaded = compile_to(loading, progress, "import");
  if (!loaded.ok()) return loaded.errors();
  const Soc& soc = loaded->soc;
  if (soc.accelerators.empty()) {
    return error_at(in_file("--for " + options.requantize.soc),
                    fmt::format("`{}` has no accelerator: its CPU computes every dialect as it is",
                                terminal_text(soc.name)),
                    "name a SoC with one, e.g. `--for diana`");
  }
  const std::string file = options.compile.model.string();
  Outcome outcome;
  Result<std::vector<Sample>> calibration =
      samples_from(loaded->graph, options.requantize.calibration, options.raw, "--calibration");
  if (!calibration.ok()) return calibration.errors();
  outcome.calibrated = calibration->size();
  outcome.evaluated = !options.requantize.evaluate.empty();
  Result<std::vector<Sample>> evaluation =
      outcome.evaluated
          ? samples_from(loaded->graph, options.requantize.evaluate, options.raw, "--evaluate")
          : *calibration;
  if (!evaluation.ok()) return evaluation.errors();
  std::vector<int64_t> labels;
  if (!options.labels.empty()) {
    Result<std::vector<int64_t>> read = read_labels(options.labels, evaluation->size());
    if (!read.ok()) return read.errors();
    labels = std::move(*read);
  }

  progress.show("what the accelerators accept");
  Result<Acceptance> before = acceptance_of(loaded->graph, soc);
  if (!before.ok()) return before.errors();
  outcome.before = std::move(*before);
  if (outcome.before.accepted_layers == outcome.before.layers)
    return nothing_gained(options, soc, outcome);
  Result<std::set<std::string>> ternary = ternary_layers(loaded->graph, options.requantize.ternary);
  if (!ternary.ok()) return ternary.errors();
  Result<Requantized> network =
      requantize(loaded->graph, *calibration,
                 {file, *ternary, [&](std::string_view what) { progress.show(what); }});
  if (!network.ok()) return network.errors();
  outcome.network = std::move(*network);
  progress.show("what the accelerators accept");
  Result<Acceptance> after = acceptance_of(outcome.network.graph, soc);
  if (!after.ok()) return after.errors();
  outcome.after = std::move(*after);
  if (outcome.after.accepted_macs <= outcome.before.accepted_macs)
    return nothing_gained(options, soc, outcome);
  progress.show("comparing");
  Result<Agreement> agreement = agreement_of(loaded->graph, outcome.network, *evaluation, labels);
  if (!agreement.ok()) return agreement.errors();
  outcome.agreement = *agreement;
  Status written = write_file(options.output, outcome.network.onnx);
  if (!written.ok()) return written.errors();
  return outcome;
}

std::string percent(int64_t part, int64_t whole) {
  return fmt::format("{:.2f} %", 100.0 * static_cast<double>(part) /
                                     static_cast<double>(std::max<int64_t>(whole, 1)));
}

std::string noise(double decibels) {
  return std::isinf(decibels) ? "exact" : fmt::format("{:.1f}", decibels);
}

void print_layers(const Outcome& outcome) {
  const std::vector<Column> columns = {
      {"layer", false, 32}, {"operator", false, 20}, {"scale", true},
      {"shift", true},      {"clip", true},          {"weights to", true},
      {"clipped", true},    {"SQNR dB", true},       {"accepted by", false, 40}};
  std::vector<Row> rows;
  const std::vector<RequantizedLayer>& layers = outcome.network.layers;
  // Layers keep their order; the takers are those of the graph that was read again.
  const std::vector<std::string>& takers = outcome.after.takers;
  for (size_t i = 0; i < layers.size(); ++i) {
    const RequantizedLayer& l = layers[i];
    const bool sum = l.op == "add";
    std::string taker = takers.size() == layers.size() ? takers[i] : "";
    rows.push_back(
        {{terminal_text(l.name), l.ternary ? l.op + ", ternary" : l.op,
          fmt::format("{:.4g}", l.scale), fmt::format("{}", l.shift),
          fmt::format("{}..{}", l.lo, l.hi), sum ? "-" : fmt::format("{}", l.largest_weight),
          sum ? "-" : fmt::format("{:.2f} %", 100 * l.clipped_weights), noise(l.signal_to_noise),
          taker.empty() ? "-" : terminal_text(taker)},
         ""});
  }
  fmt::print("{}\n", format_table(columns, rows));
}

void print_outcome(const CommandOptions& options, const Outcome& outcome) {
  print_layers(outcome);
  const Agreement& a = outcome.agreement;
  const std::vector<Column> columns = {{""}, {"before", true}, {"after", true}};
  std::vector<Row> rows;
  const auto accepted = [](int64_t part, int64_t whole) {
    return fmt::format("{} of {}", thousands(part), thousands(whole));
  };
  rows.push_back({{"layers that accelerators accept",
                   accepted(outcome.before.accepted_layers, outcome.before.layers),
                   accepted(outcome.after.accepted_layers, outcome.after.layers)},
                  ""});
  rows.push_back({{"MACs of them", accepted(outcome.before.accepted_macs, outcome.before.macs),
                   accepted(outcome.after.accepted_macs, outcome.after.macs)},
                  ""});
  if (a.right_before) {
    rows.push_back(
        {{"accuracy", percent(*a.right_before, a.samples), percent(*a.right_after, a.samples)},
         ""});
    rows.push_back(
        {{"right", accepted(*a.right_before, a.samples), accepted(*a.right_after, a.samples)}, ""});
  }
  fmt::print("{}\n", format_table(columns, rows));
  fmt::print(
      "same class on {} of {} samples ({}); RMSE {:.4g} in units of the source's scores, cosine "
      "{:.6f}\n",
      a.same_class, a.samples, percent(a.same_class, a.samples), a.rmse, a.cosine);
  fmt::print("calibrated on {} sample{}, judged on {}\n", outcome.calibrated,
             outcome.calibrated == 1 ? "" : "s",
             outcome.evaluated ? fmt::format("{} others", a.samples) : "the same");
  if (outcome.network.equalised > 0) {
    fmt::print("ranges of channels evened out in {} tensor{}: less noise than without\n",
               outcome.network.equalised, outcome.network.equalised == 1 ? "" : "s");
  }
  for (const std::string& note : outcome.network.notes) fmt::print("note: {}\n", note);
  for (const Acceptance::Refusal& r : outcome.after.refused) {
    fmt::print("on the CPU: {}{}{}{}\n", terminal_text(r.layer),
               r.rule.empty() ? "" : ": " + terminal_text(r.rule),
               r.why.empty() ? "" : ": " + terminal_text(r.why, 200),
               r.values.empty() ? "" : " (" + terminal_text(r.values, 200) + ")");
  }
  fmt::print("written: {}\n", terminal_text(options.output.string(), 200));
}

Json to_json(const Acceptance& a) {
  Json json = {{"layers", a.layers},
               {"accepted_layers", a.accepted_layers},
               {"macs", a.macs},
               {"accepted_macs", a.accepted_macs},
               {"refused", Json::array()}};
  for (const Acceptance::Refusal& r : a.refused)
    json["refused"].push_back(
        {{"layer", r.layer}, {"rule", r.rule}, {"why", r.why}, {"values", r.values}});
  return json;
}

Json to_json(const CommandOptions& options, const Outcome& outcome) {
  const Agreement& a = outcome.agreement;
  Json json = {{"output", options.output.string()},
               {"calibration_samples", outcome.calibrated},
               {"before", to_json(outcome.before)},
               {"after", to_json(outcome.after)},
               {"agreement",
                {{"samples", a.samples},
                 {"same_class", a.same_class},
                 {"rmse", a.rmse},
                 {"cosine", a.cosine}}},
               {"equalised_tensors", outcome.network.equalised},
               {"notes", outcome.network.notes},
               {"layers", Json::array()}};
  if (a.right_before) {
    json["before"]["right"] = *a.right_before;
    json["after"]["right"] = *a.right_after;
  }
  for (const RequantizedLayer& l : outcome.network.layers) {
    Json layer = {{"layer", l.name},  {"operator", l.op}, {"scale", l.scale},
                  {"shift", l.shift}, {"lo", l.lo},       {"hi", l.hi}};
    if (l.ternary) layer["ternary"] = true;
    if (l.op != "add") {
      layer["largest_weight"] = l.largest_weight;
      layer["clipped_weights"] = l.clipped_weights;
    }
    if (!std::isinf(l.signal_to_noise)) layer["sqnr_db"] = l.signal_to_noise;
    json["layers"].push_back(std::move(layer));
  }
  return json;
}

}  // namespace

int requantize_command(const CommandOptions& options) {
  const Progress progress;
  const Result<Outcome> outcome = work(options, progress);
  if (!outcome.ok()) return fail(outcome.errors());
  progress.show("");
  options.json ? print_json(to_json(options, *outcome)) : print_outcome(options, *outcome);
  return 0;
}

}  // namespace heddle
