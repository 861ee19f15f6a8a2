// .npz archives, through libzip; entries are size-checked before they are unpacked.
#include "import/npz.h"

#include <fmt/format.h>
#include <zip.h>

#include <memory>

#include "base/files.h"
#include "base/text.h"

namespace heddle {
namespace {

constexpr int64_t kMaxFileBytes = int64_t{1} << 30;
constexpr int64_t kMaxUnpackedBytes = int64_t{1} << 28;  // of all entries together
constexpr int64_t kMaxElements = int64_t{1} << 26;
constexpr int64_t kMaxEntries = 10'000;

struct ArchiveCloser {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct EntryCloser {
  void operator()(zip_file_t* entry) const { zip_fclose(entry); }
};

Diagnostic bad(const std::string& file, std::string message) {
  return error_at(in_file(file), std::move(message));
}

Result<Arrays> parse_npz(std::string_view bytes, const std::string& file) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  if (source == nullptr) return bad(file, "the archive cannot be opened");
  std::unique_ptr<zip_t, ArchiveCloser> archive(zip_open_from_source(source, ZIP_RDONLY, &error));
  if (archive == nullptr) {
    zip_source_free(source);
    std::string reason = zip_error_strerror(&error);
    zip_error_fini(&error);
    return bad(file, fmt::format("not a readable .npz archive: {}", reason));
  }
  int64_t entries = zip_get_num_entries(archive.get(), 0);
  if (entries > kMaxEntries)
    return bad(file, fmt::format("the archive has {} entries, more than {}", entries, kMaxEntries));

  Arrays arrays;
  Diagnostics errors;
  int64_t unpacked = 0;
  int64_t elements = 0;
  for (int64_t i = 0; i < entries; ++i) {
    zip_stat_t stat;
    zip_stat_init(&stat);
    if (zip_stat_index(archive.get(), static_cast<zip_uint64_t>(i), 0, &stat) != 0 ||
        !(stat.valid & ZIP_STAT_SIZE) || !(stat.valid & ZIP_STAT_NAME)) {
      errors.push_back(bad(file, fmt::format("entry {} of the archive is unreadable", i)));
      continue;
    }
    std::string key = stat.name;
    if (!key.ends_with(".npy")) continue;
    key.resize(key.size() - 4);
    std::string shown = fmt::format("{}[{}]", file, terminal_text(key));
    if (stat.size > static_cast<zip_uint64_t>(kMaxUnpackedBytes - unpacked)) {
      errors.push_back(bad(shown, fmt::format("the archive unpacks to more than {} bytes",
                                              thousands(kMaxUnpackedBytes))));
      break;
    }
    unpacked += static_cast<int64_t>(stat.size);
    std::unique_ptr<zip_file_t, EntryCloser> entry(
        zip_fopen_index(archive.get(), static_cast<zip_uint64_t>(i), 0));
    // The stated size is foreign: grow with what is really there.
    std::string content;
    bool complete = entry != nullptr;
    while (complete && content.size() < stat.size) {
      size_t wanted = std::min<size_t>(stat.size - content.size(), size_t{1} << 20);
      size_t begin = content.size();
      content.resize(begin + wanted);
      zip_int64_t got = zip_fread(entry.get(), content.data() + begin, wanted);
      content.resize(begin + static_cast<size_t>(std::max<zip_int64_t>(got, 0)));
      complete = got > 0;
    }
    if (!complete) {
      errors.push_back(bad(shown, "the archive's entry cannot be unpacked"));
      continue;
    }
    Result<Tensor> tensor = parse_npy(content, shown);
    if (!tensor.ok()) {
      errors.insert(errors.end(), tensor.errors().begin(), tensor.errors().end());
      continue;
    }
    elements += tensor->elements();
    if (elements > kMaxElements) {
      errors.push_back(bad(shown, fmt::format("the archive holds more than {} elements",
                                              thousands(kMaxElements))));
      break;
    }
    arrays.emplace_back(std::move(key), std::move(*tensor));
  }
  if (!errors.empty()) return errors;
  return arrays;
}

}  // namespace

Result<Arrays> parse_arrays(std::string_view bytes, const std::string& name) {
  if (bytes.starts_with("PK")) return parse_npz(bytes, name);
  if (!bytes.starts_with("\x93NUMPY"))
    return bad(name, "neither a .npy array nor an .npz archive");
  Result<Tensor> tensor = parse_npy(bytes, name);
  if (!tensor.ok()) return tensor.errors();
  return Arrays{{"", std::move(*tensor)}};
}

Result<Arrays> read_arrays(const std::filesystem::path& path) {
  Result<std::string> bytes = read_file(path, kMaxFileBytes);
  if (!bytes.ok()) return bytes.errors();
  return parse_arrays(*bytes, path.string());
}

}  // namespace heddle
