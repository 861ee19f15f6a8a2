#include "base/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>
#include <vector>

#include "base/text.h"

namespace heddle {
namespace fs = std::filesystem;
namespace {

Place place_of(const fs::path& path) {
  Place place;
  place.file = path.string();
  return place;
}

Diagnostic os_error(const fs::path& path, std::string_view what, int error) {
  return error_at(place_of(path), fmt::format("{}: {}", what, std::strerror(error)));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int close() {
    const int result = ::close(fd_);
    fd_ = -1;
    return result;
  }

 private:
  int fd_;
};

// 0, or the error number.
int write_bytes(const fs::path& path, const std::string& content) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.get() < 0) return errno;
  for (size_t done = 0; done < content.size();) {
    const ssize_t count = ::write(file.get(), content.data() + done, content.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    done += static_cast<size_t>(count);
  }
  return file.close() == 0 ? 0 : errno;
}

// Removes what was made on the way unless everything went well; never throws.
class Undo {
 public:
  ~Undo() {
    std::error_code ignored;
    for (size_t i = paths_.size(); i-- > 0;) fs::remove_all(paths_[i], ignored);
  }
  void remember(const fs::path& path) { paths_.push_back(path); }
  void keep() { paths_.clear(); }

 private:
  std::vector<fs::path> paths_;
};

// A new folder in `parent`, with the permissions that the user's umask gives.
std::optional<fs::path> make_sibling(const fs::path& parent, std::string_view purpose) {
  for (int count = 0; count < 1000; ++count) {
    const fs::path path = parent / fmt::format(".heddle-{}-{}-{}", purpose, ::getpid(), count);
    if (::mkdir(path.c_str(), 0777) == 0) return path;
    if (errno != EEXIST) return std::nullopt;
  }
  return std::nullopt;
}

bool is_safe_relative(const std::string& name) {
  const fs::path path(name);
  if (name.empty() || path.is_absolute() || name.find('\0') != std::string::npos) return false;
  return std::none_of(path.begin(), path.end(), [](const fs::path& part) {
    return part.empty() || part == "." || part == "..";
  });
}

Status write_all(const fs::path& shown, const fs::path& root, const FileSet& files) {
  for (const auto& [name, content] : files) {
    HEDDLE_CHECK(is_safe_relative(name),
                 fmt::format("file name `{}` leaves its folder", terminal_text(name)));
    const fs::path path = root / name;
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    if (error) return os_error(shown / name, "cannot make the folder", error.value());
    const int failed = write_bytes(path, content);
    if (failed != 0) return os_error(shown / name, "cannot write the file", failed);
  }
  return Unit{};
}

}  // namespace

Result<std::string> read_file(const fs::path& path, int64_t max_bytes) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    const int error = errno;
    if (error == ENOENT || error == ENOTDIR)
      return error_at(place_of(path), "there is no such file");
    return os_error(path, "cannot read the file", error);
  }
  if (S_ISDIR(info.st_mode)) return error_at(place_of(path), "this is a folder, a file is needed");
  if (!S_ISREG(info.st_mode)) return error_at(place_of(path), "this is not a regular file");
  const auto too_large = [&] {
    return error_at(place_of(path), fmt::format("the file is larger than the limit of {} bytes",
                                                thousands(max_bytes)));
  };
  if (info.st_size > max_bytes) return too_large();

  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return os_error(path, "cannot read the file", errno);
  // The file may grow while it is read: the size is a hint only.
  std::string content;
  content.resize(static_cast<size_t>(info.st_size) + 1);
  size_t done = 0;
  while (true) {
    if (done == content.size()) content.resize(content.size() * 2);
    const ssize_t count = ::read(file.get(), content.data() + done, content.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return os_error(path, "cannot read the file", errno);
    if (count == 0) break;
    done += static_cast<size_t>(count);
    if (done > static_cast<size_t>(max_bytes)) return too_large();
  }
  content.resize(done);
  return content;
}

Status write_file(const fs::path& path, const std::string& content) {
  if (fs::is_directory(path)) return error_at(place_of(path), "this is a folder, a file is needed");
  fs::path beside = path;
  beside += fmt::format(".heddle-{}", ::getpid());
  const int failed = write_bytes(beside, content);
  std::error_code error(failed, std::generic_category());
  if (failed == 0) fs::rename(beside, path, error);
  if (!error) return Unit{};
  std::error_code ignored;
  fs::remove(beside, ignored);
  return os_error(path, "cannot write the file", error.value());
}

Status write_folder(const fs::path& folder, const FileSet& files) {
  std::error_code error;
  // "out/" and "out" are the same folder; a symbolic link stays one, the folder it points to is
  // replaced.
  fs::path target = fs::absolute(folder, error).lexically_normal();
  if (error) return os_error(folder, "cannot write the folder", error.value());
  if (target.filename().empty()) target = target.parent_path();
  if (fs::is_symlink(target, error)) target = fs::weakly_canonical(target, error);

  const fs::file_status status = fs::status(target, error);
  const bool exists = fs::exists(status);
  if (exists && !fs::is_directory(status)) {
    return error_at(place_of(folder), "this is a file, a folder is to be written here",
                    "choose another folder, or remove the file");
  }
  if (exists && !fs::is_regular_file(target / kManifestName, error)) {
    return error_at(place_of(folder),
                    fmt::format("the folder exists and was not written by heddle: it has no `{}`",
                                kManifestName),
                    "choose another folder, or remove this one");
  }

  Undo undo;
  const fs::path parent = target.parent_path();
  fs::path missing;  // the outermost folder that does not exist yet
  for (fs::path up = parent; !fs::exists(up, error) && up.has_relative_path();
       up = up.parent_path())
    missing = up;
  if (!missing.empty()) undo.remember(missing);
  fs::create_directories(parent, error);
  if (error) return os_error(folder, "cannot make the folder", error.value());

  const std::optional<fs::path> fresh = make_sibling(parent, "new");
  if (!fresh) return os_error(folder, "cannot make the folder", errno);
  undo.remember(*fresh);
  Status written = write_all(folder, *fresh, files);
  if (!written.ok()) return written;

  // The old folder moves aside first: rename() cannot replace one that is not empty. It comes back
  // if the second rename fails.
  if (!exists) {
    fs::rename(*fresh, target, error);
    if (error) return os_error(folder, "cannot write the folder", error.value());
    undo.keep();
    return Unit{};
  }
  const std::optional<fs::path> aside = make_sibling(parent, "old");
  if (!aside) return os_error(folder, "cannot replace the folder", errno);
  undo.remember(*aside);
  fs::rename(target, *aside / "folder", error);
  if (error) return os_error(folder, "cannot replace the folder", error.value());
  fs::rename(*fresh, target, error);
  if (error) {
    const int reason = error.value();
    fs::rename(*aside / "folder", target, error);
    if (error) undo.keep();  // nothing may be lost: the old content stays aside
    return os_error(folder, "cannot replace the folder", reason);
  }
  return Unit{};  // removes the old content
}

TemporaryFolder::TemporaryFolder() {
  std::error_code error;
  fs::path base = fs::temp_directory_path(error);
  if (error) base = "/tmp";
  std::string name = (base / "heddle-XXXXXX").string();
  HEDDLE_CHECK(::mkdtemp(name.data()) != nullptr,
               fmt::format("cannot make a folder in {}", base.string()));
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace heddle
