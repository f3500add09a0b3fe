// What the kernel knows of the calling thread.
#pragma once

#include <cstdint>
#include <sys/prctl.h>
#include <sys/resource.h>

namespace stellwerk {

// PR_SET_NAME, prctl(2): seen in top, in gdb and in /proc/PID/task/TID/comm. The former name comes back.
class ThreadName {
public:
  explicit ThreadName(const char* name) noexcept {
    prctl(PR_GET_NAME, former_);
    prctl(PR_SET_NAME, name);
  }
  ThreadName(const ThreadName&) = delete;
  ThreadName& operator=(const ThreadName&) = delete;
  ~ThreadName() { prctl(PR_SET_NAME, former_); }

private:
  char former_[16] = {};
};

struct ThreadTime {
  std::uint64_t userUs;
  std::uint64_t systemUs;
};

// RUSAGE_THREAD, getrusage(2).
inline ThreadTime threadTime() noexcept {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  const auto micros = [](const timeval& time) {
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(time.tv_usec);
  };
  return {micros(usage.ru_utime), micros(usage.ru_stime)};
}

} // namespace stellwerk
