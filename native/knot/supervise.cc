#include "knot/supervise.hpp"

#include "base/failure_text.hpp"
#include "container/ending.hpp"
#include "container/kernel.hpp"
#include "container/start.hpp"
#include "knot/status.hpp"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>

namespace stellwerk::knot {
namespace {

constexpr std::uint64_t kMsPerSecond = 1000;
constexpr long kNsPerMs = 1'000'000;

std::uint64_t clockMs(clockid_t clock) noexcept {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kMsPerSecond + static_cast<std::uint64_t>(now.tv_nsec / kNsPerMs);
}

void report(const Plan& plan, const Failure& failure) {
  fprintf(stderr, "knot: %s: %s\n", plan.name.c_str(), describe(failure).c_str());
}

// The signals that the knot acts on, waited for in order instead of handled.
sigset_t watchedSignals() noexcept {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGCHLD}) {
    sigaddset(&set, signal);
  }
  return set;
}

Result<Fd> openOutput(const std::string& path) {
  if (path.empty()) {
    return Fd();
  }
  Fd file(open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!file) {
    return Failure::of("open output", "open", path.c_str());
  }
  return file;
}

struct StopRequest {
  bool termSeen = false;
  bool interrupted = false;
  bool killed = false;
  std::uint64_t deadlineMs = 0; // CLOCK_MONOTONIC
};

class Supervisor {
public:
  explicit Supervisor(const Plan& plan) : plan_(plan) {}

  int run() {
    stateDir_.reset(open(plan_.stateDir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!stateDir_) {
      report(plan_, Failure::of("open state", "open", plan_.stateDir.c_str()));
      return kSetUpFailed;
    }
    if (const auto code = lock(); code != 0) {
      return code;
    }
    const sigset_t watched = watchedSignals();
    sigprocmask(SIG_BLOCK, &watched, nullptr);
    status_.knotPid = getpid();
    status_.knotStartTime = startTimeOf(getpid());
    status_.startedAtMs = clockMs(CLOCK_REALTIME);
    save();

    auto started = startContainer();
    if (!started) {
      report(plan_, started.failure());
      status_.phase = Phase::ended;
      status_.endedAtMs = clockMs(CLOCK_REALTIME);
      status_.failure = &started.failure();
      save();
      return kSetUpFailed;
    }
    const Started container = std::move(started).value();
    status_.phase = Phase::running;
    status_.pid = container.programPid;
    status_.startTime = startTimeOf(container.programPid);
    save();
    return watch(container, watched);
  }

private:
  void save() {
    if (auto done = writeStatus(stateDir_.get(), status_); !done) {
      report(plan_, done.failure()); // a full disk must not end the container
    }
  }

  int lock() {
    lock_.reset(openat(stateDir_.get(), "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (lock_ && flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) {
      return 0;
    }
    const bool taken = lock_ && errno == EWOULDBLOCK;
    report(plan_, Failure::of("lock", lock_ ? "flock" : "open", (plan_.stateDir + "/lock").c_str()));
    return taken ? kAlreadyRunning : kSetUpFailed;
  }

  Result<Started> startContainer() {
    Spec spec = plan_.spec;
    auto out = openOutput(plan_.stdoutFile);
    auto err = openOutput(plan_.stderrFile);
    if (!out || !err) {
      return out ? err.failure() : out.failure();
    }
    spec.stdio = {-1, out.value().get(), err.value().get()};
    return start(spec);
  }

  int watch(const Started& container, const sigset_t& watched) {
    StopRequest stop;
    for (;;) {
      if (const auto reaped = tryReap(container.pidfd.get(), container.programStatus.get())) {
        return end(reaped->ending, stop);
      }
      switch (waitForSignal(watched, stop)) {
      case SIGTERM:
        if (!stop.termSeen) {
          stop.termSeen = true;
          stop.deadlineMs = clockMs(CLOCK_MONOTONIC) + plan_.killTimeoutMs;
          status_.phase = Phase::stopping;
          save();
          kernel::pidfdSendSignal(container.pidfd.get(), SIGTERM);
        }
        break;
      case SIGINT:
        // Of a terminal: the program got it as well. Its end is what was asked for.
        stop.interrupted = true;
        break;
      default:
        break;
      }
      if (stop.termSeen && !stop.killed && clockMs(CLOCK_MONOTONIC) >= stop.deadlineMs) {
        stop.killed = true;
        fprintf(stderr, "knot: %s: still running %llu ms after SIGTERM, killed\n", plan_.name.c_str(),
                static_cast<unsigned long long>(plan_.killTimeoutMs));
        kernel::pidfdSendSignal(container.pidfd.get(), SIGKILL);
      }
    }
  }

  static int waitForSignal(const sigset_t& watched, const StopRequest& stop) noexcept {
    if (!stop.termSeen || stop.killed) {
      return sigwaitinfo(&watched, nullptr);
    }
    const std::uint64_t now = clockMs(CLOCK_MONOTONIC);
    const std::uint64_t left = now < stop.deadlineMs ? stop.deadlineMs - now : 0;
    const timespec wait = {.tv_sec = static_cast<time_t>(left / kMsPerSecond),
                           .tv_nsec = static_cast<long>(left % kMsPerSecond) * kNsPerMs};
    return sigtimedwait(&watched, nullptr, &wait);
  }

  int end(const Ending& ending, const StopRequest& stop) {
    status_.phase = Phase::ended;
    status_.endedAtMs = clockMs(CLOCK_REALTIME);
    status_.exitCode = ending.exitCode;
    status_.signal = ending.signal;
    save();
    if (stop.killed) {
      return kHadToBeKilled;
    }
    const auto& normal = plan_.normalExitCodes;
    const bool wanted = stop.termSeen || stop.interrupted || ending.signal == SIGTERM ||
                        (ending.exitCode && std::find(normal.begin(), normal.end(), *ending.exitCode) != normal.end());
    return wanted ? kStopped : kAbnormal;
  }

  const Plan& plan_;
  Fd stateDir_;
  Fd lock_;
  Status status_;
};

} // namespace

int supervise(const Plan& plan) { return Supervisor(plan).run(); }

} // namespace stellwerk::knot
