#include "knot/supervise.hpp"

#include "base/failure_text.hpp"
#include "container/channel.hpp"
#include "container/ending.hpp"
#include "container/kernel.hpp"
#include "container/start.hpp"
#include "knot/confine.hpp"
#include "knot/memory_events.hpp"
#include "knot/secrets.hpp"
#include "knot/status.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/signalfd.h>

namespace stellwerk::knot {
namespace {

constexpr std::uint64_t kMsPerSecond = 1000;
constexpr long kNsPerMs = 1'000'000;

std::uint64_t clockMs(clockid_t clock) noexcept {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kMsPerSecond + static_cast<std::uint64_t>(now.tv_nsec / kNsPerMs);
}

sigset_t watchedSignals() noexcept {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGCHLD, SIGUSR1}) {
    sigaddset(&set, signal);
  }
  return set;
}

std::string folderOf(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

std::uint32_t outside(const std::vector<IdMapping>& map, std::uint32_t inside) noexcept {
  for (const IdMapping& row : map) {
    if (inside >= row.inside && inside - row.inside < row.count) {
      return row.outside + (inside - row.inside);
    }
  }
  return inside;
}

std::string describe(const Ending& ending) {
  return ending.signal ? "ended by signal " + std::to_string(*ending.signal)
                       : "ended with exit code " + std::to_string(ending.exitCode.value_or(0));
}

struct StopRequest {
  bool termSeen = false;
  bool interrupted = false;
  bool killed = false;
  std::uint64_t deadlineMs = 0; // CLOCK_MONOTONIC
};

class Supervisor {
public:
  explicit Supervisor(Plan& plan) : plan_(plan), output_(plan.output) {}

  int run() {
    log_.open(plan_.logFile, plan_.logLevel);
    stateDir_.reset(open(plan_.stateDir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!stateDir_) {
      report(Failure::of("open state", "open", plan_.stateDir.c_str()));
      return kSetUpFailed;
    }
    if (const auto code = lock(); code != 0) {
      return code;
    }
    const sigset_t watched = watchedSignals();
    sigprocmask(SIG_BLOCK, &watched, nullptr);
    signals_.reset(signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK));
    status_.knotPid = getpid();
    status_.knotStartTime = startTimeOf(getpid());
    status_.startedAtMs = clockMs(CLOCK_REALTIME);
    save();

    auto started = startContainer();
    if (!started) {
      return endUnstarted(started.failure());
    }
    container_ = std::move(started).value();
    status_.phase = Phase::running;
    status_.pid = container_.programPid;
    status_.startTime = startTimeOf(container_.programPid);
    if (auto done = openInside(); !done) {
      kernel::pidfdSendSignal(container_.pidfd.get(), SIGKILL);
      return endUnstarted(done.failure());
    }
    confineSelf();
    save();
    return watch();
  }

private:
  void report(const Failure& failure) {
    log_.say(Level::error, "%s: %s", plan_.name.c_str(), stellwerk::describe(failure).c_str());
  }

  void save() {
    if (auto done = writeStatus(stateDir_.get(), status_); !done) {
      report(done.failure()); // a full disk must not end the container
    }
  }

  int lock() {
    lock_.reset(openat(stateDir_.get(), "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (lock_ && flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) {
      return 0;
    }
    const bool taken = lock_ && errno == EWOULDBLOCK;
    report(Failure::of("lock", lock_ ? "flock" : "open", (plan_.stateDir + "/lock").c_str()));
    return taken ? kAlreadyRunning : kSetUpFailed;
  }

  OutputOwner programOutside() const noexcept {
    return {outside(plan_.spec.uidMap, plan_.spec.uid), outside(plan_.spec.gidMap, plan_.spec.gid)};
  }

  // A line between the program's own, so that a reader of the file knows where a run begins and ends.
  void mark(const std::string& text) {
    const TimeText time = timeText(static_cast<long long>(clockMs(CLOCK_REALTIME)));
    output_.append(std::string(output_.midLine() ? "\n" : "") + time.text + ": ----- " + text + " -----\n");
  }

  Result<Started> startContainer() {
    log_.say(Level::info, "Starting %s: %s", plan_.name.c_str(), plan_.spec.argv[0].c_str());
    memory_.open(plan_.spec.cgroups);
    const std::size_t open = plan_.spec.env.size();
    if (!plan_.secretsFile.empty()) {
      if (auto done = takeSecrets(plan_.secretsFile, plan_.spec.env); !done) {
        return done.failure();
      }
    }
    Fd writing;
    if (plan_.interactive) {
      plan_.spec.stdio = {0, 1, 2};
    } else {
      if (auto done = output_.openFile(); !done) {
        return done.failure();
      }
      auto pipe = output_.makePipe(programOutside());
      if (!pipe) {
        return pipe.failure();
      }
      writing = std::move(pipe).value();
      plan_.spec.stdio = {-1, writing.get(), writing.get()};
      if (!plan_.foreground) {
        mark("Starting " + plan_.name);
      }
    }
    auto started = start(plan_.spec);
    wipe(plan_.spec.env, plan_.spec.env.size() - open);
    return started;
  }

  Result<Done> openInside() {
    if (plan_.output.insideFile.empty() || plan_.interactive) {
      return Done{};
    }
    // The init may be looked into by root only, the program by its own user.
    const pid_t pid = geteuid() == 0 ? container_.pid : container_.programPid;
    Fd root(open(("/proc/" + std::to_string(pid) + "/root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root) {
      return Failure::of("open output", "open", "the container's root");
    }
    return output_.openInside(std::move(root));
  }

  void confineSelf() {
    Confinement confinement = {.writable = {plan_.stateDir},
                               .readable = {"/proc"},
                               .writableFolder = output_.insideFolder(),
                               .changesIds = !plan_.output.insideFile.empty()};
    for (const std::string& file : {plan_.logFile, plan_.output.file}) {
      if (!file.empty()) {
        confinement.writable.push_back(folderOf(file));
      }
    }
    const auto confined = confine(confinement);
    if (!confined) {
      report(confined.failure()); // a second wall: the first one stands
    } else if (!confined.value()) {
      log_.say(Level::debug, "%s: this kernel has no Landlock", plan_.name.c_str());
    }
  }

  int watch() {
    for (;;) {
      std::array<pollfd, 4> waiting = {{{.fd = signals_.get(), .events = POLLIN, .revents = 0},
                                        {.fd = output_.pipe(), .events = POLLIN, .revents = 0},
                                        {.fd = container_.restarts.get(), .events = POLLIN, .revents = 0},
                                        {.fd = container_.pidfd.get(), .events = POLLIN, .revents = 0}}};
      outputOpen_ = outputOpen_ && output_.pipe() >= 0;
      waiting[1].fd = outputOpen_ ? output_.pipe() : -1;
      poll(waiting.data(), waiting.size(), timeoutMs());
      if (waiting[1].revents != 0) {
        outputOpen_ = output_.take();
      }
      if (waiting[2].revents != 0) {
        takeRestart();
      }
      if (waiting[0].revents != 0) {
        takeSignals();
      }
      if (waiting[3].revents != 0) {
        if (const auto reaped = tryReap(container_.pidfd.get(), inPlace() ? -1 : container_.programStatus.get())) {
          takeEndings();
          return end(lastEnding_.value_or(reaped->ending));
        }
      }
      killWhenDue();
    }
  }

  bool inPlace() const noexcept { return plan_.spec.restartAfterMs.has_value(); }

  int timeoutMs() const noexcept {
    if (!stop_.termSeen || stop_.killed) {
      return -1;
    }
    const std::uint64_t now = clockMs(CLOCK_MONOTONIC);
    return now < stop_.deadlineMs ? static_cast<int>(stop_.deadlineMs - now) : 0;
  }

  void takeSignals() {
    signalfd_siginfo info;
    while (read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      switch (static_cast<int>(info.ssi_signo)) {
      case SIGTERM:
        askToStop();
        break;
      case SIGINT:
        // Of a terminal: the program got it as well. Its end is what was asked for.
        stop_.interrupted = true;
        break;
      case SIGUSR1:
        log_.reopen();
        output_.reopen();
        break;
      default:
        break;
      }
    }
  }

  void askToStop() {
    if (stop_.termSeen) {
      return;
    }
    stop_.termSeen = true;
    stop_.deadlineMs = clockMs(CLOCK_MONOTONIC) + plan_.killTimeoutMs;
    status_.phase = Phase::stopping;
    save();
    kernel::pidfdSendSignal(container_.pidfd.get(), SIGTERM);
  }

  void killWhenDue() {
    if (!stop_.termSeen || stop_.killed || clockMs(CLOCK_MONOTONIC) < stop_.deadlineMs) {
      return;
    }
    stop_.killed = true;
    log_.say(Level::warn, "%s: still running %llu ms after SIGTERM, killed", plan_.name.c_str(),
             static_cast<unsigned long long>(plan_.killTimeoutMs));
    kernel::pidfdSendSignal(container_.pidfd.get(), SIGKILL);
  }

  // What the init tells of the programs of one container.
  void takeEndings() {
    if (!inPlace()) {
      return;
    }
    const int fd = container_.programStatus.get();
    fcntl(fd, F_SETFL, O_NONBLOCK);
    int status = 0;
    while (read(fd, &status, sizeof status) == static_cast<ssize_t>(sizeof status)) {
      lastEnding_ = endingOf(status);
    }
  }

  void takeRestart() {
    const auto program = takeHello(container_.restarts.get());
    if (!program && (program.failure().error == EAGAIN || program.failure().error == EPIPE)) {
      if (program.failure().error == EPIPE) {
        container_.restarts.reset();
      }
      return;
    }
    takeEndings();
    if (!program) {
      report(program.failure());
      return;
    }
    const std::string how = lastEnding_ ? describe(*lastEnding_) : "ended";
    log_.say(Level::error, "Process %s %s, started again in its container", plan_.name.c_str(), how.c_str());
    mark("Process " + plan_.name + " " + how + ", started again");
    status_.restarts++;
    status_.pid = program.value();
    status_.startTime = startTimeOf(program.value());
    status_.startedAtMs = clockMs(CLOCK_REALTIME);
    status_.exitCode = lastEnding_ ? lastEnding_->exitCode : std::nullopt;
    status_.signal = lastEnding_ ? lastEnding_->signal : std::nullopt;
    status_.oomKills = memory_.oomKills();
    save();
  }

  int endUnstarted(const Failure& failure) {
    output_.drain();
    report(failure);
    status_.phase = Phase::ended;
    status_.endedAtMs = clockMs(CLOCK_REALTIME);
    status_.failure = &failure;
    save();
    return kSetUpFailed;
  }

  int end(const Ending& ending) {
    output_.drain();
    status_.phase = Phase::ended;
    status_.endedAtMs = clockMs(CLOCK_REALTIME);
    status_.exitCode = ending.exitCode;
    status_.signal = ending.signal;
    status_.oomKills = memory_.oomKills();
    if (status_.oomKills > 0) {
      status_.memoryPressure = memory_.pressure();
    }
    save();
    const int code = exitCodeOf(ending);
    tellEnd(ending, code);
    if (plan_.foreground && code != kHadToBeKilled) {
      return ending.signal ? 128 + *ending.signal : ending.exitCode.value_or(kAbnormal);
    }
    return code;
  }

  void tellEnd(const Ending& ending, int code) {
    const std::uint64_t seconds = (status_.endedAtMs - std::min(status_.startedAtMs, status_.endedAtMs)) / kMsPerSecond;
    const std::string text = "Process " + plan_.name + " " + describe(ending) +
                             (status_.oomKills > 0 ? ", out of memory" : "") + ", uptime " + std::to_string(seconds) +
                             "s";
    log_.say(code == kStopped ? Level::info : Level::error, "%s", text.c_str());
    if (!plan_.foreground) {
      mark(text);
    }
  }

  int exitCodeOf(const Ending& ending) const {
    if (stop_.killed) {
      return kHadToBeKilled;
    }
    const auto& normal = plan_.normalExitCodes;
    const bool wanted = stop_.termSeen || stop_.interrupted || ending.signal == SIGTERM ||
                        (ending.exitCode && std::find(normal.begin(), normal.end(), *ending.exitCode) != normal.end());
    return wanted ? kStopped : kAbnormal;
  }

  Plan& plan_;
  Log log_;
  Output output_;
  MemoryEvents memory_;
  Fd stateDir_;
  Fd lock_;
  Fd signals_;
  Started container_;
  Status status_;
  StopRequest stop_;
  std::optional<Ending> lastEnding_;
  bool outputOpen_ = true;
};

} // namespace

int supervise(Plan& plan) { return Supervisor(plan).run(); }

} // namespace stellwerk::knot
