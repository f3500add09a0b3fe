// How a container ended. Kernel documents: waitid(2), pidfd_open(2).
#pragma once

#include <optional>

namespace stellwerk {

struct Ending {
  std::optional<int> exitCode;
  std::optional<int> signal;
};

// The ending of the process behind the pidfd, reaping it, if it is our child and has ended; nothing while it runs.
// `known` false: it has ended or is no child of ours. `programStatus`: the init's pipe, or -1.
struct Reaped {
  bool known = false;
  Ending ending;
};
std::optional<Reaped> tryReap(int pidfd, int programStatus) noexcept;

Ending endingOf(int waitStatus) noexcept;

} // namespace stellwerk
