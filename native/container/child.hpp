// The child's half of a start.
#pragma once

#include "container/limits.hpp"
#include "container/listening.hpp"
#include "container/mounts.hpp"
#include "container/spec.hpp"

#include <linux/filter.h>

namespace stellwerk {

// All that the child needs, made before the clone.
struct Prepared {
  const Spec& spec;
  MountPlan mounts;
  std::vector<const char*> argv;
  std::vector<const char*> env;
  std::vector<NumberedLimit> limits;
  std::vector<sock_filter> filter;
  std::uint64_t keepCapabilities = 0;
  bool setgroupsAllowed = false;
  bool withInit = false;
  Fd null;
  Fd statusRead;
  Fd statusWrite;
  // Only where the init may start the program again.
  Fd restartRead;
  Fd restartWrite;
  // Only with ownGroup.
  Fd stopsRead;
  Fd stopsWrite;
  std::vector<NumberedSocket> sockets;
  // Those of the starter first, then room for those that the child opens.
  std::vector<PassedFd> passed;
  std::vector<Fd> opened;
  // What the init needs for itself and for a later start of the program, ascending; room for the sockets of the child.
  std::vector<int> keptByInit;
};

// Forks the program; its pid, or -1. `channel` gets its hello, and its failure where it cannot be executed.
long startProgram(const Prepared& prepared, int channel) noexcept;

// Becomes the container. Only async-signal-safe calls, no allocation; all signals are blocked.
[[noreturn]] void runChild(Prepared& prepared, int channel) noexcept;

} // namespace stellwerk
