// The scan's own thread: a scan each interval, whatever the event loop does.
#pragma once

#include "base/thread.hpp"
#include "scanner/scan.hpp"
#include "scanner/scan_thread_end.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <time.h>

namespace stellwerk {

inline std::int64_t wallMs() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

// clock_gettime(2): goes on in suspend, and is never set.
inline std::int64_t bootMs() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

class ScanThread {
public:
  ScanThread(Scan& scan, std::function<void()> scanned) : scan_(scan), scanned_(std::move(scanned)) {
    thread_ = std::thread([this] { run(); });
  }
  ScanThread(const ScanThread&) = delete;
  ScanThread& operator=(const ScanThread&) = delete;
  // Waits for the scan that is under way.
  ~ScanThread() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

private:
  void run() {
    const ThreadName name("scan");
    endProcessWithThisThread();
    const std::chrono::milliseconds interval(scan_.options().intervalMs);
    auto next = std::chrono::steady_clock::now();
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      lock.unlock();
      scan_.scan(wallMs(), bootMs());
      scanned_();
      next += interval;
      // Behind by whole periods: they are counted, not caught up with.
      for (const auto now = std::chrono::steady_clock::now(); next <= now; next += interval) {
        scan_.missed();
      }
      lock.lock();
      wake_.wait_until(lock, next, [this] { return stopping_; });
    }
    releaseProcessFromThisThread();
  }

  Scan& scan_;
  std::function<void()> scanned_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_; // last: it uses all of the above
};

} // namespace stellwerk
