// The clone itself: with the strongest call that the kernel has, or from within namespaces that are there already.
#pragma once

#include "base/failure.hpp"
#include "container/spec.hpp"

#include <cstdint>

namespace stellwerk {

struct Clone {
  pid_t pid = -1;
  int pidfd = -1;
  bool inCgroup = false;
};

// CLONE_NEW… of all but the cgroup namespace: its root is to be the cgroup that is joined after the clone.
std::uint64_t cloneFlags(const Namespaces& namespaces) noexcept;

// As clone3(2): pid 0 in the child, -1 with errno where it failed. `cgroup`: a folder of the unified hierarchy, or -1.
Clone cloneChild(std::uint64_t namespaces, int cgroup) noexcept;

// What a child of cloneWithin does; it does not return.
struct ChildTask {
  void (*run)(void* argument);
  void* argument = nullptr;
};

// A child of the calling thread, in spec.join and in new namespaces within them. A process in between enters, clones with
// CLONE_PARENT, writes the child's id maps (only one who is inside may) and is gone when this returns.
Result<Clone> cloneWithin(const Spec& spec, ChildTask task);

void killAndReap(int pidfd) noexcept;

} // namespace stellwerk
