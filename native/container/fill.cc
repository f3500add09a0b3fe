#include "container/fill.hpp"

#include "container/path.hpp"

#include <climits>
#include <cstring>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>

namespace stellwerk {
namespace {

constexpr const char* kFolder = "make folder";
constexpr const char* kFile = "make file";
constexpr const char* kCopy = "copy";

// Deep enough for any image; each level holds two descriptors and a block of names.
constexpr int kDeepest = 200;
constexpr std::size_t kNamesBytes = 2048;
constexpr std::size_t kMostAtOnce = 1 << 30;

// The parent of `path` in the root, and the name in it.
struct Place {
  Fd parent;
  const char* name;
};

Result<Place> placeOf(int root, const std::string& path, const char* step) noexcept {
  const std::size_t slash = path.rfind('/');
  char parent[PATH_MAX];
  if (slash == std::string::npos || slash >= sizeof parent || slash + 1 == path.size()) {
    return Failure::of(step, "path", path.c_str(), EINVAL);
  }
  memcpy(parent, path.data(), slash);
  parent[slash] = '\0';
  auto folder = openInRoot(root, slash == 0 ? "/" : parent, step);
  if (!folder) {
    return folder.failure();
  }
  return Place{.parent = std::move(folder).value(), .name = path.c_str() + slash + 1};
}

uid_t ownerOf(const Mount& mount, uid_t other) noexcept { return mount.owner ? *mount.owner : other; }
gid_t groupOf(const Mount& mount, gid_t other) noexcept { return mount.ownerGroup ? *mount.ownerGroup : other; }
constexpr uid_t kAsItIs = static_cast<uid_t>(-1);

// linux_dirent64, getdents64(2); the name follows.
struct NameHeader {
  std::uint64_t inode;
  std::int64_t offset;
  std::uint16_t size;
  std::uint8_t type;
};
constexpr std::size_t kNameAt = offsetof(NameHeader, type) + 1;

// The path as opened by O_PATH is no folder that can be read or changed.
Fd readable(int folder) noexcept { return Fd(openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)); }

Result<Done> copyData(int from, int to, const char* name) noexcept {
  for (;;) {
    const ssize_t sent = sendfile(to, from, nullptr, kMostAtOnce);
    if (sent == 0) {
      return Done{};
    }
    if (sent < 0 && errno != EINTR) {
      return Failure::of(kCopy, "sendfile", name);
    }
  }
}

class Copier {
public:
  explicit Copier(const Mount& mount) noexcept : mount_(mount) {}

  Result<Done> contents(int from, int to, int depth) noexcept {
    if (depth > kDeepest) {
      return Failure::of(kCopy, "openat", "folders nested too deep", ELOOP);
    }
    alignas(NameHeader) char block[kNamesBytes];
    for (;;) {
      const long got = syscall(SYS_getdents64, from, block, sizeof block);
      if (got < 0) {
        return Failure::of(kCopy, "getdents64", mount_.source.c_str());
      }
      if (got == 0) {
        return Done{};
      }
      for (long at = 0; at < got;) {
        const auto* header = reinterpret_cast<const NameHeader*>(block + at);
        const char* name = block + at + kNameAt;
        at += header->size;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
          continue;
        }
        if (auto done = one(from, to, name, depth); !done) {
          return done;
        }
      }
    }
  }

  Result<Done> attributes(int to, const struct stat& status, const char* name) noexcept {
    // The owner first: a change of it takes setuid bits away.
    if (fchown(to, ownerOf(mount_, status.st_uid), groupOf(mount_, status.st_gid)) != 0) {
      return Failure::of(kCopy, "fchown", name);
    }
    if (fchmod(to, status.st_mode & 07777) != 0) {
      return Failure::of(kCopy, "fchmod", name);
    }
    const timespec times[2] = {status.st_atim, status.st_mtim};
    if (futimens(to, times) != 0) {
      return Failure::of(kCopy, "futimens", name);
    }
    return Done{};
  }

private:
  Result<Done> one(int from, int to, const char* name, int depth) noexcept {
    struct stat status;
    if (fstatat(from, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
      return Failure::of(kCopy, "fstatat", name);
    }
    if (S_ISDIR(status.st_mode)) {
      return folder(from, to, name, status, depth);
    }
    if (S_ISREG(status.st_mode)) {
      return file(from, to, name, status);
    }
    return S_ISLNK(status.st_mode) ? link(from, to, name, status) : Result<Done>(Done{});
  }

  Result<Done> folder(int from, int to, const char* name, const struct stat& status, int depth) noexcept {
    if (mkdirat(to, name, 0700) != 0) {
      return Failure::of(kCopy, "mkdirat", name);
    }
    const Fd inner(openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    const Fd made(openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!inner || !made) {
      return Failure::of(kCopy, "openat", name);
    }
    if (auto done = contents(inner.get(), made.get(), depth + 1); !done) {
      return done;
    }
    return attributes(made.get(), status, name);
  }

  Result<Done> file(int from, int to, const char* name, const struct stat& status) noexcept {
    const Fd inner(openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    const Fd made(openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!inner || !made) {
      return Failure::of(kCopy, "openat", name);
    }
    if (auto done = copyData(inner.get(), made.get(), name); !done) {
      return done;
    }
    return attributes(made.get(), status, name);
  }

  Result<Done> link(int from, int to, const char* name, const struct stat& status) noexcept {
    const ssize_t length = readlinkat(from, name, path_, sizeof path_ - 1);
    if (length < 0) {
      return Failure::of(kCopy, "readlinkat", name);
    }
    path_[length] = '\0';
    if (symlinkat(path_, to, name) != 0) {
      return Failure::of(kCopy, "symlinkat", name);
    }
    if (fchownat(to, name, ownerOf(mount_, status.st_uid), groupOf(mount_, status.st_gid), AT_SYMLINK_NOFOLLOW) != 0) {
      return Failure::of(kCopy, "fchownat", name);
    }
    return Done{};
  }

  const Mount& mount_;
  char path_[PATH_MAX];
};

} // namespace

Result<Done> makeFolderInRoot(int root, const Mount& mount) noexcept {
  auto place = placeOf(root, mount.target, kFolder);
  if (!place) {
    return place.failure();
  }
  const int parent = place.value().parent.get();
  const char* name = place.value().name;
  if (mkdirat(parent, name, mount.mode) != 0 && errno != EEXIST) {
    return Failure::of(kFolder, "mkdirat", mount.target.c_str());
  }
  const Fd folder(openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder) {
    return Failure::of(kFolder, "openat", mount.target.c_str());
  }
  if ((mount.owner || mount.ownerGroup) &&
      fchown(folder.get(), ownerOf(mount, kAsItIs), groupOf(mount, static_cast<gid_t>(kAsItIs))) != 0) {
    return Failure::of(kFolder, "fchown", mount.target.c_str());
  }
  if (fchmod(folder.get(), mount.mode) != 0) {
    return Failure::of(kFolder, "fchmod", mount.target.c_str());
  }
  return Done{};
}

Result<Done> makeFileInRoot(int root, const Mount& mount) noexcept {
  auto place = placeOf(root, mount.target, kFile);
  if (!place) {
    return place.failure();
  }
  const int parent = place.value().parent.get();
  const char* name = place.value().name;
  struct stat status;
  if (!mount.text && fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
    return Done{};
  }
  const Fd file(openat(parent, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mount.mode));
  if (!file) {
    return Failure::of(kFile, "openat", mount.target.c_str());
  }
  const std::size_t size = mount.text ? mount.text->size() : 0;
  for (std::size_t done = 0; done < size;) {
    const ssize_t written = write(file.get(), mount.text->data() + done, size - done);
    if (written < 0 && errno != EINTR) {
      return Failure::of(kFile, "write", mount.target.c_str());
    }
    done += written > 0 ? static_cast<std::size_t>(written) : 0;
  }
  if (fchmod(file.get(), mount.mode) != 0) {
    return Failure::of(kFile, "fchmod", mount.target.c_str());
  }
  return Done{};
}

Result<Done> copyTree(int from, int to, const Mount& mount) noexcept {
  const Fd source = readable(from);
  if (!source) {
    return Failure::of(kCopy, "openat", mount.source.c_str());
  }
  const Fd target = readable(to);
  if (!target) {
    return Failure::of(kCopy, "openat", mount.target.c_str());
  }
  struct stat status;
  if (fstat(source.get(), &status) != 0) {
    return Failure::of(kCopy, "fstat", mount.source.c_str());
  }
  Copier copier(mount);
  if (auto done = copier.contents(source.get(), target.get(), 0); !done) {
    return done;
  }
  return copier.attributes(target.get(), status, mount.target.c_str());
}

} // namespace stellwerk
