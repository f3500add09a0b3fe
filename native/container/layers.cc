#include "container/layers.hpp"

#include "base/fd.hpp"

#include <climits>
#include <cstdio>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <memory>
#include <string_view>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unordered_set>

namespace stellwerk {
namespace {

constexpr const char* kMerge = "merge layers";
constexpr const char* kMeasure = "measure folder";
constexpr const char* kOpaque = "user.overlay.opaque";
constexpr std::string_view kMarks = "user.overlay.";
constexpr std::size_t kMostAtOnce = 1 << 30;

Fd openFolder(int at, const char* name) noexcept {
  return Fd(openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

bool isWhiteout(const struct stat& status) noexcept { return S_ISCHR(status.st_mode) && status.st_rdev == 0; }

bool isOpaque(int folder) noexcept {
  char value[2];
  return fgetxattr(folder, kOpaque, value, sizeof value) == 1 && value[0] == 'y';
}

// Calls `each` with every name but . and ..; `each` gives a Result<Done>.
template <class Each> Result<Done> forEachName(int folder, const char* step, Each each) {
  const std::unique_ptr<DIR, int (*)(DIR*)> names(fdopendir(openFolder(folder, ".").release()), closedir);
  if (!names) {
    return Failure::of(step, "fdopendir");
  }
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(names.get());
    if (entry == nullptr) {
      return errno == 0 ? Result<Done>(Done{}) : Failure::of(step, "readdir");
    }
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
      continue;
    }
    if (auto done = each(static_cast<const char*>(entry->d_name)); !done) {
      return done;
    }
  }
}

// Those of the file itself, not the overlay's marks.
Result<Done> copyXattrs(int from, int to, const char* name) {
  const ssize_t size = flistxattr(from, nullptr, 0);
  if (size <= 0) {
    return Done{};
  }
  std::string names(static_cast<std::size_t>(size), '\0');
  const ssize_t got = flistxattr(from, names.data(), names.size());
  for (std::size_t at = 0; got > 0 && at < static_cast<std::size_t>(got);) {
    const char* key = names.data() + at;
    at += strlen(key) + 1;
    if (std::string_view(key).starts_with(kMarks)) {
      continue;
    }
    const ssize_t length = fgetxattr(from, key, nullptr, 0);
    std::string value(length > 0 ? static_cast<std::size_t>(length) : 0, '\0');
    // What the namespace may not set (security.selinux) the file system sets by itself.
    if (length >= 0 && fgetxattr(from, key, value.data(), value.size()) == length &&
        fsetxattr(to, key, value.data(), value.size(), 0) != 0 && errno != EPERM && errno != ENOTSUP) {
      return Failure::of(kMerge, "fsetxattr", name);
    }
  }
  return Done{};
}

Result<Done> copyAttributes(int from, int to, const char* name) {
  struct stat status;
  if (fstat(from, &status) != 0) {
    return Failure::of(kMerge, "fstat", name);
  }
  // The owner first: a change of it takes setuid bits away.
  if (fchown(to, status.st_uid, status.st_gid) != 0) {
    return Failure::of(kMerge, "fchown", name);
  }
  if (fchmod(to, status.st_mode & 07777) != 0) {
    return Failure::of(kMerge, "fchmod", name);
  }
  if (auto done = copyXattrs(from, to, name); !done) {
    return done;
  }
  const timespec times[2] = {status.st_atim, status.st_mtim};
  return futimens(to, times) == 0 ? Result<Done>(Done{}) : Failure::of(kMerge, "futimens", name);
}

Result<Done> copyFile(int from, int to, const char* name) {
  const Fd source(openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  const Fd made(openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!source || !made) {
    return Failure::of(kMerge, "openat", name);
  }
  if (ioctl(made.get(), FICLONE, source.get()) != 0) {
    for (;;) {
      const ssize_t sent = sendfile(made.get(), source.get(), nullptr, kMostAtOnce);
      if (sent == 0) {
        break;
      }
      if (sent < 0 && errno != EINTR) {
        return Failure::of(kMerge, "sendfile", name);
      }
    }
  }
  return copyAttributes(source.get(), made.get(), name);
}

Result<Done> copyLink(int from, int to, const char* name, const struct stat& status) {
  char target[PATH_MAX];
  const ssize_t length = readlinkat(from, name, target, sizeof target - 1);
  if (length < 0) {
    return Failure::of(kMerge, "readlinkat", name);
  }
  target[length] = '\0';
  if (symlinkat(target, to, name) != 0) {
    return Failure::of(kMerge, "symlinkat", name);
  }
  const timespec times[2] = {status.st_atim, status.st_mtim};
  if (fchownat(to, name, status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW) != 0 ||
      utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) != 0) {
    return Failure::of(kMerge, "fchownat", name);
  }
  return Done{};
}

// A mark of where the file was copied up from: it means nothing outside of the mount.
void dropOrigin(int folder, const char* name) noexcept {
  char path[PATH_MAX + 32];
  snprintf(path, sizeof path, "/proc/self/fd/%d/%s", folder, name);
  lremovexattr(path, "user.overlay.origin");
}

Result<Done> takeEntry(int from, int to, const char* name, const struct stat& status) {
  if (S_ISREG(status.st_mode)) {
    dropOrigin(from, name);
  }
  if (linkat(from, name, to, name, 0) == 0) {
    return Done{};
  }
  const int error = errno;
  if (error == EXDEV || error == EMLINK || error == EPERM) {
    if (S_ISREG(status.st_mode)) {
      return copyFile(from, to, name);
    }
    if (S_ISLNK(status.st_mode)) {
      return copyLink(from, to, name, status);
    }
    return Done{}; // sockets, pipes and devices are no content
  }
  return Failure::of(kMerge, "linkat", name, error);
}

// `sources`: the same folder in each layer that shows through, the uppermost first.
Result<Done> mergeFolder(const std::vector<Fd>& sources, int to, const char* name) {
  std::unordered_set<std::string> seen;
  for (std::size_t index = 0; index < sources.size(); index++) {
    const int from = sources[index].get();
    const auto done = forEachName(from, kMerge, [&](const char* entry) -> Result<Done> {
      if (!seen.insert(entry).second) {
        return Done{};
      }
      struct stat status;
      if (fstatat(from, entry, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return Failure::of(kMerge, "fstatat", entry);
      }
      if (isWhiteout(status)) {
        return Done{};
      }
      if (!S_ISDIR(status.st_mode)) {
        return takeEntry(from, to, entry, status);
      }
      std::vector<Fd> inner;
      for (std::size_t at = index; at < sources.size(); at++) {
        Fd folder = openFolder(sources[at].get(), entry);
        if (!folder) {
          if (errno == ENOENT) {
            continue;
          }
          if (at == index) {
            return Failure::of(kMerge, "openat", entry);
          }
          break; // a file or a whiteout: what is below it does not show
        }
        inner.push_back(std::move(folder));
        if (isOpaque(inner.back().get())) {
          break;
        }
      }
      if (mkdirat(to, entry, 0700) != 0) {
        return Failure::of(kMerge, "mkdirat", entry);
      }
      const Fd made = openFolder(to, entry);
      return made ? mergeFolder(inner, made.get(), entry) : Failure::of(kMerge, "openat", entry);
    });
    if (!done) {
      return done;
    }
  }
  return copyAttributes(sources.front().get(), to, name);
}

// FNV-1a, 64 bits: against mistakes, not against malice.
class Print {
public:
  explicit Print(std::uint64_t start) noexcept : value_(start) {}
  void add(const void* bytes, std::size_t size) noexcept {
    for (std::size_t index = 0; index < size; index++) {
      value_ = (value_ ^ static_cast<const std::uint8_t*>(bytes)[index]) * 0x100000001b3U;
    }
  }
  void number(std::uint64_t value) noexcept { add(&value, sizeof value); }
  std::uint64_t value() const noexcept { return value_; }

private:
  std::uint64_t value_;
};

std::uint64_t printOf(std::uint64_t folder, const char* name, const struct stat& status) noexcept {
  Print print(folder);
  print.add(name, strlen(name) + 1);
  print.number(status.st_mode);
  print.number(status.st_uid);
  print.number(status.st_gid);
  print.number(S_ISDIR(status.st_mode) ? 0 : static_cast<std::uint64_t>(status.st_size));
  print.number(static_cast<std::uint64_t>(status.st_mtim.tv_sec));
  print.number(static_cast<std::uint64_t>(status.st_mtim.tv_nsec));
  return print.value();
}

// `print`: of the folder, so that those of what it holds depend on where it is.
Result<Done> measureFolder(int folder, std::uint64_t print, TreeSize& size) {
  return forEachName(folder, kMeasure, [&](const char* name) -> Result<Done> {
    struct stat status;
    if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
      return Failure::of(kMeasure, "fstatat", name);
    }
    size.entries++;
    size.bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
    const std::uint64_t own = printOf(print, name, status);
    size.fingerprint += own; // a sum: names come in any order
    if (!S_ISDIR(status.st_mode)) {
      return Done{};
    }
    const Fd inner = openFolder(folder, name);
    return inner ? measureFolder(inner.get(), own, size) : Failure::of(kMeasure, "openat", name);
  });
}

} // namespace

Result<Done> mergeLayers(const std::vector<std::string>& layers, const std::string& target) {
  std::vector<Fd> sources;
  for (const std::string& layer : layers) {
    sources.push_back(openFolder(AT_FDCWD, layer.c_str()));
    if (!sources.back()) {
      return Failure::of(kMerge, "openat", layer.c_str());
    }
    if (isOpaque(sources.back().get())) {
      break;
    }
  }
  const Fd to = openFolder(AT_FDCWD, target.c_str());
  if (!to || sources.empty()) {
    return Failure::of(kMerge, "openat", target.c_str(), sources.empty() ? EINVAL : errno);
  }
  return mergeFolder(sources, to.get(), target.c_str());
}

Result<TreeSize> measureTree(const std::string& folder) {
  const Fd top = openFolder(AT_FDCWD, folder.c_str());
  if (!top) {
    return Failure::of(kMeasure, "openat", folder.c_str());
  }
  TreeSize size;
  if (auto done = measureFolder(top.get(), 0xcbf29ce484222325U, size); !done) {
    return done.failure();
  }
  return size;
}

} // namespace stellwerk
