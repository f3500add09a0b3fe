#include "scanner/stall_watch.hpp"

#include "base/thread.hpp"

#include <cstdio>
#include <unistd.h>

namespace stellwerk {

StallWatch::StallWatch(std::chrono::milliseconds limit, int exitCode)
    : limit_(limit), exitCode_(exitCode), thread_([this] { run(); }) {}

StallWatch::~StallWatch() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void StallWatch::run() {
  const ThreadName name("stall");
  std::uint64_t seen = 0;
  int silent = 0;
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, limit_ / kTicks, [this] { return stopping_; })) {
    const std::uint64_t beats = beats_.load(std::memory_order_relaxed);
    silent = beats == seen ? silent + 1 : 0;
    seen = beats;
    if (silent < kTicks) {
      continue;
    }
    char message[128];
    const int length = std::snprintf(message, sizeof message,
                                     "stellwerk: the event loop has not moved for %lld ms; the process ends\n",
                                     static_cast<long long>(limit_.count()));
    [[maybe_unused]] const auto written = write(STDERR_FILENO, message, static_cast<std::size_t>(length));
    _exit(exitCode_);
  }
}

} // namespace stellwerk
