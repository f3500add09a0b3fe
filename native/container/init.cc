#include "container/init.hpp"

#include "container/descriptors.hpp"

#include <cerrno>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace stellwerk {
namespace {

[[noreturn]] void endLike(int status, int statusPipe) noexcept {
  if (write(statusPipe, &status, sizeof status) < 0) {
    // The starter is gone; nobody asks.
  }
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

void reap(int program, int statusPipe) noexcept {
  int status = 0;
  for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG)) {
    if (pid == program) {
      endLike(status, statusPipe);
    }
  }
}

} // namespace

void runInit(int program, int statusPipe) noexcept {
  // A copy of the starter's memory: nobody inside may look into it.
  prctl(PR_SET_DUMPABLE, 0);
  prctl(PR_SET_NAME, "init");
  closeAllBut(statusPipe);
  sigset_t all;
  sigfillset(&all);
  reap(program, statusPipe); // it may have ended before its SIGCHLD could be waited for
  for (;;) {
    siginfo_t info;
    const int signal = sigwaitinfo(&all, &info);
    if (signal == SIGCHLD) {
      reap(program, statusPipe);
    } else if (signal > 0 && info.si_code != SI_KERNEL) {
      // The terminal's own signals (SI_KERNEL) reach the whole foreground group, the program included.
      kill(program, signal);
    }
  }
}

} // namespace stellwerk
