#include <fmt/format.h>

#include "main/common.h"

namespace heddle {

int compile_command(const CommandOptions& options) {
  if (options.output.empty() && options.dump_after.empty()) {
    return fail("compile", "no folder to write",
                "add `-o DIR`, or `--dump-after STAGE` to look at a stage");
  }
  const Progress progress;
  CommandOptions with_vectors = options;
  if (!options.inputs.empty()) {
    Result<Compilation> imported = compile_to(options, progress, "import");
    if (!imported.ok()) return fail(imported.errors());
    Result<std::vector<Sample>> samples = samples_of(imported->graph, options, 0);
    if (!samples.ok()) return fail(samples.errors());
    with_vectors.compile.vectors = std::move(*samples);
  }
  Result<Compilation> compilation = compile_to(
      with_vectors, progress, options.dump_after.empty() ? "bundle" : options.dump_after);
  if (!compilation.ok()) return fail(compilation.errors());
  progress.show("");
  if (!options.dump_after.empty()) {
    fmt::print("{}", dump(*compilation, options.dump_after));
    return 0;
  }
  const Status written = write_folder(options.output, compilation->bundle);
  if (!written.ok()) return fail(written.errors());
  fmt::print("{}",
             options.json ? report_json(compilation->report) : report_text(compilation->report));
  if (!options.json)
    fmt::print("wrote {} files to {}\n", compilation->bundle.size(), options.output.string());
  return 0;
}

}  // namespace heddle
