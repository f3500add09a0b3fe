#include "container/start.hpp"

#include "container/capabilities.hpp"
#include "container/cgroup.hpp"
#include "container/channel.hpp"
#include "container/child.hpp"
#include "container/clone.hpp"
#include "container/identity.hpp"
#include "container/kernel.hpp"
#include "container/seccomp.hpp"

#include <algorithm>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

namespace stellwerk {
namespace {

Failure invalid(const char* subject) { return Failure::of("check spec", "", subject, EINVAL); }

Result<Done> check(const Spec& spec, MountApi api) {
  if (spec.argv.empty() || (spec.programs.empty() && !spec.argv[0].starts_with('/'))) {
    return invalid("argv: no absolute path");
  }
  if (!spec.namespaces.mount && (!spec.root.empty() || !spec.mounts.empty())) {
    return invalid("root and mounts need a mount namespace");
  }
  // A path names what lies beneath a mount over `/`, never the mount: the classic API could not make it read-only.
  if (api == MountApi::classic && spec.root == "/") {
    return invalid("root / needs a kernel with open_tree and mount_setattr (5.12)");
  }
  if (spec.namespaces.user && (spec.uidMap.empty() || spec.gidMap.empty())) {
    return invalid("a user namespace needs uid and gid maps");
  }
  return Done{};
}

std::vector<const char*> pointers(const std::vector<std::string>& words) {
  std::vector<const char*> list;
  for (const std::string& word : words) {
    list.push_back(word.c_str());
  }
  list.push_back(nullptr);
  return list;
}

std::vector<int> keptByInit(const Prepared& prepared) {
  std::vector<int> kept = {prepared.statusWrite.get(), prepared.stopsWrite.get()};
  if (prepared.spec.restartAfterMs) {
    kept.push_back(prepared.restartWrite.get());
    kept.push_back(prepared.null.get());
    kept.insert(kept.end(), prepared.spec.stdio.begin(), prepared.spec.stdio.end());
    for (const PassedFd& each : prepared.spec.passedFds) {
      kept.push_back(each.from);
    }
  }
  std::erase(kept, -1);
  std::sort(kept.begin(), kept.end());
  kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
  kept.reserve(kept.size() + prepared.spec.listen.size()); // the child may not allocate
  return kept;
}

Result<Prepared> prepare(const Spec& spec, MountApi api) {
  if (auto done = check(spec, api); !done) {
    return done.failure();
  }
  auto limits = numberLimits(spec.limits);
  if (!limits) {
    return limits.failure();
  }
  auto keep = capabilityMask(spec.keepCapabilities);
  if (!keep) {
    return keep.failure();
  }
  auto sockets = numberSockets(spec.listen);
  if (!sockets) {
    return sockets.failure();
  }
  Prepared prepared = {.spec = spec,
                       .mounts = MountPlan(spec, api),
                       .argv = pointers(spec.argv),
                       .env = pointers(spec.env),
                       .limits = std::move(limits).value(),
                       .filter = spec.seccomp ? defaultFilter(spec.allowedCalls) : std::vector<sock_filter>(),
                       .keepCapabilities = keep.value(),
                       .setgroupsAllowed = setgroupsAllowed(spec),
                       .withInit = spec.init && spec.namespaces.pid,
                       .null = Fd(open("/dev/null", O_RDWR | O_CLOEXEC)),
                       .statusRead = Fd(),
                       .statusWrite = Fd(),
                       .restartRead = Fd(),
                       .restartWrite = Fd(),
                       .stopsRead = Fd(),
                       .stopsWrite = Fd(),
                       .sockets = std::move(sockets).value(),
                       .passed = spec.passedFds,
                       .opened = std::vector<Fd>(spec.listen.size()),
                       .keptByInit = {}};
  if (!prepared.null) {
    return Failure::of("prepare", "open", "/dev/null");
  }
  if (prepared.withInit) {
    int pipe[2];
    if (pipe2(pipe, O_CLOEXEC) != 0) {
      return Failure::of("prepare", "pipe2");
    }
    prepared.statusRead.reset(pipe[0]);
    prepared.statusWrite.reset(pipe[1]);
    if (spec.ownGroup) {
      if (pipe2(pipe, O_CLOEXEC) != 0) {
        return Failure::of("prepare", "pipe2");
      }
      prepared.stopsRead.reset(pipe[0]);
      prepared.stopsWrite.reset(pipe[1]);
    }
    if (spec.restartAfterMs) {
      auto line = openChannel();
      if (!line) {
        return line.failure();
      }
      prepared.restartRead = std::move(line.value().starter);
      prepared.restartWrite = std::move(line.value().child);
    }
  }
  for (const ListeningSocket& socket : spec.listen) {
    prepared.passed.push_back({.from = -1, .to = socket.fd});
  }
  prepared.keptByInit = keptByInit(prepared);
  if (auto done = prepared.mounts.takeAsStarter(); !done) {
    return done.failure();
  }
  return prepared;
}

// Mounts that show the ids of the container's own user namespace, which exists only now.
Result<Done> mapMountIds(pid_t child, MountPlan& mounts) {
  const std::string path = "/proc/" + std::to_string(child) + "/ns/user";
  const Fd space(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!space) {
    return Failure::of("map ids of mounts", "open", path.c_str());
  }
  return mounts.mapIds(space.get());
}

// argv in the network namespace: an ordinary child of the starter, with nearly no environment.
Result<Done> runInNetwork(const std::vector<std::string>& words, int space) {
  constexpr const char* step = "after-setup-command";
  const auto argv = pointers(words);
  const char* env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", nullptr};
  const pid_t child = fork();
  if (child < 0) {
    return Failure::of(step, "fork", words[0].c_str());
  }
  if (child == 0) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    if (setns(space, CLONE_NEWNET) == 0) {
      execve(argv[0], const_cast<char* const*>(argv.data()), const_cast<char* const*>(env));
    }
    _exit(127);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) {
      return Failure::of(step, "waitpid", words[0].c_str());
    }
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    const std::string how = words[0] + (WIFEXITED(status) ? " ended with exit code " + std::to_string(WEXITSTATUS(status))
                                                          : " ended by signal " + std::to_string(WTERMSIG(status)));
    return Failure::of(step, "", how.c_str(), ECANCELED);
  }
  return Done{};
}

// The child waits meanwhile: its program finds the network complete. Interfaces end with the namespace.
Result<Done> setUpNetwork(pid_t child, const Spec& spec) {
  if (!spec.network && spec.afterSetup.empty()) {
    return Done{};
  }
  const std::string path = "/proc/" + std::to_string(child) + "/ns/net";
  const Fd space(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!space) {
    return Failure::of("set up network", "open", path.c_str());
  }
  if (spec.network) {
    if (auto done = connectBridge(*spec.network, space.get()); !done) {
      return done;
    }
  }
  return spec.afterSetup.empty() ? Result<Done>(Done{}) : runInNetwork(spec.afterSetup, space.get());
}

// All that only the starter can do for the child, then lets it go on.
Result<Done> admit(const Clone& clone, const Spec& spec, Prepared& prepared, int channel) {
  if (auto done = joinCgroups(clone.pid, spec.cgroups, clone.inCgroup); !done) {
    return done;
  }
  if (auto done = raiseLimits(clone.pid, prepared.limits); !done) {
    return done;
  }
  if (spec.namespaces.user) {
    // In namespaces that were joined they are written: only one who is inside may.
    if (auto done = spec.join.any() ? Result<Done>(Done{}) : writeIdMaps(clone.pid, spec); !done) {
      return done;
    }
    if (auto done = mapMountIds(clone.pid, prepared.mounts); !done) {
      return done;
    }
  }
  if (spec.namespaces.net) {
    if (auto done = setUpNetwork(clone.pid, spec); !done) {
      return done;
    }
  }
  if (!sendGo(channel)) {
    return Failure::of("start", "send");
  }
  return Done{};
}

struct Childhood {
  Prepared& prepared;
  Channel& channel;
};

void runWithin(void* argument) {
  Childhood& childhood = *static_cast<Childhood*>(argument);
  close(childhood.channel.starter.release());
  // Now it is known: the namespace that was joined decides.
  childhood.prepared.setgroupsAllowed = setgroupsAllowedHere();
  runChild(childhood.prepared, childhood.channel.child.get());
}

Result<Clone> cloneFor(const Spec& spec, Prepared& prepared, int cgroup, Channel& channel) {
  if (spec.join.any()) {
    Childhood childhood = {prepared, channel};
    return cloneWithin(spec, {runWithin, &childhood});
  }
  const Clone clone = cloneChild(cloneFlags(spec.namespaces), cgroup);
  if (clone.pid == 0) {
    close(channel.starter.release());
    runChild(prepared, channel.child.get());
  }
  return clone.pid < 0 ? Result<Clone>(Failure::of("create namespaces", "clone3")) : Result<Clone>(clone);
}

} // namespace

Result<Started> start(const Spec& spec, MountApi api) {
  auto made = prepare(spec, api);
  if (!made) {
    return made.failure();
  }
  Prepared prepared = std::move(made).value();
  auto cgroup = openUnified(spec.cgroups);
  if (!cgroup) {
    return cgroup.failure();
  }
  auto line = openChannel();
  if (!line) {
    return line.failure();
  }
  Channel channel = std::move(line).value();

  // No handler of the starter may run in the child.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  auto cloned = cloneFor(spec, prepared, cgroup.value().get(), channel);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!cloned) {
    return cloned.failure();
  }
  const Clone clone = cloned.value();
  Fd pidfd(clone.pidfd);
  channel.child.reset();
  prepared.statusWrite.reset();
  prepared.restartWrite.reset();
  prepared.stopsWrite.reset();

  const auto admitted = admit(clone, spec, prepared, channel.starter.get());
  auto program = admitted ? awaitProgram(channel.starter.get()) : Result<pid_t>(admitted.failure());
  if (!program) {
    killAndReap(pidfd.get());
    return program.failure();
  }
  return Started{.pid = clone.pid,
                 .programPid = program.value(),
                 .pidfd = std::move(pidfd),
                 .programStatus = std::move(prepared.statusRead),
                 .restarts = std::move(prepared.restartRead),
                 .stops = std::move(prepared.stopsRead)};
}

} // namespace stellwerk
