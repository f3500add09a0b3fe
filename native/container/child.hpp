// The child's half of a start.
#pragma once

#include "container/limits.hpp"
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
};

// Becomes the container. Only async-signal-safe calls, no allocation; all signals are blocked.
[[noreturn]] void runChild(Prepared& prepared, int channel) noexcept;

} // namespace stellwerk
