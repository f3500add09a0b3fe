#include "container/clone.hpp"

#include "base/fd.hpp"
#include "container/identity.hpp"
#include "container/kernel.hpp"

#include <cstdio>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

namespace stellwerk {
namespace {

constexpr const char* kStep = "join namespaces";

// What the process in between says.
struct Report {
  pid_t child = -1;
  bool failed = false;
  Failure failure;
};

// Made before the fork: nothing may be allocated after it.
struct Maps {
  std::string uid;
  std::string gid;
};

Result<Done> enter(const Joined& join) noexcept {
  // The user namespace first: its capabilities are what opens the others.
  const struct {
    int fd;
    int kind;
    const char* name;
  } table[] = {{join.user, CLONE_NEWUSER, "user"}, {join.net, CLONE_NEWNET, "net"}, {join.uts, CLONE_NEWUTS, "uts"}};
  for (const auto& each : table) {
    if (each.fd >= 0 && setns(each.fd, each.kind) != 0) {
      return Failure::of(kStep, "setns", each.name);
    }
  }
  return Done{};
}

Result<Done> writeMap(pid_t child, const char* name, const std::string& text) noexcept {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", child, name);
  const int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0) {
    return Failure::of("write id map", "open", path);
  }
  const bool whole = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const auto failure = Failure::of("write id map", "write", path);
  close(file);
  return whole ? Result<Done>(Done{}) : Result<Done>(failure);
}

Result<Done> writeMaps(pid_t child, const Maps& maps) noexcept {
  if (auto done = writeMap(child, "uid_map", maps.uid); !done) {
    return done;
  }
  return writeMap(child, "gid_map", maps.gid);
}

Report goBetween(const Spec& spec, const Maps& maps, ChildTask task) noexcept {
  if (auto done = enter(spec.join); !done) {
    return {.child = -1, .failed = true, .failure = done.failure()};
  }
  const unsigned long flags = cloneFlags(spec.namespaces) | CLONE_PARENT;
  const auto child = static_cast<pid_t>(syscall(SYS_clone, flags, nullptr, nullptr, nullptr, nullptr));
  if (child == 0) {
    task.run(task.argument);
    _exit(127);
  }
  if (child < 0) {
    return {.child = -1, .failed = true, .failure = Failure::of("create namespaces", "clone")};
  }
  if (spec.namespaces.user) {
    if (auto done = writeMaps(child, maps); !done) {
      return {.child = child, .failed = true, .failure = done.failure()};
    }
  }
  return {.child = child, .failed = false, .failure = {}};
}

} // namespace

std::uint64_t cloneFlags(const Namespaces& namespaces) noexcept {
  return (namespaces.user ? CLONE_NEWUSER : 0) | (namespaces.mount ? CLONE_NEWNS : 0) |
         (namespaces.pid ? CLONE_NEWPID : 0) | (namespaces.ipc ? CLONE_NEWIPC : 0) |
         (namespaces.uts ? CLONE_NEWUTS : 0) | (namespaces.net ? CLONE_NEWNET : 0);
}

Clone cloneChild(std::uint64_t namespaces, int cgroup) noexcept {
  Clone clone;
  kernel::CloneArguments arguments = {.flags = namespaces | kernel::kClonePidfd,
                                      .pidfd = reinterpret_cast<std::uint64_t>(&clone.pidfd),
                                      .exitSignal = SIGCHLD};
  if (cgroup >= 0) {
    arguments.flags |= kernel::kCloneIntoCgroup;
    arguments.cgroup = static_cast<std::uint64_t>(cgroup);
    clone.inCgroup = true;
    clone.pid = static_cast<pid_t>(kernel::clone3(arguments, sizeof arguments));
    // A kernel before 5.7, or a place that may be written to but not cloned into.
    if (clone.pid >= 0 || (errno != E2BIG && errno != EINVAL && errno != EACCES && errno != ENOSYS)) {
      return clone;
    }
    arguments.flags &= ~kernel::kCloneIntoCgroup;
    arguments.cgroup = 0;
    clone.inCgroup = false;
  }
  clone.pid = static_cast<pid_t>(kernel::clone3(arguments, kernel::kCloneArgumentsWithoutCgroup));
  if (clone.pid < 0 && (errno == ENOSYS || errno == EPERM)) {
    // Seccomp filters of outer containers refuse clone3; the old call takes its arguments in the machine's own order.
    const unsigned long flags = namespaces | kernel::kClonePidfd | SIGCHLD;
    clone.pid = static_cast<pid_t>(syscall(SYS_clone, flags, nullptr, &clone.pidfd, nullptr, nullptr));
  }
  return clone;
}

Result<Clone> cloneWithin(const Spec& spec, ChildTask task) {
  const Maps maps = {mapText(spec.uidMap), mapText(spec.gidMap)};
  int pipe[2];
  if (pipe2(pipe, O_CLOEXEC) != 0) {
    return Failure::of(kStep, "pipe2");
  }
  const Fd reading(pipe[0]);
  Fd writing(pipe[1]);
  const auto between = static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  if (between == 0) {
    const Report report = goBetween(spec, maps, task);
    const ssize_t told = write(writing.get(), &report, sizeof report);
    _exit(told == sizeof report ? 0 : 1);
  }
  if (between < 0) {
    return Failure::of(kStep, "clone");
  }
  writing.reset();
  int status = 0;
  while (waitpid(between, &status, 0) < 0 && errno == EINTR) {
  }
  Report report;
  if (status != 0 || read(reading.get(), &report, sizeof report) != sizeof report) {
    return Failure::of(kStep, "read", "the process in between died", ECHILD);
  }
  Clone clone = {.pid = report.child, .pidfd = -1, .inCgroup = false};
  if (clone.pid > 0) {
    clone.pidfd = kernel::pidfdOpen(clone.pid);
    if (clone.pidfd < 0) {
      const auto failure = Failure::of(kStep, "pidfd_open");
      kill(clone.pid, SIGKILL);
      waitpid(clone.pid, &status, 0);
      return failure;
    }
  }
  if (report.failed) {
    if (clone.pid > 0) {
      killAndReap(clone.pidfd);
      close(clone.pidfd);
    }
    return report.failure;
  }
  return clone;
}

void killAndReap(int pidfd) noexcept {
  kernel::pidfdSendSignal(pidfd, SIGKILL);
  siginfo_t info;
  while (waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd), &info, WEXITED) != 0 && errno == EINTR) {
  }
}

} // namespace stellwerk
