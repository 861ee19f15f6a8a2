// One layer of a report as JSON: of `report --json` and `why --json`. Included by .cc files only.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "report/report.h"

namespace heddle {

nlohmann::ordered_json to_json(const LayerReport& layer);

}  // namespace heddle
