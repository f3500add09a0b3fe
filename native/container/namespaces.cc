#include "container/namespaces.hpp"

#include "container/channel.hpp"
#include "container/clone.hpp"
#include "container/identity.hpp"
#include "container/network.hpp"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>

namespace stellwerk {
namespace {

constexpr const char* kStep = "create namespaces";

struct Inside {
  const Spec& spec;
  Channel& channel;
};

Result<Done> furnish(const Spec& spec) noexcept {
  if (spec.namespaces.net) {
    if (auto done = raiseLoopback(); !done) {
      return done;
    }
  }
  if (spec.namespaces.uts && !spec.hostname.empty() && sethostname(spec.hostname.data(), spec.hostname.size()) != 0) {
    return Failure::of("set hostname", "sethostname", spec.hostname.c_str());
  }
  return Done{};
}

// Waits, all signals blocked, to be killed once the starter has opened its namespaces.
void live(void* argument) {
  const Inside& inside = *static_cast<Inside*>(argument);
  const int channel = inside.channel.child.get();
  close(inside.channel.starter.get());
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!awaitGo(channel)) {
    _exit(1);
  }
  if (auto done = furnish(inside.spec); !done) {
    sendFailure(channel, done.failure());
    _exit(1);
  }
  sendHello(channel);
  close(channel);
  for (;;) {
    pause();
  }
}

Result<Clone> cloneKeeper(const Spec& spec, Inside& inside) {
  if (spec.join.any()) {
    return cloneWithin(spec, {live, &inside});
  }
  const Clone clone = cloneChild(cloneFlags(spec.namespaces), -1);
  if (clone.pid == 0) {
    live(&inside);
  }
  return clone.pid < 0 ? Result<Clone>(Failure::of(kStep, "clone3")) : Result<Clone>(clone);
}

Result<Done> keep(pid_t pid, const char* name, Fd& to) {
  const std::string path = "/proc/" + std::to_string(pid) + "/ns/" + name;
  to.reset(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return to ? Result<Done>(Done{}) : Failure::of(kStep, "open", path.c_str());
}

bool isSame(const Fd& one, const Fd& other) noexcept {
  struct stat first = {};
  struct stat second = {};
  return fstat(one.get(), &first) == 0 && fstat(other.get(), &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

Result<KeptNamespaces> openOf(const Spec& spec, pid_t pid, int channel) {
  if (spec.namespaces.user && !spec.join.any()) {
    if (auto done = writeIdMaps(pid, spec); !done) {
      return done.failure();
    }
  }
  if (!sendGo(channel)) {
    return Failure::of(kStep, "send");
  }
  if (auto alive = awaitProgram(channel); !alive) {
    return alive.failure();
  }
  KeptNamespaces kept;
  const struct {
    bool wanted;
    const char* name;
    Fd& fd;
  } table[] = {{spec.namespaces.user, "user", kept.user},
               {spec.namespaces.net, "net", kept.net},
               {spec.namespaces.uts, "uts", kept.uts}};
  for (const auto& each : table) {
    if (!each.wanted) {
      continue;
    }
    if (auto done = keep(pid, each.name, each.fd); !done) {
      return done.failure();
    }
  }
  return kept;
}

} // namespace

Result<KeptNamespaces> makeNamespaces(const Spec& spec) {
  auto line = openChannel();
  if (!line) {
    return line.failure();
  }
  Channel channel = std::move(line).value();
  Inside inside = {spec, channel};
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  auto clone = cloneKeeper(spec, inside);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!clone) {
    return clone.failure();
  }
  const Fd pidfd(clone.value().pidfd);
  channel.child.reset();
  auto kept = openOf(spec, clone.value().pid, channel.starter.get());
  killAndReap(pidfd.get());
  return kept;
}

Result<KeptNamespaces> openNamespaces(pid_t pid) {
  KeptNamespaces opened;
  for (const auto& [name, fd] : {std::pair("net", &opened.net), std::pair("uts", &opened.uts)}) {
    if (auto done = keep(pid, name, *fd); !done) {
      return Failure::of("open namespaces", "open", done.failure().subject, done.failure().error);
    }
  }
  opened.user.reset(ioctl(opened.net.get(), NS_GET_USERNS));
  if (!opened.user) {
    return Failure::of("open namespaces", "NS_GET_USERNS", std::to_string(pid).c_str());
  }
  const Fd utsOwner(ioctl(opened.uts.get(), NS_GET_USERNS));
  if (!utsOwner || !isSame(utsOwner, opened.user)) {
    opened.uts.reset(); // it is not of that network: who enters its owner may not enter it
  }
  return opened;
}

} // namespace stellwerk
