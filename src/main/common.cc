#include "main/common.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "base/text.h"
#include "import/samples.h"

namespace heddle {
namespace {

// NAME=VALUE, split at the last `=`; the name is empty if there is none.
std::pair<std::string, std::string> split(const std::string& text) {
  const size_t equals = text.rfind('=');
  if (equals == std::string::npos) return {"", text};
  return {text.substr(0, equals), text.substr(equals + 1)};
}

void read_input_types(const std::vector<std::string>& texts, ImportOptions& import,
                      Diagnostics& errors) {
  const std::vector<std::string> known = {"int8", "uint8", "int16", "uint16", "int32", "float32"};
  for (const std::string& text : texts) {
    const auto [name, type] = split(text);
    if (name.empty() || std::find(known.begin(), known.end(), type) == known.end()) {
      errors.push_back(error_at(in_file("--input-type " + text),
                                "no type of an input" + did_you_mean(type, known),
                                "write NAME=int8, uint8, int16, uint16, int32 or float32"));
      continue;
    }
    for (const DType dtype :
         {DType::int8, DType::uint8, DType::int16, DType::uint16, DType::int32,
          DType::float32}) {
      if (name_of(dtype) == type) import.input_types[name] = dtype;
    }
  }
}

void read_bindings(const std::vector<std::string>& texts, ImportOptions& import,
                   Diagnostics& errors) {
  for (const std::string& text : texts) {
    const auto [name, size] = split(text);
    int64_t number = 0;
    const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), number);
    const bool whole = error == std::errc() && end == size.data() + size.size() && !size.empty();
    if (name.empty() || !whole || number < 1) {
      errors.push_back(error_at(in_file("--bind " + text), "no size of a symbolic dimension",
                                "write NAME=SIZE with a positive size, e.g. batch=1"));
      continue;
    }
    import.bind[name] = number;
  }
}

void read_states(const std::vector<std::string>& texts, ImportOptions& import,
                 Diagnostics& errors) {
  for (const std::string& text : texts) {
    if (text == "auto") {
      import.states.emplace_back(text, "");
      continue;
    }
    auto [input, output] = split(text);
    if (input.empty() || output.empty()) {
      errors.push_back(error_at(in_file("--state " + text), "no pair of an input and an output",
                                "write IN=OUT, e.g. cache_in=cache_out, or auto"));
      continue;
    }
    import.states.emplace_back(std::move(input), std::move(output));
  }
}

}  // namespace

int fail(const Diagnostics& errors) {
  fmt::print(stderr, "{}", format_diagnostics(errors));
  return 1;
}

int fail(const std::filesystem::path& file, const std::string& message, const std::string& remedy) {
  return fail({error_at(in_file(file.string()), message, remedy)});
}

int labels_without_inputs() {
  return fail("--labels", "there are no samples that the labels belong to", "give them with --inputs");
}

void print_json(const Json& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
}

Progress::Progress() : terminal_(isatty(STDERR_FILENO) == 1) {}

void Progress::show(std::string_view stage) const {
  if (terminal_) fmt::print(stderr, "\r\x1b[K{}{}", stage, stage.empty() ? "" : " ...");
  if (terminal_) std::fflush(stderr);
}

Result<CompileOptions> compile_options(const CommandOptions& options, const Progress& progress) {
  CompileOptions compile = options.compile;
  Diagnostics errors;
  read_input_types(options.input_types, compile.import, errors);
  read_bindings(options.bindings, compile.import, errors);
  read_states(options.states, compile.import, errors);
  if (!errors.empty()) return errors;
  compile.progress = [&progress](std::string_view stage) { progress.show(stage); };
  return compile;
}

Result<Compilation> compile_to(const CommandOptions& options, const Progress& progress,
                               const std::string& last_stage) {
  Result<CompileOptions> compile = compile_options(options, progress);
  if (!compile.ok()) return compile.errors();
  Result<Compilation> compilation = compile_network(*compile, last_stage);
  if (compilation.ok() && !compilation->candidates.notes.empty()) {
    progress.show("");
    fmt::print(stderr, "{}", format_diagnostics(compilation->candidates.notes));
  }
  return compilation;
}

Result<std::vector<Sample>> samples_of(const Graph& graph, const CommandOptions& options,
                                       int64_t otherwise) {
  std::vector<Sample> samples;
  if (!options.inputs.empty()) {
    Result<std::vector<Sample>> read = read_inputs(graph, options.inputs, options.raw);
    if (!read.ok()) return read.errors();
    samples = std::move(*read);
  }
  const int64_t random = samples.empty() ? std::max(options.random, otherwise) : options.random;
  for (int64_t i = 0; i < random; ++i)
    samples.push_back(random_inputs(graph, options.seed + static_cast<uint64_t>(i)));
  return samples;
}

Result<EmittedRun> run_in(const Compilation& compilation, const std::filesystem::path& kept,
                          const std::vector<Sample>& samples, const Progress& progress,
                          const std::vector<UnitSetting>& settings) {
  progress.show("building and running the emitted C");
  const TemporaryFolder temporary;
  const std::filesystem::path folder = kept.empty() ? temporary.path() / "bundle" : kept;
  if (Status built = build_emitted(compilation, folder); !built.ok()) return built.errors();
  return run_built(compilation, folder, samples, settings);
}

Json to_json(const Comparison& comparison) {
  Json json = {
      {"what", comparison.what}, {"samples", comparison.samples}, {"exact", comparison.exact}};
  if (!comparison.criterion.empty()) json["criterion"] = comparison.criterion;
  json["met"] = comparison.met;
  if (comparison.first) json["first_divergence"] = to_string(*comparison.first);
  json["outputs"] = Json::array();
  for (const Metrics& metrics : comparison.outputs) {
    Json output = {{"output", metrics.output},       {"elements", metrics.elements},
                   {"differing", metrics.differing}, {"largest_difference", metrics.largest},
                   {"rmse", metrics.rmse},           {"cosine_similarity", metrics.cosine}};
    if (metrics.top_1) output["top_1_agreement"] = *metrics.top_1;
    if (metrics.top_5) output["top_5_agreement"] = *metrics.top_5;
    json["outputs"].push_back(std::move(output));
  }
  return json;
}

}  // namespace heddle
