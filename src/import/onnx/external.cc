#include "import/onnx/external.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>

#include "base/text.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;

bool is_within(const fs::path& file, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), file.begin(), file.end()).first ==
         folder.end();
}

// The file, with links resolved; nothing where it is not inside the model's folder.
std::optional<fs::path> inside(const fs::path& folder, const std::string& location) {
  const fs::path relative(location);
  if (location.empty() || location.find('\0') != std::string::npos || relative.is_absolute())
    return std::nullopt;
  std::error_code failed;
  const fs::path root = fs::canonical(folder.empty() ? fs::path(".") : folder, failed);
  if (failed) return folder / relative.filename();  // no such folder: the file is missing, then
  const fs::path file = fs::weakly_canonical(root / relative, failed);
  if (failed || !is_within(file, root)) return std::nullopt;
  return file;
}

}  // namespace

Result<std::string> read_external(const std::string& model, const ExternalData& data,
                                  int64_t bytes) {
  const std::string shown = "`" + terminal_text(data.location) + "`";
  const auto fail = [&](std::string message, std::string remedy = "") {
    return error_at({}, std::move(message), std::move(remedy));
  };
  const std::optional<fs::path> file = inside(fs::path(model).parent_path(), data.location);
  if (!file) {
    return fail(fmt::format("keeps its data in {}, which is not in the model's folder", shown),
                "move the data beside the model, or save the model as one file");
  }
  if (data.offset < 0 || (data.length >= 0 && data.length != bytes)) {
    return fail(fmt::format("keeps its data at byte {} of {}, {} bytes, but needs {}", data.offset,
                            shown, data.length, bytes));
  }
  std::error_code failed;
  if (!fs::is_regular_file(*file, failed)) {
    return fail(fmt::format("keeps its data in {}, which is no file in the model's folder", shown),
                "put the data file beside the model");
  }
  const uintmax_t size = fs::file_size(*file, failed);
  if (failed || size < static_cast<uintmax_t>(data.offset) ||
      size - static_cast<uintmax_t>(data.offset) < static_cast<uintmax_t>(bytes)) {
    return fail(fmt::format("needs {} bytes at byte {} of {}, which has {}", bytes, data.offset,
                            shown, failed ? 0 : size));
  }
  std::ifstream stream(*file, std::ios::binary);
  stream.seekg(data.offset);
  std::string content(static_cast<size_t>(bytes), '\0');
  if (!stream.read(content.data(), static_cast<std::streamsize>(bytes)))
    return fail(fmt::format("keeps its data in {}, which cannot be read", shown));
  return content;
}

}  // namespace heddle
