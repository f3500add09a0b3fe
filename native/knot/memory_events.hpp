// Out-of-memory kills of a cgroup. Kernel documents: cgroup-v2.rst (memory.events, memory.pressure), cgroup-v1/memory.rst
// (memory.oom_control), accounting/psi.rst.
#pragma once

#include "base/fd.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stellwerk::knot {

// The number after `oom_kill `; 0 where there is none (v1 before Linux 4.13).
std::uint64_t parseOomKills(std::string_view text) noexcept;

class MemoryEvents {
public:
  // The first of the cgroup folders that counts memory.
  void open(const std::vector<std::string>& cgroups);
  // Since open(): an instance keeps its cgroup over its restarts.
  std::uint64_t oomKills() const noexcept;
  // The `some` line of memory.pressure, without its end; empty where the kernel does not measure it.
  std::string_view pressure() noexcept;

private:
  std::uint64_t total() const noexcept;

  Fd events_;
  Fd pressure_;
  std::uint64_t before_ = 0;
  char line_[128] = {};
};

} // namespace stellwerk::knot
