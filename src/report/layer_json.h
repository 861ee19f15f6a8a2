// One layer of a report, and a schedule that does not fit, as JSON: of `report --json` and `why --json`. Included by .cc files only.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "report/report.h"

namespace heddle {

nlohmann::ordered_json to_json(const LayerReport& layer);
nlohmann::ordered_json to_json(const Unfit& unfit);

}  // namespace heddle
