#include "vagga/job.hpp"

#include "container/ending.hpp"
#include "container/start.hpp"

#include <cerrno>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

namespace stellwerk::vagga {
namespace {

constexpr int kJobSignals[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU};

sigset_t jobSignals() noexcept {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kJobSignals) {
    sigaddset(&set, signal);
  }
  return set;
}

// The first of 0 to 2 that is the terminal of this session; -1: none.
int controllingTerminal() noexcept {
  for (int fd = 0; fd < 3; ++fd) {
    if (isatty(fd) == 1 && tcgetpgrp(fd) >= 0) {
      return fd;
    }
  }
  return -1;
}

class Job {
public:
  explicit Job(Spec& spec) : spec_(spec), terminal_(controllingTerminal()), own_(getpgrp()) {
    const sigset_t set = jobSignals();
    // SIGTTOU among them: the terminal may be handed on from the background.
    sigprocmask(SIG_BLOCK, &set, &before_);
  }
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  ~Job() { sigprocmask(SIG_SETMASK, &before_, nullptr); }

  Result<int> run() {
    const sigset_t set = jobSignals();
    const Fd signals(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals) {
      return Failure::of("prepare", "signalfd");
    }
    spec_.terminal = isForeground() ? terminal_ : -1;
    auto started = start(spec_);
    if (!started) {
      takeBack(-1);
      return started.failure();
    }
    group_ = started.value().programPid;
    const Ending ending = wait(started.value(), signals.get());
    takeBack(group_);
    return ending.exitCode.value_or(128 + ending.signal.value_or(0));
  }

private:
  bool isForeground() const noexcept { return terminal_ >= 0 && tcgetpgrp(terminal_) == own_; }

  // Where the command's group still has the terminal: a shell without job control would not take it back.
  void takeBack(pid_t group) const noexcept {
    if (terminal_ < 0) {
      return;
    }
    const pid_t now = tcgetpgrp(terminal_);
    if (now == group || now <= 0 || (kill(-now, 0) != 0 && errno != EPERM)) {
      tcsetpgrp(terminal_, own_);
    }
  }

  Ending wait(const Started& started, int signals) {
    pollfd watched[] = {{.fd = started.pidfd.get(), .events = POLLIN, .revents = 0},
                        {.fd = signals, .events = POLLIN, .revents = 0},
                        {.fd = started.stops.get(), .events = POLLIN, .revents = 0}};
    for (;;) {
      if (poll(watched, std::size(watched), -1) < 0 && errno != EINTR) {
        continue;
      }
      if (watched[1].revents != 0) {
        takeSignals(signals);
      }
      if ((watched[2].revents & POLLIN) != 0) {
        takeStop(started.stops.get());
      } else if (watched[2].revents != 0) {
        watched[2].fd = -1; // the init has ended
      }
      if (watched[0].revents != 0) {
        if (const auto reaped = tryReap(started.pidfd.get(), started.programStatus.get())) {
          return reaped->ending;
        }
      }
    }
  }

  void takeSignals(int signals) {
    signalfd_siginfo info;
    while (read(signals, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      apply({.kind = JobEvent::Kind::signal, .signal = static_cast<int>(info.ssi_signo)});
    }
  }

  void takeStop(int stops) {
    int status = 0;
    if (read(stops, &status, sizeof status) == static_cast<ssize_t>(sizeof status)) {
      const int signal = WSTOPSIG(status);
      const bool access = signal == SIGTTIN || signal == SIGTTOU;
      apply({.kind = access ? JobEvent::Kind::terminalAccess : JobEvent::Kind::stopped});
    }
  }

  void apply(const JobEvent& event) {
    for (const JobEffect& effect : jobStep(event, isForeground())) {
      switch (effect.kind) {
      case JobEffect::Kind::signalGroup:
        kill(-group_, effect.signal);
        break;
      case JobEffect::Kind::signalCommand:
        kill(group_, effect.signal);
        break;
      case JobEffect::Kind::handOverTerminal:
        tcsetpgrp(terminal_, group_);
        break;
      case JobEffect::Kind::stopSelf:
        raise(SIGSTOP);
        break;
      }
    }
  }

  Spec& spec_;
  int terminal_;
  pid_t own_;
  pid_t group_ = -1;
  sigset_t before_;
};

} // namespace

std::vector<JobEffect> jobStep(const JobEvent& event, bool foreground) {
  using Kind = JobEffect::Kind;
  if (event.kind == JobEvent::Kind::stopped || (event.kind == JobEvent::Kind::terminalAccess && !foreground)) {
    return {{.kind = Kind::stopSelf}};
  }
  if (event.kind == JobEvent::Kind::terminalAccess) {
    return {{.kind = Kind::handOverTerminal}, {.kind = Kind::signalGroup, .signal = SIGCONT}};
  }
  switch (event.signal) {
  case SIGTERM:
  case SIGHUP:
    return {{.kind = Kind::signalCommand, .signal = event.signal}};
  case SIGCONT:
    if (foreground) {
      return {{.kind = Kind::handOverTerminal}, {.kind = Kind::signalGroup, .signal = SIGCONT}};
    }
    return {{.kind = Kind::signalGroup, .signal = SIGCONT}};
  case SIGTSTP:
  case SIGTTIN:
  case SIGTTOU:
    return {{.kind = Kind::signalGroup, .signal = SIGTSTP}}; // its stop comes back as an event and stops the launcher
  default:
    return {{.kind = Kind::signalGroup, .signal = event.signal}};
  }
}

Result<int> runAsJob(Spec& spec) { return Job(spec).run(); }

} // namespace stellwerk::vagga
