// The time stamps of the scans, shared by all series: a sample costs only its value.
#pragma once

#include <cstdint>
#include <vector>

namespace stellwerk {

class Timeline {
public:
  explicit Timeline(std::int64_t keepMs) : keepMs_(keepMs), stamps_(64) {}

  // `timestamp` must be newer than the last one. Returns the new scan's index; indices never repeat.
  std::uint32_t push(std::int64_t timestamp) {
    while (first_ != end_ && at(first_) < timestamp - keepMs_) {
      ++first_;
    }
    if (end_ - first_ == stamps_.size()) {
      grow();
    }
    stamps_[end_ & (stamps_.size() - 1)] = timestamp;
    return end_++;
  }

  std::int64_t at(std::uint32_t scan) const noexcept { return stamps_[scan & (stamps_.size() - 1)]; }
  std::uint32_t first() const noexcept { return first_; }
  std::uint32_t end() const noexcept { return end_; }
  std::size_t bytes() const noexcept { return stamps_.size() * sizeof(std::int64_t); }

private:
  void grow() {
    std::vector<std::int64_t> larger(stamps_.size() * 2);
    for (std::uint32_t scan = first_; scan != end_; ++scan) {
      larger[scan & (larger.size() - 1)] = at(scan);
    }
    stamps_.swap(larger);
  }

  std::int64_t keepMs_;
  std::vector<std::int64_t> stamps_; // power of two
  std::uint32_t first_ = 0;
  std::uint32_t end_ = 0;
};

} // namespace stellwerk
