#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cpu_codegen/generators.h"
#include "main/common.h"
#include "report/why.h"

namespace heddle {

int why_command(const CommandOptions& options) {
  const Progress progress;
  Result<Compilation> compilation = compile_to(options, progress, "memory");
  if (!compilation.ok()) return fail(compilation.errors());
  const Compilation& c = *compilation;
  progress.show("what would be if");
  Result<NetworkWhy> why = explain(c.graph, c.soc, c.policy, c.matches, c.candidates, c.schedule,
                                   c.report, refuse_kernels);
  if (!why.ok()) return fail(why.errors());
  progress.show("");
  if (!options.layer.empty()) {
    std::vector<std::string> names;
    for (const LayerWhy& layer : why->layers) names.push_back(layer.layer.layer);
    // Names of some front ends are long: a part of one will do.
    const bool whole = std::find(names.begin(), names.end(), options.layer) != names.end();
    std::erase_if(why->layers, [&](const LayerWhy& layer) {
      return whole ? layer.layer.layer != options.layer
                   : layer.layer.layer.find(options.layer) == std::string::npos;
    });
    if (why->layers.empty()) {
      std::string list;
      for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
      return fail(options.compile.model,
                  "no layer `" + options.layer + "`" + did_you_mean(options.layer, names),
                  "the layers are " + list);
    }
  }
  const bool details = options.all_layers || !options.layer.empty();
  fmt::print("{}", options.json ? why_json(*why)
                   : details    ? layers_text(why->layers)
                                : network_text(*why));
  return 0;
}

}  // namespace heddle
