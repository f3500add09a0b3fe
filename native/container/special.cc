#include "container/special.hpp"

#include "container/path.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

namespace stellwerk {
namespace {

Result<Done> cover(MountApi api, int folder, const char* source, int target, TreeFlags flags, const char* step,
                   const char* subject) noexcept {
  auto tree = takeTree(api, folder, source, flags, step);
  if (!tree) {
    return tree.failure();
  }
  return placeTree(tree.value(), target, flags, step, subject);
}

constexpr const char* kDev = "mount dev";

struct Node {
  const char* host;
  const char* name;
};
constexpr Node kNodes[] = {{"/dev/null", "null"},     {"/dev/zero", "zero"},       {"/dev/full", "full"},
                           {"/dev/random", "random"}, {"/dev/urandom", "urandom"}, {"/dev/tty", "tty"}};

struct Link {
  const char* name;
  const char* to;
};
constexpr Link kLinks[] = {{"fd", "/proc/self/fd"},
                           {"stdin", "/proc/self/fd/0"},
                           {"stdout", "/proc/self/fd/1"},
                           {"stderr", "/proc/self/fd/2"},
                           {"ptmx", "pts/ptmx"}};

constexpr unsigned long kDevFlags = MS_NOSUID | MS_NOEXEC | MS_NODEV;
// Enough for the folders, links and empty files; it is read-only in the end anyway.
constexpr const char* kDevOptions = "mode=755,size=64k";
// What Docker gives too; programs that want more mount a tmpfs of their own there.
constexpr const char* kShmOptions = "mode=1777,size=64m";
constexpr const char* kPtsOptions = "newinstance,ptmxmode=0666,mode=0620";

// Kernel secrets and the view of the host's devices.
constexpr const char* kMasked[] = {"kcore",   "keys",        "timer_list",  "sched_debug", "latency_stats", "acpi",
                                   "asound",  "scsi",        "interrupts"};
// Writing here steers the whole machine.
constexpr const char* kReadonly[] = {"bus", "fs", "irq", "sys", "sysrq-trigger"};

Result<Done> subfolder(int folder, const char* name, const char* type, unsigned long flags,
                       const char* options) noexcept {
  if (mkdirat(folder, name, 0755) != 0) {
    return Failure::of(kDev, "mkdir", name);
  }
  // The current folder is `folder`.
  if (mount(type, name, type, flags, options) != 0) {
    return Failure::of(kDev, "mount", name);
  }
  return Done{};
}

} // namespace

Result<Done> fillDev(MountApi api, int root, const char* target) noexcept {
  if (mount("tmpfs", ".", "tmpfs", kDevFlags, kDevOptions) != 0) {
    return Failure::of(kDev, "mount", target);
  }
  auto opened = openInRoot(root, target, kDev);
  if (!opened) {
    return opened.failure();
  }
  const int dev = opened.value().get();
  if (fchdir(dev) != 0) {
    return Failure::of(kDev, "fchdir", target);
  }
  for (const Node& node : kNodes) {
    if (mknodat(dev, node.name, S_IFREG | 0666, 0) != 0) {
      return Failure::of(kDev, "mknod", node.name);
    }
    const Fd place(openat(dev, node.name, O_PATH | O_CLOEXEC));
    if (!place) {
      return Failure::of(kDev, "open", node.name);
    }
    if (auto done = cover(api, AT_FDCWD, node.host, place.get(), {.devices = true}, kDev, node.name); !done) {
      return done;
    }
  }
  for (const Link& link : kLinks) {
    if (symlinkat(link.to, dev, link.name) != 0) {
      return Failure::of(kDev, "symlink", link.name);
    }
  }
  if (auto done = subfolder(dev, "pts", "devpts", MS_NOSUID | MS_NOEXEC, kPtsOptions); !done) {
    return done;
  }
  if (auto done = subfolder(dev, "shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, kShmOptions); !done) {
    return done;
  }
  if (mount(nullptr, ".", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | kDevFlags, nullptr) != 0) {
    return Failure::of(kDev, "remount", target);
  }
  return Done{};
}

Result<Done> mountTerminals(const char* target) noexcept {
  if (mount("devpts", ".", "devpts", MS_NOSUID | MS_NOEXEC, kPtsOptions) != 0) {
    return Failure::of("mount devpts", "mount", target);
  }
  return Done{};
}

Result<Done> maskProc(MountApi api, int root, const char* target) noexcept {
  constexpr const char* step = "mask proc";
  auto opened = openInRoot(root, target, step);
  if (!opened) {
    return opened.failure();
  }
  const int proc = opened.value().get();
  for (const char* name : kMasked) {
    const Fd place(openat(proc, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!place) {
      continue; // this kernel has no such entry
    }
    struct stat status;
    if (fstat(place.get(), &status) != 0) {
      return Failure::of(step, "fstat", name);
    }
    if (S_ISDIR(status.st_mode)) {
      if (fchdir(place.get()) != 0) {
        return Failure::of(step, "fchdir", name);
      }
      if (mount("tmpfs", ".", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=555") != 0) {
        return Failure::of(step, "mount", name);
      }
    } else if (auto done = cover(api, AT_FDCWD, "/dev/null", place.get(), {.readonly = true, .devices = true}, step, name); !done) {
      return done;
    }
  }
  for (const char* name : kReadonly) {
    const Fd place(openat(proc, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!place) {
      continue;
    }
    if (auto done = cover(api, proc, name, place.get(), {.readonly = true}, step, name); !done) {
      return done;
    }
  }
  return Done{};
}

} // namespace stellwerk
