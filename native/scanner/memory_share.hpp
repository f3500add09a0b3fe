// How much memory is a process's own where pages are shared: /proc/PID/smaps_rollup, proc_pid_smaps(5). The kernel walks all
// its page tables for it (milliseconds for gigabytes), so it is asked for one process when somebody wants to know.
#pragma once

#include "base/failure.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace stellwerk {

// Bytes. Of a page that n processes map, each has one nth.
struct MemoryShare {
  std::uint64_t pss = 0;
  std::uint64_t pssAnon = 0;
  std::uint64_t pssFile = 0;
  std::uint64_t pssShmem = 0;
  std::uint64_t swapPss = 0;
};

MemoryShare parseMemoryShare(std::string_view text) noexcept;
Result<MemoryShare> readMemoryShare(const std::string& procRoot, std::uint32_t pid);

} // namespace stellwerk
