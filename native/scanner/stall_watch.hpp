// Ends the process when a thread that should give signs of life gives none: an event loop that is stuck would keep its
// addresses and its place in the cluster for ever.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

namespace stellwerk {

class StallWatch {
public:
  // Without beat() for `limit` the process says so on standard error and exits with `exitCode`, without any handlers.
  StallWatch(std::chrono::milliseconds limit, int exitCode);
  StallWatch(const StallWatch&) = delete;
  StallWatch& operator=(const StallWatch&) = delete;
  ~StallWatch();

  void beat() noexcept { beats_.fetch_add(1, std::memory_order_relaxed); }

private:
  void run();

  // Time is counted in ticks of this thread: while the whole process stands still (SIGSTOP, a suspended machine) nothing
  // stalls, whatever the clock says afterwards.
  static constexpr int kTicks = 60;

  std::chrono::milliseconds limit_;
  int exitCode_;
  std::atomic<std::uint64_t> beats_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace stellwerk
