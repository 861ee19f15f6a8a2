#include <fmt/format.h>

#include "main/common.h"
#include "report/inspect.h"

namespace heddle {

int inspect_command(const CommandOptions& options) {
  const Progress progress;
  Result<CompileOptions> compile = compile_options(options, progress);
  if (!compile.ok()) return fail(compile.errors());
  Result<Graph> graph = import_model(compile->model, compile->import);
  if (!graph.ok()) return fail(graph.errors());
  fmt::print("{}", options.json ? inspect_json(*graph) : inspect_text(*graph));
  return 0;
}

}  // namespace heddle
