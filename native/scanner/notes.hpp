// What a scan has to tell people: refused values files by reason, and messages.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace stellwerk {

class Notes {
public:
  struct Rejection {
    std::uint64_t count = 0;
    std::string message;
  };

  void say(std::string message) {
    std::lock_guard lock(mutex_);
    // Nobody may be listening; the newest are the ones worth keeping.
    if (messages_.size() == kMostMessages) {
      messages_.pop_front();
    }
    messages_.push_back(std::move(message));
  }

  // Counted at each scan; said only when `first`, that is once per generation of the file.
  void reject(const char* reason, const std::string& message, bool first) {
    {
      std::lock_guard lock(mutex_);
      Rejection& rejection = rejected_[reason];
      ++rejection.count;
      rejection.message = message;
    }
    if (first) {
      say(message);
    }
  }

  std::vector<std::string> take() {
    std::lock_guard lock(mutex_);
    std::vector<std::string> all(messages_.begin(), messages_.end());
    messages_.clear();
    return all;
  }
  std::map<std::string, Rejection> rejected() {
    std::lock_guard lock(mutex_);
    return rejected_;
  }

private:
  static constexpr std::size_t kMostMessages = 1000;
  std::mutex mutex_;
  std::deque<std::string> messages_;
  std::map<std::string, Rejection> rejected_;
};

} // namespace stellwerk
