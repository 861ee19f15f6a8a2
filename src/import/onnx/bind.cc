// Open dimensions of graph inputs: `--bind`, or 1 for a batch.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "import/onnx/translate.h"

namespace heddle {
namespace {

constexpr int64_t kMaxSize = int64_t{1} << 28;

// What `--bind` calls a dimension: its symbol, or "x[2]" where it has none.
std::string name_of(const RawInfo& info, size_t d) {
  return info.dims[d].symbol.empty() ? fmt::format("{}[{}]", info.name, d) : info.dims[d].symbol;
}

// Exporters write -1 for an open dimension, and 0 for an open batch; another 0 is a size.
bool is_open(const RawInfo& info, size_t d) {
  return info.dims[d].value < 0 || (info.dims[d].value == 0 && d == 0);
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + ticked(name);
  return text;
}

template <class F>
void for_each_open(const Translation& t, std::vector<RawInfo>& inputs, F&& f) {
  for (RawInfo& info : inputs) {
    if (t.tensors.contains(info.name)) continue;  // an initialiser
    for (size_t d = 0; d < info.dims.size(); ++d) {
      if (is_open(info, d)) f(info, d, name_of(info, d));
    }
  }
}

}  // namespace

void bind_dimensions(Translation& t, RawModel& model, const ImportOptions& options) {
  std::vector<std::string> known;
  std::map<std::string, int64_t> sizes = options.bind;
  for_each_open(t, model.inputs, [&](const RawInfo& info, size_t d, const std::string& name) {
    if (std::find(known.begin(), known.end(), name) == known.end()) known.push_back(name);
    if (d != 0 || !sizes.emplace(name, 1).second) return;
    t.notes.push_back(fmt::format("input {}: the batch dimension {} is taken as 1 (--bind {}=N)",
                                  ticked(info.name), ticked(name), terminal_text(name)));
  });
  for (const auto& [name, size] : options.bind) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      report(t.builder, "",
             fmt::format("--bind names {}, which is no open dimension of a graph input{}",
                         ticked(name), did_you_mean(name, known)),
             known.empty() ? "all dimensions of this model have sizes"
                           : "open dimensions are " + listed(known));
    } else if (size < 1 || size > kMaxSize) {
      report(t.builder, "",
             fmt::format("--bind gives dimension {} the size {}", ticked(name), size),
             fmt::format("choose 1 to {}", thousands(kMaxSize)));
      sizes[name] = 1;
    }
  }
  for_each_open(t, model.inputs, [&](RawInfo& info, size_t d, const std::string& name) {
    const auto size = sizes.find(name);
    if (size != sizes.end()) {
      info.dims[d].value = size->second;
      return;
    }
    report(t.builder, "",
           fmt::format("dimension {} of graph input {}, {}, has no size", d, ticked(info.name),
                       info.dims[d].symbol.empty() ? fmt::format("{}", info.dims[d].value)
                                                   : ticked(info.dims[d].symbol)),
           fmt::format("say it with --bind '{}=N'", terminal_text(name)));
    info.dims[d].value = 1;  // one error for each dimension, none for what follows
  });
}

}  // namespace heddle
