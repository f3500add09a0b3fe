// The scanner's own numbers, and those of the program around it, among all others: {"group":"cantal","metric":…}, or of
// another group that the program names.
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
  struct Name {
    std::string group;
    std::string metric;
    auto operator<=>(const Name&) const = default;
  };

  // From any thread.
  void set(Name name, Value value) {
    std::lock_guard lock(mutex_);
    values_[std::move(name)] = value;
  }
  std::map<Name, Value> all() const {
    std::lock_guard lock(mutex_);
    return values_;
  }

private:
  mutable std::mutex mutex_;
  std::map<Name, Value> values_;
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
  void set(ScanContext& context, const std::string& metric, Kind kind, std::uint64_t word, std::string_view reason = {},
           std::string_view group = "cantal");

  std::map<std::string, Own> series_; // by metric, reason and group
};

} // namespace stellwerk
