// The files of /proc/PID: proc_pid_stat(5), proc_pid_status(5), proc_pid_io(5), proc_pid_environ(5); schedstat:
// Documentation/scheduler/sched-stats.rst.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace stellwerk {

struct ProcessStat {
  std::uint32_t pid = 0;
  std::string_view name; // between the first `(` and the last `)`
  char state = '?';
  std::uint32_t ppid = 0;
  std::uint32_t flags = 0; // PF_*; linux/sched.h
  std::uint64_t userTime = 0; // clock ticks
  std::uint64_t systemTime = 0;
  std::uint64_t childUserTime = 0;
  std::uint64_t childSystemTime = 0;
  std::uint64_t threads = 0;
  std::uint64_t startTime = 0; // clock ticks since boot
  std::uint64_t vsize = 0;     // bytes
  std::uint64_t rssPages = 0;
  std::uint64_t startStack = 0; // changes at each exec; 0 where it may not be seen

  static constexpr std::uint32_t kKernelThread = 0x00200000; // PF_KTHREAD
};
std::optional<ProcessStat> parseProcessStat(std::string_view text) noexcept;

struct ProcessStatus {
  std::uint32_t uid = 0; // real
  std::uint32_t gid = 0;
  std::uint64_t swap = 0; // bytes
  // Of the main thread.
  std::optional<std::uint64_t> voluntarySwitches = {};
  std::optional<std::uint64_t> involuntarySwitches = {};
};
ProcessStatus parseProcessStatus(std::string_view text) noexcept;

struct ProcessIo {
  std::optional<std::uint64_t> readBytes;
  std::optional<std::uint64_t> writeBytes;
};
ProcessIo parseProcessIo(std::string_view text) noexcept;

// How long the main thread has run, ns, and how often it was given a processor. While both stay the same, it has not run.
struct RunStamp {
  std::uint64_t ran = 0;
  std::uint64_t turns = 0;
  bool operator==(const RunStamp&) const = default;
};
std::optional<RunStamp> parseRunStamp(std::string_view text) noexcept;

struct ProcessEnvironment {
  std::string_view path; // CANTAL_PATH
  std::string_view appname;
};
ProcessEnvironment parseEnvironment(std::string_view text) noexcept;

} // namespace stellwerk
