#include "container/descriptors.hpp"

#include "container/kernel.hpp"

#include <climits>
#include <fcntl.h>
#include <sys/resource.h>

namespace stellwerk {
namespace {

// close_range is there from 5.9 on; before, as many as may be open.
int highestPossible() noexcept {
  rlimit limit;
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < INT_MAX ? static_cast<int>(limit.rlim_cur) : 65536;
}

} // namespace

Result<Done> takeStdio(const std::array<int, 3>& stdio, int null) noexcept {
  std::array<int, 3> moved;
  for (std::size_t index = 0; index < 3; index++) {
    moved[index] = fcntl(stdio[index] < 0 ? null : stdio[index], F_DUPFD_CLOEXEC, 3);
    if (moved[index] < 0) {
      return Failure::of("set stdio", "fcntl");
    }
  }
  for (int index = 0; index < 3; index++) {
    if (dup2(moved[static_cast<std::size_t>(index)], index) < 0) {
      return Failure::of("set stdio", "dup2");
    }
  }
  if (kernel::closeRange(3, UINT_MAX, kernel::kCloseRangeCloseOnExec) != 0) {
    for (int fd = 3; fd < highestPossible(); fd++) {
      fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
  }
  return Done{};
}

Result<Done> takePassed(std::span<PassedFd> passed, int& channel) noexcept {
  int above = 3;
  for (const PassedFd& each : passed) {
    above = each.to >= above ? each.to + 1 : above;
  }
  channel = fcntl(channel, F_DUPFD_CLOEXEC, above);
  if (channel < 0) {
    return Failure::of("pass sockets", "fcntl");
  }
  for (PassedFd& each : passed) {
    each.from = fcntl(each.from, F_DUPFD_CLOEXEC, above);
    if (each.from < 0) {
      return Failure::of("pass sockets", "fcntl");
    }
  }
  for (const PassedFd& each : passed) {
    if (dup2(each.from, each.to) < 0) {
      return Failure::of("pass sockets", "dup2");
    }
  }
  return Done{};
}

void closeAllBut(std::span<const int> keep) noexcept {
  unsigned first = 0;
  bool closed = true;
  for (const int fd : keep) {
    const auto kept = static_cast<unsigned>(fd);
    closed = closed && (kept <= first || kernel::closeRange(first, kept - 1, 0) == 0);
    first = kept + 1;
  }
  if (closed && kernel::closeRange(first, UINT_MAX, 0) == 0) {
    return;
  }
  std::size_t next = 0;
  for (int fd = 0; fd < highestPossible(); fd++) {
    if (next < keep.size() && keep[next] == fd) {
      next++;
    } else {
      close(fd);
    }
  }
}

} // namespace stellwerk
