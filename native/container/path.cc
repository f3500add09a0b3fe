#include "container/path.hpp"

#include "container/kernel.hpp"

#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>

namespace stellwerk {

int openWithoutSymlinks(int root, const char* path) noexcept {
  Fd current(openat(root, ".", O_PATH | O_CLOEXEC));
  while (current) {
    path += strspn(path, "/");
    if (*path == '\0') {
      return current.release();
    }
    const std::size_t length = strcspn(path, "/");
    char name[256];
    if (length >= sizeof name) {
      errno = ENAMETOOLONG;
      return -1;
    }
    memcpy(name, path, length);
    name[length] = '\0';
    path += length;
    if (strcmp(name, "..") == 0) {
      errno = EXDEV;
      return -1;
    }
    Fd next(openat(current.get(), name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat status;
    if (next && fstat(next.get(), &status) == 0 && S_ISLNK(status.st_mode)) {
      errno = ELOOP;
      return -1;
    }
    current = std::move(next);
  }
  return -1;
}

Result<Fd> openBeneath(const char* base, const char* path, const char* step) noexcept {
  const Fd folder(open(base, O_PATH | O_CLOEXEC));
  if (!folder) {
    return Failure::of(step, "open", base);
  }
  const char* rest = path + strlen(base);
  rest += strspn(rest, "/");
  if (*rest == '\0') {
    rest = ".";
  }
  const kernel::OpenHow how = {.flags = O_PATH | O_CLOEXEC,
                               .resolve = kernel::kResolveBeneath | kernel::kResolveNoSymlinks};
  struct stat status;
  Fd fd;
  // A file may be a base of its own.
  if (strcmp(rest, ".") == 0 && fstat(folder.get(), &status) == 0 && !S_ISDIR(status.st_mode)) {
    fd.reset(fcntl(folder.get(), F_DUPFD_CLOEXEC, 3));
  } else {
    fd.reset(kernel::openat2(folder.get(), rest, how));
    if (!fd && errno == ENOSYS) {
      fd.reset(openWithoutSymlinks(folder.get(), rest));
    }
  }
  if (!fd) {
    return Failure::of(step, errno == ELOOP ? "symbolic link" : "openat2", path);
  }
  return fd;
}

Result<Fd> openInRoot(int root, const char* path, const char* step) noexcept {
  const kernel::OpenHow how = {.flags = O_PATH | O_CLOEXEC,
                               .resolve = kernel::kResolveInRoot | kernel::kResolveNoMagicLinks};
  Fd fd(kernel::openat2(root, path, how));
  if (!fd && errno == ENOSYS) {
    fd.reset(openWithoutSymlinks(root, path));
  }
  if (!fd) {
    return Failure::of(step, "openat2", path);
  }
  return fd;
}

} // namespace stellwerk
