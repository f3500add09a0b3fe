// The scan's own thread: a scan each interval, whatever the event loop does.
#pragma once

#include "scanner/scan.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <sys/prctl.h>
#include <thread>

namespace stellwerk {

inline std::int64_t wallMs() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
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
    prctl(PR_SET_NAME, "scan"); // prctl(2): seen in top and gdb
    const std::chrono::milliseconds interval(scan_.options().intervalMs);
    auto next = std::chrono::steady_clock::now();
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      lock.unlock();
      scan_.scan(wallMs());
      scanned_();
      next += interval;
      // Behind by whole periods: they are counted, not caught up with.
      for (const auto now = std::chrono::steady_clock::now(); next <= now; next += interval) {
        scan_.missed();
      }
      lock.lock();
      wake_.wait_until(lock, next, [this] { return stopping_; });
    }
  }

  Scan& scan_;
  std::function<void()> scanned_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_; // last: it uses all of the above
};

} // namespace stellwerk
