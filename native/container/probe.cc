#include "container/probe.hpp"

#include "base/fd.hpp"
#include "container/kernel.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <sys/wait.h>

namespace stellwerk {
namespace {

Feature feature(const char* name, bool available, const char* use, const char* without, int error) {
  return {name, available, available ? use : std::string(strerror(error)) + "; " + without};
}

// A call with arguments that cannot succeed: ENOSYS (or a filter's EPERM) tells that the call itself is not there.
bool there(long result) noexcept { return result >= 0 || (errno != ENOSYS && errno != EPERM); }

// Whether a child of ours may make a user namespace: quotas, sysctls and filters all have a say.
int tryUserNamespace() noexcept {
  int status = 0;
  const long child = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (child == 0) {
    _exit(0);
  }
  if (child < 0) {
    return errno;
  }
  while (waitpid(static_cast<pid_t>(child), &status, 0) < 0 && errno == EINTR) {
  }
  return 0;
}

Feature probeCgroup2() {
  for (const char* path : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    struct statfs status;
    if (statfs(path, &status) != 0 || status.f_type != CGROUP2_SUPER_MAGIC) {
      continue;
    }
    const Fd file(open((std::string(path) + "/cgroup.controllers").c_str(), O_RDONLY | O_CLOEXEC));
    char text[256] = {};
    const ssize_t got = file ? read(file.get(), text, sizeof text - 1) : 0;
    text[strcspn(text, "\n")] = '\0';
    return {"cgroup2", true,
            std::string(path) + (got > 1 ? ", controllers: " + std::string(text)
                                         : ", no controllers: limits go through the v1 hierarchies")};
  }
  return {"cgroup2", false, "not mounted; the v1 hierarchies are used"};
}

} // namespace

std::vector<Feature> probeFeatures() {
  std::vector<Feature> list;
  const kernel::CloneArguments bad = {.exitSignal = 0xffff};
  const bool clone3 = there(kernel::clone3(bad, sizeof bad));
  list.push_back(feature("clone3", clone3, "starts containers", "clone(2) is used", errno));
  // Size 88 is refused with E2BIG where the kernel does not know the last field and it is not zero.
  const kernel::CloneArguments into = {.flags = kernel::kCloneIntoCgroup, .exitSignal = SIGCHLD, .cgroup = 0x7fffffff};
  const bool intoCgroup = kernel::clone3(into, sizeof into) < 0 && errno == EBADF;
  list.push_back(feature("cloneIntoCgroup", intoCgroup, "containers are born in their cgroup",
                         "cgroup.procs is written before the container goes on", errno));
  const Fd self(kernel::pidfdOpen(getpid()));
  list.push_back(feature("pidfd", static_cast<bool>(self), "processes are waited for and signalled without pid reuse",
                         "containers cannot be supervised", errno));
  const bool openat2 = there(kernel::openat2(-1, "x", {}));
  list.push_back(feature("openat2", openat2, "mount points are resolved inside the root",
                         "symlinks in mount points are refused", errno));
  const bool newMount = there(kernel::openTree(-1, "", kernel::kEmptyPath));
  list.push_back(feature("newMountApi", newMount, "trees are attached by file descriptor", "mount(2) is used", errno));
  const kernel::MountAttributes nothing;
  const bool setattr = there(kernel::mountSetattr(-1, "", kernel::kEmptyPath, &nothing));
  list.push_back(feature("mountSetattr", setattr, "flags hold for submounts at once",
                         "submounts are remounted one by one", errno));
  const bool closeRange = there(kernel::closeRange(1, 0, 0));
  list.push_back(feature("closeRange", closeRange, "no descriptor leaks into containers", "closed one by one", errno));
  const int user = tryUserNamespace();
  list.push_back(feature("userNamespaces", user == 0, "containers of ordinary users",
                         "see user.max_user_namespaces; containers only as root", user));
  const std::uint32_t action = SECCOMP_RET_ERRNO;
  const bool seccomp = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
  list.push_back(feature("seccomp", seccomp, "the default filter of docs/seccomp.md", "containers need seccomp: off",
                         errno));
  const bool ambient = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 0, 0) >= 0;
  list.push_back(feature("ambientCapabilities", ambient, "kept capabilities survive execve", "none can be kept", errno));
  list.push_back(probeCgroup2());
  return list;
}

} // namespace stellwerk
