#include "container/child.hpp"

#include "container/capabilities.hpp"
#include "container/channel.hpp"
#include "container/descriptors.hpp"
#include "container/identity.hpp"
#include "container/init.hpp"
#include "container/kernel.hpp"
#include "container/network.hpp"
#include "container/seccomp.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>

namespace stellwerk {
namespace {

constexpr int kFailedExit = 127;

// Room was reserved before the clone.
void insertSorted(std::vector<int>& list, int number) noexcept {
  auto at = list.begin();
  while (at != list.end() && *at < number) {
    ++at;
  }
  list.insert(at, number);
}

void defaultDispositions() noexcept {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; signal++) {
    sigaction(signal, &action, nullptr); // fails for SIGKILL, SIGSTOP and the C library's two: nothing to reset there
  }
}

Result<Done> setUpNamespaces(Prepared& prepared) noexcept {
  const Spec& spec = prepared.spec;
  // After joining: the namespace's root is the cgroup at this moment.
  if (spec.namespaces.cgroup && unshare(CLONE_NEWCGROUP) != 0) {
    return Failure::of("create namespaces", "unshare", "cgroup");
  }
  if (spec.namespaces.net) {
    if (auto done = raiseLoopback(); !done) {
      return done;
    }
  }
  if (spec.namespaces.uts && !spec.hostname.empty() && sethostname(spec.hostname.data(), spec.hostname.size()) != 0) {
    return Failure::of("set hostname", "sethostname", spec.hostname.c_str());
  }
  if (spec.namespaces.mount) {
    if (auto done = prepared.mounts.takeAsChild(); !done) {
      return done;
    }
  }
  if (spec.namespaces.user) {
    if (auto done = takeSetUpIds(spec, prepared.setgroupsAllowed); !done) {
      return done;
    }
  }
  if (spec.namespaces.mount) {
    if (auto done = prepared.mounts.mountAll(); !done) {
      return done;
    }
    return prepared.mounts.enterRoot();
  }
  return Done{};
}

Result<Done> dropPrivileges(const Prepared& prepared) noexcept {
  const Spec& spec = prepared.spec;
  if (auto done = takeProgramIds(spec, prepared.setgroupsAllowed); !done) {
    return done;
  }
  if (spec.noNewPrivileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return Failure::of("set no_new_privs", "prctl", "PR_SET_NO_NEW_PRIVS");
  }
  // Before the capabilities go: without no_new_privs the filter needs CAP_SYS_ADMIN.
  if (!prepared.filter.empty()) {
    if (auto done = installFilter(prepared.filter); !done) {
      return done;
    }
  }
  return dropCapabilities(prepared.keepCapabilities);
}

// With the privileges of the set-up: a port below 1024 may be among them.
Result<Done> openSockets(Prepared& prepared) noexcept {
  for (std::size_t index = 0; index < prepared.sockets.size(); index++) {
    auto fd = openListening(prepared.sockets[index]);
    if (!fd) {
      return fd.failure();
    }
    prepared.opened[index] = std::move(fd).value();
    const int number = prepared.opened[index].get();
    prepared.passed[prepared.spec.passedFds.size() + index].from = number;
    if (prepared.spec.restartAfterMs) {
      insertSorted(prepared.keptByInit, number);
    }
  }
  return Done{};
}

// SIGTTOU is blocked with all others: a background process may hand the terminal on.
Result<Done> leadGroup(const Spec& spec) noexcept {
  if (!spec.ownGroup) {
    return Done{};
  }
  if (setpgid(0, 0) != 0) {
    return Failure::of("lead process group", "setpgid");
  }
  if (spec.terminal >= 0 && tcsetpgrp(spec.terminal, getpgrp()) != 0) {
    return Failure::of("take terminal", "tcsetpgrp");
  }
  return Done{};
}

// As execvp(3) searches: what is not there or may not be executed is passed over, and the latter is told in the end.
Result<Done> execute(const Prepared& prepared) noexcept {
  auto* argv = const_cast<char* const*>(prepared.argv.data());
  auto* env = const_cast<char* const*>(prepared.env.data());
  if (prepared.spec.programs.empty()) {
    execve(prepared.argv[0], argv, env);
    return Failure::of("execute", "execve", prepared.argv[0]);
  }
  int error = ENOENT;
  for (const std::string& program : prepared.spec.programs) {
    execve(program.c_str(), argv, env);
    if (errno != ENOENT && errno != ENOTDIR) {
      error = errno;
      if (errno != EACCES) {
        break;
      }
    }
  }
  return Failure::of("execute", "execve", prepared.argv[0], error);
}

Result<Done> becomeProgram(const Prepared& prepared, int& channel) noexcept {
  const Spec& spec = prepared.spec;
  sendHello(channel);
  umask(spec.umask);
  if (auto done = leadGroup(spec); !done) {
    return done;
  }
  if (chdir(spec.cwd.c_str()) != 0) {
    return Failure::of("enter working folder", "chdir", spec.cwd.c_str());
  }
  if (auto done = takeStdio(spec.stdio, prepared.null.get()); !done) {
    return done;
  }
  if (!prepared.passed.empty()) {
    // A copy of the process is ours alone: the list may be changed on the way.
    auto& passed = const_cast<std::vector<PassedFd>&>(prepared.passed);
    if (auto done = takePassed(passed, channel); !done) {
      return done;
    }
  }
  // After the descriptors: a low limit would be in the way of moving them.
  if (auto done = setLimits(prepared.limits); !done) {
    return done;
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  return execute(prepared);
}

// The first process; with an init it forks the program and stays.
Result<Done> become(Prepared& prepared, int& channel) noexcept {
  const Spec& spec = prepared.spec;
  if (spec.dieWithStarter) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
  }
  defaultDispositions();
  umask(0);
  if (!awaitGo(channel)) {
    _exit(kFailedExit);
  }
  if (auto done = setUpNamespaces(prepared); !done) {
    return done;
  }
  if (auto done = openSockets(prepared); !done) {
    return done;
  }
  if (auto done = dropPrivileges(prepared); !done) {
    return done;
  }
  // The change of ids has cleared it (prctl(2)), and the starter may have died meanwhile.
  if (spec.dieWithStarter) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!starterLives(channel)) {
      _exit(kFailedExit);
    }
  }
  if (!prepared.withInit) {
    return becomeProgram(prepared, channel);
  }
  const long program = startProgram(prepared, channel);
  if (program < 0) {
    return Failure::of("start program", "clone");
  }
  runInit(prepared, static_cast<int>(program));
}

[[noreturn]] void endWith(const Failure& failure, int channel) noexcept {
  sendFailure(channel, failure);
  _exit(kFailedExit);
}

} // namespace

long startProgram(const Prepared& prepared, int channel) noexcept {
  const long program = syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (program == 0) {
    const auto done = becomeProgram(prepared, channel);
    endWith(done.failure(), channel);
  }
  return program;
}

void runChild(Prepared& prepared, int channel) noexcept {
  const auto done = become(prepared, channel);
  endWith(done.failure(), channel);
}

} // namespace stellwerk
