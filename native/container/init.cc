#include "container/init.hpp"

#include "container/descriptors.hpp"

#include <cerrno>
#include <ctime>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace stellwerk {
namespace {

constexpr std::uint64_t kMsPerSecond = 1000;
constexpr long kNsPerMs = 1'000'000;

std::uint64_t nowMs() noexcept {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kMsPerSecond + static_cast<std::uint64_t>(now.tv_nsec / kNsPerMs);
}

class Init {
public:
  Init(const Prepared& prepared, int program) noexcept
      : prepared_(prepared), program_(program), startedMs_(nowMs()) {}

  [[noreturn]] void run() noexcept {
    reap(); // the program may have ended before its SIGCHLD could be waited for
    for (;;) {
      siginfo_t info;
      const int signal = wait(info);
      if (signal == SIGCHLD) {
        reap();
      } else if (signal > 0 && info.si_code != SI_KERNEL && !prepared_.spec.ownGroup) {
        // The terminal's own signals (SI_KERNEL) reach the whole foreground group, the program included.
        forward(signal);
      }
      startAgainWhenDue();
    }
  }

private:
  bool waiting() const noexcept { return program_ == 0; }
  std::uint64_t dueMs() const noexcept { return startedMs_ + *prepared_.spec.restartAfterMs; }

  int wait(siginfo_t& info) const noexcept {
    sigset_t all;
    sigfillset(&all);
    if (!waiting()) {
      return sigwaitinfo(&all, &info);
    }
    const std::uint64_t now = nowMs();
    const std::uint64_t left = now < dueMs() ? dueMs() - now : 0;
    const timespec most = {.tv_sec = static_cast<time_t>(left / kMsPerSecond),
                           .tv_nsec = static_cast<long>(left % kMsPerSecond) * kNsPerMs};
    return sigtimedwait(&all, &info, &most);
  }

  void forward(int signal) noexcept {
    // Only these mean the end; any other is between the sender and the program.
    stopping_ = stopping_ || signal == SIGTERM || signal == SIGINT;
    if (!waiting()) {
      kill(program_, signal);
    } else if (stopping_) {
      endLike(lastStatus_);
    }
  }

  void reap() noexcept {
    int status = 0;
    const int options = WNOHANG | (prepared_.spec.ownGroup ? WUNTRACED : 0);
    for (pid_t pid = waitpid(-1, &status, options); pid > 0; pid = waitpid(-1, &status, options)) {
      if (pid != program_) {
        continue;
      }
      if (!WIFSTOPPED(status)) {
        programEnded(status);
      } else if (write(prepared_.stopsWrite.get(), &status, sizeof status) < 0) {
        // The starter is gone; nobody asks.
      }
    }
  }

  void programEnded(int status) noexcept {
    if (write(prepared_.statusWrite.get(), &status, sizeof status) < 0) {
      // The starter is gone; nobody asks.
    }
    if (!prepared_.spec.restartAfterMs || stopping_) {
      endLike(status);
    }
    lastStatus_ = status;
    program_ = 0;
  }

  void startAgainWhenDue() noexcept {
    if (!waiting() || nowMs() < dueMs()) {
      return;
    }
    startedMs_ = nowMs();
    const long program = startProgram(prepared_, prepared_.restartWrite.get());
    // No memory for a process: the next round tries again.
    program_ = program > 0 ? static_cast<int>(program) : 0;
  }

  [[noreturn]] static void endLike(int status) noexcept {
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }

  const Prepared& prepared_;
  int program_;
  int lastStatus_ = 0;
  std::uint64_t startedMs_;
  bool stopping_ = false;
};

} // namespace

void runInit(const Prepared& prepared, int program) noexcept {
  // A copy of the starter's memory: nobody inside may look into it.
  prctl(PR_SET_DUMPABLE, 0);
  prctl(PR_SET_NAME, "init");
  closeAllBut(prepared.keptByInit);
  if (prepared.spec.ownGroup) {
    setpgid(0, 0); // what stops the starter's group must not stop the one who tells of stops
  }
  Init(prepared, program).run();
}

} // namespace stellwerk
