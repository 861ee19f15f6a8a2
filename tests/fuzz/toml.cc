// Files of rules: the first byte says which kind of file follows. SoCs find sound units beside
// them.
#include <filesystem>
#include <fstream>
#include <string_view>

#include "base/files.h"
#include "rules/rules.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;

struct Workplace {
  TemporaryFolder folder;
  Workplace() {
    const fs::path units = fs::path(HEDDLE_SOURCE_DIR) / "tests" / "fuzz" / "units";
    fs::copy(units, folder.path() / "soc", fs::copy_options::recursive);
    for (const char* const kind : {"policy", "accelerator", "dma", "cpu"})
      fs::create_directory(folder.path() / kind);
  }
  fs::path write(const std::string& place, std::string_view text) const {
    const fs::path file = folder.path() / place;
    std::ofstream(file, std::ios::binary) << text;
    return file;
  }
};

template <class T>
void look_at(const Result<T>& result) {
  if (!result.ok()) (void)format_diagnostics(result.errors()).size();
}

}  // namespace
}  // namespace heddle

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace heddle;
  static const Workplace workplace;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      look_at(load_policy(workplace.write("policy/policy.toml", text)));
      break;
    case 1:
      look_at(load_target(workplace.write("accelerator/accelerator.toml", text).parent_path()));
      break;
    case 2:
      look_at(load_target(workplace.write("dma/dma.toml", text).parent_path()));
      break;
    case 3:
      look_at(load_target(workplace.write("cpu/cpu.toml", text).parent_path()));
      break;
    default: {
      const Result<Soc> soc = load_soc(workplace.write("soc/soc.toml", text));
      if (soc.ok()) (void)dump(*soc).size();
      look_at(soc);
    }
  }
  return 0;
}
