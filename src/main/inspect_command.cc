#include <fmt/format.h>

#include "base/files.h"
#include "export/export_onnx.h"
#include "main/common.h"
#include "report/inspect.h"

namespace heddle {

int inspect_command(const CommandOptions& options) {
  const Progress progress;
  Result<CompileOptions> compile = compile_options(options, progress);
  if (!compile.ok()) return fail(compile.errors());
  Result<Graph> graph = import_model(compile->model, compile->import);
  if (!graph.ok()) return fail(graph.errors());
  if (!options.emit_onnx.empty()) {
    std::error_code absent;
    if (std::filesystem::equivalent(options.emit_onnx, compile->model, absent)) {
      return fail(options.emit_onnx, "--emit-onnx would overwrite the model itself",
                  "give another file");
    }
    const Result<std::string> onnx = export_onnx(*graph, compile->model.string());
    if (!onnx.ok()) return fail(onnx.errors());
    if (Status written = write_file(options.emit_onnx, *onnx); !written.ok())
      return fail(written.errors());
  }
  fmt::print("{}", options.json ? inspect_json(*graph) : inspect_text(*graph));
  return 0;
}

}  // namespace heddle
