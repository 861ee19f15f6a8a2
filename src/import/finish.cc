#include "import/finish.h"

#include "import/normalise.h"
#include "import/requant.h"
#include "import/sink_views.h"
#include "import/transposes.h"
#include "ops/op.h"

namespace heddle {

Result<Graph> finish_import(const Graph& graph, const std::vector<std::string>& notes,
                            const std::string& file) {
  // The passes only make the graph smaller or weaken its requantisations.
  Result<Graph> normal = normalise(graph, file);
  if (!normal.ok()) return normal.errors();
  normal = sink_transposes(*normal, file);
  if (!normal.ok()) return normal.errors();
  normal = normalise(*normal, file);
  if (!normal.ok()) return normal.errors();
  normal = sink_views(*normal, file);
  if (!normal.ok()) return normal.errors();
  normal = normalise(*normal, file);
  if (!normal.ok()) return normal.errors();
  Result<Graph> reduced = reduce_requantisations(*normal, file);
  if (!reduced.ok()) return reduced.errors();
  // A requantisation that became `>> 0` may be an identity now.
  Result<Graph> result = normalise(*reduced, file);
  if (!result.ok()) return result.errors();
  result->notes.insert(result->notes.begin(), notes.begin(), notes.end());
  Status verified = verify_graph(*result);
  HEDDLE_CHECK(verified.ok(),
               "the imported graph does not verify: " + format_diagnostics(verified.errors()));
  return result;
}

}  // namespace heddle
