#include <fmt/format.h>

#include "base/text.h"
#include "main/common.h"

namespace heddle {

int why_command(const CommandOptions& options) {
  const Progress progress;
  Result<Compilation> compilation = compile_to(options, progress, "memory");
  if (!compilation.ok()) return fail(compilation.errors());
  progress.show("");
  std::vector<LayerWhy> layers =
      explain(compilation->graph, compilation->soc, compilation->matches, compilation->candidates,
              compilation->schedule, compilation->report);
  if (!options.layer.empty()) {
    std::vector<std::string> names;
    for (const LayerWhy& why : layers) names.push_back(why.layer.layer);
    std::erase_if(layers, [&](const LayerWhy& why) { return why.layer.layer != options.layer; });
    if (layers.empty()) {
      std::string list;
      for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
      return fail(options.compile.model,
                  "no layer `" + options.layer + "`" + did_you_mean(options.layer, names),
                  "the layers are " + list);
    }
  }
  fmt::print("{}", options.json ? why_json(layers) : why_text(layers));
  return 0;
}

}  // namespace heddle
