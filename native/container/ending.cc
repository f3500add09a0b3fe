#include "container/ending.hpp"

#include <cerrno>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace stellwerk {

Ending endingOf(int waitStatus) noexcept {
  if (WIFSIGNALED(waitStatus)) {
    return {.exitCode = std::nullopt, .signal = WTERMSIG(waitStatus)};
  }
  return {.exitCode = WEXITSTATUS(waitStatus), .signal = std::nullopt};
}

std::optional<Reaped> tryReap(int pidfd, int programStatus) noexcept {
  siginfo_t info = {};
  if (waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG) != 0) {
    if (errno == EINTR) {
      return std::nullopt;
    }
    // Not our child: readable means ended (pidfd_open(2)).
    pollfd waiting = {.fd = pidfd, .events = POLLIN, .revents = 0};
    return poll(&waiting, 1, 0) == 0 ? std::nullopt : std::optional(Reaped{});
  }
  if (info.si_pid == 0) {
    return std::nullopt;
  }
  int status = 0;
  if (programStatus >= 0 && read(programStatus, &status, sizeof status) == static_cast<ssize_t>(sizeof status)) {
    return Reaped{.known = true, .ending = endingOf(status)};
  }
  Ending ending;
  (info.si_code == CLD_EXITED ? ending.exitCode : ending.signal) = info.si_status;
  return Reaped{.known = true, .ending = ending};
}

} // namespace stellwerk
