// The knot's status file: how tree, or its successor, learns what runs.
#pragma once

#include "base/failure.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <sys/types.h>

namespace stellwerk::knot {

enum class Phase { starting, running, stopping, ended };

struct Status {
  Phase phase = Phase::starting;
  pid_t knotPid = 0;
  std::uint64_t knotStartTime = 0; // clock ticks since boot, proc_pid_stat(5) field 22
  pid_t pid = 0;                   // the program, as the host sees it
  std::uint64_t startTime = 0;
  std::uint64_t startedAtMs = 0; // since 1970
  std::uint64_t endedAtMs = 0;
  std::optional<int> exitCode;
  std::optional<int> signal;
  const Failure* failure = nullptr;
  std::uint64_t restarts = 0; // of the program in this container (restart-process-only)
  std::uint64_t oomKills = 0; // in the container's cgroup, since the start
  std::string_view memoryPressure; // at the end, where oomKills is not 0: `some` of memory.pressure
};

// Enough for every Status: a Failure's texts grow sixfold at most when escaped.
inline constexpr std::size_t kStatusBytes = 4096;

// Writes the JSON into `buffer`; no allocation.
std::string_view encodeStatus(const Status& status, std::span<char, kStatusBytes> buffer) noexcept;

// Field 22 of /proc/PID/stat; 0 where the process is gone. The name in field 2 may hold anything.
std::uint64_t startTimeOf(pid_t pid) noexcept;
std::uint64_t parseStartTime(std::string_view stat) noexcept;

// status.tmp beside `status`, then rename(2).
Result<Done> writeStatus(int stateDir, const Status& status) noexcept;

} // namespace stellwerk::knot
