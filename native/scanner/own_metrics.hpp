// The scanner's own numbers, and those of the program around it, among all others: {"group":"cantal","metric":…}.
#pragma once

#include "scanner/collector.hpp"
#include "scanner/publication.hpp"

#include <map>
#include <mutex>
#include <string>

namespace stellwerk {

// What others have to tell of themselves. Stays until it is told anew.
class Reported {
public:
  struct Value {
    Kind kind;
    std::uint64_t word;
  };

  // From any thread.
  void set(const std::string& metric, Value value) {
    std::lock_guard lock(mutex_);
    values_[metric] = value;
  }
  std::map<std::string, Value> all() const {
    std::lock_guard lock(mutex_);
    return values_;
  }

private:
  mutable std::mutex mutex_;
  std::map<std::string, Value> values_;
};

class OwnMetrics {
public:
  // `before`: of the last scan, because this one is not over. Times in µs.
  void put(ScanContext& context, const Health& before, const Reported& reported);

private:
  struct Own {
    Kind kind;
    SeriesRef ref;
  };
  void set(ScanContext& context, const std::string& metric, Kind kind, std::uint64_t word, std::string_view reason = {});

  std::map<std::string, Own> series_; // by metric and reason
};

} // namespace stellwerk
