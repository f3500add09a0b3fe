#include "container/tree.hpp"

#include "container/kernel.hpp"

#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <linux/limits.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

namespace stellwerk {
namespace {

struct FdPath {
  char text[32];
};

// /proc/self/fd/N, without snprintf, which is not async-signal-safe.
FdPath pathOf(int fd) noexcept {
  FdPath path = {"/proc/self/fd/"};
  char digits[12];
  int count = 0;
  do {
    digits[count++] = static_cast<char>('0' + fd % 10);
    fd /= 10;
  } while (fd > 0);
  char* end = path.text + strlen(path.text);
  while (count > 0) {
    *end++ = digits[--count];
  }
  *end = '\0';
  return path;
}

unsigned long classicFlags(TreeFlags flags) noexcept {
  unsigned long set = MS_NOSUID;
  set |= flags.devices ? 0UL : static_cast<unsigned long>(MS_NODEV);
  set |= flags.readonly ? static_cast<unsigned long>(MS_RDONLY) : 0UL;
  set |= flags.exec ? 0UL : static_cast<unsigned long>(MS_NOEXEC);
  return set;
}

// A bind remount sets the whole set of flags, and in a user namespace none that was set may be cleared.
bool remount(const char* path, TreeFlags flags) noexcept {
  struct statfs status;
  if (statfs(path, &status) != 0) {
    return false;
  }
  unsigned long keep = 0;
  const struct {
    long have;
    unsigned long set;
  } table[] = {{ST_RDONLY, MS_RDONLY},   {ST_NODEV, MS_NODEV},           {ST_NOSUID, MS_NOSUID},
               {ST_NOEXEC, MS_NOEXEC},   {ST_NOATIME, MS_NOATIME},       {ST_NODIRATIME, MS_NODIRATIME},
               {ST_RELATIME, MS_RELATIME}};
  for (const auto& row : table) {
    if ((status.f_flags & row.have) != 0) {
      keep |= row.set;
    }
  }
  return mount(nullptr, path, nullptr, MS_REMOUNT | MS_BIND | keep | classicFlags(flags), nullptr) == 0;
}

// Undoes the octal escapes of proc_pid_mountinfo(5) in place.
void unescape(char* text) noexcept {
  char* to = text;
  for (const char* from = text; *from != '\0';) {
    if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] != '\0' && from[3] != '\0') {
      *to++ = static_cast<char>((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
      from += 4;
    } else {
      *to++ = *from++;
    }
  }
  *to = '\0';
}

bool isBeneath(const char* path, const char* top) noexcept {
  const std::size_t length = strlen(top);
  return strncmp(path, top, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

// Every mount at or beneath `top` gets the flags: the classic API knows no recursive remount, so mountinfo is walked.
bool remountAll(const char* top, TreeFlags flags) noexcept {
  const Fd file(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (!file) {
    return false;
  }
  static constexpr std::size_t kLineBytes = 2 * PATH_MAX; // root and mount point, each at most PATH_MAX
  char line[kLineBytes];
  std::size_t length = 0;
  char block[1024];
  ssize_t got = 0;
  while ((got = read(file.get(), block, sizeof block)) > 0) {
    for (ssize_t index = 0; index < got; index++) {
      if (block[index] != '\n') {
        if (length < sizeof line - 1) {
          line[length++] = block[index];
        }
        continue;
      }
      line[length] = '\0';
      length = 0;
      // Field 5, after four spaces, is the mount point.
      char* field = line;
      for (int spaces = 0; spaces < 4 && field != nullptr; spaces++) {
        field = strchr(field, ' ');
        field = field == nullptr ? nullptr : field + 1;
      }
      char* end = field == nullptr ? nullptr : strchr(field, ' ');
      if (end == nullptr) {
        continue;
      }
      *end = '\0';
      unescape(field);
      if (isBeneath(field, top) && !remount(field, flags)) {
        return false;
      }
    }
  }
  return got == 0;
}

} // namespace

MountApi availableMountApi() noexcept {
  static const bool detached = [] {
    const kernel::MountAttributes nothing;
    const bool setattr = kernel::mountSetattr(-1, "", kernel::kEmptyPath, &nothing) == 0 || errno != ENOSYS;
    const bool openTree = kernel::openTree(-1, "", kernel::kEmptyPath) >= 0 || errno != ENOSYS;
    return setattr && openTree;
  }();
  return detached ? MountApi::detached : MountApi::classic;
}

Result<Tree> takeTree(MountApi api, int folder, const char* path, TreeFlags flags, const char* step) noexcept {
  if (api == MountApi::classic) {
    Fd place(*path == '\0' ? fcntl(folder, F_DUPFD_CLOEXEC, 3) : openat(folder, path, O_PATH | O_CLOEXEC));
    if (!place) {
      return Failure::of(step, "open", path);
    }
    return Tree{.fd = std::move(place), .detached = false};
  }
  Fd tree(kernel::openTree(folder, path, kernel::kTreeClone | kernel::kTreeCloseOnExec | kernel::kRecursive |
                                            kernel::kEmptyPath));
  if (!tree) {
    return Failure::of(step, "open_tree", path);
  }
  // Private: nothing mounted later on the host appears inside, and nothing from inside on the host.
  const kernel::MountAttributes attributes = {
      .set = kernel::kMountNosuid | (flags.devices ? 0 : kernel::kMountNodev) |
             (flags.readonly ? kernel::kMountReadonly : 0) | (flags.exec ? 0 : kernel::kMountNoexec),
      .propagation = MS_PRIVATE};
  if (kernel::mountSetattr(tree.get(), "", kernel::kEmptyPath | kernel::kRecursive, &attributes) != 0) {
    return Failure::of(step, "mount_setattr", path);
  }
  return Tree{.fd = std::move(tree), .detached = true};
}

Result<Done> mapTreeIds(const Tree& tree, int userNamespace, const char* step, const char* subject) noexcept {
  if (!tree.detached) {
    return Failure::of(step, "idmapped mount", subject, ENOSYS);
  }
  const kernel::MountAttributes attributes = {.set = kernel::kMountIdMap,
                                              .userNamespace = static_cast<std::uint64_t>(userNamespace)};
  if (kernel::mountSetattr(tree.fd.get(), "", kernel::kEmptyPath | kernel::kRecursive, &attributes) != 0) {
    return Failure::of(step, "idmapped mount", subject);
  }
  return Done{};
}

Result<Done> placeTree(const Tree& tree, int target, TreeFlags flags, const char* step, const char* subject) noexcept {
  if (tree.detached) {
    if (kernel::moveMount(tree.fd.get(), target) != 0) {
      return Failure::of(step, "move_mount", subject);
    }
    return Done{};
  }
  const FdPath from = pathOf(tree.fd.get());
  const FdPath to = pathOf(target);
  char real[PATH_MAX];
  const ssize_t length = readlink(to.text, real, sizeof real - 1);
  if (length < 0) {
    return Failure::of(step, "readlink", subject);
  }
  real[length] = '\0';
  if (mount(from.text, to.text, nullptr, MS_BIND | MS_REC, nullptr) != 0) {
    return Failure::of(step, "mount", subject);
  }
  if (mount(nullptr, real, nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 || !remountAll(real, flags)) {
    return Failure::of(step, "remount", subject);
  }
  return Done{};
}

} // namespace stellwerk
