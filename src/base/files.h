// Files and folders: bounded reads, all-or-nothing writes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "base/result.h"

namespace heddle {

// The whole file as bytes. Errors: missing, a folder, unreadable, larger than max_bytes.
Result<std::string> read_file(const std::filesystem::path& path,
                              int64_t max_bytes = int64_t{1} << 31);

// Replaces the file, or leaves it as it was.
Status write_file(const std::filesystem::path& path, const std::string& content);

using FileSet = std::map<std::string, std::string>;  // relative path with '/', content

inline constexpr const char* kManifestName = "heddle-manifest.json";

// Writes all files beside `folder`, then renames. An existing folder is replaced only if it carries
// kManifestName.
Status write_folder(const std::filesystem::path& folder, const FileSet& files);

// A folder below the system's temporary one, removed with all its content on destruction.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace heddle
